"""Parts of a collection, written by several machines into one folder, become what one writer would have written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.errors import InputError
from splade_lucene.records import EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.check import check_vectors, merge_parts
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.parts import Part, parts_in
from splade_lucene.vectors.writer import VectorWriter
from tests.vector_factory import ENCODER

SETTINGS = VectorSettings(128, shard_size=2)
PASSAGES = [Passage(f"d{number}", f"text {number}") for number in range(9)]
OF = 3


class Killed(BaseException):
    """Stands for the end of the process."""


def write(
    out: Path,
    part: Part | None = None,
    *,
    passages: list[Passage] = PASSAGES,
    stop: int = 99,
    overwrite: bool = False,
    encoder: EncoderRecord = ENCODER,
    settings: VectorSettings = SETTINGS,
) -> Manifest:
    """Writes shards of two passages; is killed in the one with the number ``stop``."""

    def vectors(shard: list[Passage], number: int) -> Iterator[ImpactVector]:
        yield ImpactVector(shard[0].doc_id, {"token": number + 1})
        if number == stop:
            raise Killed
        for passage in shard[1:]:
            yield ImpactVector(passage.doc_id, {"token": number + 1, "second": 7})

    writer = VectorWriter(out, encoder=encoder, settings=settings, part=part, overwrite=overwrite)
    for number, start in enumerate(range(0, len(passages), 2)):
        shard = passages[start : start + 2]
        writer.write_shard(shard, vectors(shard, number))
    return writer.finish()


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    write(tmp_path / "alone")
    return tmp_path / "alone"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The folder in which all parts are finished."""
    for number in (2, 1, 3):
        write(tmp_path / "out", Part(number, OF))
    return tmp_path / "out"


def test_merged_parts_are_byte_for_byte_what_one_writer_writes(out: Path, alone: Path) -> None:
    assert {name for name in files(out) if name.startswith("manifest")} == {f"manifest.{number}-of-3.json" for number in (1, 2, 3)}
    assert check_vectors(out) == check_vectors(alone)
    assert merge_parts(out) == check_vectors(alone)
    assert files(out) == files(alone)
    assert merge_parts(out) == check_vectors(alone)  # once more
    assert files(out) == files(alone)


@pytest.mark.parametrize("of", [1, 2, 5, 8])
def test_any_number_of_parts_gives_the_same(tmp_path: Path, alone: Path, of: int) -> None:
    for number in range(1, of + 1):
        write(tmp_path / "out", Part(number, of))
    merge_parts(tmp_path / "out")
    assert files(tmp_path / "out") == files(alone)


def test_writers_side_by_side_leave_each_other_alone(tmp_path: Path, alone: Path) -> None:
    out = tmp_path / "out"
    writers = [VectorWriter(out, encoder=ENCODER, settings=SETTINGS, part=Part(number, OF)) for number in (1, 2, 3)]
    (out / "vectors").mkdir()
    half = out / "vectors" / ".part-00001.jsonl.abc.tmp"  # part 2 is writing its first shard
    half.write_text("{")
    write(out, Part(1, OF))
    write(out, Part(3, OF))
    assert half.exists()
    for start in range(0, len(PASSAGES), 2):
        shard = PASSAGES[start : start + 2]
        bags = [{"token": start // 2 + 1}, {"token": start // 2 + 1, "second": 7}]
        writers[1].write_shard(shard, [ImpactVector(passage.doc_id, bag) for passage, bag in zip(shard, bags, strict=False)])
    writers[1].finish()
    half.unlink()
    merge_parts(out)
    assert files(out) == files(alone)


@pytest.mark.parametrize("stop", range(5))
def test_a_part_that_was_killed_is_named_goes_on_and_gives_the_same(tmp_path: Path, alone: Path, stop: int) -> None:
    out, killed = tmp_path / "out", Part(stop % OF + 1, OF)
    for number in range(1, OF + 1):
        if number == killed.number:
            with pytest.raises(Killed):
                write(out, killed, stop=stop)
        else:
            write(out, Part(number, OF))
    with pytest.raises(InputError, match=rf"part {killed} stopped after \d passages; run encode with --part {killed} to finish"):
        check_vectors(out)
    with pytest.raises(InputError, match=f"part {killed} stopped"):
        merge_parts(out)
    finished = {file: file.stat().st_mtime_ns for file in (out / "vectors").iterdir()}
    write(out, killed)
    assert finished.items() <= {file: file.stat().st_mtime_ns for file in (out / "vectors").iterdir()}.items()
    merge_parts(out)
    assert files(out) == files(alone)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    write(tmp_path / "out", Part(2, 4))
    with pytest.raises(InputError, match="part 1/4 is missing, part 3/4 is missing, part 4/4 is missing; run encode with --part 1/4, --pa"):
        check_vectors(tmp_path / "out")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"encoder": replace(ENCODER, precision="bf16")}, "part 1/2 has the encoder value precision = fp32, part 2/2 has bf16"),
        ({"settings": SETTINGS._replace(max_length=64)}, "part 1/2 has the settings value max_length = 128, part 2/2 has 64"),
        ({"passages": PASSAGES[:-1]}, "part 1/2 has the collection value passages = 9, part 2/2 has 8"),
        ({"passages": [PASSAGES[0]._replace(text="other"), *PASSAGES[1:]]}, "part 1/2 has the collection value sha256 = "),
    ],
    ids=["encoder", "settings", "longer collection", "other collection"],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, other: dict[str, Any], reason: str) -> None:
    write(tmp_path / "out", Part(1, 2))
    write(tmp_path / "out", Part(2, 2), **other)
    before = files(tmp_path / "out")
    for join in (check_vectors, merge_parts):
        with pytest.raises(InputError, match=f"{reason}.*; encode one of them again with --overwrite"):
            join(tmp_path / "out")
    assert files(tmp_path / "out") == before
    write(tmp_path / "out", Part(2, 2), overwrite=True)
    assert check_vectors(tmp_path / "out").passages == 9


