"""Pooling and interpolation, NCHW."""
