"""``splade-lucene encode`` is killed at random moments, again and again, and ends with the bytes of a run that nobody disturbed."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.core.files import Lines
from tests.effort import rounds

_PASSAGES = rounds(320, 120)
_KILLS = rounds(20, 6)
_OPTIONS = ["--model", "tiny", "--max-length", "48", "--shard-size", "4"]
# Importing what the command needs takes most of its time, so that is done once, and each run is a fork that calls the command.
_DRIVER = """
import os, random, signal, sys, time
from pathlib import Path
import splade_lucene.encoding.model
import splade_lucene.pipeline.pool
from splade_lucene.cli.main import main

out, seed, kills, command = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
chance = random.Random(seed)

def listing():
    return sorted(os.listdir(out / "vectors")) if (out / "vectors").is_dir() else []

def ended(child, seconds, most):
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(listing()) < most:
        if os.waitpid(child, os.WNOHANG)[0]:
            sys.exit("the run was over before it was killed often enough")
        time.sleep(0.001)

for kill in range(kills):
    before = listing()
    most = len(before) + chance.randint(1, 3)  # so that a fast machine is not done before the last kill
    child = os.fork()
    if child == 0:
        os._exit(main(command))
    if kill % 5:  # else while it still loads the model, or looks at what there is
        while listing() == before:
            ended(child, 0.005, most)
    ended(child, chance.uniform(0, 0.4), most)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
    print(len(listing()), flush=True)
"""


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_killed_again_and_again_at_random_moments_the_bytes_are_those_of_an_undisturbed_run(
    real_collection: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    corpus, out = tmp_path / "corpus.jsonl.gz", tmp_path / "out"
    with gzip.open(corpus, "wt", encoding="utf-8") as stream:
        stream.writelines(line + "\n" for line in islice(Lines(real_collection("cranfield") / "corpus.jsonl"), _PASSAGES))
    assert main(["encode", str(corpus), str(tmp_path / "undisturbed"), *_OPTIONS]) == 0
    seed = random.randrange(10**6)
    encode = ["encode", str(corpus), str(out), *_OPTIONS]
    killed = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(out), str(seed), str(_KILLS), *encode],
        cwd=Path(__file__).parents[1],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == 0, f"seed {seed}: {killed.stderr[-2000:]}"
    shards = [int(line) for line in killed.stdout.splitlines()]
    assert len(shards) == _KILLS
    assert len(set(shards)) > _KILLS // 4  # runs got on in between
    assert main(["index", str(out), str(tmp_path / "index")]) == 1  # what is there is not taken for complete
    assert "run the same encode command again" in capsys.readouterr().err
    assert main(encode) == 0
    assert files(out) == files(tmp_path / "undisturbed"), f"seed {seed}"
