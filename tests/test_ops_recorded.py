"""Embedding, sparse, MoE, compression and communication ops where more counts than one row's value.

What happens when a call is recorded, when an Executor is built over it, and from run to run.
"""

import gc
import weakref

import numpy as np
import pytest
import scipy.sparse

import hetu_jax as ht
from hetu_jax.errors import GraphError, OpError
from hetu_jax.graph import OPS
from hetu_jax.ndarray import ND_Sparse_Array


def run(nodes, feed_dict=None, **options):
    executor = ht.Executor(nodes, **options)
    return executor.run(feed_dict=feed_dict or {}, convert_to_numpy_ret_vals=True)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


class Alone:
    rank, nrank = 0, 1


class TestEmbedding:
    def test_a_lookup_marks_its_table(self):
        table = ht.Variable("table", normal(4, 2))
        assert not table.is_embed
        ht.embedding_lookup_op(table, ht.Variable("ids", dtype=np.int32))
        assert table.is_embed

    def test_a_dense_lookup_of_a_sparse_table_is_refused(self):
        table = ht.Variable("table", scipy.sparse.eye(3).tocsr())
        with pytest.raises(OpError, match="sparse_embedding_lookup_op"):
            run([ht.embedding_lookup_op(table, ht.Variable("ids", [0, 1], dtype=np.int32))])

    def test_a_sparse_lookup_of_a_dense_table_is_refused(self):
        node = ht.sparse_embedding_lookup_op(ht.Variable("t", normal(4, 2)), ht.Variable("i", [0], dtype=np.int32))
        with pytest.raises(OpError, match="use embedding_lookup_op"):
            run([node])

    @pytest.mark.parametrize("form", ["csr", "coo"])
    def test_sparse_tables_of_both_forms(self, form):
        dense = scipy.sparse.random(7, 5, 0.4, random_state=1).toarray()
        rows, columns = np.nonzero(dense)
        table = ht.Variable("t", ht.sparse_array(dense[rows, columns], (rows, columns), dense.shape, form))
        ids = np.array([6, 0, -1, 3, 7, 3])
        (found,) = run([ht.sparse_embedding_lookup_op(table, ht.Variable("i", ids, dtype=np.int32))])
        np.testing.assert_allclose(found, np.vstack([dense, np.zeros((2, 5))])[[6, 0, 7, 3, 8, 3]], rtol=1e-6)

    @pytest.mark.parametrize("rows, message", [([1, 0], "ascending"), ([0, 0, 0], "stores 3 values")])
    def test_a_disorderly_sparse_table_is_refused(self, rows, message):
        matrix = ND_Sparse_Array(2, 2, np.ones(len(rows)), np.int32(rows), np.zeros(len(rows), np.int32), "coo")
        with pytest.raises(ValueError, match=message):
            ht.sparse_embedding_lookup_op(ht.Variable("t", matrix), ht.Variable("i", [0], dtype=np.int32))

    def test_offsets_know_the_ids_behind_the_sorted_ones(self):
        ids, values = np.array([[5, 2, 5], [2, 9, 5]], np.int32), normal(2, 3, 4)
        unique = ht.unique_indices_op(ht.Variable("ids", ids, dtype=np.int32))
        offsets = ht.unique_indices_offsets_op(unique)
        first, total = (
            f(ht.Variable("v", values), offsets) for f in (ht.deduplicate_lookup_op, ht.deduplicate_grad_op)
        )
        unique, offsets, first, total = run([unique, offsets, first, total])
        assert unique.tolist() == [[2, 5, 9], [-1, -1, -1]]
        assert offsets.tolist() == [3, 1, 3, 0, 2, 5, 4, 0, 2, 5, 6, 6, 6, 6]
        flat = values.reshape(6, 4)
        np.testing.assert_array_equal(first.reshape(6, 4)[:3], flat[[1, 0, 4]])
        np.testing.assert_allclose(total.reshape(6, 4)[:3], [flat[1] + flat[3], flat[[0, 2, 5]].sum(0), flat[4]], 1e-6)
        assert not first.reshape(6, 4)[3:].any() and not total.reshape(6, 4)[3:].any()

    def test_offsets_of_other_ids_are_refused(self):
        offsets = ht.unique_indices_offsets_op(ht.Variable("ids", [1, 2, 3], dtype=np.int32))
        with pytest.raises(OpError, match="are for 3 ids"):
            run([ht.deduplicate_grad_op(ht.Variable("v", normal(2, 4)), offsets)])

    def test_assignments_in_one_run_follow_each_other(self):
        table = ht.Variable("t", np.zeros((4, 1)))
        sets = [
            ht.assign_with_indexedslices_op(
                table, ht.Variable("i", ids, dtype=np.int32), ht.Variable("v", np.full((2, 1), value))
            )
            for ids, value in (([0, 1], 5.0), ([1, -1], 7.0))
        ]
        nothing, _, after = run([*sets, table])
        assert nothing is None and after.ravel().tolist() == [5, 7, 0, 0]

    def test_plain_rows_into_a_quantised_table_are_refused(self):
        table = ht.Variable("t", np.zeros((4, 1), np.int8), dtype=np.int8)
        rows = ht.Variable("v", np.ones((1, 1)))
        with pytest.raises(OpError, match="assign_quantized_embedding_op"):
            run([ht.assign_with_indexedslices_op(table, ht.Variable("i", [0], dtype=np.int32), rows)])


