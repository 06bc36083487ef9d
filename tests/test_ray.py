"""Encoding on Ray, on a real cluster of several nodes on this machine: the bytes of one process, whatever dies."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from splade_lucene.cli.main import main
from splade_lucene.distributed import encode
from splade_lucene.distributed.cluster import Cluster
from splade_lucene.distributed.encode import EncodingJob, EncodingWorker, encode_on_ray
from splade_lucene.distributed.search import RayImpactSearcher
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.runs import read_notes
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Passage
from tests.object_store import object_store
from tests.ray_cluster import Nodes, kill_worker, nodes

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

pytest.importorskip("ray", reason="Ray is not installed: pip install 'splade_lucene[ray]'")

LINES = [line.strip() for line in Path(textwrap.__file__).read_text(encoding="utf-8").splitlines() if line.strip()]
PASSAGES = [Passage(f"d{number}", line) for number, line in enumerate(LINES[:160])]
SETTINGS = EncodingSettings(max_length=32, shard_size=8, store_contents=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with nodes(2) as started:
        yield started


def files(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def test_whatever_dies_the_bytes_are_those_of_one_process(cluster: Nodes, tiny: SpladeModel, tmp_path: Path) -> None:
    encode_collection(PASSAGES, tmp_path / "one", tiny, **SETTINGS._asdict())
    dice, done = random.Random(1), 0
    killed: list[bool] = []

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if not killed:
            killed.append(kill_worker("EncodingWorker", dice))
        elif len(killed) == 1 and done >= len(PASSAGES) // 2:
            cluster.kill_node(dice)
            killed.append(True)

    encode_on_ray(PASSAGES, tmp_path / "ray", "tiny", cluster=Cluster(cluster.address), settings=SETTINGS, advance=advance)
    assert killed == [True, True]
    assert done == len(PASSAGES)
    assert files(tmp_path / "ray") == files(tmp_path / "one")


def test_a_run_over_a_url_whose_driver_was_killed_is_resumed_without_ray(cluster: Nodes, tiny: SpladeModel, tmp_path: Path) -> None:
    out, corpus = tmp_path / "ray", "".join(json.dumps({"_id": each.doc_id, "text": each.text}) + "\n" for each in PASSAGES)
    encode_collection(PASSAGES, tmp_path / "one", tiny, **SETTINGS._asdict())
    with object_store() as store:
        store.files["data/corpus.jsonl.gz"] = gzip.compress(corpus.encode())
        command = ["encode", store.s3("data/corpus.jsonl.gz"), str(out), "--model", "tiny", "--max-length", "32", "--shard-size", "8"]
        command.append("--store-contents")
        driver = subprocess.Popen([sys.executable, "-m", "splade_lucene.cli.main", *command, "--ray", cluster.address])
        deadline = time.monotonic() + 120
        while not (out / "vectors" / "part-00001.jsonl").is_file():
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        driver.kill()
        driver.wait()
        assert main(command) == 0
    assert files(out) == files(tmp_path / "one")


def test_workers_that_cannot_start_end_the_run(cluster: Nodes, tmp_path: Path) -> None:
    class Broken(EncodingWorker):
        def __init__(self, job: EncodingJob) -> None:
            raise RuntimeError("another version")

    with (
        mock.patch.object(encode, "EncodingWorker", Broken),
        pytest.raises(SpladeLuceneError, match="no worker of Ray can start"),
    ):
        encode_on_ray(PASSAGES[:1], tmp_path / "out", "tiny", cluster=Cluster(cluster.address))


def test_what_ray_lacks_is_one_sentence(cluster: Nodes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(message: str, model: str = "tiny", **of: float) -> None:
        where = Cluster(cluster.address, **of)  # type: ignore[arg-type]
        with pytest.raises(SpladeLuceneError, match=message):
            encode_on_ray(PASSAGES[:1], tmp_path / "out", model, cluster=where)

    fails("no node of the Ray cluster has 1 CPUs and 1 GPUs for a worker; the largest has 1 and 0", gpus_per_worker=1)
    fails("no node of the Ray cluster has 9 CPUs", cpus_per_worker=9)
    fails("no model folder", model=str(tmp_path / "nothing"))
    with (
        mock.patch("ray.is_initialized", return_value=False),
        pytest.raises(SpladeLuceneError, match=r"127.0.0.1:1. cannot be joined .*refused"),
    ):
        encode_on_ray(PASSAGES[:1], tmp_path / "out", "tiny", cluster=Cluster("127.0.0.1:1"))
    command = ["encode", "corpus.jsonl", str(tmp_path / "out"), "--model", "tiny"]
    for more, message in (
        (["--gpus-per-worker", "1"], "need --ray"),
        (["--ray", "auto", "--part", "1/2"], "distributes the shards itself"),
    ):
        with pytest.raises(SystemExit) as status:
            main([*command, *more])
        assert status.value.code == 2
        assert message in capsys.readouterr().err
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"_id": "a", "text": "b"}\n')
    command[1] = str(corpus)
    with mock.patch.dict(sys.modules, {"ray": None}):
        assert main([*command, "--ray", "auto"]) == 1
    assert "--ray needs Ray; run: pip install 'splade_lucene[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "out" / "vectors").exists()


def test_an_index_in_parts_is_built_and_searched_on_ray(
    cluster: Nodes, tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, topics = tmp_path / "out", tmp_path / "topics.tsv"
    encode_collection(PASSAGES, out, tiny, **SETTINGS._asdict())
    topics.write_text("".join(f"q{number}\t{passage.text}\n" for number, passage in enumerate(PASSAGES[::8])).replace("\\", ""))
    assert main(["index", str(out), str(tmp_path / "one")]) == 0
    assert main(["index", str(out), str(tmp_path / "index"), "--parts", "2", "--ray", cluster.address]) == 0
    assert "impact index in 2 parts" in capsys.readouterr().out
    runs, options = [str(tmp_path / "run1"), str(tmp_path / "run2")], ["--hits", "40", "--tag", "x"]
    assert main(["search", str(tmp_path / "one"), str(topics), runs[0], *options]) == 0
    assert main(["search", str(tmp_path / "index"), str(topics), runs[1], *options, "--ray", cluster.address]) == 0
    assert Path(runs[0]).read_text() == Path(runs[1]).read_text()
    one, several = (read_notes(run) for run in runs)
    same = ("documents", "flops", "terms_per_document", "terms_per_query", "encoder")
    assert {key: one[key] for key in same} == {key: several[key] for key in same}
    with RayImpactSearcher(tmp_path / "index", Cluster(cluster.address), model=tiny, query_idf=0.25) as searcher:
        assert kill_worker("PartServer", random.Random(1))
        assert searcher.search("text", 10) == ImpactSearcher(tmp_path / "one", model=tiny, query_idf=0.25).search("text", 10)
        with pytest.raises(SpladeLuceneError, match="takes no filter"):
            searcher.search("text", within=["d1"])
    with pytest.raises(SpladeLuceneError, match="no node of the Ray cluster has the address elsewhere"):
        RayImpactSearcher(f"elsewhere:{tmp_path}/index/part-1-of-2", Cluster(cluster.address))
