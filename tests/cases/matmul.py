"""Rows for hetu_jax/ops/matmul.py."""

from .case import Case

CASES: list[Case] = []