def test_another_division_is_refused(out: Path) -> None:
    before = files(out)
    for part, reason in ((Part(1, 2), "was started in 3 parts; this run has --part 1/2"), (None, "was started in 3 parts; give --part")):
        with pytest.raises(InputError, match=reason):
            write(out, part)
    assert files(out) == before


def test_a_part_of_what_one_writer_began_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        write(tmp_path / "out", stop=2)
    with pytest.raises(InputError, match="was started without --part"):
        write(tmp_path / "out", Part(1, 2))


def test_parts_run_again_after_the_merge_change_nothing(out: Path) -> None:
    merge_parts(out)
    before = files(out)
    assert write(out, Part(1, OF)).complete
    assert files(out) == before
    for passages, reason in (
        (PASSAGES * 2, "fewer passages"),
        ([*PASSAGES[:2], *PASSAGES], "other passages"),
        (PASSAGES[:2], "more passages"),
    ):
        with pytest.raises(InputError, match=f"{reason}; the collection has changed, so use --overwrite"):
            write(out, Part(1, OF), passages=passages)
    assert files(out) == before


def test_a_merge_that_was_killed_is_finished_by_the_next(out: Path, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlink(file: Path, missing_ok: bool = False) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        with pytest.raises(Killed):
            merge_parts(out)
    assert len(parts_in(out)) == OF
    assert check_vectors(out) == check_vectors(alone)
    merge_parts(out)
    assert files(out) == files(alone)


def test_overwrite_with_all_parts_replaces_what_was_there(tmp_path: Path, alone: Path) -> None:
    out = tmp_path / "out"
    write(out, passages=PASSAGES * 3, encoder=replace(ENCODER, scale=7))
    for number in (3, 1, 2):
        write(out, Part(number, OF), overwrite=True)
    merge_parts(out)
    assert files(out) == files(alone)


def test_overwrite_without_parts_replaces_parts(out: Path, alone: Path) -> None:
    write(out, overwrite=True)
    assert files(out) == files(alone)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "splade_lucene part of vectors 1"}'])
def test_a_damaged_part_is_refused(out: Path, text: str) -> None:
    (out / "manifest.2-of-3.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest\.2-of-3\.json: is not a manifest"):
        check_vectors(out)


def test_the_command_encodes_parts_merges_and_indexes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus, out, whole = tmp_path / "corpus.tsv", tmp_path / "out", tmp_path / "whole"
    corpus.write_text("".join(f"d{number}\tThe glass of pane {number} will crack.\n" for number in range(11)))
    encode = ["encode", str(corpus), "--model", "tiny", "--shard-size", "3"]
    assert main([*encode, str(whole)]) == 0
    assert main([*encode, str(out), "--part", "1/2"]) == 0
    assert main(["index", str(out), str(tmp_path / "index")]) == 1
    assert main(["merge", str(out)]) == 1
    assert capsys.readouterr().err.count("part 2/2 is missing; run encode with --part 2/2 to finish") == 2
    assert main([*encode, str(out), "--shard", "2/2"]) == 0  # the old name
    assert "5 passages" in capsys.readouterr().out
    assert main(["index", str(out), str(tmp_path / "index")]) == 0
    assert json.loads((tmp_path / "index" / "splade_lucene.json").read_text())["documents"] == 11
    assert main(["merge", str(out)]) == 0
    assert "11 passages" in capsys.readouterr().out
    assert files(out) == files(whole)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/2", "1/-2", "1/2/3", "1.0/2"])
def test_nonsense_for_a_part_is_wrong_usage(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["encode", str(tmp_path), str(tmp_path / "out"), "--part", text])
    assert caught.value.code == 2
    assert "is not I/N with I from 1 to N" in capsys.readouterr().err
