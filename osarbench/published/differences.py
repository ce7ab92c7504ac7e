"""Which differences between published methods are more than chance, from their score files alone.

The methods of a published table were tested on the same videos, but their files name none, and list them in the order
of the processes that scored them. Rows that a sampler repeated are left out (`osarbench.published.padding`), and whole
classes are resampled, the same ones for all methods: then the order of the videos within a class does not matter, and
the comparison is paired.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from osarbench import __version__
from osarbench.artifacts import storage
from osarbench.errors import OsarbenchError
from osarbench.published import few_shot, importing, npz, padding, row_checks
from osarbench.published.scores import Part, Scores
from osarbench.published.tables import PublishedTable, Row
from osarbench.published.test_sets import dominant, guess
from osarbench.scores.statistics.holm import holm
from osarbench.scores.statistics.intervals import Interval
from osarbench.scores.statistics.paired import Comparison, compare, tied_ranks

METRIC = "auroc"
DRAWS = 2000
ALPHA = 0.05


class Method(NamedTuple):
    """One published file; numbers in percent."""

    method: str
    file: str  #: as its publication calls it
    sha256: str
    published: float | None  #: the printed AUROC
    value: float  #: without repeated rows
    low: float
    high: float
    rank: int  #: of its group, see `osarbench.scores.statistics.paired.tied_ranks`
    not_apart: tuple[str, ...]  #: methods of its group that the test cannot tell from it


class Group(NamedTuple):
    """The methods of one published table."""

    paper: str  #: citation
    name: str  #: of the published table
    backbone: str
    training: str
    methods: tuple[Method, ...]  #: the best first
    gaps: tuple[float, ...]  #: sizes of the differences of all pairs, in points
    survive: int  #: pairs with a Holm-adjusted p below 5 %


class Twice(NamedTuple):
    """Two published files of one method in one setting; numbers in percent or points."""

    method: str
    backbone: str
    training: str
    names: tuple[str, str]  #: of the published tables
    files: tuple[str, str]
    published: tuple[float | None, float | None]
    values: tuple[float, float]
    lows: tuple[float, float]
    highs: tuple[float, float]
    difference: float  #: second less first
    low: float
    high: float
    p_holm: float  #: over all such pairs
    smaller: int  #: differences between methods in the tables of this training that are smaller
    of: int  #: how many there are


class Differences(NamedTuple):
    """What the published files of one pair of data sets say."""

    protocol: str
    groups: tuple[Group, ...]
    twice: tuple[Twice, ...]
    resampled: str
    draws: int
    missing: tuple[str, ...]  #: files that were not there
    left_out: tuple[tuple[str, str], ...]  #: files whose videos cannot be told by class, and why


class _Found(NamedTuple):
    paper: PublishedTable
    row: Row
    sha256: str
    rows: pd.DataFrame


def differences(papers: Sequence[PublishedTable], folders: Sequence[Path], *, draws: int = DRAWS) -> list[Differences]:
    """Compare the methods of published tables whose score files lie below some folders, a result for each protocol.

    Args:
        papers: with rows that name files. Few-shot files, and tables at a threshold, are left out.
        folders: as published (results/, results_ft_hmdb/ ...), one for each publication or one for all.
        draws: bootstrap replicates.

    Raises:
        OsarbenchError: no folder has two files of one table, or a file cannot be read or lacks videos.
    """
    found, missing, left_out = list[_Found](), dict[str, dict[str, None]](), dict[str, dict[str, str]]()
    for paper in papers:
        for row in paper.rows:
            if row.file is None or row.threshold is not None or row.score in few_shot.SCORES:
                continue
            path = next((folder / row.file for folder in folders if (folder / row.file).is_file()), None)
            if path is None:
                missing.setdefault(row.protocol, {})[row.file] = None
                continue
            scores = npz.read(path, kind=row.score)
            excluded = paper.conventions[row.protocol].excluded_unknown
            reason = _unfit(scores)
            if reason:
                left_out.setdefault(row.protocol, {})[row.file] = reason
                continue
            found.append(_Found(paper, row, storage.sha256(path), _table(scores, excluded)))
    results = [
        its
        for protocol in dict.fromkeys(one.row.protocol for one in found)
        if (its := _of_protocol(protocol, [one for one in found if one.row.protocol == protocol], draws)).groups
    ]
    if not results:
        raise OsarbenchError(
            f"{', '.join(map(str, folders))} has no two score files of one published table, for example of PSL or "
            "UOSR. Give the folders that contain results/, as published."
        )
    return [
        its._replace(
            missing=tuple(missing.get(its.protocol, ())), left_out=tuple(left_out.get(its.protocol, {}).items())
        )
        for its in results
    ]


def write(found: Differences, file: Path) -> None:
    """Write a result as JSON."""
    value = {**_plain(found), "osarbench": __version__}
    storage.write_text(file, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read(file: Path) -> Differences:
    """Return what `write` wrote.

    Raises:
        OsarbenchError: the file is damaged.
    """
    try:
        stated: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        groups = tuple(
            Group(**{**group, "methods": tuple(Method(**{**its, "not_apart": tuple(its["not_apart"])})
                                               for its in group["methods"]), "gaps": tuple(group["gaps"])})
            for group in stated["groups"]
        )  # fmt: skip
        pairs = ("names", "files", "published", "values", "lows", "highs")
        twice = tuple(Twice(**{**its, **{key: tuple(its[key]) for key in pairs}}) for its in stated["twice"])
        kept = {key: stated[key] for key in ("protocol", "resampled", "draws")}
        left_out = tuple((name, reason) for name, reason in stated["left_out"])
        return Differences(groups=groups, twice=twice, missing=tuple(stated["missing"]), left_out=left_out, **kept)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OsarbenchError(f"{file} is damaged. Make it again: osarbench differences FOLDER --publish.") from error


def _plain(value: Any) -> Any:
    """Return named tuples as mappings; points are rounded, so that another machine writes the same file."""
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {key: _plain(its) for key, its in value._asdict().items()}
    if isinstance(value, tuple | list):
        return [_plain(its) for its in value]
    return round(value, 4) if isinstance(value, float) else value


def _of_protocol(protocol: str, found: Sequence[_Found], draws: int) -> Differences:
    groups, resampled = list[Group](), ""
    members: dict[tuple[str, str, str], list[_Found]] = {}
    for one in found:
        if METRIC in one.row.numbers:
            members.setdefault((one.paper.name, one.row.backbone, one.row.training), []).append(one)
    for its in members.values():
        if len(its) > 1:
            comparison = _compare({one.row.method: one for one in its}, draws)
            groups.append(_group(its, comparison))
            resampled = comparison.resampled
    return Differences(protocol, tuple(groups), tuple(_twice(found, groups, draws)), resampled, draws, (), ())


def _compare(named: dict[str, _Found], draws: int) -> Comparison:
    # some files of MiT-v2 have one video in another class
    tables = {name: [one.rows] for name, one in named.items()}
    return compare(tables, metrics=[METRIC], draws=draws, intersection=True)


def _group(its: Sequence[_Found], comparison: Comparison) -> Group:
    ranks, p = tied_ranks(comparison, METRIC, alpha=ALPHA), comparison.p_holm[METRIC]
    names = list(comparison.entries)
    values = {name: comparison.entries[name][METRIC] for name in names}
    methods = []
    for one in its:
        name, at = one.row.method, names.index(one.row.method)
        apart = tuple(other for j, other in enumerate(names) if j != at and p[at, j] >= ALPHA)
        methods.append(
            Method(name, str(one.row.file), one.sha256, one.row.numbers.get(METRIC), *_points(values[name]),
                   ranks[name], apart)
        )  # fmt: skip
    methods.sort(key=lambda its: -its.value)
    upper = p[np.triu_indices(len(names), 1)]
    gaps = tuple(100 * abs(values[first].value - values[second].value) for first, second in combinations(names, 2))
    row, paper = its[0].row, its[0].paper
    survive = int((upper < ALPHA).sum())
    return Group(paper.citation, paper.name, row.backbone, row.training, tuple(methods), gaps, survive)


def _twice(found: Sequence[_Found], groups: Sequence[Group], draws: int) -> Iterator[Twice]:
    """Yield the pairs of different files of one method, the furthest apart first."""
    by_method: dict[tuple[str, str, str], dict[str, _Found]] = {}
    for one in found:
        key = one.row.method, one.row.backbone, one.row.training
        by_method.setdefault(key, {}).setdefault(one.sha256, one)
    pairs = [
        (pair, _compare(dict(zip(("first", "second"), pair, strict=True)), draws))
        for its in by_method.values()
        for pair in combinations(its.values(), 2)
    ]
    adjusted = holm([comparison.pairs[0].p for _, comparison in pairs])
    results = []
    for (pair, comparison), p_holm in zip(pairs, adjusted, strict=True):
        row, its = pair[0].row, comparison.pairs[0].difference
        gaps = [gap for group in groups if (group.backbone, group.training) == (row.backbone, row.training)
                for gap in group.gaps]  # fmt: skip
        size = 100 * abs(its.value)
        results.append(
            Twice(
                row.method, row.backbone, row.training,
                names=(pair[0].paper.name, pair[1].paper.name),
                files=(str(pair[0].row.file), str(pair[1].row.file)),
                published=(pair[0].row.numbers.get(METRIC), pair[1].row.numbers.get(METRIC)),
                **_both(comparison),
                difference=-100 * its.value, low=-100 * its.high, high=-100 * its.low, p_holm=float(p_holm),
                smaller=sum(gap < size for gap in gaps), of=len(gaps),
            )
        )  # fmt: skip
    yield from sorted(results, key=lambda its: -abs(its.difference))


def _both(comparison: Comparison) -> dict[str, tuple[float, float]]:
    one, other = (_points(comparison.entries[name][METRIC]) for name in ("first", "second"))
    return dict(zip(("values", "lows", "highs"), zip(one, other, strict=True), strict=True))


def _points(its: Interval) -> tuple[float, float, float]:
    return 100 * its.value, 100 * its.low, 100 * its.high


def _table(scores: Scores, excluded: Sequence[int]) -> pd.DataFrame:
    """Return the rows of the protocol's classes, repeated ones left out, named by class and place in it."""
    known, unknown = _distinct(scores.known), _distinct(scores.unknown)
    kept = ~np.isin(unknown.labels, list(excluded))
    rows = importing.to_table(scores._replace(known=known, unknown=_take(unknown, kept), train=None))
    place = rows.groupby(["source", "label"]).cumcount()
    return rows.assign(video=rows["label"] + "/" + place.map("{:05d}".format)).astype({"video": object})


