"""Unified open-set recognition: reject unknown videos and wrongly named ones, accept only what is named rightly.

Source: Cen et al., The Devil is in the Wrongly-classified Samples: Towards Unified Open-set Recognition, ICLR 2023.
InC and InW are known videos whose predicted class is right and wrong, OoD the unknown ones. Its OSR AUROC is `auroc`,
its AURC `open_aurc`, both in `osarbench.scores.metrics.threshold_free`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from osarbench.scores.metrics.metric import Metric
from osarbench.scores.metrics.ranking import doubled_wins, win_share

if TYPE_CHECKING:
    from osarbench.scores.metrics.sample import Sample, Tested

#: The numbers of the publication's tables, in its order; what a table of unified open-set recognition shows.
NAMES = ("inc_ood_auroc", "inc_inw_auroc", "inw_ood_auroc", "auroc", "uosr_auroc", "open_aurc")


def _uosr(sample: "Sample") -> Any:
    """Return P(wrongly named or unknown more uncertain than rightly named), [...]; NaN or None without such pairs."""
    right, ranking = sample.rejected_correct, sample.ranking
    refused = ranking.known - right + ranking.unknown
    return _share(doubled_wins(refused, right), right[..., -1], refused[..., -1])


def _right_unknown(sample: "Sample") -> Any:
    known, unknown = sample.totals
    return _share(sample.wins(correct=True), known * sample.known_share(sample.correct), unknown)


def _right_wrong(tested: "Tested") -> Any:
    right, known = tested.rejected_correct, tested.ranking.known
    return _share(doubled_wins(known - right, right), right[-1], known[-1] - right[-1])


def _wrong_unknown(tested: "Tested") -> Any:
    wrong = tested.totals[0] - tested.rejected_correct[-1]
    return _share(tested.wins() - tested.wins(correct=True), wrong, tested.totals[1])


def _share(doubled: Any, below: Any, above: Any) -> Any:
    """Return the share of pairs that are won; where there are none, None for single videos and NaN under weightings."""
    if np.ndim(below) == 0:
        return win_share(doubled, below, above) if below and above else None
    with np.errstate(invalid="ignore", divide="ignore"):
        return win_share(doubled, below, above)


METRICS = (
    Metric(
        name="inc_ood_auroc",
        label="InC/OoD AUROC",
        convention="P(unknown more uncertain than rightly named known), ties count half",
        of=_right_unknown,
        resampled=True,
    ),
    Metric(
        name="inc_inw_auroc",
        label="InC/InW AUROC",
        convention="P(wrongly named known more uncertain than rightly named known), ties count half",
        of=_right_wrong,
        side="known",
    ),
    Metric(
        name="inw_ood_auroc",
        label="InW/OoD AUROC",
        convention="P(unknown more uncertain than wrongly named known), ties count half; 0.5: the score cannot tell",
        direction="none",
        of=_wrong_unknown,
    ),
    Metric(
        name="uosr_auroc",
        label="UOSR AUROC",
        convention="P(unknown or wrongly named known more uncertain than rightly named known), ties count half (UOSR)",
        of=_uosr,
        resampled=True,
    ),
)
