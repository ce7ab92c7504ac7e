"""Templates into text. Whatever a template prints is escaped; only a figure that was drawn here is markup already."""

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from osarbench.reports import formats
from osarbench.reports.style import COLOURS, series
from osarbench.scores.metrics.registry import conventions

#: From this many results on, what is shown for each of them is folded.
MANY = 8


def render(template: str, /, **values: Any) -> str:
    """Return the text of a template of the folder ``templates``; an undefined name in it is an error."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> jinja2.Environment:
    """Return the templates with what all of them use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("osarbench.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plural": formats.plural, "unbroken": _unbroken}
    environment.globals |= {"CONVENTIONS": conventions(), "COLOURS": COLOURS, "series": series, "MANY": MANY}
    return environment


def _shown(value: Any) -> Any:
    """Return what a template prints: text without control characters, markup as it is."""
    return formats.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _unbroken(title: str) -> str:
    """Keep the arrow of a title on the line of its last word."""
    return title.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")
