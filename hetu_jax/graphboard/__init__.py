"""Hetu's viewer of graphs: `from graphboard import graph2fig`."""

from . import graph2fig
