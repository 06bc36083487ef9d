"""Show how a model represents a text: the number of active dimensions and the bag of words, as on the model card."""

from __future__ import annotations

import argparse

from splade_lucene.cli.options import add_device, add_model, positive

HELP = "show a text as a bag of words with weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("text", help="the text")
    add_model(parser)
    parser.add_argument("--max-length", type=positive, help="tokens the text is cut at (default: as for passages)")
    add_device(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.encoding.model import SpladeModel

    model = SpladeModel.load(args.model, revision=args.revision, device=args.device, precision=args.precision)
    (weights,) = model.encode_documents([args.text], max_length=args.max_length, weights=True)
    bag = sorted(weights.items(), key=lambda item: -item[1])
    print(f"number of actual dimensions:  {len(bag)}")
    print("SPLADE BOW rep:\n", [(token, round(weight, 2)) for token, weight in bag])
