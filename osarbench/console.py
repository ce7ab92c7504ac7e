"""What a run says while it works: bars on a terminal, one quiet line a piece of work elsewhere. All on stderr."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import click
from tqdm import tqdm

T = TypeVar("T")


def say(text: str) -> None:
    """Print one line without tearing a progress bar apart."""
    with tqdm.external_write_mode(file=sys.stderr):
        click.echo(text, err=True)


def bar(items: Iterable[T], what: str, total: int, unit: str, *, quiet: bool = False) -> "tqdm[T]":
    """Return a progress bar over items: count, rate and time left. It shows on a terminal only.

    A caller may ``update`` it by more than one and add figures with ``set_postfix``.
    """
    return tqdm(items, desc=what, total=total, unit=unit, file=sys.stderr, leave=False, dynamic_ncols=True,
                disable=quiet or not sys.stderr.isatty())  # fmt: skip


def counted(items: Iterable[T], what: str, total: int, unit: str) -> Iterator[T]:
    """Yield items under a progress bar; where there is no terminal, say at the end how long it took."""
    start = time.perf_counter()
    yield from bar(items, what, total, unit)
    if not sys.stderr.isatty():
        say(f"{what}: {total} {unit} in {duration(time.perf_counter() - start)}")


def duration(seconds: float) -> str:
    """Return seconds for people.

    >>> duration(4.21), duration(75), duration(7300)
    ('4.2 s', '1:15 min', '2:02 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02d} h"


def figures(values: dict[str, Any]) -> str:
    """Return named figures on one line.

    >>> figures({"loss": 0.51234, "clips/s": 160.2})
    'loss 0.512  clips/s 160'
    """
    return "  ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
