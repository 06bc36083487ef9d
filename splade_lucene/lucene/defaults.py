"""Defaults of the BM25 baselines: those of Anserini's BEIR reproductions."""

from __future__ import annotations

DEFAULT_K1, DEFAULT_B = 0.9, 0.4
FLAT = {"contents": 1.0}
MULTIFIELD = {"contents": 1.0, "title": 1.0}

DEFAULT_LANGUAGE = "en"
# Anserini's AnalyzerMap, English, and the languages whose words it takes apart at white space.
LANGUAGES = (
    *("ar", "bn", "da", "de", "en", "es", "fa", "fi", "fr", "ha", "hi", "hu", "id", "it", "ja", "ko", "nl", "no", "pl", "pt", "ru", "so"),
    *("sv", "sw", "te", "th", "tr", "uk", "yo", "zh"),
)
WHITESPACE = "whitespace"
ENGLISH_ANALYZERS = ("porter", "krovetz", "nostem")
DEFAULT_ANALYZERS = {"en": "porter", **dict.fromkeys(("ha", "so", "sw", "yo"), WHITESPACE)}
"""Of the languages that have no analyzer of Lucene's."""
