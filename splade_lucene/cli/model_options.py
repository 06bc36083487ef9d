"""Options that say which model encodes, and where it computes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from splade_lucene.cli.options import named
from splade_lucene.encoding.defaults import DEFAULT_MODEL, IDF, TINY

if TYPE_CHECKING:
    from splade_lucene.pipeline.pool import ModelSpec


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


def add_models(parser: argparse.ArgumentParser, why: str) -> None:
    """``--model``, which may be given several times; ``why`` says what for."""
    parser.add_argument(
        "--model",
        action="append",
        metavar="ID|DIR|tiny",
        help=f"hub id, local folder, or {TINY}; several times {why} (default: {DEFAULT_MODEL})",
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


def add_device(parser: argparse.ArgumentParser, *, precision: bool = True) -> None:
    """``--device``, and ``--precision`` unless the command chooses it."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps (default: %(default)s)")
    if precision:
        parser.add_argument(
            "--precision",
            default="auto",
            choices=["auto", "fp32", "bf16", "fp16"],
            help="of the model's arithmetic; auto is fp32 on a CPU and fp16 on a GPU (default: %(default)s)",
        )


def model_spec(args: argparse.Namespace, name: str | None = None) -> ModelSpec:
    """The model that the options name, or one of another name with the same options."""
    from splade_lucene.pipeline.pool import ModelSpec

    return ModelSpec(**{**named(args, ModelSpec._fields), "name": name or args.model})
