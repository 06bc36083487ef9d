#!/usr/bin/env python
"""Kills workers and nodes of a Ray cluster of several node processes while it encodes, and compares every byte with one process.

    .venv/bin/python scripts/torture_ray.py [--rounds 10] [--nodes 2] [--seed 1]

Each round encodes a collection once, and at random moments kills one worker process (SIGKILL) and all processes of one node, whose
place another node takes. Exit status 1 if a byte differs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from splade_lucene.distributed.cluster import Cluster
from splade_lucene.distributed.encode import encode_on_ray
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from splade_lucene.records import Passage
from tests.ray_cluster import Nodes, kill_worker, nodes

SETTINGS = EncodingSettings(max_length=64, shard_size=8)


class Killer:
    """Kills one worker and one node while a collection is encoded, at random moments."""

    def __init__(self, cluster: Nodes, passages: int, dice: random.Random) -> None:
        self._cluster, self._dice, self._done = cluster, dice, 0
        self._moments = dict(zip(dice.sample(range(passages - 40), 2), (self._kill_worker, self._kill_node), strict=True))
        self.workers = self.nodes = 0

    def advance(self, count: int) -> None:
        """Told of passages that are done."""
        self._done += count
        for moment in [moment for moment in self._moments if moment < self._done]:
            self._moments.pop(moment)()

    def _kill_worker(self) -> None:
        self.workers += kill_worker("Encoder", self._dice)

    def _kill_node(self) -> None:
        self._cluster.kill_node(self._dice)
        self.nodes += 1


def main() -> int:
    """Runs the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    lines = [line.strip() for line in Path(textwrap.__file__).read_text(encoding="utf-8").splitlines() if line.strip()]
    passages = [Passage(f"d{number}", " ".join(lines[number : number + 4])) for number in range(len(lines))]
    dice, workers, killed, differing = random.Random(args.seed), 0, 0, 0
    with tempfile.TemporaryDirectory() as folder, nodes(args.nodes) as cluster:
        one, out = Path(folder) / "one", Path(folder) / "ray"
        encode_collection(passages, one, "tiny", settings=SETTINGS)
        for number in range(args.rounds):
            killer, where = Killer(cluster, len(passages), dice), Cluster(cluster.address)
            encode_on_ray(passages, out, "tiny", cluster=where, settings=SETTINGS, advance=killer.advance, overwrite=True)
            workers, killed = workers + killer.workers, killed + killer.nodes
            same = _files(out) == _files(one)
            differing += not same
            print(
                f"round {number + 1}: {workers} workers and {killed} nodes killed so far, bytes {'equal' if same else 'DIFFER'}", flush=True
            )
    print(f"{args.rounds} rounds, {workers} workers and {killed} nodes killed, {differing} outputs differ")
    return 1 if differing else 0


def _files(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


if __name__ == "__main__":
    sys.exit(main())
