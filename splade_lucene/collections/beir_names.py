"""The data sets of BEIR (arXiv 2104.08663): their names, which of them are public, and what ir_datasets calls them."""

from __future__ import annotations

PUBLIC = (
    "trec-covid",
    "nfcorpus",
    "nq",
    "hotpotqa",
    "fiqa",
    "arguana",
    "webis-touche2020",
    "quora",
    "dbpedia-entity",
    "scidocs",
    "fever",
    "climate-fever",
    "scifact",
)
"""The 13 that most papers average over."""

FORUMS = tuple(
    f"cqadupstack-{forum}"
    for forum in (
        "android",
        "english",
        "gaming",
        "gis",
        "mathematica",
        "physics",
        "programmers",
        "stats",
        "tex",
        "unix",
        "webmasters",
        "wordpress",
    )
)
"""Those of cqadupstack, which count as one data set."""

LICENSED = ("bioasq", "signal1m", "trec-news", "robust04")
"""Cannot be downloaded: only their owners distribute them."""

ALL = (*PUBLIC, *FORUMS, *LICENSED)
"""All 29 collections of the 18 data sets."""

# A split is part of the id only where there are several.
_SPLIT = ("nfcorpus", "hotpotqa", "fiqa", "quora", "dbpedia-entity", "fever", "scifact")


def ir_datasets_id(name: str) -> str | None:
    """The ir_datasets id of a BEIR collection's test split; None for those that it does not have.

    Example:
        >>> ir_datasets_id("scifact"), ir_datasets_id("cqadupstack-gis"), ir_datasets_id("robust04")
        ('beir/scifact/test', 'beir/cqadupstack/gis', None)
    """
    if name in LICENSED or name not in ALL:
        return None
    if name == "webis-touche2020":
        return "beir/webis-touche2020/v2"  # with the corrected judgments, as published figures have it
    return f"beir/{name.replace('cqadupstack-', 'cqadupstack/')}" + ("/test" if name in _SPLIT else "")


def collection_name(ir_datasets_name: str) -> str:
    """A name fit for files: BEIR's own for the test split of a BEIR collection, the id with dashes otherwise.

    Example:
        >>> collection_name("beir/scifact/test"), collection_name("msmarco-passage/dev/small")
        ('scifact', 'msmarco-passage-dev-small')
    """
    known = {ir_datasets_id(name): name for name in ALL}
    return known.get(ir_datasets_name) or ir_datasets_name.replace("/", "-")
