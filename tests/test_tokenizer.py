"""BERT's tokenizer read without transformers: the same tokens, and no other tokenizer mistaken for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.collections.passages import read_passages
from splade_lucene.encoding.bert_tokenizer import read_bert_tokenizer
from splade_lucene.encoding.loading import find_model
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.tokenizer import load_tokenizer
from tests.effort import rounds

FILE, SETTINGS, SPECIALS = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"
NASTY = [
    "",
    "   ",
    "[CLS] [SEP]x [MASK]y [UNK][PAD]",
    "héllo WÖRLD İstanbul straße",
    "日本語のテキスト 中文",
    "a" * 300,
    "😀👩\u200d👩\u200d👧 e\u0301",
    "\x00\x01 \u200b tab\t nb\u00a0sp \ufffd",
    "ﬁ ﬂ ½ ①",
    "##s ## # l'été don't",
    "word " * 700,
]


@pytest.fixture
def folder(tiny: SpladeModel, tmp_path: Path) -> Path:
    """A copy of the tokenizer of ``tiny``, with what else a tokenizer saved by transformers may have."""
    for file in (FILE, SETTINGS):
        shutil.copy(find_model(tiny.name).folder / file, tmp_path / file)
    (tmp_path / SPECIALS).write_text('{"cls_token": "[CLS]", "unk_token": {"content": "[UNK]", "lstrip": false}}', encoding="utf-8")
    return tmp_path


def change(folder: Path, file: str, path: list[str | int], value: Any) -> None:
    """Sets one place of a JSON file."""
    saved = json.loads((folder / file).read_text(encoding="utf-8"))
    place = saved
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / file).write_text(json.dumps(saved), encoding="utf-8")


def check_against_transformers(folder: Path, texts: list[str]) -> None:
    """Compares tokens, lengths and words with what transformers says."""
    from transformers import AutoTokenizer

    ours, theirs = load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    assert ours.tokens == theirs.convert_ids_to_tokens(list(range(len(theirs))))
    assert (ours.max_length, ours.padding) == (theirs.model_max_length, theirs.pad_token_id)
    for length in (3, 24, 512):
        assert ours.token_ids(texts, length) == theirs(texts, truncation=True, max_length=length)["input_ids"]
    for text in texts[:100]:
        encoding = theirs(text, truncation=True, max_length=32, return_offsets_mapping=True, return_overflowing_tokens=True)
        words: dict[int, list[tuple[int, int, str]]] = {}
        for number, (start, end), token in zip(encoding.word_ids(0), encoding["offset_mapping"][0], encoding.tokens(0), strict=True):
            if number is not None:
                words.setdefault(number, []).append((start, end, token))
        reading = ours.read_words(text, 32)
        assert reading.words == [(pieces[0][0], pieces[-1][1], tuple(piece[2] for piece in pieces)) for pieces in words.values()]
        assert reading.cut == (len(encoding["input_ids"]) > 1)


def test_nasty_texts_get_the_tokens_of_transformers(folder: Path) -> None:
    assert read_bert_tokenizer(folder) is not None
    check_against_transformers(folder, NASTY)


def test_real_passages_get_the_tokens_of_transformers(folder: Path, real_collection: Callable[[str], Path]) -> None:
    passages = list(read_passages(real_collection("nfcorpus")))
    passages = passages[: rounds(len(passages), 500)]
    check_against_transformers(folder, [f"{passage.title} {passage.text}" for passage in passages])


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        (SETTINGS, ["strip_accents"], False),
        (SETTINGS, ["tokenize_chinese_chars"], False),
        (FILE, ["normalizer", "lowercase"], False),
        (FILE, ["pre_tokenizer"], {"type": "Whitespace"}),
        (FILE, ["added_tokens", 3, "lstrip"], True),
        (FILE, ["model", "max_input_chars_per_word"], 20),
        (FILE, ["post_processor", "special_tokens", "[SEP]", "ids"], [103]),
        (SETTINGS, ["truncation_side"], "left"),
        (SETTINGS, ["tokenizer_class"], "PreTrainedTokenizerFast"),
        (SETTINGS, ["additional_special_tokens"], ["[NEW]"]),
        (SETTINGS, ["something_new"], True),
        (SPECIALS, ["sep_token"], "[PAD]"),
        ("added_tokens.json", ["glass"], 30522),
    ],
)
def test_a_tokenizer_with_settings_of_its_own_is_left_to_transformers(folder: Path, file: str, path: list[str | int], value: Any) -> None:
    if not (folder / file).exists():
        (folder / file).write_text("{}", encoding="utf-8")
    change(folder, file, path, value)
    assert read_bert_tokenizer(folder) is None


@pytest.mark.parametrize("setting", ["do_lower_case", "strip_accents"])
def test_settings_that_both_files_agree_on_are_kept(folder: Path, setting: str) -> None:
    name = {"do_lower_case": "lowercase"}.get(setting, setting)
    change(folder, SETTINGS, [setting], False)
    change(folder, FILE, ["normalizer", name], False)
    assert read_bert_tokenizer(folder) is not None
    check_against_transformers(folder, NASTY)


def test_the_list_of_added_tokens_that_transformers_writes_is_known(folder: Path) -> None:
    added = json.loads((folder / FILE).read_text(encoding="utf-8"))["added_tokens"]
    decoder = {str(token.pop("id")): token for token in added}
    change(folder, SETTINGS, ["added_tokens_decoder"], decoder)
    assert read_bert_tokenizer(folder) is not None
    decoder["100"]["special"] = False
    change(folder, SETTINGS, ["added_tokens_decoder"], decoder)
    assert read_bert_tokenizer(folder) is None


def test_tiny_needs_no_transformers(tiny: SpladeModel) -> None:
    code = (
        "import sys; from splade_lucene.encoding.model import SpladeModel\n"
        "print(SpladeModel.load('tiny', device='cpu').encode_queries(['glass stress'])[0]['glass'], 'transformers' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == f"{tiny.encode_queries(['glass stress'])[0]['glass']} False\n"
