"""What is wrong with a scores file, before anybody believes numbers of it: a pure function of the file.

A check says what it found, in how many rows, and what that does to the numbers. Padding of rows is looked for in
`osarbench.published.row_checks`.
"""

from collections.abc import Iterator
from typing import get_args

import numpy as np

from osarbench.published.findings import Finding, Severity
from osarbench.published.row_checks import official_of, row_findings
from osarbench.published.scores import Part, Scores
from osarbench.scores.metrics import ranking

#: Vacuity is K / (sum of alpha); exp evidence is clamped at e^10 (DEAR ``edl_loss.py``, lines 7-14).
CLAMP = np.exp(10)
#: Shares of rows that have one value, or saturated evidence, from which on they are worth a word.
MANY_TIED = 0.005
MANY_SATURATED = 0.1
#: Below this AUROC the sign of the uncertainty is surely wrong; between it and one half it may be.
SURELY_FLIPPED = 0.4


def check(scores: Scores, *, known_set: str | None = None, unknown_set: str | None = None) -> list[Finding]:
    """Return what is wrong with a scores file, the worst first; nothing for a clean one.

    Args:
        known_set, unknown_set: the test sets ("ucf101/test1") that its rows should be of
            (`osarbench.published.test_sets.SETS`); without them they are guessed from the numbers of rows and classes.
    """
    clean = scores._replace(known=_finite(scores.known), unknown=_finite(scores.unknown))
    found = [
        *_not_finite(scores),
        *row_findings(scores, {"known": known_set, "unknown": unknown_set}),
        *_predictions(scores, known_set),
        *_confidence(scores),
    ]
    if len(clean.known.labels) and len(clean.unknown.labels):
        found += [*_sign(clean), *_apart(clean), *_half_precision(clean), *_plateau(clean), *_ties(clean)]
    return sorted(found, key=lambda finding: get_args(Severity).index(finding.severity))


def _finite(part: Part) -> Part:
    rows = np.isfinite(part.uncertainty)
    return Part(part.uncertainty[rows], part.confidence[rows], part.predicted[rows], part.labels[rows])


def _not_finite(scores: Scores) -> Iterator[Finding]:
    for role, part in (("known", scores.known), ("unknown", scores.unknown)):
        for name, wrong in (("NaN", np.isnan(part.uncertainty)), ("infinite", np.isinf(part.uncertainty))):
            if wrong.any():
                count, first = int(wrong.sum()), int(np.flatnonzero(wrong)[0])
                yield Finding(
                    "not finite", "error",
                    f"{_rows(count, role)} {_have(count)} the uncertainty {name}, the first is row {first:05d}.", count,
                    "No video can be ranked against it: every metric is undefined until the rows are mended.",
                )  # fmt: skip


def _predictions(scores: Scores, known_set: str | None) -> Iterator[Finding]:
    """Find predictions that no known class has, where classes are numbers and the known test set is a usual one."""
    official = official_of(scores.known, known_set)
    if official is None:
        return
    classes = len(official.counts)
    for role, part in (("known", scores.known), ("unknown", scores.unknown)):
        if part.predicted.dtype.kind != "i":
            continue
        wrong = int(((part.predicted >= classes) | (part.predicted < 0)).sum())
        if wrong:
            yield Finding(
                "prediction out of range", "error",
                f"{_rows(wrong, role)} {_have(wrong)} a prediction outside the known classes (0 to {classes - 1}).",
                wrong, "Such a prediction may be a rejection (class K): closed accuracy and OSCR count it as an error.",
            )  # fmt: skip


def _confidence(scores: Scores) -> Iterator[Finding]:
    for role, part in (("known", scores.known), ("unknown", scores.unknown)):
        given = part.confidence[~np.isnan(part.confidence)]
        lost = len(part.confidence) - len(given)
        if given.size and lost:
            yield Finding(
                "confidence missing", "warning", f"{_rows(lost, role)} {_have(lost)} no confidence, others have one.",
                lost, "Calibration of the confidence is not computed.",
            )  # fmt: skip


def _sign(scores: Scores) -> Iterator[Finding]:
    auroc = _auroc(scores)
    if auroc < 0.5:
        count = len(scores.known.labels) + len(scores.unknown.labels)
        sure = auroc < SURELY_FLIPPED
        yield Finding(
            "sign", "error" if sure else "warning",
            f"Known videos are more uncertain than unknown ones (AUROC {100 * auroc:.2f} %)"
            + ("; the sign is flipped: the scores are of confidence." if sure else "; is the sign flipped?"),
            count, f"With the other sign AUROC is {100 * (1 - auroc):.2f} %; every other metric changes too.",
        )  # fmt: skip


