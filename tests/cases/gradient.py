"""Rows for hetu_jax/ops/gradient.py."""

from .case import Case

CASES: list[Case] = []
