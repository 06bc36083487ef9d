#!/usr/bin/env python
"""Runs the notebooks of examples/ in folders of their own and keeps what they print; with --check, compares instead."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# On a cell whose output depends on the Python version or the machine beyond its numbers.
VARIES = "output-varies"


def execute(file: Path) -> Any:
    """The notebook as it comes out of a fresh kernel in an empty folder."""
    notebook = nbformat.read(file, as_version=4)
    # In cells of bash, `splade-lucene` means the command beside this interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        if cell.cell_type == "code":
            # Progress, which is for the reader who waits.
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    notebook.metadata.language_info = {"name": "python"}
    return notebook


def printed(cell: Any) -> str:
    """The output of a cell with its numbers and spaces made one: they may differ from machine to machine."""
    parts = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in cell.get("outputs", [])]
    return re.sub(r"[\s:|-]+", " ", re.sub(r"0x\w+|\d[\d.,]*|\.\d+", "0", "".join(parts))).strip()


def main() -> None:
    """Runs the notebooks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(EXAMPLES.glob("*.ipynb")))
    parser.add_argument("--check", action="store_true", help="exit 1 if a notebook fails or prints something else than is kept in it")
    args = parser.parse_args()
    for file in args.notebooks:
        before, now = nbformat.read(file, as_version=4), execute(file)
        if not args.check:
            nbformat.write(now, file)
            continue
        for number, (old, new) in enumerate(zip(before.cells, now.cells, strict=True), start=1):
            if VARIES not in old.metadata.get("tags", []) and printed(old) != printed(new):
                sys.exit(f"{file}, cell {number} prints\n{printed(new)}\nwhere it keeps\n{printed(old)}\nRun scripts/run_notebooks.py.")


if __name__ == "__main__":
    main()
