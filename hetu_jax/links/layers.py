"""The lines of the table of GPU kernels that belong to neural networks: convolution, pooling, normalisation, losses."""

LAYERS = """
conv2d(in_arr_x, in_arr_f, out_arr, workspace_arr, padding=0, stride=1):
    out_arr = conv2d_op(in_arr_x, in_arr_f, padding, stride)
conv2d_gradient_of_filter(in_arr_x, in_gradient_y, out_gradient_f, workspace_im2col, workspace_batch_filter, padding=0,
    stride=1): out_gradient_f = conv2d_gradient_of_filter_op(in_arr_x, in_gradient_y, out_gradient_f, padding, stride)
conv2d_gradient_of_data(in_arr_f, in_gradient_y, out_gradient_x, workspace_im2col, padding=0, stride=1):
    out_gradient_x = conv2d_gradient_of_data_op(in_arr_f, in_gradient_y, out_gradient_x, padding, stride)
CuDNN_conv2d(in_arr_x, in_arr_f, out_arr, padding=(0, 0), stride=(1, 1)):
    out_arr = conv2d_op(in_arr_x, in_arr_f, padding, stride)
CuDNN_conv2d_with_bias(in_arr_x, in_arr_f, bias, out_arr, padding=(0, 0), stride=(1, 1)):
    out_arr = conv2d_add_bias_op(in_arr_x, in_arr_f, bias, padding, stride)
CuDNN_conv2d_gradient_of_filter(in_arr_x, in_gradient_y, out_gradient_f, padding=(0, 0), stride=(1, 1)):
    out_gradient_f = conv2d_gradient_of_filter_op(in_arr_x, in_gradient_y, out_gradient_f, padding, stride)
CuDNN_conv2d_gradient_of_data(in_arr_f, in_gradient_y, out_gradient_x, padding=(0, 0), stride=(1, 1)):
    out_gradient_x = conv2d_gradient_of_data_op(in_arr_f, in_gradient_y, out_gradient_x, padding, stride)
conv2d_broadcast_to(in_arr, out_arr): out_arr = conv2d_broadcastto_op(in_arr, out_arr)
conv2d_reduce_sum(in_arr, out_arr): out_arr = conv2d_reducesum_op(in_arr)
average_pooling2d(in_arr, kernel_H, kernel_W, pooled_layer, padding=0, stride=1):
    pooled_layer = avg_pooled(in_arr, kernel_H, kernel_W, padding, stride, pooled_layer)
average_pooling2d_gradient(in_gradient_y, kernel_H, kernel_W, out_gradient_x, padding=0, stride=1):
    out_gradient_x = d_avg_pooled(in_gradient_y, out_gradient_x, kernel_H, kernel_W, padding, stride, in_gradient_y)
CuDNN_average_pooling2d(in_arr, kernel_H, kernel_W, pooled_layer, padding=0, stride=1):
    pooled_layer = avg_pooled(in_arr, kernel_H, kernel_W, padding, stride, pooled_layer)
CuDNN_average_pooling2d_gradient(in_arr_y, in_gradient_y, in_arr_x, kernel_H, kernel_W, out_gradient_x, padding=0,
    stride=1):
    out_gradient_x = d_avg_pooled(in_gradient_y, in_arr_x, kernel_H, kernel_W, padding, stride, in_gradient_y)
max_pooling2d(in_arr, kernel_H, kernel_W, pooled_layer, padding=0, stride=1):
    pooled_layer = max_pooled(in_arr, kernel_H, kernel_W, padding, stride, pooled_layer)
max_pooling2d_gradient(in_arr, in_grad_arr, kernel_H, kernel_W, out_grad_arr, padding=0, stride=1):
    out_grad_arr = d_max_pooled(in_grad_arr, in_arr, kernel_H, kernel_W, padding, stride, in_grad_arr)
CuDNN_max_pooling2d(in_arr, kernel_H, kernel_W, pooled_layer, padding=0, stride=1):
    pooled_layer = max_pooled(in_arr, kernel_H, kernel_W, padding, stride, pooled_layer)
CuDNN_max_pooling2d_gradient(in_arr_y, in_gradient_y, in_arr_x, kernel_H, kernel_W, out_gradient_x, padding=0,
    stride=1):
    out_gradient_x = d_max_pooled(in_gradient_y, in_arr_x, kernel_H, kernel_W, padding, stride, in_gradient_y)
bicubic_interpolate(in_arr, out_arr, align_corners):
    out_arr = interpolate_op(in_arr, size=out_arr.shape[2:], align_corners=align_corners)
bicubic_interpolate_gradient(input_grad, output, align_corners):
    output = interpolate_grad_op(input_grad, output, align_corners=align_corners)
CuDNN_Batch_Normalization(in_arr, bn_scale_arr, bn_bias_arr, out_arr, running_mean, running_var, save_mean, save_var,
    momentum=0.99, eps=0.001):
    out_arr, running_mean, running_var, save_mean, save_var = batch_normalisation(
        in_arr, bn_scale_arr, bn_bias_arr, running_mean, running_var, momentum, eps, inverse=True)
CuDNN_Batch_Normalization_gradient(in_gradient_y, in_arr_x, in_bn_scale, out_gradient_x, out_gradient_bn_scale,
    out_gradient_bn_bias, save_mean, save_var, eps=0.001):
    out_gradient_x, out_gradient_bn_scale, out_gradient_bn_bias = d_batch_normalised(
        in_gradient_y, in_arr_x, in_bn_scale, in_bn_scale, save_mean, variance(save_var, eps), eps)
CuDNN_Batch_Normalization_gradient(in_gradient_y, in_arr_x, in_bn_scale, out_gradient_x, out_gradient_bn_scale,
    out_gradient_bn_bias, running_mean, running_var, eps=0.001):
    out_gradient_x, out_gradient_bn_scale, out_gradient_bn_bias = d_batch_normalised(
        in_gradient_y, in_arr_x, in_bn_scale, in_bn_scale, running_mean, variance(running_var, eps), eps)
CuDNN_Batch_Normalization_inference(in_arr, bn_scale_arr, bn_bias_arr, out_arr, estimated_mean, estimated_var,
    eps=0.001):
    out_arr = batch_normalised(in_arr, bn_scale_arr, bn_bias_arr, estimated_mean, estimated_var, eps)
CuDNN_Batch_Normalization_inference(in_arr, bn_scale_arr, bn_bias_arr, out_arr, save_mean, save_var, eps=0.001):
    out_arr = batch_normalised(in_arr, bn_scale_arr, bn_bias_arr, save_mean, save_var, eps)
layer_normalization(in_arr, ln_scale, ln_bias, mean, var, out_arr, eps):
    mean, var, out_arr = in_arr.mean(-1), in_arr.var(-1), layer_normalization_op(in_arr, ln_scale, ln_bias, eps)
layer_normalization_gradient(out_grads, in_arr, ln_scale, grad_arr, grad_scale, grad_bias, mean_arr, var_arr, eps):
    grad_arr, grad_scale, grad_bias = d_layer_normalised(
        out_grads, in_arr, ln_scale, ln_scale, mean_arr, var_arr, eps)
layer_normalization_inference(in_arr, ln_scale, ln_bias, mean, var, out_arr, eps):
    out_arr = layer_normalised(in_arr, ln_scale, ln_bias, mean, var, eps)
instance_normalization2d(in_arr, mean, var, out_arr, eps):
    mean, var, out_arr = in_arr.mean((2, 3)), in_arr.var((2, 3)), instance_normalization2d_op(in_arr, eps)
instance_normalization2d_gradient(out_grads, in_arr, grad_arr, mean_arr, var_arr, eps):
    grad_arr = instance_slope(out_grads, in_arr, mean_arr, var_arr, eps)
dropout(in_arr, dropout_rate, out_arr, seed=None): out_arr = dropout_op(in_arr, 1 - dropout_rate, key=new_key(seed))
dropout_gradient(grad_arr, fw_output_arr, dropout_rate, out_arr):
    out_arr = dropout_gradient_op(grad_arr, 1 - dropout_rate, fw_output_arr)
dropout_gradient(grad_arr, dropout_rate, out_arr, seed=None):
    out_arr = dropout_op(grad_arr, 1 - dropout_rate, key=last_key(seed))
dropout_gradient_recompute(grad_arr, dropout_rate, out_arr, seed_seqnum):
    out_arr = dropout_op(grad_arr, 1 - dropout_rate, key=last_key(seed_seqnum))
dropout2d(in_arr, dropout2d_rate, out_arr, seed=None):
    out_arr = dropout2d_op(in_arr, 1 - dropout2d_rate, key=new_key(seed))
dropout2d_gradient(grad_arr, dropout2d_rate, out_arr, seed=None):
    out_arr = dropout2d_op(grad_arr, 1 - dropout2d_rate, key=last_key(seed))
CuDNN_Dropout(in_arr, dropout, out_arr, reserve_size, reserve_space, firstTime):
    out_arr, reserve_space = dropout_op(in_arr, 1 - dropout), last_draw()
CuDNN_Dropout_gradient(in_gradient_y, dropout, out_gradient_x, reserve_size, reserve_space):
    out_gradient_x = dropout_op(in_gradient_y, 1 - dropout, key=last_key(reserve_space))
softmax(in_arr, out_arr): out_arr = softmax_op(in_arr)
CuDNN_softmax(in_arr, out_arr): out_arr = softmax_op(in_arr)
CuDNN_softmax_gradient(y_arr, grad_arr, out_arr): out_arr = softmax_gradient_op(y_arr, grad_arr)
CuDNN_log_softmax(in_arr, out_arr): out_arr = log_softmax_op(in_arr)
CuDNN_log_softmax_gradient(y_arr, grad_arr, out_arr): out_arr = log_softmax_gradient_op(y_arr, grad_arr)
softmax_cross_entropy(in_arr_a, in_arr_b, out_arr): out_arr = softmaxcrossentropy_op(in_arr_a, in_arr_b)
softmax_cross_entropy_gradient(in_arr_a, in_arr_b, in_arr_c, out_arr):
    out_arr = d_softmaxcrossentropy_op(in_arr_c, in_arr_a, in_arr_b)
CuDNN_softmax_cross_entropy(y, y_, out): out = softmaxcrossentropy_op(y, y_)
CuDNN_softmax_cross_entropy_gradient(grad_arr, y_arr, label, out_arr):
    out_arr = d_softmaxcrossentropy_op(grad_arr, y_arr, label)
softmax_cross_entropy_sparse(in_arr_a, in_arr_b, ignored_index, out_arr):
    out_arr = softmaxcrossentropy_sparse_op(in_arr_a, in_arr_b, ignored_index)
softmax_cross_entropy_sparse_gradient(in_arr_a, in_arr_b, in_arr_c, ignored_index, out_arr):
    out_arr = d_softmaxcrossentropy_sparse_op(in_arr_c, in_arr_a, in_arr_b, ignored_index)
cross_entropy(y, y_, out): out = crossentropy_op(y, y_)
cross_entropy_gradient(grad_arr, y_arr, label, out_arr): out_arr = d_crossentropy_op(grad_arr, y_arr, label)
cross_entropy_sparse(y, y_, ignored_index, out): out = crossentropy_sparse_op(y, y_, ignored_index)
cross_entropy_sparse_gradient(grad_arr, y_arr, label, ignored_index, out_arr):
    out_arr = d_crossentropy_sparse_op(grad_arr, y_arr, label, ignored_index)
binary_cross_entropy(in_arr_a, in_arr_b, out_arr): out_arr = binarycrossentropy_op(in_arr_a, in_arr_b)
binary_cross_entropy_gradient(in_arr_a, in_arr_b, in_arr_c, out_arr):
    out_arr = d_binarycrossentropy_op(in_arr_c, in_arr_a, in_arr_b)
binary_cross_entropy_with_logits(in_arr_a, in_arr_b, out_arr):
    out_arr = binarycrossentropywithlogits_op(in_arr_a, in_arr_b)
binary_cross_entropy_with_logits_gradient(in_arr_a, in_arr_b, in_arr_c, out_arr):
    out_arr = binarycrossentropywithlogits_gradient_op(in_arr_a, in_arr_b, in_arr_c)
nll_loss_link(input, target, output): output = nll_loss_op(input, target, input.shape[1])
nll_loss_grad_link(output_grad, target, input_grad):
    input_grad = nll_loss_grad_op(output_grad, target, input_grad.shape[1])
"""
