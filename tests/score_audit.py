"""The audit of post-hoc scores: how each relates to that of other libraries, and the page that says so.

``python tests/score_audit.py`` writes the page anew.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import audit_oodeel
import audit_openood
import audit_pytorch_ood
import numpy as np
from audit_case import SCORES, Data, drawn

PAGE = Path(__file__).parents[1] / "docs" / "score-audit.md"

#: What differs from a library's score, and who follows the paper.
DIFFERENCES: Mapping[str, Mapping[str, str]] = {
    "OpenOOD": {
        "ash_b": "where fewer features are above zero than are kept, it lifts some of the zeros, and the sort decides "
        "which, as in the paper's code; ours leaves zeros zero",
        "gmm": "clusters found by expectation maximisation, labels unseen, and a density that underflows; ours are the "
        "classes (there is no paper to follow)",
        "mc_dropout": "one minus the largest softmax of the mean logits; ours is the mutual information, as in DEAR",
        "openmax": "how far logits are from their class's mean, and the three largest revised, which is nearer to the "
        "paper; ours is how far features are, and revises the largest, as DEAR's and PSL's OpenMax does",
        "tempscale": "fifty small steps from 1.5, which stop before the likeliest temperature; ours finds it, as the "
        "paper means it",
        "vra": "raises low features to the lower bound; ours sets them to zero, as the paper",
    },
    "pytorch-ood": {
        "ash_b": "as OpenOOD",
        "gen": "probabilities are kept at 1e-7 or more, which changes the order of sure videos; ours are as they are, "
        "as in the paper",
        "gmm": "a covariance of its own for each class; ours share one (there is no paper to follow)",
        "mc_dropout": "variance of the softmax over passes; ours is the mutual information, as in DEAR",
        "nac": "bins that are narrow at both ends; ours are equal, as in the paper",
        "openmax": "as OpenOOD, with up to ten logits revised",
        "tempscale": "as OpenOOD, from 1",
        "vra": "as OpenOOD, with bounds for each feature; ours has the paper's zero, and bounds for all",
    },
    "oodeel": {
        "she": "the largest inner product with any class's pattern; ours is with that of the predicted class, as in "
        "the paper",
        "vim": "directions from the mean of the features, even where `pca_origin` asks for the paper's origin (the "
        "last layer is looked for as number -1, and is 0); ours are from where the logits vanish, as in the paper",
    },
}
WHY = {(library, name): text for library, its in DIFFERENCES.items() for name, text in its.items()}
#: Scores that another library has under conditions.
BY_WAY_OF = {
    "dice_react": "their DICE, given clipped features",
    "knn_euclidean": "their KNN with `normalize=False`",
    "mds_pp": "their Mahalanobis distance, given features of length 1",
    "mds_single": "their Mahalanobis distance, given one label for all videos",
    "ssd": "their Mahalanobis distance, given features of length 1 and one label for all videos",
}

LIBRARIES: Mapping[str, Mapping[str, Callable[[Data], np.ndarray]]] = {
    "OpenOOD": audit_openood.SCORES,
    "pytorch-ood": audit_pytorch_ood.SCORES,
    "oodeel": audit_oodeel.SCORES,
}


class Relation(NamedTuple):
    """How two rows of scores relate."""

    kind: str  #: "equal", "same order" or "differs"
    tau: float  #: concordant less discordant pairs, as a share, close pairs left out


def relation(ours: np.ndarray, theirs: np.ndarray) -> Relation:
    """Compare two rows of scores, up to the rounding of float32.

    Two videos are close, and say nothing about order, where one of the libraries may have ordered them by rounding.

    Raises:
        AssertionError: a score is not finite.
    """
    assert np.isfinite(theirs).all(), "a score is not finite"
    first, second = (np.subtract.outer(each, each)[np.triu_indices(len(each), 1)] for each in (ours, theirs))
    clear = (np.abs(first) > rounding(ours)) & (np.abs(second) > rounding(theirs))
    agree = np.sign(first[clear]) == np.sign(second[clear])
    tau = 2 * float(agree.mean()) - 1
    if np.allclose(ours, theirs, rtol=1e-4, atol=10 * rounding(ours)):
        return Relation("equal", tau)
    return Relation("same order" if agree.all() and clear.mean() > 0.5 else "differs", tau)


def rounding(scores: np.ndarray) -> float:
    """Return a difference of scores that the rounding of float32 may explain."""
    spread = float(np.subtract(*np.quantile(scores, [0.9, 0.1])))
    return 2e-5 * spread + 1e-6 * float(np.abs(scores).max())


def relations(data: Data) -> dict[tuple[str, str], Relation]:
    """Return the relation of each score to that of each library that has it, by library and score."""
    return {
        (library, name): relation(data.ours(name), score(data))
        for library, scores in LIBRARIES.items()
        for name, score in sorted(scores.items())
    }


def render(found: Mapping[tuple[str, str], Relation]) -> str:
    """Return the page, in Markdown."""
    notes: dict[str, int] = {}

    def cell(library: str, name: str) -> str:
        if (library, name) not in found:
            return "–"
        relation = found[library, name]
        if relation.kind != "differs":
            return relation.kind
        number = notes.setdefault(f"`{name}`, {library}: {WHY[library, name]}.", len(notes) + 1)
        return f"**differs**, τ {relation.tau:.2f} ({number})"

    rows = [f"| `{name}` | {' | '.join(cell(library, name) for library in LIBRARIES)} |" for name in SCORES]
    alone = [f"`{name}`" for name in SCORES if not any((library, name) in found for library in LIBRARIES)]
    ways = [f"* `{name}`: {way}." for name, way in BY_WAY_OF.items()]
    counts = {kind: sum(each.kind == kind for each in found.values()) for kind in ("equal", "same order", "differs")}
    return TEXT.format(
        scores=len(SCORES), pairs=len(found), equal=counts["equal"], same=counts["same order"], other=counts["differs"],
        head=f"| score | {' | '.join(LIBRARIES)} |\n|---|{'---|' * len(LIBRARIES)}", rows="\n".join(rows),
        notes="\n".join(f"{number}. {text}" for text, number in notes.items()), ways="\n".join(ways),
        count_alone=len(alone), alone=", ".join(alone),
    )  # fmt: skip


TEXT = """\
# Post-hoc scores beside other libraries

