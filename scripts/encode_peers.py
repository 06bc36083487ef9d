"""The encoders that scripts/bench_encode.py compares, each in a process of its own, and what it measures there."""

from __future__ import annotations

import itertools
import json
import math
import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Encode = Callable[[list[str], int, int], Any]
Bags = list[dict[str, float]]


class Worker:
    """A system in a process of its own.

    Args:
        system: its name.
        folder: the model.
        precision: of ours.
        threads: of its matrix products.
        device: of all its work.
    """

    def __init__(self, system: str, folder: Path, precision: str, threads: int, device: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, there = spawn.Pipe()
        given, named = (there, system, folder, precision), {"threads": threads, "device": device}
        self._process = spawn.Process(target=serve, args=given, kwargs=named, daemon=True)
        self._process.start()
        there.close()

    def ask(self, what: str, *arguments: Any) -> Any:
        """The answer of the process."""
        self._pipe.send((what, arguments))
        return self._pipe.recv()

    def stop(self) -> None:
        """Ends the process."""
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, system: str, folder: Path, precision: str, *, threads: int, device: str) -> None:
    """What the process of a system does until its pipe is closed."""
    import torch

    torch.set_num_threads(threads)
    encode, bags, model = SYSTEMS[system](folder, precision, device)

    on_gpu = device.startswith("cuda")
    used, most_used = (gpu_memory, torch.cuda.max_memory_allocated) if on_gpu else (resident, most_resident)
    encode(["a text to warm up"], 16, 1)
    loaded = used()

    def timed(texts: list[str], max_length: int, batch: int) -> tuple[float, float, int]:
        used()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            result = encode(texts, max_length, batch)
            if on_gpu:
                torch.cuda.synchronize()
        except torch.OutOfMemoryError:
            return math.inf, math.inf, 0
        taken = time.perf_counter() - wall, time.process_time() - cpu, most_used() - loaded
        del result
        if on_gpu:  # for the other systems
            torch.cuda.empty_cache()
        return taken

    answers: dict[str, Callable[..., Any]] = {
        "time": timed,
        "bags": bags,
        "peak": lambda: matmul_peak(device),
        "arithmetic": lambda: f"{precision}, {model.kernels} kernels",
        "lengths": lambda texts, max_length: [len(ids) for ids in model.tokenizer.token_ids(texts, max_length)],
        "flops": lambda tokens: useful_flops(folder, tokens),
    }
    while True:
        try:
            what, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send(answers[what](*arguments))


def ours(folder: Path, precision: str, device: str) -> tuple[Encode, Callable[[list[str], int], Bags], Any]:
    """Texts to impacts."""
    from splade_lucene.encoding.model import SpladeModel

    model = SpladeModel.load(str(folder), device=device, precision=precision)
    return (
        lambda texts, max_length, batch: model.encode_documents(texts, max_length=max_length),
        lambda texts, max_length: model.document_weights(texts, max_length=max_length),
        model._network,
    )


def pyserini(folder: Path, precision: str, device: str) -> tuple[Encode, Callable[[list[str], int], Bags], Any]:
    """Texts to impacts, on Pyserini's own scale."""
    from splade_lucene.lucene import jvm

    jvm.start()  # otherwise pyserini starts the Java of the system, whatever its version
    from pyserini.encode import SpladeDocumentEncoder

    encoder = SpladeDocumentEncoder(str(folder), device=device)

    def encode(texts: Sequence[str], max_length: int, batch: int) -> Bags:
        parts = (encoder.encode(texts[start : start + batch], max_length=max_length) for start in range(0, len(texts), batch))
        return list(itertools.chain.from_iterable(parts))

    return encode, lambda texts, max_length: encode(texts, max_length, 1), None


def sentence_transformers(
    folder: Path, precision: str, device: str, *, half: bool = False
) -> tuple[Encode, Callable[[list[str], int], Bags], Any]:
    """Texts to sparse tensors of weights."""
    from sentence_transformers import SparseEncoder
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sparse_encoder.modules import SpladePooling

    encoder = SparseEncoder(modules=[Transformer(str(folder), transformer_task="fill-mask"), SpladePooling("max")], device=device)
    if half:
        encoder.half()

    def encode(texts: list[str], max_length: int, batch: int) -> Any:
        encoder.max_seq_length = max_length
        return encoder.encode(texts, batch_size=batch, show_progress_bar=False)

    def bags(texts: list[str], max_length: int) -> Bags:
        tokens = encoder.tokenizer.convert_ids_to_tokens(list(range(len(encoder.tokenizer))))
        dense = encode(texts, max_length, 8).to_dense()
        return [{tokens[entry]: float(row[entry]) for entry in row.nonzero().flatten().tolist()} for row in dense]

    return encode, bags, None


SYSTEMS: dict[str, Callable[[Path, str, str], tuple[Encode, Callable[[list[str], int], Bags], Any]]] = {
    "ours": ours,
    "pyserini": pyserini,
    "sentence-transformers": sentence_transformers,
    "sentence-transformers fp16": partial(sentence_transformers, half=True),
}


def useful_flops(folder: Path, tokens: int) -> float:
    """Floating-point operations of the matrix products of one text without padding, of a network shaped as BERT."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    layer = 4 * size * size + 2 * size * inner + 2 * tokens * size
    return 2.0 * tokens * (layers * layer + size * size + size * config["vocab_size"])


def matmul_peak(device: str) -> float:
    """GFLOP/s of the best of three large matrix products in fp32, on a GPU in fp16."""
    import torch

    on_gpu = device.startswith("cuda")
    size, best = 8192 if on_gpu else 2048, float("inf")
    left, right = (torch.randn(size, size, device=device, dtype=torch.float16 if on_gpu else torch.float32) for _ in range(2))
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(left, right)
        if on_gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def gpu_memory() -> int:
    """Bytes of the GPU's memory that this process uses; the mark of the most so far is set back to it."""
    import torch

    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def resident() -> int:
    """Bytes of memory that this process holds; where the system allows, the mark of the most so far is set back to it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return most_resident()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"))
    return int(found[1]) * 1024 if found else most_resident()


def most_resident() -> int:
    """The most bytes that this process held since :func:`resident` was called, or ever."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="ascii")) if status.exists() else None
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
