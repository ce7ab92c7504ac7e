"""Rows that should not be there, are there twice, are lost, or have no real label."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from osarbench.published.findings import Finding
from osarbench.published.padding import Padding, find
from osarbench.published.scores import AnyArray, Part, Scores
from osarbench.published.test_sets import SETS, Official, dominant, guess, numbers
from osarbench.scores.metrics import ranking

#: A value that so large a share of rows has is saturation: equal rows there are no repetitions.
COMMON = 0.002


def row_findings(scores: Scores, stated: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield what the rows, names and labels of both roles lack; ``stated`` names their test sets, where known.

    Where whole classes of a test set are absent, the rows of the others are counted: a protocol may exclude classes.
    """
    for role, part in (("known", scores.known), ("unknown", scores.unknown)):
        official = official_of(part, stated[role])
        placeholders = dominant(part.labels)
        yield from _repeated_names(role, part)
        yield from _repeated_rows(role, part)
        yield from _labels(role, part, official)
        counted = None if official is None or placeholders else numbers(part.labels, official)
        if official is not None and (counted is not None or placeholders):
            yield from _row_count(scores, role, part, official, counted)


def official_of(part: Part, stated: str | None) -> Official | None:
    """Return the test set of a stated name; of a data set's name alone the nearest; without either a guess."""
    if stated is None:
        return guess(part)
    named = [its for name, its in SETS.items() if name == stated or name.startswith(f"{stated}/")]
    return min(named, key=lambda its: abs(len(part.labels) - its.rows), default=None)


def surplus_rows(labels: AnyArray, official: Official) -> dict[int, list[int]]:
    """Return class number -> rows that may be surplus: the last of a class that has more than it should.

    Where no sampler explains the rows (`osarbench.published.padding`), no more than the class is proved.
    """
    extra = np.bincount(labels, minlength=len(official.counts))[: len(official.counts)] - np.array(official.counts)
    return {int(k): np.flatnonzero(labels == k)[-extra[k] :].tolist() for k in np.flatnonzero(extra > 0)}


def _row_count(scores: Scores, role: str, part: Part, official: Official, labels: AnyArray | None) -> Iterator[Finding]:
    wanted = np.array(official.counts)
    counts = wanted
    if labels is not None:
        if labels.min() < 0 or labels.max() >= len(wanted):
            return  # labels are out of range, which is told elsewhere
        counts = np.bincount(labels, minlength=len(wanted))
        wanted = np.where(counts > 0, wanted, 0)
        official = official._replace(counts=tuple(wanted.tolist()))
    off, videos = len(part.labels) - official.rows, f"{official.title} has {official.rows:,} videos"
    surplus = {} if labels is None else surplus_rows(labels, official)
    padding = None if labels is None or off <= 0 else find(labels, official)
    rows = padding.rows if padding else sorted(row for its in surplus.values() for row in its)
    lost = np.flatnonzero(counts < wanted).tolist()
    named = _class_names(part.labels)
    where = "; ".join(f"class {named(k)} has {counts[k]} instead of {wanted[k]}" for k in [*surplus, *lost])
    if off > 0:
        yield Finding(
            "surplus rows", "warning",
            f"There are {len(part.labels):,} {role} rows, {videos}: {off:,} too many"
            + (f", {'' if padding else 'perhaps '}{_some(rows)} ({where})." if rows else "."),
            off, _without(scores, role, rows) + _scored_twice(part, padding),
        )  # fmt: skip
    elif off < 0:
        yield Finding(
            "rows lost", "error",
            f"There are {len(part.labels):,} {role} rows, {videos}: {-off:,} are missing"
            + (f" ({where})." if where else "."),
            -off, "The numbers are of fewer videos than the protocol's, and what fails to be read is seldom typical.",
        )  # fmt: skip
    elif where:
        yield Finding(
            "class counts", "note", f"The {role} rows are as many as they should be ({videos}), but {where}.",
            len(rows), "Numbers of single classes, and without listed ones, are off by these videos; others are not.",
        )  # fmt: skip


def _class_names(labels: AnyArray) -> Callable[[int], str]:
    """Return what to call a class number: the name it has in the file, if it has one."""
    names = None if labels.dtype.kind == "i" else sorted(set(labels.tolist()), key=str.casefold)
    return lambda number: str(number) if names is None else f"'{names[number]}'"


