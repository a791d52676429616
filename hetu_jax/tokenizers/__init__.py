"""Text to numbers: BERT's tokenizer, reading a vocabulary from a file."""

from .bert_tokenizer import BertTokenizer

__all__ = ["BertTokenizer"]
