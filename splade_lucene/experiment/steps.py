"""What an evaluation does on one data set."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.judged import JudgedCollection
from splade_lucene.experiment.indexes import Indexes
from splade_lucene.experiment.runs import Runs


class EvaluationSettings(NamedTuple):
    """What holds for all systems and data sets.

    Attributes:
        hits: of each query.
        remove_query: leave the passage that has the query's id out of every run, as BEIR does, where a collection's queries and
            passages share their ids.
        threads: the number of search threads; latencies are measured in one.
        index_threads: the number of indexing threads; with one, the same passages always give an index of the same size.
        overwrite: replace vectors that were made from other passages or with other settings; without it they are an error.
    """

    hits: int = 1000
    remove_query: bool = True
    threads: int = 1
    index_threads: int = 1
    overwrite: bool = False


class Steps:
    """The steps on one data set. Each keeps an existing output if, and only if, it was made from the same input.

    Args:
        collection: the data set.
        folder: where its vectors, indexes and runs go.
        settings: what holds for all.
    """

    def __init__(self, collection: JudgedCollection, folder: Path, settings: EvaluationSettings) -> None:
        self.collection, self.folder = collection, folder
        self.remove_query = settings.remove_query and collection.shared_ids
        self.queries = collection.queries()
        self.sha256 = collection.sha256()
        self.indexes = Indexes(collection, self.sha256, folder, threads=settings.index_threads, overwrite=settings.overwrite)
        self.runs = Runs(
            collection.name,
            self.queries,
            folder / "runs",
            hits=settings.hits,
            remove_query=self.remove_query,
            threads=settings.threads,
        )
