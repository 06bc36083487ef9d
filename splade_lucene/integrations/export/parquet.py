"""Parquet: one row per passage, with its docid, tokens and impacts, as Spark, DuckDB, Polars or Hugging Face datasets read it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from splade_lucene.errors import EngineError
from splade_lucene.integrations.export.engine import Exporter
from splade_lucene.records import ImpactVector

# Rows in a group, and in a file: groups are what readers read at a time, files what they read in parallel.
_GROUP, _FILE = 10_000, 1_000_000

_NOTES = """# Parquet

{files} file(s) `vectors/{name}-*.parquet`, in the order of the collection: `docid` (string), `tokens` (list of strings), `impacts` (list
of int32, as long as `tokens`), and `contents` (string) where the vectors have the text of the passages.

    import duckdb; duckdb.sql("SELECT docid, len(tokens) FROM 'vectors/*.parquet'")
    import datasets; datasets.load_dataset("parquet", data_files="vectors/*.parquet")

Each line of `queries.jsonl` is `{{"id": …, "vector": {{token: impact}}}}`. The score of a passage is the sum, over the tokens that it
shares with the query, of the products of their impacts.
"""


class ParquetExporter(Exporter):
    """Writes ``vectors/*.parquet``, streaming."""

    notes = _NOTES
    plain_queries = True

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise EngineError("Parquet needs pyarrow; run: pip install pyarrow") from None
        fields = [("docid", pa.string()), ("tokens", pa.list_(pa.string())), ("impacts", pa.list_(pa.int32()))]
        (folder / "vectors").mkdir()
        first = next(vectors, None)
        if first is not None and first.contents is not None:
            fields.append(("contents", pa.string()))
        schema, files = pa.schema(fields), 0
        waiting: Iterator[ImpactVector] = vectors if first is None else chain([first], vectors)
        while True:
            rest = islice(waiting, _FILE)
            group = list(islice(rest, _GROUP))
            if not group and files:
                break
            with pq.ParquetWriter(folder / "vectors" / f"{self.job.name}-{files:05d}.parquet", schema, compression="zstd") as writer:
                while group:
                    writer.write_table(pa.table(_columns(group, schema.names), schema=schema))
                    group = list(islice(rest, _GROUP))
            files += 1
        return {"files": files}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """Token → impact."""
        return impacts


def _columns(group: list[ImpactVector], names: list[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "docid": [vector.doc_id for vector in group],
        "tokens": [list(vector.vector) for vector in group],
        "impacts": [list(vector.vector.values()) for vector in group],
        "contents": [vector.contents for vector in group],
    }
    return {name: columns[name] for name in names}