def _unfit(scores: Scores) -> str:
    """Return why a file's videos cannot be paired with others' class by class; empty if they can."""
    for word, part in (("known", scores.known), ("unknown", scores.unknown)):
        official = guess(part)
        if official is None or part.labels.dtype.kind != "i":
            return f"its {len(part.labels):,} {word} rows are of no usual test set"
        if (placeholder := dominant(part.labels)) is not None:
            return f"{placeholder[1]:,} {word} rows have the class number {placeholder[0]}, which stands for others"
        if (rows := len(_distinct(part).labels)) != official.rows:
            return f"it has {rows:,} {word} videos, and {official.title} has {official.rows:,}"
    return ""


def _distinct(part: Part) -> Part:
    """Return a part without the rows that a distributed sampler repeated."""
    official = guess(part)
    assert official is not None
    if len(part.labels) <= official.rows:
        return part
    repeated = padding.find(part.labels, official)
    surplus = row_checks.surplus_rows(part.labels, official)
    rows = repeated.rows if repeated is not None else [row for its in surplus.values() for row in its]
    left = np.ones(len(part.labels), bool)
    left[rows] = False
    return _take(part, left)


def _take(part: Part, rows: Any) -> Part:
    return Part(*(None if its is None else its[rows] for its in part))  # type: ignore[arg-type]
