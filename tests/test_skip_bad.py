"""``--skip-bad``: bad lines are left out, listed and counted; what is left is as if they had never been there."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.core.files import MAX_LINE
from splade_lucene.vectors.manifest import read_manifest

GOOD = [b'{"_id": "d%d", "text": "A pane of glass number %d."}' % (number, number) for number in range(10)]
NO_ID = "the field '_id', 'id', 'pid', 'docid', 'doc_id' or 'docno' is missing; add it, name another with --id-field, or remove the line"
BAD = [
    (b'{"_id": "x", "text": ', "not a JSON object (Expecting value at column 22); correct or remove the line"),
    (b'{"text": "x"}', NO_ID),
    (b'{"_id": "d1", "text": "again"}', "duplicate id 'd1'; ids must be unique, so rename or remove one"),
    ('{"_id": "x", "text": "é"}'.encode("latin-1"), "not UTF-8 (invalid continuation byte at byte 22); convert the file to UTF-8"),
    (b'{"_id": "x", "text": null}', "the field 'text' is null; make it a string"),
    (b"x" * (MAX_LINE + 7), "longer than 32 MiB; write one passage per line, or split it"),
    (b'{"_id": "x", "text": "\\ud800"}', "the field 'text' holds half a surrogate pair, which is no character; write the whole character"),
]
MODEL = ["--model", "tiny", "--max-length", "16", "--shard-size", "4"]


pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good lines, the same with bad ones among them, and what must be listed of those."""
    folder = tmp_path_factory.mktemp("corpora")
    (folder / "good.jsonl").write_bytes(b"\n".join(GOOD) + b"\n")
    lines = [*GOOD[:2], *(line for line, _ in BAD[:4]), *GOOD[2:9], *(line for line, _ in BAD[4:]), GOOD[9]]
    (folder / "bad.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    numbers = [lines.index(line) + 1 for line, _ in BAD]
    listed = [
        {"file": str(folder / "bad.jsonl"), "line": number, "reason": reason} for number, (_, reason) in zip(numbers, BAD, strict=True)
    ]
    (folder / "rejected.jsonl").write_text("".join(json.dumps(each) + "\n" for each in listed))
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_encode_leaves_them_out_and_lists_them(corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encode", str(corpora / "good.jsonl"), str(tmp_path / "good"), *MODEL]) == 0
    command = ["encode", str(corpora / "bad.jsonl"), str(tmp_path / "bad"), *MODEL, "--skip-bad"]
    assert main([*command, "all"]) == 0
    assert f"7 bad lines of the collection were left out; {tmp_path / 'bad' / 'rejected.jsonl'} lists them" in capsys.readouterr().err
    good, bad = everything(tmp_path / "good"), everything(tmp_path / "bad")
    assert bad.pop("rejected.jsonl") == (corpora / "rejected.jsonl").read_bytes()
    assert json.loads(good.pop("manifest.json")) == json.loads(bad.pop("manifest.json")) | {"rejected": 0}
    assert good == bad
    before = everything(tmp_path / "bad")
    assert main([*command, "7"]) == 0  # nothing to do
    assert everything(tmp_path / "bad") == before
    assert main(["index", str(tmp_path / "bad"), str(tmp_path / "index")]) == 0


def test_stopped_at_one_encode_goes_on_past_it_to_the_same_bytes(corpora: Path, tmp_path: Path) -> None:
    command = ["encode", str(corpora / "bad.jsonl"), str(tmp_path / "out"), *MODEL]
    assert main([*command, "--skip-bad", "4"]) == 1
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None and len(manifest.shards) == 2 and not manifest.complete
    assert main([*command, "--skip-bad", "all"]) == 0
    assert main([*command[:2], str(tmp_path / "whole"), *MODEL, "--skip-bad", "all"]) == 0
    assert everything(tmp_path / "out") == everything(tmp_path / "whole")


def test_a_mended_collection_is_no_longer_listed(corpora: Path, tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_bytes((corpora / "bad.jsonl").read_bytes())
    command = ["encode", str(tmp_path / "c.jsonl"), str(tmp_path / "out"), *MODEL, "--skip-bad", "all"]
    assert main(command) == 0
    (tmp_path / "c.jsonl").write_bytes((corpora / "good.jsonl").read_bytes())
    assert main(command) == 0
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None and (manifest.passages, manifest.rejected, manifest.complete) == (10, 0, True)
    assert not (tmp_path / "out" / "rejected.jsonl").exists()


def test_bm25_leaves_them_out_and_lists_them(corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bm25", str(corpora / "bad.jsonl"), str(tmp_path / "index"), "--skip-bad", "7"]) == 0
    out, err = capsys.readouterr()
    assert "10 documents" in out and "7 bad lines" in err
    assert (tmp_path / "index" / "rejected.jsonl").read_bytes() == (corpora / "rejected.jsonl").read_bytes()


@pytest.mark.parametrize("command", ["encode", "bm25"])
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "line 3: not a JSON object (Expecting value at column 22); correct or remove the line\n"),
        (["--skip-bad", "6"], "write the whole character (6 bad lines were left out before, the most that --skip-bad allows)\n"),
    ],
    ids=["by default", "beyond the number"],
)
def test_it_stops(corpora: Path, tmp_path: Path, command: str, options: list[str], sentence: str) -> None:
    model = MODEL if command == "encode" else []
    with redirect_stderr(io.StringIO()) as err:
        assert main([command, str(corpora / "bad.jsonl"), str(tmp_path / "made"), *model, *options]) == 1
    assert err.getvalue().endswith(sentence)
    assert not list(tmp_path.rglob("rejected.jsonl"))


@pytest.mark.parametrize("value", ["0", "-1", "some"])
def test_other_numbers_are_wrong_usage(value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bm25", "c", "i", "--skip-bad", value])
    assert caught.value.code == 2


def test_without_a_good_line_nothing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.jsonl").write_text("\n{}\nx\n")
    assert main(["bm25", str(tmp_path / "c.jsonl"), str(tmp_path / "index"), "--skip-bad", "all"]) == 1
    place = tmp_path / "c.jsonl"
    expected = f"{place}, line 2: {NO_ID} (as all 2 lines of {place} are bad)"
    assert expected in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["c.jsonl"]


def test_a_damaged_file_is_no_bad_line(corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_bytes((corpora / "good.jsonl").read_bytes())
    (tmp_path / "b.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00 cut")
    assert main(["bm25", str(tmp_path), str(tmp_path / "index"), "--skip-bad", "all"]) == 1
    assert "b.jsonl.gz: damaged gzip data" in capsys.readouterr().err
