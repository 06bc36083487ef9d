"""What commands that encode, index or search print at their end."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splade_lucene.core.files import REJECTED
from splade_lucene.core.streams import is_standard
from splade_lucene.evaluation.runs import Run
from splade_lucene.evaluation.table import cost_columns, markdown_table
from splade_lucene.lucene.card import IndexCard, folder_bytes
from splade_lucene.lucene.parts import find_parts
from splade_lucene.vectors.manifest import Manifest


def print_index(index: Path, card: IndexCard) -> None:
    """Prints kind, documents and size; on stderr, how many passages are not in the index."""
    parts = find_parts(index)
    form = f"{card.kind} index" + (f" in {len(parts)} parts" if len(parts) > 1 else "")
    print(f"{index}: {form}, {card.documents:,} documents, {sum(map(folder_bytes, parts)) / 1e6:.2f} MB, Lucene {card.lucene}")
    if card.empty:
        print(f"{card.empty:,} passages without terms are not in the index and cannot be found", file=sys.stderr)


def print_rejected(folder: Path, count: int) -> None:
    """Says on stderr how many bad lines of the collection were left out, and where they are listed."""
    if count:
        print(f"{count:,} bad lines of the collection were left out; {folder / REJECTED} lists them", file=sys.stderr)


def print_vectors(out: Path, manifest: Manifest) -> None:
    """What a folder of vectors holds."""
    settings, encoder = manifest.settings, manifest.encoder
    print(
        f"{out}: {manifest.passages:,} passages, {manifest.postings / max(1, manifest.passages):.1f} terms a passage, "
        f"cut at {settings.max_length or 'an unknown number of'} tokens, model {encoder.model} in {encoder.precision}"
    )
    if manifest.capped:
        share, limit = manifest.capped / manifest.postings, 2 ** (settings.bits or 0) - 1
        print(f"{manifest.capped:,} impacts ({share:.2%}) are {limit}, the cap; a smaller --scale caps fewer", file=sys.stderr)
    if manifest.empty:
        print(f"{manifest.empty:,} passages quantized to nothing and cannot be found", file=sys.stderr)
    print_rejected(out, manifest.rejected)


def print_run(output: Path, run: Run, notes: Mapping[str, Any]) -> None:
    """Prints queries, hits and cost of a run that was written; on stderr where the run itself went to stdout."""
    hits = sum(map(len, run.values()))
    row = {"run": str(output), "queries": f"{len(run):,}", "hits": f"{hits:,}", **cost_columns(notes)}
    print(markdown_table([row]), file=sys.stderr if is_standard(output) else sys.stdout)