class TestSparse:
    def test_a_fed_scipy_matrix_and_the_gradient(self):
        a, b = ht.Variable("a", trainable=False), ht.Variable("b", normal(5, 3))
        matrix = scipy.sparse.random(4, 5, 0.5, random_state=2)
        product = ht.csrmm_op(a, b)
        value, gradient = run([product, *ht.gradients(product, [b])], {a: matrix})
        np.testing.assert_allclose(value, matrix @ b.tensor_value.asnumpy(), rtol=1e-5)
        np.testing.assert_allclose(gradient, matrix.T @ np.ones((4, 3)), rtol=1e-5)

    def test_coordinates_in_any_order(self):
        a = ND_Sparse_Array(2, 3, np.float32([1, 2, 3]), np.int32([1, 0, 1]), np.int32([2, 1, 2]), "coo")
        (value,) = run([ht.csrmv_op(a, ht.Variable("b", [1.0, 10, 100]))])
        assert value.tolist() == [20, 400]

    def test_a_dense_matrix_is_refused(self):
        with pytest.raises(OpError, match="csrmm_op needs a sparse node_A"):
            run([ht.csrmm_op(ht.Variable("a", normal(2, 2)), ht.Variable("b", normal(2, 2)))])

    def test_shapes_that_do_not_fit_are_named(self):
        matrix = scipy.sparse.eye(3).tocsr()
        with pytest.raises(
            OpError, match=r"csrmm_op cannot multiply a \(3, 3\) matrix with an array of shape \(2, 4\)"
        ):
            run([ht.csrmm_op(ht.Variable("a", matrix), ht.Variable("b", normal(2, 4)))])

    def test_a_block_of_a_graph_is_refused(self):
        a, h, w = (
            ht.Variable("a", scipy.sparse.eye(3).tocsr()),
            ht.Variable("h", normal(3, 2)),
            ht.Variable("w", normal(2, 2)),
        )
        with pytest.raises(OpError, match="whole graph"):
            run([ht.distgcn_15d_op(a, h, w, 3, 6, 2, 1, 0, None)])
        with pytest.raises(OpError, match="no multiple of replication 2 squared"):
            run([ht.distgcn_15d_op(a, h, w, 3, 3, 2, 2, 0, None)])


class TestExperts:
    def test_lists_of_different_lengths_are_refused(self):
        index, location = ht.Variable("i", [[0.0]]), ht.Variable("l", [0.0])
        with pytest.raises(OpError, match="each choice of expert"):
            run([ht.layout_transform_op(ht.Variable("x", normal(1, 2)), [index], [location, location], 1, 1)])

    @pytest.mark.parametrize("scores", [np.full((6, 3), np.nan), np.round(normal(96, 8)), normal(96, 32) * 1e6])
    def test_an_assignment_is_always_a_permutation(self, scores):
        (order,) = run([ht.balance_assignment_op(ht.Variable("s", scores))])
        assert sorted(order.tolist()) == list(range(len(scores)))

    def test_there_and_back(self):
        x, capacity, experts = normal(6, 3), 2, 4
        index = ht.Variable("i", [[3], [0], [3], [1], [0], [3]], dtype=np.int32)
        location = ht.Variable("l", [0, 0, 1, 0, 1, 2], dtype=np.int32)
        there = ht.layout_transform_op(ht.Variable("x", x), [index], [location], capacity, experts)
        back = ht.reverse_layout_transform_no_gate_op(there, [index], [location], capacity, experts)
        np.testing.assert_array_equal(run([back])[0], np.vstack([x[:5], np.zeros((1, 3))]))


