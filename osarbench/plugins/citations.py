"""What to cite of plugins: entries of BibTeX, of the built-in ones from one file, of others from their class."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from osarbench.plugins import loading
from osarbench.plugins.catalogue import catalogue

FILE = "references.bib"  #: in the folder of the built-in plugins
_ENTRY = re.compile(r"@\w+\{([^,\s]+),\n(.*?)\n\}", re.DOTALL)
_FIELD = re.compile(r"^\s*(\w+) = \{(.*)\},?$", re.MULTILINE)


class Reference(NamedTuple):
    """One entry of BibTeX."""

    key: str
    text: str  #: as it goes into a file
    fields: Mapping[str, str]
    of: tuple[str, ...] = ()  #: the plugins, as "methods/energy" or "backbones/srtg_*"


@cache
def built_in() -> tuple[Reference, ...]:
    """Return every entry of the built-in plugins."""
    return tuple(parse((loading.builtin_folder() / FILE).read_text(encoding="utf-8")))


def parse(text: str) -> list[Reference]:
    """Return the entries of a text in BibTeX, each field on a line.

    >>> [entry] = parse('''@misc{parzen1962density,
    ...   title = {On Estimation of a Probability Density Function and Mode},
    ...   osarbench = {methods/kde}
    ... }''')
    >>> entry.key, entry.of
    ('parzen1962density', ('methods/kde',))
    >>> print(entry.text)
    @misc{parzen1962density,
      title = {On Estimation of a Probability Density Function and Mode}
    }
    """
    found = []
    for match in _ENTRY.finditer(text):
        fields = dict(_FIELD.findall(match[2]))
        of = tuple(name.strip() for name in fields.pop("osarbench", "").split(",") if name.strip())
        lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
        found.append(Reference(match[1], f"{match[0].partition('{')[0]}{{{match[1]},\n{lines}\n}}", fields, of))
    return found


def of_plugin(kind: str, name: str) -> list[Reference]:
    """Return what to cite of a plugin; nothing if it does not say, or is not installed.

    Args:
        kind: "methods", "backbones" or "datasets".
        name: of the plugin.
    """
    plugin = f"{kind}/{name}"
    found = [entry for entry in built_in() if any(fnmatchcase(plugin, pattern) for pattern in entry.of)]
    if found:
        return found
    origins = [item.origin for item in catalogue() if (item.kind, item.name) == (kind, name)]
    if not origins or "built-in" in origins:
        return []
    cls = getattr(loading.load([kind]), kind)[name]
    return parse(getattr(cls, "bibtex", ""))


def bibliography(references: Sequence[Reference]) -> str:
    """Return entries as a file, each once, by key."""
    return "\n\n".join(text for _, text in sorted({entry.key: entry.text for entry in references}.items()))
