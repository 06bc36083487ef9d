"""Names of fields in common files; messages suggest the first of each tuple."""

from __future__ import annotations

DOCUMENT_IDS = ("_id", "id", "pid", "docid", "doc_id", "docno")
"""Of passages: BEIR, Pyserini, MS MARCO v2 passages and documents, ir_datasets, TREC."""

QUERY_IDS = ("_id", "id", "qid", "query_id", "number")
"""Of queries: BEIR, Pyserini, MS MARCO and PyTerrier, ir_datasets, TREC topics."""

DOCUMENT_TEXTS = ("text", "contents", "passage", "segment", "body", "content")
"""Of passages: BEIR, Pyserini, MS MARCO v2 passages, segments and documents, Hugging Face."""

QUERY_TEXTS = ("text", "query", "question", "contents")
"""Of queries: BEIR, MS MARCO and PyTerrier, question answering, Pyserini."""

TEXTS = tuple(dict.fromkeys((*DOCUMENT_TEXTS, *QUERY_TEXTS)))

TITLE, HEADINGS = "title", "headings"
"""What stands before the text; ``headings`` are MS MARCO v2's."""
