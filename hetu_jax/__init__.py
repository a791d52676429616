"""Hetu's define-then-run deep learning on JAX: `import hetu_jax as ht`."""
