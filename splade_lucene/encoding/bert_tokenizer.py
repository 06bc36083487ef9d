"""Recognizes BERT's own tokenizer, of which ``tokenizer.json`` alone says everything that transformers would make of its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_SPECIAL = {name: f"[{name[:-6].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")}
_FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
_MODEL = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
# What BertTokenizer takes to its normalizer, with its defaults, by the names in tokenizer.json.
_NORMALIZER = {
    "lowercase": ("do_lower_case", True),
    "strip_accents": ("strip_accents", None),
    "handle_chinese_chars": ("tokenize_chinese_chars", True),
}
# Settings of tokenizer_config.json that are looked at elsewhere, or make no difference: of decoding, of padding, of where the files
# came from, and what is told anew for each text.
_IRRELEVANT = {
    *("added_tokens_decoder", "backend", "clean_up_tokenization_spaces", "is_local", "local_files_only", "max_length", "model_max_length"),
    *("name_or_path", "pad_to_multiple_of", "pad_token_type_id", "padding_side", "special_tokens_map_file", "stride"),
    *("truncation_strategy", *(setting for setting, _ in _NORMALIZER.values())),
}
# What the others may be; where there is another name or value, transformers is asked.
_EXPECTED: dict[str, tuple[Any, ...]] = {
    "additional_special_tokens": ([],),
    "do_basic_tokenize": (True,),
    "extra_special_tokens": ([], {}),
    "never_split": (None, []),
    "tokenizer_class": ("BertTokenizer", "BertTokenizerFast"),
    "truncation_side": ("right",),
    **{name: (token,) for name, token in _SPECIAL.items()},
}
_NO_LIMIT = 1 << 62


class BertTokenizerFile(NamedTuple):
    """A tokenizer that was read.

    Attributes:
        tokenizer: of the ``tokenizers`` library.
        max_length: the number of tokens that the model was made for.
        vocabulary: the tokens in the order of their ids.
    """

    tokenizer: Tokenizer
    max_length: int
    vocabulary: Sequence[str]


def read_bert_tokenizer(folder: Path) -> BertTokenizerFile | None:
    """Reads the tokenizer of a model folder if it is BERT's, unchanged.

    Args:
        folder: with ``tokenizer.json`` and ``tokenizer_config.json``.

    Returns:
        None if it is another, has settings of its own, or is damaged, all of which is left to transformers to read or complain about.
    """
    from tokenizers import Tokenizer

    try:
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        specials = folder / "special_tokens_map.json"
        settings |= json.loads(specials.read_text(encoding="utf-8")) if specials.is_file() else {}
        saved = json.loads(text)
        if (folder / "added_tokens.json").is_file() or not (_is_plain(settings) and _is_bert(saved, settings)):
            return None
        entries = saved["model"]["vocab"]
        return BertTokenizerFile(
            Tokenizer.from_str(text), int(settings.get("model_max_length", _NO_LIMIT)), sorted(entries, key=entries.__getitem__)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_plain(settings: dict[str, Any]) -> bool:
    """Whether ``tokenizer_config.json`` has nothing that would change BERT's tokenizer but what :func:`_is_bert` looks at."""
    for name, value in settings.items():
        content = value["content"] if name in _SPECIAL and isinstance(value, dict) else value
        if name not in _IRRELEVANT and content not in _EXPECTED.get(name, ()):
            return False
    return "tokenizer_class" in settings


def _is_bert(saved: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Whether ``tokenizer.json`` says what transformers' BertTokenizer would make of its vocabulary and the settings."""
    vocabulary, post = saved["model"]["vocab"], saved["post_processor"]
    special = {vocabulary[token]: {"content": token, **_FLAGS} for token in _SPECIAL.values()}
    first, last = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("[CLS]", "[SEP]"))
    normalizer = {name: settings.get(setting, default) for name, (setting, default) in _NORMALIZER.items()}
    return (
        saved["model"] == _MODEL | {"vocab": vocabulary}
        and sorted(vocabulary.values()) == list(range(len(vocabulary)))
        and {token.pop("id"): token for token in saved["added_tokens"]} == special
        and settings.get("added_tokens_decoder", {}) in ({}, {str(entry): token for entry, token in special.items()})
        and saved["normalizer"] == {"type": "BertNormalizer", "clean_text": True, **normalizer}
        and saved["pre_tokenizer"] == {"type": "BertPreTokenizer"}
        and post["type"] == "TemplateProcessing"
        and post["single"] == [first, {"Sequence": {"id": "A", "type_id": 0}}, last]
        and all(post["special_tokens"][token]["ids"] == [vocabulary[token]] for token in ("[CLS]", "[SEP]"))
    )
