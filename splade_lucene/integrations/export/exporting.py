"""Vectors, and queries encoded for them, to the files that another engine loads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from splade_lucene._version import __version__
from splade_lucene.core.files import atomic_folder, json_sha256
from splade_lucene.core.ir_adapters import Queries, as_queries
from splade_lucene.errors import InputError
from splade_lucene.integrations.export.engine import FILE, FORMAT, Exporter, ExportJob, compact, write_json
from splade_lucene.integrations.export.registry import exporter_class
from splade_lucene.pipeline.query_encoder import BoundEncoder, bind_encoder
from splade_lucene.records import EncoderRecord, ImpactVector, Query, VectorSettings
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.idf import query_table
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.reader import read_vectors

# Allowed by all engines as the name of a collection or index.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?")
# Queries encoded together.
_QUERIES = 1024


class ExportRecord(NamedTuple):
    """What ``export.json`` says.

    Attributes:
        engine: the name of the engine.
        name: of the collection or index to be made there.
        documents: how many documents were written.
        empty: how many passages have no token and were left out; no engine could find them.
        queries: how many queries were written, None if none were asked for.
        queries_without_terms: how many of them have no token; they are in the file and find nothing.
        engine_facts: numbers of the engine's own.
        remarks: sentences about what the engine cannot hold as it was.
        encoder: the encoder's record, which queries must come from; ``query_max_length`` as used for the queries here.
        settings: how passages were encoded.
        batches: the files that are loaded one by one, as a pattern.
        made_from: what tells whether the same export would come out again.
    """

    engine: str
    name: str
    documents: int
    empty: int
    queries: int | None
    queries_without_terms: int
    engine_facts: Mapping[str, Any]
    remarks: tuple[str, ...]
    encoder: EncoderRecord
    settings: VectorSettings
    batches: str = ""
    made_from: Mapping[str, Any] = MappingProxyType({})


def export_vectors(
    vectors: Path | str,
    folder: Path | str,
    engine: str,
    *,
    name: str = "splade",
    queries: Queries | None = None,
    query_max_length: int | None = None,
    hits: int = 1000,
    device: str = "auto",
    precision: str = "auto",
    overwrite: bool = False,
    reuse: bool = False,
    advance: Callable[[int], None] = lambda count: None,
    **options: Any,
) -> ExportRecord:
    """Writes a collection of vectors in the bulk format of another engine.

    Args:
        vectors: what ``encode`` wrote.
        folder: the folder to make; an existing export stays as it is until the new one is complete.
        engine: one of :data:`splade_lucene.integrations.export.registry.ENGINES`.
        name: of the collection or index to be made in the engine.
        queries: ours or those of ir_datasets; encoded with the model that the manifest names and written as search requests, one a
            line of ``queries.jsonl``.
        query_max_length: tokens a query is cut at; what the manifest says if None.
        hits: how many hits each request asks for.
        device: for the model, which is loaded only if queries or the numbers of tokens are needed; as in :meth:`SpladeModel.load`.
        precision: likewise.
        overwrite: replace an existing export.
        reuse: take an existing export of the same vectors and queries as it is.
        advance: told the number of vectors written since the last call.
        options: of the engine: ``bits`` and ``shards`` for ``ciff``.

    Returns:
        What was written.

    Raises:
        InputError: ``vectors`` is not complete or was changed, ``folder`` exists, ``name`` is not allowed, or an id is too long.
        EngineError: a package that the format needs is not installed.
        ModelError: the model cannot be loaded.
        IndexMismatchError: its files are not those that the vectors were made with.
    """
    vectors, folder = Path(vectors), Path(folder)
    if not _NAME.fullmatch(name):
        raise InputError(folder, f"the name {name!r} is not up to 45 lower-case letters, digits and hyphens, which all engines allow")
    if folder.is_dir() and not (folder / FILE).is_file() and any(folder.iterdir()):
        raise InputError(folder, "holds something that is no export of splade-lucene; give another name")
    manifest = check_vectors(vectors)
    records = None if queries is None else list(as_queries(queries))
    made_from = _made_from(manifest, records, {"query_max_length": query_max_length, "hits": hits, "options": options})
    before = _read_record(folder) if reuse and not overwrite else None
    if before is not None and (before.engine, before.name, before.made_from) == (engine, name, made_from):
        return before

    encoder_record = manifest.encoder.with_queries(max_length=query_max_length)

    @cache
    def encoder() -> BoundEncoder:
        return bind_encoder(encoder_record, vectors, table=query_table(manifest, vectors), device=device, precision=precision)

    @cache
    def vocabulary() -> Mapping[str, int]:
        return {token: number for number, token in enumerate(encoder().vocabulary)}

    documents = manifest.passages - manifest.empty
    job = ExportJob(vectors, name, documents, encoder_record.scale, encoder_record.model, hits, vocabulary)
    exporter: Exporter = exporter_class(engine)(job, **options)
    with atomic_folder(folder, overwrite=overwrite) as temporary:
        if records is not None:
            encoder()  # a model that cannot be loaded should fail before the long work
        facts = exporter.write_documents(temporary, _not_empty(vectors, advance))
        written = without_terms = 0
        if records is not None:
            written, without_terms = _write_queries(temporary / "queries.jsonl", exporter, records, encoder())
        record = ExportRecord(
            engine,
            name,
            documents,
            manifest.empty,
            None if records is None else written,
            without_terms,
            facts,
            tuple(exporter.remarks),
            encoder_record,
            manifest.settings,
            exporter.batches,
            made_from,
        )
        notes = exporter.notes.format_map({**job._asdict(), **facts})
        (temporary / "NOTES.md").write_text(f"{notes}\n{_origin(record, manifest)}", encoding="utf-8")
        said = {"encoder": record.encoder.to_json(), "settings": record.settings.to_json(), "made_from": dict(made_from)}
        write_json(temporary / FILE, {"format": FORMAT, **record._asdict(), **said})
    return record


def _made_from(manifest: Manifest, queries: Sequence[Query] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    vectors = hashlib.sha256("".join(shard.sha256 for shard in manifest.shards).encode()).hexdigest()
    texts = None if queries is None else json_sha256(queries)
    made_from: dict[str, Any] = json.loads(json.dumps({"vectors_sha256": vectors, "queries_sha256": texts, **options}))
    return made_from


def _read_record(folder: Path) -> ExportRecord | None:
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if data.pop("format") != FORMAT:
            return None
        encoder, settings = EncoderRecord.from_json(data["encoder"]), VectorSettings(**data["settings"])
        return ExportRecord(**{**data, "encoder": encoder, "settings": settings, "remarks": tuple(data["remarks"])})
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None  # whatever it is, it is not the same export


def _not_empty(vectors: Path, advance: Callable[[int], None]) -> Iterator[ImpactVector]:
    for vector in read_vectors(vectors):
        if vector.vector:
            yield vector
        advance(1)


def _write_queries(file: Path, exporter: Exporter, queries: Sequence[Query], encoder: BoundEncoder) -> tuple[int, int]:
    written = without_terms = 0
    key = "vector" if exporter.plain_queries else "body"
    remaining = iter(queries)
    with file.open("w", encoding="utf-8") as stream:
        while some := list(islice(remaining, _QUERIES)):
            for query, impacts in zip(some, encoder.encode_queries([query.text for query in some]), strict=True):
                stream.write(compact({"id": query.query_id, key: exporter.query(impacts)}) + "\n")
                written += 1
                without_terms += not impacts
    return written, without_terms


def _origin(record: ExportRecord, manifest: Manifest) -> str:
    encoder = record.encoder
    lines = [
        f"Written by splade_lucene {__version__}: {record.documents} documents, {manifest.postings} impacts, model {encoder.model}, "
        f"passages cut at {record.settings.max_length or '?'} tokens, queries at {encoder.query_max_length}, scale {encoder.scale}.",
        *([f"{record.empty} passages without a token were left out."] if record.empty else []),
        *(f"{remark[0].upper()}{remark[1:]}." for remark in record.remarks),
    ]
    return "\n".join(lines) + "\n"
