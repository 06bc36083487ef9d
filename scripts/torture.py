#!/usr/bin/env python
"""Kills each step at random moments; afterwards the same command must finish it as if nothing had happened.

Half of the kills come at a random time of the step's work, half right after a random change of its files: there a step is most
vulnerable, and a clock alone hardly ever hits that moment. Half hit the process alone, as the kernel does when memory is short, half
all of its children too, as a scheduler does. See ``scripts/torture --help``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.cli.main import main as splade_lucene
from splade_lucene.collections import pydocs
from splade_lucene.core.files import file_sha256
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.card import read_card
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher

SPLADE = [sys.executable, "-m", "splade_lucene.cli.main"]
# Seconds after which children of a killed process must be gone, and between two looks at the files.
_ORPHANS_GONE, _LOOK = 30.0, 0.001
_KILLS, _QUICK_KILLS = 104, 12
# Kills of one job before it may finish.
_MOST_IN_A_ROW = 3
_PASSAGES, _QUICK_PASSAGES = 600, 300
# What is said of a job that is done: of outputs, of documents to add, of documents to delete.
_DONE = re.compile("already|duplicate id|no document .* in")


class Job(NamedTuple):
    """A step to kill.

    Attributes:
        name: of the step.
        arguments: of ``splade-lucene``; ``{here}`` is the folder that it works in, ``{data}`` that of the finished inputs.
        result: from ``{here}`` what must be as undisturbed, or None where there is no finished result.
        before: what is there before it: names in ``{data}`` and in ``{here}``.
    """

    name: str
    arguments: str
    result: Callable[[Path], Any]
    before: tuple[tuple[str, str], ...] = ()


def vectors(here: Path) -> Any:
    """Every byte of a finished folder of vectors."""
    from splade_lucene.vectors.manifest import read_manifest

    manifest = read_manifest(here / "out")
    if manifest is None or not manifest.complete:
        return None
    return {file.relative_to(here).as_posix(): file_sha256(file) for file in (here / "out").rglob("*") if file.is_file()}


def impact_index(here: Path) -> Any:
    """What an impact index answers, and its card; Lucene's bytes hold random numbers and differ each time."""
    if not (here / "index").exists():
        return None
    with ImpactIndexSearcher(here / "index") as searcher:
        hits = [searcher.search_impacts({token: 3, "the": 1}, 2000) for token in ("file", "string", "thread", "list", "##s")]
        return hits, read_card(here / "index")


def bm25_index(here: Path) -> Any:
    """The same of a BM25 index."""
    if not (here / "index").exists():
        return None
    with Bm25Searcher(here / "index") as searcher:
        return [searcher.search(text, 2000) for text in ("read a file", "thread lock", "sorted list")], read_card(here / "index")


def run_file(here: Path) -> Any:
    """Every byte of a run."""
    return file_sha256(here / "run") if (here / "run").exists() else None


def evaluation(here: Path) -> Any:
    """Scores, costs, runs and evidence of a finished evaluation; times and dates differ each time."""
    out = here / "evaluation"
    if not (out / "results.json").exists():
        return None
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    for row in results["rows"]:
        del row["timings"]
    names = ("scores.csv", "evidence.jsonl", "passages.jsonl", "runs/*.trec")
    return results["rows"], {file.name: file_sha256(file) for name in names for file in (out / "collection").glob(name)}


ENCODE = "encode {data}/corpus.jsonl {here}/out --model tiny --max-length 16 --shard-size 50"
JOBS = [
    Job("encode", ENCODE, vectors),
    Job("encode, 2 workers", f"{ENCODE} --workers 2", vectors),
    Job("index", "index {data}/out {here}/index", impact_index),
    Job("index, overwriting", "index {data}/out {here}/index --overwrite", impact_index, (("old-impact", "index"),)),
    Job("append", "index {data}/rest {here}/index --append", impact_index, (("old-impact", "index"),)),
    Job("delete", "index {here}/index --delete {data}/delete.txt", impact_index, (("old-impact", "index"),)),
    Job("bm25", "bm25 {data}/corpus.jsonl {here}/index", bm25_index),
    Job("bm25, overwriting", "bm25 {data}/corpus.jsonl {here}/index --overwrite", bm25_index, (("old-bm25", "index"),)),
    Job("search", "search {data}/index {data}/queries.tsv {here}/run", run_file),
    Job(
        "search, overwriting",
        "search {data}/index {data}/queries.tsv {here}/run",
        run_file,
        (("old-run", "run"), ("old-run.json", "run.json")),
    ),
    Job("beir", "beir {data}/collection --output {here}/evaluation --model tiny --max-length 16 --hits 100", evaluation),
]
# What jobs read or find, and how it is made.
MADE = {
    "out": ENCODE.replace("{here}", "{data}"),
    "half": ENCODE.replace("{here}/out", "{data}/half").replace("corpus", "half"),
    "rest": ENCODE.replace("{here}/out", "{data}/rest").replace("corpus", "rest"),
    "index": "index {data}/out {data}/index",
    "old-impact": "index {data}/half {data}/old-impact",
    "old-bm25": "bm25 {data}/half.jsonl {data}/old-bm25",
    "old-run": "search {data}/index {data}/few.tsv {data}/old-run",
    "old-run.json": "search {data}/index {data}/few.tsv {data}/old-run",
}


