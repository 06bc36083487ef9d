#!/usr/bin/env python
"""Lists the dependencies of splade_lucene, direct and indirect, with version and licence, and known vulnerabilities where reachable."""

from __future__ import annotations

import argparse
import importlib.metadata
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from splade_lucene.evaluation.table import markdown_table

_UNKNOWN = "unknown"
_LICENCE_LENGTH = 60
_AUDIT_SECONDS = 300


def installed(root: str, extras: frozenset[str] = frozenset({""})) -> dict[str, importlib.metadata.Distribution]:
    """A package with all that it needs, as it is installed here; what other platforms need is left out."""
    found: dict[str, importlib.metadata.Distribution] = {}
    todo: list[tuple[str, frozenset[str]]] = [(root, extras)]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, wanted = todo.pop()
        if (canonicalize_name(name), wanted) in done:
            continue
        done.add((canonicalize_name(name), wanted))
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[canonicalize_name(name)] = package
        todo += _needed(package, wanted)
    return found


def _needed(package: importlib.metadata.Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in package.requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement.name, frozenset({"", *requirement.extras})


def licence(package: importlib.metadata.Distribution) -> str:
    """What a package says of its licence: an SPDX expression, else its field, else its classifiers."""
    data = package.metadata
    classifiers = [each.rpartition(" :: ")[2] for each in data.get_all("Classifier", []) if each.startswith("License ::")]
    for said in (data.get("License-Expression"), data.get("License"), ", ".join(classifiers)):
        if said and said.strip() and said.strip().upper() != "UNKNOWN":
            first = said.strip().splitlines()[0]
            return first if len(first) <= _LICENCE_LENGTH else f"{first[:_LICENCE_LENGTH]}…"
    return _UNKNOWN


def audit(packages: dict[str, importlib.metadata.Distribution]) -> int | None:
    """Runs pip-audit over exactly these versions; gives its exit status, None where it or its database is not available."""
    program = shutil.which("pip-audit") or str(Path(sys.executable).parent / "pip-audit")
    if not Path(program).is_file():
        print("vulnerabilities: not looked up, pip-audit is not installed; run: pip install pip-audit", file=sys.stderr)
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.writelines(f"{name}=={package.version.partition('+')[0]}\n" for name, package in sorted(packages.items()))
        pinned.flush()
        command = [program, "--no-deps", "--disable-pip", "--progress-spinner", "off", "-r", pinned.name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_AUDIT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(command, 2, "", "no answer in time")
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"vulnerabilities: not looked up, the database cannot be reached ({last[:200]})", file=sys.stderr)
        return None
    if done.stdout.count("could not be audited") >= len(packages):
        print("vulnerabilities: not looked up, the package index that is set here has no database of them", file=sys.stderr)
        return None
    print(f"\n{done.stdout.strip() or done.stderr.strip()}")
    return done.returncode


def main() -> int:
    """Prints the table and what pip-audit says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strict", action="store_true", help="exit 1 at an unknown licence, a vulnerability, or if none can be looked up")
    args = parser.parse_args()
    packages = installed("splade_lucene", frozenset({"", "demo"}))
    packages.pop("splade-lucene")
    rows = [{"package": name, "version": each.version, "licence": licence(each)} for name, each in sorted(packages.items())]
    print(markdown_table(rows))
    unknown = [row["package"] for row in rows if row["licence"] == _UNKNOWN]
    print(f"\n{len(rows)} packages, {len(unknown)} of unknown licence{': ' if unknown else ''}{', '.join(unknown)}")
    found = audit(packages)
    return int(args.strict and (bool(unknown) or found != 0))


if __name__ == "__main__":
    sys.exit(main())
