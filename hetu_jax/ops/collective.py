"""Communication, transfer and pipeline ops, as they are for one program that holds all of every value.

A group of one: what a member gets from all members is what it sent.
"""

import weakref
from collections import deque

from ..errors import GraphError
from ..graph import op
from ..ndarray import DLContext

_sent = weakref.WeakKeyDictionary()  # communicator -> the nodes sent and not yet received, oldest first


def _members(comm):
    """The number of members of a communicator; None stands for this program alone."""
    count = 1 if comm is None else getattr(comm, "nrank", None)
    if not isinstance(count, int):
        raise TypeError(f"{comm!r} is no communicator: pass what ht.wrapped_mpi_nccl_init() returns, or None")
    return count


def _alone(parameter="comm", rank=None):
    """What refuses, when a call is recorded, a communicator of several members or a rank outside it."""

    def check(arguments):
        count = _members(arguments[parameter])
        if count != 1:
            raise GraphError(
                f"the communicator has {count} members, but one program runs the whole graph: leave the collective out "
                "and pass dist_strategy or ht.context to shard the values"
            )
        if rank is not None and arguments[rank] != 0:
            raise GraphError(f"{rank} is {arguments[rank]}, but the communicator's only member is 0")

    return check


@op
def alltoall_op(node):
    """Each member's r-th chunk goes to member r: of one member, x itself.

    node: any shape.  Returns: the same shape and dtype.
    """
    return node


@op
def halltoall_op(node, num_nodes, num_local_gpus):
    """alltoall_op in two levels, over machines and over their devices, with the same result.

    node: any shape.  num_nodes, num_local_gpus: how many machines, and devices on each; both 1 for one device.
    Returns: the same shape and dtype.
    """
    if (num_nodes, num_local_gpus) != (1, 1):
        raise ValueError(f"halltoall_op is for {num_nodes} x {num_local_gpus} devices, but one program runs the graph")
    return node


@op(on_record=_alone())
def allreduceCommunicate_op(node, comm):  # noqa: N802, the name is Hetu's
    """The sum over the members: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone("group_comm"))
def groupallreduceCommunicate_op(node, group_comm):  # noqa: N802, the name is Hetu's
    """The sum over the members of a group: of one member, x itself.

    node: any shape.  group_comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone())
def allreduceCommunicatep2p_op(node, comm):  # noqa: N802, the name is Hetu's
    """As allreduceCommunicate_op; Hetu runs it on the stream for point-to-point transfers.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone())
def allgatherCommunicate_op(node, comm):  # noqa: N802, the name is Hetu's
    """The members' arrays one after another along axis 0: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone())
def reducescatterCommunicate_op(node, comm):  # noqa: N802, the name is Hetu's
    """The member's own part, along axis 0, of the sum over the members: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone(rank="root"))
def broadcastCommunicate_op(node, comm, root):  # noqa: N802, the name is Hetu's
    """The array of the member `root`: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  root: 0.  Returns: the same shape and dtype.
    """
    return node


@op(on_record=_alone(rank="rank"))
def reduceCommunicate_op(node, comm, rank):  # noqa: N802, the name is Hetu's
    """The sum over the members, on the member `rank`: of one member, x itself.

    node: any shape.  comm: a communicator of one member, or None.  rank: 0.  Returns: the same shape and dtype.
    """
    return node


def _freeze_rate(arguments):
    """Puts the learning rate in the place of the optimizer's config, as Hetu reads it once, when the graph is built."""
    try:
        rate = float(arguments["optimizer"][1][0])
    except (TypeError, IndexError, ValueError):
        raise TypeError(
            f"optimizer must be what an optimizer's get_config() returns, not {arguments['optimizer']!r}"
        ) from None
    arguments["optimizer"] = rate


@op(writes=("parameter",), on_record=_freeze_rate)
def parameterServerCommunicate_op(node, parameter, optimizer):  # noqa: N802, the name is Hetu's
    """In place: parameter - rate * gradient, as a parameter server adds what workers push.

    node: the gradient, the shape of `parameter`.  parameter: Variable.  optimizer: `get_config()` of any optimizer, of
    which only the learning rate counts, as it is when the op is made.  Returns: nothing.
    """
    return None, parameter - optimizer * node.astype(parameter.dtype)


