"""The command ``splade-lucene``: finds the command's file, runs it, and turns expected failures into one sentence."""

from __future__ import annotations

import argparse
import atexit
import importlib
import os
import select
import signal
import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from splade_lucene._version import __version__
from splade_lucene.cli.settings_file import COMMANDS as WITH_SETTINGS
from splade_lucene.cli.settings_file import with_settings
from splade_lucene.errors import SpladeLuceneError, os_sentence

# What a shell says of a process that wrote into a pipe that nobody reads.
CLOSED_PIPE = 128 + signal.SIGPIPE
# In the order of the work; each is a module of this package with HELP, add_arguments(parser) and run(args).
COMMANDS = (
    "encode",
    "merge",
    "adopt",
    "index",
    "index-stats",
    "bm25",
    "search",
    "evaluate",
    "compare",
    "fuse",
    "beir",
    "train",
    "tune",
    "explain",
    "export",
    "plan",
    "demo",
    "serve",
    "mcp",
    "doctor",
)


class CommandParser(argparse.ArgumentParser):
    """A command's parser: options may stand anywhere among the arguments, even where one of those takes several values."""

    _within = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As in the base class, which :meth:`parse_known_intermixed_args` calls for options and for arguments."""
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def build_parser(commands: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser with some commands, or all; importing them loads neither torch nor the JVM."""
    parser = argparse.ArgumentParser(
        prog="splade-lucene",
        description="SPLADE on Lucene: encode passages, build impact indexes, search, evaluate, compare with BM25.",
        epilog="Results go to stdout, everything else to stderr. Exit status: 0 done, 1 the work failed, 2 wrong usage.",
    )
    parser.add_argument("--version", action="version", version=f"splade-lucene {__version__}")
    parsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=CommandParser)
    for name in commands:
        module = importlib.import_module(f"splade_lucene.cli.{name.replace('-', '_')}")
        command = parsers.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run, usage_error=command.error)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    choices: Mapping[str, argparse.ArgumentParser] = commands.choices
    return choices


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; those of the process if None.

    Returns:
        The exit status; 141, without a word, where the pipe that is printed into was closed.
    """
    given = sys.argv[1:] if arguments is None else arguments
    # The modules of all commands take longer to import than some commands run.
    args = build_parser([given[0]] if given and given[0] in COMMANDS else COMMANDS).parse_args(given)
    try:
        if getattr(args, "settings", None) is not None:
            parser = build_parser(WITH_SETTINGS)
            args = parser.parse_args(with_settings(given, args, commands_of(parser)))
        args.run(args)
    except (SpladeLuceneError, OSError) as error:
        if isinstance(error, BrokenPipeError) and output_is_closed():
            return CLOSED_PIPE
        print(f"splade-lucene {args.command}: {os_sentence(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"splade-lucene {args.command}: interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    return 0


def output_is_closed() -> bool:
    """Whether nobody reads standard output, or standard error, any more: ``| head`` has what it wanted."""
    poll = select.poll()
    for file in (1, 2):
        poll.register(file, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def process() -> NoReturn:
    """The command ``splade-lucene``: :func:`main` as a process of its own.

    It ends as soon as the work is done: taking Python apart after torch and Java were in it takes half a second, and nothing is left
    to do but what ``atexit`` knows of.
    """
    # A sentence, without the place in the source.
    warnings.formatwarning = lambda message, *_, **__: f"splade-lucene: {message}\n"
    try:
        status = main()
    except SystemExit as usage:  # argparse printed help, or what is wrong
        status = usage.code if isinstance(usage.code, int) else 1
        if output_is_closed():  # of which argparse says nothing
            status = CLOSED_PIPE
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        status = CLOSED_PIPE if isinstance(error, BrokenPipeError) and output_is_closed() else status or 1
    atexit._run_exitfuncs()
    os._exit(status)


if __name__ == "__main__":
    process()
