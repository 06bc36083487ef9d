"""Train a sparse encoder on your own collection, with judgments or without. Run the same command again to resume after an interruption.

The model is a folder that every --model takes, and sentence-transformers. Held-out queries decide: where they do not improve, the
original is kept.
"""

from __future__ import annotations

import argparse

from splade_lucene.cli.argument_types import folder, from_0, place, positive, weight
from splade_lucene.cli.model_options import add_trained_model, model_spec
from splade_lucene.cli.options import (
    CORPUS_HELP,
    QUERIES_HELP,
    add_fields,
    add_java_heap,
    add_overwrite,
    add_topic_field,
    fields,
    topic_fields,
)

HELP = "train a sparse encoder on your own collection"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("corpus", type=place, help=CORPUS_HELP.removesuffix("; - is stdin"))
    parser.add_argument("--out", type=folder, required=True, metavar="MODEL", help="folder to write: the model; until then MODEL.training")
    add_trained_model(parser)
    parser.add_argument(
        "--qrels",
        metavar="SPLIT|FILE",
        help="judgments to train on: a split of the BEIR folder, such as train, or a file (default: none, titles are the queries)",
    )
    parser.add_argument(
        "--queries",
        type=place,
        metavar="FILE",
        help=f"queries of --qrels, or for --teacher: {QUERIES_HELP} (default: those of the BEIR folder)",
    )
    add_fields(parser)
    add_topic_field(parser)
    parser.add_argument(
        "--teacher",
        metavar="fusion|ID|DIR",
        help="learn what fusion (of BM25 and the untrained model) or another model thinks of the passages that are found; without "
        "--qrels for titles, or for --queries",
    )
    parser.add_argument(
        "--query-side",
        choices=["model", "static"],
        default="model",
        help="static: queries become a table of token weights, so that nothing is left to compute (default: %(default)s)",
    )
    parser.add_argument(
        "--max-steps",
        type=positive,
        metavar="N",
        help="steps of 32 queries (default: 200; 90 with --teacher or without --qrels)",
    )
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="queries of a step (default: %(default)s)")
    parser.add_argument("--max-length", type=positive, default=128, help="maximum length of a passage in tokens (default: %(default)s)")
    parser.add_argument("--query-max-length", type=positive, default=24, help="maximum length of a query in tokens (default: %(default)s)")
    cost = parser.add_argument_group("a budget", "The strength of the FLOPS regularizer is steered so that the trained model meets it.")
    cost.add_argument("--flops", type=weight, metavar="X", help="mean multiplications to score a query against a passage")
    cost.add_argument("--document-terms", type=weight, metavar="N", help="mean number of terms of a passage")
    recipe = parser.add_argument_group("a recipe", "By default a few are tried briefly, and held-out queries choose.")
    recipe.add_argument("--learning-rate", type=weight, metavar="X", help="peak of the learning rate")
    recipe.add_argument("--score-scale", type=weight, metavar="X", help="factor of scores in the ranking loss, an inverse temperature")
    recipe.add_argument("--regularization", type=from_0, metavar="X", help="λ of the FLOPS regularizer, of passages and queries")
    parser.add_argument(
        "--no-refit",
        dest="refit",
        action="store_false",
        help="with --qrels: write the model that the held-out queries judged; by default a better one is then trained again with them",
    )
    parser.add_argument("--seed", type=int, default=1, help="of held-out queries, negatives and dropout (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda, cuda:1, mps (default: %(default)s)")
    add_java_heap(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if args.queries and not (args.qrels or args.teacher):
        args.usage_error("--queries needs their judgments with --qrels, or a --teacher")
    from splade_lucene.encoding.defaults import Lengths
    from splade_lucene.lucene import jvm
    from splade_lucene.training import settings as defaults
    from splade_lucene.training.corpus import Corpus
    from splade_lucene.training.extra import require_packages
    from splade_lucene.training.train import Request, train_model

    require_packages()
    jvm.start(heap=args.java_heap)
    static, titles = args.query_side == "static", args.qrels is None or args.teacher is not None
    request = Request(
        Corpus(args.corpus, fields(args)),
        model_spec(args),
        args.qrels,
        args.queries,
        topic_fields(args),
        args.teacher,
        static,
        defaults.recipes(
            static=static, titles=titles, score_scale=args.score_scale, learning_rate=args.learning_rate, regularization=args.regularization
        ),
        defaults.TrainingSettings(
            args.max_steps or defaults.default_steps(static=static, titles=titles),
            args.batch_size,
            Lengths(args.max_length, args.query_max_length),
            args.seed,
            args.device,
            defaults.Budget(args.flops, args.document_terms),
        ),
        args.refit,
    )
    report = train_model(request, args.out, overwrite=args.overwrite)
    print(f"{args.out}: {report.verdict.why}\n\n{report.verdict.table()}")
    if report.refit is not None:
        print(
            f"\nThe table is of the model before the last training, which took {report.refit.evaluations[-1].step} steps with all queries."
        )
    print(f"\nsplade-lucene beir DATASET --model {args.out} --max-length {args.max_length} --query-max-length {args.query_max_length}")
