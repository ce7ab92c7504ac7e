"""What is drawn: each function draws one panel of results on an axes, with numbers from `osarbench.scores.metrics`.

Results keep their colour and their dashes through all panels: the position of a result in the list decides them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from osarbench.reports import legends
from osarbench.reports.bins import BINS, bin_edges
from osarbench.reports.results import Result
from osarbench.reports.style import colour, line, series
from osarbench.scores.metrics.calibration import Bins, reliability
from osarbench.scores.metrics.outcome import FloatArray
from osarbench.scores.metrics.ranking import Ranking, auroc, rank

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roc(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw ROC curves, with the operating point at the threshold as a dot."""
    for position, result in enumerate(results):
        block = result.metrics["headline"]
        if block["known_accepted"] is not None:
            rejected = 1 - block["known_accepted"], block["unknown_rejected"]
            axes.plot(*rejected, "o", color=colour(series(position)), zorder=3)
    roc_curves(axes, [(result.name, ranking(result)) for result in results])


def roc_curves(axes: "Axes", curves: Sequence[tuple[str, Ranking]]) -> None:
    """Draw ROC curves with their areas, and the line of chance."""
    _diagonal(axes)
    for position, (_, curve) in enumerate(curves):
        axes.plot(_share(curve.known), _share(curve.unknown), **line(position))
    _unit(axes, x="known videos rejected", y="unknown videos rejected")
    areas = [(name, auroc(curve)) for name, curve in curves]
    names = [f"{name}  {100 * area:.2f}" for name, area in areas if area is not None]
    legends.key(axes, names, corner="lower right", title="AUROC, %")


