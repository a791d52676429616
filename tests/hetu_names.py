"""The names of `hetu.gpu_ops.__all__` in three vintages, and of `hetu.layers`."""

ALWAYS = """
    add_op addbyconst_op allreduceCommunicate_op array_reshape_gradient_op array_reshape_op avg_pool2d_gradient_op
    avg_pool2d_op batch_matmul_op batch_normalization_gradient_of_bias_op batch_normalization_gradient_of_data_op
    batch_normalization_gradient_of_scale_op batch_normalization_gradient_op batch_normalization_op
    binarycrossentropy_op broadcast_shape_op broadcastto_op concat_gradient_op concat_op conv2d_broadcastto_op
    conv2d_gradient_of_data_op conv2d_gradient_of_filter_op conv2d_op conv2d_reducesum_op csrmm_op csrmv_op
    datad2h_op datah2d_op distgcn_15d_op div_const_op div_op dropout_gradient_op dropout_op embedding_lookup_op
    groupallreduceCommunicate_op instance_normalization2d_op layer_normalization_op leaky_relu_gradient_op
    leaky_relu_op matmul_op matrix_dot_op max_pool2d_gradient_op max_pool2d_op mul_byconst_op mul_op one_hot_op
    oneslike_op opposite_op pad_gradient_op pad_op parameterServerCommunicate_op parameterServerSparsePull_op
    pipeline_receive_op pipeline_send_op placeholder_op reduce_mean_op reduce_sum_op reducesumaxiszero_op
    relu_gradient_op relu_op rsqrt_op sigmoid_op slice_gradient_op slice_op softmax_op softmaxcrossentropy_op
    split_gradient_op split_op sqrt_op tanh_op transpose_op where_op zeroslike_op
""".split()

UNTIL_EARLY_2023 = """
    dropout2d_gradient_op dropout2d_op embedding_lookup_gradient_op
""".split()

FROM_EARLY_2023 = """
    abs_gradient_op abs_op addmm_gradient_op addmm_op allgatherCommunicate_op allreduceCommunicatep2p_op alltoall_op
    arange_op argmax_op argsort_op baddbmm_op balance_assignment_op bool_op broadcastCommunicate_op clamp_op
    concatenate_gradient_op concatenate_op const_pow_gradient_op const_pow_op conv2d_add_bias_op cos_op
    crossentropy_op crossentropy_sparse_op cumsum_with_bias_op exp_op floor_op full_like_op full_op
    gather_gradient_op gather_op gelu_gradient_op gelu_op group_topk_idx_op halltoall_op indexing_op
    interpolate_grad_op interpolate_op layout_transform_gradient_op layout_transform_op linear_op log_grad_op log_op
    masked_fill_op max_op min_op minus_byconst_op minus_op nll_loss_grad_op nll_loss_op norm_gradient_op norm_op
    pow_gradient_op pow_op rand_op reduceCommunicate_op reducescatterCommunicate_op repeat_gradient_op repeat_op
    reverse_layout_transform_gradient_data_op reverse_layout_transform_gradient_gate_op
    reverse_layout_transform_no_gate_gradient_op reverse_layout_transform_no_gate_op reverse_layout_transform_op
    roll_op sam_group_sum_op sam_max_op scatter1d_grad_op scatter1d_op scatter_op sin_op slice_assign_matrix_op
    slice_assign_op slice_by_matrix_gradient_op slice_by_matrix_op softmaxcrossentropy_sparse_op sum_op
    tanh_gradient_op topk_idx_op topk_val_op where_const_op
""".split()

DECEMBER_2023 = """
    alpt_embedding_lookup_op alpt_rounding_op alpt_scale_gradient_op argmax_partial_op assign_quantized_embedding_op
    assign_with_indexedslices_op binary_step_gradient_op binary_step_op binarycrossentropywithlogits_gradient_op
    binarycrossentropywithlogits_op compo_hash_op deduplicate_grad_op deduplicate_lookup_op dequantize_op
    div_handle_zero_op div_hash_op gumbel_sample_op learn_hash_op log_softmax_gradient_op log_softmax_op mask_op
    min_dist_op mod_hash_negative_op mod_hash_op normal_sample_op param_clip_op power_op prune_low_magnitude_op
    quantize_op quantized_embedding_lookup_op randint_sample_op reduce_min_op reduce_mul_op reduce_norm1_op
    reduce_norm2_op reshape_to_op robe_hash_op robe_sign_op sign_op softmax_gradient_op sparse_embedding_lookup_op
    sparse_set_op stop_gradient_op sum_sparse_gradient_op tile_op tril_lookup_gradient_op tril_lookup_op
    truncated_normal_sample_op unified_quantized_embedding_lookup_op uniform_sample_op unique_indices_offsets_op
    unique_indices_op
""".split()

NOT_OPS = """
    Executor gradients wrapped_mpi_nccl_init scheduler_init scheduler_finish get_worker_communicate worker_init
    worker_finish server_init server_finish HetuConfig new_group_comm Variable softmax_func dispatch
""".split()

VINTAGES = {
    "2021": [*ALWAYS, *UNTIL_EARLY_2023, *NOT_OPS],
    "early 2023": [*ALWAYS, *UNTIL_EARLY_2023, *FROM_EARLY_2023, *NOT_OPS],
    "December 2023": [*ALWAYS, *FROM_EARLY_2023, *DECEMBER_2023, *NOT_OPS],
}
