"""Vectors read in Java: what it takes is what Python's reader makes of the line, and what ``encode`` writes it takes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splade_lucene.core.files import file_sha256
from splade_lucene.errors import InputError, JavaError
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.java import lucene_version, open_reader, stores
from splade_lucene.lucene.lucene_writer import OtherFormError, add_impacts, impact_writer
from splade_lucene.records import ImpactVector
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import vector_lines, vector_object
from tests.effort import rounds
from tests.vector_factory import write_vectors

NASTY = [
    *('"', "\\", ",", ":", "{", "}", "{}", '},"contents":', "':", '":', ":5,", "a,", ",a", ":a", "##s", "😀", "/", "é"),
    *("", " ", "\n", "\u2028", "\u200b", "\u00a0", "\u3000", "\x85", "\x1c", "\x7f", "\x01"),
    *("x" * 255, "x" * 256, "😀" * 127, "😀" * 128),
]
TOKENS = st.sampled_from([*NASTY, "a", "b"]) | st.text(max_size=6)
GOOD = st.sampled_from(
    [token for token in NASTY if token.split() == [token] and "\x01" not in token and len(token.encode("utf-16-le")) <= 510]
)
modest = settings(max_examples=rounds(60, 15), deadline=None)


def taken(lines: Sequence[bytes], *, checked: bool = False, contents: bool = False) -> list[ImpactVector] | None:
    """The vectors that an index of these lines holds; None if they were not taken."""
    with TemporaryDirectory() as folder:
        file, index = Path(folder) / "part-00000.jsonl", Path(folder) / "index"
        index.mkdir()
        file.write_bytes(b"\n".join(lines))
        with impact_writer(index) as writer:
            try:
                add_impacts(writer, [file], checked=checked, store_contents=contents)
            except OtherFormError:
                return None
        return vectors_of(index)


def vector_line(vector: ImpactVector) -> bytes:
    """As ``encode`` writes it."""
    stream = io.BytesIO()
    vector_lines(stream).write(vector_object(vector))
    return stream.getvalue()


def vectors_of(index: Path) -> list[ImpactVector]:
    reader = open_reader(index)
    try:
        fields = reader.storedFields()
        stored = [fields.document(number) for number in range(reader.maxDoc())]
        raw = [each.get("raw") for each in stored] if stores(reader, "raw") else [None] * len(stored)
        vectors = [ImpactVector(each.get("id"), {}, text and json.loads(text)["contents"]) for each, text in zip(stored, raw, strict=True)]
        assert all(text is None or json.loads(text)["id"] == vector.doc_id for text, vector in zip(raw, vectors, strict=True))
        for number in range(reader.leaves().size()):
            leaf = reader.leaves().get(number)
            terms = leaf.reader().terms("contents").iterator()
            while (term := terms.next()) is not None:
                postings = terms.postings(None)
                while (document := postings.nextDoc()) != 2147483647:
                    vectors[leaf.docBase + document].vector[term.utf8ToString()] = postings.freq()
        return vectors
    finally:
        reader.close()


def read_by_python(line: bytes) -> ImpactVector | None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "vectors").mkdir()
        (Path(folder) / "vectors" / "part-00000.jsonl").write_bytes(line)
        try:
            return next(read_vectors(Path(folder)), None)
        except InputError:
            return None


@modest
@given(st.text(min_size=1, max_size=5), st.dictionaries(TOKENS, st.integers(-1, 1 << 25), min_size=1, max_size=6), st.none() | TOKENS)
def test_what_is_taken_is_what_python_reads(doc_id: str, vector: dict[str, int], contents: str | None) -> None:
    item = {"id": doc_id} | ({} if contents is None else {"contents": contents}) | {"vector": vector}
    for ascii_only in (False, True):
        line = json.dumps(item, ensure_ascii=ascii_only, separators=(",", ":")).encode("utf-8", "surrogatepass")
        found = taken([line], contents=contents is not None)
        if found is not None:
            assert found == [read_by_python(line)]


@modest
@given(st.dictionaries(GOOD | st.sampled_from("abc"), st.integers(1, (1 << 24) - 1), min_size=1), st.none() | st.text(max_size=6))
def test_what_encode_writes_is_taken(vector: dict[str, int], contents: str | None) -> None:
    expected = ImpactVector("MED-10", vector, contents)
    assert taken([vector_line(expected)], contents=contents is not None) == [expected]


@modest
@given(st.text(min_size=1, max_size=9).filter(lambda name: name.split() == [name] and name.isprintable()), st.text(max_size=9))
def test_what_was_checked_is_taken(doc_id: str, contents: str) -> None:
    expected = ImpactVector(doc_id, {"\u200b": 5}, contents)
    assert taken([vector_line(expected)], checked=True, contents=True) == [expected]


def test_lines_of_any_length_in_any_number_of_files_are_taken(tmp_path: Path) -> None:
    lengths = [number**3 % 200_000 for number in range(1, 61, 60 // rounds(60, 6))]
    vectors = [ImpactVector(f"d{length}", {f"t{each}": each % 9 + 1 for each in range(length)}) for length in lengths]
    index = tmp_path / "index"
    build_impact_index(write_vectors(tmp_path / "out", vectors, shards=3), index)
    assert sorted(vectors_of(index)) == sorted(vectors)


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a","vector":{"x":1}}',
        '{"id":"a","vector":{"x":1}',
        '{"id":"a","vector":{"x":1}}}',
        '{"id":"a","vector":{"x":1}} ',
        '{"id":"a","vector":{"x":1,}}',
        '{"id":"a","vector":{,"x":1}}',
        '{"id":"a","vector":{"x":01}}',
        '{"id":"a","vector":{"x":1.0}}',
        '{"id":"a","vector":{"x":-1}}',
        '{"id":"a","vector":{"x":0}}',
        '{"id":"a","vector":{"x":}}',
        '{"id":"a","vector":{"x":"1"}}',
        '{"id":"a","vector":{"x":16777216}}',
        '{"id":"a","vector":{"x":9999999999}}',
        '{"id":"a","vector":{"x y":1}}',
        '{"id":"a","vector":{"x\x02":1}}',
        '{"id":"a","vector":{"x\\u0020":1}}',
        '{"id":"a","vector":{"x\\u00e":1}}',
        '{"id":"a","vector":{"x\\q":1}}',
        '{"id":"a","vector":{"x',
        '{"id":"a","vector":{"":1}}',
        '{"id":"a","vector":{"x":1},"contents":"text"}',
        '{"id":"a","contents":5,"vector":{"x":1}}',
        '{"id":"a b","vector":{"x":1}}',
        '{"id":"","vector":{"x":1}}',
        '{"id":"a\\"","vector":{"x":1}}',
        '{"id":5,"vector":{"x":1}}',
        '{"vector":{"x":1},"id":"a"}',
        '["id":"a","vector":{"x":1}}',
        "{" + '"id":"a","vector":{' + ",".join(f'"t{each}":16777215' for each in range(129)) + "}}",
        "null",
    ],
)  # fmt: skip
def test_any_other_line_is_left_to_python(line: str) -> None:
    assert taken([line.encode()]) is None


def test_bytes_that_are_no_utf8_are_left_to_python() -> None:
    assert taken([b'{"id":"a","vector":{"\xff":1}}']) is None
    assert taken([b'{"id":"a","contents":"\xff","vector":{"x":1}}'], contents=True) is None


def rewritten(out: Path, form: Callable[[str], str]) -> Path:
    """The same vectors in another form of JSON, as another program might write them."""
    shard = out / "vectors" / "part-00000.jsonl"
    shard.write_text("".join(map(form, shard.read_text().splitlines(keepends=True))))
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["shards"][0]["sha256"] = file_sha256(shard)
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out


def test_vectors_in_another_form_give_the_same_index(tmp_path: Path) -> None:
    vectors = [ImpactVector(f"d{number}", {'"': 1, "é": 2, f"t{number}": 3}) for number in range(2500)]
    out = write_vectors(tmp_path / "out", vectors)
    # The last line alone differs: what was added before it is not added twice.
    rewritten(out, lambda line: json.dumps(json.loads(line)) + "\n" if '"d2499"' in line else line)
    told: list[int] = []
    build_impact_index(out, tmp_path / "index", advance=told.append)
    assert vectors_of(tmp_path / "index") == vectors
    assert sum(told) == len(vectors)
    assert min(told) < 0


def test_a_vector_without_the_text_to_store_is_noticed(tmp_path: Path) -> None:
    vectors = [ImpactVector("d1", {"a": 1}, "text"), ImpactVector("d2", {"a": 1}, "text")]
    out = write_vectors(tmp_path / "out", vectors, contents=True)
    rewritten(out, lambda line: line.replace(',"contents":"text"', "") if "d2" in line else line)
    with pytest.raises(InputError, match="has a vector without the text to store; encode again with --store-contents"):
        build_impact_index(out, tmp_path / "index", store_contents=True)


def test_a_token_that_comes_twice_is_noticed(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("d1", {"a": 1, "b": 2})])
    rewritten(out, lambda line: line.replace('"b"', '"a"'))
    with pytest.raises(JavaError, match=r"1 \(term, document\) pairs were indexed where 2 were expected; no token may come twice"):
        build_impact_index(out, tmp_path / "index")
    assert not (tmp_path / "index").exists()


def javac_17() -> str:
    """The compiler that the committed classes were made with; without one the test fails on CI and is skipped elsewhere."""
    there = [*map(str, Path("/usr/lib/jvm").glob("*17*/bin/javac")), shutil.which("javac")]
    for javac in (each for each in there if each):
        if subprocess.run([javac, "-version"], capture_output=True, text=True, check=True).stdout.startswith("javac 17."):
            return javac
    reason = "javac 17 is needed to compile the Java sources again (Debian and Ubuntu: openjdk-17-jdk-headless)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def test_the_compiled_classes_are_those_of_the_sources(tmp_path: Path) -> None:
    """Compiled again they are the same, byte for byte; other releases of javac may order things in another way."""
    if not lucene_version().startswith("9."):
        pytest.skip("the classes are compiled against Lucene 9, for both generations; the jar here has Lucene 10")
    root = Path(__file__).parents[1]
    environment = {**os.environ, "JAVAC": javac_17(), "PYTHON": sys.executable}
    subprocess.run([root / "scripts" / "build_java", tmp_path], check=True, capture_output=True, env=environment)
    compiled, committed = tmp_path, root / "splade_lucene/lucene/classes"
    assert {file.relative_to(compiled): file.read_bytes() for file in compiled.rglob("*.class")} == {
        file.relative_to(committed): file.read_bytes() for file in committed.rglob("*.class")
    }
