"""Import of ai.onnx: strings, n-grams and encoded images, all of them on the host."""

import importlib
import io
import re

import numpy as np

from .arrays import host
from .operators import operator


def _each(function, *arrays):
    """`function` of each element, as an array of objects."""
    arrays = np.broadcast_arrays(*arrays)
    result = np.empty(arrays[0].shape, object)
    for place in np.ndindex(result.shape):
        result[place] = function(*(array[place] for array in arrays))
    return result


@operator
def StringConcat(X, Y):
    return _each(lambda a, b: a + b, host(X), host(Y))


@operator
def RegexFullMatch(X, *, pattern=""):
    compiled = re.compile(pattern)
    return _each(lambda text: compiled.fullmatch(text) is not None, host(X)).astype(bool)


@operator
def StringSplit(X, *, delimiter=None, maxsplit=None):
    """The parts of each string, filled up with empty ones, and how many there are."""
    X = host(X)
    most = -1 if maxsplit is None else maxsplit
    parts = [text.split(delimiter or None, most) for text in X.reshape(-1)]
    longest = max(map(len, parts), default=0)
    filled = np.array([part + [""] * (longest - len(part)) for part in parts], object)
    counts = np.array([len(part) for part in parts], np.int64)
    return filled.reshape(*X.shape, longest), counts.reshape(X.shape)


@operator
def StringNormalizer(X, *, case_change_action="NONE", is_case_sensitive=0, locale=None, stopwords=()):
    """The strings that are no stop words, in another case if asked; `locale` is Python's, which has no such rules."""
    change = {"LOWER": str.lower, "UPPER": str.upper, "NONE": str}[case_change_action]
    fold = str if is_case_sensitive else str.lower
    stops = {fold(word) for word in stopwords}
    X = host(X)
    kept = [change(text) for text in X.reshape(-1) if fold(text) not in stops] or [""]
    return np.array(kept, object).reshape(*X.shape[:-1], -1)


def _grams(row, length, skip):
    """The n-grams of a row whose items are at most `skip` apart, for each gap by itself."""
    for gap in range(1, skip + 2 if length > 1 else 2):
        for start in range(len(row) - (length - 1) * gap):
            yield tuple(row[start : start + (length - 1) * gap + 1 : gap])


@operator
def TfIdfVectorizer(
    X,
    *,
    max_gram_length,
    max_skip_count,
    min_gram_length,
    mode,
    ngram_counts,
    ngram_indexes,
    pool_int64s=(),
    pool_strings=(),
    weights=None,
):
    """How often each n-gram of the pool is in each row; TF counts, IDF says whether, TFIDF multiplies by weights."""
    pool, places, place = list(pool_strings or pool_int64s), {}, 0
    for length, (start, end) in enumerate(zip(ngram_counts, [*ngram_counts[1:], len(pool)], strict=True), 1):
        for first in range(start, end, length):
            places[tuple(pool[first : first + length])] = place
            place += 1
    X = host(X, "the n-grams of what")
    rows = X.reshape(-1, X.shape[-1]) if X.ndim else X.reshape(1, 1)
    counts = np.zeros((len(rows), max(ngram_indexes) + 1), np.float32)
    for number, row in enumerate(rows.tolist()):
        for length in range(min_gram_length, max_gram_length + 1):
            for gram in _grams(row, length, max_skip_count):
                if gram in places:
                    counts[number, ngram_indexes[places[gram]]] += 1
    scale = np.ones(len(ngram_indexes), np.float32) if weights is None else np.array(weights, np.float32)
    spread = np.zeros(counts.shape[1], np.float32)
    spread[list(ngram_indexes)] = scale
    result = {"TF": counts, "IDF": (counts > 0) * spread, "TFIDF": counts * spread}[mode].astype(np.float32)
    return result if X.ndim == 2 else result[0]


@operator
def ImageDecoder(encoded_stream, *, pixel_format="RGB"):
    """An encoded image (JPEG, PNG, ...) as (rows, columns, channels), uint8.  Needs the package pillow."""
    try:
        images = importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ImportError("ImageDecoder needs the package pillow: pip install pillow") from error
    image = images.open(io.BytesIO(host(encoded_stream, "the encoded image").tobytes()))
    if pixel_format == "Grayscale":
        return np.array(image.convert("L"))[:, :, None]
    pixels = np.array(image.convert("RGB"))
    return pixels[:, :, ::-1] if pixel_format == "BGR" else pixels
