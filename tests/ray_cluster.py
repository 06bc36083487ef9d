"""A Ray cluster of several nodes on this machine, and how to kill what it runs."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from splade_lucene.distributed.cluster import import_ray


class Nodes:
    """Nodes of one core each, beside a head that runs no workers."""

    def __init__(self, count: int) -> None:
        import_ray()
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self._nodes = [self._add() for _ in range(count)]
        self.address: str = self._cluster.address

    def kill_node(self, dice: random.Random) -> None:
        """Kills all processes of a node; another one joins."""
        node = self._nodes.pop(dice.randrange(len(self._nodes)))
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._add())

    def shutdown(self) -> None:
        """Ends all nodes."""
        self._cluster.shutdown()

    def _add(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=100 << 20)


@contextmanager
def nodes(count: int) -> Iterator[Nodes]:
    """A cluster for a block."""
    cluster = Nodes(count)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def kill_worker(kind: str, dice: random.Random) -> bool:
    """Kills one of the processes that hold an actor of a class, if there is any, and only where this process started its node."""
    found = [pid for pid in _processes() if _title(pid).startswith(f"ray::{kind}") and os.getpid() in _ancestors(pid)]
    if not found:
        return False
    os.kill(dice.choice(found), signal.SIGKILL)
    return True


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _title(pid: int) -> str:
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while pid > 1:
        try:
            stat = (Path("/proc") / str(pid) / "stat").read_text(encoding="utf-8")
        except OSError:
            break
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return found
