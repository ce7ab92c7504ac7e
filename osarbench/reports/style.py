"""How figures look: one palette for light and dark, panels of one size, SVG that takes its colours from the page."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["Axes"], None]

#: Role -> colour on a light and on a dark page. A figure's roles are found by their light colours, so all differ.
COLOURS = {
    "card": ("#ffffff", "#171e27"),
    "ink": ("#1b2430", "#e7ecf2"),
    "muted": ("#566273", "#9fadbd"),
    "grid": ("#e3e7ec", "#2b3541"),
    "known": ("#8592a3", "#7f8da0"),
    # of results: after Okabe and Ito 2008, darkened or lightened to the contrast with the card that text needs
    "series0": ("#0072b2", "#56b4e9"),
    "series1": ("#c25100", "#ff9a52"),
    "series2": ("#00805c", "#3ccfa0"),
    "series3": ("#a83279", "#e79ccb"),
    "series4": ("#7a5f00", "#e3c545"),
    "series5": ("#4b4fbf", "#a9acff"),
    "series6": ("#b3123f", "#ff8fa5"),
    "series7": ("#3f4a57", "#c9d2dc"),
}
SERIES = 8
#: A second cue next to the colour, for readers who cannot tell colours apart and for the ninth result.
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
_SIZE = (4.4, 3.2)  # inches
_DPI = 180


def colour(role: str) -> str:
    """Return the light colour of a role."""
    return COLOURS[role][0]


def series(position: int) -> str:
    """Return the role of the colour of a result, by its position among the results."""
    return f"series{position % SERIES}"


def line(position: int) -> dict[str, Any]:
    """Return how the line of a result is drawn."""
    # of two results with equal dashes, no eye takes one colour for the other (checked after Machado et al. 2009)
    shift = 2 * (position // len(_DASHES) % 2) + position // SERIES
    return {"color": colour(series(position)), "linestyle": _DASHES[(position + shift) % len(_DASHES)]}


@contextmanager
def styled(**changes: Any) -> Iterator[None]:
    """Draw in osarbench's style inside this context."""
    import matplotlib as mpl

    ink, muted, grid = colour("ink"), colour("muted"), colour("grid")
    settings: dict[Any, Any] = {
        "axes.axisbelow": True, "axes.edgecolor": muted, "axes.facecolor": "none", "axes.grid": True,
        "axes.labelcolor": muted, "axes.linewidth": 0.8, "axes.spines.right": False, "axes.spines.top": False,
        "figure.facecolor": colour("card"), "font.family": "sans-serif", "font.size": 9, "grid.color": grid,
        "grid.linewidth": 0.8, "legend.frameon": False, "lines.linewidth": 1.8, "text.color": ink,
        "text.parse_math": False, "xtick.color": muted, "ytick.color": muted, "xtick.major.size": 0,
        "ytick.major.size": 0, "xtick.major.pad": 6, "path.simplify": True, "svg.hashsalt": "osarbench",
        "pdf.fonttype": 42,  # outlines, which publishers ask for, not Type 3
    }  # fmt: skip
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's own settings would make other figures
        mpl.rcParams.update(settings | changes)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a browser has them
        yield


def panel(draw: Draw, *, title: str | None = None, size: tuple[float, float] = _SIZE) -> "Figure":
    """Return a figure with one axes that ``draw`` has drawn on; call it, and save the figure, inside `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    if title:  # above all that is drawn, a key over the axes too
        figure.suptitle(title, x=0.015, ha="left", size=11, weight="bold")
    return figure


def saved(figure: "Figure", form: str) -> bytes:
    """Return the bytes of a PNG, SVG or PDF file of a figure; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    if form == "svg":
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    elif form == "pdf":
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    else:
        figure.savefig(buffer, format=form, dpi=_DPI, metadata={"Software": None} if form == "png" else None)
    return buffer.getvalue()


def inline(draw: Draw, *, name: str, label: str, size: tuple[float, float] = _SIZE) -> str:
    """Return a figure as an SVG element for a page: no background, and the page's colours and fonts.

    Args:
        name: unique on the page; ids in the figure are made from it.
        label: what the figure shows, for screen readers. It is escaped here.
    """
    with styled(**{"svg.fonttype": "none", "svg.hashsalt": name, "figure.facecolor": "none"}):
        text = saved(panel(draw, size=size), "svg").decode()
    return _for_page(text, label)


def _for_page(text: str, label: str) -> str:
    text = re.sub(r"<(metadata|style).*?</\1>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    view = re.search(r'viewBox="[^"]+"', text)
    assert view is not None
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    # inside tags only: the text between them may be the name of a method
    text = re.sub(r"<[^>]+>", lambda found: _clean(found[0], used), text)
    text = re.sub(r"^<svg[^>]*>", lambda _: f'<svg {view[0]} role="img" aria-label="{escape(label)}">', text)
    return re.sub(r">\s+<", "><", text).strip()


def _clean(element: str, used: set[str]) -> str:
    """Drop what a page has no use for from a tag, and let the page choose its colours."""
    element = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", element)
    element = re.sub(r" font-family: [^;\"]+;?| transform=\"rotate\(-0 [^\"]+\"", "", element)
    element = re.sub(r"\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}", element)
    element = re.sub(r"\s*\n", " ", element).replace("xlink:href", "href").replace(' "', '"')
    for role, (light, _) in COLOURS.items():
        element = element.replace(f": {light}", f": var(--{role})")
    return element
