#!/usr/bin/env python
"""CPU seconds of the slowest tests and of all, in their own process and in those that they start; other arguments go to pytest.

Unlike a clock they are about the same on a busy machine. What a Ray cluster's nodes compute is not counted: nobody here waits for them.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Generator
from typing import NamedTuple

import pytest


class Cpu(NamedTuple):
    """CPU seconds of this process and of its children that have ended."""

    own: float
    children: float


class Costs:
    """A plugin of pytest that notes what each test costs, its fixtures included."""

    def __init__(self) -> None:
        self.tests: dict[str, Cpu] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Runs a test."""
        before = cpu()
        try:
            return (yield)
        finally:
            after = cpu()
            self.tests[item.nodeid] = Cpu(after.own - before.own, after.children - before.children)


def cpu() -> Cpu:
    """User and system time so far."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Cpu(own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime)


def main() -> int:
    """Runs the tests in this process and prints the table; returns pytest's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slowest", type=int, default=15, help="how many tests to name (default: %(default)s)")
    args, others = parser.parse_known_args()
    costs = Costs()
    status = pytest.main(["-n", "0", "--quiet", *others], plugins=[costs])
    print("| test | CPU s | in children |\n|---|---:|---:|")
    for name, cost in sorted(costs.tests.items(), key=lambda each: -sum(each[1]))[: args.slowest]:
        print(f"| {name} | {sum(cost):.1f} | {cost.children:.1f} |")
    print(f"| all, with the collection of the tests | {sum(cpu()):.1f} | {cpu().children:.1f} |")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
