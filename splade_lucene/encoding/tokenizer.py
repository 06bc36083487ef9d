"""Tokenizers: BERT's as the ``tokenizers`` library alone reads it, every other one through transformers.

Importing transformers takes longer than ``tiny`` takes to load and to answer a query, so it is left to those that need it.
"""

from __future__ import annotations

import threading
from collections import Counter
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
        tokens: the vocabulary, added tokens included, as an index can hold it (:func:`indexable`).
        unused: token ids that have no token: gaps in the vocabulary.
        max_length: the largest number of tokens that it was made for.
        padding: the token id that fills up batches.
    """

    tokens: list[str]
    unused: frozenset[int]
    max_length: int
    padding: int

    def token_ids(self, texts: Sequence[str], max_length: int, *, special: bool = True) -> list[list[int]]:
        """Tokenizes texts, cut at ``max_length`` tokens, special tokens included or, without ``special``, left out."""

    def read_words(self, text: str, max_length: int) -> Reading:
        """The words of a text and their tokens, cut at ``max_length`` tokens, special tokens included.

        Raises:
            ModelError: the tokenizer keeps no record of places in the text, as the ones written in Python.
        """


def load_tokenizer(folder: Path, *, lower: bool = False) -> Tokenizer:
    """Loads the tokenizer of a model folder; damaged files make tokenizers and transformers raise whatever they like.

    Args:
        folder: of the model.
        lower: make sure that it lowercases texts, as the model's configuration says that it must.

    Raises:
        ModelError: it does not, or two of its tokens would be one in an index.
    """
    file = read_bert_tokenizer(folder)
    tokenizer = _TransformersTokenizer(folder) if file is None else _BertTokenizer(file)
    if lower and tokenizer.token_ids(["A WORD"], 512) != tokenizer.token_ids(["a word"], 512):
        raise ModelError(f"{folder} says do_lower_case = True, but its tokenizer keeps capitals; save it with a normalizer that lowercases")
    return tokenizer


def indexable(tokens: Sequence[str | None]) -> tuple[list[str], frozenset[int]]:
    """The vocabulary in a spelling that every index can hold: Lucene's and all others' terms have no white space.

    Args:
        tokens: in the order of their ids; None where an id has none.

    Returns:
        The tokens, each character of white space replaced by its picture (``New␠York``), and the ids without a token.

    Raises:
        ModelError: two tokens would be the same.
    """
    unused = frozenset(entry for entry, token in enumerate(tokens) if token is None)
    spelled = [f"␀{entry}" if token is None else token for entry, token in enumerate(tokens)]
    if " ".join(spelled).split() != spelled:
        for entry, token in enumerate(spelled):
            spelled[entry] = token if token.split() == [token] else "".join(map(_picture, token)) or "␀"
    if len(set(spelled)) < len(spelled):
        twice = next(token for token, count in Counter(spelled).items() if count > 1)
        raise ModelError(f"the tokenizer has two tokens that an index would take for one ({twice!r}); rename one of them")
    return spelled, unused


def _picture(character: str) -> str:
    if not character.isspace():
        return character
    code = ord(character)
    return chr(0x2400 + code) if code <= 0x20 else f"⟨{code:X}⟩"  # noqa: PLR2004  # the control pictures of Unicode


def load_plain_tokenizer(folder: Path) -> Tokenizer | None:
    """Loads BERT's tokenizer, unchanged, without transformers; None if the folder has another one."""
    file = read_bert_tokenizer(folder)
    return None if file is None else _BertTokenizer(file)


class _BertTokenizer:
    def __init__(self, file: BertTokenizerFile) -> None:
        self._tokenizer, self.max_length, tokens = file
        self._tokenizer.no_padding()
        self._lock = threading.Lock()
        self.tokens, self.unused = indexable(tokens)
        self.padding = tokens.index("[PAD]")

    def token_ids(self, texts: Sequence[str], max_length: int, *, special: bool = True) -> list[list[int]]:
        with self._lock:  # the truncation length is state of the tokenizer
            self._tokenizer.enable_truncation(max_length)
            encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=special)
        return [encoding.ids for encoding in encodings]

    def read_words(self, text: str, max_length: int) -> Reading:
        with self._lock:
            self._tokenizer.enable_truncation(max_length)
            encoding = self._tokenizer.encode(text)
        tokens = [self.tokens[entry] for entry in encoding.ids]
        return Reading(join_tokens(tokens, encoding.word_ids, encoding.offsets), bool(encoding.overflowing))


class _TransformersTokenizer:
    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        load: Any = AutoTokenizer
        with quiet_transformers():
            self._tokenizer = load.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._lock = threading.Lock()
        entries = {entry: token for token, entry in self._tokenizer.get_vocab().items()}
        self.tokens, self.unused = indexable([entries.get(entry) for entry in range(max(entries) + 1)])
        self.max_length = int(self._tokenizer.model_max_length)
        self.padding: int = self._tokenizer.pad_token_id or 0

    def token_ids(self, texts: Sequence[str], max_length: int, *, special: bool = True) -> list[list[int]]:
        if not texts:
            return []
        with self._lock:  # the truncation length is state of the tokenizer
            encoding = self._tokenizer(
                list(texts), truncation=True, max_length=max_length, return_attention_mask=False, add_special_tokens=special
            )
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
        tokens = [self.tokens[entry] for entry in encoding["input_ids"][0]]
        return Reading(join_tokens(tokens, encoding.word_ids(0), encoding["offset_mapping"][0]), len(encoding["input_ids"]) > 1)
