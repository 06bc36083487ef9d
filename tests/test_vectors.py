from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.core.files import file_sha256
from splade_lucene.errors import InputError
from splade_lucene.records import EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import Manifest, read_manifest
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter
from tests.vector_factory import ENCODER, SIDE

SETTINGS = VectorSettings(128)
SHARDS = [[Passage("d1", "one", "Title"), Passage("d2", "two")], [Passage("d3", "three")]]
VECTORS = [
    [ImpactVector("d1", {"token": 12, "##é": 1, '"\\': 3}), ImpactVector("d2", {})],
    [ImpactVector("d3", {"日本": 2**24 - 1, "x" * 255: 1}, "three \u2028\n\t\x85é")],
]


def writer(out: Path, *, encoder: EncoderRecord = ENCODER, settings: VectorSettings = SETTINGS, overwrite: bool = False) -> VectorWriter:
    return VectorWriter(out, encoder=encoder, settings=settings, overwrite=overwrite)


def write_all(out: Path, shards: int = 2) -> Manifest:
    target = writer(out)
    for number in range(shards):
        target.write_shard(SHARDS[number], VECTORS[number])
    return target.finish()


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def put(out: Path, *lines: str) -> Path:
    file = out / "vectors" / "part-00000.jsonl"
    file.parent.mkdir()
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_all(tmp_path / "out")
    return tmp_path / "out"


def test_what_was_written_is_read_back(out: Path) -> None:
    assert list(read_vectors(out)) == [*VECTORS[0], *VECTORS[1]]


def test_lines_are_what_anserini_reads(out: Path) -> None:
    first, second = (out / "vectors" / "part-00000.jsonl").read_text().splitlines()
    assert json.loads(first) == {"id": "d1", "vector": {"token": 12, "##é": 1, '"\\': 3}}
    assert json.loads(second) == {"id": "d2", "vector": {}}
    assert sorted(each.name for each in out.iterdir()) == ["manifest.json", "vectors"]


def test_the_manifest_counts_passages_empty_vectors_and_postings(out: Path) -> None:
    manifest = check_vectors(out)
    assert manifest == read_manifest(out)
    assert (manifest.passages, manifest.empty, manifest.postings, manifest.complete) == (3, 1, 5, True)
    assert [shard[:4] for shard in manifest.shards] == [("part-00000.jsonl", 2, 1, 3), ("part-00001.jsonl", 1, 0, 2)]
    assert [shard.sha256 for shard in manifest.shards] == [file_sha256(out / "vectors" / shard.file) for shard in manifest.shards]
    assert (manifest.encoder, manifest.settings) == (ENCODER, SETTINGS)
    assert json.loads((out / "manifest.json").read_text()).items() >= {"passages": 3, "empty": 1, "postings": 5}.items()


