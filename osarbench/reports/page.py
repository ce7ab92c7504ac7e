"""A report as one HTML file that needs nothing else: numbers, figures, classes and single videos of some results."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from osarbench import __version__
from osarbench.reports import page_classes, page_clips, page_numbers
from osarbench.reports.disagreements import Comparison
from osarbench.reports.figures import Figure
from osarbench.reports.markup import Safe, tag
from osarbench.reports.results import Result
from osarbench.reports.style import inline
from osarbench.reports.stylesheet import stylesheet
from osarbench.reports.thumbnails import Key


class Report(NamedTuple):
    """What a page shows."""

    results: Sequence[Result]
    figures: Sequence[Figure]
    differences: Sequence[str]  #: why results do not compare; empty if they do
    comparisons: Sequence[tuple[tuple[int, int], Comparison]]  #: places of two results, and where they disagree
    pictures: Mapping[Key, str]  #: of videos in the comparisons, as data URIs


class Section(NamedTuple):
    """One part of the page."""

    anchor: str
    title: str
    lead: str
    content: list[Safe]


def render(report: Report) -> str:
    """Return the page; the same report gives the same text."""
    found = _sections(report)
    title = _title(report.results)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Safe(stylesheet())),
    )
    links = [tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section in found]
    over = tag("p", "osarbench report", class_="over")
    body = tag(
        "body",
        tag("header", over, tag("h1", title), page_numbers.tiles(report.results)),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag("main", *_notices(report), *(_section(section) for section in found)),
        tag("footer", f"osarbench {__version__}. Every number is a function of the scores tables named above."),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _title(results: Sequence[Result]) -> str:
    names = [result.name for result in results]
    shown = names if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    listed = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    protocols = list(dict.fromkeys(result.protocol for result in results if result.protocol))
    return f"{listed} on {' and '.join(protocols)}" if protocols else listed


def _notices(report: Report) -> list[Safe]:
    if not report.differences:
        return []
    text = "These results do not compare, and are shown side by side only. " + " ".join(report.differences)
    return [tag("aside", tag("p", text), class_="notice", role="note")]


def _section(section: Section) -> Safe:
    lead = [tag("p", section.lead, class_="lead")] if section.lead else []
    titled = f"{section.anchor}-title"
    heading = tag("h2", section.title, id=titled)
    return tag("section", heading, *lead, *section.content, id=section.anchor, aria_labelledby=titled)


def _sections(report: Report) -> list[Section]:
    results = report.results
    return [
        _summary(report),
        Section(
            "ranking", "Ranking", "How well uncertainty tells unknown from known videos, whatever the threshold."
            + " Dots are operating points at the threshold." * page_numbers.has_threshold(results),
            [_grid(_figures(report, "roc", "precision-recall")),
             page_numbers.conventions(["auroc", "aupr_unknown", "fpr95_unknown_first", "oscr"])],
        ),
        Section(
            "uncertainty", "Uncertainty", "Known and unknown videos of a result in the same bins of one common scale; "
            "each adds up to 100 %. The outermost bins also count what lies beyond them.",
            [_grid(_figures(report, "uncertainty"))],
        ),
        _threshold(report),
        _calibration(report),
        _confusion(results),
        Section(
            "classes", "Classes", "Which known classes suffer, and which unknown ones pass as what.",
            [_grid([page_classes.classes(place, one) for place, one in enumerate(results)], wide=True)],
        ),
        _disagreements(report),
        Section("sources", "Sources and settings", "", [_card(page_numbers.provenance(results))]),
    ]  # fmt: skip


def _summary(report: Report) -> Section:
    results = report.results
    lead = "All known against all unknown test videos, in percent. Arrows say which way is better."
    if len(results) > 1 and not report.differences:
        lead += " The best of a column is bold; whether a difference means anything is another question."
    keys = list(page_numbers.RANKED.values())
    if page_numbers.has_threshold(results):
        keys += [*page_numbers.DECIDED.values(), *page_numbers.OPEN.values()]
    content = [page_numbers.summary(results, comparable=not report.differences), page_numbers.conventions(keys)]
    cards = [_card(*content)]
    parts = page_numbers.parts(results)
    if parts is not None:
        cards.append(_card(tag("h3", "By part of the test"), parts))
    return Section("summary", "Summary", lead, cards)


def _threshold(report: Report) -> Section:
    lead = (
        "A threshold learnt from known videos alone decides what is rejected. Its gap, known accepted minus what it "
        "was set for, says how far the thresholded numbers can be trusted."
    )
    found = _figures(report, "openness", caption="Mean over all draws of unknown classes; the band is one standard "
                     "deviation over seeded draws.")  # fmt: skip
    keys = ["threshold", "known_accepted", "transfer_gap", "balanced_accuracy", "open_macro_f1", "openness_curve"]
    if not found:
        none = "No table has rows to learn a threshold from, so all that needs a threshold is left out of this page."
        found = [_card(tag("p", none))]
    stories = _card(page_numbers.thresholds(report.results), page_numbers.conventions(keys))
    return Section("threshold", "Threshold and openness", lead, [_grid([*found, stories])])


def _calibration(report: Report) -> Section:
    lead = "Does a confidence say how often the named class is right? Known test videos, none rejected."
    found = _figures(report, "reliability", caption="A dot's area is its share of the videos; on the diagonal "
                     "confidence is right.")  # fmt: skip
    if not found:
        found = [_card(tag("p", "No table holds confidences between 0 and 1, so there is no reliability diagram."))]
    keys = list(page_numbers.CALIBRATED.values())
    table = _card(page_numbers.calibration(report.results), page_numbers.conventions(keys))
    return Section("calibration", "Calibration", lead, [_grid([*found, table])])


def _confusion(results: Sequence[Result]) -> Section:
    lead = "Videos by true class (rows) and decision at the threshold (columns); colour is the share of the row."
    cards = [card for place, one in enumerate(results) if (card := page_classes.matrix_card(place, one)) is not None]
    if not cards:
        cards = [_card(tag("p", "Without a threshold nothing is decided, so there is no confusion matrix."))]
    return Section(
        "confusion", "Confusion", lead, cards if page_classes.is_large(results) else [_grid(cards, wide=True)]
    )


def _disagreements(report: Report) -> Section:
    lead = (
        "Videos that one result gets right and the other does not, the largest differences of rank first. Right is: a "
        "known video accepted with its class, an unknown one rejected. The rank is the share of known test videos that "
        "are less uncertain, in percent."
    )
    if len(report.results) > 2:
        lead += f" {report.results[0].name} against each of the others."
    cards = [
        page_clips.comparison(found, places, report.pictures, folded=number > 1)
        for number, (places, found) in enumerate(report.comparisons)
    ]
    if not cards:
        cards = [_card(tag("p", "There is one result only. Name a second one to see where they disagree."))]
    elif not report.pictures:
        hint = "Without pictures: the videos are not at hand. Name the folder of the data sets with --data DIR."
        cards.insert(0, tag("p", hint, class_="hint"))
    return Section("disagreements", "Disagreements", lead, cards)


def _figures(report: Report, *names: str, caption: str = "") -> list[Safe]:
    found = [figure for figure in report.figures if figure.name.startswith(names)]
    return [_figure(figure, caption) for figure in found]


def _figure(figure: Figure, caption: str) -> Safe:
    drawn = Safe(inline(figure.draw, name=figure.name, label=figure.label))
    below = [tag("figcaption", caption)] if caption else []
    title = figure.title if figure.place is None else page_numbers.named(figure.place, figure.title)
    return tag("figure", tag("h3", title), drawn, *below, class_="card")


def _grid(cards: Sequence[Safe], *, wide: bool = False) -> Safe:
    return tag("div", *cards, class_="grid wide" if wide else "grid")


def _card(*content: Safe) -> Safe:
    return tag("div", *content, class_="card")
