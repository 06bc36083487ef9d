"""Properties: what is written is read again as it was, whatever it is; what tools downstream would corrupt is refused before."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.core.files import Lines, atomic_file
from splade_lucene.core.ids import is_usable
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.errors import InputError
from splade_lucene.evaluation.runs import read_run, write_run
from splade_lucene.records import Hit, ImpactVector, Passage, Qrel, Query, VectorSettings
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter
from tests.effort import rounds
from tests.vector_factory import ENCODER

modest = settings(
    deadline=None, max_examples=rounds(60, 15), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
Some = TypeVar("Some")

# Every character but lone surrogates, which no file can hold.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ids = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=12).filter(is_usable)
tokens = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda token: token.split() == [token] and "\x01" not in token
)
impacts = st.integers(1, 2**24 - 1)
vector = st.builds(ImpactVector, ids, st.dictionaries(tokens, impacts, max_size=8), st.none() | texts, st.none())
vectors = st.lists(vector, max_size=6, unique_by=lambda each: each.doc_id)
# At the start of a file it is a byte order mark.
first_ids = ids.filter(lambda name: not name.startswith("\ufeff"))


def in_folder(work: Callable[[Path], Some]) -> Some:
    """One folder an example: hypothesis runs many in one test."""
    with tempfile.TemporaryDirectory() as folder:
        return work(Path(folder))


@modest
@given(st.lists(texts.filter(lambda text: "\n" not in text and not text.endswith("\r")), max_size=8), st.booleans())
def test_lines(lines: list[str], packed: bool) -> None:
    def work(folder: Path) -> list[str]:
        import gzip

        data = "".join(line + "\n" for line in lines).encode()
        file = folder / ("a.gz" if packed else "a")
        file.write_bytes(gzip.compress(data) if packed else data)
        return list(Lines(file))

    # A byte order mark at the start is no text.
    expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
    assert in_folder(work) == expected


@modest
@given(texts)
def test_atomic_files_hold_what_was_written(text: str) -> None:
    def work(folder: Path) -> str:
        with atomic_file(folder / "a") as stream:
            stream.write(text)
        return (folder / "a").read_bytes().decode()

    assert in_folder(work) == text


@modest
@given(
    st.lists(st.builds(Passage, ids, texts, texts, st.none()), min_size=1, max_size=6, unique_by=lambda each: each.doc_id), st.booleans()
)
def test_passages(passages: list[Passage], ascii_only: bool) -> None:
    def work(folder: Path) -> list[Passage]:
        lines = ({"_id": each.doc_id, "title": each.title, "text": each.text} for each in passages)
        text = "".join(json.dumps(line, ensure_ascii=ascii_only) + "\n" for line in lines)
        (folder / "corpus.jsonl").write_bytes(text.encode())
        return list(read_passages(folder))

    assert in_folder(work) == passages


one_line = texts.filter(lambda text: "\n" not in text and not text.endswith("\r"))


@modest
@given(st.lists(st.builds(Query, first_ids, one_line), min_size=1, max_size=6, unique_by=lambda each: each.query_id))
def test_topics(queries: list[Query]) -> None:
    def work(folder: Path) -> list[Query]:
        (folder / "q.tsv").write_bytes("".join(f"{query.query_id}\t{query.text}\n" for query in queries).encode())
        return read_queries(folder / "q.tsv")

    assert in_folder(work) == queries


qrels = st.lists(st.builds(Qrel, first_ids, ids, st.integers(-2, 4)), min_size=1, max_size=6, unique_by=lambda each: each[:2])


@modest
@given(qrels, st.booleans())
def test_judgments(judgments: list[Qrel], trec: bool) -> None:
    def work(folder: Path) -> list[Qrel] | None:
        lines = ([each.query_id, "0", each.doc_id, str(each.relevance)] for each in judgments)
        text = "".join(" ".join(line) + "\n" if trec else "\t".join([line[0], *line[2:]]) + "\n" for line in lines)
        (folder / "qrels").write_bytes((text if trec else "query-id\tcorpus-id\tscore\n" + text).encode())
        if trec and not any(each.relevance for each in judgments):  # then the columns may be in another order
            with pytest.raises(InputError, match="the fourth of its columns is 0 in every line"):
                read_qrels(folder / "qrels")
            return None
        return read_qrels(folder / "qrels")

    assert in_folder(work) in (judgments, None)


scores = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 2**24 - 1).map(float)
hits = st.lists(st.builds(Hit, ids, scores), min_size=1, max_size=6, unique_by=lambda each: each.doc_id)


@modest
@given(st.dictionaries(first_ids, hits, min_size=1, max_size=4), ids)
def test_runs(run: dict[str, list[Hit]], tag: str) -> None:
    def work(folder: Path) -> dict[str, list[Hit]]:
        write_run(folder / "run", run, tag=tag)
        return read_run(folder / "run")

    found = in_folder(work)
    best_first = {query_id: sorted(some, key=lambda hit: (hit.score, hit.doc_id), reverse=True) for query_id, some in run.items()}
    assert (found, list(found)) == (best_first, list(run))


@modest
@given(st.text(min_size=1, max_size=5), st.sampled_from(["query", "docid", "tag"]), st.floats())
def test_what_a_run_could_not_carry_is_not_written(name: str, place: str, score: float) -> None:
    names = {"query": "q", "docid": "d", "tag": "t", place: name}

    def work(folder: Path) -> bool:
        try:
            write_run(folder / "run", {names["query"]: [Hit(names["docid"], score)]}, tag=names["tag"])
        except InputError:
            assert list(folder.iterdir()) == []
            return False
        assert read_run(folder / "run") == {names["query"].removeprefix("\ufeff"): [Hit(names["docid"], score)]}
        return True

    assert in_folder(work) == (is_usable(name) and bool(np.isfinite(score)))


weights = st.lists(st.just(0.0) | st.floats(0, 20, width=32), max_size=12)


@modest
@given(
    weights,
    st.builds(
        Quantization,
        st.integers(1, 1000),
        st.none() | st.integers(1, 6),
        st.none() | st.floats(0.001, 5),
        st.none() | st.integers(1, 16),
        st.none() | st.floats(0.01, 1),
        st.none(),
    ),
)
def test_quantization(some: list[float], quantization: Quantization) -> None:
    scale, top_k, min_weight, bits, max_ratio, _ = quantization
    positions, impacts = quantization.apply(np.array(some, np.float32))
    kept = [number for number, weight in enumerate(some) if weight > 0 and (min_weight is None or weight >= min_weight)]
    if max_ratio is not None:
        kept = [number for number in kept if some[number] >= max_ratio * max(some)]
    if top_k is not None:
        kept = sorted(sorted(kept, key=lambda number: (-some[number], number))[:top_k])
    rounded = {number: round(some[number] * scale) for number in kept}  # to even, as IEEE 754 does
    expected = {number: impact if bits is None else min(impact, 2**bits - 1) for number, impact in rounded.items() if impact > 0}
    assert dict(zip(positions.tolist(), impacts.tolist(), strict=True)) == expected
    assert positions.tolist() == sorted(positions.tolist())


@modest
@given(vectors)
def test_vectors(some: list[ImpactVector]) -> None:
    def work(folder: Path) -> list[ImpactVector]:
        writer = VectorWriter(folder / "out", encoder=ENCODER, settings=VectorSettings())
        writer.write_shard([Passage(each.doc_id, "") for each in some], some)
        writer.finish()
        return list(read_vectors(folder / "out"))

    assert in_folder(work) == some


anything = st.integers() | st.floats() | st.booleans() | st.text(max_size=2)


@modest
@given(st.text(max_size=6) | st.integers() | st.none(), st.text(max_size=6), anything)
def test_vectors_are_read_only_if_lucene_would_keep_them(doc_id: Any, token: str, impact: Any) -> None:
    def work(folder: Path) -> bool:
        (folder / "vectors").mkdir()
        line = json.dumps({"id": doc_id, "vector": {token: impact}})
        (folder / "vectors" / "part-00000.jsonl").write_text(line + "\n")
        try:
            assert list(read_vectors(folder)) == [ImpactVector(doc_id, {token: impact})]
        except InputError as error:
            assert str(error).startswith(f"{folder / 'vectors' / 'part-00000.jsonl'}, line 1: ")
            return False
        return True

    surrogates = any("\ud800" <= character <= "\udfff" for character in token)
    whole = token.split() == [token] and "\x01" not in token and not surrogates
    assert in_folder(work) == (is_usable(doc_id) and whole and type(impact) is int and 1 <= impact < 2**24)


def test_the_fuzzer_finds_nothing() -> None:
    """What scripts/fuzz does at length."""
    root = Path(__file__).parents[1]
    inputs = rounds(1000, 200)
    command = [sys.executable, "scripts/fuzz.py", "--inputs", str(inputs), "--seed", "1"]
    child = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert child.returncode == 0, child.stdout[-3000:] + child.stderr
    assert child.stdout.splitlines()[-1].startswith(f"fuzz: {inputs:,} inputs, 0 problems")
