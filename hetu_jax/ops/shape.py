"""Shape, layout and creation of arrays."""
