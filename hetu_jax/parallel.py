"""Steps spread over devices: the batch is split over a mesh, every device has the Variables, XLA adds up the gradients.

On a CPU the devices are the cores: XLA runs a convolution on one core, and half a batch on each of two is faster.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from . import fences

SWITCH = "HETU_JAX_SPREAD"  # 0: never; 1: whenever the batch divides; by default, large steps on CPUs
MOST_HOST_DEVICES = 8
WORTH_SPREADING = 2e8  # floating-point operations in the convolutions of a step from which it gains
AXIS = "batch"

moves = 0  # how often the Variables of a graph moved to a mesh; Executors that share them look again


class Spread(NamedTuple):
    """How the step that an op is part of is spread.

    mesh: the devices.  by_channel: whether each has some channels of the op's result for all samples, as its filters
    are split (see `channels`), and not some samples.
    """

    mesh: Mesh
    by_channel: bool

    def shares(self, count: int) -> int:
        """Among how many devices so many samples are split."""
        return 1 if self.by_channel or count % self.mesh.size else self.mesh.size

    def whole(self, array: jax.Array) -> jax.Array:
        """The array with all of it on every device."""
        return jax.lax.with_sharding_constraint(array, replicated(self.mesh))

    def split(self, array: jax.Array, axis: int) -> jax.Array:
        """The array with a part of an axis on each device."""
        where: list[str | None] = [None] * array.ndim
        where[axis] = AXIS
        return jax.lax.with_sharding_constraint(array, NamedSharding(self.mesh, PartitionSpec(*where)))

    def after(self, images: jax.Array, filters: jax.Array) -> jax.Array:
        """The filters, of which each device may use its own part only when it has images.

        XLA starts what waits for nothing first: one device would prepare the filters of all layers while the other
        waits in the first sum for it.
        """
        samples = PartitionSpec(AXIS) if self.shares(len(images)) > 1 else PartitionSpec()
        outputs = PartitionSpec(AXIS) if self.by_channel else PartitionSpec()

        def tied(images: jax.Array, filters: jax.Array) -> jax.Array:
            return filters * fences.one_of(images)

        specs = {"in_specs": (samples, outputs), "out_specs": outputs, "check_vma": False}
        return jax.shard_map(tied, mesh=self.mesh, **specs)(images, filters)


def offer_host_devices() -> None:
    """Asks JAX for one CPU device a core, unless somebody said how many or JAX has started already."""
    said = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if os.environ.get(SWITCH) == "0" or said or jax.config.jax_num_cpu_devices != -1:
        return
    try:
        jax.config.update("jax_num_cpu_devices", min(_cores(), MOST_HOST_DEVICES))
    except RuntimeError:  # JAX has started
        return


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def mesh_of(devices: tuple[jax.Device, ...]) -> Mesh:
    """The mesh over which a batch is split among `devices`."""
    return Mesh(np.array(devices), (AXIS,))


def candidate(device: jax.Device) -> Mesh | None:
    """The mesh that a step on `device` may be spread over without being told to: all CPU devices, or None."""
    if os.environ.get(SWITCH) == "0" or (device.platform != "cpu" and not always()):
        return None
    devices = tuple(jax.local_devices(backend=device.platform))
    return mesh_of(devices) if len(devices) > 1 and device == devices[0] else None


def always() -> bool:
    """Whether whatever divides is to be spread, without asking what it costs."""
    return os.environ.get(SWITCH) == "1"


def gains(mesh: Mesh, batch: int, convolutions: float) -> bool:
    """Whether spreading pays: the batch divides, and there is enough to do that XLA would do on one core.

    batch: samples in a step.  convolutions: floating-point operations in them; products of matrices use all cores.
    """
    return batch >= mesh.size and batch % mesh.size == 0 and (always() or convolutions >= WORTH_SPREADING)


def finish(mesh: Mesh | None, results: Any) -> None:
    """After a step on a mesh of CPU devices was started: waits for it.

    XLA admits 32 programs a CPU device at a time.  Where more are started behind the step, one device's may wait for a
    place that only comes free when the other device's part of the step, still in the queue, meets its partner in an
    all-reduce.
    """
    if mesh is not None and mesh.devices.flat[0].platform == "cpu":
        jax.block_until_ready(next((leaf for leaf in jax.tree.leaves(results) if isinstance(leaf, jax.Array)), None))


def replicated(mesh: Mesh) -> NamedSharding:
    """All of an array on every device of the mesh."""
    return NamedSharding(mesh, PartitionSpec())


def in_parts(mesh: Mesh) -> NamedSharding:
    """A part of an array's axis 0 on each device of the mesh."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def put(value: Any, where: jax.Device | Mesh | None) -> Any:
    """A value on a device; on a mesh, split along axis 0 where that divides, else whole on every device."""
    if not isinstance(where, Mesh):
        return jax.device_put(value, where)
    return jax.tree.map(lambda part: jax.device_put(part, _split(part.shape, where)), value)


def _split(shape: Sequence[int], mesh: Mesh) -> NamedSharding:
    divides = len(shape) > 0 and shape[0] > 0 and shape[0] % mesh.size == 0
    return in_parts(mesh) if divides else replicated(mesh)


def kept(value: Any, mesh: Mesh) -> NamedSharding:
    """How a step leaves the Variable whose value this is: split if it is, else whole on every device."""
    return value.sharding if is_split(value) else replicated(mesh)


def is_split(value: Any) -> bool:
    """Whether each device has a part of a value."""
    return isinstance(value, jax.Array) and not value.is_fully_replicated


def on_mesh(array: jax.Array, mesh: Mesh) -> bool:
    """Whether an array is on the devices of a mesh."""
    return isinstance(array.sharding, NamedSharding) and array.sharding.mesh == mesh


def mesh_under(values: Iterable[Any]) -> Mesh | None:
    """The mesh that one of some values is on, or None."""
    for value in values:
        for part in jax.tree.leaves(value):
            if isinstance(part, jax.Array) and isinstance(part.sharding, NamedSharding) and part.sharding.mesh.size > 1:
                return part.sharding.mesh
    return None


def like(old: Any, new: Any) -> Any:
    """`new`, spread as `old` is."""
    both = isinstance(old, jax.Array) and isinstance(new, jax.Array)
    if both and old.sharding.num_devices > 1 and old.shape == new.shape and new.sharding != old.sharding:
        return jax.device_put(new, old.sharding)
    return new
