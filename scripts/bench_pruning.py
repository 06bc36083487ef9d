#!/usr/bin/env python
"""What pruning and capping at encoding time cost and save, on BEIR folders.

    .venv/bin/python scripts/bench_pruning.py FOLDER... [--model tiny] [--top-k 32 64 128] [--min-weight 0.2 0.5] [--bits 8 7]
    .venv/bin/python scripts/bench_pruning.py FOLDER... --encoded OUT...

Each collection is encoded once, its weights are kept, and each row prunes them by the code that `encode` itself uses; so a row is what
`splade-lucene encode` with the options in its first column would give, without waiting for the model each time. With --encoded the
weights are those of finished folders of vectors, known as exactly as their scale says: impact / scale. Queries are not pruned. Each
row is a real index, searched in one thread for all judged queries (1,000 hits, the query's own document removed) after a round to
warm up; *search ms* is the median without encoding.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene import jvm
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.progress import progress
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter

# Passages encoded at a time.
_WINDOW = 1024


def main() -> None:
    """Measures and prints a table for each collection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--encoded", nargs="+", type=Path, metavar="OUT", help="what `encode` made of each folder, with no pruning")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--query-max-length", type=int, default=64)
    parser.add_argument("--top-k", type=int, nargs="*", default=[32, 64, 128])
    parser.add_argument("--min-weight", type=float, nargs="*", default=[0.2, 0.5])
    parser.add_argument("--max-ratio", type=float, nargs="*", default=[0.1, 0.25])
    parser.add_argument("--alpha-mass", type=float, nargs="*", default=[0.9, 0.75])
    parser.add_argument("--bits", type=int, nargs="*", default=[8, 7])
    args = parser.parse_args()
    jvm.start()
    model = SpladeModel.load(args.model)
    rows = [Quantization()]
    rows += [Quantization(top_k=each) for each in args.top_k]
    rows += [Quantization(min_weight=each) for each in args.min_weight]
    rows += [Quantization(max_ratio=each) for each in args.max_ratio]
    rows += [Quantization(alpha_mass=each) for each in args.alpha_mass]
    rows += [Quantization(bits=each) for each in args.bits]
    # A cap at the scale that fits the whole range of weights into it: 5.1, where log(1 + logit) never comes.
    rows += [Quantization(bits=each, scale=2**each // 5) for each in (8, 4)]
    for folder, encoded in zip(args.folders, args.encoded or [None] * len(args.folders), strict=True):
        passages = list(read_passages(folder))
        weights = stored_weights(encoded) if encoded else encode_weights(model, passages, args.max_length)
        record = {"max_length": args.max_length, "query_max_length": args.query_max_length}
        with progress(folder.name, "rows", len(rows)) as advance:
            table = []
            for quantization in rows:
                table.append(measure(folder, model, passages, weights, quantization=quantization, lengths=record))
                advance(1)
        print(markdown_table(table), end="\n\n", flush=True)


def encode_weights(model: SpladeModel, passages: Sequence[Passage], max_length: int) -> list[dict[str, float]]:
    """The weights of all passages, neither pruned nor quantized."""
    weights: list[dict[str, float]] = []
    with progress("encoding", "passages", len(passages)) as advance:
        for start in range(0, len(passages), _WINDOW):
            texts = [passage.contents for passage in passages[start : start + _WINDOW]]
            weights += model.document_weights(texts, max_length=max_length)
            advance(len(texts))
    return weights


def stored_weights(encoded: Path) -> list[dict[str, float]]:
    """The weights of the passages in a folder of vectors."""
    scale = check_vectors(encoded).encoder.scale
    return [{token: impact / scale for token, impact in vector.vector.items()} for vector in read_vectors(encoded)]


def measure(
    folder: Path,
    model: SpladeModel,
    passages: Sequence[Passage],
    weights: Sequence[Mapping[str, float]],
    *,
    quantization: Quantization,
    lengths: Mapping[str, int],
) -> dict[str, str]:
    """A row: indexes the passages as ``encode`` with these options would give them, searches, and scores."""
    vectors = [ImpactVector(passage.doc_id, quantization.bag(bag)) for passage, bag in zip(passages, weights, strict=True)]
    options = {"--scale": quantization.scale, "--top-k": quantization.top_k}
    options |= {"--min-weight": quantization.min_weight, "--bits": quantization.bits}
    options |= {"--max-ratio": quantization.max_ratio, "--alpha-mass": quantization.alpha_mass}
    given = {name: value for name, value in options.items() if value is not None and (name, value) != ("--scale", Quantization().scale)}
    with tempfile.TemporaryDirectory() as temporary:
        encoded, index = Path(temporary) / "encoded", Path(temporary) / "index"
        record = model.record(query_max_length=lengths["query_max_length"], scale=quantization.scale)
        settings = VectorSettings(lengths["max_length"], bits=quantization.bits)
        writer = VectorWriter(encoded, encoder=record, settings=settings)
        writer.write_shard(passages, vectors)
        manifest = writer.finish()
        build_impact_index(encoded, index)
        queries, qrels = read_queries(folder), read_qrels(folder)
        with ImpactSearcher(index, model=model) as searcher:
            for _ in range(2):
                run, info = search_queries(searcher, queries, remove_query=True)
    scores = score_run(run, qrels, "nDCG@10 R@100").mean
    return {
        folder.name: " ".join(f"{name} {value}" for name, value in given.items()) or "all weights",
        "postings/doc": f"{manifest.postings / manifest.passages:.1f}",
        "capped": f"{manifest.capped / manifest.postings:.2%}" if quantization.bits else "-",
        "index MB": f"{(info.index_bytes or 0) / 1e6:.2f}",
        "FLOPS": f"{info.flops:.2f}",
        "search ms": f"{info.search_ms.p50:.2f}",
        **{name: f"{value:.4f}".lstrip("0") for name, value in scores.items()},
    }


if __name__ == "__main__":
    main()
