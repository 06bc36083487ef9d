"""``--settings FILE``: options of ``encode``, ``index`` and ``search`` from the YAML file that ``tune --write`` makes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from splade_lucene.errors import InputError

COMMANDS = ("encode", "index", "search")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """``--settings``."""
    parser.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="YAML file of options, as `tune --write` makes it; options that are given here as well count instead",
    )


def with_settings(arguments: Sequence[str], args: argparse.Namespace, parsers: Mapping[str, argparse.ArgumentParser]) -> list[str]:
    """The command line with the options of its settings file before its own, which win.

    Args:
        arguments: of the command line, the command first.
        args: them parsed.
        parsers: of all commands.

    Raises:
        InputError: the file cannot be read, or has something in it that is no option.
    """
    found = _read(args.settings, parsers)
    return [arguments[0], *found.get(args.command, ()), *arguments[1:]]


def write_settings(path: Path, options: Mapping[str, Mapping[str, Any]], comment: Sequence[str]) -> None:
    """Writes such a file.

    Args:
        path: the file.
        options: command → name of an option → value.
        comment: lines that say where it is from.
    """
    import yaml

    from splade_lucene.core.files import atomic_file

    with atomic_file(path) as stream:
        stream.writelines(f"# {line}\n" for line in comment)
        yaml.safe_dump({name: dict(values) for name, values in options.items()}, stream, sort_keys=False, allow_unicode=True, width=1000)


def command_line(options: Mapping[str, Any]) -> str:
    """Options as they are typed.

    Example:
        >>> command_line({"model": "tiny", "query-idf": 0.25})
        '--model tiny --query-idf 0.25'
    """
    import shlex

    return " ".join(shlex.join([f"--{name}", str(value)]) for name, value in options.items())


def _read(path: Path, parsers: Mapping[str, argparse.ArgumentParser]) -> dict[str, list[str]]:
    """Command → arguments; all sections are checked, whichever command is asked for."""
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, f"is no YAML ({' '.join(str(error).split())})") from None
    if not isinstance(data, dict):
        raise InputError(path, f"has no sections; its keys are {', '.join(COMMANDS)}")
    found = {}
    for command, options in data.items():
        if command not in COMMANDS:
            raise InputError(path, f"has a section {command!r}; there is {', '.join(COMMANDS)}")
        if not isinstance(options, dict):
            raise InputError(path, f"the section {command} is no mapping of options to values; write {command}: {{}} for none")
        found[command] = [text for name, value in options.items() for text in _arguments(path, command, parsers[command], name, value)]
    return found


def _arguments(path: Path, command: str, parser: argparse.ArgumentParser, name: Any, value: Any) -> list[str]:
    option = f"--{name}"
    action = next((each for each in parser._actions if option in each.option_strings), None)
    if action is None or name in ("settings", "help"):
        raise InputError(path, f"{command}: {name!r} is no option of `splade-lucene {command}`; see its --help")
    if action.nargs == 0:
        negative = f"--no-{name}"
        if value is True:
            return [option]
        if value is False and negative in action.option_strings:
            return [negative]
        raise InputError(path, f"{command}: {name} takes no value but true, not {value!r}; leave it out for none")
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | int | float) and not isinstance(each, bool) for each in values):
        raise InputError(path, f"{command}: {name} is {value!r}, which is neither a number nor a text; leave it out for the default")
    if isinstance(action, argparse._AppendAction):
        return [f"{option}={each}" for each in values]
    return [f"{option}={values[0]}"] if len(values) == 1 else [option, *map(str, values)]