def _apart(scores: Scores) -> Iterator[Finding]:
    parts = (scores.known.uncertainty, scores.unknown.uncertainty)
    if all(its.min() == 0 and its.max() == 1 and len(np.unique(its)) > 2 for its in parts):
        yield Finding(
            "normalised apart", "error",
            "Known and unknown uncertainties each run from exactly 0 to exactly 1: they were normalised apart.",
            sum(map(len, parts)),
            "Normalising uses which videos are unknown, and moves the two sets against each other: no metric of both "
            "sets is valid. Only the scores before it can be evaluated.",
        )  # fmt: skip


def _half_precision(scores: Scores) -> Iterator[Finding]:
    for name in ("uncertainty", "confidence"):
        values = np.concatenate([getattr(scores.known, name), getattr(scores.unknown, name)])
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16).astype(np.float64)
        if np.isnan(values).any() or len(np.unique(values)) <= 16 or not (halved == values).all():
            continue
        full = int((values == (0.0 if name == "uncertainty" else 1.0)).sum())
        yield Finding(
            "half precision", "warning",
            f"Every {name} is a half-precision number; {full:,} of {len(values):,} are exactly "
            f"{'0' if name == 'uncertainty' else '1'}.",
            full or len(values),
            "Softmax in half precision rounds to 1 above 0.9998: the most certain videos can no longer be told apart, "
            "and FPR95 at the first point can become 100 %.",
        )  # fmt: skip


def _plateau(scores: Scores) -> Iterator[Finding]:
    """Find vacuities of saturated exp evidence: one logit at its clamp makes K / (e^10 + K), more evidence less."""
    classes = _known_classes(scores)
    plateau, least = classes / (CLAMP + classes), classes / (classes * (CLAMP + 1))
    known, unknown = scores.known.uncertainty, scores.unknown.uncertainty
    values = np.concatenate([known, unknown])
    near = (known <= plateau * (1 + 1e-6)) & (known >= plateau / 10)
    if values.min() < least * (1 - 1e-6) or values.max() > 1 or near.mean() < MANY_SATURATED:
        return
    shares = [float((its <= plateau * (1 + 1e-6)).mean()) for its in (known, unknown)]
    yield Finding(
        "evidence saturated", "warning",
        f"{100 * shares[0]:.1f} % of the known and {100 * shares[1]:.1f} % of the unknown rows are at or below the "
        f"vacuity {plateau:.7f} = K / (e^10 + K), where exp evidence is clamped.",
        int((values <= plateau * (1 + 1e-6)).sum()),
        "Below it the order of videos says little (more evidence for WRONG classes counts as more certain), so the "
        "score is nearly binary: good at one threshold, poor over all.",
    )  # fmt: skip


def _ties(scores: Scores) -> Iterator[Finding]:
    known, unknown = scores.known.uncertainty, scores.unknown.uncertainty
    values, counts = np.unique(np.concatenate([known, unknown]), return_counts=True)
    if counts.max() <= max(2, MANY_TIED * counts.sum()):
        return
    tied = int(counts[counts > 1].sum())
    order = ranking.rank(known=known, unknown=unknown)
    pairs = float(np.sum(np.diff(order.known) * np.diff(order.unknown)) / (len(known) * len(unknown)))
    most = int(counts.argmax())
    auroc = ranking.auroc(order) or 0.0
    yield Finding(
        "ties", "warning" if pairs > 0.001 else "note",
        f"{tied:,} of {counts.sum():,} rows share their uncertainty with another; {counts[most]:,} are "
        f"{values[most]:.6g}.",
        tied,
        f"{100 * pairs:.2f} % of the pairs of a known and an unknown video are tied: AUROC {100 * auroc:.2f} % counts "
        "them half, and tools that break ties by the order of rows give anything from "
        f"{100 * (auroc - pairs / 2):.2f} to {100 * (auroc + pairs / 2):.2f}.",
    )  # fmt: skip


def _known_classes(scores: Scores) -> int:
    named = np.concatenate([scores.known.labels, scores.known.predicted])
    return int(named.max()) + 1 if named.dtype.kind == "i" else len(np.unique(named))


def _auroc(scores: Scores) -> float:
    order = ranking.rank(known=scores.known.uncertainty, unknown=scores.unknown.uncertainty)
    return ranking.auroc(order) or 0.0


def _rows(count: int, role: str) -> str:
    return f"1 {role} row" if count == 1 else f"{count:,} {role} rows"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"
