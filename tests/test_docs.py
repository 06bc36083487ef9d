"""Every command in the README and on the pages in ``docs/`` is run here; a page that promises what does not work fails.

The convention for pages:

- A fenced block of ``bash`` is a list of commands, run with ``bash -euo pipefail``; one of ``python`` is run as a script. The blocks of a
  page run in their order in one folder, which is empty but for the material below; the Python blocks of a page share their names. Those
  that import Pyserini, which takes long, ``tests/test_pyserini.py`` runs, in the process that it has for that. A
  command that ends with another status than 0 fails the test. Whatever is not meant to be run (output, file formats) is ``text``,
  ``json`` or the like, never ``bash``, ``sh``, ``console`` or ``python``.
- A block that cannot be run here (it needs a download, a server, a GPU) has a line of its own right before it that says why::

      <!-- not run: downloads 440 MB from the hub -->

- Commands name this material, real data cut to a size that is encoded in seconds, and nothing else that they did not make:

  ==================  ================================================================================================
  ``passages.jsonl``  80 docstrings of Python's standard library, ``{"id": …, "contents": …}``
  ``queries.tsv``     the 12 questions to them, ``id<TAB>text``
  ``qrels.tsv``       TREC judgments
  ``dataset/``        the same as a BEIR folder
  ``my-splade/``      a model folder as ``save_pretrained`` writes it: the small model that ``tiny`` names
  ``scifact/``        80 passages and 12 queries of BEIR's SciFact, a BEIR folder, and ``scifact.zip``; likewise ``nfcorpus``:
                      where the collections are not beside the repository, pages that name them are skipped
  ==================  ================================================================================================

- Use ``--model tiny`` or ``--model my-splade``: no model hub is within reach of the tests.
- Commands of ``splade-lucene`` that need no shell are called in the tests' process, which spares them the start of Python and Java.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeGuard
from unittest import mock

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections import pydocs
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.encoding.loading import find_model
from splade_lucene.records import Passage, Qrel, Query
from tests.pages import FROM_PYSERINI, PAGES, ROOT, Block, blocks, imports_pyserini

BEIR = ("scifact", "nfcorpus")
QUERIES, PASSAGES = 12, 80
RUN = {"bash", "python"}
# Names that readers take for commands too, under which they would not be run.
MISLEADING = {"", "sh", "shell", "console", "shell-session", "zsh", "py", "pycon", "ipython"}


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory, real_collection: Callable[[str], Path], tiny: object) -> Path:
    """The folder that each page gets a copy of."""
    folder = tmp_path_factory.mktemp("material")
    passages = pydocs.passages()
    queries, qrels = pydocs.questions({passage.doc_id for passage in passages})
    passages, queries, qrels = cut(passages, queries, qrels)
    with (folder / "passages.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"id": each.doc_id, "contents": each.contents}) + "\n" for each in passages)
    (folder / "queries.tsv").write_text("".join(f"{query_id}\t{text}\n" for query_id, text in queries), encoding="utf-8")
    (folder / "qrels.tsv").write_text(
        "".join(f"{query_id} 0 {doc_id} {relevance}\n" for query_id, doc_id, relevance in qrels), encoding="utf-8"
    )
    write_beir(folder / "dataset", passages, queries, qrels)
    (folder / "my-splade").mkdir()
    for file in find_model("tiny").folder.iterdir():
        if file.suffix in {".json", ".safetensors"}:
            (folder / "my-splade" / file.name).symlink_to(file)
    for name in BEIR:
        with contextlib.suppress(pytest.skip.Exception):
            source = real_collection(name)
            write_beir(folder / name, *cut(list(read_passages(source)), read_queries(source), read_qrels(source)))
            shutil.make_archive(str(folder / name), "zip", folder, name)
    return folder


def cut(
    passages: Sequence[Passage], queries: Sequence[Query], qrels: Sequence[Qrel]
) -> tuple[list[Passage], list[Query], list[Qrel]]:  # fmt: skip
    """The first queries with few judgments, what is judged for them, and other passages to fill up."""
    judged = {query.query_id: [qrel for qrel in qrels if qrel.query_id == query.query_id] for query in queries}
    kept = [query for query in queries if 0 < len(judged[query.query_id]) <= PASSAGES // QUERIES][:QUERIES]
    assert len(kept) == QUERIES
    doc_ids = {qrel.doc_id for query in kept for qrel in judged[query.query_id]}
    others = (passage.doc_id for passage in passages if passage.doc_id not in doc_ids)
    doc_ids |= {doc_id for doc_id, _ in zip(others, range(PASSAGES - len(doc_ids)), strict=False)}
    return [each for each in passages if each.doc_id in doc_ids], kept, [qrel for query in kept for qrel in judged[query.query_id]]


def write_beir(folder: Path, passages: Sequence[Passage], queries: Sequence[Query], qrels: Sequence[Qrel]) -> None:
    (folder / "qrels").mkdir(parents=True)
    with (folder / "corpus.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"_id": each.doc_id, "title": each.title, "text": each.text}) + "\n" for each in passages)
    with (folder / "queries.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"_id": each.query_id, "text": each.text}) + "\n" for each in queries)
    lines = ["query-id\tcorpus-id\tscore\n", *(f"{query_id}\t{doc_id}\t{relevance}\n" for query_id, doc_id, relevance in qrels)]
    (folder / "qrels" / "test.tsv").write_text("".join(lines), encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_works(page: Path, material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(material, tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language not in RUN or block.reason:
            continue
        for name in BEIR:
            if name in block.code and not (material / name).exists():
                pytest.skip(f"names {name}, which is not beside the repository")
        try:
            if block.language == "bash":
                run_bash(block.code)
            elif imports_pyserini(block):
                assert page == FROM_PYSERINI, "tests/test_pyserini.py runs such blocks of that page only"
            else:
                with mock.patch.dict(os.environ):
                    exec(compile(block.code, f"{page.name}, line {block.line}", "exec"), names)
        except BaseException as error:
            error.add_note(f"in the block at {page.name}, line {block.line}:\n{block.code}")
            raise


def run_bash(code: str) -> None:
    for part in parts(code):
        words = plain_words(part)
        if needs_no_process(words):
            assert call(words) == 0, f"failed: {part}"
        else:
            run_program(["bash", "-euo", "pipefail", "-c", part])


def needs_no_process(words: list[str] | None) -> TypeGuard[list[str]]:
    """Whether it is a command of this package that means the same without a shell."""
    if not words:
        return False
    return words[0] == "splade-lucene" or (words[:2] == ["python", "-m"] and words[2].startswith("splade_lucene."))


def call(words: list[str]) -> int:
    """Calls such a command."""
    if words[0] == "splade-lucene":
        return main(words[1:])
    status: int = importlib.import_module(words[2]).main(words[3:])
    return status


def parts(code: str) -> list[str]:
    """The block cut at the commands that need no shell; whole if it starts processes in the background or sets variables."""
    if re.search(r"&\s*$|^\s*\w+=|^\s*(cd|export|set|for|if|while)\b", code, re.MULTILINE):
        return [code]
    found, end = [""], None
    for line in code.replace("\\\n", " ").splitlines():
        words = plain_words(line) if end is None else None
        if needs_no_process(words):
            found += [line, ""]
        elif end is not None or (line.strip() and not line.lstrip().startswith("#")):
            found[-1] += f"{line}\n"
            here = re.search(r"<<'(\w+)'$", line) if end is None else None
            end = here[1] if here else None if line == end else end
    return [part for part in found if part]


def run_program(command: Sequence[str]) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    child = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert child.returncode == 0, f"exit status {child.returncode}:\n{child.stdout}{child.stderr}"


def plain_words(line: str) -> list[str] | None:
    """The words of a command that means the same without a shell, or None."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    return None if any(set(word) <= set("();<>|&") for word in words) or re.search(r"[$`*~{]", line) else words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_keeps_to_the_convention(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = list(blocks(page))
    for block in found:
        place = f"{page.name}, line {block.line}"
        assert block.reason != "", f"{place}: say why the block is not run"
        assert block.reason is None or block.language in RUN, f"{place}: a block of {block.language!r} is never run; leave the comment out"
        if block.language in MISLEADING:
            command = re.search(r"^\s*(\$ |splade-lucene |python3? |pip )", block.code, re.MULTILINE)
            assert command is None, f"{place}: commands are run when the block says bash or python"
    assert text.count("<!-- not run:") == sum(block.reason is not None for block in found), f"{page.name}: a comment stands before no block"
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        assert (page.parent / target).exists(), f"{page.name}: the link to {target} leads nowhere"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("splade-lucene explain 'does it; work?' --top 3  # why", ["splade-lucene", "explain", "does it; work?", "--top", "3"]),
        ("splade-lucene evaluate qrels a.trec > out", None),
        ("splade-lucene evaluate qrels *.trec", None),
        ("MODEL=tiny && splade-lucene demo", None),
        ("splade-lucene encode $CORPUS out", None),
    ],
)
def test_which_commands_need_a_shell(line: str, expected: list[str] | None) -> None:
    assert plain_words(line) == expected


def test_a_block_is_cut_at_the_commands_that_need_no_shell() -> None:
    document = "cat > a <<'END'\n# one\nsplade-lucene index out index\nEND\n"
    block = f"# Why.\n{document}echo b > c\nsplade-lucene index \\\n  out index\n\nsplade-lucene search index q - | head\n"
    assert parts(block) == [f"{document}echo b > c\n", "splade-lucene index    out index", "splade-lucene search index q - | head\n"]
    for whole in ("splade-lucene serve index &\nsplade-lucene doctor\nkill $!", "A=index\nsplade-lucene doctor\n"):
        assert parts(whole) == [whole]


@pytest.mark.parametrize("code", ["splade-lucene evaluate qrels.tsv nowhere.trec", "true | false | true", "exit 3"])
def test_a_command_that_fails_is_noticed(code: str, material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(material)
    with pytest.raises(AssertionError):
        run_bash(code)


def test_blocks_are_read_as_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n\n```bash\na \\\n  b\n```\n<!-- not run: needs a server -->\n```python\nc\n```\n\n````text\n```bash\nd\n```\n````\n"
    )
    assert list(blocks(page)) == [
        Block(3, "bash", "a \\\n  b", None),
        Block(8, "python", "c", "needs a server"),
        Block(12, "text", "```bash\nd\n```", None),
    ]
