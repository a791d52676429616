"""Hetu's name for the ops, the Executor and what goes with them; written by docs/build_stubs.py."""

from typing import Any

from hetu_jax.communicator import get_worker_communicate as get_worker_communicate
from hetu_jax.communicator import new_group_comm as new_group_comm
from hetu_jax.communicator import scheduler_finish as scheduler_finish
from hetu_jax.communicator import scheduler_init as scheduler_init
from hetu_jax.communicator import server_finish as server_finish
from hetu_jax.communicator import server_init as server_init
from hetu_jax.communicator import worker_finish as worker_finish
from hetu_jax.communicator import worker_init as worker_init
from hetu_jax.communicator import wrapped_mpi_nccl_init as wrapped_mpi_nccl_init
from hetu_jax.config import HetuConfig as HetuConfig
from hetu_jax.executor import Executor as Executor
from hetu_jax.gradients import gradients as gradients
from hetu_jax.graph import Node
from hetu_jax.graph import Variable as Variable
from hetu_jax.graph import placeholder_op as placeholder_op
from hetu_jax.ops.norm import softmax_func as softmax_func

def abs_gradient_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of abs_op at node_A, times node_B.

    Returns: the shape and dtype of node_A; node_B is the gradient of the op's value.
    """

def abs_op(node_A: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """|x|; gradient 0 at 0.

    node_A: any shape.  Returns: the same shape and dtype.
    """

def add_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A + B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """

