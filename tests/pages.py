"""The pages of the documentation and their fenced blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The page whose blocks may import Pyserini.
FROM_PYSERINI = ROOT / "docs" / "from-pyserini.md"


class Block(NamedTuple):
    """A fenced block: where it is, in which language, and why it is not run, if it is not."""

    line: int
    language: str
    code: str
    reason: str | None


def blocks(page: Path) -> Iterator[Block]:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    before = ""
    for number, line in lines:
        fence = re.fullmatch(r"\s*(`{3,}|~{3,})\s*(\S*).*", line)
        if fence:
            code = []
            for _, inner in lines:
                if inner.strip() == fence.group(1):
                    break
                code.append(inner)
            else:
                raise ValueError(f"{page.name}, line {number}: the block never ends")
            comment = re.fullmatch(r"<!-- not run:(.*)-->", before.strip())
            yield Block(number, fence.group(2), "\n".join(code), comment.group(1).strip() if comment else None)
        before = line


def imports_pyserini(block: Block) -> bool:
    """Whether it is a Python program that imports stock Pyserini."""
    return block.language == "python" and re.search(r"^(from|import) pyserini\b", block.code, re.MULTILINE) is not None
