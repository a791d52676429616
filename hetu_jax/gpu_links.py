"""Hetu's kernels on GPU arrays, `from hetu import gpu_links`: each writes into NDArrays that the caller made.

They are the ops of the graph under Hetu's other names and orders of arguments; `links` says how a line is read.
"""

from . import links
from .errors import hint_at_names
from .links.layers import LAYERS

_MATHEMATICS = """
array_set(arr, value): arr = full_like_op(arr, value)
clone(input_mat, output_mat): output_mat = same(input_mat)
abs_val(in_mat, out_mat): out_mat = abs_op(in_mat)
abs_gradient(in_mat, grad_mat, out_mat): out_mat = abs_gradient_op(in_mat, grad_mat)
sign_func(in_arr, out_arr): out_arr = sign_op(in_arr)
floor(in_arr, out_arr): out_arr = floor_op(in_arr)
exp(in_arr, out_arr): out_arr = exp_op(in_arr)
log_link(input, output, eps): output = log_op(input, eps)
log_grad_link(output_grad, input, input_grad, eps): input_grad = log_grad_op(output_grad, input, eps)
sin(in_arr, out_arr): out_arr = sin_op(in_arr)
cos(in_arr, out_arr): out_arr = cos_op(in_arr)
matrix_sqrt(in_arr, out_arr): out_arr = sqrt_op(in_arr)
matrix_rsqrt(in_arr, out_arr): out_arr = rsqrt_op(in_arr)
matrix_opposite(in_arr, out_arr): out_arr = opposite_op(in_arr)
matrix_power(in_arr, out_arr, p): out_arr = power_op(in_arr, p)
pow_matrix(in_arr, out_arr, eps): out_arr = pow_op(in_arr, eps)
pow_gradient(in_arr, in_grad_arr, out_arr, eps): out_arr = pow_gradient_op(in_arr, in_grad_arr, eps)
const_pow(in_arr, out_arr, val): out_arr = const_pow_op(in_arr, val)
const_pow_gradient(in_arr, grad_arr, out_arr, val): out_arr = const_pow_gradient_op(in_arr, grad_arr, val)
matrix_elementwise_add_by_const(in_mat, val, out_mat): out_mat = addbyconst_op(in_mat, val)
matrix_elementwise_add(matA, matB, matC, lazy_input=False): matC = add_op(matA, matB)
matrix_elementwise_add_simple(matA, matB, matC): matC = add_op(matA, matB)
matrix_elementwise_add_lazy(matA, matB, matC, gpu_buf): matC = add_op(matA, matB)
matrix_elementwise_minus(input1, input2, output): output = minus_op(input1, input2)
minus_by_const(input, output, val): output = minus_byconst_op(input, val)
matrix_elementwise_multiply_by_const(in_mat, val, out_mat): out_mat = mul_byconst_op(in_mat, val)
matrix_elementwise_multiply(matA, matB, matC): matC = mul_op(matA, matB)
matrix_elementwise_divide_const(val, in_mat, out_mat): out_mat = div_const_op(val, in_mat)
matrix_elementwise_divide(matA, matB, matC): matC = div_op(matA, matB)
matrix_elementwise_divide_handle_zero(matA, matB, matC): matC = div_handle_zero_op(matA, matB)
matrix_multiply(matA, transA, matB, transB, matC): matC = matmul_op(matA, matB, transA, transB)
matmul_with_bias(matA, transA, matB, transB, bias, matC): matC = linear_op(matA, matB, bias, transA, transB)
batch_matrix_multiply(matA, transA, matB, transB, matC): matC = batch_matmul_op(matA, matB, transA, transB)
addmm(input_mat, matA, matB, matC, alpha, beta): matC = addmm_op(input_mat, matA, matB, alpha, beta)
addmm_gradient(input_mat, output_mat, axis, beta): output_mat = addmm_gradient_op(output_mat, input_mat, beta)
baddbmm(input_mat, matA, matB, matC, alpha, beta): matC = baddbmm_op(input_mat, matA, matB, alpha, beta)
matrix_dot(matA, matB, matC): matC = matrix_dot_op(matA, matB)
CuSparse_Csrmv(mat, trans, in_arr, out_arr): out_arr = csrmv_op(mat, in_arr.reshape(-1), trans)
CuSparse_Csrmm(matA, transA, matB, transB, matC, stream=None, start_pos=-1, end_pos=-1):
    matC = whole_matrix(start_pos, end_pos, csrmm_op(matA, matB, transA, transB))
relu(in_arr, out_arr): out_arr = relu_op(in_arr)
relu_gradient(in_arr, in_grad_arr, out_arr): out_arr = relu_gradient_op(in_arr, in_grad_arr)
leaky_relu(in_arr, alpha, out_arr): out_arr = leaky_relu_op(in_arr, alpha)
leaky_relu_gradient(in_arr, in_grad_arr, alpha, out_arr): out_arr = leaky_relu_gradient_op(in_arr, in_grad_arr, alpha)
gelu(in_arr, out_arr): out_arr = gelu_op(in_arr)
gelu_gradient(in_arr, in_grad_arr, out_arr): out_arr = gelu_gradient_op(in_arr, in_grad_arr)
sigmoid(in_arr, out_arr): out_arr = sigmoid_op(in_arr)
tanh(in_arr, out_arr): out_arr = tanh_op(in_arr)
tanh_gradient(forward_arr, grad_arr, out_arr): out_arr = tanh_gradient_op(forward_arr, grad_arr)
binary_step_forward(in_arr, out_arr): out_arr = binary_step_op(in_arr)
binary_step_backward(in_arr, out_arr): out_arr = binary_step_gradient_op(in_arr)
clamp(input_mat, output_mat, mmin=None, mmax=None, min_mat=None, max_mat=None):
    output_mat = clamp_op(input_mat, min_mat, max_mat, mmin, mmax)
bool(input, output): output = bool_op(input)
bool_val(input, output, val, cond): output = bool_op(input, None, val, cond)
bool_matrix(input_A, input_B, output, cond): output = bool_op(input_A, input_B, None, cond)
where(cond, arr1, arr2, out_arr): out_arr = where_op(cond, arr1, arr2)
where_const(cond, arr1, const_attr, out_arr): out_arr = where_const_op(cond, arr1, const_attr)
mask_func(input, mask, output): output = mask_op(input, mask)
masked_fill(input, mask, output, val): output = masked_fill_op(input, mask, val)
param_clip_func(arr, min_value, max_value): arr = param_clip_op(arr, None, min_value, max_value)[1]
num_less_than(in_arr, mid_arr, out_arr, threshold, axes=None):
    mid_arr, out_arr = counted_below(in_arr, threshold, mid_arr, axes)
num_less_than_tensor_threshold(in_arr, mid_arr, out_arr, threshold):
    mid_arr, out_arr = counted_below(in_arr, threshold, mid_arr)
set_less_than(arr, threshold): arr = arr * (1 - fewer(arr, threshold))
set_mask_less_than(arr, mask, threshold):
    arr, mask = arr * (1 - fewer(arr, threshold)), 1 - fewer(arr, threshold)
get_larger_than(in_arr, threshold, mask): mask = abs_op(in_arr) >= threshold
multiply_grouping_alpha(arr, grouping, alpha): arr = scaled_by_group(arr, grouping, alpha)
arange(start, end, step, out_mat): out_mat = arange_op(start, end, step)
"""

