"""A line of a vector file as the text that Lucene turns into terms with frequencies, without parsing what need not be parsed.

Parsing JSON and writing the text again takes longer than indexing does. What ``encode`` writes has one form, so a line is cut at its
quotes, and the pieces are looked up among those that were found good before. Any
other line is left to :mod:`~splade_lucene.vectors.reader`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

from splade_lucene.ids import is_usable
from splade_lucene.vectors.reader import is_text, is_token

# Between a token and its impact; is_token refuses tokens that hold it.
DELIMITER = "\x01"

_ID, _VECTOR, _CONTENTS = '{"id":"', '","vector":{', '},"contents":'
# No more digits and tokens than any sum of impacts allows; larger ones are left to the reader, which adds them up.
_IMPACT, _MAX_TOKENS = re.compile(r":([1-9][0-9]{0,4}),"), 20_000
# Tokens of one character that JSON escapes, and what stands for them while a line is cut at its quotes.
_ESCAPED = {'"\\"":': ('"\x02":', "\x02", '"'), '"\\\\":': ('"\x03":', "\x03", "\\")}


class Posted(NamedTuple):
    """A vector ready for Lucene.

    Attributes:
        docid: the docid.
        text: ``token<DELIMITER>impact`` separated by spaces.
        contents: the text of the passage, where it was kept.
    """

    docid: str
    text: str
    contents: str | None


def impact_text(vector: Mapping[str, int]) -> str:
    r"""A vector as the text from which Lucene's tokenizer makes terms with frequencies.

    Example:
        >>> impact_text({"glass": 243, "|": 7})
        'glass\x01243 |\x017'
    """
    return " ".join(f"{token}{DELIMITER}{impact}" for token, impact in vector.items())


class QuickReader:
    """Reads the lines that ``encode`` writes; remembers the tokens and impacts that it met."""

    def __init__(self) -> None:
        self._tokens = {mark for _, mark, _ in _ESCAPED.values()}
        self._impacts: dict[str, str] = {}

    def read(self, line: str) -> Posted | None:
        """The vector in a line, checked as :func:`~splade_lucene.vectors.reader.read_vectors` does.

        Returns:
            None for a line of another form, which may be good or bad.
        """
        head, cut, body = line.partition(_VECTOR)
        docid = head.removeprefix(_ID)
        if not cut or docid is head or not is_usable(docid) or '"' in docid or "\\" in docid:
            return None
        body, cut, tail = body.partition(_CONTENTS)
        contents = None
        if cut:
            try:
                contents = json.loads(tail[:-1])
            except ValueError:
                return None
            if not is_text(contents) or not tail.endswith("}"):
                return None
        elif body.endswith("}}"):
            body = body[:-2]
        else:
            return None
        text = self._text(body) if body else ""
        return None if text is None else Posted(docid, text, contents)

    def _text(self, body: str) -> str | None:
        if "\x02" in body or "\x03" in body:
            return None
        escaped = "\\" in body
        if escaped:
            for pattern, (replacement, _, _) in _ESCAPED.items():
                body = body.replace(pattern, replacement)
        # Tokens stand between quotes, impacts between a token and the next: '' token ':12,' token ':7,'
        pieces = f"{body},".split('"')
        tokens = pieces[1::2]
        if (
            pieces[0]
            or len(tokens) > _MAX_TOKENS
            or not (self._tokens.issuperset(tokens) or self._learn(tokens))
            or len(set(tokens)) < len(tokens)
        ):
            return None
        try:
            pieces[2::2] = list(map(self._impacts.__getitem__, pieces[2::2]))
        except KeyError:
            if not self._learn_impacts(pieces[2::2]):
                return None
            pieces[2::2] = list(map(self._impacts.__getitem__, pieces[2::2]))
        text = "".join(pieces)[:-1]
        if escaped:
            for _, mark, token in _ESCAPED.values():
                text = text.replace(mark, token)
        return text

    def _learn(self, tokens: list[str]) -> bool:
        """Whether all tokens are good and read as they are written."""
        new = [token for token in tokens if token not in self._tokens]
        good = all(token.isprintable() and "\\" not in token and is_token(token) for token in new)
        if good:
            self._tokens.update(new)
        return good

    def _learn_impacts(self, pieces: list[str]) -> bool:
        for piece in pieces:
            match = _IMPACT.fullmatch(piece)
            if match is None:
                return False
            self._impacts[piece] = f"{DELIMITER}{match[1]} "
        return True
