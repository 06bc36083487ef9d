"""CIFF, the Common Index File Format that PISA, BMP, Terrier, OldDog and JASS read: impacts as term frequencies.

https://github.com/osirrc/ciff and https://arxiv.org/abs/2003.08276; the messages are in ``ciff_messages.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from splade_lucene.errors import InputError
from splade_lucene.integrations.export.ciff_messages import encode_postings, message_class, varint
from splade_lucene.integrations.export.engine import Exporter, ExportJob
from splade_lucene.integrations.export.inversion import Inverter, PostingsList
from splade_lucene.records import ImpactVector

# Postings made into bytes at a time.
_CHUNK = 1 << 18

_NOTES = """# CIFF

{shards} file(s) `*.ciff`, each with {bits_note}.

    python -c "import bmp; bmp.ciff2bmp('{first}', '{name}.bmp', 8, False)"     # pip install bmp
    ciff2pisa --ciff-file {first} --output {name}                               # PISA's converter

Each line of `queries.jsonl` is `{{"id": …, "vector": {{token: impact}}}}`: BMP's `Searcher.search` takes the vector as it is; for PISA
repeat each token impact times.

- `tf` is the impact and `doclength` the sum of a document's impacts: score by the plain dot product (BMP; PISA's `--scorer quantized`),
  not by BM25, and do not stem or stop.
- Many tools hold impacts in one byte, and in BMP larger ones wrap around (511 becomes 255): give `--bits 8`. Impacts here reach {largest};
  {capped} were capped.
- BMP (0.2.8) scales each query so that its heaviest token weighs 32, rounds, and adds up in 16 bits, so long queries can overflow; on a
  few hundred documents it also drops hits unless its blocks are small (the third argument).
- Terms are in the order of their UTF-8 bytes, documents in that of the collection, docids within a list are gaps.
- With more than one file each has its own documents from 0 on and its own `df` and `cf`; the totals of the header are the collection's.
"""


class _Totals(NamedTuple):
    terms: int
    documents: int
    length: int


class CiffExporter(Exporter):
    """Writes one ``.ciff`` file per shard.

    Args:
        job: what is exported.
        bits: cap impacts at ``2^bits - 1``; no cap if None.
        shards: in how many files of like many documents.
    """

    notes = _NOTES
    plain_queries = True

    def __init__(self, job: ExportJob, *, bits: int | None = None, shards: int = 1) -> None:
        super().__init__(job)
        self._limit = None if bits is None else 2**bits - 1
        if shards > max(1, job.documents):
            raise InputError(job.source, f"{shards} shards are more than there are documents ({job.documents}); give fewer")
        self._shards = shards
        message_class("Header")  # before any work: is protobuf there?

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class; inverts the vectors through files in ``folder``."""
        scratch = folder / ".scratch"
        inverters = [Inverter(scratch / str(shard)) for shard in range(self._shards)]
        largest = capped = 0
        with (scratch / "docids").open("w", encoding="utf-8") as doc_ids:
            for number, vector in enumerate(vectors):
                impacts = vector.vector
                largest = max(largest, *impacts.values())
                if self._limit is not None and max(impacts.values()) > self._limit:
                    capped += sum(impact > self._limit for impact in impacts.values())
                    impacts = {token: min(impact, self._limit) for token, impact in impacts.items()}
                inverters[number * self._shards // self.job.documents].add(impacts)
                doc_ids.write(vector.doc_id + "\n")
        totals = _Totals(
            len(set().union(*(inverter.terms for inverter in inverters))),
            sum(inverter.documents for inverter in inverters),
            sum(sum(inverter.lengths) for inverter in inverters),
        )
        names = [f"{self.job.name}.ciff"] if self._shards == 1 else [f"{self.job.name}-{shard:05d}.ciff" for shard in range(self._shards)]
        with (scratch / "docids").open(encoding="utf-8") as doc_ids:
            for name, inverter in zip(names, inverters, strict=True):
                with (folder / name).open("wb") as stream:
                    self._write_shard(stream, inverter, doc_ids, totals)
        shutil.rmtree(scratch)
        if capped:
            self.remarks.append(f"{capped:,} impacts above {self._limit} were capped")
        note = "impacts as they are" if self._limit is None else f"impacts capped at {self._limit}"
        return {"shards": self._shards, "first": names[0], "bits_note": note, "largest": largest, "capped": capped}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """Token → impact."""
        return impacts

    def _write_shard(self, stream: IO[bytes], inverter: Inverter, doc_ids: IO[str], totals: _Totals) -> None:
        header = message_class("Header")(
            version=1,
            num_postings_lists=len(inverter.terms),
            num_docs=inverter.documents,
            total_postings_lists=totals.terms,
            total_docs=totals.documents,
            total_terms_in_collection=totals.length,
            average_doclength=totals.length / max(1, totals.documents),
            description=f"splade_lucene: SPLADE impacts of the model {self.job.model}, weight × {self.job.scale}, as term frequencies",
        )
        _write(stream, [header.SerializeToString()])
        for postings in inverter.lists():
            _write(stream, _list_parts(postings))
        record = message_class("DocRecord")
        for number, length in enumerate(inverter.lengths):
            _write(stream, [record(docid=number, collection_docid=next(doc_ids).rstrip("\n"), doclength=length).SerializeToString()])


def _write(stream: IO[bytes], parts: list[bytes]) -> None:
    stream.write(varint(sum(map(len, parts))))
    stream.writelines(parts)


def _list_parts(postings: PostingsList) -> list[bytes]:
    """A list's message in parts: a repeated field may be written in several."""
    frequency = int(postings.impacts.sum(dtype=np.int64))
    head = message_class("PostingsList")(term=postings.term, df=len(postings.documents), cf=frequency)
    gaps = np.diff(postings.documents, prepend=np.uint32(0))
    chunks = range(0, len(gaps), _CHUNK)
    return [head.SerializeToString(), *(encode_postings(gaps[at : at + _CHUNK], postings.impacts[at : at + _CHUNK]) for at in chunks)]
