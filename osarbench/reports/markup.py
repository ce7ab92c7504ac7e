"""HTML that is safe by construction: text becomes markup in one place, and is escaped there."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

_VOID = frozenset({"br", "hr", "img", "meta", "col"})


class Safe(str):
    """Markup that is finished; any other string is text, and gets escaped when it becomes part of markup."""

    __slots__ = ()


class Column(NamedTuple):
    """A column of a table: its title, whether it holds numbers, and what its title says when pointed at."""

    title: str
    numeric: bool = False
    hint: str | None = None


def tag(name: str, /, *children: str, **attributes: str | bool | None) -> Safe:
    """Return an element; attributes that are None or False are left out, a trailing underscore of a name is dropped.

    >>> tag("p", "a < b ", tag("b", "&"), class_="note", aria_label='"', hidden=None)
    '<p class="note" aria-label="&quot;">a &lt; b <b>&amp;</b></p>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Safe(f"<{name}{written}>")
    return Safe(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[str], separator: str = "") -> Safe:
    """Return pieces of text and markup as one piece of markup."""
    return Safe(separator.join(child if isinstance(child, Safe) else escape(child) for child in children))


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, label: str, groups: Sequence[tuple[str, int]] = ()
) -> Safe:
    """Return a table in a box of its own that scrolls when the table is wider than the page.

    Args:
        columns: the first one is the rows' header.
        rows: a string per column.
        label: what the table shows, for who does not see it.
        groups: a first row of headers: title and number of columns.
    """
    heads = [_head(column) for column in columns]
    above = [
        tag("th", title, colspan=str(width), scope="colgroup" if title else None, class_="group" if title else None)
        for title, width in groups
    ]
    head = tag("thead", *([tag("tr", *above)] if above else []), tag("tr", *heads))
    body = tag("tbody", *(tag("tr", *_cells(columns, row)) for row in rows))
    return tag("div", tag("table", head, body, aria_label=label), class_="scroll", tabindex="0", role="region",
               aria_label=label)  # fmt: skip


def details(summary: str, *children: str) -> Safe:
    """Return text that is folded until it is asked for."""
    return tag("details", tag("summary", summary), *children)


def percent(value: float | None) -> str:
    """Return a share in percent with two decimals, a dash for None.

    >>> percent(0.98765), percent(None)
    ('98.77', '–')
    """
    return "–" if value is None else f"{100 * value:.2f}"


def signed_percent(value: float | None) -> str:
    """Return a difference of shares in percent with its sign.

    >>> signed_percent(-0.0535), signed_percent(0.01)
    ('−5.35', '+1.00')
    """
    return "–" if value is None else f"{100 * value:+.2f}".replace("-", "−")


def plural(count: int, singular: str, several: str | None = None) -> str:
    """Return a count with its noun.

    >>> plural(1, "video"), plural(1200, "class", "classes")
    ('1 video', '1,200 classes')
    """
    return f"{count:,} {singular if count == 1 else several or singular + 's'}"


def _head(column: Column) -> Safe:
    unbroken = column.title.replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")
    return tag("th", unbroken, scope="col", class_="number" if column.numeric else None, title=column.hint)


def _cells(columns: Sequence[Column], row: Sequence[str]) -> list[Safe]:
    first, *others = row
    return [
        tag("th", first, scope="row"),
        *(
            tag("td", cell, class_="number" if column.numeric else None)
            for column, cell in zip(columns[1:], others, strict=True)
        ),
    ]
