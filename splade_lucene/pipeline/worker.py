"""A process that encodes shards for another one, which reads the collection and keeps the manifest (``encode --workers``).

It is started as a module. Lines of JSON come on stdin: first the job, then shards of passages. Lines of JSON go out on stdout: first
what the manifest needs to know, then the passages that are done and the shards that are written. When stdin ends, whatever the
reason, the other process needs this one no more, and it ends at once: nothing is written after that.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import IO, Any

from splade_lucene.errors import SpladeLuceneError
from splade_lucene.records import Passage
from splade_lucene.vectors.writer import PendingShard


def main() -> int:
    """Runs the worker."""
    # What a library prints must not end up between our lines.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    tasks: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    try:
        _work(tasks, answers)
    except (SpladeLuceneError, OSError) as error:
        _say(answers, error=str(error))
    return 1


def _receive(tasks: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        tasks.put(json.loads(line))
    os._exit(0)


def _work(tasks: queue.SimpleQueue[dict[str, Any]], answers: IO[str]) -> None:
    from splade_lucene.encoding.devices import worker_device
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.pipeline.passage_encoder import EncodingSettings, PassageEncoder

    job = tasks.get()
    model = job["model"] | {"device": worker_device(job["model"]["device"], job["number"])}
    encoder = PassageEncoder(SpladeModel.load(**model), EncodingSettings(**job["settings"]))
    _say(answers, encoder=encoder.encoder.to_json(), settings=encoder.settings._asdict())
    while True:
        task = tasks.get()
        shard = PendingShard(*task["needed"]), [Passage(*passage) for passage in task["passages"]]
        encoder.encode(
            [shard], Path(task["folder"]), lambda shard: _say(answers, shard=shard._asdict()), lambda count: _say(answers, done=count)
        )


def _say(answers: IO[str], **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
