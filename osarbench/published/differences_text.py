"""The comparison of published methods as one table, with what to read from it: for the terminal and for a board."""

from collections.abc import Iterator
from textwrap import fill

from tabulate import tabulate

from osarbench.published.differences import Differences, Group, Method, Twice

HEADERS = ["table", "training", "method", "published", "AUROC", "95 % interval", "rank", "better than, beyond chance"]
TRAINING = {"kinetics400": "fine-tuned", "scratch": "from scratch"}
WIDTH = 110


def rows(found: Differences) -> list[list[str]]:
    """Return a line for each method of each table, best first; a difference that survives stands in one of them."""
    return [
        [
            group.name,
            TRAINING.get(group.training, group.training),
            its.method,
            "-" if its.published is None else f"{its.published:.2f}",
            f"{its.value:.2f}",
            f"{its.low:.1f} to {its.high:.1f}",
            str(its.rank),
            ", ".join(_beaten(group, its)) or "-",
        ]
        for group in found.groups
        for its in group.methods
    ]


def findings(found: Differences) -> Iterator[str]:
    """Yield what the table says, a sentence or two each."""
    yield from (_told(its) for its in found.twice)
    for group in found.groups:
        yield (
            f"{group.name}, {TRAINING.get(group.training, group.training)}: {group.survive} of the {len(group.gaps)} "
            f"differences between {len(group.methods)} methods survive."
        )


def remarks(found: Differences) -> Iterator[str]:
    """Yield how the table was made, and what is not in it."""
    yield (
        "AUROC of open-set recognition, in percent, of the classes that the publication keeps, without rows that a "
        f"sampler repeated. {found.resampled} The same classes are drawn for all methods, {found.draws:,} times, so "
        "that differences are paired; p-values are corrected by Holm for the pairs of a table, at 5 %. Methods share a "
        "rank where the test cannot tell them from the best of their rank. One training run stands behind each number: "
        "how much another would differ is in no interval, and two files of one method show how much that can be."
    )
    if found.missing:
        yield f"Without: {', '.join(found.missing)} (not there)."
    for name, reason in found.left_out:
        yield f"Left out: {name}, for {reason}."


def text(found: Differences) -> str:
    """Return all of it for the terminal."""
    parts = [f"{found.protocol}: which differences between published methods are more than chance"]
    parts += [f"- {line}" for line in findings(found)]
    wrapped = [fill(part, WIDTH, subsequent_indent="  " * part.startswith("- "), break_on_hyphens=False)
               for part in parts]  # fmt: skip
    table = tabulate(rows(found), headers=HEADERS, disable_numparse=True, maxcolwidths=[None] * 7 + [44])
    return "\n".join([*wrapped, "", table, "", *(fill(line, WIDTH, break_on_hyphens=False) for line in remarks(found))])


def _beaten(group: Group, its: Method) -> list[str]:
    after = group.methods[group.methods.index(its) + 1 :]
    return [other.method for other in after if other.method not in its.not_apart]


def _told(its: Twice) -> str:
    first, second = (_file(its, number) for number in (0, 1))
    low, high = sorted([abs(its.low), abs(its.high)])
    low = low if its.low * its.high > 0 else 0.0
    p = "p < 0.001" if its.p_holm < 0.001 else f"p = {its.p_holm:.3f}"
    return (
        f"{its.method}, {TRAINING.get(its.training, its.training)}, published twice: {first}, {second}. They lie "
        f"{abs(its.difference):.2f} points apart [{low:.2f}, {high:.2f}], {p}: further than {its.smaller} of the "
        f"{its.of} differences between methods in these tables."
    )


def _file(its: Twice, number: int) -> str:
    printed = its.published[number]
    stated = f"{its.values[number]:.2f}, not printed," if printed is None else f"{printed:.2f}"
    interval = f"[{its.lows[number]:.1f}, {its.highs[number]:.1f}]"
    return f"{stated} {interval} in {its.names[number]} ({its.files[number]})"
