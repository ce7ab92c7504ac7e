"""A report from paths: find the results, compare them, find pictures, and render the page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError
from osarbench.interfaces.dataset import Dataset
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol as protocols
from osarbench.reports import figures, page, results, thumbnails
from osarbench.reports.disagreements import Comparison, compare
from osarbench.reports.results import Result
from osarbench.reports.thumbnails import Key


def build(paths: Sequence[Path], locations: Locations) -> page.Report:
    """Return the report on all results that the paths name; the first is compared with each of the others.

    Raises:
        OsarbenchError: a path holds no scores table, or a table is damaged or not sound.
    """
    return assemble(results.gather(paths), locations)


def assemble(found: Sequence[Result], locations: Locations) -> page.Report:
    """Return the report on some results; the first is compared with each of the others."""
    comparisons = [((0, position), compare(found[0], other)) for position, other in enumerate(found[1:], start=1)]
    wanted = list(_videos(comparison for _, comparison in comparisons))
    located = thumbnails.locate(wanted, _datasets(found, locations), locations.data)
    return page.Report(
        results=found,
        figures=figures.figures(found),
        differences=results.differences(found),
        comparisons=comparisons,
        pictures=thumbnails.thumbnails(wanted, located),
    )


def _videos(comparisons: Iterator[Comparison]) -> Iterator[Key]:
    for comparison in comparisons:
        for chosen in comparison.lists:
            for case in chosen.cases:
                yield case.source, case.video


def _datasets(found: Sequence[Result], locations: Locations) -> dict[str, Dataset]:
    """Return the data sets of the results' protocol, none unless they name one that is known."""
    names = {result.protocol for result in found} - {None}
    if len(found) < 2 or len(names) != 1:
        return {}
    try:
        protocol = protocols.read(str(names.pop()))
    except OsarbenchError:  # a user's own, whose file is elsewhere
        return {}
    return thumbnails.datasets(protocol, plugins.load(kinds=("datasets",)), locations)
