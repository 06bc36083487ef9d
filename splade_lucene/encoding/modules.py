"""The modules of a model in sentence-transformers' layout, and which of them a query or a passage passes through."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from splade_lucene.encoding.configuration import inside, read_json, refuse
from splade_lucene.errors import ModelError

MODULES = "modules.json"
TRANSFORMERS, POOLING = ("Transformer", "MLMTransformer"), "SpladePooling"
STATIC = ("SparseStaticEmbedding", "IDF")
# What makes vectors dense; BGE-M3 has them beside its sparse head.
DENSE = ("Pooling", "Normalize")
_ROUTERS = ("Router", "Asym")

Module: TypeAlias = tuple[str, Path]
"""The class of a module, without its path in sentence-transformers, and its folder."""


def modules_of(folder: Path) -> list[Module]:
    """The modules of ``modules.json``: class name and folder.

    Raises:
        ModelError: the file is damaged, or names a class that is not known here.
    """
    file = folder / MODULES
    listed = read_json(file)
    try:
        entries = [(each["type"], each["path"], each.get("kwargs") or []) for each in sorted(listed, key=lambda each: int(each["idx"]))]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ModelError(f"{file} is no list of modules as sentence-transformers writes it ({error!r}); save the model again") from None
    for _, _, arguments in entries:
        if not set(arguments) <= {"task", "modality"}:
            refuse(file, "kwargs", arguments)
    return [(_class_name(file, "type", kind), inside(folder, folder, file, path)) for kind, path, _ in entries]


def _class_name(file: Path, key: str, name: Any) -> str:
    """The last part of a class path of sentence-transformers, under the old and the new module paths alike."""
    if not isinstance(name, str) or not name.startswith("sentence_transformers."):
        raise ModelError(f"{file} names a class of its own ({key} = {name!r}): custom code is never run; export the model without it")
    last = name.rpartition(".")[2]
    if last not in (*TRANSFORMERS, POOLING, *_ROUTERS, *STATIC, *DENSE):
        refuse(file, key, name)
    return last


def modules_for(root: Path, modules: Sequence[Module], task: str) -> list[Module]:
    """The modules that a text of one kind passes through, routers resolved.

    Args:
        root: the folder of the model.
        modules: all of it.
        task: ``query`` or ``document``.

    Raises:
        ModelError: a router has no route for it, or is damaged.
    """
    found: list[Module] = []
    for name, folder in modules:
        found += _route(root, folder, task) if name in _ROUTERS else [(name, folder)]
    return found


def _route(root: Path, folder: Path, task: str) -> list[Module]:
    file = folder / "router_config.json"
    if not file.is_file():
        file = folder / "config.json"  # of older repositories
    config = read_json(file)
    try:
        types, structure, parameters = config["types"], config["structure"], config.get("parameters") or {}
        mappings = {ast.literal_eval(key): route for key, route in (parameters.get("route_mappings") or {}).items()}
        keys = ((task, "text"), (task, None), (None, "text"), (None, None))
        route = next((mappings[key] for key in keys if key in mappings), None)
        if route is None:
            route = next((name for name in (task, "text") if name in structure), None)
        if route is None:
            refuse(file, "structure", list(structure), f"there is no route for a {task}; only a router of query and document works")
        return [(_class_name(file, f"types.{name}", types[name]), inside(root, folder, file, name)) for name in structure[route]]
    except (TypeError, KeyError, ValueError, SyntaxError, AttributeError) as error:
        raise ModelError(f"{file} is no router as sentence-transformers writes it ({error!r}); save the model again") from None
