from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splade_lucene.lucene.impact_text import Posted, QuickReader, impact_text

NASTY = [
    '"',
    "\\",
    ",",
    ":",
    "{",
    "}",
    "{}",
    '},"contents":',
    "':",
    '":',
    ":5,",
    "a,",
    ",a",
    ":a",
    "##s",
    "😀",
    "\u2028",
    "\u200b",
    " ",
    "",
]
TOKENS = st.sampled_from([*NASTY, "a", "b", "é"])
WORDS = TOKENS | st.text(max_size=6)


def line_of(docid: str, vector: dict[str, int], contents: str | None) -> str:
    item = {"id": docid, "vector": vector} | ({} if contents is None else {"contents": contents})
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


@given(st.text(min_size=1, max_size=5), st.dictionaries(WORDS, st.integers(-1, 1 << 25), max_size=6), st.none() | WORDS)
def test_what_is_read_quickly_is_what_json_reads(docid: str, vector: dict[str, int], contents: str | None) -> None:
    posted = QuickReader().read(line_of(docid, vector, contents))
    if posted is not None:
        assert posted == Posted(docid, impact_text(vector), contents)
        assert all(token.split() == [token] and impact > 0 for token, impact in vector.items())


@given(st.dictionaries(st.sampled_from(["a", "b", '"', "\\", ",", ":", "😀", "##s", "}"]), st.integers(1, 99_999)), st.none() | WORDS)
def test_what_encode_writes_is_read_quickly(vector: dict[str, int], contents: str | None) -> None:
    assert QuickReader().read(line_of("d1", vector, contents)) == Posted("d1", impact_text(vector), contents)


def test_a_reader_that_has_learned_reads_the_same() -> None:
    reader = QuickReader()
    lines = [line_of("d1", {"a": 1, '"': 2, ":": 3}, None), line_of("d2", {":": 1, ",": 2, "a": 3}, "text"), line_of("d3", {}, None)]
    assert [reader.read(line) for line in lines] == [reader.read(line) for line in lines]


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a","vector":{"x":1}}',
        '{"id":"a","vector":{"x":1}',
        '{"id":"a","vector":{"x":1}}}',
        '{"id":"a","vector":{"x":1,}}',
        '{"id":"a","vector":{"x":1,"x":2}}',
        '{"id":"a","vector":{"x":01}}',
        '{"id":"a","vector":{"x":1.0}}',
        '{"id":"a","vector":{"x":-1}}',
        '{"id":"a","vector":{"x":0}}',
        '{"id":"a","vector":{"x":"1"}}',
        '{"id":"a","vector":{"x":16777216}}',
        '{"id":"a","vector":{"x y":1}}',
        '{"id":"a","vector":{"x\x02":1}}',
        '{"id":"a","vector":{"x\\u0020":1}}',
        '{"id":"a","vector":{"":1}}',
        '{"id":"a","vector":{"x":1},"contents":5}',
        '{"id":"a","vector":{"x":1},"contents":"a"',
        '{"id":"a","vector":{"x":1},"contents":"a"}}',
        '{"id":"a b","vector":{"x":1}}',
        '{"id":"a\\"","vector":{"x":1}}',
        '{"vector":{"x":1},"id":"a"}',
        '["id":"a","vector":{"x":1}}',
        "",
    ],
)  # fmt: skip
def test_any_other_line_is_left_to_the_reader_that_says_what_is_wrong(line: str) -> None:
    assert QuickReader().read(line) is None
