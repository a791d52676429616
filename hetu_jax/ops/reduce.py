"""Reductions, norms, arg-reductions, sorting and scans."""
