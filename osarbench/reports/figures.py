"""Figures as files: every panel of a report, and the picture that a run draws of each scores table."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from osarbench.artifacts import storage
from osarbench.reports import legends, plots
from osarbench.reports.bins import bin_edges
from osarbench.reports.confusion import matrix
from osarbench.reports.formats import visible
from osarbench.reports.results import Result
from osarbench.reports.style import Draw, colour, panel, saved, series, styled
from osarbench.scores.metrics.ranking import rank


class Figure(NamedTuple):
    """One panel: its file's name without suffix, its title, its description for screen readers, and how it is drawn."""

    name: str
    title: str
    label: str
    draw: Draw
    position: int | None = None  #: of the result, if it shows one only
    legend_height: float = 0.0  #: inches that a long list of results adds to its height

    @property
    def inches(self) -> tuple[float, float]:
        """Width and height of its panel."""
        return (6.0, 6.0) if self.name.startswith("confusion") else (4.4, 3.2 + self.legend_height)


def figures(results: Sequence[Result]) -> list[Figure]:
    """Return every panel of a report on these results; those that lack their numbers are left out."""
    names = ", ".join(result.name for result in results)
    below = legends.height_below(len(results))
    found = [
        Figure("roc", "ROC", _values("ROC curves. AUROC in percent", results, "auroc"),
               partial(plots.roc, results=results), legend_height=below),
        Figure("precision-recall", "Precision and recall",
               _values("Precision-recall curves, unknown positive. AUPR in percent", results, "aupr_unknown"),
               partial(plots.precision_recall, results=results), legend_height=below),
    ]  # fmt: skip
    for position, result in enumerate(results):
        label = f"Histograms of the uncertainty of known and unknown test videos of {result.name}, in shared bins."
        draw = partial(plots.histogram, result=result, position=position)
        found.append(Figure(f"uncertainty-{_slug(position, result)}", result.name, label, draw, position))
    if any(result.metrics["thresholded"]["openness_curve"] for result in results):
        label = f"Open macro-F1 by number of unknown classes, of {names}."
        draw = partial(plots.openness, results=results)
        found.append(Figure("openness", "Openness", label, draw, legend_height=below))
    if any(plots.reliability_of(result) for result in results):
        label = f"Reliability diagram: share of right decisions by confidence, of {names}."
        draw = partial(plots.calibration, results=results)
        found.append(Figure("reliability", "Reliability", label, draw, legend_height=below))
    for position, result in enumerate(results):
        cells = matrix(result.metrics)
        if cells is not None:
            label = f"Confusion matrix of {result.name} at the threshold."
            draw = partial(plots.confusion, names=cells.names, counts=cells.counts, position=position)
            found.append(Figure(f"confusion-{_slug(position, result)}", result.name, label, draw, position))
    return found


#: Widths of figures in papers, in inches: one column, and both, of the computer vision conferences.
WIDTHS = {"column": 3.25, "text": 6.875}


def write(found: Sequence[Figure], folder: Path, *, form: str, width: str = "page") -> list[Path]:
    """Write every figure as a file into a folder, and return their paths.

    Args:
        found: the figures.
        folder: for their files.
        form: "png", "svg" or "pdf".
        width: "page", as in a report; or one of `WIDTHS`, with letters to be read in print, and without a title, for a
            paper has a caption.
    """
    paths = []
    for figure in found:
        inches, title, changes = figure.inches, figure.title, dict[str, float]()
        if width != "page":
            wide, high = figure.inches
            inches, title = (WIDTHS[width], high * min(1.0, WIDTHS[width] / wide)), ""
            changes = {"font.size": 7.5, "lines.linewidth": 1.2}
        with styled(**changes):
            content = saved(panel(figure.draw, title=title, size=inches), form)
        path = folder / f"{figure.name}.{form}"
        with storage.atomic_write(path) as temporary:
            temporary.write_bytes(content)
        paths.append(path)
    return paths


def draw(table: pd.DataFrame, file: Path, title: str) -> None:
    """Draw uncertainty histograms of known and unknown videos and ROC curves of each unknown source to a PNG.

    All histograms share bins and scale: normalising known and unknown apart, as some published figures do, makes any
    method look separated.
    """
    from matplotlib.figure import Figure as Canvas

    known = table.loc[table["role"] == "known", "uncertainty"].to_numpy(np.float64)
    unknown = table[table["role"] == "unknown"]
    parts = {
        str(source): rows["uncertainty"].to_numpy(np.float64) for source, rows in unknown.groupby("source", sort=True)
    }
    with styled():
        canvas = Canvas(figsize=(10, 4), layout="constrained")
        left, right = canvas.subplots(1, 2)
        edges = bin_edges(known, *parts.values())
        plots.shares(left, known, edges, filled=True, color=colour("known"), label="known")
        for position, (source, values) in enumerate(parts.items()):
            plots.shares(left, values, edges, filled=False, label=visible(source), color=colour(series(position)))
        plots.uncertainty_axes(left, edges)
        left.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
        if len(parts) > 1:
            parts["all unknown"] = np.concatenate(list(parts.values()))
        plots.roc_curves(right, [(name, rank(known=known, unknown=values)) for name, values in parts.items()])
        canvas.suptitle(visible(title), weight="bold")
        file.write_bytes(saved(canvas, "png"))


def _slug(position: int, result: Result) -> str:
    """Return a name that any file system takes; the position keeps apart names that differ in other characters only."""
    return f"{position + 1}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', result.name).strip('-.')}".rstrip("-")


def _values(what: str, results: Sequence[Result], key: str) -> str:
    return f"{what}: " + ", ".join(f"{one.name} {100 * one.metrics['headline'][key]:.2f}" for one in results) + "."
