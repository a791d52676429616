"""Import of ai.onnx.ml: ensembles of decision trees, walked by all rows and trees at once."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import astype, device
from .import_ml import both_classes, labelled, post_transformed
from .operators import ML, operator_of

operator = operator_of(ML)

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
_MEMBER = MODES.index("BRANCH_MEMBER")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


class Forest(NamedTuple):
    """All nodes of all trees; a leaf is its own child.

    roots: the first node of each tree.  feature, split, mode, yes, no, missing: of each node: what is compared with
    what and how, where it leads, and whether NaN counts as yes.  members: the values of each node that asks for
    membership, or None.  targets, weights: what each leaf adds to, (nodes, most of any leaf), -1 for nothing.
    """

    roots: np.ndarray
    feature: np.ndarray
    split: np.ndarray
    mode: np.ndarray
    yes: np.ndarray
    no: np.ndarray
    missing: np.ndarray
    members: Any
    targets: np.ndarray
    weights: np.ndarray

    @property
    def depth(self) -> int:
        """The number of steps from the roots to the last leaf.  Raises ValueError where nodes go round in a circle."""
        reached, steps = np.unique(self.roots), 0
        while True:
            inner = reached[(self.yes[reached] != reached) | (self.no[reached] != reached)]
            if not len(inner):
                return steps
            if steps > len(self.feature):
                raise ValueError("the nodes of a tree go round in a circle")
            reached, steps = np.unique(np.concatenate([self.yes[inner], self.no[inner]])), steps + 1


def _answers(forest, nodes, values):
    """Whether each value passes the test of its node."""
    split = jnp.asarray(forest.split)[nodes]
    kinds = np.unique(forest.mode[(forest.yes != np.arange(len(forest.yes)))])
    mode, passed = jnp.asarray(forest.mode)[nodes], jnp.zeros(values.shape, bool)
    tests = (values <= split, values < split, values >= split, values > split, values == split, values != split)
    for kind in kinds:
        if kind == _MEMBER:
            test = (jnp.asarray(forest.members)[nodes] == values[..., None]).any(-1)
        else:
            test = tests[kind]
        passed = jnp.where(mode == kind, test, passed)
    return jnp.where(jnp.isnan(values), jnp.asarray(forest.missing)[nodes] | (passed & jnp.isnan(split)), passed)


def _leaves(forest, X):
    """The leaf of each row in each tree."""
    yes, no, feature = (jnp.asarray(part) for part in (forest.yes, forest.no, forest.feature))

    def step(_, nodes):
        values = jnp.take_along_axis(X, feature[nodes], axis=1)
        return jnp.where(_answers(forest, nodes, values), yes[nodes], no[nodes])

    start = jnp.broadcast_to(jnp.asarray(forest.roots), (len(X), len(forest.roots)))
    return lax.fori_loop(0, forest.depth, step, start)


def _scores(forest, X, count, aggregate, base):
    """The sum, mean, minimum or maximum of what the leaves add to each target, (N, count)."""
    leaves = _leaves(forest, X)
    rows = jnp.arange(len(X))[:, None, None]
    targets, weights = jnp.asarray(forest.targets)[leaves], jnp.asarray(forest.weights)[leaves]
    targets = jnp.where(targets < 0, count, targets)  # out of range: left out
    if aggregate in ("MIN", "MAX"):
        worst = jnp.inf if aggregate == "MIN" else -jnp.inf
        at = jnp.full((len(X), count), worst, weights.dtype).at[rows, targets]
        scores = at.min(weights, mode="drop") if aggregate == "MIN" else at.max(weights, mode="drop")
        scores = jnp.where(jnp.isinf(scores), 0, scores)
    else:
        scores = jnp.zeros((len(X), count), weights.dtype).at[rows, targets].add(weights, mode="drop")
        scores = scores / len(forest.roots) if aggregate == "AVERAGE" else scores
    return scores if base is None else scores + np.asarray(base, scores.dtype)


def _added(count, places, targets, weights):
    """`targets` and `weights` by node, from lists with the node of each."""
    number = np.zeros(len(places), int)
    seen: dict[int, int] = {}
    for i, place in enumerate(places):
        number[i] = seen.get(place, 0)
        seen[place] = number[i] + 1
    width = max(seen.values(), default=1)
    by_node = np.full((count, width), -1), np.zeros((count, width), weights.dtype)
    by_node[0][places, number], by_node[1][places, number] = targets, weights
    return by_node


def _classic(nodes, prefix, attributes):
    """The forest of the older operators, whose nodes are numbered within each tree."""
    keys = list(zip(nodes["treeids"], nodes["nodeids"], strict=True))
    index = {key: i for i, key in enumerate(keys)}
    own = np.arange(len(keys))
    leaf = np.array([mode == "LEAF" for mode in nodes["modes"]])
    trees = nodes["treeids"]
    yes, no = (
        np.array(
            [
                i if end else index[tree, child]
                for i, (end, tree, child) in enumerate(zip(leaf, trees, children, strict=True))
            ]
        )
        for children in (nodes["truenodeids"], nodes["falsenodeids"])
    )
    children = set(yes[~leaf]) | set(no[~leaf])
    roots = [i for i in own if i not in children]
    places = [index[key] for key in zip(attributes[f"{prefix}_treeids"], attributes[f"{prefix}_nodeids"], strict=True)]
    split, weights = _numbers(nodes, "values"), _numbers(attributes, f"{prefix}_weights")
    return Forest(
        np.array(roots),
        np.array(nodes["featureids"]),
        split,
        np.array([0 if end else MODES.index(mode) for end, mode in zip(leaf, nodes["modes"], strict=True)]),
        yes,
        no,
        np.array(nodes["missing_value_tracks_true"] or np.zeros(len(own)), bool),
        None,
        *_added(len(own), np.array(places, int), attributes[f"{prefix}_ids"], weights),
    )


def _numbers(attributes, name):
    tensor = attributes.get(f"{name}_as_tensor")
    return np.array(attributes[name], np.float32) if tensor is None else tensor


def _base(values, tensor):
    return tensor if tensor is not None else values


@operator
def TreeEnsembleRegressor(
    X,
    *,
    aggregate_function="SUM",
    base_values=None,
    base_values_as_tensor=None,
    n_targets=1,
    nodes_falsenodeids,
    nodes_featureids,
    nodes_hitrates=None,
    nodes_hitrates_as_tensor=None,
    nodes_missing_value_tracks_true=None,
    nodes_modes,
    nodes_nodeids,
    nodes_treeids,
    nodes_truenodeids,
    nodes_values=None,
    nodes_values_as_tensor=None,
    post_transform="NONE",
    target_ids,
    target_nodeids,
    target_treeids,
    target_weights=None,
    target_weights_as_tensor=None,
):
    """The scores of the targets, (N, n_targets).  Hit rates are of no use here."""
    given = dict(locals())
    forest = _classic({key.removeprefix("nodes_"): value for key, value in given.items()}, "target", given)
    base = _base(base_values, base_values_as_tensor)
    return post_transformed(_scores(forest, _rows(X), n_targets, aggregate_function, base), post_transform)


def _rows(X):
    X = device(X)
    return X if X.dtype == np.float64 else X.astype(jnp.float32)


@operator
def TreeEnsembleClassifier(
    X,
    *,
    base_values=None,
    base_values_as_tensor=None,
    class_ids,
    class_nodeids,
    class_treeids,
    class_weights=None,
    class_weights_as_tensor=None,
    classlabels_int64s=None,
    classlabels_strings=None,
    nodes_falsenodeids,
    nodes_featureids,
    nodes_hitrates=None,
    nodes_hitrates_as_tensor=None,
    nodes_missing_value_tracks_true=None,
    nodes_modes,
    nodes_nodeids,
    nodes_treeids,
    nodes_truenodeids,
    nodes_values=None,
    nodes_values_as_tensor=None,
    post_transform="NONE",
):
    """The label of the best score, and the scores, (N, classes).

    With two classes and weights for one of them only, the score is that of the second class: a probability where no
    weight is negative, else a number that is above 0 for it.  A class to which no leaf adds anything is not chosen.
    """
    given = dict(locals())
    forest = _classic({key.removeprefix("nodes_"): value for key, value in given.items()}, "class", given)
    count, base = len(classlabels_int64s or classlabels_strings), _base(base_values, base_values_as_tensor)
    scores = _scores(forest, _rows(X), count, "SUM", base if base is None or len(base) == count else None)
    if count == 2 and len(set(class_ids)) == 1:
        score = scores[:, class_ids[0], None]
        score = score if base is None or len(base) == 2 else score + np.asarray(base, score.dtype)
        likely = bool((forest.weights >= 0).all())
        chosen = astype(score[:, 0] > (0.5 if likely else 0), np.int64)
        scores = both_classes(score, 1 - score if likely else -score, post_transform)
    else:
        reached = _scores(forest._replace(weights=np.ones_like(forest.weights)), _rows(X), count, "SUM", base) != 0
        chosen = jnp.argmax(jnp.where(reached, scores, -jnp.inf), axis=1)
        scores = post_transformed(scores, post_transform)
    return labelled(chosen, classlabels_int64s, classlabels_strings), astype(scores, np.float32)


@operator
def TreeEnsemble(
    X,
    *,
    aggregate_function=1,
    leaf_targetids,
    leaf_weights,
    membership_values=None,
    n_targets=1,
    nodes_falseleafs,
    nodes_falsenodeids,
    nodes_featureids,
    nodes_hitrates=None,
    nodes_missing_value_tracks_true=None,
    nodes_modes,
    nodes_splits,
    nodes_trueleafs,
    nodes_truenodeids,
    post_transform=0,
    tree_roots,
):
    """The scores of the targets, (N, n_targets).  Hit rates are of no use here."""
    inner, leaves = len(nodes_featureids), len(leaf_targetids)
    own = np.arange(inner, inner + leaves)

    def children(places, ends):
        return np.concatenate([np.array(places) + inner * np.array(ends), own])

    def padded(values, dtype):
        return np.concatenate([np.asarray(values, dtype), np.zeros(leaves, dtype)])

    mode = padded(nodes_modes, int)
    forest = Forest(
        np.array(tree_roots),
        padded(nodes_featureids, int),
        padded(nodes_splits, nodes_splits.dtype),
        mode,
        children(nodes_truenodeids, nodes_trueleafs),
        children(nodes_falsenodeids, nodes_falseleafs),
        padded(nodes_missing_value_tracks_true or np.zeros(inner), bool),
        _members(mode, membership_values),
        *_added(inner + leaves, own, np.array(leaf_targetids), leaf_weights),
    )
    scores = _scores(forest, _rows(X), n_targets, _AGGREGATES[aggregate_function], None)
    return astype(post_transformed(scores, _TRANSFORMS[post_transform]), X.dtype)


def _members(mode, values):
    """The values that each node asks for, filled up with NaN, which nothing equals; None where no node does."""
    if values is None:
        return None
    ends = [-1, *np.flatnonzero(np.isnan(values))]
    sets = [values[a + 1 : b] for a, b in zip(ends, ends[1:], strict=False)]
    members = np.full((len(mode), max(map(len, sets))), np.nan, values.dtype)
    for node, found in zip(np.flatnonzero(mode == _MEMBER), sets, strict=True):
        members[node, : len(found)] = found
    return members
