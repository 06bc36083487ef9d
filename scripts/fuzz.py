#!/usr/bin/env python
"""Structured fuzzing of the readers of passages, vectors, queries, judgments and runs.

Each input is a small valid file with one to three mutations: of its values (other types, wild numbers, nasty strings), its lines (cut,
joined, doubled, shuffled) or its bytes (flipped, removed, inserted), plain or gzip. A reader must accept it or raise an ``InputError``
that names the file. What is accepted is written with our own writer and read again, and must be the same.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import InputError
from splade_lucene.evaluation.runs import read_run, write_run
from splade_lucene.records import EncoderRecord, EncoderSide, ImpactVector, Passage, Qrel, VectorSettings
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter

STRINGS = [
    "", " ", "\t", "\n", "\r", "\x00", "\x01", "\x1f", "\x7f", "\x85", "\xa0", "\u2028", "\u200b", "\ufeff", "\ud800", "\udfff", "😀", "é",
    "e\u0301", "日本", "a b", "d1", "d2", '"', "\\", "{", "|", "##s", "[CLS]", "x" * 255, "x" * 256, "😀" * 127, "😀" * 128, "y" * 9000,
]  # fmt: skip
NUMBERS: list[Any] = [
    0,
    1,
    -1,
    2,
    255,
    256,
    2**24 - 1,
    2**24,
    2**31,
    2**63,
    2**64,
    10**30,
    0.5,
    1.0,
    -0.0,
    1e308,
    float("inf"),
    float("nan"),
]
VALUES: list[Any] = [*STRINGS, *NUMBERS, None, True, False, [], {}, ["d1"], {"a": 1}, {"a": {"a": 1}}]
BYTES = [b"\x00", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"\n", b'"', b"\\u0000", b"\\ud800"]
KEYS = ["_id", "id", "text", "contents", "title", "vector", "metadata", *STRINGS[:8]]


class Kind(NamedTuple):
    """A kind of input.

    Attributes:
        suffix: of its files.
        lines: makes valid lines.
        read: a reader; gives what it read.
        again: writes what was read and reads it again.
    """

    suffix: str
    lines: Callable[[random.Random], list[Any]]
    read: Callable[[Path], Any]
    again: Callable[[Any, Path], Any]


def _word(dice: random.Random) -> str:
    return dice.choice(STRINGS[26:32]) if dice.random() < 1 / 4 else f"t{dice.randrange(50)}"


def _passages(dice: random.Random) -> list[Any]:
    names = ("_id", "text") if dice.random() < 1 / 2 else ("id", "contents")
    lines: list[Any] = [{names[0]: f"d{number}", names[1]: f"{_word(dice)} text"} for number in range(dice.randint(1, 4))]
    for line in lines:
        if dice.random() < 1 / 3:
            line["title"] = _word(dice)
    return lines


def _vectors(dice: random.Random) -> list[Any]:
    return [
        {"id": f"d{number}", "vector": {_word(dice): dice.randint(1, 2**24 - 1) for _ in range(dice.randint(0, 5))}}
        for number in range(dice.randint(1, 4))
    ]


def _pairs(dice: random.Random) -> list[Any]:
    return [f"q{number}\t{_word(dice)} text" for number in range(dice.randint(1, 4))]


def _csv(dice: random.Random) -> list[Any]:
    return ["id,text", *(f'q{number},"{_word(dice)}, text"' for number in range(dice.randint(1, 4)))]


def _array(dice: random.Random) -> list[Any]:
    return [f"{'[' if number == 0 else ','}{_dump(each, dice)}" for number, each in enumerate(_passages(dice))] + ["]"]


def _trec_topics(dice: random.Random) -> list[Any]:
    if dice.random() < 1 / 2:
        return ["<topics>", *(f'<topic number="{number}"><query>{_word(dice)}</query></topic>' for number in range(3)), "</topics>"]
    parts = ([f"<num> Number: {number}", f"<title> {_word(dice)}", "<desc> Description:", "text", "</top>"] for number in range(3))
    return [line for part in parts for line in ("<top>", *part)]


def _qrels(dice: random.Random) -> list[Any]:
    middle = "\t0\t" if dice.random() < 1 / 2 else "\t"
    return [f"q{number}{middle}d{dice.randrange(9)}\t{dice.randint(-1, 3)}" for number in range(dice.randint(1, 4))]


def _run(dice: random.Random) -> list[Any]:
    return [f"q{number % 2} Q0 d{number} {number} {dice.choice([1, 2.5, -1e-17, 16777215])} tag" for number in range(dice.randint(1, 6))]


def _write_vectors(vectors: list[ImpactVector], folder: Path) -> Any:
    side = EncoderSide("m", None, "0", "0")
    writer = VectorWriter(folder / "out", encoder=EncoderRecord(side, side, 64, 100, "fp32"), settings=VectorSettings(), overwrite=True)
    writer.write_shard([Passage(vector.doc_id, "") for vector in vectors], vectors)
    writer.finish()
    return list(read_vectors(folder / "out"))


def _write_passages(passages: list[Passage], folder: Path) -> Any:
    with (folder / "again.jsonl").open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps({"_id": each.doc_id, "title": each.title, "text": each.text}) + "\n" for each in passages)
    return list(read_passages(folder / "again.jsonl"))


def _write_run(run: Any, folder: Path) -> Any:
    write_run(folder / "again", run, tag="tag")
    return read_run(folder / "again")


def _read_shard(path: Path) -> Any:
    return list(read_vectors(path.parent.parent))


def _write_qrels(qrels: list[Qrel], folder: Path) -> Any:
    lines = (f"{each.query_id} 0 {each.doc_id} {each.relevance}\n" for each in qrels)
    (folder / "again.qrels").write_text("".join(["qid iter docid rel\n", *lines]), encoding="utf-8", newline="")
    return read_qrels(folder / "again.qrels")


def _same(found: Any, _: Path) -> Any:
    return found


KINDS = {
    "passages": Kind(".jsonl", _passages, lambda path: list(read_passages(path)), _write_passages),
    "passages in TSV": Kind(".tsv", _pairs, lambda path: list(read_passages(path)), _write_passages),
    "passages, bad ones left out": Kind(".jsonl", _passages, lambda path: list(read_passages(path, RejectPolicy(None))), _write_passages),
    "vectors": Kind(".jsonl", _vectors, _read_shard, _write_vectors),
    "queries": Kind(".jsonl", _passages, read_queries, _same),
    "topics": Kind(".tsv", _pairs, read_queries, _same),
    "passages in CSV": Kind(".csv", _csv, lambda path: list(read_passages(path)), _write_passages),
    "passages in an array": Kind(".json", _array, lambda path: list(read_passages(path)), _write_passages),
    "TREC topics": Kind(".txt", _trec_topics, read_queries, _same),
    "judgments": Kind(".tsv", _qrels, read_qrels, _write_qrels),
    "runs": Kind(".trec", _run, read_run, _write_run),
}
# Passages and vectors are what people bring; the others get less.
_SHARES = {"passages": 3, "vectors": 4, "passages, bad ones left out": 2}


def mutated(kind: Kind, dice: random.Random) -> bytes:
    """A valid file with one to three mutations."""
    lines = kind.lines(dice)
    steps = dice.choices(("value", "line", "byte"), (5, 2, 2), k=dice.randint(1, 3))
    for _ in range(steps.count("value")):
        _mutate_value(lines, dice)
    text = [line if isinstance(line, str) else _dump(line, dice) for line in lines]
    for _ in range(steps.count("line")):
        _mutate_lines(text, dice)
    end = dice.choice(("\n", "\n", "\n", "\r\n", "\n\n"))
    data = bytearray(end.join([*text, ""]).encode("utf-8", "surrogatepass"))
    for _ in range(steps.count("byte")):
        _mutate_bytes(data, dice)
    return bytes(data)


def _dump(line: Any, dice: random.Random) -> str:
    return json.dumps(line, ensure_ascii=dice.random() < 1 / 2)


def _mutate_value(lines: list[Any], dice: random.Random) -> None:
    number = dice.randrange(len(lines))
    line = lines[number]
    if not isinstance(line, dict):
        columns = line.split("\t") if isinstance(line, str) else ["d1"]
        columns[dice.randrange(len(columns))] = str(dice.choice(VALUES))
        lines[number] = "\t".join(columns)
        return
    target = line["vector"] if isinstance(line.get("vector"), dict) and dice.random() < 3 / 4 else line
    match dice.randrange(4):
        case 0 if target:
            target[dice.choice(list(target))] = dice.choice(VALUES)
        case 1 if target:
            del target[dice.choice(list(target))]
        case 2:
            target[dice.choice(KEYS if target is line else STRINGS)] = dice.choice(VALUES)
        case _ if target:
            name = dice.choice(list(target))
            target[dice.choice(STRINGS)] = target.pop(name)


def _mutate_lines(text: list[str], dice: random.Random) -> None:
    number = dice.randrange(len(text))
    match dice.randrange(6):
        case 0:
            text[number] = text[number][: dice.randint(0, len(text[number]))]
        case 1:
            text.insert(dice.randint(0, len(text)), text[number])
        case 2:
            text[number] = text[number] + text[dice.randrange(len(text))]
        case 3:
            dice.shuffle(text)
        case 4:
            text[number] = dice.choice(["", " ", "null", "[]", "[" * 3000, "{}", '"text"', "1" * 5000, "\ufeff" + text[number]])
        case _:
            place = dice.randint(0, len(text[number]))
            text[number] = text[number][:place] + dice.choice(STRINGS) + text[number][place:]


def _mutate_bytes(data: bytearray, dice: random.Random) -> None:
    if not data:
        return
    place = dice.randrange(len(data))
    match dice.randrange(4):
        case 0:
            data[place] ^= 1 << dice.randrange(8)
        case 1:
            del data[place : place + dice.randint(1, 4)]
        case 2:
            data[place:place] = dice.choice(BYTES)
        case _:
            del data[place:]


def inputs(dice: random.Random) -> Iterator[tuple[str, Kind, bytes, bool]]:
    """Endless inputs: the kind, its file's bytes, and whether they are packed."""
    names = list(KINDS)
    shares = [_SHARES.get(name, 1) for name in names]
    while True:
        name = dice.choices(names, shares)[0]
        data, packed = mutated(KINDS[name], dice), KINDS[name].suffix != ".trec" and name != "vectors" and dice.random() < 1 / 8
        if packed:
            squeezed = bytearray(gzip.compress(data, 1, mtime=0))
            if dice.random() < 1 / 2:
                _mutate_bytes(squeezed, dice)
            data = bytes(squeezed)
        yield name, KINDS[name], data, packed


