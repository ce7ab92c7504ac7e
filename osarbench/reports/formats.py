"""How values are written for people: shares in percent, counts with their noun, names that cannot break a line."""

import unicodedata

#: Characters that reorder or hide the text around them; a name has no use for them.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


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


def visible(text: str) -> str:
    r"""Return text on one line, with a visible symbol for every character that is invisible or reorders others.

    Names of files and classes come from elsewhere. A line end, a control character, half of a surrogate pair (of a
    file name that is not UTF-8) or a change of direction would break a table, an SVG file, or the reading of a page.

    >>> visible("a\nb\x1b[31m"), visible("a\udcffb\u202ec"), visible("走る é")
    ('a␊b␛[31m', 'a�b�c', '走る é')
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _BIDI:
        return "\N{REPLACEMENT CHARACTER}"
    return character
