"""Options that several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.core.ids import is_usable
from splade_lucene.core.processors import usable_processors
from splade_lucene.core.streams import AnyPath, as_path
from splade_lucene.encoding.defaults import DEFAULT_MODEL, IDF, MAX_BITS, MAX_SCALE, TINY
from splade_lucene.errors import EngineError
from splade_lucene.integrations.engines.address import EngineAddress, parse_address
from splade_lucene.lucene.jvm import DEFAULT_HEAP

if TYPE_CHECKING:
    from splade_lucene.collections.fields import Fields
    from splade_lucene.collections.queries import QueryFields
    from splade_lucene.pipeline.pool import ModelSpec

CORPUS_HELP = "passages: BEIR folder, saved dataset, or JSONL, TSV, CSV or Parquet file or folder, plain or gzip, or its URL; - is stdin"
QUERIES_HELP = "BEIR folder, or file of queries: JSONL, TSV, CSV, TREC topics, Parquet, or one per line; or its URL; - is stdin"
QRELS_HELP = "BEIR or TREC qrels, or a BEIR folder for its test split; or its URL; - is stdin"


def positive(text: str) -> int:
    """An integer from 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def weight(text: str) -> float:
    """A finite number above 0, for argparse."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def from_0(text: str) -> float:
    """A finite number from 0, for argparse."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1, for argparse."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def share(text: str) -> float:
    """A number above 0 and at most 1, for argparse."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most 1")
    return value


def scale(text: str) -> float:
    """A factor of weights whose impacts Lucene's scores can hold, for argparse."""
    value = float(text)
    if not 1 <= value <= MAX_SCALE:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_SCALE:,}; impacts from 2^24 on are not exact in Lucene's scores")
    return int(value) if value.is_integer() else value


def bits(text: str) -> int:
    """A width in bits that Lucene's scores can hold, for argparse."""
    value = int(text)
    if not 1 <= value <= MAX_BITS:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {MAX_BITS}")
    return value


def part(text: str) -> tuple[int, int]:
    """``I/N`` with I from 1 to N, for argparse."""
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N")
    return int(number), int(of)


def engine_address(text: str) -> EngineAddress:
    """An index of another engine, for argparse."""
    try:
        return parse_address(text)
    except EngineError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _most_bad(text: str) -> int | None:
    return None if text == "all" else positive(text)


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """``--skip-bad``."""
    parser.add_argument(
        "--skip-bad",
        type=_most_bad,
        default=0,
        metavar="N|all",
        help="leave out up to N bad lines, or all, and list them in rejected.jsonl (default: stop at the first)",
    )


def run_tag(text: str) -> str:
    """The sixth column of a run, for argparse."""
    if not is_usable(text):
        raise argparse.ArgumentTypeError(f"{text!r} would be more than one column of the run, or none; leave white space out")
    return text


def folder(text: str) -> Path:
    """The name of a folder, for argparse."""
    if text == "-":
        raise argparse.ArgumentTypeError("expected a folder, not standard input or output; give its name")
    return _here(text)


def output_file(text: str) -> Path:
    """The name of a file to write, or ``-``, for argparse."""
    return _here(text)


def place(text: str) -> AnyPath:
    """What a file or folder to read is called, or its URL, for argparse."""
    return as_path(text)


def _here(text: str) -> Path:
    found = as_path(text)
    if not isinstance(found, Path):
        raise argparse.ArgumentTypeError(
            f"{found} is a URL, where only passages, queries and judgments are read; give a name on this machine"
        )
    return found


def _names(separator: str) -> Callable[[str], tuple[str, ...]]:
    def split(text: str) -> tuple[str, ...]:
        found = tuple(name.strip() for name in text.split(separator))
        if not all(found):
            raise argparse.ArgumentTypeError(f"{text!r} has an empty name between two {separator!r}")
        return found

    return split


def add_fields(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--id-field`` and ``--text-field``."""
    parser.add_argument("--id-field", metavar="NAME", help="field or column of the id (default: _id, id, docid and other usual names)")
    parser.add_argument(
        "--text-field",
        type=_names(","),
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
        type=_names("+"),
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


def add_model(parser: argparse.ArgumentParser) -> None:
    """``--model`` and where to get it, and another model for queries."""
    add_model_source(parser)
    add_query_model(parser)


def add_trained_model(parser: argparse.ArgumentParser) -> None:
    """``--model`` to start training from, and where to get it."""
    add_model_source(parser)
    add_token(parser)


def add_model_source(parser: argparse.ArgumentParser) -> None:
    """``--model``, ``--revision`` and ``--subfolder``."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="ID|DIR|tiny",
        help=f"hub id, local folder, or {TINY} for the small model that works offline (default: %(default)s)",
    )
    parser.add_argument("--revision", help="branch, tag or commit on the hub")
    parser.add_argument("--subfolder", default="", metavar="NAME", help="of the folder or repository that holds the model")


def add_shares(parser: argparse.ArgumentParser) -> None:
    """``--max-ratio`` and ``--alpha-mass``."""
    parser.add_argument(
        "--max-ratio", type=share, metavar="X", help="keep only weights of at least X times the passage's largest (default: all)"
    )
    parser.add_argument(
        "--alpha-mass",
        type=share,
        metavar="X",
        help="keep only the largest weights, as few as have the share X of the sum of the passage's weights (default: all)",
    )


def add_query_idf(parser: argparse.ArgumentParser) -> None:
    """``--query-idf``."""
    parser.add_argument(
        "--query-idf",
        type=weight,
        metavar="X",
        help="multiply the weights of a query by idf to the power X, before they are quantized: .25 costs nothing and often helps models "
        "that are not trained for the collection (default: leave them as they are)",
    )


def add_query_model(parser: argparse.ArgumentParser) -> None:
    """``--query-model``, ``--query-revision`` and ``--token``."""
    parser.add_argument(
        "--query-model",
        metavar="ID|DIR|idf",
        help=f"another model for queries, of the same vocabulary, or {IDF} for the collection's own statistics (default: what the model "
        "itself says)",
    )
    parser.add_argument("--query-revision", metavar="REVISION", help="branch, tag or commit of the query model on the hub")
    add_token(parser)


def add_token(parser: argparse.ArgumentParser) -> None:
    """``--token``."""
    parser.add_argument("--token", help="for gated and private models (default: HF_TOKEN, or what `hf auth login` stored)")


def model_spec(args: argparse.Namespace, name: str | None = None) -> ModelSpec:
    """The model that the options of :func:`add_model` and :func:`add_device` name, or one of another name with the same options."""
    from splade_lucene.pipeline.pool import ModelSpec

    return ModelSpec(
        name or args.model,
        args.revision,
        args.device,
        args.precision,
        query_model=args.query_model,
        query_revision=args.query_revision,
        subfolder=getattr(args, "subfolder", ""),
        token=args.token,
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """``--device`` and ``--precision``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    parser.add_argument(
        "--precision",
        default="auto",
        choices=["auto", "fp32", "bf16", "fp16"],
        help="of the model's arithmetic; auto is fp32 on a CPU and fp16 on a GPU (default: %(default)s)",
    )


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
