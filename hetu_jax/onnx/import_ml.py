"""Import of ai.onnx.ml: features, encoders, and linear and support-vector models."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import astype, device, host, is_float, is_text, xp
from .operators import ML, operator_of

operator = operator_of(ML)


def post_transformed(scores, how):
    """Scores (N, classes) as the attribute post_transform asks."""
    if how == "SOFTMAX":
        return jax.nn.softmax(scores, axis=-1)
    if how == "SOFTMAX_ZERO":
        powers = jnp.where(scores == 0, 0, jnp.exp(scores - scores.max(-1, keepdims=True)))
        return powers / powers.sum(-1, keepdims=True)
    if how == "PROBIT":
        return jnp.sqrt(2.0) * jax.scipy.special.erfinv(2 * scores - 1)
    return jax.nn.sigmoid(scores) if how == "LOGISTIC" else scores


def labelled(indices, ints, strings):
    """The class labels at some indices; strings need the indices on the host."""
    if strings:
        return np.array(strings, object)[host(indices, "the class whose label is a string")]
    return xp.take(np.array(ints or (0, 1), np.int64), indices)


@operator
def ArrayFeatureExtractor(X, Y):
    return xp.take(X, xp.reshape(host(Y, "an index of strings") if is_text(X) else Y, (-1,)), axis=-1)


@operator
def Binarizer(X, *, threshold=0.0):
    return astype(X > threshold, X.dtype)


@operator
def Scaler(X, *, offset=(0.0,), scale=(1.0,)):
    return (astype(X, np.float32) - np.array(offset, np.float32)) * np.array(scale, np.float32)


@operator
def Normalizer(X, *, norm="MAX"):
    """Rows divided by their maximum, the sum of their magnitudes, or their length; rows of zeros stay."""
    X = astype(device(X), np.float32)
    size = {
        "MAX": lambda: X.max(-1, keepdims=True),
        "L1": lambda: jnp.abs(X).sum(-1, keepdims=True),
        "L2": lambda: jnp.sqrt(jnp.square(X).sum(-1, keepdims=True)),
    }[norm]()
    return jnp.where(size == 0, X, X / jnp.where(size == 0, 1, size))


@operator
def Imputer(
    X, *, imputed_value_floats=None, imputed_value_int64s=None, replaced_value_float=0.0, replaced_value_int64=0
):
    if is_float(X):
        new, old = imputed_value_floats, replaced_value_float
    else:
        new, old = imputed_value_int64s, replaced_value_int64
    missing = xp.isnan(X) if np.isnan(old) else X == np.asarray(old, X.dtype)
    return xp.where(missing, np.array(new, X.dtype), X)


@operator
def FeatureVectorizer(*X, inputdimensions=None):
    """The features side by side, as float32; `inputdimensions` says how many of each are taken."""
    rows = [astype(x, np.float32).reshape(len(x) if x.ndim > 1 else 1, -1) for x in X]
    counts = inputdimensions or [row.shape[1] for row in rows]
    return xp.concatenate([row[:, :count] for row, count in zip(rows, counts, strict=True)], axis=1)


@operator
def OneHotEncoder(X, *, cats_int64s=None, cats_strings=None, zeros=1):
    """A one at the place of each element among the categories; where it is none of them zeros, or an error."""
    categories = np.array(cats_strings, object) if cats_strings else np.array(cats_int64s, np.int64)
    equal = (X if cats_strings else astype(X, np.int64))[..., None] == categories
    if not zeros and not host(equal, "what is encoded").any(-1).all():
        raise ValueError("OneHotEncoder met an element that is none of its categories")
    return astype(equal, np.float32)


@operator
def CategoryMapper(X, *, cats_int64s, cats_strings, default_int64=-1, default_string="_Unused"):
    if is_text(X):
        return _looked_up(X, dict(zip(cats_strings, cats_int64s, strict=True)), default_int64, np.int64)
    table = dict(zip(cats_int64s, cats_strings, strict=True))
    return _looked_up(host(X, "what maps to strings"), table, default_string, object)


def _looked_up(X, table, default, dtype):
    found = [table.get(_key(item), default) for item in X.reshape(-1).tolist()]
    return np.array(found, dtype).reshape(X.shape)


def _key(item):
    """An element as a key: NaN equals NaN."""
    return "NaN" if isinstance(item, float) and np.isnan(item) else item


@operator
def LabelEncoder(
    X,
    *,
    classes_strings=None,
    default_float=-0.0,
    default_int64=-1,
    default_string="_Unused",
    default_tensor=None,
    keys_floats=None,
    keys_int64s=None,
    keys_strings=None,
    keys_tensor=None,
    values_floats=None,
    values_int64s=None,
    values_strings=None,
    values_tensor=None,
):
    """Each element's value in a table, or a default.  `classes_strings` is the table of the first version."""
    if classes_strings is not None:
        keys, values = (classes_strings, range(len(classes_strings)))
        if not is_text(X):
            keys, values = values, keys
        dtype, default = (np.int64, default_int64) if is_text(X) else (object, default_string)
        return _looked_up(host(X, "what is encoded"), dict(zip(keys, values, strict=True)), default, dtype)
    keys = next(k for k in (keys_floats, keys_int64s, keys_strings, keys_tensor) if k is not None)
    if values_tensor is not None:
        values, dtype = values_tensor.tolist(), values_tensor.dtype
        default = _default_of(dtype) if default_tensor is None else default_tensor.reshape(-1)[0]
    elif values_strings is not None:
        values, dtype, default = values_strings, object, default_string
    elif values_int64s is not None:
        values, dtype, default = values_int64s, np.int64, default_int64
    else:
        values, dtype, default = values_floats, np.float32, default_float
    keys = keys.tolist() if isinstance(keys, np.ndarray) else keys
    keys = [float(np.float32(k)) if isinstance(k, float) else k for k in keys]
    return _looked_up(host(X, "what is encoded"), dict(zip(map(_key, keys), values, strict=True)), default, dtype)


