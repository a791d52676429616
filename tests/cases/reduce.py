"""Rows for hetu_jax/ops/reduce.py."""

from .case import Case

CASES: list[Case] = []
