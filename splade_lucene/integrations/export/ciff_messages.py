"""The messages of the Common Index File Format (CIFF).

https://github.com/osirrc/ciff/blob/master/src/main/protobuf/CommonIndexFileFormat.proto, https://arxiv.org/abs/2003.08276. A file is
one ``Header``, then the ``PostingsList``s in the order of their terms, then the ``DocRecord``s, each message after its length as a varint.
The docids of a list are gaps.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splade_lucene.errors import EngineError

_PACKAGE = "io.osirrc.ciff"
# Each field's name and type, in the order of their numbers; a capital is a repeated message.
_MESSAGES = {
    "Header": (
        "version int32, num_postings_lists int32, num_docs int32, total_postings_lists int32, total_docs int32, "
        "total_terms_in_collection int64, average_doclength double, description string"
    ),
    "Posting": "docid int32, tf int32",
    "PostingsList": "term string, df int64, cf int64, postings Posting",
    "DocRecord": "docid int32, collection_docid string, doclength int32",
}


@cache
def message_class(name: str) -> Any:
    """The class of a message.

    Raises:
        EngineError: protobuf is not installed.
    """
    try:
        from google.protobuf import message_factory
    except ImportError:
        raise EngineError("CIFF needs protobuf; run: pip install 'splade_lucene[ciff]'") from None
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> Any:
    """A pool of our own: another reader of CIFF in this process has the same messages in the default one."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    kinds: Any = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="CommonIndexFileFormat.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, each in enumerate(fields.split(", "), start=1):
            field, kind = each.split()
            if kind in _MESSAGES:
                of = {"type": kinds.TYPE_MESSAGE, "label": kinds.LABEL_REPEATED, "type_name": f".{_PACKAGE}.{kind}"}
            else:
                of = {"type": kinds.Type.Value(f"TYPE_{kind.upper()}"), "label": kinds.LABEL_OPTIONAL}
            message.field.add(name=field, number=number, **of)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def encode_postings(gaps: NDArray[np.uint32], impacts: NDArray[np.uint32]) -> bytes:
    """The field ``postings`` of a list, as protobuf would write it, without an object per posting: hundreds of times faster.

    Args:
        gaps: of the docids.
        impacts: aligned with them.

    Returns:
        For each posting the tag and length of a message, and in it ``doc_id`` and ``tf``.
    """
    (gap_bytes, gap_there), (impact_bytes, impact_there) = _varints(gaps), _varints(impacts)
    length = (gap_there.sum(axis=1) + impact_there.sum(axis=1) + 2).astype(np.uint8)
    posting, doc_id, tf = (np.full((len(gaps), 1), tag, np.uint8) for tag in (4 << 3 | 2, 1 << 3, 2 << 3))
    one = np.ones((len(gaps), 1), bool)
    content = np.hstack([posting, length[:, None], doc_id, gap_bytes, tf, impact_bytes])
    there = np.hstack([one, one, one, gap_there, one, impact_there])
    encoded: bytes = content[there].tobytes()
    return encoded


def varint(value: int) -> bytes:
    """A number as protobuf writes lengths."""
    row, there = _varints(np.array([value], np.uint32))
    encoded: bytes = row[there].tobytes()
    return encoded


def _varints(values: NDArray[np.uint32]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Seven bits per byte from the lowest on, the highest bit set on all but the last: five columns, and which of them are in use."""
    parts = values[:, None] >> np.arange(0, 35, 7, dtype=np.uint64)
    there = parts > 0
    there[:, 0] = True
    more = np.zeros_like(there)
    more[:, :-1] = there[:, 1:]
    return ((parts & 0x7F) | (more.astype(np.uint64) << np.uint64(7))).astype(np.uint8), there
