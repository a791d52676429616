"""Normalisation, softmax and dropout."""