def _default_of(dtype):
    return "_Unused" if dtype.kind in "OU" else -0.0 if dtype.kind == "f" else -1


@operator
def DictVectorizer(X, *, int64_vocabulary=None, string_vocabulary=None):
    """The values of a mapping at the keys of the vocabulary, (1, keys); zeros or empty strings where there is none."""
    values = list(X.values())
    text = bool(values) and isinstance(values[0], str)
    found = [X.get(key, "" if text else 0) for key in string_vocabulary or int64_vocabulary]
    dtype = object if text else np.int64 if values and isinstance(values[0], int) else np.float32
    return np.array([found], dtype)


@operator
def CastMap(X, *, cast_to="TO_FLOAT", map_form="DENSE", max_map=1):
    """The values of a mapping from numbers in the order of its keys, (1, n); SPARSE puts each at its key."""
    change, dtype, empty = {
        "TO_FLOAT": (float, np.float32, 0.0),
        "TO_INT64": (int, np.int64, 0),
        "TO_STRING": (str, object, "0"),
    }[cast_to]
    if map_form == "DENSE":
        return np.array([[change(X[key]) for key in sorted(X)]], dtype)
    return np.array([[change(X[key]) if key in X else empty for key in range(max_map)]], dtype)


@operator
def ZipMap(X, *, classlabels_int64s=None, classlabels_strings=None):
    """For each row a mapping from the labels to its numbers."""
    labels = classlabels_strings or classlabels_int64s
    return [dict(zip(labels, row, strict=True)) for row in np.atleast_2d(host(X, "what goes into a mapping"))]


@operator
def LinearRegressor(X, *, coefficients, intercepts=None, post_transform="NONE", targets=1):
    weights = np.array(coefficients, np.float32).reshape(targets, -1)
    scores = astype(device(X), np.float32) @ weights.T
    scores = scores if intercepts is None else scores + np.array(intercepts, np.float32)
    return post_transformed(scores, post_transform)


@operator
def LinearClassifier(
    X,
    *,
    classlabels_ints=None,
    classlabels_strings=None,
    coefficients,
    intercepts=None,
    multi_class=0,
    post_transform="NONE",
):
    """The label of the best score, and the scores.

    One row of coefficients means two classes: the score is the second's, and what it lacks to 1 the first's.
    `multi_class` says how the model was trained, and changes nothing.
    """
    count = len(classlabels_ints or classlabels_strings)
    rows = len(intercepts) if intercepts else count
    scores = astype(device(X), np.float32) @ np.array(coefficients, np.float32).reshape(rows, -1).T
    scores = scores if not intercepts else scores + np.array(intercepts, np.float32)
    if rows == 1:
        chosen = (scores[:, 0] > 0).astype(int)
        scores = both_classes(scores, 1 - scores, post_transform)
    else:
        chosen = jnp.argmax(scores, axis=-1)
        scores = post_transformed(scores, post_transform)
    return labelled(chosen, classlabels_ints, classlabels_strings), scores


def both_classes(score, first, how):
    """The scores of two classes from that of the second, (N, 1): `first` beside it, or probabilities for LOGISTIC."""
    if how == "LOGISTIC":
        return jnp.concatenate([jax.nn.sigmoid(-score), jax.nn.sigmoid(score)], axis=-1)
    return jnp.concatenate([first, score], axis=-1)


def _kernel(X, vectors, kind, params):
    """The similarity of each row to each support vector."""
    gamma, shift, degree = params or (0.0, 0.0, 0.0)
    if kind == "RBF":
        distance = jnp.square(X[:, None] - vectors).sum(-1)
        return jnp.exp(-gamma * distance)
    product = X @ vectors.T
    if kind == "POLY":
        return (gamma * product + shift) ** degree
    return jnp.tanh(gamma * product + shift) if kind == "SIGMOID" else product


