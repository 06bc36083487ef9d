"""The report of an evaluation as one self-contained HTML page."""

from splade_lucene.evaluation.report.page import FILE, write_report

__all__ = ["FILE", "write_report"]
