"""Hetu's kernels on CPU arrays: each writes into NDArrays that the caller made; `links` says how a line is read."""

from .. import links

_TABLE = """
array_set(output, value): output = full_like_op(output, value)
matrix_multiply(matA, transposeA, matB, transposeB, matC): matC = matmul_op(matA, matB, transposeA, transposeB)
matrix_elementwise_multiply_by_const(mat, val, output): output = mul_byconst_op(mat, val)
matrix_elementwise_multiply(matA, matB, output): output = mul_op(matA, matB)
matrix_elementwise_add_by_const(mat, val, output): output = addbyconst_op(mat, val)
matrix_elementwise_add(matA, matB, output): output = add_op(matA, matB)
matrix_elementwise_divide_by_const(mat, val, output): output = mat / val
matrix_elementwise_divide(matA, matB, output): output = div_op(matA, matB)
sqrt(in_arr, out_arr): out_arr = sqrt_op(in_arr)
rsqrt(in_arr, out_arr): out_arr = rsqrt_op(in_arr)
opposite(in_arr, out_arr): out_arr = opposite_op(in_arr)
tanh(in_arr, out_arr): out_arr = tanh_op(in_arr)
sigmoid(in_arr, out_arr): out_arr = sigmoid_op(in_arr)
relu(in_arr, out_arr): out_arr = relu_op(in_arr)
relu_gradient(input, in_grad, output): output = relu_gradient_op(input, in_grad)
gelu(in_arr, out_arr): out_arr = gelu_op(in_arr)
gelu_gradient(input, in_grad, output): output = gelu_gradient_op(input, in_grad)
softmax(mat, output): output = softmax_op(mat)
softmax_crossentropy(matA, matB, output): output = softmaxcrossentropy_op(matA, matB)
broadcast_to(in_arr, out_arr): out_arr = broadcastto_op(in_arr, out_arr)
reduce_sum_axis_zero(in_arr, out_arr): out_arr = reducesumaxiszero_op(in_arr)
reshape(in_arr, out_arr): out_arr = reshape_to_op(in_arr, out_arr)
transpose(in_arr, out_arr, perm): out_arr = transpose_op(in_arr, perm)
concat(input_x, input_y, output, axis=0): output = concat_op(input_x, input_y, axis)
concat_gradient(output_gradient, input_gradient, axis=0, id=0):
    input_gradient = concat_gradient_op(output_gradient, input_gradient, axis, id)
pad(in_arr, out_arr, paddings, mode="CONSTANT", constant_values=0):
    out_arr = pad_op(in_arr, paddings, mode, constant_values)
pad_gradient(out_grad_arr, in_grad_arr, paddings, mode="CONSTANT"):
    in_grad_arr = pad_gradient_op(out_grad_arr, paddings, mode)
conv2d(input_x, input_f, output, padding=0, stride=1): output = conv2d_op(input_x, input_f, padding, stride)
conv2d_gradient_of_data(input_f, gradient_y, gradient_x, padding=0, stride=1):
    gradient_x = conv2d_gradient_of_data_op(input_f, gradient_y, gradient_x, padding, stride)
conv2d_gradient_of_filter(input_x, gradient_y, gradient_f, padding=0, stride=1):
    gradient_f = conv2d_gradient_of_filter_op(input_x, gradient_y, gradient_f, padding, stride)
avg_pool(input, H, W, output, padding=0, stride=1): output = avg_pooled(input, H, W, padding, stride, output)
avg_pool_gradient(gradient_Y, H, W, gradient_X, padding=0, stride=1):
    gradient_X = d_avg_pooled(gradient_Y, gradient_X, H, W, padding, stride, gradient_Y)
max_pool(input, H, W, output, padding=0, stride=1): output = max_pooled(input, H, W, padding, stride, output)
max_pool_gradient(input, input_grad, H, W, output, padding=0, stride=1):
    output = d_max_pooled(input_grad, input, H, W, padding, stride, input_grad)
batch_norm(input, bn_scale, bn_bias, output, running_mean, running_var, save_mean, save_var, momentum=0.99, eps=0.01):
    output, running_mean, running_var, save_mean, save_var = batch_normalisation(
        input, bn_scale, bn_bias, running_mean, running_var, momentum, eps, inverse=False)
batch_norm(input, bn_scale, bn_bias, output, mean, var, momentum=0.99, eps=0.01):
    output, mean, var = batch_normalisation(input, bn_scale, bn_bias, mean, var, momentum, eps, inverse=False)[:3]
batch_norm_gradient(gradient_Y, input_X, bn_scale, gradient_X, gradient_bn_scale, gradient_bn_bias, mean, var,
    eps=0.01):
    gradient_X, gradient_bn_scale, gradient_bn_bias = d_batch_normalised(
        gradient_Y, input_X, bn_scale, bn_scale, mean, var, eps)
batch_norm_gradient(gradient_Y, input_X, bn_scale, bn_bias, gradient_X, gradient_bn_scale, gradient_bn_bias, mean, var,
    eps=0.01):
    gradient_X, gradient_bn_scale, gradient_bn_bias = d_batch_normalised(
        gradient_Y, input_X, bn_scale, bn_bias, mean, var, eps)
batch_norm_inference(input, bn_scale, bn_bias, output, mean, var, eps):
    output = batch_normalised(input, bn_scale, bn_bias, mean, var, eps)
batch_norm_inference(input, bn_scale, bn_bias, output, mean, var, momentum=0.99, eps=0.01):
    output = batch_normalised(input, bn_scale, bn_bias, mean, var, eps)
dropout(in_arr, dropout, out_arr): out_arr = dropout_op(in_arr, 1 - dropout)
dropout_gradient(in_gradient_y, dropout, out_gradient_x, seed_seqnum=None):
    out_gradient_x = dropout_op(in_gradient_y, 1 - dropout, key=last_key(seed_seqnum))
embedding_lookup(in_mat, ids, out_mat): out_mat = embedding_lookup_op(in_mat, ids)
sparse_add_to_dense(indices, grad, output): output = add_rows(output, indices, grad)
assign_embedding_with_indexedslices(embedding, unique, newparam):
    embedding = assign_with_indexedslices_op(embedding, unique, newparam)[1]
unique_indices(indices, output, idoffsets):
    output, idoffsets = unique_indices_op(indices), unique_indices_offsets_op(indices)
deduplicate_lookup(lookups, idoffsets, output): output = deduplicate_lookup_op(lookups, idoffsets)
deduplicate_grad(grad, idoffsets, output): output = deduplicate_grad_op(grad, idoffsets)
reduce_indexedslice(in_indices, in_values, out_indices, out_values):
    out_indices, out_values = (
        unique_indices_op(in_indices), deduplicate_grad_op(in_values, unique_indices_offsets_op(in_indices)))
reduce_indexedslice_with_embedding(in_indices, in_values, in_params, out_indices, out_values, out_params):
    out_indices, out_values, out_params = (
        unique_indices_op(in_indices), deduplicate_grad_op(in_values, unique_indices_offsets_op(in_indices)),
        deduplicate_lookup_op(in_params, unique_indices_offsets_op(in_indices)))
normal_init(param, mean, stddev, seed=None): param = drawn("NormalInit", param, mean, stddev, seed=seed)
uniform_init(param, lb, ub, seed=None): param = drawn("UniformInit", param, lb, ub, seed=seed)
truncated_normal_init(param, mean, stddev, seed=None):
    param = drawn("TruncatedNormalInit", param, mean, stddev, seed=seed)
reversed_truncated_normal_init(param, mean, stddev):
    param = drawn("ReversedTruncatedNormalInit", param, mean, stddev)
add_l2_regularization(param, grad, l2reg): grad = decayed(grad, param, l2reg); return grad
betats_update(betats, beta1, beta2): betats = powers(betats, beta1, beta2)
sgd_update(param, grad, lr, l2reg=0): param = sgd(param, grad, lr, l2reg)
sgd_update_sparse(param, grad_ind, grad_value, lr): param = add_rows(param, grad_ind, -lr * grad_value)
momentum_update(param, grad, velocity, lr, momentum, nesterov, l2reg=0):
    param, velocity = with_velocity(param, grad, velocity, lr, momentum, nesterov, l2reg)
adagrad_update(param, grad, accumulation, lr, l2reg, eps):
    param, accumulation = adagrad(param, grad, accumulation, lr, eps, l2reg)
adagrad_update(param, grad, accumulation, lr, eps): param, accumulation = adagrad(param, grad, accumulation, lr, eps)
adam_update(param, grad, expavg, expavgsq, maxv, lr, beta1, beta2, betats, l2reg, eps):
    param, expavg, expavgsq, maxv = adam(param, grad, expavg, expavgsq, maxv, lr, beta1, beta2, betats, eps, l2reg)
adam_update(param, grad, expavg, expavgsq, lr, beta1, beta2, beta1t, beta2t, eps):
    param, expavg, expavgsq = adam(
        param, grad, expavg, expavgsq, None, lr, beta1, beta2, (beta1t, beta2t), eps)[:3]
sgd_update_indexedslices(indices, grads, params, output, lr): output = params - lr * grads
adagrad_update_indexedslices(indices, grads, params, output, lr, accum, epsilon):
    output, accum = adagrad_rows(indices, grads, params, lr, accum, epsilon)
adam_update_indexedslices(indices, grads, params, output, lr, m, v, maxv, beta1, beta2, betats, epsilon):
    output, m, v, maxv = adam_rows(indices, grads, params, lr, m, v, maxv, beta1, beta2, betats, epsilon)
"""

KERNELS = links.build(_TABLE, __name__, stream=False)
__all__ = list(KERNELS)
globals().update(KERNELS)
