"""Embedding tables and rows of them."""
