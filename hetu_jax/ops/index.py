"""Gathering, scattering and one-hot."""