_REDUCTIONS = """
reduce_sum(in_arr, out_arr, axes): out_arr = reduce_sum_op(in_arr, axes)
reduce_mean(in_arr, out_arr, axes): out_arr = reduce_mean_op(in_arr, axes)
reduce_min(in_arr, out_arr, axes): out_arr = reduce_min_op(in_arr, axes)
reduce_mul(in_arr, out_arr, axes): out_arr = reduce_mul_op(in_arr, axes)
reduce_norm1(in_arr, out_arr, axes): out_arr = reduce_norm1_op(in_arr, axes)
reduce_norm2(in_arr, out_arr, axes): out_arr = reduce_norm2_op(in_arr, axes)
reduce_norm2_raw(in_arr, out_arr, offset): out_arr = norm_at(in_arr, out_arr, offset)
reduce_sum_axis_zero(in_arr, out_arr, workspace_arr): out_arr = reducesumaxiszero_op(in_arr)
norm(in_arr, out_arr, axis, p): out_arr = norm_op(in_arr, axis, p)
norm_gradient(input, input_y, grad_y, output, axis, p): output = norm_gradient_op(input, input_y, grad_y, axis, p)
all_fro_norm(grads, workspace, norm): norm = total_norm(grads)
all_add_(tensors, others, alpha, cons=1): tensors = add_all(tensors, others, alpha * cons)
div_n_mul_(tensor, alpha, cons): tensor = tensor / alpha * cons
max(in_mat, out_mat_idx, out_mat_val, dim):
    out_mat_idx, out_mat_val = argmax_op(in_mat, dim), max_op(in_mat, None, dim)
max(in_mat, out_mat_val, dim): out_mat_val = max_op(in_mat, None, dim)
min(in_mat, out_mat_val, dim): out_mat_val = min_op(in_mat, None, dim)
max_mat(matA, matB, out_mat): out_mat = max_op(matA, matB)
min_mat(matA, matB, out_mat): out_mat = min_op(matA, matB)
argmax(in_mat, out_mat, dim): out_mat = argmax_op(in_mat, dim)
argmax_partial(in_mat, full_mask, out_mat, dim, topk): out_mat = argmax_partial_op(in_mat, full_mask, topk, dim)
argsort(input, output, index, output_index, dim, descending):
    output, index, output_index = in_order(input, argsort_op(input, dim, descending), dim)
topk_idx(in_mat, out_mat_idx, k): out_mat_idx = topk_idx_op(in_mat, k)
topk_val(in_mat, out_mat_idx, out_mat_val, k): out_mat_val = topk_val_op(in_mat, out_mat_idx)
cumsum_with_bias(input, output, bias, dim): output = cumsum_with_bias_op(input, bias, dim)
"""

