"""All exporters, and the ops that have none, with the reason."""

from . import export_conv, export_elementwise, export_loss, export_pool, export_shape

FAMILIES = (export_conv, export_elementwise, export_loss, export_pool, export_shape)

NOT_EXPORTED: dict[str, str] = {}
