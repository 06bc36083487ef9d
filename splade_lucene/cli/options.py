"""Options that several commands share: what they read, what they write, what they may use."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from splade_lucene.cli.argument_types import most_bad, names, positive, weight
from splade_lucene.core.processors import usable_processors
from splade_lucene.lucene.jvm import DEFAULT_HEAP

if TYPE_CHECKING:
    from splade_lucene.collections.fields import Fields
    from splade_lucene.collections.queries import QueryFields

CORPUS_HELP = "passages: BEIR folder, saved dataset, or JSONL, TSV, CSV or Parquet file or folder, plain or gzip, or its URL; - is stdin"
QUERIES_HELP = "BEIR folder, or file of queries: JSONL, TSV, CSV, TREC topics, Parquet, or one per line; or its URL; - is stdin"
QRELS_HELP = "BEIR or TREC qrels, or a BEIR folder for its test split; or its URL; - is stdin"
RUN_HELP = "run of TREC or MS MARCO; - is stdin"


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """``--skip-bad``."""
    parser.add_argument(
        "--skip-bad",
        type=most_bad,
        default=0,
        metavar="N|all",
        help="leave out up to N bad lines, or all, and list them in rejected.jsonl (default: stop at the first)",
    )


def add_fields(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--id-field`` and ``--text-field``."""
    parser.add_argument("--id-field", metavar="NAME", help="field or column of the id (default: _id, id, docid and other usual names)")
    parser.add_argument(
        "--text-field",
        type=names(","),
        default=(),
        metavar="NAME[,NAME…]",
        help="field or column of the text; several are joined with a space (default: text, contents and other usual names)",
    )


def add_query_fields(parser: argparse.ArgumentParser) -> None:
    """``--id-field`` and ``--text-field``, and ``--topic-field`` of TREC topics."""
    add_fields(parser)
    add_topic_field(parser)


def add_topic_field(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--topic-field``."""
    parser.add_argument(
        "--topic-field",
        type=names("+"),
        metavar="NAME[+NAME…]",
        help="of TREC topics: title, description, narrative or another, or title+description (default: title)",
    )


def fields(args: argparse.Namespace) -> Fields:
    """What :func:`add_fields` declared."""
    from splade_lucene.collections.fields import Fields

    return Fields(args.id_field, args.text_field)


def query_fields(args: argparse.Namespace) -> QueryFields:
    """What :func:`add_query_fields` declared."""
    return topic_fields(args)._replace(record=fields(args))


def topic_fields(args: argparse.Namespace) -> QueryFields:
    """What :func:`add_topic_field` declared; other files of queries have their usual fields."""
    from splade_lucene.collections.queries import QueryFields

    return QueryFields(topic=args.topic_field) if args.topic_field else QueryFields()


def add_split(parser: argparse.ArgumentParser) -> None:
    """``--split`` of queries."""
    parser.add_argument("--split", help="only the queries that qrels/SPLIT.tsv judges (default: test for a folder, else all queries)")


def add_hits(parser: argparse.ArgumentParser) -> None:
    """``--hits``."""
    parser.add_argument("--hits", type=positive, default=1000, help="number of hits per query (default: %(default)s)")


def add_measures(parser: argparse.ArgumentParser, default: str) -> None:
    """``--measures``."""
    parser.add_argument("--measures", default=default, help="names of ir_measures, or of trec_eval (default: %(default)r)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """``--threads``, by default all cores."""
    parser.add_argument(
        "--threads", type=positive, default=usable_processors(), help="number of threads (default: one per core, %(default)s here)"
    )


def add_ray(parser: argparse.ArgumentParser, what: str, *, gpus: bool = False) -> None:
    """``--ray`` and ``--cpus-per-worker``, and ``--gpus-per-worker`` where workers use GPUs."""
    parser.add_argument(
        "--ray",
        metavar="local|auto|ADDRESS",
        help=f"{what} on a Ray cluster: local starts one on this machine, auto joins the one that this machine belongs to",
    )
    if gpus:
        parser.add_argument("--gpus-per-worker", type=weight, metavar="X", help="with --ray: GPUs of each worker (default: none)")
    parser.add_argument("--cpus-per-worker", type=positive, metavar="N", help="with --ray: cores of each worker (default: an even share)")


def add_java_heap(parser: argparse.ArgumentParser) -> None:
    """``--java-heap``."""
    parser.add_argument(
        "--java-heap", metavar="SIZE", default=DEFAULT_HEAP, help="largest heap of the JVM, like 512m or 4g (default: %(default)s)"
    )


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """``--overwrite``."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")


def named(args: argparse.Namespace, fields: Iterable[str]) -> dict[str, Any]:
    """The values of those options that a command has and that are named like fields of a record."""
    return {field: getattr(args, field) for field in fields if hasattr(args, field)}