_SHAPES = """
array_reshape(in_arr, out_arr): out_arr = reshape_to_op(in_arr, out_arr)
broadcast_to(in_arr, out_arr): out_arr = broadcastto_op(in_arr, out_arr)
broadcast_shape(in_arr, out_arr, add_axes=()): out_arr = broadcast_shape_op(in_arr, out_arr.shape, add_axes)
broadcast_shape_simple(in_arr, out_arr, out_strides, in_dims): out_arr = for_dims(in_arr, in_dims, out_arr)
matrix_transpose(in_mat, out_mat, perm): out_mat = transpose_op(in_mat, perm)
matrix_transpose_simple(in_mat, out_mat, gpu_buf): out_mat = transpose_op(in_mat, nth_run(gpu_buf, 2, in_mat.ndim))
concat(in_arr1, in_arr2, out_arr, axis=0): out_arr = concat_op(in_arr1, in_arr2, axis)
concat_gradient(out_grad_arr, in_arr, axis=0, idx=0): in_arr = concat_gradient_op(out_grad_arr, in_arr, axis, idx)
concatenate(in_arrs, out_arr, axis=0): out_arr = concatenate_op(in_arrs, axis)
concatenate_gradient(out_grad_arr, in_arr, axis, offset): in_arr = block(out_grad_arr, in_arr.shape, axis, offset)
matrix_slice(in_arr, out_arr, begin_pos): out_arr = slice_op(in_arr, begin_pos, out_arr.shape)
matrix_slice_simple(in_arr, out_arr, gpu_buf):
    out_arr = slice_op(in_arr, nth_run(gpu_buf, 0, in_arr.ndim), out_arr.shape)
matrix_slice_gradient(in_arr, out_arr, begin_pos): out_arr = slice_gradient_op(in_arr, begin_pos, out_arr.shape)
matrix_slice_gradient_simple(in_arr, out_arr, gpu_buf):
    out_arr = slice_gradient_op(in_arr, nth_run(gpu_buf, 0, in_arr.ndim), out_arr.shape)
slice_assign(in_arr, out_arr, val, begin_pos, end_pos):
    out_arr = slice_assign_op(in_arr, begin_pos, extent(begin_pos, end_pos), val)
slice_assign_matrix(arr_A, arr_B, out_arr, begin_pos_A, end_pos_A, begin_pos_B):
    out_arr = slice_assign_matrix_op(arr_A, arr_B, begin_pos_A, extent(begin_pos_A, end_pos_A), begin_pos_B,
        extent(begin_pos_A, end_pos_A))
slice_by_matrix(in_arr, index1, index2, out_arr): out_arr = slice_by_matrix_op(in_arr, index1, index2)
slice_by_matrix_gradient(in_arr, index1, index2, out_arr):
    out_arr = slice_by_matrix_gradient_op(out_arr, in_arr, index1, index2)
pad(in_arr, out_arr, paddings, mode="CONSTANT", constant_values=0):
    out_arr = pad_op(in_arr, paddings, mode, constant_values)
pad_gradient(out_grad_arr, in_grad_arr, paddings, mode="CONSTANT"):
    in_grad_arr = pad_gradient_op(out_grad_arr, paddings, mode)
repeat(in_arr, out_arr): out_arr = repeat_op(in_arr, repeats(in_arr, out_arr))
repeat_gradient(in_arr, out_arr): out_arr = repeat_gradient_op(out_arr, in_arr)
roll(input_mat, output_mat, shift, axis): output_mat = roll_op(input_mat, shift, axis)
gather(in_arr, index, out_arr, dim): out_arr = gather_op(in_arr, dim, index)
gather_gradient(in_arr, index, out_arr, dim): out_arr = gather_gradient_op(out_arr, in_arr, dim, index)
indexing(input_mat, index_mat, output_mat): output_mat = indexing_op(input_mat, index_mat)
indexing_grad(output_grad, index, input_grad): input_grad = d_indexing_op(output_grad, input_grad, index)
scatter1d(input_mat, index_mat, output_mat): output_mat = scatter1d_op(input_mat, index_mat)
scatter1d_grad(output_grad_mat, index_mat, input_grad_mat):
    input_grad_mat = scatter1d_grad_op(output_grad_mat, index_mat)
scatter(target_mat, dim, index_mat, src_mat): target_mat = put_along(target_mat, index_mat, src_mat, dim)
one_hot(in_arr, out_arr): out_arr = one_hot_op(in_arr, out_arr.shape[-1])
tril_lookup(in_arr, out_arr, offset): out_arr = tril_lookup_op(in_arr, offset)
tril_lookup_gradient(in_arr, out_arr, offset): out_arr = tril_lookup_gradient_op(in_arr, offset)
"""

