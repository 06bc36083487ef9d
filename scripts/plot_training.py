#!/usr/bin/env python
"""Draws how a model was trained: held-out nDCG@10 and FLOPS at each evaluation, the untrained model as a line.

    .venv/bin/python scripts/plot_training.py MODEL PICTURE.svg

MODEL is a folder that `splade-lucene train` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOUR, GREY = "#2a6f97", "#888888"


def main() -> None:
    """Reads and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    training = json.loads((args.model / "training.json").read_text(encoding="utf-8"))
    evaluations, untrained = training["evaluations"], training["untrained"]
    steps = [0, *(each["step"] for each in evaluations)]
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    for axes, key, title in zip(figure.subplots(1, 2), ("score", "flops"), ("held-out nDCG@10", "FLOPS"), strict=True):
        axes.plot(steps, [untrained[key], *(each[key] for each in evaluations)], color=COLOUR, marker="o", markersize=4)
        axes.axhline(untrained[key], color=GREY, linewidth=1, linestyle="--")
        axes.annotate(
            "untrained", (steps[-1], untrained[key]), xytext=(0, 3), textcoords="offset points", ha="right", color=GREY, fontsize=8
        )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(bottom=0 if key == "flops" else None)
    figure.savefig(args.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