def precision_recall(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw precision-recall curves with unknown as positive, and the share of unknown videos as the level of chance."""
    drawn = []
    for position, result in enumerate(results):
        curve = ranking(result)
        rejected = curve.known + curve.unknown
        precision = np.append(1.0, curve.unknown[1:] / rejected[1:])  # from (0, 1), as the area is taken
        axes.plot(_share(curve.unknown), precision, **line(position))
        drawn.append((_share(curve.unknown), precision))
    headline = results[0].metrics["headline"]
    chance = headline["unknown"] / (headline["known"] + headline["unknown"])
    axes.axhline(chance, color=colour("muted"), linestyle=":", linewidth=1)
    _unit(axes, x="unknown videos rejected (recall)", y="unknown among rejected (precision)")
    names = [f"{result.name}  {_two(result, 'aupr_unknown')}" for result in results]
    legends.key(axes, names, corner=legends.emptier(drawn, "lower left", "upper right"), title="AUPR, %")


def histogram(axes: "Axes", result: Result, position: int) -> None:
    """Draw the uncertainties of known and unknown test videos in shared bins of one common scale.

    To normalise known and unknown apart, as some published figures do, makes any method look separated.
    """
    scores = result.outcome()
    known, unknown = scores.known.uncertainty, scores.unknown.uncertainty
    edges = bin_edges(known, unknown)
    tone = colour(series(position))
    shares(axes, known, edges, filled=True, color=colour("known"))
    shares(axes, unknown, edges, filled=False, color=tone)
    uncertainty_axes(axes, edges)
    if scores.threshold is not None and edges[0] <= scores.threshold <= edges[-1]:
        axes.axvline(scores.threshold, color=colour("ink"), linestyle="--", linewidth=1)
        left = scores.threshold < edges[BINS // 2]
        axes.annotate("threshold", (scores.threshold, 1), (4 if left else -4, -2), xycoords=("data", "axes fraction"),
                      textcoords="offset points", va="top", ha="left" if left else "right", size=8)  # fmt: skip
    for left_edge, sign, shade, text in ((0, "■", colour("known"), "known"), (0.2, "□", tone, "unknown")):
        axes.text(left_edge, 1.02, sign, color=shade, transform=axes.transAxes, va="bottom")
        axes.text(left_edge + 0.04, 1.02, text, transform=axes.transAxes, va="bottom")


def shares(axes: "Axes", uncertainty: FloatArray, edges: FloatArray, *, filled: bool, color: str, **style: Any) -> None:
    """Draw which share of some videos lies in each bin, those beyond the edges in the outermost ones."""
    import seaborn as sns

    look: dict[str, Any] = {"alpha": 0.55, "linewidth": 0} if filled else {"linewidth": 1.6}
    sns.histplot(
        x=np.clip(uncertainty, edges[0], edges[-1]), bins=list(edges), stat="percent", element="step", fill=filled,
        color=color, ax=axes, **(look | style),
    )  # fmt: skip


def uncertainty_axes(axes: "Axes", edges: FloatArray) -> None:
    """Name and limit the axes of histograms, with room for labels above them."""
    from matplotlib.ticker import LogLocator, NullLocator

    growing = not np.allclose(np.diff(edges, n=2), 0, atol=1e-9 * (edges[-1] - edges[0]))
    axes.set(xlabel=f"uncertainty{', log scale' * growing} (higher: more likely unknown)", ylabel="% of its videos",
             xlim=(edges[0], edges[-1]))  # fmt: skip
    axes.set_ylim(0, axes.get_ylim()[1] * 1.12)
    if growing:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.locator_params(axis="x", nbins=6)
        axes.ticklabel_format(axis="x", scilimits=(-3, 4))


def openness(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw open macro-F1 by number of unknown classes, with a band of one standard deviation over draws."""
    ends = []
    for position, result in enumerate(results):
        curve = result.metrics["thresholded"]["openness_curve"]
        if curve is None:
            continue
        classes, mean = np.array(curve["unknown_classes"]), 100 * np.array(curve["macro_f1"])
        axes.plot(classes, mean, **line(position))
        if curve["std"] is not None:
            spread = 100 * np.array(curve["std"])
            tone = colour(series(position))
            axes.fill_between(classes, mean - spread, mean + spread, color=tone, alpha=0.15, linewidth=0)
        ends.append((float(mean[-1]), result.name, position))
        axes.set_xlim(classes[0], max(classes[-1], 2))
    axes.set(xlabel="unknown classes in the test", ylabel="open macro-F1, %")
    axes.locator_params(axis="x", integer=True)
    axes.margins(y=0.08)
    legends.ends(axes, ends, of=len(results))


def calibration(axes: "Axes", results: Sequence[Result]) -> None:
    """Draw reliability diagrams: right decisions by confidence; a dot's area is its share of the videos."""
    _diagonal(axes)
    names: list[str | None] = []
    drawn = []
    for position, result in enumerate(results):
        bins = reliability_of(result)
        value = result.metrics["calibration"]["ece_closed"]
        names.append(None if value is None else f"{result.name}  {100 * value:.2f}")
        if bins is None:
            continue
        filled = bins.videos > 0
        drawn.append((bins.confidence[filled], bins.accuracy[filled]))
        axes.plot(bins.confidence[filled], bins.accuracy[filled], **(line(position) | {"linewidth": 1.2}))
        area = 160 * bins.videos[filled] / bins.videos.sum()
        tone = colour(series(position))
        axes.scatter(bins.confidence[filled], bins.accuracy[filled], s=4 + area, color=tone, zorder=3, clip_on=False)
    _unit(axes, x="confidence", y="right decisions")
    legends.key(axes, names, corner=legends.emptier(drawn, "upper left", "lower right"), title="ECE, %")


def confusion(axes: "Axes", names: Sequence[str], counts: npt.NDArray[np.int64], position: int) -> None:
    """Draw a confusion matrix [K + 1, K + 1] as shares of each true class."""
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("", [colour("card"), colour(series(position))])
    axes.pcolormesh(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap=shades, vmin=0, vmax=1)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set(xlabel="decision (colour: share of the true class)", ylabel="true class", aspect="equal")
    edge = len(names) - 1
    for draw in (axes.axhline, axes.axvline):
        draw(edge, color=colour("muted"), linewidth=0.8)
    if len(names) <= 30:
        ticks = np.arange(len(names)) + 0.5
        shown = [legends.short(name, 40) for name in names]
        axes.set_xticks(ticks, shown, rotation=90, size=7)
        axes.set_yticks(ticks, shown, size=7)


def ranking(result: Result) -> Ranking:
    """Return the ranking of a result's test videos, whose counts are its ROC and precision-recall curves."""
    scores = result.outcome()
    return rank(known=scores.known.uncertainty, unknown=scores.unknown.uncertainty, correct=scores.correct)


def reliability_of(result: Result) -> Bins | None:
    """Return the reliability diagram that belongs to ``ece_closed``, None where the method gave no confidence."""
    if result.metrics["calibration"]["ece_closed"] is None:
        return None
    scores = result.outcome()
    return reliability(np.clip(scores.known.confidence, 0, 1), scores.correct)


def _share(counts: npt.NDArray[np.int64]) -> FloatArray:
    shares: FloatArray = counts / counts[-1]
    return shares


def _two(result: Result, key: str) -> str:
    return f"{100 * result.metrics['headline'][key]:.2f}"


def _diagonal(axes: "Axes") -> None:
    axes.plot([0, 1], [0, 1], color=colour("muted"), linestyle=":", linewidth=1)


def _unit(axes: "Axes", *, x: str, y: str) -> None:
    ticks = np.linspace(0, 1, 5)
    labels = [f"{100 * tick:.0f} %" for tick in ticks]
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.005))
    axes.set_xticks(ticks, labels)
    axes.set_yticks(ticks, labels)