_EMBEDDINGS = """
embedding_lookup(in_mat, ids, out_mat): out_mat = embedding_lookup_op(in_mat, ids)
embedding_lookup_gradient(grad_out, ids, grad_in): grad_in = add_rows(grad_in * 0, ids, grad_out)
sparse_embedding_lookup(in_mat, ids, out_mat): out_mat = sparse_embedding_lookup_op(in_mat, ids)
indexedslice_oneside_add(indslice, output): output = output + dense(indslice, output)
sparse_add_to_dense(indices, values, output): output = add_rows(output, indices, values)
sparse_set(table, indices, data): table = sparse_set_op(table, indices, data)[1]
assign_embedding_with_indexedslices(embedding, unique, newparam):
    embedding = assign_with_indexedslices_op(embedding, unique, newparam)[1]
unique_indices(indices, output, idoffsets, workspace, storage_size, end_bit):
    output, idoffsets = unique_indices_op(indices), unique_indices_offsets_op(indices)
get_unique_workspace_size(ind_size): workspace_bytes(ind_size)
deduplicate_lookup(lookups, idoffsets, output): output = deduplicate_lookup_op(lookups, idoffsets)
deduplicate_grad(grad, idoffsets, output): output = deduplicate_grad_op(grad, idoffsets)
reorder_into_lookup(idoffsets, dedupemb, lookup): lookup = rows_of_groups(idoffsets, dedupemb)
reduce_indexedslice(in_ind, in_val, out_ind, out_val, workspace, storage_size, end_bit):
    out_ind, out_val = unique_indices_op(in_ind), deduplicate_grad_op(in_val, unique_indices_offsets_op(in_ind))
reduce_indexedslice_get_workspace_size(ind_size): workspace_bytes(ind_size)
reduce_indexedslice_with_embedding(in_ind, in_val, in_par, out_ind, out_val, out_par, workspace, storage_size, end_bit):
    out_ind, out_val, out_par = (unique_indices_op(in_ind), deduplicate_grad_op(in_val,
        unique_indices_offsets_op(in_ind)), deduplicate_lookup_op(in_par, unique_indices_offsets_op(in_ind)))
mod_hash(in_arr, out_arr, nembed): out_arr = mod_hash_op(in_arr, nembed)
mod_hash_negative(in_arr, out_arr, nembed): out_arr = mod_hash_negative_op(in_arr, nembed)
div_hash(in_arr, out_arr, nembed): out_arr = div_hash_op(in_arr, nembed)
compo_hash(in_arr, out_arr, ntable, nembed): out_arr = compo_hash_op(in_arr, ntable, nembed)
learn_hash(in_arr, slope, bias, prime, out_arr, nbucket, normal, eps):
    out_arr = learn_hash_op(in_arr, slope, bias, prime, nbucket, "normal" if normal else "uniform")
robe_hash(in_arr, rand_arr, out_arr, length, dim, Z, use_slot_coef):
    out_arr = robe_hash_op(in_arr, rand_arr, length, dim, Z, use_slot_coef)
robe_sign(in_arr, rand_arr, out_arr, dim, use_slot_coef): out_arr = robe_sign_op(in_arr, rand_arr, dim, use_slot_coef)
minimum_distance_vector(lookup, key, codebook, indices, output, mode):
    output, codebook = min_dist_op(lookup, key, codebook, indices, mode)
embedding_prepack(in_arr, out_arr, qparams, digit):
    out_arr, qparams = packed(in_arr, digit)
unified_quantized_embedding_lookup(in_arr, ind_arr, out_arr, digit, scale, minele):
    out_arr = dequantised(in_arr, ind_arr, scale, minele)
quantized_embedding_lookup(in_arr, ind_arr, out_arr, qparams, digit):
    out_arr = dequantised(in_arr, ind_arr, qparams[:, 0], qparams[:, 1])
quantize_embedding_with_scale(in_arr, scale_arr, out_arr, middle, digit):
    out_arr = quantised_rows(in_arr, digit, scale_arr.reshape(-1, 1), middle, signed=True)
quantized_embedding_lookup_with_scale(in_arr, ind_arr, scale_arr, out_arr, digit, middle):
    out_arr = dequantised(in_arr, ind_arr, scale_arr, middle)
assign_quantized_embedding_unified(embedding, unique, newparam, scale, minele, digit):
    embedding = put(embedding, unique, quantised_rows(newparam, digit, scale, minele))
assign_quantized_embedding(embedding, unique, newparam, qparam, digit):
    embedding = put(embedding, unique, quantised_rows(
        newparam, digit, at(qparam[:, 0], unique), at(qparam[:, 1], unique)))
assign_alpt_embedding(embedding, unique, newparam, newscale, middle, digit):
    embedding = put(embedding, unique, quantised_rows(
        newparam, digit, newscale.reshape(*newparam.shape[:-1], 1), middle, signed=True))
lsq_rounding(in_arr, scale_arr, out_arr, middle, digit):
    out_arr = alpt_rounding_op(in_arr, scale_arr, middle, digit)
lsq_rounding_gradient(in_arr, out_arr, digit): out_arr = alpt_scale_gradient_op(in_arr, digit)
tensor_quantize(in_arr, out_arr, digit, scale, minele, stochastic=True):
    out_arr = quantised(in_arr, digit, scale, minele, stochastic=stochastic)
tensor_dequantize(in_arr, out_arr, digit, scale, minele): out_arr = dequantize_op(in_arr, digit, scale, minele)
tensor_quantize_signed(in_arr, out_arr, digit, scale, middle, stochastic=True):
    out_arr = quantised(in_arr, digit, scale, middle, signed=True, stochastic=stochastic)
tensor_dequantize_signed(in_arr, out_arr, digit, scale, middle): out_arr = dequantize_op(in_arr, digit, scale, middle)
"""

