"""Devices, NDArray, one-element arrays, sparse arrays, IndexedSlices."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import ndarray
from hetu_jax.errors import GraphError
from hetu_jax.ndarray import ND_Sparse_Array, Single, as_numpy


class TestSingle:
    """What `asnumpy()` gives for a full reduction."""

    def loss(self, value=0.710760):
        return ht.NDArray(ndarray.jnp.array([value], "float32")).asnumpy()

    def test_it_is_an_array_of_shape_1_that_formats_and_converts(self):
        loss = self.loss()
        assert isinstance(loss, np.ndarray) and loss.shape == (1,)
        assert "Loss = %f" % loss == "Loss = 0.710760"
        assert f"{loss:.3f}" == "0.711" and "{:.2e}".format(loss) == "7.11e-01"
        assert float(loss) == pytest.approx(0.71076) and int(self.loss(3.0)) == 3 and complex(self.loss(2.0)) == 2
        assert round(float(loss), 2) == 0.71 and range(5)[as_numpy(np.array([2]))] == 2

    def test_arithmetic_keeps_it(self):
        total = 0
        for _ in range(3):
            total += self.loss(0.5) * 128
        total /= 50
        assert total.shape == (1,) and "%f" % total == "3.840000"
        assert "%g" % (self.loss(2.0) - 0.5) == "1.5" and "%g" % np.sqrt(self.loss(4.0)) == "2"
        assert "%g" % -self.loss(2.0) == "-2" and "%d" % self.loss(7.9) == "7"

    def test_larger_results_are_plain_arrays(self):
        wide = self.loss(2.0) * np.ones(3)
        assert type(wide) is np.ndarray and wide.tolist() == [2, 2, 2]
        assert type(self.loss() + np.ones((1, 1))) is not list
        assert type(self.loss()[0]) is np.float32

    def test_reductions_are_scalars_and_printing_is_numpys(self):
        assert np.mean(self.loss(2.0)) == 2.0 and isinstance(np.mean([self.loss(1.0), self.loss(3.0)]), np.floating)
        assert str(self.loss(2.0)) == "[2.]" and f"{self.loss(2.0)}" == "[2.]"
        np.testing.assert_array_equal(np.concatenate([self.loss(1.0), self.loss(2.0)]), [1, 2])

    def test_only_one_element_with_axes_is_single(self):
        assert type(as_numpy(np.ones(2))) is type(as_numpy(np.float32(1))) is np.ndarray
        assert type(as_numpy(np.ones(1))) is type(as_numpy(np.ones((1, 1)))) is Single


class TestNDArray:
    def test_it_holds_32_bits_and_says_so(self):
        x = ht.array([[1, 2, 3]], ht.cpu(0))
        assert x.shape == (1, 3) and x.dtype == np.float32 and x.stride == (3, 1) and not x.lazy
        assert repr(x) == "array{shape=[1, 3], dtype=float32, ctx=cpu(0)}"
        assert ht.array([1], ht.cpu(0), dtype=np.int64).dtype == np.int32
        assert ht.array([1], ht.cpu(0), data_type=np.uint8).dtype == np.uint32
        assert ht.array([1], ht.cpu(0), np.uint8, False).dtype == np.uint8
        with pytest.raises(TypeError, match="holds floats or integers"):
            ht.array([True], ht.cpu(0), dtype=bool)

    def test_numpy_copies_do_not_alias(self):
        x = ht.array([1.0, 2.0], ht.cpu(0))
        x.asnumpy()[:] = 9
        np.testing.assert_array_equal(x.asnumpy(), [1, 2])
        np.testing.assert_array_equal(np.asarray(x), [1, 2])

    def test_setting_all_of_it(self):
        x = ht.empty((2,), ht.cpu(0))
        x[:] = np.array([1, 2], np.int64)
        x[:] = x
        np.testing.assert_array_equal(x.asnumpy(), [1, 2])
        with pytest.raises(ValueError, match="shape"):
            x[:] = np.ones(3)
        with pytest.raises(ValueError, match="as a whole"):
            x[0] = np.ones(1)
        with pytest.raises(TypeError, match="from float"):
            x[:] = 1.0

    def test_copies_and_views(self):
        x, y = ht.array(np.arange(4), ht.cpu(0)), ht.empty((4,), ht.cpu(0))
        assert x.copyto(y) is y and y.asnumpy().tolist() == [0, 1, 2, 3]
        assert x.copyto(ht.cpu(0)).ctx == ht.cpu(0)
        with pytest.raises(TypeError, match="a device such as"):
            x.copyto("cpu")
        shell = ht.NDArray(None)
        x.reshape((2, 2), shell)
        assert shell.shape == (2, 2)
        x.broadcast_to((3, 4), shell)
        assert shell.shape == (3, 4)
        x.broadcast_to((4, 2), shell, add_axes=[1])
        assert shell.shape == (4, 2) and repr(ht.NDArray(None)) == "array{empty}"
        x.inplace_copy(shell)
        y.async_h2d(np.ones(4))
        y.async_d2h(x)
        assert shell.asnumpy().tolist() == y.asnumpy().tolist() == [0, 1, 2, 3]


class TestDevices:
    def test_equality_hash_and_repr(self):
        assert ht.gpu(1) == ht.gpu(1) != ht.gpu(2) and ht.cpu(0) != ht.gpu(0)
        assert len({ht.cpu(0), ht.cpu(0), ht.rcpu("elsewhere", 0)}) == 2
        assert repr(ht.gpu(1)) == "gpu(1)" and repr(ht.rgpu("node1", 2)) == "node1:gpu(2)"
        assert ht.rgpu("node1", 2).full_repr() == "node1:gpu:2" and ht.rcpu("localhost").local
        assert ht.is_gpu_ctx(ht.gpu(0)) and not ht.is_gpu_ctx(ht.cpu(0)) and not ht.is_gpu_ctx(None)


class TestSparse:
    def test_csr_sums_repeated_coordinates(self):
        s = ht.sparse_array([1.0, 2.0, 5.0], ([0, 0, 2], [1, 1, 0]), (3, 2))
        assert s.shape == (3, 2) and s.form == "csr" and len(s.data) == 2
        np.testing.assert_array_equal(s.todense(), [[0, 3], [0, 0], [5, 0]])
        assert repr(s) == "sparse_array{shape=[3, 2], nnz=2, form=csr}"

    def test_coo_keeps_and_sorts_them(self):
        s = ht.sparse_array([1.0, 2.0, 5.0], ([2, 0, 0], [1, 1, 1]), (3, 2), "coo")
        assert np.asarray(s.row).tolist() == [0, 0, 2]
        np.testing.assert_array_equal(s.todense(), [[0, 7], [0, 0], [0, 1]])

    def test_both_orders_of_arguments(self):
        new = ND_Sparse_Array(2, 2, np.ones(1), np.array([0, 1, 1]), np.array([1]))
        old = ND_Sparse_Array(np.ones(1), np.array([0, 1, 1]), np.array([1]), 2, 2)
        np.testing.assert_array_equal(new.todense(), old.todense())
        assert ht.sparse_array([1.0], ([0], [0]), (1, 1), ht.cpu(0)).ctx == ht.cpu(0)

    def test_scipy_both_ways(self):
        scipy = pytest.importorskip("scipy.sparse")
        matrix = scipy.random(5, 4, 0.4, random_state=0)
        for made in (
            ND_Sparse_Array.of(matrix),
            ndarray.csr_sparse_array(matrix, (5, 4)),
            ndarray.coo_sparse_array(matrix, (5, 4)),
            ndarray.dense_to_sparse(matrix.toarray()),
        ):
            np.testing.assert_allclose(made.asnumpy().toarray(), matrix.toarray(), rtol=1e-6)
        target = ndarray.dense_to_sparse(np.ones((5, 4)))
        target[:] = matrix.tocsr()
        np.testing.assert_allclose(target.todense(), matrix.toarray(), rtol=1e-6)

    @pytest.mark.parametrize("form", ["csr", "coo"])
    def test_an_empty_one_is_all_zeros(self, form):
        np.testing.assert_array_equal(ht.sparse_array([], ([], []), (3, 2), form).todense(), np.zeros((3, 2)))

    @pytest.mark.parametrize("place", [(3, 0), (0, 2), (-1, 0), (0, -1)])
    def test_coordinates_outside_the_shape_are_refused(self, place):
        message = rf"value 1 .* at row {place[0]}, column {place[1]}, outside its shape \(3, 2\)"
        with pytest.raises(ValueError, match=message):
            ht.sparse_array([1.0, 2.0], ([0, place[0]], [0, place[1]]), (3, 2))

    def test_errors(self):
        with pytest.raises(ValueError, match="two arrays of one length"):
            ht.sparse_array([1.0], ([0],), (1, 1))
        with pytest.raises(ValueError, match="'csr' or 'coo'"):
            ND_Sparse_Array(1, 1, form="dia")


class TestIndexedSlices:
    def test_dense_and_deduplicated(self):
        s = ht.IndexedSlices(np.array([[1, -1], [1, 2]]), np.arange(8.0).reshape(2, 2, 2), (3, 2))
        assert s.get_dense_shape() == (3, 2) and s.get_sparse_shape() == (2, 2, 2)
        np.testing.assert_array_equal(s.to_dense().asnumpy(), [[0, 0], [4, 6], [6, 7]])
        s.deduplicate()
        indices, values = s.asnumpy()
        assert indices.tolist() == [-1, 1, 2] and values.tolist() == [[2, 3], [4, 6], [6, 7]]

    def test_without_a_shape(self):
        with pytest.raises(GraphError, match="dense_shape"):
            ht.IndexedSlices(np.array([0]), np.ones((1, 1))).to_dense()


def test_helpers():
    assert ndarray.shape_to_stride((2, 3, 4)) == (12, 4, 1)
    assert ndarray.get_nbits(np.float32) == 32 and ndarray.convert_dtype(np.int8) == np.int32
    assert ndarray.empty_like(ht.array([1, 2], ht.cpu(0))).shape == (2,)


class TestNumbers:
    def test_one_element_formats_and_converts(self):
        for shape in ((1,), (1, 1)):
            array = ht.array(np.full(shape, 2.25))
            assert (f"{array:.3f}", int(array), round(array), round(array, 1), "%.1f" % array) == (
                ("2.250", 2, 2, 2.2, "2.2")
            )
            single = array.asnumpy()
            assert (f"{single:.3f}", float(single), "%.1f" % single, round(single, 1)) == ("2.250", 2.25, "2.2", 2.2)
            with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
                range(single)
        assert str(array) == f"{array}"

    @pytest.mark.parametrize(
        "calculate",
        [lambda a: a + 1, lambda a: 0 + a, lambda a: a[0], lambda a: a > 1, lambda a: a**2, lambda a: sum([a, a])],
    )
    def test_arithmetic_says_what_to_write(self, calculate):
        with pytest.raises(TypeError, match=r"write \.asnumpy\(\) behind it"):
            calculate(ht.array([1.0]))

    def test_a_node_takes_it_from_either_side(self):
        x = ht.Variable("x", value=[1.0, 2.0])
        left, right = ht.array([1.0, 1.0]) + x, x - ht.array([1.0, 1.0])
        found = ht.Executor([left, right]).run(convert_to_numpy_ret_vals=True)
        assert [value.tolist() for value in found] == [[2, 3], [0, 1]]
