"""Rows for hetu_jax/ops/collective.py."""

from dataclasses import dataclass

import numpy as np

from .case import Case, constructor, normal


class Alone:
    """A communicator of one member."""

    rank, nrank = 0, 1


ALONE, LOOP = Alone(), Alone()
NO_VALUE = "the node has no value"


@dataclass(eq=False)
class Received(Case):
    """A row of the receiving end, for which something is sent first."""

    def build(self):
        from hetu_jax.graph import Variable

        constructor("pipeline_send_op")(Variable("sent", normal(3, 4)), 0, LOOP)
        return super().build()


def same(x, *_, **__):
    return x


def accelerator():
    from hetu_jax.ndarray import gpu

    return gpu(0)


CASES = [
    Case("alltoall_op", [normal(4, 3)], same),
    Case("halltoall_op", [normal(4, 3), 1, 1], same),
    Case("allreduceCommunicate_op", [normal(4, 3), ALONE], same),
    Case("allreduceCommunicate_op", [normal(1), None], same, note="no communicator"),
    Case("groupallreduceCommunicate_op", [normal(4, 3), ALONE], same),
    Case("allreduceCommunicatep2p_op", [normal(4, 3), ALONE], same),
    Case("allgatherCommunicate_op", [normal(4, 3), ALONE], same),
    Case("reducescatterCommunicate_op", [normal(4, 3), ALONE], same),
    Case("broadcastCommunicate_op", [normal(4, 3), ALONE, 0], same),
    Case("reduceCommunicate_op", [normal(4, 3), ALONE, 0], same),
    Case(
        "parameterServerCommunicate_op",
        [normal(4, 3), normal(4, 3, seed=1), (4, (0.5, 0.9, 0.999, 1e-8), 4)],
        lambda gradient, parameter, config: parameter - 0.5 * gradient,
    ),
    Case("parameterServerSparsePull_op", [normal(4, 3), [normal(2)]], lambda *_: [], grad=NO_VALUE),
    Case("datah2d_op", [normal(4, 3)], same, kwargs={"ctx": accelerator()}),
    Case("datad2h_op", [normal(4, 3)], same),
    Case("pipeline_send_op", [normal(4, 3), 0, ALONE], lambda *_: [], grad=NO_VALUE),
    Case("pipeline_send_op", [normal(4, 3), [0, 0], ALONE], lambda *_: [], grad=NO_VALUE, note="ranks in turn"),
    Received("pipeline_receive_op", [0, LOOP], lambda *_: normal(3, 4), grad="the value is sent beside the arguments"),
    Case("dispatch", [normal(4, 6), (2, 3)], same),
    Case("dispatch", [normal(4, 6), {1: 3}, 2], same, note="one axis"),
    Case("dispatch", [np.array([1.0])], same, note="no parts"),
]