_EXPERTS = """
layout_transform_top1(input, indices_s, location_s, output, capacity):
    output = layout_transform_op(input, [indices_s], [location_s], capacity, experts(output, capacity))
layout_transform_top1_gradient(input, indice, location, output, capacity):
    output = layout_transform_gradient_op(input, indice, location, capacity)
layout_transform_top2(input, indices_s1, indices_s2, location_s1, location_s2, output, capacity):
    output = layout_transform_op(input, [indices_s1, indices_s2], [location_s1, location_s2], capacity,
        experts(output, capacity))
reverse_layout_transform_top1(input, indices_s, location_s, gates, output, capacity):
    output = reverse_layout_transform_op(input, [indices_s], [location_s], [gates], capacity, experts(input, capacity))
reverse_layout_transform_top1_gradient_gate(combined_output, expert_output, indice, location, output, capacity):
    output = reverse_layout_transform_gradient_gate_op(combined_output, expert_output, indice, location, capacity)
reverse_layout_transform_top1_gradient_data(input, indice, location, gate, output, capacity):
    output = reverse_layout_transform_gradient_data_op(input, [indice], [location], [gate], capacity,
        experts(output, capacity))
reverse_layout_transform_top2(input, indices_s1, indices_s2, location_s1, location_s2, gates_1, gates_2, output,
    capacity):
    output = reverse_layout_transform_op(input, [indices_s1, indices_s2], [location_s1, location_s2],
        [gates_1, gates_2], capacity, experts(input, capacity))
reverse_layout_transform_top2_gradient_data(input, indice_1, indice_2, location_1, location_2, gate_1, gate_2, output,
    capacity):
    output = reverse_layout_transform_gradient_data_op(input, [indice_1, indice_2], [location_1, location_2],
        [gate_1, gate_2], capacity, experts(output, capacity))
reverse_layout_transform_no_gate(input, indices_s, location_s, output, capacity):
    output = reverse_layout_transform_no_gate_op(input, [indices_s], [location_s], capacity, experts(input, capacity))
reverse_layout_transform_no_gate_gradient(input, indice, location, output, capacity):
    output = reverse_layout_transform_no_gate_gradient_op(input, [indice], [location], capacity,
        experts(output, capacity))
ha2a_layout_transform(input, output, num_nodes, num_local_gpus): output = for_leader(input, num_nodes, num_local_gpus)
ha2a_reverse_layout_transform(input, output, num_nodes, num_local_gpus):
    output = for_members(input, num_nodes, num_local_gpus)
group_topk_idx(in_mat, top1_group, out_mat_idx, k, num_local_gpus):
    out_mat_idx = group_topk_idx_op(in_mat, top1_group, k, num_local_gpus)
sam_group_sum_link(gate_mat, out_mat, num_local_gpus): out_mat = sam_group_sum_op(gate_mat, num_local_gpus)
sammax_link(in_mat, top1_group, topk_indice, out_mat, num_local_gpus):
    out_mat = sam_max_op(in_mat, top1_group, topk_indice, num_local_gpus)
sammax_grad_link(output_grad, in_mat, top1_group, topk_indice, out_mat, num_local_gpus):
    out_mat = d_sam_max_op(output_grad, in_mat, top1_group, topk_indice, num_local_gpus)
"""

