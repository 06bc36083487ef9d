"""Rows of files as passages and queries: which fields are the id and the text, and what is demanded of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from splade_lucene.collections.formats.base import FileRow
from splade_lucene.collections.formats.names import DOCUMENT_IDS, DOCUMENT_TEXTS, HEADINGS, QUERY_IDS, QUERY_TEXTS, TITLE
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.streams import AnyPath
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Passage, Query

_KINDS = {type(None): "null", bool: "true or false", int: "a number", float: "a number", list: "an array", dict: "an object"}
# Characters of an id that a message repeats.
_SHOWN = 100
# Names in the index of what a passage is stored with.
_STORED = {"id", "contents"}
# MS MARCO v2 passages name the document that they were cut from beside their own id.
_PASSAGE_ID, _OF_DOCUMENT = "pid", "docid"


class Fields(NamedTuple):
    """Which fields of a record are read, where a user names them; without, those of :mod:`names` are looked for.

    Attributes:
        id: of the id.
        text: of the text, joined with one space; of a passage, a first one that is ``title``, with others after it, is its title.
    """

    id: str | None = None
    text: tuple[str, ...] = ()

    def of_passages(self) -> Collection[str]:
        """All fields that passages are made of."""
        return {*((self.id,) if self.id else DOCUMENT_IDS), *(self.text or (*DOCUMENT_TEXTS, TITLE, HEADINGS))}

    def of_queries(self) -> Collection[str]:
        """All fields that queries are made of."""
        return {*((self.id,) if self.id else QUERY_IDS), *(self.text or (*QUERY_TEXTS, TITLE))}


def passage_of(row: FileRow, fields: Fields, file: AnyPath) -> Passage:
    """A row as a passage.

    The title is the field ``title``. MS MARCO v2's ``headings`` stand before the text; its ``url`` is left out.

    Raises:
        InputError: the id or the text is missing, is no text, or several known fields have different ones.
    """
    if fields == _KNOWN and (plain := _plain_passage(row.fields)):
        return plain
    record = _Record(row, file)
    doc_id = record.id(fields.id, DOCUMENT_IDS)
    if fields.text:
        title = record.optional(TITLE) if fields.text[0] == TITLE and len(fields.text) > 1 else ""
        return Passage(doc_id, record.joined(fields.text[1:] if title else fields.text), title)
    title, headings = record.optional(TITLE), record.optional(HEADINGS)
    text = record.text(DOCUMENT_TEXTS, title)
    return Passage(doc_id, f"{headings} {text}" if headings else text, title)


def query_of(row: FileRow, fields: Fields, file: AnyPath, option: str = "--text-field") -> Query:
    """A row as a query; ``option`` names the fields of its text on the command line.

    Raises:
        InputError: as for :func:`passage_of`.
    """
    record = _Record(row, file)
    query_id = record.id(fields.id, QUERY_IDS)
    if fields.text:
        return Query(query_id, record.joined(fields.text, option))
    # A title is a query only where there is nothing else, as in TREC topics.
    names = QUERY_TEXTS if any(name in row.fields for name in QUERY_TEXTS) or TITLE not in row.fields else (TITLE,)
    return Query(query_id, record.text(names))


_KNOWN = Fields()
# The names in the files that most people have, with all others that would have to be looked at beside them.
_USUAL = tuple(
    (name, text, frozenset((*DOCUMENT_IDS, *DOCUMENT_TEXTS, HEADINGS)) - {name, text})
    for name, text in (("_id", "text"), ("id", "contents"), ("id", "text"))
)


def _plain_passage(fields: Mapping[str, Any]) -> Passage | None:
    """The passage where there is no doubt; None where a closer look is needed, which takes twice as long."""
    for id_name, text_name, others in _USUAL:
        doc_id, text, title = fields.get(id_name), fields.get(text_name), fields.get(TITLE, "")
        if doc_id and text and type(doc_id) is type(text) is type(title) is str and fields.keys().isdisjoint(others):
            try:
                (doc_id + text + title).encode()
            except UnicodeEncodeError:
                return None
            return Passage(doc_id, text, title)
    return None


class _Record:
    """The fields of a row, with its place in every message."""

    def __init__(self, row: FileRow, file: AnyPath) -> None:
        self._fields, self._line, self._file = row.fields, row.number, file

    def id(self, named: str | None, known: Sequence[str]) -> str:
        names = [named] if named else [name for name in known if name in self._fields]
        if _PASSAGE_ID in names and _OF_DOCUMENT in names:
            names.remove(_OF_DOCUMENT)
        found = {name: value for name in names if (value := self._id(name))}
        if not found:
            if not any(name in self._fields for name in names):
                self._missing((named,) if named else known, "--id-field")
            if all(self._fields[name] is None for name in names):
                raise self._error(f"the field {names[0]!r} is null; make it a string")
            return ""
        if len(set(found.values())) > 1:
            raise self._error(f"{_listed(found)} hold different ids; name the one to read with --id-field")
        return next(iter(found.values()))

    def text(self, known: Sequence[str], title: str = "") -> str:
        names = [name for name in known if name in self._fields]
        if not names:
            self._missing(known, "--text-field")
        found = {name: value for name in names if (value := self.optional(name))}
        if not found:
            if all(self._fields[name] is None for name in names):
                raise self._error(f"the field {names[0]!r} is null; make it a string")
            return ""
        first = next(iter(found.values()))
        if len(found) > 1:
            same = {_words(first), _words(f"{title} {first}")}
            different = next((name for name, text in found.items() if _words(text) not in same), None)
            if different:
                both = _listed([next(iter(found)), different])
                raise self._error(f"{both} hold different texts; name the one to read with --text-field")
        return first

    def joined(self, names: Sequence[str], option: str = "--text-field") -> str:
        for name in names:
            if name not in self._fields:
                there = ", ".join(map(repr, self._fields)) or "none"
                raise self._error(f"the field {name!r} that {option} names is missing; the fields are {there}")
        return " ".join(filter(None, map(self.optional, names)))

    def optional(self, name: str) -> str:
        """A field that may be missing or null, which is as good as empty."""
        value = self._fields.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._error(f"the field {name!r} is {_KINDS.get(type(value), 'not text')}; make it a string")
        return self._writable(name, value)

    def _id(self, name: str) -> str:
        value = self._fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return self.optional(name)

    def _writable(self, name: str, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._error(f"the field {name!r} holds half a surrogate pair, which is no character; write the whole character") from None
        return value

    def _missing(self, names: Sequence[str], option: str) -> None:
        one = repr(names[0]) if len(names) == 1 else f"{', '.join(map(repr, names[:-1]))} or {names[-1]!r}"
        raise self._error(f"the field {one} is missing; add it, name another with {option}, or remove the line")

    def _error(self, problem: str) -> InputError:
        return InputError(self._file, problem, self._line)


def _listed(names: Collection[str]) -> str:
    return f"the fields {' and '.join(map(repr, names))}"


def _words(text: str) -> str:
    return " ".join(text.split())


def other_fields(row: FileRow, own: Collection[str], file: AnyPath) -> dict[str, Any] | None:
    """What a record of a passage holds beside its own fields, as JSON values (dates of tables as text); None for nothing.

    Raises:
        InputError: a value cannot be written as JSON in UTF-8.
    """
    others = {name: value for name, value in row.fields.items() if name not in own and value is not None}
    if not others:
        return None
    for name in _STORED & others.keys():
        raise InputError(
            file, f"has a field {name!r} that is neither its id nor its text; rename it, as it is stored under that name", row.number
        )
    try:
        text = json.dumps(others, ensure_ascii=False, allow_nan=False, default=str)
        text.encode()
    except UnicodeEncodeError:
        problem = "a field holds half a surrogate pair, which is no character; write the whole character"
        raise InputError(file, problem, row.number) from None
    except ValueError:
        raise InputError(file, "a field is NaN or infinite, which is no JSON; write a number, or leave it out", row.number) from None
    found: dict[str, Any] = json.loads(text)
    return found


def check_id(name: str, seen: UniqueIds, file: AnyPath, line: int) -> None:
    """Refuses an id that TREC files or Lucene cannot carry or that is in ``seen``, and adds it there otherwise.

    Raises:
        InputError: the id is empty, too long, holds white space or a control character, or is a duplicate.
    """
    if not is_usable(name):
        shown = repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}…"
        raise InputError(file, f"the id {shown} cannot be used; {RULE}", line)
    if not seen.add(name):
        raise InputError(file, f"duplicate id {name!r}; ids must be unique, so rename or remove one", line)