class Undisturbed(NamedTuple):
    """A job that nobody killed: its result, its files, when it began to write, how long it took, and how often its files changed."""

    result: Any
    files: list[str]
    first: float
    seconds: float
    changes: int


class Torture:
    """Runs jobs and kills them.

    Args:
        folder: to work in.
        passages: the size of the collection.
        seed: of all that is random.
        jobs: what will be killed.
    """

    def __init__(self, folder: Path, passages: int, seed: int, jobs: Sequence[Job]) -> None:
        self._folder, self._dice = folder, random.Random(seed)
        self._data = folder / "data"
        self.kills: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.problems: list[str] = []
        self._number = 0
        self._prepare(passages, jobs)

    def _prepare(self, passages: int, jobs: Sequence[Job]) -> None:
        (self._data / "collection" / "qrels").mkdir(parents=True)
        collection = pydocs.passages()[:passages]
        for name, part in (("corpus", collection), ("half", collection[: passages // 2]), ("rest", collection[passages // 2 :])):
            with (self._data / f"{name}.jsonl").open("w", encoding="utf-8") as stream:
                stream.writelines(json.dumps({"_id": each.doc_id, "title": each.title, "text": each.text}) + "\n" for each in part)
        lines = [f"q{number}\t{' '.join(each.text.split()[:12])}\n" for number, each in enumerate(collection[:100])]
        (self._data / "queries.tsv").write_text("".join(lines), encoding="utf-8")
        (self._data / "few.tsv").write_text("".join(lines[:5]), encoding="utf-8")
        (self._data / "delete.txt").write_text("".join(f"{each.doc_id}\n" for each in collection[: passages // 4]), encoding="utf-8")
        # The passage that a query was cut from is relevant to it.
        shutil.copy2(self._data / "half.jsonl", self._data / "collection" / "corpus.jsonl")
        asked = [json.dumps(dict(zip(("_id", "text"), line.strip().split("\t"), strict=True))) + "\n" for line in lines[:20]]
        (self._data / "collection" / "queries.jsonl").write_text("".join(asked), encoding="utf-8")
        judged = [f"q{number}\t{each.doc_id}\t1\n" for number, each in enumerate(collection[:20])]
        judgments = "query-id\tcorpus-id\tscore\n" + "".join(judged)
        (self._data / "collection" / "qrels" / "test.tsv").write_text(judgments, encoding="utf-8")
        for job in jobs:
            for name in (*re.findall(r"{data}/([\w.-]+)", job.arguments), *(source for source, _ in job.before)):
                self._make(name)
        self._inputs = {file: file_sha256(file) for file in self._data.rglob("*") if file.is_file()}

    def _make(self, name: str) -> None:
        """Makes what a job reads or finds, in this process, and before it what that is made from."""
        if name in MADE and not (self._data / name).exists():
            for other in re.findall(r"{data}/([\w.-]+)", MADE[name]):
                if other != name:
                    self._make(other)
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
                status = splade_lucene([word.format(data=self._data) for word in MADE[name].split()])
            if status:
                raise SystemExit(f"torture: {name} cannot be made: {said.getvalue()}")

    def inputs_unharmed(self) -> bool:
        """Whether all that the steps only read is as it was."""
        return self._inputs == {file: file_sha256(file) for file in self._data.rglob("*") if file.is_file()}

    def undisturbed(self, job: Job) -> Undisturbed:
        """Runs a job to its end and notes what it did when."""
        here = self._fresh(job)
        start = time.monotonic()
        child = self._start(job, here)
        times = [time.monotonic() - start for _ in self._changes(child, here)]
        seconds = time.monotonic() - start
        if child.wait():
            raise SystemExit(f"torture: {job.name} fails undisturbed: {' '.join(self._command(job.arguments, here))}")
        return Undisturbed(job.result(here), self._names(here, deep=False), times[0], seconds, len(times))

    def old_result(self, job: Job) -> Any:
        """What is there before a job; None where nothing is."""
        return job.result(self._fresh(job))

    def round(self, job: Job, calm: Undisturbed, old: Any) -> None:
        """Kills a job up to three times, looks each time what is left, lets it finish and compares."""
        here, groups = self._fresh(job), list[int]()
        for _ in range(self._dice.randint(1, _MOST_IN_A_ROW)):
            child = self._start(job, here)
            moment = self._wait(child, here, calm)
            if child.poll() is not None:
                break  # it was done before
            alone = self._dice.random() < 1 / 2
            os.kill(child.pid, signal.SIGKILL) if alone else os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            self.kills[job.name] += 1
            try:
                left = job.result(here)
            except SpladeLuceneError as error:
                left = error
            if left not in (None, old, calm.result):
                self.problems.append(f"{job.name}, killed {moment}: neither the old nor the new result is there, but {str(left)[:200]}")
            groups.append(child.pid)
        done = subprocess.run(self._command(job.arguments, here), capture_output=True, text=True, check=False)
        # A job that was killed after its last step is done, and refused a second time unless it overwrites.
        if done.returncode and not (_DONE.search(done.stderr) and job.result(here) == calm.result):
            self.problems.append(f"{job.name}: the same command does not finish it: {done.stderr.strip()[-300:]}")
        elif job.result(here) != calm.result:
            self.problems.append(f"{job.name}: the result is another than undisturbed")
        elif not all(map(self._gone, groups)):
            self.problems.append(f"{job.name}: children of a killed process live on")
        elif self._names(here, deep=False) != calm.files:
            self.problems.append(f"{job.name}: left behind {sorted(set(self._names(here, deep=False)) ^ set(calm.files))}")
        else:
            self.finished[job.name] += 1
        shutil.rmtree(here)

    def _wait(self, child: subprocess.Popen[bytes], here: Path, calm: Undisturbed) -> str:
        if self._dice.random() < 1 / 2:
            seconds = self._dice.uniform(calm.first * 0.8, calm.seconds)
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                return f"after {seconds:.2f} s"
            return "too late"
        change = self._dice.randint(1, calm.changes)
        for number, _ in enumerate(self._changes(child, here), start=1):
            if number == change:
                time.sleep(self._dice.choice((0, 0, 0.001, 0.005)))
                return f"at change {change} of its files"
        return "too late"

    def _changes(self, child: subprocess.Popen[bytes], here: Path) -> Iterator[None]:
        """Yields whenever the names of the files change, until the process ends."""
        before = self._names(here)
        while child.poll() is None:
            now = self._names(here)
            if now != before:
                before = now
                yield
            time.sleep(_LOOK)
        if self._names(here) != before:
            yield

    def _fresh(self, job: Job) -> Path:
        self._number += 1
        here = self._folder / f"{self._number}"
        here.mkdir()
        for source, target in job.before:
            copy = shutil.copytree if (self._data / source).is_dir() else shutil.copy2
            copy(self._data / source, here / target)
        return here

    def _start(self, job: Job, here: Path) -> subprocess.Popen[bytes]:
        command = self._command(job.arguments, here)
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def _command(self, arguments: str, here: Path) -> list[str]:
        return [*SPLADE, *(word.format(here=here, data=self._data) for word in arguments.split())]

    @staticmethod
    def _names(here: Path, *, deep: bool = True) -> list[str]:
        """What is in a folder; not deep, without the files of a Lucene index, whose names are Lucene's affair."""
        # `index` is that of a job, `indexes` has those of an evaluation.
        walk = ((Path(place).relative_to(here), files + folders) for place, folders, files in os.walk(here))
        return sorted(
            str(place / name)
            for place, names in walk
            if deep or not (place.name == "index" or place.parent.name == "indexes")
            for name in names
        )

    @staticmethod
    def _gone(group: int) -> bool:
        end = time.monotonic() + _ORPHANS_GONE
        while time.monotonic() < end:
            try:
                os.killpg(group, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.05)
        os.killpg(group, signal.SIGKILL)
        return False


def main() -> int:
    """Tortures until there were enough kills."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_KILLS} kills on a small collection, about five minutes")
    parser.add_argument("--kills", type=int, help=f"how many (default: {_KILLS})")
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="start no new round after this number of minutes (default: no limit)"
    )
    parser.add_argument("--seed", type=int, default=6, help="of the random moments (default: %(default)s)")
    parser.add_argument("--jobs", nargs="+", choices=[job.name for job in JOBS], help="only these steps")
    args = parser.parse_args()
    most = args.kills or (_QUICK_KILLS if args.quick else _KILLS)
    jobs = [job for job in JOBS if args.jobs is None or job.name in args.jobs]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        torture = Torture(Path(folder), _QUICK_PASSAGES if args.quick else _PASSAGES, args.seed, jobs)
        calm = {}
        for job in jobs:
            calm[job] = torture.undisturbed(job)
            print(f"{job.name}: {calm[job].seconds:.1f} s undisturbed, {calm[job].changes} changes of its files", flush=True)
        old = {job: torture.old_result(job) for job in jobs}
        while torture.kills.total() < most and time.monotonic() - start < args.minutes * 60:
            job = min(jobs, key=lambda each: torture.kills[each.name])
            known = len(torture.problems)
            torture.round(job, calm[job], old[job])
            minutes = (time.monotonic() - start) / 60
            said = "; ".join(torture.problems[known:]) or "finished as undisturbed"
            print(f"{minutes:5.1f} min, {torture.kills.total():3} kills; {job.name}: {said}", flush=True)
        if not torture.inputs_unharmed():
            torture.problems.append("what the steps only read was changed")
    kills = ", ".join(f"{job.name} {torture.kills[job.name]}" for job in jobs)
    print(
        f"torture: {torture.kills.total()} kills survived ({kills}), {torture.finished.total()} jobs finished as undisturbed, "
        f"{len(torture.problems)} problems, {(time.monotonic() - start) / 60:.0f} minutes, seed {args.seed}"
    )
    return bool(torture.problems)


if __name__ == "__main__":
    sys.exit(main())
