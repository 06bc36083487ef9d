#!/usr/bin/env python
"""Encoding, side by side: our encoder, stock Pyserini's SpladeDocumentEncoder and sentence-transformers' SparseEncoder.

    .venv/bin/pip install -c scripts/constraints.txt -e '.[bench]'
    .venv/bin/python scripts/bench_encode.py [CORPUS] [--model tiny|bert-base|DIR] [--max-length 256] [--count 256] [--threads 2]
    .venv/bin/python scripts/bench_encode.py CORPUS --device cuda --count 4096 --batches 16 64 256 [--precision bf16]

CORPUS is a collection of passages (by default the docstrings of Python's standard library); `bert-base` is a network of the size of
BERT-base with random weights and the tokenizer of `tiny`, fine for speed; `bert-base-sparse` is the same with a bias that leaves about
200 entries of a passage above 0, as trained models do. Every system is a process of its own with the same texts,
lengths and threads. Rounds go from system to system; the best of each counts, since other work on the machine only adds time. Peers
run with the batch size that was fastest on a part of the texts; Pyserini also with its default. What they return is not turned into
bags of tokens in the time measured. GFLOP/s count products of tokens alone, not of padding, over the measured peak of a square matrix
product. Memory is the most that the process grew by after
loading the model. Differences are between impacts (on Pyserini's own scale for it). On a GPU the peers compute in fp32, as they do by
default, and sentence-transformers in fp16 as well; memory is what PyTorch took of the GPU's.

    --whole    adds a row for the command `splade-lucene encode` on the same passages, from reading them to the complete folder; the time
               that it takes for one passage, which is that of starting, is taken off
    --busy     measures each system idle, beside a process that loops in one thread, and beside one that multiplies matrices in all
               threads, instead of the tables above
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from encode_peers import SYSTEMS, Bags, Worker

from splade_lucene.core.processors import usable_processors
from splade_lucene.evaluation.cost import latency
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.experiment.environment import machine

# Pyserini quantizes round(weight / 5 · 256), ours here likewise for the comparison.
_PYSERINI_SCALE = 256 / 5
_PYSERINI_DEFAULT = 64


def main() -> None:
    """Measures and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="?", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--max-length", type=int, default=256)
    parser.add_argument("--count", type=int, default=256, help="passages, spread over the corpus")
    parser.add_argument("--queries", type=int, default=50, help="texts cut at 24 tokens and encoded one at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_processors())
    parser.add_argument("--precision", default="auto", help="of ours")
    parser.add_argument("--device", default="cpu", help="of all: cpu or cuda")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32, 64], help="tried with the peers")
    parser.add_argument("--systems", help=f"of {', '.join(SYSTEMS)}")
    parser.add_argument("--workers", type=int, default=1, help="of the whole command")
    parser.add_argument("--busy", action="store_true", help="beside other work instead of alone")
    parser.add_argument("--whole", action="store_true", help="a row for the whole command as well")
    args = parser.parse_args()
    on_gpu = args.device.startswith("cuda")
    args.systems = args.systems or ",".join(SYSTEMS if on_gpu else [each for each in SYSTEMS if not each.endswith("fp16")])
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
    os.environ.setdefault("OPENAI_API_KEY", "pyserini.encode wants one to be imported")
    texts = read_texts(args.corpus, args.count)
    made = Path(tempfile.mkdtemp(prefix="bench-encode-"))
    try:
        folder = model_folder(args.model, made)
        workers = {name: Worker(name, folder, args.precision, args.threads, args.device) for name in args.systems.split(",")}
        print(f"{processor(args.device)}; ours: {workers['ours'].ask('arithmetic')}\n")
        (measure_busy if args.busy else measure)(args, texts, workers)
        if args.whole:
            print(f"\n{whole_command(args, texts, folder, made, workers['ours'])}")
        for worker in workers.values():
            worker.stop()
    finally:
        shutil.rmtree(made)


