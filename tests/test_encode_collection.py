"""A collection becomes a folder of vectors: what is in it, and that interrupting, repeating and changing it are safe."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.collections.passages import read_passages
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError, ModelError
from splade_lucene.pipeline import encode, passage_encoder
from splade_lucene.records import Passage, VectorSettings
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import read_manifest
from splade_lucene.vectors.reader import read_vectors

TEXTS = [
    "The glass will crack.",
    "",
    "Größe: naïve “quotes”\tand a tab",
    "stress",
    "Heat flows.",
    "A pane.",
    "An area gets hotter.",
    "factors",
]
PASSAGES = [Passage(f"d{number}", text, "Glass" if number % 3 else "") for number, text in enumerate(TEXTS * 2)][:14]
SHARDS = [4, 4, 4, 2]
encode_collection = partial(encode.encode_collection, shard_size=4)


@pytest.fixture(autouse=True, scope="module")
def small_shards() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage_encoder, "_WINDOW", 2)
        yield


@pytest.fixture(scope="module")
def encoded(tiny: SpladeModel, small_shards: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoded") / "out"
    encode_collection(PASSAGES, out, tiny, max_length=32)
    return out


@pytest.fixture
def undisturbed(encoded: Path, tmp_path: Path) -> Path:
    """A copy of the vectors of all passages, cut at 32 tokens."""
    return Path(shutil.copytree(encoded, tmp_path / "undisturbed"))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def times(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def interruption(call: int, error: BaseException) -> Callable[[int], None]:
    """An ``advance`` that fails when it is called for the so manieth time."""
    calls = count(1)

    def advance(_: int) -> None:
        if next(calls) == call:
            raise error

    return advance


def test_vectors_are_those_of_the_model_and_the_manifest_counts_them(tiny: SpladeModel, tmp_path: Path) -> None:
    advanced: list[int] = []
    options: dict[str, Any] = {"max_length": 32, "query_max_length": 16, "scale": 20, "top_k": 5, "min_weight": 0.3, "bits": 5}
    manifest = encode_collection(iter(PASSAGES), tmp_path / "out", tiny, **options, advance=advanced.append)
    vectors = list(read_vectors(tmp_path / "out"))
    pruning: dict[str, Any] = {"top_k": 5, "min_weight": 0.3, "bits": 5}
    expected = tiny.encode_documents([passage.contents for passage in PASSAGES], max_length=32, scale=20, **pruning)
    assert [(vector.doc_id, vector.vector, vector.contents) for vector in vectors] == [
        (passage.doc_id, impacts, None) for passage, impacts in zip(PASSAGES, expected, strict=True)
    ]
    assert manifest == check_vectors(tmp_path / "out")
    assert manifest.complete and [shard.passages for shard in manifest.shards] == SHARDS
    assert (manifest.passages, manifest.empty, manifest.postings) == (14, expected.count({}), sum(map(len, expected)))
    assert manifest.encoder == tiny.record(query_max_length=16, scale=20)
    assert manifest.settings == VectorSettings(32, 5, 0.3, 5, contents=False, shard_size=4)
    assert manifest.capped == sum(impact == 31 for vector in expected for impact in vector.values()) > 0
    assert advanced == [2] * 7
    for shard in manifest.shards:
        data = (tmp_path / "out" / "vectors" / shard.file).read_bytes()
        assert (data.count(b"\n"), sha256(data).hexdigest()) == (shard.passages, shard.sha256)


def test_a_passage_that_quantizes_to_nothing_is_written_and_counted(random_model: Callable[[str], Path], tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForMaskedLM

    network: Any = AutoModelForMaskedLM.from_pretrained(random_model("bert"))
    with torch.no_grad():
        network.get_output_embeddings().bias.fill_(-1000.0)  # no logit is positive
    network.save_pretrained(tmp_path / "model")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(random_model("bert") / file, tmp_path / "model")
    manifest = encode_collection(PASSAGES, tmp_path / "out", SpladeModel.load(str(tmp_path / "model"), device="cpu"))
    assert (manifest.passages, manifest.empty, manifest.postings) == (14, 14, 0)
    assert [(vector.doc_id, vector.vector) for vector in read_vectors(tmp_path / "out")] == [(passage.doc_id, {}) for passage in PASSAGES]


def test_a_real_collection_is_encoded_passage_by_passage(tiny: SpladeModel, real_collection: Callable[[str], Path], tmp_path: Path) -> None:
    passages = list(islice(read_passages(real_collection("cranfield")), 10))
    manifest = encode_collection(passages, tmp_path / "out", tiny, store_contents=True)
    vectors = list(read_vectors(tmp_path / "out"))
    assert [(vector.doc_id, vector.contents) for vector in vectors] == [(passage.doc_id, passage.contents) for passage in passages]
    assert manifest.postings == sum(len(vector.vector) for vector in vectors) > 1000


@pytest.mark.parametrize("store", [True, False])
def test_contents_are_stored_when_asked_for(tiny: SpladeModel, tmp_path: Path, store: bool) -> None:
    encode_collection(PASSAGES, tmp_path / "out", tiny, store_contents=store)
    lines = (tmp_path / "out" / "vectors" / "part-00000.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [passage.contents if store else "absent" for passage in PASSAGES[:4]]
    assert [json.loads(line).get("contents", "absent") for line in lines] == expected


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()], ids=["error", "ctrl-c"])
@pytest.mark.parametrize("call", [1, 2, 3, 4, 7])
def test_resumed_after_an_interruption_the_bytes_are_those_of_an_undisturbed_run(
    tiny: SpladeModel, tmp_path: Path, undisturbed: Path, call: int, error: BaseException
) -> None:
    out = tmp_path / "out"
    with pytest.raises(type(error)):
        encode_collection(PASSAGES, out, tiny, max_length=32, advance=interruption(call, error))
    manifest = read_manifest(out)
    assert manifest is not None and not manifest.complete and len(manifest.shards) == (call - 1) // 2
    with pytest.raises(InputError, match="run the same encode command again"):
        check_vectors(out)
    with pytest.raises(InputError, match=r"max_length=32 .*; this run uses max_length=31"):
        encode_collection(PASSAGES, out, tiny, max_length=31)
    finished, advanced = times(out / "vectors"), list[int]()
    encode_collection(PASSAGES, out, tiny, max_length=32, advance=advanced.append)
    assert sum(advanced) == 14
    assert contents(out) == contents(undisturbed)
    assert finished.items() <= times(out / "vectors").items()  # not written again


def test_resumed_after_broken_passages_the_bytes_are_the_same_too(tiny: SpladeModel, tmp_path: Path, undisturbed: Path) -> None:
    def broken() -> Iterator[Passage]:
        yield from PASSAGES[:10]
        raise InputError("corpus.jsonl", "not a JSON object", 11)

    with pytest.raises(InputError, match="line 11"):
        encode_collection(broken(), tmp_path / "out", tiny, max_length=32)
    assert encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32).complete
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_resumed_after_the_process_was_killed_the_bytes_are_the_same_too(tiny: SpladeModel, tmp_path: Path, undisturbed: Path) -> None:
    script = f"""if True:
        import os, signal
        from splade_lucene.encoding.model import SpladeModel
        from splade_lucene.pipeline import encode, passage_encoder
        from splade_lucene.records import Passage, VectorSettings
        passage_encoder._WINDOW, calls = 2, []
        def advance(count):
            calls.append(count)
            if len(calls) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
        options = dict(max_length=32, shard_size=4, advance=advance)
        encode.encode_collection({PASSAGES!r}, {str(tmp_path / "out")!r}, SpladeModel.load("tiny"), **options)
    """
    killed = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=False)
    assert killed.returncode == -signal.SIGKILL
    encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32)
    check_vectors(tmp_path / "out")
    assert contents(tmp_path / "out") == contents(undisturbed)


@pytest.mark.parametrize("lengths", [{}, {"max_length": 256, "query_max_length": 64}], ids=["defaults", "defaults spelled out"])
def test_the_same_call_again_changes_nothing(tiny: SpladeModel, tmp_path: Path, lengths: dict[str, Any]) -> None:
    first = encode_collection(PASSAGES, tmp_path / "out", tiny)
    before, written, advanced = contents(tmp_path / "out"), times(tmp_path / "out"), list[int]()
    assert encode_collection(iter(PASSAGES), tmp_path / "out", tiny, **lengths, advance=advanced.append) == first
    assert (contents(tmp_path / "out"), times(tmp_path / "out"), sum(advanced)) == (before, written, 14)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_length": 31}, "max_length=32 .*; this run uses max_length=31"),
        ({"query_max_length": 24}, "query_max_length=64 .*; this run uses query_max_length=24"),
        ({"scale": 50}, "scale=100 .*; this run uses scale=50"),
        ({"top_k": 9}, "top_k=None .*; this run uses top_k=9"),
        ({"min_weight": 0.5}, "min_weight=None .*; this run uses min_weight=0.5"),
        ({"max_ratio": 0.1}, "max_ratio=None .*; this run uses max_ratio=0.1"),
        ({"alpha_mass": 0.9}, "alpha_mass=None .*; this run uses alpha_mass=0.9"),
        ({"bits": 8}, "bits=None .*; this run uses bits=8"),
        ({"shard_size": 5}, "shard_size=4 .*; this run uses shard_size=5"),
        ({"store_contents": True}, "contents=False .*; this run uses contents=True"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_other_settings_are_refused(tiny: SpladeModel, undisturbed: Path, options: dict[str, Any], named: str) -> None:
    before = contents(undisturbed)
    with pytest.raises(InputError, match=f"{named}; give another folder, or use --overwrite"):
        encode_collection(PASSAGES, undisturbed, tiny, **{"max_length": 32, **options})
    assert contents(undisturbed) == before


CHANGED = {
    "first passage": [Passage("d0", "other"), *PASSAGES[1:]],
    "id in the last shard": [*PASSAGES[:-1], PASSAGES[-1]._replace(doc_id="other")],
    "title": [PASSAGES[0], PASSAGES[1]._replace(title="other"), *PASSAGES[2:]],
    "one passage less": PASSAGES[:-1],
    "one shard less": PASSAGES[:12],
    "order": [PASSAGES[1], PASSAGES[0], *PASSAGES[2:]],
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_collection_is_refused(tiny: SpladeModel, undisturbed: Path, name: str) -> None:
    before = contents(undisturbed)
    with pytest.raises(InputError, match="the collection has changed, so use --overwrite"):
        encode_collection(CHANGED[name], undisturbed, tiny, max_length=32)
    assert contents(undisturbed) == before


@pytest.mark.parametrize("call", [3, 5], ids=["in the first new shard", "in the second"])
def test_a_collection_that_grows_is_not_complete_before_its_end(tiny: SpladeModel, tmp_path: Path, undisturbed: Path, call: int) -> None:
    encode_collection(PASSAGES[:8], tmp_path / "out", tiny, max_length=32)
    with pytest.raises(KeyboardInterrupt):
        encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32, advance=interruption(call, KeyboardInterrupt()))
    with pytest.raises(InputError, match="run the same encode command again"):
        check_vectors(tmp_path / "out")
    encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32)
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_overwrite_replaces_everything(tiny: SpladeModel, tmp_path: Path, undisturbed: Path) -> None:
    encode_collection(PASSAGES * 2, tmp_path / "out", tiny, scale=7, store_contents=True)
    encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32, overwrite=True)
    assert contents(tmp_path / "out") == contents(undisturbed)


@pytest.mark.parametrize("overwrite", [False, True], ids=["", "overwrite"])
def test_a_folder_of_something_else_is_refused_and_stays_as_it_was(tiny: SpladeModel, tmp_path: Path, overwrite: bool) -> None:
    for file in ("notes.txt", "vectors/precious.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("precious")
    with pytest.raises(InputError, match="was not made by `splade-lucene encode`"):
        encode_collection(PASSAGES, tmp_path, tiny, overwrite=overwrite)
    assert contents(tmp_path) == {"notes.txt": b"precious", "vectors/precious.txt": b"precious"}


LENGTH_REFUSED = "the maximum length {} is not between 3 and the 512 tokens"


@pytest.mark.parametrize("overwrite", [False, True], ids=["", "overwrite"])
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"passages": []}, "there are no passages to encode"),
        ({"max_length": 513}, LENGTH_REFUSED.format(513)),
        ({"max_length": 0}, LENGTH_REFUSED.format(0)),
        ({"query_max_length": 513}, LENGTH_REFUSED.format(513)),
        ({"query_max_length": 0}, LENGTH_REFUSED.format(0)),
    ],
    ids=["empty collection", "max_length too large", "max_length 0", "query_max_length too large", "query_max_length 0"],
)
def test_what_cannot_be_encoded_is_refused_and_nothing_left(
    tiny: SpladeModel, undisturbed: Path, options: dict[str, Any], reason: str, overwrite: bool
) -> None:
    out = undisturbed if overwrite else undisturbed.with_name("out")
    before = contents(out)
    with pytest.raises((InputError, ModelError), match=reason):
        encode_collection(**{"passages": PASSAGES, "vectors": out, "model": tiny, "overwrite": overwrite, **options})
    assert contents(out) == before
    assert out.exists() is overwrite
