"""Hetu's gradient constructors, derived from the forward ops."""