def measure(args: argparse.Namespace, texts: list[str], workers: dict[str, Worker]) -> None:
    """Runs the rounds and prints the tables."""
    first = workers["ours"]
    lengths: list[int] = first.ask("lengths", texts, args.max_length)
    flops = sum(first.ask("flops", each) * lengths.count(each) for each in set(lengths))
    sample = texts[:: max(1, len(texts) // max(64, 2 * max(args.batches)))]
    rows: list[tuple[str, str, int]] = []
    for name, worker in workers.items():
        if name == "ours":
            rows.append((name, "", 0))
            continue
        tried = {batch: worker.ask("time", sample, args.max_length, batch)[0] for batch in args.batches}
        rows += [(name, f", batch {_PYSERINI_DEFAULT} (default)", _PYSERINI_DEFAULT)] * (name == "pyserini")
        best = min(tried, key=lambda batch: tried[batch])
        rows.append((name, f", batch {best} (its best)", best))
    seconds: dict[tuple[str, str, int], list[tuple[float, float, int]]] = {row: [] for row in rows}
    peaks: list[float] = []
    kind = "fp16" if args.device.startswith("cuda") else "fp32"
    for _, row in itertools.product(range(args.rounds), rows):
        seconds[row].append(workers[row[0]].ask("time", texts, args.max_length, row[2]))
        peaks.append(first.ask("peak"))
    differences = {name: difference(name, first, worker, texts[:64], args.max_length) for name, worker in workers.items()}
    slowest = min(each[0] for each in seconds[rows[1]]) if len(rows) > 1 else 0.0
    table = []
    for row, times in seconds.items():
        wall, cpu = min(each[0] for each in times), min(each[1] for each in times)
        table.append({
            f"{args.model}, {args.max_length} tokens, {len(texts)} passages, {args.threads} threads": row[0] + row[1],
            "passages/s": f"{len(texts) / wall:.1f}",
            "tokens/s": f"{sum(lengths) / wall:,.0f}",
            "ratio": f"{slowest / wall:.1f}" if slowest else "-",
            "CPU ms a passage": f"{cpu * 1e3 / len(texts):.1f}",
            "GFLOP/s": f"{flops / wall / 1e9:.0f}",
            "of peak": f"{flops / wall / 1e9 / max(peaks):.0%}",
            "most memory MB": f"{max(each[2] for each in times) / 1e6:,.0f}",
            "largest difference": differences[row[0]],
        })  # fmt: skip
    print(f"{sum(lengths) / len(lengths):.0f} tokens a passage; measured peak {max(peaks):.0f} GFLOP/s ({kind} matrix product)\n")
    print(markdown_table(table))
    print()
    short = [" ".join(text.split()[:12]) for text in texts[: args.queries]]
    print(markdown_table([latency_row(args, name, worker, short) for name, worker in workers.items()]))


def measure_busy(args: argparse.Namespace, texts: list[str], workers: dict[str, Worker]) -> None:
    """Rates beside nothing, a loop, and matrix products in all threads; rounds go from one to the other, and the median counts."""
    loads = {"idle": "", "beside a loop": "while True: pass", "beside products": _PRODUCTS.format(threads=args.threads)}
    rates: dict[tuple[str, str], list[float]] = {(name, load): [] for name in workers for load in loads}
    best = {"ours": 0, **dict.fromkeys((name for name in workers if name != "ours"), args.batches[0])}
    for _, (load, code), (name, worker) in itertools.product(range(args.rounds), loads.items(), workers.items()):
        with beside(code):
            rates[name, load].append(len(texts) / worker.ask("time", texts, args.max_length, best[name])[0])
    table = []
    for name in workers:
        medians = {load: statistics.median(rates[name, load]) for load in loads}
        row = {f"{args.model}, {args.max_length} tokens, {len(texts)} passages, {args.threads} threads, passages/s": name}
        row |= {
            load: f"{rate:.1f}" + (f" ({rate / medians['idle']:.0%})" if code else "")
            for (load, code), rate in zip(loads.items(), medians.values(), strict=True)
        }
        table.append(row)
    print(markdown_table(table))


_PRODUCTS = """
import torch
torch.set_num_threads({threads})
square = torch.randn(1024, 1024)
print("started", flush=True)
while True:
    square @ square
"""


@contextmanager
def beside(code: str) -> Iterator[None]:
    """Runs Python code in another process during a block."""
    if not code:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", f"print('started', flush=True)\n{code}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(code.count("started") + 1):
            process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def whole_command(args: argparse.Namespace, texts: list[str], folder: Path, made: Path, worker: Worker) -> str:
    """The rate of the command against that of the model in this run, medians of rounds that alternate."""
    commands: dict[int, list[float]] = {1: [], len(texts): []}
    alone: list[float] = []
    for number, count in itertools.product(range(args.rounds), commands):
        corpus, out = made / f"{count}.jsonl", made / f"out-{number}-{count}"
        corpus.write_text("".join(json.dumps({"id": str(each), "contents": text}) + "\n" for each, text in enumerate(texts[:count])))
        options = ["--model", str(folder), "--max-length", str(args.max_length), "--device", args.device, "--precision", args.precision]
        options += ["--workers", str(args.workers)] if args.workers > 1 else []
        start = time.perf_counter()
        command = [sys.executable, "-m", "splade_lucene.cli.main", "encode", str(corpus), str(out), *options]
        subprocess.run(command, check=True, capture_output=True)
        commands[count].append(time.perf_counter() - start)
        if count > 1:
            alone.append(worker.ask("time", texts, args.max_length, 0)[0])
    start_up, command_seconds, own = (statistics.median(each) for each in (commands[1], commands[len(texts)], alone))
    rate = len(texts) / (command_seconds - start_up)
    row = {
        "whole `encode` command": f"{command_seconds:.1f} s",
        "of that to start": f"{start_up:.1f} s",
        "passages/s after that": f"{rate:.1f}",
        "the model alone": f"{len(texts) / own:.1f}",
        "of its rate": f"{rate * own / len(texts):.0%}",
    }
    return markdown_table([row])


def processor(device: str) -> str:
    """Name of the processor."""
    if not device.startswith("cuda"):
        return str(machine()["cpu"])
    import torch

    return f"{torch.cuda.get_device_name(device)}, {machine()['cpu']}, torch {torch.__version__}"


def latency_row(args: argparse.Namespace, name: str, worker: Worker, queries: list[str]) -> dict[str, str]:
    """One text at a time, after a round to warm up."""
    for _ in range(2):
        times = [worker.ask("time", [query], 64, 1)[0] for query in queries]
    times.sort()
    return {
        f"{args.model}, single queries, {args.threads} threads": name,
        "mean ms": f"{latency(times).mean:.1f}",
        "p50": f"{latency(times).p50:.1f}",
        "p90": f"{times[int(0.9 * len(times))] * 1e3:.1f}",
    }


def difference(name: str, ours: Worker, other: Worker, texts: list[str], max_length: int) -> str:
    """The largest difference between the impacts of two systems, and how many of all impacts differ."""
    if name == "ours":
        return "-"
    scale = _PYSERINI_SCALE if name == "pyserini" else 100
    mine: Bags = ours.ask("bags", texts, max_length)
    theirs: Bags = other.ask("bags", texts, max_length)
    largest, different, total = 0, 0, 0
    for left, right in zip(mine, theirs, strict=True):
        for token in left.keys() | right.keys():
            weight = right.get(token, 0)
            gap = abs(round(left.get(token, 0) * scale) - round(weight if name == "pyserini" else weight * scale))
            largest, different, total = max(largest, gap), different + (gap > 0), total + 1
    return f"{largest} ({different} of {total:,})"


def read_texts(corpus: Path | None, count: int) -> list[str]:
    """Texts spread evenly over a collection."""
    if corpus is None:
        from splade_lucene.collections import pydocs

        texts = [passage.contents for passage in pydocs.passages()]
    else:
        from splade_lucene.collections.passages import read_passages

        texts = [passage.contents for passage in read_passages(corpus)]
    return texts[:: max(1, len(texts) // count)][:count]


def model_folder(model: str, made: Path) -> Path:
    """The folder of a model; that of a random BERT-base is made."""
    from splade_lucene.encoding.loading import find_model

    if model not in {"bert-base", "bert-base-sparse"}:
        return find_model(model).folder
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    network = BertForMaskedLM(BertConfig()).eval()
    if model != "bert-base":
        with torch.no_grad():
            largest = network(input_ids=torch.randint(1000, 30000, (4, 100))).logits.amax(dim=1).flatten()
            network.cls.predictions.bias.fill_(-float(largest.sort().values[-4 * 200]))
    network.save_pretrained(made)
    AutoTokenizer.from_pretrained(find_model("tiny").folder).save_pretrained(made)
    return made


if __name__ == "__main__":
    main()
