#!/usr/bin/env python
"""Trains on a collection with several seeds and tells what that does to its test queries: the tables of docs/train.md.

    .venv/bin/python scripts/train_seeds.py WORK scifact/ [--lengths 128/24] [--seeds 1 2 3] [--model tiny] [-- --qrels train ...]

What stands after `--` goes to `splade-lucene train`; everything else is its default. The models are then compared with the untrained one by
`splade-lucene beir` at the same lengths: nDCG@10 on the test queries, a paired t-test against the untrained model, FLOPS. What is there
already is not done again; a training run that was interrupted starts anew. Minutes are those of that command, on the clock and of the
processor.

    --held-out              compares on the held-out queries that judge, instead: what a default is chosen by. The test queries are not
                            touched.
    --names-as-titles N     first makes a collection of N passages, the relevant ones among them, with their ids as titles: for
                            debian-packages, which has none. Its queries and judgments stay as they are.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

COMMAND = Path(sys.executable).with_name("splade-lucene")


class Trained(NamedTuple):
    """A model that was trained, and what that took."""

    folder: Path
    seed: int
    clock_minutes: float
    processor_minutes: float


def main() -> None:
    """Trains, evaluates, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, help="folder for models and runs")
    parser.add_argument("collection", type=Path, help="BEIR folder")
    parser.add_argument("--lengths", default="128/24", help="tokens of a passage and of a query")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--held-out", action="store_true")
    parser.add_argument("--names-as-titles", type=int, metavar="N")
    where = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args, options = parser.parse_args(sys.argv[1:where]), sys.argv[where + 1 :]
    collection = named(args.work, args.collection, args.names_as_titles) if args.names_as_titles else args.collection
    documents, queries = args.lengths.split("/")
    lengths = ["--max-length", documents, "--query-max-length", queries]
    name = "-".join([collection.name, documents, queries, *(option.strip("-") for option in options)])
    models = [train(args.work / f"{name}-{seed}", collection, args.model, [*lengths, *options], seed) for seed in args.seeds]
    if args.held_out:
        print_held_out(name, models)
        return
    print_table(name, models, evaluate(args.work / "beir" / name, collection, args.model, models, lengths), args.model)


def named(work: Path, collection: Path, count: int) -> Path:
    """A sample of a collection whose passages have their ids as titles."""
    folder = work / f"{collection.name}-named"
    if folder.exists():
        return folder
    lines = (collection / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    passages = {passage["_id"]: passage for passage in map(json.loads, lines)}
    judged = {line.split("\t")[1] for line in (collection / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]}
    kept = [doc_id for doc_id in passages if doc_id in judged]
    kept += random.Random(1).sample([doc_id for doc_id in passages if doc_id not in judged], count - len(kept))
    half = folder.with_name(f"{folder.name}.half")
    shutil.copytree(collection, half, dirs_exist_ok=True)
    with (half / "corpus.jsonl").open("w", encoding="utf-8") as stream:
        for doc_id in sorted(kept):
            print(json.dumps({**passages[doc_id], "title": " ".join(doc_id.split("-"))}), file=stream)
    half.rename(folder)
    return folder


def train(folder: Path, collection: Path, model: str, options: list[str], seed: int) -> Trained:
    """Runs `splade-lucene train`, if no such run was timed to its end."""
    times = folder.with_name(f"{folder.name}.times.json")  # a name may have dots: an option's number
    if not times.is_file():
        started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        run("train", collection, "--out", folder, "--model", model, "--seed", seed, "--overwrite", *options)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        times.write_text(json.dumps([(time.monotonic() - started) / 60, processor / 60]), encoding="utf-8")
    return Trained(folder, seed, *json.loads(times.read_text(encoding="utf-8")))


def evaluate(out: Path, collection: Path, model: str, models: list[Trained], lengths: list[str]) -> list[dict[str, Any]]:
    """The rows of `splade-lucene beir`: the untrained model's, then one of each trained model."""
    given = [word for name in (model, *(trained.folder for trained in models)) for word in ("--model", name)]
    run("beir", collection, *given, *lengths, "--systems", "splade", "--measures", "nDCG@10 R@100", "--output", out)
    rows: list[dict[str, Any]] = json.loads((out / "results.json").read_text(encoding="utf-8"))["rows"]
    return rows


def run(*words: object) -> None:
    """Runs the command with its progress on stderr."""
    subprocess.run([COMMAND, *map(str, words)], check=True, stdout=sys.stderr)


def print_held_out(name: str, models: list[Trained]) -> None:
    """A row a seed: what is in the records of the training, so nothing is searched; the mean of all queries in the end."""
    from splade_lucene.evaluation.table import markdown_table

    rows: list[dict[str, Any]] = []
    scores: list[float] = []
    for trained in models:
        verdict = json.loads((trained.folder / "training.json").read_text(encoding="utf-8"))["verdict"]
        before, after = verdict["before"], verdict["after"]
        scores += after["queries"].values()
        rows.append({
            name: f"seed {trained.seed}",
            "held-out nDCG@10": f"{before['score']:.4f} → {after['score']:.4f}",
            "p": f"{verdict['p']:.2g}",
            "FLOPS": f"{before['flops']:.2f} → {after['flops']:.2f}",
            "minutes (processor)": f"{trained.clock_minutes:.1f} ({trained.processor_minutes:.1f})",
        })  # fmt: skip
    print(markdown_table(rows))
    print(f"{sum(scores) / len(scores):.4f} over {len(scores):,} queries")


def print_table(name: str, models: list[Trained], rows: list[dict[str, Any]], model: str) -> None:
    """A row a seed."""
    from splade_lucene.evaluation.table import markdown_table

    before, after = rows[0], rows[1:]
    print(markdown_table([
        {
            name: f"seed {trained.seed}",
            f"nDCG@10 ({model} → trained)": f"{before['scores']['nDCG@10']:.4f} → {row['scores']['nDCG@10']:.4f}",
            "p": f"{row['comparisons']['nDCG@10']['t_p']:.2g}",
            "R@100": f"{before['scores']['R@100']:.4f} → {row['scores']['R@100']:.4f}",
            "FLOPS": f"{before['cost']['flops']:.2f} → {row['cost']['flops']:.2f}",
            "minutes (processor)": f"{trained.clock_minutes:.1f} ({trained.processor_minutes:.1f})",
        }
        for trained, row in zip(models, after, strict=True)
    ]))  # fmt: skip


if __name__ == "__main__":
    main()
