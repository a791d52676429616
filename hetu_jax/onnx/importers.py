"""All families of importers: importing this module fills the registries of `operators`."""

from . import (
    import_cast,
    import_conv,
    import_index,
    import_math,
    import_nn,
    import_reduce,
    import_shape,
)

FAMILIES = (
    import_cast,
    import_conv,
    import_index,
    import_math,
    import_nn,
    import_reduce,
    import_shape,
)
