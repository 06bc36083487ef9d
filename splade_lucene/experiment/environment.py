"""What an evaluation ran on: versions and machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from splade_lucene.core.processors import usable_processors
from splade_lucene.lucene.java import lucene_version

_PACKAGES = ("splade_lucene", "pyserini", "torch", "transformers", "ir_measures", "pytrec-eval-terrier", "numpy", "scipy")


def versions() -> dict[str, str]:
    """Package or program → version; starts the JVM to ask Lucene for its own."""
    return {
        "python": platform.python_version(),
        "lucene": lucene_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def machine() -> dict[str, Any]:
    """``os``, ``cpu``, ``cores`` that this process may use, ``memory_bytes``."""
    return {
        "os": platform.platform(),
        "cpu": _cpu(),
        "cores": usable_processors(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _cpu() -> str:
    """The name of the processor; on Linux platform.processor() has none."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