def addbyconst_op(node: Any, const_val: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x + c.

    node: any shape.  const_val: number or array.  Returns: the shape and dtype of x; float where x is integer and c is
    not whole.
    """

def addmm_gradient_op(
    node_input: Any, node_grad: Any, beta: Any = 1.0, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of addmm_op's first matrix: beta * node_grad, summed to the shape of node_input.

    Returns: the shape and dtype of node_input; node_grad is the gradient of the op's value.
    """

def addmm_op(
    node_A: Any,
    node_B: Any,
    node_C: Any,
    alpha: Any = 1.0,
    beta: Any = 1.0,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """beta * A + alpha * (B @ C).

    node_A: (m, n), (n,), or a shape that broadcasts.  node_B: (m, k).  node_C: (k, n).  alpha, beta: numbers.
    Returns: (m, n).
    """

def allgatherCommunicate_op(node: Any, comm: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The members' arrays one after another along axis 0: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """

def allreduceCommunicate_op(node: Any, comm: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over the members: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """

def allreduceCommunicatep2p_op(node: Any, comm: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """As allreduceCommunicate_op; Hetu runs it on the stream for point-to-point transfers.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """

def alltoall_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Each member's r-th chunk goes to member r: of one member, x itself.

    node: any shape.  Returns: the same shape and dtype.
    """

def alpt_embedding_lookup_op(
    embed: Any, indices: Any, scale: Any, zero_point: Any, digit: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The rows of a table stored in signed codes, each row with a scale of its own: q * scale + zero_point.

    embed: Variable (rows, width), float or int8 / int16 codes.  indices: row numbers of any shape S; those outside the
    table give zeros.  scale: Variable (rows, 1), to which no gradient flows.  zero_point: number.  digit: 8 or 16.
    Returns: S + (width,), in the dtype of scale.
    """

def alpt_rounding_op(
    lookup: Any, scale: Any, middle: Any, digit: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """round(v) within the signed codes, times scale, plus middle.

    lookup: v = x / scale, S + (width,), float.  scale: one number a row, in any shape.  middle: number.
    digit: 8 or 16.  Returns: S + (width,).  The gradient goes to `scale` only: the sum over a row of the one that
    arrives times alpt_scale_gradient_op.
    """

def alpt_scale_gradient_op(lookup: Any, digit: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """How a rounded number moves with its scale: round(v) - v inside the signed codes, else the code at the end.

    lookup: v = x / scale, any shape, float.  digit: 8 or 16.  Returns: the same shape and dtype.
    """

def arange_op(start: Any, end: Any, step: Any = 1.0, ctx: Any = None, *, name: str | None = None) -> Node:
    """The numbers start + i * step, for i from 0 on, that come before end.

    start, end, step: numbers; step is not 0.
    Returns: (ceil((end - start) / step),), float32.
    """

def argmax_op(node: Any, dim: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """The index of the first maximum along one axis.

    node: any shape.  dim: int, also negative.  Returns: the shape without the axis, (1,) if none is left; int32.
    """

def argmax_partial_op(
    node: Any, use_full: Any, topk: Any, dim: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The index of the first maximum along one axis, for some rows among the first entries only.

    node: any shape.  use_full: (rows of axis 0,), int; where it is 0, only the first topk entries compete.
    topk: int above 0.  dim: int, not axis 0.  Returns: the shape without the axis; int32.
    Raises ValueError for another topk or dim.
    """

def argsort_op(node: Any, dim: Any = 1, descending: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The indices that sort along one axis; equal elements keep their order.

    node: any shape.  dim: int, also negative.  descending: bool.  Returns: the same shape, float32.
    """

def array_reshape_gradient_op(
    node_in: Any, node_out: Any, ctx: Any = None, *, origin: Any = None, name: str | None = None
) -> Node:
    """The gradient of array_reshape_op: node_out in the shape that the array had before.

    node_in: the array that was reshaped, or the array_reshape_op itself.  node_out: gradient of the value.
    origin: what the op was made of, filled in when the call is recorded.  Returns: the shape before.
    """

def array_reshape_op(node: Any, output_shape: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The elements in row-major order in another shape.

    node: any shape and dtype.  output_shape: tuple or list of ints, or one int; one may be -1, to be inferred.
    Returns: the array of that shape, same dtype.
    """

def assign_quantized_embedding_op(
    embed: Any,
    unique: Any,
    newparam: Any,
    digit: Any,
    scale: Any = None,
    minele: Any = None,
    middle: Any = None,
    qparam: Any = None,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """In place: embed[unique[i]] = the codes of newparam[i], rounded at random by one draw a row.

    embed: Variable (rows, width) of codes.  unique: ids of any shape S, those outside the table are left out.
    newparam: S + (width,), float.  digit: 8 or 16.  The grid is `qparam` (rows, 2), each row's scale and min; or
    `scale`, a number or (rows, 1), with `minele`, the least number, or `middle`, that half the codes lie below.
    Returns: nothing.  Raises ValueError for another choice, TypeError for a table of another dtype.
    """

def assign_with_indexedslices_op(
    embed: Any, unique: Any, newparam: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """In place: embed[unique[i]] = newparam[i].

    embed: Variable (rows, width).  unique: ids of any shape S, those outside the table are left out; a repeated id
    keeps one of its rows.  newparam: S + (width,).  Returns: nothing.  Raises TypeError for a quantised table.
    """

def avg_pool2d_gradient_op(
    node_out: Any,
    node_out_gradient: Any,
    node_in: Any,
    kernel_H: Any,
    kernel_W: Any,
    padding: Any,
    stride: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of avg_pool2d_op at node_in, times node_out_gradient; node_out is not needed.

    Returns: the shape and dtype of node_in; node_out_gradient is the gradient of the op's value.
    """

def avg_pool2d_op(
    node_A: Any, kernel_H: Any, kernel_W: Any, padding: Any, stride: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """Mean over windows, in which the zeros of the padding count.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, floor((H + 2 padding - kernel_H) / stride) + 1, columns likewise), same dtype.
    """

def baddbmm_op(
    node_A: Any,
    node_B: Any,
    node_C: Any,
    alpha: Any = 1.0,
    beta: Any = 1.0,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """beta * A + alpha * (B @ C) for each matrix of a batch.

    node_A: (batch, m, n), or a shape that broadcasts.  node_B: (batch, m, k).  node_C: (batch, k, n).
    alpha, beta: numbers.  Returns: (batch, m, n).
    """

def balance_assignment_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """An assignment of equally many tokens to each worker with nearly the largest sum of scores, by auction.

    node: scores (tokens, workers), tokens a multiple of workers.
    Returns: (tokens,) float32, the token numbers of the first worker, then the second's, ...; each worker's most
    valued first.  Always a permutation.  No gradient flows.  Raises ValueError where tokens cannot be shared equally.
    """

def batch_matmul_op(
    node_A: Any, node_B: Any, trans_A: Any = False, trans_B: Any = False, ctx: Any = None, *, name: str | None = None
) -> Node:
    """A @ B for each matrix of a batch; the last two axes are the matrices, which may first be transposed.

    node_A: (..., m, k), or (..., k, m) with trans_A.  node_B: (..., k, n), or (..., n, k) with trans_B.
    Returns: (..., m, n).
    """

def batch_normalization_gradient_of_bias_op(
    bn_gradient: Any, in_bias: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the bias from a batch_normalization_gradient_op, in the shape of in_bias."""

def batch_normalization_gradient_of_data_op(
    bn_gradient: Any, in_arr: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the data from a batch_normalization_gradient_op, in the shape of in_arr."""

def batch_normalization_gradient_of_scale_op(
    bn_gradient: Any, in_scale: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the scale from a batch_normalization_gradient_op, in the shape of in_scale."""

def batch_normalization_gradient_op(
    out_gradient: Any,
    in_node: Any,
    bn_scale: Any,
    forward_node: Any,
    eps: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The three gradients of batch_normalization_op in training, for the ops that take one of them.

    out_gradient, in_node: (N, C, ...).  bn_scale: C elements.  eps: number.
    forward_node: the op's value, accepted without effect: the statistics of the batch are taken again.
    Returns: a list, the gradients of data, scale and bias.
    """

def batch_normalization_op(
    node_in: Any,
    bn_scale: Any,
    bn_bias: Any,
    momentum: Any = 0.1,
    eps: Any = 1e-05,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """scale * (x - mean) / sqrt(var + eps) + bias for each channel, axis 1, over all other axes.

    node_in: (N, C) or (N, C, ...), float.  bn_scale, bn_bias: C elements in any shape.
    momentum: the weight of the NEW statistic: running = (1 - momentum) * running + momentum * of the batch.
    eps: keeps the root from 0.
    In training mean and (biased) variance are the batch's, and the running ones, which the node owns and checkpoints
    keep, move (the variance by the unbiased one); in inference they are the running ones, which start as 0 and 1.
    Returns: the shape of node_in, in the widest of the dtypes.
    """

def binary_step_gradient_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The slope that binary_step_op takes for its own: 2 - 4|x| up to 0.4, 0.4 up to 1, 0 beyond.

    node: any shape, float.  Returns: the same shape; not yet times the gradient of the value.
    """

def binary_step_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """1 where x > 0, else 0; for the gradient, slope 2 - 4|x| up to 0.4, 0.4 up to 1, 0 beyond.

    node: any shape.  Returns: the same shape, float.
    """

def binarycrossentropy_gradient_op(
    node_A: Any, node_B: Any, node_C: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of binarycrossentropy_op at the probabilities node_A with labels node_B, times node_C.

    Returns: the shape and dtype of node_A; node_C is the gradient of the op's value.
    """

def binarycrossentropy_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """-t ln(p + 1e-12) - (1 - t) ln(1 - p + 1e-12), with the gradient (p - t) / max(p (1 - p), 1e-12).

    node_A: probabilities p, any shape, float.  node_B: labels t in [0, 1] of the same shape; they get no gradient.
    Returns: the same shape, the probabilities' dtype.
    """

def binarycrossentropywithlogits_gradient_op(
    node_A: Any, node_B: Any, node_C: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of binarycrossentropywithlogits_op at the logits node_A with labels node_B, times node_C.

    Returns: the shape and dtype of node_A; node_C is the gradient of the op's value.
    """

def binarycrossentropywithlogits_op(inputs: Any, targets: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """(1 - t) x + ln(1 + exp(-x)), the binary cross-entropy of sigmoid(x), computed without overflow.

    inputs: logits x, any shape, float.  targets: labels t of the same shape; they get no gradient.
    Returns: the same shape, the logits' dtype.
    """

def bool_op(
    node: Any, input: Any = None, val: Any = None, cond: Any = 0, ctx: Any = None, *, name: str | None = None
) -> Node:
    """1 where a comparison holds, else 0, with a tolerance of 1e-6; no gradient.

    node: any shape.  input: what to compare with, a shape that broadcasts; or val: a number.
    cond: 0 equal, 1 less, 2 greater, 3 less or equal, 4 greater or equal; without input and val the test is x > 0,
    whatever cond says.
    Returns: the common shape, float.  Raises ValueError when input and val are both given, or for another cond.
    """

def broadcastCommunicate_op(node: Any, comm: Any, root: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The array of the member `root`: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  root: 0.  Returns: the same shape and dtype.
    """

def broadcast_shape_op(
    node_A: Any, shape: Any, add_axes: Any = ..., ctx: Any = None, *, name: str | None = None
) -> Node:
    """node_A repeated to a shape, by NumPy's rules or with new axes at given places.

    node_A: any shape and dtype.  shape: the result's, where -1 keeps the length of the input's axis.
    add_axes: positions in `shape` of the axes that node_A lacks; empty means that they come first.
    Returns: the array of that shape, same dtype.
    """

def broadcastto_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """node_A repeated to the shape of node_B by NumPy's rules.

    node_A: axes, counted from the last, of length 1 or as in node_B.  node_B: gives its shape only.
    Returns: the shape of node_B, the dtype of node_A.
    """

def clamp_op(
    node_A: Any,
    min_mat: Any = None,
    max_mat: Any = None,
    min: Any = None,
    max: Any = None,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """min(max(x, lower), upper); gradient 0.5 at a bound.

    node_A: any shape.  min_mat, max_mat: bounds as arrays that broadcast.  min, max: bounds as numbers.
    Any of them may be None.  Where lower > upper the value is upper.
    Returns: the shape and dtype of x; float where x is integer and a bound is not whole.
    Raises ValueError when arrays and numbers are mixed.
    """

def compo_hash_op(node: Any, ntable: Any, nembed: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The `ntable` lowest digits of x in base nembed, the lowest first.

    node: ids of any shape S.  ntable, nembed: int.  Returns: S + (ntable,), int32.
    """

def concat_gradient_op(
    grad_node: Any, input_node: Any, axis: Any, idx: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The part of concat_op's gradient that belongs to one of its two arrays.

    grad_node: gradient of the value.  input_node: the array.  axis: int.  idx: 0 for the first, 1 for the second.
    Returns: the shape of input_node.
    """

def concat_op(node_A: Any, node_B: Any, axis: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """Two arrays, one after the other along an axis.

    node_A, node_B: equal shapes but for that axis.  axis: negative from the end.
    Returns: the joined array, in the wider dtype.
    """

def concatenate_gradient_op(
    grad_node: Any, input_node: Any, axis: Any, offset: Any = 0, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The part of concatenate_op's gradient that belongs to one of its arrays.

    grad_node: gradient of the value.  input_node: the array.  axis: int.
    offset: where the array starts along the axis; an attribute of the node too, to be set before it is evaluated.
    Returns: the shape of input_node.
    """

def concatenate_op(node_list: Any, axis: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """A list of arrays, one after the other along an axis.

    node_list: one or more arrays of equal shapes but for that axis.  axis: negative from the end.
    Returns: the joined array, in the widest dtype.
    """

def const_pow_gradient_op(
    input_node: Any, grad_node: Any, val: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """y * ln(val) * grad_node, the gradient of const_pow_op where its value is y.

    input_node: y.  grad_node: the same shape.  val: number.  Returns: the same shape.
    """

def const_pow_op(node: Any, val: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """c to the power x.

    node: any shape.  val: number, or an array that broadcasts.  Returns: the same shape, float.
    """

def conv2d_add_bias_op(
    node_A: Any, node_B: Any, bias: Any, padding: Any = 0, stride: Any = 1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """`conv2d_op` plus one number per output channel.

    node_A: (N, C, H, W), float.  node_B: filters (O, C, kh, kw), float.  bias: (O,), float.
    padding, stride, Returns: as of `conv2d_op`.
    """

def conv2d_broadcastto_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One number per channel, repeated to the shape of images.

    node_A: (C,).  node_B: (N, C, H, W), gives its shape only.
    Returns: (N, C, H, W), the dtype of node_A.
    """

def conv2d_gradient_of_data_op(
    node_A: Any,
    node_B: Any,
    node_C: Any = None,
    padding: Any = 0,
    stride: Any = 1,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of conv2d_op with respect to its images.

    node_A: filters (O, C, kh, kw).  node_B: gradient of the value (N, O, ...).  padding, stride: as conv2d_op.
    node_C: the images; without it, as in 2021, they are taken to leave no remainder.  Returns: (N, C, H, W).
    """

def conv2d_gradient_of_filter_op(
    input_X: Any,
    gradient_Y: Any,
    input_filter: Any = None,
    padding: Any = 0,
    stride: Any = 1,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of conv2d_op with respect to its filters.

    input_X: images (N, C, H, W).  gradient_Y: gradient of the value (N, O, ...).  padding, stride: as conv2d_op.
    input_filter: the filters; without them, as in 2021, they are taken to leave no remainder.
    Returns: (O, C, kh, kw).
    """

def conv2d_op(
    node_A: Any, node_B: Any, padding: Any = 0, stride: Any = 1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """Cross-correlation of images with filters: out[n, o, i, j] = sum of x[n, c, i s + a, j s + b] * f[o, c, a, b].

    node_A: (N, C, H, W), float.  node_B: filters (O, C, kh, kw), float.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, O, floor((H + 2 padding - kh) / stride) + 1, columns likewise), in the wider dtype of the two.
    """

def conv2d_reducesum_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over images, rows and columns: what a bias per channel gets as its gradient.

    node: (N, C, H, W).
    Returns: (C,), same dtype.
    """

def cos_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The cosine of x.

    node: any shape.  Returns: the same shape, float.
    """

def crossentropy_gradient_op(
    node_grad: Any, node_y: Any, node_y_: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of crossentropy_op at the probabilities node_y with labels node_y_, times node_grad.

    Returns: the shape and dtype of node_y; node_grad is the gradient of the op's value.
    """

def crossentropy_op(node_y: Any, node_y_: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """-sum over the last axis of labels * ln(probabilities), where a label of 0 counts for nothing.

    node_y: probabilities (..., C), float; no epsilon keeps them from 0.  node_y_: labels of the same shape.
    Returns: (...), (1,) for one row, the probabilities' dtype.  No gradient goes to the labels.
    """

def crossentropy_sparse_gradient_op(
    node_grad: Any, node_y: Any, node_y_: Any, ignored_index: Any = -1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of crossentropy_sparse_op at the probabilities node_y with ids node_y_, times node_grad.

    Returns: the shape and dtype of node_y; node_grad is the gradient of the op's value.
    """

def crossentropy_sparse_op(
    node_y: Any, node_y_: Any, ignored_index: Any = -1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """-ln(probabilities[id]) along the last axis; 0, gradient too, where the id is `ignored_index` or negative.

    node_y: probabilities (..., C), float; no epsilon keeps them from 0.
    node_y_: class numbers (...), int or float; one that is C or larger gives NaN.
    ignored_index: the class number that counts for nothing.
    Returns: (...), (1,) for one row, the probabilities' dtype.
    """

def csrmm_op(
    node_A: Any, node_B: Any, trans_A: Any = False, trans_B: Any = False, ctx: Any = None, *, name: str | None = None
) -> Node:
    """A @ B for a sparse A, either of them transposed on demand.

    node_A: ND_Sparse_Array (m, n), a constant.  node_B: (n, k).  Returns: (m, k), for the shapes after transposition.
    Raises TypeError for a dense A, ValueError where the shapes do not fit.
    """

def csrmv_op(node_A: Any, node_B: Any, trans: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """A @ b for a sparse A, or A.T @ b.

    node_A: ND_Sparse_Array (m, n), a constant.  node_B: (n,), or (m,) with `trans`.  Returns: (m,), or (n,).
    Raises TypeError for a dense A, ValueError where the shapes do not fit.
    """

def cumsum_with_bias_op(node: Any, bias: Any = -1, dim: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """The running sum along one axis, this element included, plus a constant.

    node: any shape.  bias: number.  dim: int, also negative.  Returns: as addbyconst_op.
    """

def datad2h_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x, on the host; XLA places the copy itself.

    node: any shape.  Returns: the same shape and dtype.
    """

def datah2d_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x, on the accelerator `ctx`; XLA places the copy itself.

    node: any shape.  ctx: ht.gpu(i).  Returns: the same shape and dtype.  Raises ValueError for another ctx.
    """

def deduplicate_grad_op(grad: Any, idoffsets: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One row for each distinct id: the sum over its occurrences.

    grad: S + (width,).  idoffsets: (2n + 2,) from unique_indices_offsets_op, n the number of ids in S.
    Returns: the shape of `grad`; flat row i is the i-th distinct id's, further rows are zeros.
    """

def deduplicate_lookup_op(lookup: Any, idoffsets: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One row for each distinct id: that of its first occurrence.

    lookup: S + (width,).  idoffsets: (2n + 2,) from unique_indices_offsets_op, n the number of ids in S.
    Returns: the shape of `lookup`; flat row i is the i-th distinct id's, further rows are zeros.
    """

def dequantize_op(node: Any, digit: Any, scale: Any, minele: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """q * scale + minele.

    node: any shape, whole numbers.  digit: 8 or 16.  scale, minele: numbers.  Returns: the same shape; float32 of ints.
    The gradient is quantize_op of the one that arrives, and so rounded at random.
    """

def dispatch(node: Any, parts: Any = ..., duplicate: Any = 1, ctx: Any = None, *, name: str | None = None) -> Node:
    """x, marked as a place where the layout over devices changes.

    node: any shape.  parts: into how many parts each axis is cut: a tuple, or a dict {axis: count} for some axes.
    duplicate: how many devices hold each part.  Returns: the same shape and dtype.
    Raises ValueError for parts that are no positive integers or an axis that the array has not.
    """

def distgcn_15d_op(
    node_A: Any,
    node_B: Any,
    node_C: Any,
    node_Count_Self: Any,
    node_Count_All: Any,
    size: Any,
    replication: Any,
    device_id: Any,
    comm: Any,
    comm_groups: Any = ...,
    need_W: Any = True,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """A @ H @ W, one graph convolution; the weights are applied on the cheaper side of A.

    node_A: ND_Sparse_Array (n, n), a constant.  node_B: H (n, width).  node_C: W (width, new width).
    node_Count_Self, node_Count_All: rows of A here and in all, both n: one program holds the whole graph.
    size, replication: the grid of Hetu's processes; size must be a multiple of replication squared.
    device_id, comm, comm_groups: accepted without effect, as nothing has to be sent.
    need_W: False leaves W out.  Returns: (n, new width), or (n, width) without W.
    Raises ValueError for a block of the graph, or a grid that does not fit.
    """

def div_const_op(const_val: Any, node_A: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """c / x.

    const_val: number or array.  node_A: any shape.  Returns: the shape of x, float.
    """

def div_handle_zero_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A / B where B is not 0, else A.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape, float; no gradient to B where B is 0.
    """

def div_hash_op(node: Any, nembed: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x divided by nembed, rounded down.

    node: ids of any shape.  nembed: int.  Returns: the same shape, int32.
    """

def div_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A / B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast; node_B may be a number.  Returns: their common shape, float.
    """

def dropout2d_gradient_op(
    node_in: Any, keep_prob: Any, forward_node: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """As dropout_gradient_op, for dropout2d_op, which keeps or drops whole channels.

    node_in, forward_node: (N, C, H, W).  keep_prob: number.  Returns: the same shape.
    """

def dropout2d_op(node_in: Any, keep_prob: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x / keep_prob with probability keep_prob, else 0, for each channel of each image as a whole; x in inference.

    node_in: (N, C, H, W), float.  keep_prob: the probability to KEEP, in (0, 1].
    Returns: same shape and dtype.
    """

def dropout_gradient_op(
    node_in: Any, keep_prob: Any, forward_node: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """node_in / keep_prob where forward_node, dropout_op's value, is not 0, else 0; node_in in inference.

    node_in: gradient of the value.  keep_prob: number.  forward_node: the same shape.  Returns: the same shape.
    """

def dropout_gradient_recompute_op(
    node_in: Any, keep_prob: Any, forward_node: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The same as dropout_gradient_op: nothing need be drawn again where forward_node has its value.

    node_in: gradient of the value.  keep_prob: number.  forward_node: the same shape.  Returns: the same shape.
    """

def dropout_op(
    node_in: Any,
    keep_prob: Any,
    recompute: Any = True,
    inplace: Any = False,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """x / keep_prob with probability keep_prob, else 0, for each element by itself; x in inference.

    node_in: any shape, float.  keep_prob: the probability to KEEP, in (0, 1].
    recompute, inplace: accepted without effect; XLA decides what it stores and where.
    Returns: same shape and dtype.
    """

def embedding_lookup_gradient_op(
    vectors: Any, index: Any, embed_shape: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of embedding_lookup_op, as a dense table: the rows of vectors added up at their ids.

    vectors: S + (width,).  index: ids of shape S, those outside the table count for nothing.
    embed_shape: (rows, width).  Returns: that shape.
    """

def embedding_lookup_op(embedding: Any, index: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The rows of a table with the given numbers.

    embedding: (rows, width), any dtype.  index: row numbers of any shape S; those outside the table give zeros.
    Returns: S + (width,), in the dtype of the table.  Marks the Variable `embedding` with `is_embed`.
    """

def exp_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """e to the power x.

    node: any shape.  Returns: the same shape, float.
    """

def floor_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The largest whole number not above x; gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """

def full_like_op(node: Any, fill_value: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One number in the shape of a node.

    node: gives shape and dtype only.  fill_value: the number.
    Returns: the same shape; the dtype of a float node, else float32.
    """

def full_op(size: Any, fill_value: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One number in every element.

    size: the shape; int, list or tuple.  fill_value: the number.
    Returns: float32.
    """

def gather_gradient_op(
    input: Any, grad: Any, dim: Any, index: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of gather_op: the elements of grad added up where they were picked.

    Returns: the shape and dtype of input; grad is the gradient of the op's value.
    """

def gather_op(node: Any, dim: Any, index: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Elements picked along one axis: out[i, j, k] = node[i, index[i, j, k], k] for dim 1.

    node: any shape, any dtype.  dim: the axis, negative from the end.
    index: int or float ids, of the rank and sizes of node except along dim.
    Returns: the shape of index, the dtype of node.
    """

def gelu_gradient_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of gelu_op at node_A, times node_B.

    Returns: the shape and dtype of node_A; node_B is the gradient of the op's value.
    """

def gelu_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x * (1 + erf(x / sqrt(2))) / 2, the exact form.

    node: any shape.  Returns: the same shape, float.
    """

def group_topk_idx_op(
    node_A: Any, node_B: Any, topk: Any, num_local_gpus: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The best experts of each token's group g, which is experts g * num_local_gpus to (g + 1) * num_local_gpus - 1.

    node_A: gates (tokens, experts).  node_B: groups (tokens, 1).  topk: at most num_local_gpus.
    Returns: (tokens, topk) float32 expert numbers, best first; of equal gates the later expert comes first.
    """

def groupallreduceCommunicate_op(node: Any, group_comm: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over the members of a group: of one member, x itself.

    node: any shape.  group_comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """

def gumbel_sample_op(shape: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Numbers from the standard Gumbel distribution, -log(-log(u)) for uniform u.

    shape: tuple, or int.  Returns: `shape`, float32.
    """

def halltoall_op(node: Any, num_nodes: Any, num_local_gpus: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """alltoall_op in two levels, over machines and over their devices, with the same result.

    node: any shape.  num_nodes, num_local_gpus: how many machines, and devices on each; both 1 for one device.
    Returns: the same shape and dtype.
    """

def indexing_grad_op(output_grad: Any, index: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of indexing_op: each row of output_grad added up where it was picked.

    output_grad: (n, d).  index: (n,), int or float ids.  Returns: (n, d).
    """

def indexing_op(input_mat: Any, index_mat: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Rows in the order of an index: out[i] = input_mat[index_mat[i]].

    input_mat: (n, d), any dtype.  index_mat: (m,), int or float ids; rows may repeat.
    Returns: (m, d), the dtype of input_mat.
    """

def instance_normalization2d_gradient_op(
    out_gradient: Any, in_node: Any, forward_node: Any, eps: Any = 0.01, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of instance_normalization2d_op at in_node, times out_gradient; forward_node is not needed.

    eps: as of instance_normalization2d_op; 2021's constructor has none.

    Returns: the shape and dtype of in_node; out_gradient is the gradient of the op's value.
    """

def instance_normalization2d_op(node_in: Any, eps: Any = 0.01, ctx: Any = None, *, name: str | None = None) -> Node:
    """(x - mean) / sqrt(var + eps) over the rows and columns of each image and channel, with the biased variance.

    node_in: (N, C, H, W), float.  eps: keeps the root from 0; Hetu's default is large.
    Returns: same shape and dtype.
    """

def interpolate_grad_op(
    grad: Any,
    input: Any,
    mode: Any = "bicubic",
    align_corners: Any = False,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of interpolate_op at input, times grad, whose rows and columns were the size.

    Returns: the shape and dtype of input; grad is the gradient of the op's value.
    """

def interpolate_op(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: Any = "bicubic",
    align_corners: Any = False,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """Bicubic resampling of images (Keys' kernel with a = -0.75, edges repeated), as PyTorch's with an explicit size.

    input: (N, C, H, W), float.  size: rows and columns of the result; a pair, or one int for both.
    scale_factor: where there is no size, a number or a pair; the size is floor(scale_factor * side).
    mode: 'bicubic'.  align_corners: map corner pixels onto corner pixels, rather than edges onto edges.
    Returns: (N, C, rows, columns), same dtype.
    """

def item_op(node: Any, index: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """node[index]: one output of a node that has several, or NumPy indexing of an array.

    node: a list of values, or an array of any shape.  index: int, slice, or a tuple of those.
    Returns: the part; a full index of an array gives shape (1,).  Raises IndexError for a place outside the array.
    """

def layer_normalization_gradient_of_bias_op(
    ln_gradient: Any, in_bias: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the bias from a layer_normalization_gradient_op, in the shape of in_bias."""

def layer_normalization_gradient_of_data_op(
    ln_gradient: Any, in_arr: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the data from a layer_normalization_gradient_op, in the shape of in_arr."""

def layer_normalization_gradient_of_scale_op(
    ln_gradient: Any, in_scale: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of the scale from a layer_normalization_gradient_op, in the shape of in_scale."""

def layer_normalization_gradient_op(
    out_gradient: Any,
    in_node: Any,
    ln_scale: Any,
    forward_node: Any,
    eps: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The three gradients of layer_normalization_op, for the ops that take one of them.

    out_gradient, in_node: (..., n).  ln_scale: (n,).  eps: number.
    forward_node: the op's value, accepted without effect: mean and variance are taken again.
    Returns: a list, the gradients of data, scale and bias.
    """

def layer_normalization_op(
    node_in: Any, ln_scale: Any, ln_bias: Any, eps: Any = 0.01, ctx: Any = None, *, name: str | None = None
) -> Node:
    """scale * (x - mean) / sqrt(var + eps) + bias over the last axis, with the biased variance.

    node_in: (..., n), float.  ln_scale, ln_bias: (n,).  eps: keeps the root from 0; Hetu's default is large.
    Returns: the shape of node_in, in the widest of the dtypes.
    """

def layout_transform_gradient_op(
    input: Any, indice: Any, location: Any, capacity: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The row of each token's slot, zeros for a dropped token.

    input: (capacity * experts, width).  indice: (tokens, 1).  location: (tokens,).  capacity: number.
    Returns: (tokens, width).
    """

def layout_transform_op(
    input: Any,
    indices_s: Any,
    location_s: Any,
    capacity: Any,
    total_experts: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The tokens in the order of their experts' slots; free slots are zeros.

    input: (tokens, width).  indices_s: a list of (tokens, 1), the experts of each choice, negative for none.
    location_s: a list of (tokens,), the place in the expert's queue; from `capacity` on a token is dropped.
    capacity, total_experts: numbers.  Returns: (capacity * total_experts, width).
    Of several tokens in one slot the last choice's last one stays.
    """

def leaky_relu_gradient_op(node_A: Any, node_B: Any, alpha: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of leaky_relu_op at node_A, times node_B.

    Returns: the shape and dtype of node_A; node_B is the gradient of the op's value.
    """

def leaky_relu_op(node: Any, alpha: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x where x > 0, else alpha * x; gradient 1 at 0.

    node: any shape, float.  alpha: number.  Returns: the same shape and dtype.
    """

def learn_hash_op(
    node: Any, slope: Any, bias: Any, prime: Any, nbucket: Any, dist: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """r / (nbucket - 1) for the hashes r = (slope * x + bias) mod prime mod nbucket, spread as `dist` says.

    node: ids of any shape S.  slope, bias, prime: (h,) int; products wrap around at 32 bits.  nbucket: int from 2 up.
    dist: 'uniform', in [-1, 1], or 'normal', by the Box-Muller transform of neighbouring hashes, h even.
    Returns: S + (h,), float32.  Raises ValueError for another `dist`, an odd h, or too few buckets.
    """

def linear_op(
    node_A: Any,
    node_B: Any,
    bias: Any,
    trans_A: Any = False,
    trans_B: Any = False,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """A @ B + bias, of matrices that may first be transposed.

    node_A, node_B, trans_A, trans_B: as matmul_op.  bias: (n,), or a shape that broadcasts.  Returns: (m, n).
    """

def log_grad_op(output_grad: Any, input: Any, eps: Any = 1e-07, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of log_op at input, times output_grad.

    Returns: the shape and dtype of input; output_grad is the gradient of the op's value.
    """

def log_op(input: Any, eps: Any = 1e-07, ctx: Any = None, *, name: str | None = None) -> Node:
    """ln(max(x, eps)); gradient 1 / max(x, eps), also where x < eps.

    input: any shape.  eps: number.  Returns: the same shape, float.
    """

def log_softmax_gradient_op(node_y: Any, grad: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """grad - exp(y) * sum of grad, the gradient of log_softmax_op where its value is y.

    node_y: y (..., n).  grad: the same shape.  Returns: the same shape.
    """

def log_softmax_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x - ln(sum of exp(x)) over the last axis, computed without overflow.

    node: (..., n), float.
    Returns: same shape and dtype.
    """

def mask_op(input: Any, mask: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x where mask is not 0, else 0.

    input: any shape.  mask: a shape that broadcasts to it, or any with as many elements.
    Returns: the shape and dtype of x.
    """

def masked_fill_op(input: Any, mask: Any, val: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """val where mask is exactly 1, else x.

    input, mask: shapes that broadcast.  val: number.
    Returns: their common shape, the dtype of x; float where x is integer and val is not whole.
    """

def matmul_op(
    node_A: Any, node_B: Any, trans_A: Any = False, trans_B: Any = False, ctx: Any = None, *, name: str | None = None
) -> Node:
    """A @ B, of matrices that may first be transposed.

    node_A: (m, k), or (k, m) with trans_A.  node_B: (k, n), or (n, k) with trans_B.  Further axes are batches and
    broadcast, as in NumPy.  Returns: (m, n).
    """

def matrix_dot_op(node_A: Any, node_B: Any, axes: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """A with each row multiplied by one element of B.

    node_A: (rows, ...).  node_B: rows elements in any shape.  axes: accepted without effect, as Hetu ignores it.
    Returns: the shape of A.  Raises ValueError when B has not one element per row.
    """

def max_op(
    node_A: Any, node_B: Any = None, dim: Any = 0, keepdim: Any = False, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The larger of two arrays, or the maximum along one axis; equal maxima share the gradient.

    node_A: any shape.  node_B: None, or an array that broadcasts with node_A.
    dim: the axis, for one array.  keepdim: whether it stays, with length 1.  Both matter only without node_B.
    Returns: the common or the reduced shape, (1,) if none is left.
    """

def max_pool2d_gradient_op(
    node_out: Any,
    node_out_gradient: Any,
    node_in: Any,
    kernel_H: Any,
    kernel_W: Any,
    padding: Any,
    stride: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of max_pool2d_op at node_in, times node_out_gradient; node_out is not needed.

    Returns: the shape and dtype of node_in; node_out_gradient is the gradient of the op's value.
    """

def max_pool2d_op(
    node_A: Any, kernel_H: Any, kernel_W: Any, padding: Any, stride: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """Maximum over windows, to which the padding never contributes; the first maximum of a window takes the gradient.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, floor((H + 2 padding - kernel_H) / stride) + 1, columns likewise), same dtype.
    """

def min_dist_op(
    query: Any, key: Any, codebook: Any, indices: Any, mode: Any = "eu", ctx: Any = None, *, name: str | None = None
) -> Node:
    """The key nearest to each query; in place, codebook[index] = its number.

    query: S + (d,), float.  key: (keys, d).  codebook: Variable, any shape.  indices: S, places in the
    flat `codebook`.
    mode: 'eu', the least squared distance, or 'in', the least inner product; longer words that begin so are understood.
    Returns: the shape of `query`; of equal keys the first.  The gradient goes to `key` for 'eu', nowhere for 'in'.
    Raises ValueError for another mode.
    """

def min_op(
    node_A: Any, node_B: Any = None, dim: Any = 0, keepdim: Any = False, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The smaller of two arrays, or the minimum along one axis; equal minima share the gradient.

    node_A, node_B, dim, keepdim: as max_op.  Returns: as max_op.
    """

def minus_byconst_op(node: Any, const_val: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """c - x: the constant comes first, in spite of the name.

    node: any shape.  const_val: number or array.  Returns: as addbyconst_op.
    """

def minus_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A - B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """

def mod_hash_negative_op(node: Any, nembed: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """y modulo nembed for y = -(x + 1) where that is not negative, else y, which a lookup takes for no row.

    node: ids of any shape, negative ones for rare rows.  nembed: int.  Returns: the same shape, int32.
    """

def mod_hash_op(node: Any, nembed: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x modulo nembed, not negative.

    node: ids of any shape.  nembed: int.  Returns: the same shape, int32.
    """

def mul_byconst_op(
    node_A: Any, const_val: Any, const_updater: Any = None, ctx: Any = None, *, name: str | None = None
) -> Node:
    """x * c, where c may change from step to step.

    node_A: any shape.  const_val: number or array, c of the first training step.
    const_updater: None, or a function of the number of training steps so far (1, 2, ...) that gives the next c.
    Returns: the shape and dtype of x; float where x is integer and c is not whole.
    """

def mul_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A * B, with NumPy broadcasting.

    node_A, node_B: any shapes that broadcast.  Returns: their common shape and dtype.
    """

def nll_loss_grad_op(output_grad: Any, target: Any, cols: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """-output_grad / B at (row, id of the row), else 0: the gradient of nll_loss_op.

    output_grad: (1,).  target: ids (B,).  cols: number of classes.  Returns: (B, cols).
    """

def nll_loss_op(input: Any, target: Any, cols: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The mean over rows of -log-probability[id].

    input: log-probabilities (B, C), float.  target: class numbers (B,), int or float; one outside [0, C) gives NaN.
    cols: C, which is checked.
    Returns: (1,), the dtype of input.
    """

def norm_gradient_op(
    node: Any, node_y: Any, grad_y: Any, axis: Any, p: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of norm_op at node, times grad_y; node_y, its value, tells whether the axis was kept.

    Returns: the shape and dtype of node; grad_y is the gradient of the op's value.
    """

def norm_op(
    node: Any, axis: Any, p: Any = 2, keepdims: Any = True, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The p-norm along one axis, (sum of |x|^p)^(1/p); gradient 0 where it is 0.

    node: any shape.  axis: int.  p: number above 0.  keepdims: whether the axis stays, with length 1.
    Returns: the reduced shape, (1,) if none is left; float.  Raises ValueError for another p.
    """

def normal_sample_op(shape: Any, mean: Any, stddev: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Numbers from the normal distribution with the given mean and standard deviation.

    shape: tuple, or int.  mean, stddev: numbers.  Returns: `shape`, float32.
    """

def one_hot_op(node: Any, num_classes: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """1 where the class number is the position along a new last axis, else 0.

    node: class numbers, any shape, int or float; one outside [0, num_classes) or not whole gives a row of zeros.
    num_classes: the length of the new axis.
    Returns: node.shape + (num_classes,), float32.
    """

def oneslike_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Ones in the shape of a node.

    node: gives shape and dtype only.
    Returns: the same shape; the dtype of a float node, else float32.
    """

def opposite_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """-x.

    node: any shape.  Returns: the same shape and dtype.
    """

def pad_gradient_op(
    node_A: Any, paddings: Any, mode: Any = "CONSTANT", ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of pad_op: node_A without the elements that were added, which REFLECT and SYMMETRIC add back.

    node_A: gradient of the value.  paddings, mode: as of pad_op.  Returns: the shape before the padding.
    """

def pad_op(
    node_A: Any,
    paddings: Any,
    mode: Any = "CONSTANT",
    constant_values: Any = 0,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The array with elements added before and after it.

    node_A: any shape and dtype.  paddings: pairs [before, after] for the last len(paddings) axes.
    mode: 'CONSTANT', or 'REFLECT' and 'SYMMETRIC', which mirror without and with the edge itself.
    constant_values: the number that CONSTANT adds.
    Returns: the padded array, same dtype; float where that is integer and the number added is not whole.
    """

def param_clip_op(
    param: Any, control: Any, min_value: Any, max_value: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """Clips the value of a Variable to [min_value, max_value], in place.

    param: Variable of any shape.  control: what must happen before, such as the optimizer's node, or None.
    min_value, max_value: numbers.  Returns: None; `param` has its new value when the step ends.
    """

def parameterServerCommunicate_op(
    node: Any, parameter: Any, optimizer: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """In place: parameter - rate * gradient, as a parameter server adds what workers push.

    node: the gradient, the shape of `parameter`.  parameter: Variable.  optimizer: `get_config()` of any optimizer, of
    which only the learning rate counts, as it is when the op is made.  Returns: nothing.
    """

def parameterServerSparsePull_op(parameter: Any, deps_node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Fetches the next batch's rows of a table ahead of time: nothing to do, as the table is here.

    parameter: the node that looks the table up.  deps_node: a list of the nodes to wait for.  Returns: nothing.
    """

def pipeline_receive_op(
    source: Any,
    comm: Any,
    use_indexed_slices: Any = False,
    ctx: Any = None,
    *,
    stream: Any = None,
    name: str | None = None,
) -> Node:
    """The oldest node that was sent over `comm` and not yet received.

    source: 0, this program's rank, or a sequence of ranks.  comm: the sender's communicator.
    use_indexed_slices, stream: accepted without effect, as the receiver knows what comes.
    Returns: the value sent; gradients flow back to the sender.
    Raises GraphError when nothing was sent, and for another rank.
    """

def pipeline_send_op(
    node: Any, destination: Any, comm: Any, stream: Any = None, ctx: Any = None, *, name: str | None = None
) -> Node:
    """Sends x to a rank, whose pipeline_receive_op then has it.

    node: any shape.  destination: 0, this program's rank, or a sequence of ranks.  comm: a communicator of one member.
    stream: accepted without effect.  Returns: nothing.
    Raises GraphError for another rank: one program has no other to talk to.
    """

def pow_gradient_op(node_A: Any, node_B: Any, eps: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of pow_op at node_A, times node_B; eps is the exponent.

    Returns: the shape and dtype of node_A; node_B is the gradient of the op's value.
    """

def pow_op(node: Any, eps: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x to the power p, where p is called eps.

    node: any shape.  eps: number.  Returns: the same shape and dtype; float where eps is not whole or is negative.
    """

def power_op(node: Any, p: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x to the power p.

    node: any shape.  p: number, or a node that broadcasts.  Returns: as pow_op.
    """

def prune_low_magnitude_op(
    node: Any, rate: Any, buffer_conf: Any = "feature_dim", ctx: Any = None, *, name: str | None = None
) -> Node:
    """In place: the elements of least magnitude become 0, as many as make the wanted share.

    node: Variable of any shape, magnitudes below 100.  rate: the share, or a function of the number of runs so far
    (1, 2, ...) that gives it; up to 0 nothing changes.  buffer_conf: accepted without effect, as it sizes a buffer.
    Returns: nothing.
    """

def quantize_op(node: Any, digit: Any, scale: Any, minele: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """floor((x - minele) / scale + u) within [0, 2**digit - 1], for u random in (0, 1]: x in whole steps.

    node: any shape, float.  digit: 8 or 16.  scale, minele: numbers.  Returns: the same shape and dtype, whole numbers.
    The gradient is dequantize_op of the one that arrives.
    """

def quantized_embedding_lookup_op(
    embed: Any, indices: Any, qparams: Any, digit: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The rows of a table stored in codes, each row on a grid of its own: q * scale + min.

    embed: Variable (rows, width), float or uint8 / uint16 codes.  indices: row numbers of any shape S; those outside
    the table give zeros.  qparams: Variable (rows, 2), the scale and min of each row; overwritten from the rows when
    a float table becomes codes.  digit: 8 or 16.  Returns: S + (width,), in the dtype of qparams.
    """

def rand_op(size: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Numbers uniform in [0, 1).

    size: shape as a tuple, or int.  Returns: `size`, float32.
    """

def randint_sample_op(shape: Any, low: Any, high: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Whole numbers uniform in [low, high).

    shape: tuple, or int.  low, high: int, low < high.  Returns: `shape`, int32.
    Raises ValueError when low is not below high.
    """

def reduceCommunicate_op(node: Any, comm: Any, rank: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over the members, on the member `rank`: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  rank: 0.  Returns: the same shape and dtype.
    """

def reduce_mean_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The mean over some axes.

    node, axes, keepdims: as reduce_sum_op.  Returns: the same shape, float.
    """

def reduce_min_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The minimum over some axes; equal minima share the gradient.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """

def reduce_mul_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The product over some axes.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """

def reduce_norm1_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum of |x| over some axes; gradient 0 where x is 0.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """

def reduce_norm2_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The square root of the sum of squares over some axes; gradient 0 where it is 0.

    node, axes, keepdims: as reduce_sum_op.  Returns: the same shape, float.
    """

def reduce_sum_op(node: Any, axes: Any, keepdims: Any = False, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over some axes.

    node: any shape.  axes: int or list of int, also negative.  keepdims: bool, or one for each of axes.
    Returns: the shape without the axes that are not kept, (1,) if none is left; the dtype of x.
    """

def reducescatterCommunicate_op(node: Any, comm: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The member's own part, along axis 0, of the sum over the members: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """

def reducesumaxiszero_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sum over axis 0.

    node: at least one axis.  Returns: the shape without its first axis, (1,) if none is left.
    """

def relu_gradient_op(node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of relu_op at node_A, times node_B.

    Returns: the shape and dtype of node_A; node_B is the gradient of the op's value.
    """

def relu_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """max(x, 0); gradient 0.5 at 0.

    node: any shape.  Returns: the same shape and dtype.
    """

def repeat_gradient_op(node_input: Any, node_grad: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of repeat_op: node_grad summed over the repetitions that its shape shows.

    Returns: the shape and dtype of node_input; node_grad is the gradient of the op's value.
    """

def repeat_op(node: Any, reps: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The same as `tile_op`, and not np.repeat.

    node: any shape and dtype.  reps: an int or ints, as of `tile_op`.
    Returns: the repeated array, same dtype.
    """

def reshape_to_op(node: Any, target: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The elements in row-major order in the shape of another node.

    node: any shape and dtype.  target: of as many elements, gives its shape only.
    Returns: the shape of target, the dtype of node.
    """

def reverse_layout_transform_gradient_data_op(
    input: Any,
    indices: Any,
    locations: Any,
    gates: Any,
    capacity: Any,
    num_experts: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """gate * row of each token added up in its slots: the gradient of reverse_layout_transform_op's `input`.

    input: (tokens, width).  indices: (tokens, 1), or a list of them.  locations, gates: (tokens,), or lists.
    capacity, num_experts: numbers.  Returns: (capacity * num_experts, width).
    """

def reverse_layout_transform_gradient_gate_op(
    combined_output: Any,
    expert_output: Any,
    indices: Any,
    locations: Any,
    capacity: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The dot product of each token's row with that of its slot: the gradient of reverse_layout_transform_op's gate.

    combined_output: (tokens, width).  expert_output: (capacity * experts, width).  indices: (tokens, 1).
    locations: (tokens,).  capacity: number.  Returns: (tokens,), 0 for a dropped token.
    """

def reverse_layout_transform_no_gate_gradient_op(
    input: Any,
    indices: Any,
    locations: Any,
    capacity: Any,
    num_experts: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The row of each token added up in its slots: the gradient of reverse_layout_transform_no_gate_op.

    input: (tokens, width).  indices: (tokens, 1), or a list of them.  locations: (tokens,), or a list.
    capacity, num_experts: numbers.  Returns: (capacity * num_experts, width).
    """

def reverse_layout_transform_no_gate_op(
    input: Any,
    indices_s: Any,
    location_s: Any,
    capacity: Any,
    num_experts: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The sum over the choices of the row of the token's slot; a dropped choice counts for nothing.

    As reverse_layout_transform_op with gates of 1.
    """

def reverse_layout_transform_op(
    input: Any,
    indices_s: Any,
    location_s: Any,
    gates: Any,
    capacity: Any,
    num_experts: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The sum over the choices of gate * the row of the token's slot; a dropped choice counts for nothing.

    input: (capacity * num_experts, width).  indices_s: a list of (tokens, 1).  location_s: a list of (tokens,).
    gates: a list of (tokens,), float.  capacity, num_experts: numbers.  Returns: (tokens, width).
    """

def robe_hash_op(
    indices: Any,
    rands: Any,
    length: Any,
    dim: Any,
    Z: Any,
    use_slot_coef: Any = True,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """((r3 x + r1 + r2 (d // q) + d % q + r4 s) mod r0) mod length, for element d of slot s and q = dim / Z.

    indices: x (batch, slots) int.  rands: (at least 9,) int, r0 a prime.  length: int.  dim: int, a multiple of Z.
    use_slot_coef: False leaves r4 s out.  Returns: (batch, slots, dim) int32, places in an array of `length`.
    Raises ValueError for other shapes.
    """

def robe_sign_op(
    indices: Any, rands: Any, dim: Any, use_slot_coef: Any = True, ctx: Any = None, *, name: str | None = None
) -> Node:
    """2 (((r7 x + r5 + r6 d + r8 s) mod r0) mod 2) - 1, for element d of slot s.

    indices: x (batch, slots) int.  rands: (at least 9,) int, r0 a prime.  dim: int.
    use_slot_coef: False leaves r8 s out.  Returns: (batch, slots, dim) float32 of -1 and 1.
    Raises ValueError for other shapes.
    """

def roll_op(node: Any, shift: Any = 0, axis: Any = None, ctx: Any = None, *, name: str | None = None) -> Node:
    """Elements moved by `shift` places along `axis`, those from beyond the end coming back at the start.

    node: any shape and dtype.  shift: int, or ints for several axes.  axis: int, ints, or None to roll the flat array.
    Returns: same shape and dtype.
    """

def rsqrt_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """1 / the square root of x.

    node: any shape.  Returns: the same shape, float.
    """

def sam_group_sum_op(node: Any, num_local_gpus: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sums of `num_local_gpus` equal blocks of columns; no gradient flows.

    node: (tokens, experts), experts a multiple of num_local_gpus.  Returns: (tokens, num_local_gpus).
    """

def sam_max_op(
    node_A: Any, node_B: Any, node_C: Any, num_local_gpus: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """How much each expert outside the token's group exceeds a reference expert: max(A - A[reference], 0), inside 0.

    node_A: gates (tokens, experts).  node_B: groups (tokens, 1), of num_local_gpus experts each.  node_C: reference
    experts (tokens, 1).  Returns: the shape of node_A.  The gradient leaves the reference out and is 0 at a tie.
    """

def sammax_grad_op(
    output_grad: Any,
    node_A: Any,
    node_B: Any,
    node_C: Any,
    num_local_gpus: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """The gradient of sam_max_op at node_A, times output_grad.

    Returns: the shape and dtype of node_A; output_grad is the gradient of the op's value.
    """

def scatter1d_grad_op(output_grad_mat: Any, index_mat: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of scatter1d_op: output_grad_mat[index_mat].

    output_grad_mat: (n,).  index_mat: (n,), int or float ids.  Returns: (n,).
    """

def scatter1d_op(input_mat: Any, index_mat: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """out[index_mat[i]] = input_mat[i], which is the inverse permutation; zero where no index points.

    input_mat: (n,), any dtype.  index_mat: (n,), int or float ids, each at most once.
    Returns: (n,), the dtype of input_mat.
    """

def scatter_op(node1: Any, node2: Any, node3: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """node1 with row r set at the columns node2[r] to node3[r]: out[r, node2[r, j]] = node3[r, j].

    node1: target (n, m), any dtype.  node2: (n, k), int or float ids, each at most once in a row.  node3: (n, k).
    Returns: (n, m), the dtype of node1.
    """

def sigmoid_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """1 / (1 + exp(-x)).

    node: any shape.  Returns: the same shape, float.
    """

def sign_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """-1, 0 or 1 as x is negative, zero or positive; gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """

def sin_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The sine of x.

    node: any shape.  Returns: the same shape, float.
    """

def slice_assign_matrix_op(
    node_A: Any,
    node_B: Any,
    begin_A: Any,
    size_A: Any,
    begin_B: Any,
    size_B: Any,
    ctx: Any = None,
    *,
    name: str | None = None,
) -> Node:
    """A copy of node_A whose block at begin_A is the block of node_B at begin_B.

    node_A, node_B: any shapes.  begin_A, size_A, begin_B, size_B: as of `slice_op`; the two blocks have one shape.
    Returns: the shape and dtype of node_A.  The gradient inside the block goes to node_B, outside it to node_A.
    """

def slice_assign_op(node: Any, begin: Any, size: Any, val: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A copy whose block at `begin` is one number.

    node: any shape.  begin, size: as of `slice_op`.  val: the number.
    Returns: the shape and dtype of x; float where x is integer and val is not whole.  No gradient flows into the block.
    """

def slice_by_matrix_gradient_op(
    input: Any, grad: Any, index1: Any, index2: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of slice_by_matrix_op: the rows of grad added up where they were picked.

    Returns: the shape and dtype of input; grad is the gradient of the op's value.
    """

def slice_by_matrix_op(node_A: Any, index1: Any, index2: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Vectors picked by pairs of indices: out[i] = node_A[index1[i], index2[i]].

    node_A: (a, b, c), any dtype.  index1, index2: (n,), int or float ids.
    Returns: (n, c), the dtype of node_A.
    """

def slice_gradient_op(node: Any, begin: Any, size: Any = None, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of slice_op: node at `begin`, zeros around it.

    node: gradient of the value.  begin: ints, as of slice_op.  size: the shape before the slice; Hetu fills it in by
    itself only for its own nodes.  Returns: that shape.  Raises ValueError without it, or where node does not fit.
    """

def slice_op(node: Any, begin: Any, size: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The block that starts at `begin`.

    node: any shape and dtype.  begin: one int per axis, not negative.  size: lengths per axis; -1 means to the end.
    Returns: the block, same dtype.
    """

def softmax_gradient_op(node_y: Any, grad: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """y * (grad - sum of grad * y), the gradient of softmax_op where its value is y.

    node_y: y (..., n).  grad: the same shape.  Returns: the same shape.
    """

def softmax_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """exp(x) / sum of exp(x) over the last axis, computed without overflow.

    node: (..., n), float.
    Returns: same shape and dtype.
    """

def softmaxcrossentropy_gradient_op(
    node_A: Any, node_B: Any, node_C: Any, use_cudnn: Any = True, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of softmaxcrossentropy_op at the logits node_A with labels node_B, times node_C.

    Returns: the shape and dtype of node_A; node_C is the gradient of the op's value.
    """

def softmaxcrossentropy_op(
    node_A: Any, node_B: Any, use_cudnn: Any = True, ctx: Any = None, *, name: str | None = None
) -> Node:
    """-sum over the last axis of labels * log_softmax(logits), computed without overflow.

    node_A: logits (..., C), float.  node_B: labels of the same shape, one-hot or probabilities.
    use_cudnn: accepted without effect; it chose between two kernels of Hetu.
    Returns: (...), (1,) for one row, the logits' dtype.
    The gradient is softmax * sum(labels) - labels, which is Hetu's softmax - labels where the labels of a row sum to
    one, as they need not; none goes to the labels.
    """

def softmaxcrossentropy_sparse_gradient_op(
    node_A: Any, node_B: Any, node_C: Any, ignored_index: Any = -1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of softmaxcrossentropy_sparse_op at the logits node_A with ids node_B, times node_C.

    Returns: the shape and dtype of node_A; node_C is the gradient of the op's value.
    """

def softmaxcrossentropy_sparse_op(
    node_A: Any, node_B: Any, ignored_index: Any = -1, ctx: Any = None, *, name: str | None = None
) -> Node:
    """-log_softmax(logits)[id] along the last axis; 0, gradient too, where the id is `ignored_index`.

    node_A: logits (..., C), float.  node_B: class numbers (...), int or float; one outside [0, C) gives NaN.
    ignored_index: the class number that counts for nothing.
    Returns: (...), (1,) for one row, the logits' dtype.
    """

def sparse_embedding_lookup_op(embedding: Any, index: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The rows of a sparse table with the given numbers, made dense.

    embedding: ND_Sparse_Array (rows, width), its rows in ascending order and each column at most once in a row.
    index: row numbers of any shape S; those outside the table give zeros.
    Returns: S + (width,), in the dtype of the table.  Raises TypeError for a dense table, ValueError for a disorderly
    one.
    """

def sparse_set_op(table: Any, ind: Any, data: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """In place: table[ind[i]] = data[i].

    table: Variable (rows, width).  ind: m ids of any shape, those outside the table are left out; a repeated id keeps
    one of its rows.  data: m * width elements in any shape.  Returns: nothing.
    """

def split_gradient_op(
    node: Any, axes: Any, indices: Any, splits: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The gradient of split_op where it cut the axes into equal parts: node in its place, zeros around it.

    node: gradient of the value.  axes, indices, splits: ints or lists, as of split_op.
    Returns: the shape before the split, in which each axis is `splits` times as long.
    """

def split_op(node: Any, axes: Any, indices: Any, splits: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """One block of an array whose axes are cut into equal parts, where the last part also takes the remainder.

    node: any shape and dtype.  axes: the axes that are cut.  splits: into how many parts each.
    indices: which part of each is taken, from 0.
    Returns: the block, same dtype.
    """

def sqrt_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The square root of x.

    node: any shape.  Returns: the same shape, float.
    """

def stop_gradient_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """x, with gradient 0.

    node: any shape.  Returns: the same shape and dtype.
    """

def sum_op(node_list: Any, ctx: Any = None, sparse: Any = False, *, name: str | None = None) -> Node:
    """The sum of a list of arrays, with NumPy broadcasting.

    node_list: nodes of shapes that broadcast; with `sparse`, tuples (indices, ..., rows) of int indices of any shape S
        and rows S + (width,), of which negative indices count for nothing.
    ctx: the device.  sparse: whether the items are such tuples.
    Returns: the common shape; with `sparse`, the distinct indices in ascending order, padded with -1 to the number of
    all, and the sum of the rows of each.
    """

def sum_sparse_gradient_op(
    dense_shape: Any, *pairs_or_denses: Any, dtype: Any = ..., ctx: Any = None, name: str | None = None
) -> Node:
    """The sum of dense tables and of (ids, rows) pairs, whose rows are added at their ids.

    dense_shape: (rows, width).  pairs_or_denses: arrays of that shape, and pairs of ids of any shape S and rows
    S + (width,); ids outside the table are left out, repeated ones add up.
    dtype: of the sum, unless the items are wider.  Returns: an array of `dense_shape`.
    """

def tanh_gradient_op(forward_node: Any, output_grad: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """(1 - y^2) * output_grad, the gradient of tanh_op where its value is y.

    forward_node: y.  output_grad: the same shape.  Returns: the same shape.
    """

def tanh_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The hyperbolic tangent of x.

    node: any shape.  Returns: the same shape, float.
    """

def tile_op(node: Any, reps: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The array as a whole repeated along its axes, as np.tile.

    node: any shape and dtype.  reps: how often along each axis, counted from the last; longer than the rank adds axes.
    Returns: the repeated array, same dtype.
    """

def topk_idx_op(node: Any, topk: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The indices of the largest elements along the last axis, largest first; of equal ones the later comes first.

    node: (..., n).  topk: int, at most n.  Elements below -10000 are never chosen: their places hold -1.
    Returns: (..., topk), float32.  Raises ValueError for a topk above n.
    """

def topk_val_op(nodeA: Any, nodeB: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The elements of A at the indices B along the last axis; 0 where an index is negative.

    nodeA: (..., n).  nodeB: (..., k), indices as topk_idx_op gives them.  Returns: (..., k), the dtype of A.
    """

def transpose_op(node_A: Any, perm: Any = None, ctx: Any = None, *, name: str | None = None) -> Node:
    """The axes in another order: axis i of the result is axis perm[i] of the input.

    node_A: any shape and dtype.  perm: a permutation of all axes; None reverses them.
    Returns: the transposed array, same dtype.
    """

def tril_lookup_gradient_op(array: Any, offset: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """The gradient of tril_lookup_op: the elements in their places in a triangle, zeros elsewhere.

    array: (..., m).  offset: as of tril_lookup_op.  Returns: (..., n, n).
    Raises ValueError where no n gives m elements.
    """

def tril_lookup_op(array: Any, offset: Any = 0, ctx: Any = None, *, name: str | None = None) -> Node:
    """The elements whose column is at most row + offset, row by row.

    array: (..., n, n), any dtype.  offset: from -(n - 1) to n - 1.
    Returns: (..., m), same dtype; m is n (n + 1) / 2 for offset 0.
    """

def truncated_normal_sample_op(shape: Any, mean: Any, stddev: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Numbers from the normal distribution, cut off two standard deviations from the mean.

    shape: tuple, or int.  mean, stddev: numbers; `stddev` is that before the cut.  Returns: `shape`, float32.
    """

def unified_quantized_embedding_lookup_op(
    embed: Any, indices: Any, scale: Any, zero_point: Any, digit: Any, ctx: Any = None, *, name: str | None = None
) -> Node:
    """The rows of a table stored in codes of one grid: q * scale + zero_point - 2**(digit - 1) * scale.

    embed: Variable (rows, width), float or uint8 / uint16 codes.  indices: row numbers of any shape S; those outside
    the table give zeros.  scale, zero_point: numbers.  digit: 8 or 16.  Returns: S + (width,), float32.
    """

def uniform_sample_op(shape: Any, low: Any, high: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Numbers uniform in [low, high).

    shape: tuple, or int.  low, high: numbers.  Returns: `shape`, float32.
    """

def unique_indices_offsets_op(unique: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Where each distinct id occurs: [their number u, n positions grouped by id, n + 1 starts of the groups].

    unique: the node of unique_indices_op, or the ids themselves, n in any shape.
    Returns: (2n + 2,) int32; positions ascend within a group, groups by id; starts from the u-th on are n.
    """

def unique_indices_op(indices: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """The distinct ids in ascending order, padded with -1.

    indices: any shape.  Returns: the same shape, int32.
    """

def where_const_op(cond: Any, node_A: Any, const_attr: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A where cond is not 0, else a constant.

    cond, node_A: shapes that broadcast.  const_attr: number.
    Returns: their common shape, the dtype of A; float where A is integer and const_attr is not whole.
    """

def where_op(cond: Any, node_A: Any, node_B: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """A where cond is not 0, else B.

    cond, node_A, node_B: shapes that broadcast.  Returns: their common shape, the dtype of A and B.
    """

def zeroslike_op(node: Any, ctx: Any = None, *, name: str | None = None) -> Node:
    """Zeros in the shape of a node.

    node: gives shape and dtype only.
    Returns: the same shape; the dtype of a float node, else float32.
    """