def test_a_new_folder_has_a_manifest_that_is_not_complete(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert writer(tmp_path / "out").manifest == read_manifest(tmp_path / "out") == Manifest(ENCODER, SETTINGS)


def test_a_shard_interrupted_by_an_error_leaves_the_finished_ones_and_can_be_resumed(out: Path, tmp_path: Path) -> None:
    def interrupted() -> Iterator[ImpactVector]:
        yield VECTORS[1][0]
        raise KeyboardInterrupt

    resumed = tmp_path / "resumed"
    first = writer(resumed)
    first.write_shard(SHARDS[0], VECTORS[0])
    with pytest.raises(KeyboardInterrupt):
        first.write_shard(SHARDS[1], interrupted())
    assert files(resumed / "vectors").keys() == {"part-00000.jsonl"}
    with pytest.raises(InputError, match="encoding stopped after 2 passages; run the same encode command again"):
        check_vectors(resumed)
    again = writer(resumed)
    assert [again.needs(shard) is None for shard in SHARDS] == [True, False]
    write_all(resumed)
    assert files(resumed) == files(out)


@pytest.mark.parametrize("moment", ["before the manifest", "in a shard", "before the shard is recorded"])
def test_a_killed_process_can_be_resumed_to_the_same_bytes(out: Path, tmp_path: Path, moment: str) -> None:
    script = """
import os, signal, sys
from pathlib import Path
import tests.test_vectors as t
out, moment = Path(sys.argv[1]), sys.argv[2]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
def audit(event, args):  # called before a file takes its name
    if event == "os.rename":
        renamed.append(Path(args[1]).name)
        if len(renamed) == {"before the manifest": 1, "before the shard is recorded": 5}.get(moment):
            die()
renamed = []
sys.addaudithook(audit)
def vectors():
    yield t.VECTORS[1][0]
    if moment == "in a shard":
        die()
target = t.writer(out)
target.write_shard(t.SHARDS[0], t.VECTORS[0])
target.write_shard(t.SHARDS[1], vectors())
"""
    resumed = tmp_path / "resumed"
    child = subprocess.run([sys.executable, "-c", script, str(resumed), moment], cwd=Path(__file__).parents[1], check=False)
    assert child.returncode == -signal.SIGKILL
    assert write_all(resumed) == check_vectors(resumed)
    assert files(resumed) == files(out)


def test_a_finished_folder_is_left_alone(out: Path) -> None:
    before = files(out)
    assert write_all(out) == read_manifest(out)
    assert files(out) == before


@pytest.mark.parametrize(
    "changed", [[Passage("d1", "other", "Title"), SHARDS[0][1]], SHARDS[0][:1], SHARDS[0][::-1], [Passage("d1", "Title one"), SHARDS[0][1]]]
)
def test_a_shard_of_other_passages_is_refused(out: Path, changed: list[Passage]) -> None:
    with pytest.raises(InputError, match=r"part-00000\.jsonl was made from other passages.*--overwrite"):
        writer(out).needs(changed)


def test_a_collection_that_became_shorter_is_refused(out: Path) -> None:
    with pytest.raises(InputError, match="a collection with more passages"):
        write_all(out, shards=1)


def test_a_collection_that_is_being_made_longer_is_not_complete(tmp_path: Path) -> None:
    write_all(tmp_path / "out", shards=1)
    longer = writer(tmp_path / "out")
    for number in range(2):
        longer.write_shard(SHARDS[number], VECTORS[number])  # and stops before finish()
    with pytest.raises(InputError, match="encoding stopped after 3 passages"):
        check_vectors(tmp_path / "out")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"encoder": replace(ENCODER, scale=10)}, "scale=100 (encoder); this run uses scale=10"),
        (
            {"encoder": replace(ENCODER, document=replace(SIDE, revision="abc"))},
            "document.revision=None (encoder); this run uses document.revision=abc",
        ),
        ({"encoder": replace(ENCODER, query=replace(SIDE, pooling="sum"))}, "query.pooling=max (encoder); this run uses query.pooling=sum"),
        ({"settings": SETTINGS._replace(max_length=256)}, "max_length=128 (settings); this run uses max_length=256"),
        ({"settings": SETTINGS._replace(contents=True)}, "contents=False (settings); this run uses contents=True"),
    ],
)
def test_other_encoders_and_settings_are_refused_by_name_unless_overwritten(out: Path, other: dict[str, Any], reason: str) -> None:
    (out / "README").write_text("mine")
    before = files(out)
    with pytest.raises(InputError, match=f"^{re.escape(str(out))}: was started with {re.escape(reason)}; .*--overwrite"):
        writer(out, **other)
    assert files(out) == before
    assert writer(out, **other, overwrite=True).manifest.shards == ()
    assert files(out).keys() == {"manifest.json", "README"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("names", [["out"], ["out/notes.txt"], ["out/notes.txt", "out/vectors/mine.txt"]])
def test_what_is_not_ours_is_refused_and_kept(tmp_path: Path, names: list[str], overwrite: bool) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    with pytest.raises(InputError, match="not made by"):
        writer(tmp_path / "out", overwrite=overwrite)
    assert files(tmp_path).keys() == {*names}


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "splade_lucene vectors 0"}', '{"format": "splade_lucene vectors 1"}'])
def test_a_manifest_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: .*encode again"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_folder_of_vectors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        check_vectors(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("part-00000.jsonl", None, "is missing"),
        ("part-00002.jsonl", "{}", "is not in the manifest"),
        ("part-00001.jsonl", '{"id":"d3","vector":{"a":1}}\n', "was changed after encoding"),
    ],
    ids=["missing", "extra", "changed"],
)
def test_shards_that_are_not_as_they_were_written_are_refused(out: Path, name: str, text: str | None, reason: str) -> None:
    (out / "vectors" / name).unlink(missing_ok=True)
    if text is not None:
        (out / "vectors" / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}: {reason}"):
        check_vectors(out)


@pytest.mark.parametrize("impact", ["1.5", "1.0", "true", "0", "-3", "null", '"3"', "[1]", "NaN", "16777216"])
def test_impacts_that_are_no_positive_integers_or_cannot_be_scored_exactly_are_refused(tmp_path: Path, impact: str) -> None:
    file = put(tmp_path, '{"id": "d1", "vector": {"a": 1}}', f'{{"id": "d2", "vector": {{"a": 1, "b": {impact}}}}}')
    with pytest.raises(InputError, match=f"^{re.escape(str(file))}, line 2: document 'd2' has the impact .* for 'b'"):
        list(read_vectors(tmp_path))


@pytest.mark.parametrize("token", ["", "a b", " a", "a\n", "a\u00a0b", "a\u2028", "a\x01b", "x" * 256, "\U0001f600" * 128])
def test_tokens_that_lucene_would_split_are_refused(tmp_path: Path, token: str) -> None:
    file = put(tmp_path, json.dumps({"id": "d1", "vector": {token: 1}}))
    with pytest.raises(InputError, match=f"^{re.escape(str(file))}, line 1: document 'd1' has the token .*Lucene would split"):
        list(read_vectors(tmp_path))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "d2"}', "document 'd2' has no object 'vector'"),
        ('{"id": "d2", "vector": [1]}', "document 'd2' has no object 'vector'"),
        ('{"id": "d1", "vector": {}}', "duplicate id 'd1'"),
        ('{"id": 2, "vector": {}}', "the id 2 cannot be used"),
        ('{"vector": {}}', "the id None cannot be used"),
        ('{"id": "d 2", "vector": {}}', "the id 'd 2' .* white space"),
        ('{"id": "d2", ', "not a JSON object"),
    ],
)
def test_lines_that_are_no_vectors_are_refused_with_their_place(tmp_path: Path, line: str, reason: str) -> None:
    file = put(tmp_path, '{"id": "d1", "vector": {"a": 1}}', line)
    with pytest.raises(InputError, match=f"^{re.escape(str(file))}, line 2: {reason}"):
        list(read_vectors(tmp_path))