def quantised(op, *more, table=None, ids=(0, 3, 7)):
    table = ht.Variable("table", normal(5, 3)) if table is None else table
    return table, op(table, ht.Variable("ids", ids, dtype=np.int32), *more)


class TestQuantised:
    ROWS = np.vstack([normal(5, 3), np.zeros((1, 3))])[[0, 3, 5]]

    def test_an_executor_turns_the_table_into_codes(self):
        table, lookup = quantised(ht.unified_quantized_embedding_lookup_op, 0.05, 0.0, 8)
        assert table.is_embed and table.dtype == np.float32 and lookup.shape == (3, 3)
        (found,) = run([lookup])
        assert table.dtype == np.uint8
        assert np.all(np.abs(found - self.ROWS) <= 0.05001) and np.any(found != self.ROWS)
        np.testing.assert_array_equal(run([lookup])[0], found)  # a second Executor leaves the codes alone

    def test_a_table_from_an_initializer(self):
        def codes():
            ht.random.reset_seed_seqnum()
            table = ht.init.random_normal((50, 3), name="table")
            run([quantised(ht.unified_quantized_embedding_lookup_op, 1e-3, 0.0, 16, table=table)[1]], seed=3)
            return np.asarray(table.value)

        once = codes()
        assert once.dtype == np.uint16 and 0.8 < np.std(once * 1e-3) < 1.2
        np.testing.assert_array_equal(codes(), once)

    def test_rows_with_grids_of_their_own(self):
        qparams = ht.init.zeros((5, 2), name="qparams", trainable=False)
        table, lookup = quantised(ht.quantized_embedding_lookup_op, qparams, 8)
        (found,) = run([lookup])
        low, high = normal(5, 3).min(1), normal(5, 3).max(1)
        np.testing.assert_allclose(qparams.value, np.stack([(high - low) / 255, low], 1), rtol=1e-5)
        assert np.all(np.abs(found - self.ROWS) <= (high - low).max() / 255 * 1.001)

    def test_a_constant_row(self):
        qparams = ht.init.zeros((5, 2), name="qparams", trainable=False)
        table = ht.Variable("table", np.full((5, 3), 0.7))
        (found,) = run([quantised(ht.quantized_embedding_lookup_op, qparams, 16, table=table, ids=[1, 4])[1]])
        np.testing.assert_allclose(found, 0.7, rtol=1e-6)

    def test_signed_codes_with_scales_of_the_rows(self):
        scale = ht.init.constant((5, 1), 0.02, name="scale")
        table, lookup = quantised(ht.alpt_embedding_lookup_op, scale, 0.1, 8)
        (found,) = run([lookup])
        assert table.dtype == np.int8
        assert np.all(np.abs(found - np.where(self.ROWS, np.clip(self.ROWS, 0.1 - 2.56, 0.1 + 2.54), 0)) <= 0.02001)

    def test_another_number_of_bits_for_one_table_is_refused(self):
        table, first = quantised(ht.unified_quantized_embedding_lookup_op, 0.1, 0.0, 8)
        run([first])
        with pytest.raises(GraphError, match="holds uint8, but a lookup of it wants uint16"):
            run([quantised(ht.unified_quantized_embedding_lookup_op, 0.1, 0.0, 16, table=table)[1]])

    def test_mistakes_are_refused_where_the_call_is_made(self):
        table, ids = ht.Variable("t", normal(5, 3)), ht.Variable("i", [0], dtype=np.int32)
        with pytest.raises(ValueError, match="8 or 16, not 4"):
            ht.unified_quantized_embedding_lookup_op(table, ids, 0.1, 0.0, 4)
        with pytest.raises(TypeError, match="qparams must be a Variable"):
            ht.quantized_embedding_lookup_op(table, ids, np.zeros((5, 2)), 8)
        with pytest.raises(ValueError, match="not minele, scale, qparam|not minele, qparam, scale"):
            ht.assign_quantized_embedding_op(table, ids, table, 8, scale=1.0, minele=0.0, qparam=table)
        with pytest.raises(OpError, match="holds float32, not codes of 8 bits"):
            run([ht.assign_quantized_embedding_op(table, ids, ht.Variable("r", normal(1, 3)), 8, 0.1, 0.0)])

    def test_rounding_is_right_on_average_and_one_draw_a_row(self):
        table = ht.Variable("t", np.zeros((4000, 2), np.uint8), dtype=np.uint8)
        rows = ht.Variable("r", np.tile([10.25, 20.25], (4000, 1)))
        run(
            [
                ht.assign_quantized_embedding_op(
                    table, ht.Variable("i", np.arange(4000), dtype=np.int32), rows, 8, 1.0, 0.0
                )
            ]
        )
        codes = np.int64(table.value) - [10, 20]
        assert np.array_equal(codes[:, 0], codes[:, 1]) and 0.2 < codes.mean() < 0.3 and set(codes.ravel()) == {0, 1}

    @pytest.mark.parametrize(
        "op, more", [("unified_quantized_embedding_lookup_op", (0.05, 0.2, 8)), ("alpt_embedding_lookup_op", None)]
    )
    def test_rows_written_back_are_read_again(self, op, more):
        import jax

        from hetu_jax.ops.quantize import write_rows

        arguments = {"embed": np.zeros((5, 3), np.uint8), "indices": np.array([1, 3])}
        if more:
            arguments |= dict(zip(("scale", "zero_point", "digit"), more, strict=True))
        else:
            arguments |= {
                "embed": np.zeros((5, 3), np.int8),
                "scale": np.full((5, 1), 0.05),
                "zero_point": 0.2,
                "digit": 8,
            }
        arguments = {k: jax.numpy.asarray(v) if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
        rows = jax.numpy.asarray(normal(2, 3))
        table = write_rows(OPS[op], arguments, jax.numpy.array([1, 3]), rows, jax.random.key(0))
        found = OPS[op].fn(**{**arguments, "embed": table})
        assert table.dtype == arguments["embed"].dtype and np.all(np.abs(found - rows) <= 0.0501)

    def test_the_gradient_through_a_quantised_array_is_quantised(self):
        x, seed = ht.Variable("x", normal(50, 40)), ht.Variable("seed", normal(50, 40, seed=1))
        there = ht.dequantize_op(ht.quantize_op(x, 8, 0.1, -12.0), 8, 0.1, -12.0)
        value, gradient = run([there, *ht.gradients(there, [x], insert_grad=seed)])
        for found, exact in ((value, normal(50, 40)), (gradient, normal(50, 40, seed=1))):
            assert np.all(np.abs(found - exact) <= 0.1001) and abs(np.mean(found - exact)) < 0.01
            np.testing.assert_allclose(found / 0.1, np.round(found / 0.1), atol=1e-3)


class TestPruning:
    @pytest.mark.parametrize("rate", [lambda n: 0.25 * n, lambda n: min(0.25 * n, 1.0) if n < 5 else 0.0])
    def test_the_rate_is_asked_at_each_run(self, rate):
        weights = ht.Variable("w", normal(10, 10))
        executor = ht.Executor([ht.prune_low_magnitude_op(weights, rate)])
        shares = []
        for _ in range(3):
            assert executor.run() == [None]
            shares.append(np.mean(np.asarray(weights.value) == 0))
        assert shares == [0.25, 0.5, 0.75] and executor.compile_count == 1

    def test_another_buffer_is_refused(self):
        with pytest.raises(ValueError, match="not 'rows'"):
            ht.prune_low_magnitude_op(ht.Variable("w", normal(2, 2)), 0.5, "rows")

    def test_a_node_without_a_value_is_refused(self):
        with pytest.raises(TypeError, match="must be a Variable"):
            ht.prune_low_magnitude_op(ht.relu_op(ht.Variable("w", normal(2, 2))), 0.5)


class TestMinDist:
    def test_key_is_an_argument_like_any_other(self):
        book = ht.Variable("book", np.zeros(4))
        ids = ht.Variable("i", [2.0, 0.0])
        node = ht.min_dist_op(
            query=ht.Variable("q", [[0.9, 0], [0, 3]]), key=ht.Variable("k", np.eye(2)), codebook=book, indices=ids
        )
        found, after = run([node, book])
        assert found.tolist() == [[1, 0], [0, 1]] and after.tolist() == [1, 0, 0, 0]

    def test_another_mode_is_refused(self):
        with pytest.raises(OpError, match="mode is 'eu'"):
            run([ht.min_dist_op(*(ht.Variable("x", np.ones((1, 1))) for _ in range(4)), mode="cos")])


class TestRandom:
    def test_new_numbers_at_every_run_and_the_same_for_a_seed(self):
        def draws():
            ht.random.reset_seed_seqnum()
            executor = ht.Executor([ht.rand_op((3, 2)), ht.rand_op((3, 2))], seed=5)
            return np.stack([executor.run(convert_to_numpy_ret_vals=True) for _ in range(2)])

        once = draws()
        assert len(np.unique(once)) == once.size
        np.testing.assert_array_equal(draws(), once)

    def test_mistakes(self):
        with pytest.raises(ValueError, match="not 3 and 3"):
            ht.randint_sample_op((2,), 3, 3)
        with pytest.raises(OpError, match=r"not \(2, -1\)"):
            run([ht.uniform_sample_op((2, -1), 0, 1)])


class TestCommunication:
    def test_more_members_than_one_are_refused(self):
        class Pair:
            rank, nrank = 0, 2

        with pytest.raises(GraphError, match="2 members"):
            ht.allreduceCommunicate_op(ht.Variable("x", normal(2)), Pair())
        with pytest.raises(TypeError, match="no communicator"):
            ht.allgatherCommunicate_op(ht.Variable("x", normal(2)), "nccl")
        with pytest.raises(GraphError, match="root is 1"):
            ht.broadcastCommunicate_op(ht.Variable("x", normal(2)), None, 1, ht.cpu(0))

    def test_what_is_sent_is_received_in_order_and_gradients_flow_back(self):
        comm, x, y = Alone(), ht.Variable("x", normal(2, 3)), ht.Variable("y", normal(4))
        sends = [ht.pipeline_send_op(ht.relu_op(x), 0, comm), ht.pipeline_send_op(y, [0], comm, ht.gpu(0))]
        first, second = ht.pipeline_receive_op(0, comm), ht.pipeline_receive_op(0, comm, ctx=ht.gpu(0))
        *nothing, a, b, gradient = run([*sends, first, second, *ht.gradients(first, [x])])
        assert nothing == [None, None]
        np.testing.assert_array_equal(a, np.maximum(normal(2, 3), 0))
        np.testing.assert_array_equal(b, normal(4))
        np.testing.assert_array_equal(gradient, normal(2, 3) > 0)
        with pytest.raises(GraphError, match="nothing was sent"):
            ht.pipeline_receive_op(0, comm)

    def test_the_forms_of_2021(self):
        comm, stream = Alone(), object()
        node = ht.pipeline_send_op(ht.Variable("x", normal(2)), 0, comm, stream, ht.gpu(1))
        assert node.raw_ctx.worker_num == 1
        assert ht.pipeline_receive_op(0, comm, stream=stream, ctx=ht.gpu(1)).raw_ctx.worker_num == 1

    def test_a_device_in_the_place_of_the_stream_is_the_context(self):
        node = ht.pipeline_send_op(ht.Variable("x", normal(2)), 0, Alone(), ht.gpu(1))
        assert node.raw_ctx.workers == [ht.gpu(1)] and "stream" not in node.arguments

    def test_another_rank_is_refused(self):
        with pytest.raises(GraphError, match="no rank 1"):
            ht.pipeline_send_op(ht.Variable("x", normal(2)), 1, Alone())
        with pytest.raises(TypeError, match="needs a communicator"):
            ht.pipeline_send_op(ht.Variable("x", normal(2)), 0, None)

    def test_a_communicator_can_be_forgotten(self):
        comm = Alone()
        alive = weakref.ref(comm)
        ht.pipeline_send_op(ht.Variable("x", normal(2)), 0, comm)
        del comm
        gc.collect()
        assert alive() is None

    def test_the_server_adds_at_the_rate_of_the_time_it_was_made(self):
        w, optimizer = ht.Variable("w", normal(2, 3)), ht.optim.AdamOptimizer(0.5)
        push = ht.parameterServerCommunicate_op(ht.Variable("g", np.ones((2, 3))), w, optimizer.get_config())
        run([push])
        np.testing.assert_allclose(w.value, normal(2, 3) - 0.5, rtol=1e-6)
        with pytest.raises(TypeError, match=r"get_config\(\)"):
            ht.parameterServerCommunicate_op(w, w, optimizer)

    def test_a_copy_to_the_device_wants_a_device(self):
        with pytest.raises(ValueError, match=r"ht.gpu\(0\), not cpu\(0\)"):
            ht.datah2d_op(ht.Variable("x", normal(2)), ht.cpu(0))

    @pytest.mark.parametrize("parts", [(2, 0), {0: 1.5}, {-1: 2}])
    def test_parts_are_positive_integers(self, parts):
        with pytest.raises(ValueError, match="parts"):
            ht.dispatch(ht.Variable("x", normal(2, 2)), parts)

    def test_more_parts_than_axes_are_refused(self):
        with pytest.raises(OpError, match=r"shape \(2, 2\)"):
            run([ht.dispatch(ht.Variable("x", normal(2, 2)), (1, 1, 2))])
