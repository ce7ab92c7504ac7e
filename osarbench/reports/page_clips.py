"""The part of a report's page on single videos: where two results disagree, with pictures where they are at hand."""

from collections.abc import Mapping, Sequence

from osarbench.reports.disagreements import Case, Chosen, Comparison, Side
from osarbench.reports.markup import Column, Safe, join, plural, table, tag
from osarbench.reports.page_numbers import named
from osarbench.reports.thumbnails import Key

Locations = tuple[int, int]  # of the two results among all, for their colours


def comparison(found: Comparison, places: Locations, pictures: Mapping[Key, str], *, folded: bool = False) -> Safe:
    """Return the card of two results: how often each is right, and the videos on which they differ.

    Args:
        folded: whether the card shows its title alone until it is asked for.
    """
    versus = tag("h3", named(places[0], found.names[0]), " and ", named(places[1], found.names[1]))
    parts = []
    if found.relabelled:
        parts.append(tag("p", "Under one name their tables hold different videos, or one video under two labels, so no "
                         "video is compared."))  # fmt: skip
    elif not found.shared:
        parts.append(tag("p", "They were tested on no common video."))
    elif found.right is None:
        parts.append(tag("p", "Only ranks are compared, for want of a threshold in both tables.", class_="hint"))
    else:
        parts.append(_counts(found))
    for chosen in found.lists:
        parts += _list(chosen, places, found.names, pictures)
    if folded:
        return tag("details", tag("summary", versus), *parts, class_="card")
    return tag("article", versus, *parts, class_="card")


def _counts(found: Comparison) -> Safe:
    one, other = found.names
    titles = ("Both right", f"Only {one}", f"Only {other}", "Neither")
    columns = [Column("Test videos"), *(Column(title, numeric=True) for title in titles)]
    rows = [[role.capitalize(), *(f"{count:,}" for count in counts)] for role, counts in (found.right or {}).items()]
    return table(columns, rows, label=f"How many videos {one} and {other} get right")


def _list(chosen: Chosen, places: Locations, names: Sequence[str], pictures: Mapping[Key, str]) -> list[Safe]:
    if not chosen.cases:
        return []
    few = "" if chosen.videos is None else f" ({len(chosen.cases)} of {plural(chosen.videos, 'video')})"
    cards = [_case(case, places, names, pictures) for case in chosen.cases]
    return [tag("h4", f"{chosen.title}{few}"), tag("div", *cards, class_="clips")]


def _case(case: Case, places: Locations, names: Sequence[str], pictures: Mapping[Key, str]) -> Safe:
    picture = pictures.get((case.source, case.video))
    parts = []
    if picture is not None:
        parts.append(tag("img", src=picture, alt=f"Middle frame of a video of {case.label}", loading="lazy"))
    elif pictures:
        parts.append(tag("div", "no picture", class_="none"))
    where = f"{case.source}: {case.video}"
    caption = [tag("b", case.label, title=case.label), tag("span", case.video, class_="file", title=where)]
    caption += [_side(place, name, case, side) for place, name, side in zip(places, names, case.sides, strict=True)]
    return tag("figure", *parts, tag("figcaption", *caption), class_="clip")


def _side(place: int, name: str, case: Case, side: Side) -> Safe:
    named_rightly = side.predicted == case.label and not side.rejected
    decision = "rejected" if side.rejected else "named rightly" if named_rightly else side.predicted
    rank = tag("small", f"rank\u00a0{100 * side.rank:.0f}")
    sign = [] if side.right is None else [
        tag("span", "✓ " if side.right else "✗ ", role="img", aria_label="right" if side.right else "wrong")
    ]  # fmt: skip
    look = "verdict" if side.right else "verdict wrong"
    return join([
        tag("span", tag("span", named(place, name), title=name), rank, class_="side"),
        tag("span", *sign, decision, class_=look, title=decision),
    ])  # fmt: skip
