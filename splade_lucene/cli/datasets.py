"""A data set whose passages, queries and judgments are files of their own: the options of ``beir`` and ``tune``."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import place
from splade_lucene.cli.options import CORPUS_HELP, QRELS_HELP, QUERIES_HELP, add_fields, add_topic_field, fields, topic_fields
from splade_lucene.core.streams import is_standard

if TYPE_CHECKING:
    from splade_lucene.collections.judged import FilesCollection


def add_files(parser: argparse.ArgumentParser, description: str) -> None:
    """``--corpus``, ``--queries``, ``--qrels``, and the names of their fields."""
    files = parser.add_argument_group("a data set from files", description)
    files.add_argument("--corpus", type=place, metavar="FILE|DIR", help=CORPUS_HELP)
    files.add_argument("--queries", type=place, metavar="FILE", help=QUERIES_HELP)
    files.add_argument("--qrels", type=place, metavar="FILE", help=QRELS_HELP)
    add_fields(files)
    add_topic_field(files)


def from_files(args: argparse.Namespace, *, judged: bool = True) -> FilesCollection | None:
    """The data set that the options name; None without them.

    Args:
        args: with ``datasets``, of which the one is its name.
        judged: whether there must be judgments.
    """
    files = (args.corpus, args.queries, args.qrels)
    if not any(files):
        if args.id_field or args.text_field or args.topic_field:
            args.usage_error("--id-field, --text-field and --topic-field are for --corpus, --queries and --qrels")
        return None
    if not (all(files) if judged else args.corpus and args.queries):
        needed = "--corpus, --queries and --qrels are one data set; give all three" if judged else "give both --corpus and --queries"
        args.usage_error(needed)
    if len(args.datasets) != 1 or getattr(args, "all", False) or not re.fullmatch(r"[\w.-]*\w", args.datasets[0]):
        args.usage_error("--corpus, --queries and --qrels are one data set; give one DATASET, its name, of letters, digits, . - _")
    if args.split or args.data:
        args.usage_error("--split and --data are for folders and zips; leave them out with --corpus, --queries and --qrels")
    if is_standard(args.corpus):
        args.usage_error("--corpus is read several times; give the name of a file")
    from splade_lucene.collections.judged import FilesCollection

    return FilesCollection(args.datasets[0], args.corpus, args.queries, args.qrels, fields=fields(args), query_fields=topic_fields(args))
