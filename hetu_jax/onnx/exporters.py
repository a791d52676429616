"""All exporters, and the ops that have none, with the reason."""

from . import (
    export_conv,
    export_elementwise,
    export_embedding,
    export_index,
    export_item,
    export_loss,
    export_matmul,
    export_norm,
    export_pool,
    export_reduce,
    export_select,
    export_shape,
)

FAMILIES = (
    export_conv,
    export_elementwise,
    export_embedding,
    export_index,
    export_item,
    export_loss,
    export_matmul,
    export_norm,
    export_pool,
    export_reduce,
    export_select,
    export_shape,
)

_IN_PLACE = "it changes a Variable, which a model for inference does not do"
_SPARSE = "ONNX operators take no sparse matrices"
_RANDOM = "it draws new random numbers at every run"
_UPDATE = "it belongs to the update of an embedding table"

NOT_EXPORTED: dict[str, str] = {
    **dict.fromkeys(("param_clip_op", "assign_with_indexedslices_op", "sparse_set_op"), _IN_PLACE),
    **dict.fromkeys(("csrmv_op", "csrmm_op", "distgcn_15d_op", "sparse_embedding_lookup_op"), _SPARSE),
    **dict.fromkeys(
        (
            "uniform_sample_op",
            "normal_sample_op",
            "truncated_normal_sample_op",
            "gumbel_sample_op",
            "randint_sample_op",
            "rand_op",
        ),
        _RANDOM,
    ),
    **dict.fromkeys(
        (
            "unique_indices_op",
            "unique_indices_offsets_op",
            "deduplicate_lookup_op",
            "deduplicate_grad_op",
            "sum_sparse_gradient_op",
        ),
        _UPDATE,
    ),
}
