"""The ONNX forms of `ops/collective.py`: of a group of one, what was sent."""

from .registry import identity

identity(
    "alltoall_op",
    "halltoall_op",
    "allreduceCommunicate_op",
    "groupallreduceCommunicate_op",
    "allreduceCommunicatep2p_op",
    "allgatherCommunicate_op",
    "reducescatterCommunicate_op",
    "broadcastCommunicate_op",
    "reduceCommunicate_op",
    "datah2d_op",
    "datad2h_op",
    "pipeline_receive_op",
    "dispatch",
)
