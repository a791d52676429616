"""Elementwise arithmetic and functions."""
