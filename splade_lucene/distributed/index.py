"""Indexing on Ray: each part of an index is a task, with a JVM of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from splade_lucene.distributed.cluster import Cluster, Failure, answer, connected, wait
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.build_parts import Build, IndexPart, build_part


def build_on_ray(cluster: Cluster, *, heap: str | None = None) -> Build:
    """What :func:`~splade_lucene.lucene.build_parts.build_impact_parts` takes as ``build``: the parts are built on a Ray cluster.

    The vectors and the folder of the index must be on a file system that all nodes see under the same names.

    Args:
        cluster: where to work; ``cpus_per_worker`` is the number of indexing threads of a part, 1 if None.
        heap: of each part's JVM, as for :func:`splade_lucene.lucene.jvm.start`; its default if None.
    """

    def build(parts: Sequence[IndexPart], advance: Callable[[int], None]) -> None:
        if not parts:
            return
        threads = cluster.cpus_per_worker or 1
        with ExitStack() as stack:
            ray = stack.enter_context(connected(cluster))
            # Killed workers and nodes cost Ray another try, which finds what is complete and removes what is not.
            task = ray.remote(_build).options(num_cpus=threads, max_retries=-1, scheduling_strategy="SPREAD")
            running = [task.remote(part._replace(settings=part.settings._replace(threads=threads)), heap) for part in parts]
            stack.callback(lambda: [ray.cancel(each, force=True) for each in running])
            while running:
                for done in wait(ray, running):
                    advance(answer(ray, done))
                    running.remove(done)

    return build


def _build(part: IndexPart, heap: str | None) -> int | Failure:
    try:
        jvm.start(heap=heap or jvm.DEFAULT_HEAP)
        return build_part(part).documents
    except (SpladeLuceneError, OSError) as error:
        return Failure(str(error))