def _without(scores: Scores, role: str, rows: list[int]) -> str:
    """Describe how AUROC changes without some rows of a role."""
    if not rows or not all(np.isfinite(part.uncertainty).all() for part in (scores.known, scores.unknown)):
        return "Videos that the sampler repeated count twice, in every metric."
    given = {"known": scores.known.uncertainty, "unknown": scores.unknown.uncertainty}
    before = ranking.auroc(ranking.rank(**given))
    after = ranking.auroc(ranking.rank(**{**given, role: np.delete(given[role], rows)}))
    return (
        "Videos that the sampler repeated count twice; without these rows AUROC is "
        f"{100 * (after or 0.0):.3f} % instead of {100 * (before or 0.0):.3f} %."
    )


def _scored_twice(part: Part, padding: Padding | None) -> str:
    """Say whether repeated videos got their first score again."""
    if padding is None or not padding.repeats:
        return ""
    first, again = part.uncertainty[padding.repeats], part.uncertainty[padding.rows]
    other = int((np.abs(first - again) > 0.001 * np.abs(first)).sum())
    if not other:
        return " They repeat the first videos, with the same scores."
    return (
        f" They repeat the first videos of the sampler's list (row {padding.rows[0]:05d} is row "
        f"{padding.repeats[0]:05d} again, {again[0]:.5g} after {first[0]:.5g}); {other} of {len(first)} got another "
        "score, so testing seems not to be repeatable."
    )


def _labels(role: str, part: Part, official: Official | None) -> Iterator[Finding]:
    effect = "Numbers of single classes, open macro-F1 and results without listed classes mean nothing."
    found = dominant(part.labels)
    if found is not None:
        label, count = found
        harmless = role == "unknown" and count == len(part.labels)  # they may never have had classes
        yield Finding(
            "placeholder labels", "warning" if harmless else "error",
            f"{count:,} of {len(part.labels):,} {role} rows have the label {label}: it replaces other classes"
            + (f" ({len(np.unique(part.labels))} labels instead of {len(official.counts)})." if official else "."),
            count, effect + (" So does the closed accuracy." if role == "known" else ""),
        )  # fmt: skip
    if part.labels.dtype.kind == "i":
        above = len(official.counts) if official else None
        wrong = (part.labels < 0) | (part.labels >= above if above else False)
        if wrong.any():
            count = int(wrong.sum())
            yield Finding(
                "labels out of range", "error",
                f"{count:,} {role} rows have a label that is no class number"
                + (f" of {official.title} (0 to {len(official.counts) - 1})" if official else "")
                + f", for example {part.labels[wrong][0]}.",
                count, effect,
            )  # fmt: skip


def _repeated_names(role: str, part: Part) -> Iterator[Finding]:
    if part.videos is None:
        return
    names, counts = np.unique(part.videos, return_counts=True)
    count = int((counts - 1).sum())
    if count:
        yield Finding(
            "repeated videos", "warning",
            f"{count:,} {role} rows name a video that another row names, the first is {names[counts > 1][0]}.", count,
            "A repeated video counts twice in every metric; import keeps its first row.",
        )  # fmt: skip


def _repeated_rows(role: str, part: Part) -> Iterator[Finding]:
    """Find rows that agree with another in everything, where that is no saturation of the score."""
    groups = _repeated(part)
    count = sum(len(rows) - 1 for rows in groups)
    if count:
        first = ", ".join(f"{rows[-1]:05d} (as {rows[0]:05d})" for rows in groups[:3])
        many = count > 0.01 * len(part.labels)
        yield Finding(
            "repeated rows", "warning" if many else "note",
            f"{count:,} {role} row{'s repeat' if count > 1 else ' repeats'} another in every column: row {first}"
            + (f" and {len(groups) - 3:,} more." if len(groups) > 3 else "."),
            count, "Padding, a list with equal videos, or rounding: what is there twice counts twice in every metric.",
        )  # fmt: skip


def _repeated(part: Part) -> list[list[int]]:
    """Return groups of rows with the same uncertainty, confidence, prediction and label.

    Left out are values that rows of several classes or many rows share: there the score is saturated or coarse.
    """
    _, value, counts = np.unique(part.uncertainty, return_inverse=True, return_counts=True)
    order = np.argsort(value, kind="stable")
    ends = np.cumsum(counts)
    found = []
    for position in np.flatnonzero((counts > 1) & (counts <= max(4, COMMON * len(part.labels)))):
        rows = order[ends[position] - counts[position] : ends[position]]
        same = all(len(np.unique(its[rows])) == 1 for its in (part.labels, part.predicted, part.confidence))
        if same and np.isfinite(part.uncertainty[rows[0]]):
            found.append(rows.tolist())
    return found


def _some(rows: list[int], limit: int = 9) -> str:
    more = f" and {len(rows) - limit:,} more" if len(rows) > limit else ""
    return f"row{'s' * (len(rows) > 1)} " + ", ".join(f"{row:05d}" for row in rows[:limit]) + more
