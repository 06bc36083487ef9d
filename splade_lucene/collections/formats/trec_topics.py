"""TREC topics: the old format without closing tags, and the XML that later tracks use.

Fields are named as they are in the file, but for those that have several names: ``number``, ``title`` (also ``query``),
``description`` (``desc``, ``question``) and ``narrative`` (``narr``).
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterator
from xml.etree import ElementTree

from splade_lucene.collections.formats.base import FileFormat, FileRow
from splade_lucene.core.files import Lines
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath
from splade_lucene.errors import InputError

NUMBER, DEFAULT_FIELD = "number", "title"
_NAMES = {"num": NUMBER, "identifier": NUMBER, "query": "title", "desc": "description", "question": "description", "narr": "narrative"}
# What the old format repeats in words after a tag.
_LABEL = re.compile(r"\s*(?:Number|Topic|Domain|Description|Narrative|Summary|Concept\(s\)|Factor\(s\))\s*:", re.IGNORECASE)
_LABELLED = {"num", "title", "desc", "narr", "dom", "smry", "con", "fac", "head"}
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)[^>]*>")
_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|topics?\b|top\b|!--)", re.IGNORECASE)


def _sniff(head: bytes) -> bool:
    return _START.match(head) is not None


def _read(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    lines = list(Lines(file, bad))
    old = next((True for line in lines if re.match(r"\s*<top>", line, re.IGNORECASE)), False)
    yield from _read_old(file, lines) if old else _read_xml(file, "\n".join(lines))


def _read_old(file: AnyPath, lines: list[str]) -> Iterator[FileRow]:
    fields: dict[str, str] | None = None
    name = ""
    for number, line in enumerate([*lines, "</top>"], start=1):
        at = 0
        for tag in [*_TAG.finditer(line), None]:
            if fields is not None and name:
                fields[name] = fields.get(name, "") + line[at : tag.start() if tag else None] + ("" if tag else "\n")
            if tag is None:
                break
            at, closing, label = tag.end(), tag.group(1), tag.group(2).lower()
            if label in {"top", "topic"}:
                if fields:
                    yield FileRow(number, _cleaned(fields, file, number))
                fields, name = (None if closing else {}), ""
            else:
                name = "" if closing else label


def _cleaned(fields: dict[str, str], file: AnyPath, line: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, raw in fields.items():
        label = _LABEL.match(raw) if name in _LABELLED else None
        found[_NAMES.get(name, name)] = " ".join(html.unescape(raw[label.end() :] if label else raw).split())
    if not found.get(NUMBER):
        raise InputError(file, "a topic ends here that has no <num>; add its number", line)
    return found


def _read_xml(file: AnyPath, text: str) -> Iterator[FileRow]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line, column = error.position
        raise InputError(file, f"not well-formed XML ({str(error).partition(':')[0]} at column {column + 1}); correct it", line) from None
    topics = [root] if root.tag == "topic" else list(root.iter("topic"))
    if not topics:
        raise InputError(file, "holds no <topic> elements; give TREC topics, JSONL or TSV")
    for place, topic in enumerate(topics, start=1):
        fields = {_NAMES.get(name.lower(), name.lower()): value for name, value in topic.attrib.items()}
        for part in topic:
            name = _NAMES.get(part.tag.lower(), part.tag.lower())
            fields.setdefault(name, " ".join("".join(part.itertext()).split()))
        if own := " ".join((topic.text or "").split()):
            fields.setdefault("title", own)
        number = fields.get(NUMBER) or fields.get("id")
        if not number:
            raise InputError(file, f"topic {place} has no number; add the attribute number")
        yield FileRow(place, {**fields, NUMBER: number.strip()})


FORMAT = FileFormat("TREC topics", (), _sniff, _read, lambda file: 0.0, passages=False)
