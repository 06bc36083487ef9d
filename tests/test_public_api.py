"""The public names: one list in the package, on the API page, and in what the pages, the README and the notebooks import."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import splade_lucene
from tests.pages import PAGES, blocks

ROOT = Path(__file__).resolve().parents[1]
API_PAGE = ROOT / "docs" / "api.md"


def typed_names() -> Iterator[tuple[str, str, str]]:
    """Name, module and name there, as type checkers read them."""
    tree = ast.parse(Path(splade_lucene.__file__).read_text(encoding="utf-8"))
    (block,) = (each for each in tree.body if isinstance(each, ast.If))
    for each in block.body:
        assert isinstance(each, ast.ImportFrom) and each.module
        for alias in each.names:
            assert alias.asname, f"{alias.name} is not re-exported to type checkers without `as`"
            yield alias.asname, each.module, alias.name


def documented() -> set[str]:
    return set(re.findall(r"^::: (\S+)$", API_PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def imported() -> Iterator[tuple[str, str, str]]:
    """Place, module and name of what is imported from this package where readers learn how to use it."""
    for page in PAGES:
        for block in blocks(page):
            if block.language == "python":
                yield from ((f"{page.name}, line {block.line}", module, name) for module, name in _imports(block.code))
    for notebook in sorted((ROOT / "examples").glob("*.ipynb")):
        for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield from ((notebook.name, module, name) for module, name in _imports("".join(cell["source"])))


def _imports(code: str) -> Iterator[tuple[str, str]]:
    if code.startswith("%%"):  # a cell in another language
        return
    for each in ast.walk(ast.parse(code)):
        if isinstance(each, ast.ImportFrom) and each.module and each.module.split(".")[0] == "splade_lucene":
            yield from ((each.module, alias.name) for alias in each.names)


def test_what_type_checkers_see_is_what_the_program_loads() -> None:
    assert sorted(typed_names()) == sorted((name, home, name) for name, home in splade_lucene._HOMES.items())


@pytest.mark.parametrize("name", splade_lucene.__all__)
def test_every_public_name_is_there(name: str) -> None:
    found = getattr(splade_lucene, name)
    assert name in dir(splade_lucene)
    if name in splade_lucene._HOMES:
        module = importlib.import_module(splade_lucene._HOMES[name])
        assert found is getattr(module, name)
        assert found.__doc__, f"{name} has no docstring"
    assert hasattr(splade_lucene, "nothing") is False


def test_the_api_page_has_each_public_name_and_nothing_that_is_not_there() -> None:
    names = {f"splade_lucene.{name}" for name in splade_lucene.__all__ if name != "__version__"}
    assert names <= documented()
    for other in documented() - names:
        module, _, name = other.rpartition(".")
        try:
            importlib.import_module(other)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), name), f"{API_PAGE.name} documents {other}, which does not exist"


def test_what_pages_and_notebooks_import_is_public_or_on_the_api_page() -> None:
    found = list(imported())
    assert found
    for place, module, name in found:
        if module == "splade_lucene":
            assert name in splade_lucene.__all__, f"{place} imports {name}, which is not public"
        else:
            assert {module, f"{module}.{name}"} & documented(), f"{place} imports {name} from {module}, which {API_PAGE.name} does not name"
