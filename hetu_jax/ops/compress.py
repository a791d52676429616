"""Compressed embeddings: hashing, quantisation and pruning."""
