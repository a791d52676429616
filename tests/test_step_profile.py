"""Where a step's time, arithmetic and memory go, the compiler's texts, and Hetu's timers."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import hlo, xplane
from hetu_jax.errors import GraphError

X = np.random.default_rng(0).standard_normal((64, 256)).astype(np.float32)
PROGRAM = """HloModule jit_step, is_scheduled=true

%fused (p: f32[8,4]) -> f32[8,4] {
  %p = f32[8,4]{1,0} parameter(0)
  ROOT %m = f32[8,4]{1,0} maximum(%p, %p), metadata={op_name="jit(step)/ReluOp3/max" stack_frame_id=3}
}

ENTRY %main (a: f32[8,2], b: bf16[2,4]) -> (f32[8,4]) {
  %a = f32[8,2]{1,0} parameter(0)
  %b = bf16[2,4]{1,0} parameter(1)
  %dot.1 = f32[8,4]{1,0} dot(%a, %b), lhs_contracting_dims={1}, metadata={op_name="jit(step)/jvp(MatmulOp2)/dot"}
  %fusion.2 = f32[8,4]{1,0} fusion(%dot.1), kind=kLoop, calls=%fused, metadata={op_name="jit(step)/AddOp4/add"}
  ROOT %tuple = (f32[8,4]{1,0}) tuple(%fusion.2)
}
"""


def training(**options):
    x = ht.placeholder_op("x")
    w, v = ht.Variable("w", np.full((256, 128), 0.01)), ht.Variable("v", np.full((128, 4), 0.01))
    hidden = ht.dropout_op(ht.relu_op(ht.matmul_op(x, w, name="first"), name="relu"), 0.5)
    loss = ht.reduce_mean_op(ht.pow_op(ht.matmul_op(hidden, v, name="second"), 2), [0, 1])
    train = ht.optim.AdamOptimizer(0.1).minimize(loss)
    return ht.Executor({"train": [loss, train], "infer": [loss]}, seed=1, **options), x


class TestReadingPrograms:
    def test_instructions(self):
        dot, fusion = hlo.instructions(PROGRAM)
        assert (dot.name, dot.code, dot.made, dot.moved) == ("dot.1", "dot", 128, 128 + 64 + 16)
        assert dot.products == ((4, 8),) and dot.origins == ("jit(step)/jvp(MatmulOp2)/dot",)
        assert fusion.reads == ("dot.1",)
        assert fusion.origins == ("jit(step)/AddOp4/add", "jit(step)/ReluOp3/max")
        assert hlo.module_name(PROGRAM) == "jit_step"

    def test_sizes(self):
        assert hlo.size("(f32[2,3]{1,0}, (pred[5]{0}, s4[4]{0}))") == 24 + 5 + 2
        assert hlo.size("f32[]") == 4 and hlo.size("token[]") == 0 and hlo.size("bf16[3,0]{1,0}") == 0


def field(number, value):
    """A field of a protocol buffer: a number below 128, or bytes."""
    return bytes([number << 3, value]) if isinstance(value, int) else bytes([number << 3 | 2, len(value)]) + value


def test_reading_traces(tmp_path):
    names = {1: b"hlo_op", 2: b"hlo_module", 3: b"jit_step"}
    plane = b"".join(field(5, field(1, key) + field(2, field(2, name))) for key, name in names.items())
    module = field(4, field(1, 2) + field(7, 3))
    ours = field(1, 9) + field(3, 100) + field(4, field(1, 1) + field(5, b"dot.1")) + module
    other = field(3, 50) + field(4, field(1, 1) + field(5, b"dot.2")) + b"\x11" + bytes(8)  # of another module
    plane += field(3, field(4, ours) + field(4, other) + field(4, ours)) + b"\x7d" + bytes(4)
    (tmp_path / "a.xplane.pb").write_bytes(field(1, plane) + field(1, field(2, b"empty")))
    assert xplane.seconds_by_instruction(tmp_path, "jit_step") == {"dot.1": pytest.approx(2e-10)}


class TestProfile:
    def test_time_arithmetic_and_memory_by_op(self):
        executor, x = training()
        profile = executor.profile("train", feed_dict={x: X}, steps=3)
        rows = {(row.name, row.which): row for row in profile.rows}
        first = rows["first", "forward"]
        assert first.flops == 2 * 64 * 256 * 128 and first.kind == "matmul_op" and "test_step_profile.py:" in first.line
        assert rows["first", "backward"].flops >= first.flops  # x needs no gradient
        assert any(row.which == "update" and row.kind == "OptimizerOp" for row in profile.rows)
        assert profile.step_seconds > 0 and profile.busy_seconds > 0 and profile.note is None
        assert sum(row.made for row in profile.rows) > 0 and first.moved >= first.made
        assert profile.flops >= 4 * first.flops / 2 and profile.memory["arguments"] >= X.nbytes

    def test_nothing_changes(self):
        executor, x = training()
        ht.random.set_random_seed(3)
        before, status = executor.state_dict(), ht.random.get_seed_status()
        executor.profile("train", feed_dict={x: X}, steps=2)
        executor.lower_text("train", feed_dict={x: X})
        after = executor.state_dict()
        assert all(np.array_equal(before[name], after[name]) for name in before)
        assert ht.random.get_seed_status() == status

    def test_dataloaders_stay_where_they_are(self):
        x = ht.dataloader_op([ht.Dataloader(np.arange(6.0), 2)])
        executor = ht.Executor([x * 2.0])
        executor.profile(steps=2)
        np.testing.assert_array_equal(executor.run()[0].asnumpy(), [0, 2])

    def test_rows_put_together(self):
        executor, x = training()
        profile = executor.profile("train", feed_dict={x: X}, steps=2)
        kinds = profile.by("kind")
        assert len({row.kind for row in kinds.rows}) == len(kinds.rows) < len(profile.rows)
        assert sum(row.flops for row in kinds.rows) == sum(row.flops for row in profile.rows)
        assert kinds.busy_seconds == pytest.approx(profile.busy_seconds)
        assert any("test_step_profile.py" in row.line for row in profile.by("line", "which").rows)

    def test_how_it_is_shown(self, tmp_path):
        executor, x = training()
        profile = executor.profile("infer", feed_dict={x: X}, steps=2)
        text = str(profile)
        assert "group 'infer'" in text and "matmul_op" in text and "a step takes" in text and "FLOPs" in text
        assert "<table" in profile._repr_html_() and "second" in profile._repr_html_()
        assert "pass" not in str(profile.by("kind")) and "pass" in text
        figure = profile.plot(tmp_path / "profile.png", count=3)
        assert len(figure.axes[0].patches) <= 3 and (tmp_path / "profile.png").stat().st_size > 1000

    def test_without_a_trace(self, monkeypatch):
        monkeypatch.setattr("hetu_jax.xplane.seconds_by_instruction", lambda folder, module: {})
        executor, x = training()
        profile = executor.profile("infer", feed_dict={x: X}, steps=2)
        assert profile.busy_seconds is None and "no times by op" in str(profile)
        profile.plot()

    def test_hetus_form(self, tmp_path):
        executor, x = training()
        executor.profile({x: X.shape}, tmp_path / "ops.txt", profiler="cpu", name="infer")
        executor.profile(feed_shapes={x: X.shape}, log_file=tmp_path / "same.txt", name="infer")
        assert "first " in (tmp_path / "ops.txt").read_text()
        with pytest.raises(GraphError, match="no log_file"):
            executor.profile({x: X.shape})

    def test_a_group_that_runs_op_by_op_has_no_step(self):
        x = ht.placeholder_op("x")
        executor = ht.Executor([x * 2.0])
        executor.run(feed_dict={x: X})
        group = executor.subexecutor["default"]
        (key, step), *_ = group._steps.items()
        group._steps[key] = step._replace(call=step.plain)
        with pytest.raises(GraphError, match="has no compiled step"):
            executor.profile(feed_dict={x: X})


class TestTexts:
    def test_of_a_step(self):
        executor, x = training()
        assert "stablehlo.dot_general" in executor.lower_text("train", feed_dict={x: X})
        assert executor.compiled_text("infer", feed_dict={x: X}).startswith("HloModule")
        assert hasattr(executor.lowered("infer", {x: X}), "compile")


class TestTimers:
    @pytest.mark.parametrize("kind", ["cpu", "gpu"])
    def test_log(self, tmp_path, kind):
        executor, x = training(timing=kind)
        for _ in range(3):
            executor.run("train", feed_dict={x: X})
        executor.logOut(str(tmp_path / "time_{}.txt"), log_level="type", clear=False, name="train")
        *lines, last = (tmp_path / "time_0.txt").read_text().splitlines()
        assert any(line.startswith("matmul_op ") and line.endswith(" ms") for line in lines)
        assert last.startswith("All_time: ") and float(last.split()[1]) > 0
        executor.clearTimer("train")
        executor.logOut(tmp_path / "none.txt", name="train")
        assert (tmp_path / "none.txt").read_text() == "All_time: 0 ms\n"

    def test_several_steps_and_micro_batches_count(self, tmp_path):
        executor, x = training(timing="cpu")
        executor.run("train", feed_dict={x: X}, steps=3)
        assert len(executor.timers["train"].seconds) == 3
        for pipeline in ("gpipe", "pipedream"):
            executor, x = training(timing="cpu", pipeline=pipeline)
            executor.run("train", feed_dict=[{x: X}, {x: X}], batch_num=2)
            assert len(executor.timers["train"].seconds) == 1
            executor.logOut(tmp_path / "times.txt", name="train")
            assert float((tmp_path / "times.txt").read_text().split()[-2]) > 0

    def test_what_is_refused(self, tmp_path):
        executor, _ = training()
        with pytest.raises(GraphError, match="build it with timing="):
            executor.logOut(tmp_path / "x.txt")
        with pytest.raises(GraphError, match="timing is 'cpu' or 'gpu'"):
            training(timing="tpu")
        with pytest.raises(GraphError, match="log_level"):
            training(timing="cpu")[0].logOut(tmp_path / "x.txt", log_level="op", name="train")