def tried(kind: Kind, data: bytes, packed: bool, folder: Path) -> str:
    """Feeds a reader: ``accepted``, ``refused``, or what is wrong."""
    file = folder / "vectors" / f"part-00000{kind.suffix}{'.gz' if packed else ''}"
    file.write_bytes(data)
    try:
        found = kind.read(file)
    except InputError as error:
        message = str(error)
        return "refused" if str(folder) in message and "\n" not in message else f"not a sentence with its file: {message!r}"
    except Exception:  # anything but InputError is what is searched for
        return traceback.format_exc()
    try:
        again = kind.again(found, folder)
    except Exception:  # likewise
        return f"accepted, but cannot be written and read again: {traceback.format_exc()}"
    finally:
        file.unlink()
    return "accepted" if again == found else f"accepted, but {found!r} is {again!r} when written and read again"


def main() -> int:
    """Tries a number of inputs and prints what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=120_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=6, help="of the random mutations (default: %(default)s)")
    args = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    problems = 0
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        (folder / "vectors").mkdir()
        stream = inputs(random.Random(args.seed))
        for number in range(args.inputs):
            kind_name, kind, data, packed = next(stream)
            result = tried(kind, data, packed, folder)
            (folder / "vectors" / f"part-00000{kind.suffix}{'.gz' if packed else ''}").unlink(missing_ok=True)
            if result not in {"accepted", "refused"}:
                problems += 1
                print(f"input {number} ({kind_name}): {data!r}\n{result}\n", flush=True)
                result = "wrong"
            counts[kind_name, result] += 1
    for kind_name in KINDS:
        print(f"{kind_name}: {counts[kind_name, 'accepted']:,} accepted, {counts[kind_name, 'refused']:,} refused")
    print(f"fuzz: {args.inputs:,} inputs, {problems} problems, {time.monotonic() - start:.0f} s, seed {args.seed}")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
