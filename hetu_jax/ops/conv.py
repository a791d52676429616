"""Convolutions, NCHW, filters OIHW."""
