"""Show what is installed, what works, and what to do about the rest; paste the output into a bug report."""

from __future__ import annotations

import argparse
import json

from splade_lucene.errors import SpladeLuceneError

HELP = "show what is installed, what works and what to do about the rest"
_SIGNS = {"works": "ok", "missing": "--", "broken": "!!"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object per line instead")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.pipeline.examination import examine

    broken = []
    for finding in examine():
        if finding.state == "broken":
            broken.append(finding.topic)
        if args.json:
            print(json.dumps(finding._asdict()), flush=True)
        else:
            print(f"{_SIGNS[finding.state]}  {finding.topic}: {finding.detail}", flush=True)
            if finding.remedy and finding.state != "works":
                print(f"      {finding.remedy}")
    if broken:
        raise SpladeLuceneError(f"broken, and needed: {', '.join(broken)}; see above for what to do")
