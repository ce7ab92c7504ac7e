"""A report as one HTML file that needs nothing else: numbers, figures, classes and single videos of some results."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from osarbench import __version__
from osarbench.reports import classes, numbers
from osarbench.reports.disagreements import Comparison
from osarbench.reports.figures import Figure
from osarbench.reports.rendering import render as render_template
from osarbench.reports.results import Result
from osarbench.reports.style import inline
from osarbench.reports.thumbnails import Key

#: The parts of the page in their order: file in ``templates/sections`` and title.
SECTIONS = {
    "summary": "Summary",
    "ranking": "Ranking",
    "uncertainty": "Uncertainty",
    "threshold": "Threshold and openness",
    "calibration": "Calibration",
    "confusion": "Confusion",
    "classes": "Classes",
    "disagreements": "Disagreements",
    "sources": "Sources and settings",
}


class Report(NamedTuple):
    """What a page shows."""

    results: Sequence[Result]
    figures: Sequence[Figure]
    differences: Sequence[str]  #: why results do not compare; empty if they do
    comparisons: Sequence[tuple[tuple[int, int], Comparison]]  #: positions of two results, and where they disagree
    pictures: Mapping[Key, str]  #: of videos in the comparisons, as data URIs


class Drawn(NamedTuple):
    """A figure as it is on the page."""

    title: str
    position: int | None  #: of the result, if it shows one only
    svg: Markup  #: its texts were escaped when it was drawn


def render(report: Report) -> str:
    """Return the page; the same report gives the same text."""

    def figures(*names: str) -> list[Drawn]:
        return [_drawn(figure) for figure in report.figures if figure.name.startswith(names)]

    return render_template(
        "page.html",
        title=_title(report.results),
        sections=SECTIONS,
        report=report,
        results=report.results,
        tiles=numbers.tiles(report.results[0]),
        figures=figures,
        numbers=numbers,
        classes=classes,
        version=__version__,
    )


def _drawn(figure: Figure) -> Drawn:
    svg = inline(figure.draw, name=figure.name, label=figure.label, size=figure.inches)
    return Drawn(figure.title, figure.position, Markup(svg))


def _title(results: Sequence[Result]) -> str:
    names = [result.name for result in results]
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    protocols = list(dict.fromkeys(result.protocol for result in results if result.protocol))
    return f"{listed} on {' and '.join(protocols)}" if protocols else listed
