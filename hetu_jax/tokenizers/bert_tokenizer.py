"""BERT's tokenizer: words and punctuation first, then the longest known pieces of each word."""

from __future__ import annotations

import os
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..data_files import cache_folder

VOCAB_NAME = "vocab.txt"
NEVER_SPLIT = ("[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]")

# The published models, and the longest sequence that each has positions for.
MAX_LENGTHS = dict.fromkeys(
    (
        "bert-base-uncased",
        "bert-large-uncased",
        "bert-base-cased",
        "bert-large-cased",
        "bert-base-multilingual-uncased",
        "bert-base-multilingual-cased",
        "bert-base-chinese",
    ),
    512,
)

# Chinese, Japanese and Korean ideographs; kana and hangul are written with spaces or are left together.
IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


def convert_to_unicode(text: str | bytes) -> str:
    """Text as str; bytes are read as UTF-8, leaving out what is none."""
    return text.decode("utf-8", "ignore") if isinstance(text, bytes) else text


def whitespace_tokenize(text: str) -> list[str]:
    """The words between blanks."""
    return text.split()


def load_vocab(vocab_file: str | os.PathLike[str]) -> OrderedDict[str, int]:
    """The tokens of a file, one a line, with their line numbers from 0."""
    with open(vocab_file, encoding="utf-8") as lines:
        return OrderedDict((line.strip(), number) for number, line in enumerate(lines))


def is_punctuation(char: str) -> bool:
    """Whether a character is punctuation: by Unicode, or any sign of ASCII."""
    ascii_sign = "!" <= char <= "~" and not char.isalnum()
    return ascii_sign or unicodedata.category(char).startswith("P")


def is_ideograph(char: str) -> bool:
    """Whether a character is a word of its own, as in Chinese."""
    return any(first <= ord(char) <= last for first, last in IDEOGRAPHS)


def clean(text: str) -> str:
    """The text without control characters and bad bytes, with every kind of blank as a space."""
    kept = (char for char in text if char in "\t\n\r" or not _is_control(char))
    return "".join(" " if char.isspace() else char for char in kept)


def _is_control(char: str) -> bool:
    return char == "\ufffd" or unicodedata.category(char).startswith("C")


def strip_accents(word: str) -> str:
    """The word with its letters' accents removed."""
    return "".join(char for char in unicodedata.normalize("NFD", word) if unicodedata.category(char) != "Mn")


class BasicTokenizer:
    """Splits text at blanks, around punctuation and around each ideograph.

    do_lower_case: also lower the letters and remove their accents.  never_split: words that are left as they are.
    """

    def __init__(self, do_lower_case: bool = True, never_split: Iterable[str] = NEVER_SPLIT):
        self.do_lower_case, self.never_split = do_lower_case, tuple(never_split)

    def tokenize(self, text: str | bytes) -> list[str]:
        """The words of a text, in order."""
        spaced = "".join(f" {char} " if is_ideograph(char) else char for char in clean(convert_to_unicode(text)))
        return [part for word in whitespace_tokenize(spaced) for part in self._parts(word)]

    def _parts(self, word: str) -> list[str]:
        if word in self.never_split:
            return [word]
        if self.do_lower_case:
            word = strip_accents(word.lower())
        return whitespace_tokenize("".join(f" {char} " if is_punctuation(char) else char for char in word))


class WordpieceTokenizer:
    """Splits words into the longest known pieces, from left to right; all but the first begin with '##'.

    vocab: the pieces.  unk_token: stands for a word that cannot be split so.
    max_input_chars_per_word: longer words are not tried.
    """

    def __init__(self, vocab: Iterable[str], unk_token: str = "[UNK]", max_input_chars_per_word: int = 100):
        self.vocab, self.unk_token, self.max_input_chars_per_word = vocab, unk_token, max_input_chars_per_word

    def tokenize(self, text: str | bytes) -> list[str]:
        """The pieces of the words between blanks."""
        return [piece for word in whitespace_tokenize(convert_to_unicode(text)) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        pieces, start = [], 0
        while start < len(word) <= self.max_input_chars_per_word:
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self.vocab), None)
            if end is None:
                return [self.unk_token]
            pieces.append(mark + word[start:end])
            start = end
        return pieces or [self.unk_token]


class BertTokenizer:
    """Text to the numbers of a vocabulary and back.

    vocab_file: one token a line.  do_lower_case: lower letters and remove accents.
    max_len: the longest sequence of numbers; None for no limit.
    never_split: words that are left as they are, for the vocabulary to know as a whole.
    Raises ValueError when there is no such file.
    """

    def __init__(
        self,
        vocab_file: str | os.PathLike[str],
        do_lower_case: bool = True,
        max_len: int | None = None,
        never_split: Iterable[str] = NEVER_SPLIT,
    ):
        if not os.path.isfile(vocab_file):
            raise ValueError(
                f"there is no vocabulary at {os.fspath(vocab_file)!r}: it is a text file with one token a line, which "
                "comes with a model as vocab.txt"
            )
        self.vocab = load_vocab(vocab_file)
        self.ids_to_tokens = OrderedDict((number, token) for token, number in self.vocab.items())
        self.basic_tokenizer = BasicTokenizer(do_lower_case, never_split)
        self.wordpiece_tokenizer = WordpieceTokenizer(self.vocab)
        self.max_len = int(1e12) if max_len is None else int(max_len)

    def tokenize(self, text: str | bytes) -> list[str]:
        """The pieces of a text."""
        words = self.basic_tokenizer.tokenize(text)
        return [piece for word in words for piece in self.wordpiece_tokenizer.tokenize(word)]

    def convert_tokens_to_ids(self, tokens: Sequence[str]) -> list[int]:
        """The numbers of tokens.  Raises KeyError for an unknown one, ValueError for more than `max_len`."""
        if len(tokens) > self.max_len:
            raise ValueError(f"{len(tokens)} tokens are more than the model's {self.max_len}: shorten the text")
        return [self.vocab[token] for token in tokens]

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens with the given numbers."""
        return [self.ids_to_tokens[int(number)] for number in ids]

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: str | os.PathLike[str], cache_dir: Any = None, *inputs: Any, **kwargs: Any
    ) -> BertTokenizer:
        """The tokenizer of a model.

        pretrained_model_name_or_path: a folder with vocab.txt, such a file, or the name of a published model such as
            'bert-base-uncased', whose file is looked for in <cache_dir>/<name>/vocab.txt.
        cache_dir: by default the folder of hetu_jax's cache.  inputs, kwargs: as of BertTokenizer.
        Raises ValueError, with the place where it belongs, when there is no such file; nothing is downloaded.
        """
        name = os.fspath(pretrained_model_name_or_path)
        path = Path(name) if os.path.exists(name) else Path(cache_dir or cache_folder() / "tokenizers") / name
        file = path / VOCAB_NAME if path.is_dir() or name in MAX_LENGTHS else path
        if not file.is_file():
            known = name if name in MAX_LENGTHS else f"one of {', '.join(MAX_LENGTHS)}"
            raise ValueError(
                f"there is no vocabulary for {name!r}: put the model's vocab.txt (of {known}) at {file}, or pass the "
                "folder that has it"
            )
        if path.name in MAX_LENGTHS:
            kwargs["max_len"] = min(kwargs.get("max_len") or int(1e12), MAX_LENGTHS[path.name])
        return cls(file, *inputs, **kwargs)
