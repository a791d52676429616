"""Metrics of predictions, NumPy in and NumPy out; every ratio has 1e-6 added above and below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import hint_at_names

_COUNTS = ("tp", "fn", "tn", "fp")
_EPSILON = 1e-6


def softmax_func(y: Any) -> np.ndarray:
    """exp(y) / sum(exp(y)) over axis 1.

    y: (n, classes), float.  Returns: the same shape and dtype; no exponential overflows.
    """
    y = np.asarray(y)
    exponentials = np.exp(y - y.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def accuracy(labels: Any, predictions: Any) -> np.floating:
    """The share of rows whose greatest element stands at the same place in both.

    labels, predictions: (n, classes).  Returns: a number; of equal elements the first is the greatest.
    """
    labels, predictions = _matrices(labels, predictions)
    return np.mean(labels.argmax(axis=1) == predictions.argmax(axis=1))


def confusion_matrix_at_thresholds(
    labels: Any, predictions: Any, thresholds: Sequence[float], includes: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Counts of true and false positives and negatives, where a prediction above the threshold is positive.

    labels: any shape, taken as bools.  predictions: as many numbers; NaN is above no threshold.
    thresholds: (k,).  includes: those of 'tp', 'fn', 'tn', 'fp' that are wanted, all by default.
    Returns: a dict of arrays (k,), float32.
    Raises ValueError for another key, or when the numbers of labels and predictions differ.
    """
    wanted = _COUNTS if includes is None else tuple(includes)
    for key in wanted:
        if key not in _COUNTS:
            raise ValueError(f"includes may have {', '.join(_COUNTS)}, not {key!r}")
    labels, predictions = np.asarray(labels).astype(bool).ravel(), np.asarray(predictions).ravel()
    if labels.shape != predictions.shape:
        raise ValueError(f"there are {labels.size} labels for {predictions.size} predictions")
    tp, fp = (_above(predictions[rows], thresholds) for rows in (labels, ~labels))
    counts = {"tp": tp, "fn": labels.sum() - tp, "tn": (~labels).sum() - fp, "fp": fp}
    return {key: np.float32(counts[key]) for key in wanted}


def _above(values: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """How many of the values are above each threshold, in time n log n."""
    ordered = np.sort(values[~np.isnan(values)])
    return len(ordered) - np.searchsorted(ordered, np.asarray(thresholds), side="right")


def roc_pr_curve(values: Mapping[str, np.ndarray], curve: str = "ROC") -> tuple[np.ndarray, np.ndarray]:
    """The points of a curve, from counts at thresholds.

    values: what `confusion_matrix_at_thresholds` returns.  curve: 'ROC', else precision and recall.
    Returns: (false positive rate, true positive rate), or (recall, precision), each (k,).
    Raises ValueError when one of the four counts is missing.
    """
    missing = [key for key in _COUNTS if key not in values]
    if missing:
        raise ValueError(f"a curve needs tp, fn, tn and fp, but {', '.join(missing)} is missing")
    tp, fn, tn, fp = (values[key] for key in _COUNTS)
    if curve == "ROC":
        return _ratio(fp, fp + tn), _ratio(tp, tp + fn)
    return _ratio(tp, tp + fn), _ratio(tp, tp + fp)


def auc(labels: Any, predictions: Any, num_thresholds: int = 200, curve: str = "ROC") -> np.floating:
    """The area under the ROC curve (or the precision-recall curve), by trapezoids.

    labels: any shape, taken as bools.  predictions: as many numbers in [0, 1].
    num_thresholds: points of the curve, evenly spread over [0, 1], 2 or more.  curve: as in `roc_pr_curve`.
    """
    if num_thresholds < 2:
        raise ValueError(f"num_thresholds must be 2 or more, not {num_thresholds}")
    thresholds = np.arange(num_thresholds) / (num_thresholds - 1)
    thresholds[0], thresholds[-1] = -1e-7, 1 + 1e-7
    x, y = roc_pr_curve(confusion_matrix_at_thresholds(labels, predictions, thresholds), curve)
    return np.sum((x[:-1] - x[1:]) * (y[:-1] + y[1:]) / 2)


def confusion_matrix_one_hot(labels: Any, predictions: Any) -> dict[str, np.ndarray]:
    """Counts of true and false positives and negatives of each class, where the greatest prediction is positive.

    labels: (n, classes), one-hot.  predictions: the same shape, scores.
    Returns: a dict of 'tp', 'fn', 'tn', 'fp', each (classes,), float32.
    """
    labels, predictions = _matrices(labels, predictions)
    actual = labels.astype(bool)
    predicted = np.arange(labels.shape[1]) == predictions.argmax(axis=1)[:, None]
    pairs = {"tp": (actual, predicted), "fn": (actual, ~predicted), "tn": (~actual, ~predicted)}
    pairs["fp"] = (~actual, predicted)
    return {key: np.float32((left & right).sum(axis=0)) for key, (left, right) in pairs.items()}


def precision_score_one_hot(labels: Any, predictions: Any, average: str | None = None) -> Any:
    """tp / (tp + fp).

    labels: (n, classes), one-hot.  predictions: the same shape, scores.
    average: None for an array (classes,), 'micro' for the ratio of summed counts, 'macro' for the mean over classes.
    Raises ValueError for another average.
    """
    counts = confusion_matrix_one_hot(labels, predictions)
    return _averaged_ratio(counts["tp"], counts["tp"] + counts["fp"], average)


def recall_score_one_hot(labels: Any, predictions: Any, average: str | None = None) -> Any:
    """tp / (tp + fn); arguments and result as of `precision_score_one_hot`."""
    counts = confusion_matrix_one_hot(labels, predictions)
    return _averaged_ratio(counts["tp"], counts["tp"] + counts["fn"], average)


def f_score_one_hot(labels: Any, predictions: Any, beta: float = 1.0, average: str | None = None) -> Any:
    """(1 + beta^2) * precision * recall / (beta^2 * precision + recall).

    beta: the weight of recall, >= 0.  average: as of `precision_score_one_hot`; 'macro' is the mean of the classes'
        scores.  Raises ValueError for a negative beta or another average.
    """
    if not beta >= 0:
        raise ValueError(f"beta must not be negative, but is {beta}")
    _check_average(average)
    inner = "micro" if average == "micro" else None
    precision = precision_score_one_hot(labels, predictions, inner)
    recall = recall_score_one_hot(labels, predictions, inner)
    score = _ratio((1 + beta**2) * precision * recall, beta**2 * precision + recall)
    return score.mean() if average == "macro" else score


def _matrices(labels: Any, predictions: Any) -> tuple[np.ndarray, np.ndarray]:
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 2 or labels.shape != predictions.shape:
        raise ValueError(
            f"labels and predictions must be one shape (n, classes), not {labels.shape} and {predictions.shape}"
        )
    return labels, predictions


def _ratio(part: Any, whole: Any) -> Any:
    return (part + _EPSILON) / (whole + _EPSILON)


def _averaged_ratio(part: np.ndarray, whole: np.ndarray, average: str | None) -> Any:
    _check_average(average)
    if average == "micro":
        return _ratio(part.sum(), whole.sum())
    return _ratio(part, whole) if average is None else _ratio(part, whole).mean()


def _check_average(average: str | None) -> None:
    if average not in (None, "micro", "macro"):
        raise ValueError(f"average is None, 'micro' or 'macro', not {average!r}")


hint_at_names(__name__)
