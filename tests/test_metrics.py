"""Metrics, against definitions written out and against numbers worked out by hand."""

import numpy as np
import pytest

from hetu_jax import metrics, ndarray

RNG = np.random.default_rng(0)
ONE_HOT = np.eye(3)[[0, 0, 1, 1, 2, 2, 2]]
SCORES = np.eye(3)[[0, 1, 1, 1, 2, 0, 2]] * 0.5 + 0.1
# class: tp, fn, fp: 0: 1 1 1; 1: 2 0 1; 2: 2 1 0


def test_softmax():
    y = RNG.normal(size=(4, 5)).astype(np.float32) * 100
    result = metrics.softmax_func(y)
    assert result.dtype == np.float32 and np.isfinite(result).all()
    exact = np.exp(np.float64(y) - np.float64(y).max(1, keepdims=True))
    np.testing.assert_allclose(result, exact / exact.sum(1, keepdims=True), rtol=1e-5, atol=1e-7)
    assert metrics.softmax_func(ndarray.array(y)).shape == (4, 5)


def test_accuracy():
    assert metrics.accuracy(ONE_HOT, SCORES) == pytest.approx(5 / 7)


def test_confusion_matrix_at_thresholds():
    labels = RNG.integers(0, 2, (20, 5))
    predictions = RNG.integers(0, 11, (20, 5)) / 10  # many ties with the thresholds
    predictions[0, 0] = np.nan
    thresholds = [-1, 0.0, 0.3, 0.5, 1.0, 2.0]
    counts = metrics.confusion_matrix_at_thresholds(labels, predictions, thresholds)
    for i, threshold in enumerate(thresholds):
        positive, actual = predictions > threshold, labels == 1
        expected = {
            "tp": positive & actual,
            "fn": ~positive & actual,
            "tn": ~positive & ~actual,
            "fp": positive & ~actual,
        }
        for key, cells in expected.items():
            assert counts[key][i] == cells.sum() and counts[key].dtype == np.float32


def test_confusion_matrix_subset():
    counts = metrics.confusion_matrix_at_thresholds([1, 0], [0.9, 0.1], [0.5], includes=["tp", "fp"])
    assert {key: value.tolist() for key, value in counts.items()} == {"tp": [1], "fp": [0]}
    with pytest.raises(ValueError, match="not 'xp'"):
        metrics.confusion_matrix_at_thresholds([1], [1], [0.5], includes=["xp"])
    with pytest.raises(ValueError, match="2 labels for 3 predictions"):
        metrics.confusion_matrix_at_thresholds([1, 0], [1, 1, 1], [0.5])


def test_curves():
    counts = {"tp": np.float32([3]), "fn": np.float32([1]), "tn": np.float32([4]), "fp": np.float32([2])}
    fpr, tpr = metrics.roc_pr_curve(counts)
    assert fpr == pytest.approx(2 / 6, rel=1e-5) and tpr == pytest.approx(3 / 4, rel=1e-5)
    recall, precision = metrics.roc_pr_curve(counts, curve="PR")
    assert recall == pytest.approx(3 / 4, rel=1e-5) and precision == pytest.approx(3 / 5, rel=1e-5)
    with pytest.raises(ValueError, match="fp is missing"):
        metrics.roc_pr_curve({key: counts[key] for key in ("tp", "fn", "tn")})


def test_auc():
    labels = RNG.integers(0, 2, 3000)
    predictions = np.clip(0.5 + (labels - 0.5) * 0.3 + RNG.normal(size=3000) * 0.2, 0, 1)
    positive, negative = predictions[labels == 1], predictions[labels == 0]
    wins = (positive[:, None] > negative).mean() + (positive[:, None] == negative).mean() / 2
    assert metrics.auc(labels, predictions) == pytest.approx(wins, abs=2e-3)
    assert metrics.auc(labels, predictions, num_thresholds=2000) == pytest.approx(wins, abs=2e-4)
    assert metrics.auc([0, 1], [0.1, 0.9]) == pytest.approx(1, abs=1e-4)
    assert metrics.auc([1, 0], [0.1, 0.9]) == pytest.approx(0, abs=1e-4)
    assert 0.7 < metrics.auc(labels, predictions, curve="PR") < 1
    with pytest.raises(ValueError, match="2 or more"):
        metrics.auc([0, 1], [0.1, 0.9], num_thresholds=1)


def test_confusion_matrix_one_hot():
    counts = metrics.confusion_matrix_one_hot(ONE_HOT, SCORES)
    assert {key: value.tolist() for key, value in counts.items()} == {
        "tp": [1, 2, 2],
        "fn": [1, 0, 1],
        "tn": [4, 4, 4],
        "fp": [1, 1, 0],
    }


def test_precision_and_recall():
    precision, recall = np.array([1 / 2, 2 / 3, 1]), np.array([1 / 2, 1, 2 / 3])
    np.testing.assert_allclose(metrics.precision_score_one_hot(ONE_HOT, SCORES), precision, rtol=1e-5)
    np.testing.assert_allclose(metrics.recall_score_one_hot(ONE_HOT, SCORES), recall, rtol=1e-5)
    for score, classes in ((metrics.precision_score_one_hot, precision), (metrics.recall_score_one_hot, recall)):
        assert score(ONE_HOT, SCORES, average="micro") == pytest.approx(5 / 7, rel=1e-5)
        assert score(ONE_HOT, SCORES, average="macro") == pytest.approx(classes.mean(), rel=1e-5)
        with pytest.raises(ValueError, match="average"):
            score(ONE_HOT, SCORES, average="weighted")


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 2.0])
def test_f_score(beta):
    precision, recall = np.array([1 / 2, 2 / 3, 1]), np.array([1 / 2, 1, 2 / 3])
    expected = (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
    np.testing.assert_allclose(metrics.f_score_one_hot(ONE_HOT, SCORES, beta), expected, rtol=1e-5)
    assert metrics.f_score_one_hot(ONE_HOT, SCORES, beta, "macro") == pytest.approx(expected.mean(), rel=1e-5)
    assert metrics.f_score_one_hot(ONE_HOT, SCORES, beta, "micro") == pytest.approx(5 / 7, rel=1e-5)


def test_f_score_errors():
    with pytest.raises(ValueError, match="beta"):
        metrics.f_score_one_hot(ONE_HOT, SCORES, beta=-1)
    with pytest.raises(ValueError, match="average"):
        metrics.f_score_one_hot(ONE_HOT, SCORES, average="sum")


def test_a_class_that_never_occurs_scores_by_the_added_number():
    labels = np.eye(3)[[0, 1]]
    assert metrics.precision_score_one_hot(labels, labels)[2] == 1


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"\(7, 3\) and \(3, 7\)"):
        metrics.accuracy(ONE_HOT, SCORES.T)
