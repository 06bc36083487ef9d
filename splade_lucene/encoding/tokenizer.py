"""Tokenizers: BERT's as the ``tokenizers`` library alone reads it, every other one through transformers.

Importing transformers takes longer than ``tiny`` takes to load and to answer a query, so it is left to those that need it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from splade_lucene.encoding.bert_tokenizer import BertTokenizerFile, read_bert_tokenizer
from splade_lucene.encoding.quiet import quiet_transformers
from splade_lucene.encoding.words import Reading, join_tokens
from splade_lucene.errors import ModelError


class Tokenizer(Protocol):
    """What a network needs of a tokenizer. Objects are safe to use from several threads.

    Attributes:
        tokens: the vocabulary, added tokens included.
        max_length: the largest number of tokens that it was made for.
        padding: the token id that fills up batches.
    """

    tokens: list[str]
    max_length: int
    padding: int

    def token_ids(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Tokenizes texts, special tokens included, cut at ``max_length`` tokens."""

    def read_words(self, text: str, max_length: int) -> Reading:
        """The words of a text and their tokens, cut at ``max_length`` tokens, special tokens included.

        Raises:
            ModelError: the tokenizer keeps no record of places in the text, as the ones written in Python.
        """


def load_tokenizer(folder: Path) -> Tokenizer:
    """Loads the tokenizer of a model folder; damaged files make tokenizers and transformers raise whatever they like."""
    file = read_bert_tokenizer(folder)
    return _TransformersTokenizer(folder) if file is None else _BertTokenizer(file)


class _BertTokenizer:
    def __init__(self, file: BertTokenizerFile) -> None:
        self._tokenizer, self.max_length = file
        self._tokenizer.no_padding()
        self._lock = threading.Lock()
        entries = self._tokenizer.get_vocab()
        self.tokens, self.padding = sorted(entries, key=entries.__getitem__), entries["[PAD]"]

    def token_ids(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        with self._lock:  # the truncation length is state of the tokenizer
            self._tokenizer.enable_truncation(max_length)
            encodings = self._tokenizer.encode_batch_fast(list(texts))
        return [encoding.ids for encoding in encodings]

    def read_words(self, text: str, max_length: int) -> Reading:
        with self._lock:
            self._tokenizer.enable_truncation(max_length)
            encoding = self._tokenizer.encode(text)
        return Reading(join_tokens(encoding.tokens, encoding.word_ids, encoding.offsets), bool(encoding.overflowing))


class _TransformersTokenizer:
    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        load: Any = AutoTokenizer
        with quiet_transformers():
            self._tokenizer = load.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._lock = threading.Lock()
        self.tokens: list[str] = self._tokenizer.convert_ids_to_tokens(list(range(len(self._tokenizer))))
        self.max_length = int(self._tokenizer.model_max_length)
        self.padding: int = self._tokenizer.pad_token_id or 0

    def token_ids(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        with self._lock:  # the truncation length is state of the tokenizer
            encoding = self._tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=False)
        ids: list[list[int]] = encoding["input_ids"]
        return ids

    def read_words(self, text: str, max_length: int) -> Reading:
        if not self._tokenizer.is_fast:
            raise ModelError(
                f"the tokenizer {type(self._tokenizer).__name__} cannot say which words its tokens come from; "
                "give a model with tokenizer.json"
            )
        with self._lock:
            encoding = self._tokenizer(
                text, truncation=True, max_length=max_length, return_offsets_mapping=True, return_overflowing_tokens=True
            )
        tokens = self._tokenizer.convert_ids_to_tokens(encoding["input_ids"][0])
        return Reading(join_tokens(tokens, encoding.word_ids(0), encoding["offset_mapping"][0]), len(encoding["input_ids"]) > 1)