@op
def parameterServerSparsePull_op(parameter, deps_node):  # noqa: N802, the name is Hetu's
    """Fetches the next batch's rows of a table ahead of time: nothing to do, as the table is here.

    parameter: the node that looks the table up.  deps_node: a list of the nodes to wait for.  Returns: nothing.
    """


def _to_accelerator(arguments):
    ctx = arguments.get("ctx")
    if not isinstance(ctx, DLContext) or ctx.kind != "gpu":
        raise ValueError(f"datah2d_op copies to an accelerator: pass ctx=ht.gpu(0), not {ctx!r}")


@op(on_record=_to_accelerator)
def datah2d_op(node):
    """x, on the accelerator `ctx`; XLA places the copy itself.

    node: any shape.  ctx: ht.gpu(i).  Returns: the same shape and dtype.  Raises ValueError for another ctx.
    """
    return node


@op
def datad2h_op(node):
    """x, on the host; XLA places the copy itself.

    node: any shape.  Returns: the same shape and dtype.
    """
    return node


def _own_rank(ranks):
    """Refuses every rank but 0, the only one; `ranks` is one, or the sequence of those whose turn comes round."""
    for rank in ranks if isinstance(ranks, list | tuple) else [ranks]:
        if rank != 0:
            raise GraphError(
                f"there is no rank {rank} to talk to: one program runs the whole graph, so join the stages directly, "
                "or use ht.context and pipeline="
            )


def _send(arguments):
    comm = arguments["comm"]
    if comm is None:
        raise TypeError("pipeline_send_op needs a communicator, which the receiver names too, not None")
    _alone()(arguments)
    _own_rank(arguments["destination"])
    # 2023 has no `stream`: the name of a device in its place is the ctx, as a device itself is.
    if isinstance(arguments.get("stream"), str | list | tuple):
        arguments["ctx"] = arguments.pop("stream")
    _sent.setdefault(comm, deque()).append(arguments["node"])


@op(on_record=_send)
def pipeline_send_op(node, destination, comm, stream=None):
    """Sends x to a rank, whose pipeline_receive_op then has it.

    node: any shape.  destination: 0, this program's rank, or a sequence of ranks.  comm: a communicator of one member.
    stream: accepted without effect.  Returns: nothing.
    Raises GraphError for another rank: one program has no other to talk to.
    """


def _receive(arguments):
    comm = arguments["comm"]
    if comm is None:
        raise TypeError("pipeline_receive_op needs the communicator of the sender, not None")
    _alone()(arguments)
    _own_rank(arguments["source"])
    waiting = _sent.get(comm)
    if not waiting:
        raise GraphError("nothing was sent that could be received: make the pipeline_send_op first")
    arguments["source"] = waiting.popleft()


@op(on_record=_receive)
def pipeline_receive_op(source, comm, use_indexed_slices=False, *, stream=None):
    """The oldest node that was sent over `comm` and not yet received.

    source: 0, this program's rank, or a sequence of ranks.  comm: the sender's communicator.
    use_indexed_slices, stream: accepted without effect, as the receiver knows what comes.
    Returns: the value sent; gradients flow back to the sender.
    Raises GraphError when nothing was sent, and for another rank.
    """
    return source


def _check_parts(arguments):
    parts, duplicate = arguments.get("parts", ()), arguments.get("duplicate", 1)
    counts = list(parts.values()) if isinstance(parts, dict) else list(parts)
    for count in [*counts, duplicate, *(parts if isinstance(parts, dict) else [])]:
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"dispatch needs whole numbers of parts, not parts={parts!r} with duplicate={duplicate!r}")
    if 0 in [*counts, duplicate]:
        raise ValueError(f"dispatch cannot make 0 parts: parts={parts!r}, duplicate={duplicate!r}")


@op(on_record=_check_parts)
def dispatch(node, parts=(), duplicate=1):
    """x, marked as a place where the layout over devices changes.

    node: any shape.  parts: into how many parts each axis is cut: a tuple, or a dict {axis: count} for some axes.
    duplicate: how many devices hold each part.  Returns: the same shape and dtype.
    Raises ValueError for parts that are no positive integers or an axis that the array has not.
    """
    axes = parts if isinstance(parts, dict) else range(len(parts))
    if max(axes, default=-1) >= node.ndim:
        raise ValueError(f"dispatch got parts={parts!r} for an array of shape {node.shape}")
    return node
