"""Trains a sparse encoder on a collection: reads, mines, tries recipes, trains, judges, and writes a model folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.collections.queries import QueryFields
from splade_lucene.core.files import atomic_file, atomic_folder, json_sha256
from splade_lucene.core.locks import locked
from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import InputError, ModelError, SpladeLuceneError
from splade_lucene.pipeline.pool import ModelSpec
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.extra import require_packages
from splade_lucene.training.heldout import Evaluation, Evaluator, load_measured
from splade_lucene.training.judgments import read_judgments
from splade_lucene.training.mining import Mining
from splade_lucene.training.settings import Recipe, TrainingSettings
from splade_lucene.training.sources import HeldOutPool, TrainingData, judged_source, title_source
from splade_lucene.training.taught import Teaching, judged_for_teacher, queries_for_teacher, taught_source, titles_for_teacher
from splade_lucene.training.verdict import judge_training
from splade_lucene.vectors.idf import idf

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.training.card import Report
    from splade_lucene.training.encoder import TrainedEncoder

_STARTED = "started.json"


class Request(NamedTuple):
    """What is to be trained on what.

    Attributes:
        corpus: the collection.
        model: to start from.
        qrels: the name of a split of the collection, or a file; None to train on titles.
        queries: the file of queries, if it is not the collection's.
        query_fields: which fields of queries are read, if others.
        teacher: ``fusion`` or a model to learn from; None for none.
        static: queries become a table of token weights.
        recipes: to try; a single one is not tried but used.
        settings: what holds for all.
        refit: train once more with the held-out queries, when they have chosen and judged, if that adds to what is trained on.
    """

    corpus: Corpus
    model: ModelSpec
    qrels: str | None
    queries: Path | None
    query_fields: QueryFields | None
    teacher: str | None
    static: bool
    recipes: Sequence[Recipe]
    settings: TrainingSettings
    refit: bool = True


def working_folder(out: Path) -> Path:
    """Where checkpoints, indexes and evaluations are until a model is finished."""
    return out.with_name(f"{out.name}.training")


def train_model(request: Request, out: Path, *, overwrite: bool = False) -> Report:
    """Trains a model and writes it; call it again with the same arguments to resume.

    Args:
        request: what is to be trained on what.
        out: the folder to write: the trained model, or the original where training did not make it better.
        overwrite: replace ``out``, and what another run left unfinished.

    Returns:
        What was done.

    Raises:
        InputError: ``out`` exists, an unfinished run in its working folder had other settings, or the collection or its judgments
            cannot be used.
        ModelError: the model cannot be trained.
        SpladeLuceneError: packages are missing, or every recipe collapsed.
    """
    require_packages()
    from splade_lucene.training.card import Report, write_card
    from splade_lucene.training.choice import choose_recipe
    from splade_lucene.training.refit import refit
    from splade_lucene.training.trial import run_trial
    from splade_lucene.training.watch import TrainingRun

    if out.exists() and not overwrite:
        raise InputError(out, "exists already; give another name or --overwrite")
    work, cheaper = working_folder(out), request.qrels is None or bool(request.settings.budget)
    with locked(work):
        try:
            original, source = _prepare(request, work, overwrite)
        except SpladeLuceneError:
            if work.is_dir() and [file.name for file in work.iterdir()] == [_STARTED]:
                shutil.rmtree(work)  # nothing was done yet
            raise
        if request.settings.device == "auto":
            request = request._replace(settings=request.settings._replace(device=original.device_type))
        choosing, verdict = (_evaluator(part, request.settings) for part in (source.choosing, source.verdict))
        say(f"training on {source.name}: {'; '.join(source.notes)}; {len(source.choosing.held_out.queries)} held-out queries choose, "
            f"{len(source.verdict.held_out.queries)} others judge")  # fmt: skip
        before = _kept(work / "before.json", partial(choosing.measure, original))
        say(f"untrained: held-out {before.line()}")
        load = _loader(request, work, original)
        job = TrainingRun(
            work / "run", load, source.examples, choosing, request.recipes[0], request.settings, "training", before, cheaper=cheaper
        )
        recipe, tried = choose_recipe(job, request.recipes, work)
        trial = run_trial(job._replace(recipe=recipe))
        if not trial.within:
            raise SpladeLuceneError(_missed(trial.measured, request.settings))
        say("judging on the other held-out queries")
        first = _kept(work / "verdict-before.json", partial(verdict.measure, original))
        last = _kept(work / "verdict-after.json", lambda: load_measured(trial.model, verdict, request.settings.device))
        if request.settings.budget.excess(last.flops, last.document_terms) > 1:
            raise SpladeLuceneError(_missed(last, request.settings))
        found = judge_training(first, last, cheaper=cheaper)
        again = None
        # What has to meet a budget is what was measured.
        if found.replaces and request.refit and source.joined is not None and not cheaper:
            say(f"{found.why}; training with the held-out queries as well")
            again = refit(job, trial, source.joined(), work / "refit")
        side = original.side()
        report = Report(
            side.model, side.weights_sha256, source.name, source.notes, request.settings, request.static, tried, before, trial, found, again
        )
        with atomic_folder(out, overwrite=overwrite) as folder:
            if found.replaces:
                shutil.copytree((again or trial).model, folder, dirs_exist_ok=True)
            else:
                _load_original(request)().save(folder, request.settings.lengths)
            write_card(folder, report)
        shutil.rmtree(work)
    return report


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def _prepare(request: Request, work: Path, overwrite: bool) -> tuple[SpladeModel, TrainingData]:
    from splade_lucene.encoding.model import SpladeModel

    original = SpladeModel.load(**request.model._asdict())
    settings, corpus = request.settings, request.corpus
    original.check_length(settings.lengths.documents)
    original.check_query_length(settings.lengths.queries)
    rows = settings.steps * settings.batch
    judgments = None
    if request.qrels is not None:
        judgments = read_judgments(
            corpus.path, request.qrels, corpus.doc_ids, queries=request.queries, fields=request.query_fields, seed=settings.seed
        )
    asked = None
    if request.queries is not None and judgments is None:
        asked = queries_for_teacher(request.queries, request.query_fields, seed=settings.seed)
    _check_started(work, _started(request, original, judgments or asked), overwrite)
    mining = _mining(request, work, original)
    if request.teacher is None:
        if judgments is None:
            return original, title_source(corpus, rows=rows, seed=settings.seed)
        return original, judged_source(corpus, judgments, mining, rows=rows, seed=settings.seed)
    if asked is None:
        asked = (
            titles_for_teacher(corpus, rows=rows, seed=settings.seed)
            if judgments is None
            else judged_for_teacher(corpus, judgments, mining, seed=settings.seed)
        )
    return original, taught_source(corpus, asked, mining, Teaching(request.teacher, request.model, rows, settings.seed))


def _mining(request: Request, work: Path, original: SpladeModel) -> Mining:
    titles = request.qrels is None and request.queries is None
    lengths, bodies = request.settings.lengths, titles and request.teacher is not None
    return Mining(work / "mining", request.corpus, original, lengths, threads=usable_processors(), bodies=bodies)


def _started(request: Request, original: SpladeModel, queries: Any) -> dict[str, Any]:
    """What must be the same for a run to be resumed."""
    return {
        "model": original.side().weights_sha256,
        "passages": request.corpus.sha256,
        "queries": None if queries is None else json_sha256(queries),
        "teacher": request.teacher,
        "query side": "static" if request.static else "model",
        "recipes": [recipe._asdict() for recipe in request.recipes],
        **request.settings._asdict(),
    }


def _check_started(work: Path, started: dict[str, Any], overwrite: bool) -> None:
    """Starts a working folder, or makes sure that the one that is there was started with the same settings."""
    as_read = json.loads(json.dumps(started))
    file = work / _STARTED
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        other = [key for key in as_read if before.get(key) != as_read[key]]
        if not other:
            return
        if not overwrite:
            key = other[0]
            raise InputError(
                work,
                f"was started with {key} = {before.get(key)}; this run uses {as_read[key]}; finish that one first, or give --overwrite",
            )
    if work.exists():
        if not overwrite and not file.is_file() and any(work.iterdir()):
            raise InputError(work, "exists and is no unfinished training run; remove it, or give another name for the model")
        shutil.rmtree(work)
    with atomic_file(file) as stream:
        json.dump(as_read, stream, indent=1)


def _load_original(request: Request) -> Callable[[], TrainedEncoder]:
    from splade_lucene.training.encoder import load_encoder

    model = request.model
    return lambda: load_encoder(
        model.name, revision=model.revision, subfolder=model.subfolder, token=model.token, device=request.settings.device
    )


def _loader(request: Request, work: Path, original: SpladeModel) -> Callable[[], TrainedEncoder]:
    load = _load_original(request)
    if not request.static:
        return load
    from splade_lucene.training.encoder import with_static_queries

    mining = _mining(request, work, original)

    def load_static() -> TrainedEncoder:
        trained = load()
        if trained.static_queries:
            return trained
        if trained.size != len(original.vocabulary):
            raise ModelError(
                f"the output layer of {original.name} has {trained.size} rows and its tokenizer {len(original.vocabulary)} tokens; a "
                "static query side needs as many of both"
            )
        frequencies, passages = mining.document_frequencies
        return with_static_queries(trained, [idf(frequencies[token], passages) for token in original.vocabulary])

    return load_static


def _evaluator(part: HeldOutPool, settings: TrainingSettings) -> Evaluator:
    return Evaluator(part.held_out, part.pool, settings.lengths)


def _missed(measured: Evaluation, settings: TrainingSettings) -> str:
    budget = settings.budget
    wanted = [f"FLOPS {budget.flops:g}"] if budget.flops is not None else []
    wanted += [f"{budget.document_terms:g} terms a passage"] if budget.document_terms is not None else []
    return (
        f"the budget of {' and '.join(wanted)} was not met: the nearest is FLOPS {measured.flops:.2f} and {measured.document_terms:.1f} "
        f"terms a passage; give more than {settings.steps} --max-steps or a larger budget, and --overwrite"
    )


def _kept(file: Path, measure: Callable[[], Evaluation]) -> Evaluation:
    """Measures once; what an interrupted run measured is read."""
    if not file.is_file():
        found = measure()
        with atomic_file(file) as stream:
            json.dump(found._asdict(), stream, indent=1)
    return Evaluation.from_json(json.loads(file.read_text(encoding="utf-8")))
