"""Ray, started on this machine or joined where it runs."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from splade_lucene.distributed.signals import keep_signal_handlers
from splade_lucene.errors import SpladeLuceneError

LOCAL = "local"
# Seconds without an answer after which a word is said on stderr.
_PATIENCE = 60.0
# Seconds for a connection to a cluster.
_CONNECT = 10.0


class Cluster(NamedTuple):
    """Where to work, and what a worker needs.

    Attributes:
        address: ``local`` starts Ray on this machine for as long as the work takes, ``auto`` joins the cluster that this machine
            belongs to, anything else is the address of one.
        workers: how many workers; if None, as many as there are GPUs for, or else one per node.
        gpus_per_worker: GPUs of each; a part of one if several workers share it.
        cpus_per_worker: cores of each; if None, an even share.
    """

    address: str = LOCAL
    workers: int | None = None
    gpus_per_worker: float = 0.0
    cpus_per_worker: int | None = None


class Failure(NamedTuple):
    """The answer of a worker that failed and would fail again: the sentence of the exception, which itself is not sent."""

    sentence: str


class Shares(NamedTuple):
    """What every worker gets, once the cluster is known."""

    workers: int
    cpus: int
    gpus: float

    @property
    def options(self) -> dict[str, Any]:
        """For an actor or a task of Ray."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "scheduling_strategy": "SPREAD"}


def import_ray() -> Any:
    """The package ``ray``.

    Raises:
        SpladeLuceneError: it is not installed.
    """
    # No usage reports from a Ray that this command starts, unless its user wants them.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A worker that was given no GPU sees none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    try:
        import ray
    except ImportError:
        raise SpladeLuceneError("--ray needs Ray; run: pip install 'splade_lucene[ray]'") from None
    return ray


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """Yields the package ``ray``, connected; what was started for the block ends with it.

    A process that is connected already, as a notebook may be, stays so, and ``address`` is not looked at.

    Raises:
        SpladeLuceneError: Ray is not installed, does not start or cannot be joined.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    _check_address(cluster.address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if cluster.address == LOCAL:
        options["include_dashboard"] = False
    try:
        with keep_signal_handlers():
            ray.init(address=cluster.address, **options)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError, ValueError and those of its RPC library
        raise SpladeLuceneError(f"Ray at {cluster.address!r} cannot be joined ({first_line(error)}); is it running there?") from None
    try:
        yield ray
    finally:
        with keep_signal_handlers():
            ray.shutdown()


def _check_address(address: str) -> None:
    """Refuses a host and port where nothing listens; Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
    except (OSError, OverflowError) as error:
        raise SpladeLuceneError(f"Ray at {address!r} cannot be joined ({first_line(error)}); is it running there?") from None


def shares(ray: Any, cluster: Cluster) -> Shares:
    """How many workers there will be, and what each gets.

    Raises:
        SpladeLuceneError: no node has enough for even one worker.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise SpladeLuceneError("no node of the Ray cluster has a CPU for workers; start one with `ray start --address …`")
    gpus = cluster.gpus_per_worker
    workers = cluster.workers or (sum(int(node.get("GPU", 0) / gpus) for node in nodes) if gpus else len(nodes)) or 1
    cpus = cluster.cpus_per_worker
    if cpus is None:
        cpus = max(1, int(min(node["CPU"] for node in nodes)) // max(1, -(-workers // len(nodes))))
    if not any(node["CPU"] >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
        most = max(nodes, key=lambda node: (node.get("GPU", 0), node["CPU"]))
        raise SpladeLuceneError(
            f"no node of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs for a worker; the largest has {most['CPU']:g} and "
            f"{most.get('GPU', 0):g}; give other --gpus-per-worker or --cpus-per-worker"
        )
    return Shares(workers, cpus, gpus)


def wait(ray: Any, references: Sequence[Any], working: Callable[[], bool] = lambda: False) -> list[Any]:
    """What is finished, once there is anything; a word on stderr while nothing is, unless something is ``working``."""
    while True:
        done, _ = ray.wait(list(references), timeout=_PATIENCE)
        if done:
            return list(done)
        if not working():
            print("waiting for workers of Ray; `ray status` says what the cluster lacks", file=sys.stderr, flush=True)


def answer(ray: Any, reference: Any) -> Any:
    """What a worker answers.

    Raises:
        SpladeLuceneError: it says that it failed, or did so in a way that nobody thought of.
        RayError: of Ray; the worker died.
    """
    try:
        found = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise SpladeLuceneError(f"a worker failed: {first_line(error.cause)}") from error
    if isinstance(found, Failure):
        raise SpladeLuceneError(found.sentence)
    return found


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
