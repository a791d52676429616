"""All exporters, and the ops that have none, with the reason."""

from . import (
    export_bits,
    export_collective,
    export_compress,
    export_conv,
    export_elementwise,
    export_embedding,
    export_index,
    export_indexing,
    export_item,
    export_loops,
    export_loss,
    export_matmul,
    export_moe,
    export_norm,
    export_pool,
    export_primitives,
    export_products,
    export_quantize,
    export_reduce,
    export_select,
    export_shape,
    export_special,
    export_windows,
)

FAMILIES = (
    export_bits,
    export_collective,
    export_compress,
    export_conv,
    export_elementwise,
    export_embedding,
    export_index,
    export_indexing,
    export_item,
    export_loops,
    export_loss,
    export_matmul,
    export_moe,
    export_norm,
    export_pool,
    export_primitives,
    export_products,
    export_quantize,
    export_reduce,
    export_select,
    export_shape,
    export_special,
    export_windows,
)

TRAINING = "it belongs to training; export the nodes of the forward pass"
_REASONS = {
    "it changes a Variable, which a model for inference does not do": (
        "assign_quantized_embedding_op assign_with_indexedslices_op parameterServerCommunicate_op param_clip_op "
        "prune_low_magnitude_op sparse_set_op"
    ),
    "it has no value": "parameterServerSparsePull_op pipeline_send_op",
    "ONNX operators take no sparse matrices": "csrmm_op csrmv_op distgcn_15d_op sparse_embedding_lookup_op",
    "it draws new random numbers at every run": (
        "gumbel_sample_op normal_sample_op quantize_op rand_op randint_sample_op truncated_normal_sample_op "
        "uniform_sample_op"
    ),
    "it belongs to the update of an embedding table, which is training": (
        "deduplicate_grad_op unique_indices_offsets_op unique_indices_op"
    ),
    "it belongs to dropout in training": "dropout2d_gradient_op dropout_gradient_op dropout_gradient_recompute_op",
    "it is an auction of as many rounds as the scores need": "balance_assignment_op",
}

NOT_EXPORTED: dict[str, str] = {name: reason for reason, names in _REASONS.items() for name in names.split()}
