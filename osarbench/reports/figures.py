"""The picture of a scores table: uncertainty histograms on one scale, and the ROC curve."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def draw(table: pd.DataFrame, file: Path, *, title: str) -> None:
    """Draw uncertainty histograms of known and unknown videos and ROC curves of each unknown source to a PNG.

    All histograms share bins and scale: normalising known and unknown apart, as some published figures do, makes any
    method look separated.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    import seaborn as sns
    from matplotlib import pyplot as plt

    known = table[table["role"] == "known"]
    unknown = table[table["role"] == "unknown"]
    with sns.axes_style("whitegrid"), sns.color_palette("colorblind"):
        figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), constrained_layout=True)
        tested = pd.concat([known, unknown])
        shown = tested.assign(videos=tested["role"].where(tested["role"] == "known", tested["source"]))
        sources = sorted(unknown["source"].unique())
        colours = dict(zip(["known", *sources], sns.color_palette(), strict=False))
        sns.histplot(
            shown, x="uncertainty", hue="videos", hue_order=list(colours), palette=colours, ax=left,
            bins=40, element="step", stat="density", common_norm=False,
        )  # fmt: skip
        left.set(title="Uncertainty", xlabel="uncertainty (higher: more likely unknown)")
        for source in sources:
            part = unknown.loc[unknown["source"] == source, "uncertainty"]
            _roc(right, known["uncertainty"], part, source, color=colours[source])
        _roc(right, known["uncertainty"], unknown["uncertainty"], "all unknown", color="black")
        right.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
        right.set(
            title="ROC", xlabel="known videos rejected", ylabel="unknown videos rejected",
            xlim=(0, 1), ylim=(0, 1), aspect="equal",
        )  # fmt: skip
        right.legend(loc="lower right")
        figure.suptitle(title)
        figure.savefig(file, dpi=120, format="png")
        plt.close(figure)


def _roc(axes: Any, known: pd.Series, unknown: pd.Series, label: str, **style: Any) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    truth = np.r_[np.zeros(len(known)), np.ones(len(unknown))]
    scores = np.r_[known, unknown]
    false_positives, true_positives, _ = roc_curve(truth, scores)
    axes.plot(false_positives, true_positives, label=f"{label}: {roc_auc_score(truth, scores):.3f}", **style)