The {scores} post-hoc scores, each beside that of three other libraries where they have it: OpenOOD (its formulas at
commit 3c35632, restated), pytorch-ood 0.4.0 and oodeel 0.4.0 (installed and called). All score the same videos: drawn
clusters of sparse features with a trained linear layer, 240 videos of which half are unknown. Settings are the same for
all; each library's own defaults may be others.

Of {pairs} pairs, {equal} give equal numbers, {same} other numbers in the same order, up to the rounding of float32, and
{other} another order. τ is Kendall's: 1 for the same order, 0 for none in common. Videos with a tie or nearly so are
left out of it.

{head}
{rows}

## What differs, and who follows the paper

{notes}

## By way of another score

{ways}

## In none of the three

{count_alone} scores: {alone}. Each is worked once more in NumPy or by scikit-learn, as those above are, in
`tests/test_posthoc_values.py`, `tests/test_posthoc_distances.py` and `tests/test_sirc.py`.

## Where they would differ with other data

* With fewer videos than features a covariance has no inverse. Ours is then shrunk as little as it takes (OAS); the
  others take a pseudo-inverse, or the inverse of something close to singular. Scores of Gaussians differ there.
* `knn`: more neighbours than three quarters of a class are not looked at in ours; elsewhere they are.
* oodeel's quantile keeps one feature more or less than a percentage of them (ASH, SCALE); it was asked for that
  which keeps as many. Its ODIN without a change of the input raises an error, and was given a change of 1e-300.
* Defaults that are not ours: OpenOOD's DICE prunes 90 per cent, its NNGuide looks at 1 per cent of the training set and
  100 neighbours, and most of its settings are chosen on unknown validation images; oodeel's ReAct clips at 80 per
  cent, its Mahalanobis distances change the input; pytorch-ood's VRA clips at 1 and 99 per cent.

This page is written by `python tests/score_audit.py`. `tests/test_score_audit.py` fails when it is out of date, and
repeats the comparison on real features: MobileNetV2 on 720 videos of `ucf12-hmdb20`.
"""


if __name__ == "__main__":
    PAGE.write_text(render(relations(drawn())), encoding="utf-8")