@operator
def SVMRegressor(
    X,
    *,
    coefficients,
    kernel_params=None,
    kernel_type="LINEAR",
    n_supports=0,
    one_class=0,
    post_transform="NONE",
    rho=(0.0,),
    support_vectors=None,
):
    """A weighted sum of similarities to the support vectors; its sign, 1 or -1, for one class."""
    X, weights = astype(device(X), np.float32), np.array(coefficients, np.float32)
    if n_supports:
        vectors = np.array(support_vectors, np.float32).reshape(n_supports, -1)
        scores = _kernel(X, vectors, kernel_type, kernel_params) @ weights.reshape(-1, 1)
    else:
        scores = _kernel(X, weights.reshape(1, -1), kernel_type, kernel_params)
    scores = scores + rho[0]
    return (
        jnp.where(scores > 0, np.float32(1), np.float32(-1)) if one_class else post_transformed(scores, post_transform)
    )


def _pairwise(X, coefficients, support_vectors, vectors_per_class, rho, kernel_type, kernel_params):
    """The decision for each pair of classes, above 0 for the first, (N, pairs)."""
    ends = np.cumsum([0, *vectors_per_class])
    vectors = np.array(support_vectors, np.float32).reshape(ends[-1], -1)
    weights = np.array(coefficients, np.float32).reshape(len(vectors_per_class) - 1, -1)
    similar = _kernel(X, vectors, kernel_type, kernel_params)
    decisions = []
    for pair, (i, j) in enumerate(itertools.combinations(range(len(vectors_per_class)), 2)):
        first, second = slice(ends[i], ends[i + 1]), slice(ends[j], ends[j + 1])
        score = similar[:, first] @ weights[j - 1, first] + similar[:, second] @ weights[i, second]
        decisions.append(score + rho[pair])
    return jnp.stack(decisions, axis=-1)


def _coupled(likely, count):
    """Probabilities of the classes from those of the pairs, (N, count, count), by libsvm's second method."""
    mirrored = jnp.swapaxes(likely, 1, 2)
    Q = jnp.where(jnp.eye(count, dtype=bool), jnp.square(mirrored).sum(-1)[..., None], -mirrored * likely)

    def turn(_, p):
        start, Qp = p, jnp.einsum("nij,nj->ni", Q, p)
        done = jnp.abs(Qp - jnp.einsum("ni,ni->n", p, Qp)[:, None]).max(-1) < 0.005 / count
        for t in range(count):
            Qp = jnp.einsum("nij,nj->ni", Q, p)
            step = (jnp.einsum("ni,ni->n", p, Qp) - Qp[:, t]) / Q[:, t, t]
            p = p.at[:, t].add(step) / (1 + step)[:, None]
        return jnp.where(done[:, None], start, p)

    start = jnp.full((len(likely), count), 1 / count, likely.dtype)
    return jax.lax.fori_loop(0, max(100, count), turn, start)


@operator
def SVMClassifier(
    X,
    *,
    classlabels_ints=None,
    classlabels_strings=None,
    coefficients,
    kernel_params=None,
    kernel_type="LINEAR",
    post_transform="NONE",
    prob_a=None,
    prob_b=None,
    rho,
    support_vectors=None,
    vectors_per_class=None,
):
    """The label with the most votes, and the scores: decisions between pairs, or probabilities.

    Without support vectors the coefficients are those of one linear model per class.
    """
    X, count = astype(device(X), np.float32), len(classlabels_ints or classlabels_strings)
    if not support_vectors:
        weights = np.array(coefficients, np.float32).reshape(count, -1)
        scores = _kernel(X, weights, kernel_type, kernel_params) + rho[0]
        return labelled(jnp.argmax(scores, -1), classlabels_ints, classlabels_strings), post_transformed(
            scores, post_transform
        )
    decisions = _pairwise(X, coefficients, support_vectors, vectors_per_class, rho, kernel_type, kernel_params)
    pairs = list(itertools.combinations(range(count), 2))
    votes = jnp.zeros((len(X), count))
    for pair, (i, j) in enumerate(pairs):
        votes = votes.at[:, i].add(decisions[:, pair] > 0).at[:, j].add(decisions[:, pair] <= 0)
    scores = decisions if count > 2 else jnp.concatenate([-decisions, decisions], axis=-1)
    if prob_a:
        likely = jnp.zeros((len(X), count, count), X.dtype)
        for pair, (i, j) in enumerate(pairs):
            p = jax.nn.sigmoid(-(decisions[:, pair] * prob_a[pair] + prob_b[pair])).clip(1e-7, 1 - 1e-7)
            likely = likely.at[:, i, j].set(p).at[:, j, i].set(1 - p)
        scores = _coupled(likely, count)
    chosen = labelled(jnp.argmax(votes, axis=-1), classlabels_ints, classlabels_strings)
    return chosen, post_transformed(scores, post_transform)