_TRAINING = """
normal_init(arr, mean, stddev, seed=None): arr = drawn("NormalInit", arr, mean, stddev, seed=seed)
uniform_init(arr, lb, ub, seed=None): arr = drawn("UniformInit", arr, lb, ub, seed=seed)
truncated_normal_init(arr, mean, stddev, seed=None): arr = drawn("TruncatedNormalInit", arr, mean, stddev, seed=seed)
reversed_truncated_normal_init(arr, mean, stddev): arr = drawn("ReversedTruncatedNormalInit", arr, mean, stddev)
gumbel_init(arr): arr = gumbel_sample_op(arr.shape)
randint_init(arr, lb, ub): arr = randint_sample_op(arr.shape, lb, ub)
add_l2_regularization(param, grad, l2reg): grad = decayed(grad, param, l2reg); return grad
betats_update(betats, beta1, beta2): betats = powers(betats, beta1, beta2)
sgd_update(param, grad, lr, l2reg=0): param = sgd(param, grad, lr, l2reg)
momentum_update(param, grad, velocity, lr, momentum, nesterov, l2reg=0):
    param, velocity = with_velocity(param, grad, velocity, lr, momentum, nesterov, l2reg)
adagrad_update(param, grad, accumulation, lr, eps, l2reg=0):
    param, accumulation = adagrad(param, grad, accumulation, lr, eps, l2reg)
adam_update(param, grad, expavg, expavgsq, maxv, lr, beta1, beta2, betats, eps, l2reg):
    param, expavg, expavgsq, maxv = adam(param, grad, expavg, expavgsq, maxv, lr, beta1, beta2, betats, eps, l2reg)
adam_update(param, grad, expavg, expavgsq, lr, beta1, beta2, beta1t, beta2t, eps, l2reg=0):
    param, expavg, expavgsq = adam(
        param, grad, expavg, expavgsq, None, lr, beta1, beta2, (beta1t, beta2t), eps, l2reg)[:3]
adamw_update(param, grad, expavg, expavgsq, lr, beta1, beta2, betats, eps, weight_decay):
    param, expavg, expavgsq = adamw(param, grad, expavg, expavgsq, lr, beta1, beta2, betats, eps, weight_decay)
adamw_update(param, grad, expavg, expavgsq, lr, beta1, beta2, beta1t, beta2t, eps, weight_decay):
    param, expavg, expavgsq = adamw(
        param, grad, expavg, expavgsq, lr, beta1, beta2, (beta1t, beta2t), eps, weight_decay)
lamb_update(param, grad, expavg, expavgsq, lr, beta1, beta2, betats, eps, weight_decay):
    param, expavg, expavgsq = lamb(param, grad, expavg, expavgsq, lr, beta1, beta2, betats, eps, weight_decay)
lamb_update(param, grad, expavg, expavgsq, lr, beta1, beta2, beta1t, beta2t, eps, weight_decay):
    param, expavg, expavgsq = lamb(
        param, grad, expavg, expavgsq, lr, beta1, beta2, (beta1t, beta2t), eps, weight_decay)
sgd_update_indexedslices(indices, grads, params, output, lr): output = params - lr * grads
adagrad_update_indexedslices(indices, grads, params, output, lr, accum, epsilon):
    output, accum = adagrad_rows(indices, grads, params, lr, accum, epsilon)
adam_update_indexedslices(indices, grads, params, output, lr, m, v, maxv, beta1, beta2, betats, epsilon):
    output, m, v, maxv = adam_rows(indices, grads, params, lr, m, v, maxv, beta1, beta2, betats, epsilon)
"""

KERNELS = links.build(
    "".join([_MATHEMATICS, _REDUCTIONS, LAYERS, _SHAPES, _EMBEDDINGS, _EXPERTS, _TRAINING]), __name__, stream=True
)
__all__ = list(KERNELS)
globals().update(KERNELS)

hint_at_names(__name__)
