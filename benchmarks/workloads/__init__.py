"""The workloads, by name."""

from . import cnn, logistic, lstm, mlp, moe, resnet, transformer, wide_deep

WORKLOADS = {
    module.__name__.rpartition(".")[2]: module.WORKLOAD
    for module in (logistic, mlp, cnn, resnet, lstm, transformer, wide_deep, moe)
}
