"""What `osarbench audit` prints, and its JSON."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from osarbench.audits.frame_hash import NEAR
from osarbench.audits.leakage import Copies, Exposed, Report, Same, Shared, is_leak

SHOWN = 5  #: entries of a list in the terminal
NAMES = 20  #: names in a line


def render(report: Report) -> str:
    """Return the report for people: a paragraph for each question, with the start of every list."""
    parts = [_videos(report), _groups(report), _files(report.same), _frames(report), _exposure(report)]
    return "\n\n".join(["\n".join(lines) for part in parts if (lines := list(part))] + [_conclusion(report)])


def to_json(report: Report) -> str:
    """Return the report as JSON."""
    # A named tuple would become a list, which says no names.
    content: dict[str, Any] = {"protocol": report.protocol, "leaks": [_plain(leak) for leak in report.leaks]}
    for key, value in asdict(report).items():
        found = getattr(report, key)
        content[key] = [_plain(entry) for entry in found] if isinstance(found, tuple) else value
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _conclusion(report: Report) -> str:
    count = len(report.leaks)
    if count:
        what = _number(count, "group or file of the test is", "groups or files of the test are")
        return f"LEAK: {what} in training."
    alike = sum(is_leak(found.roles) for found in report.copies or ())
    more = f", but {_number(alike, 'pair', 'pairs')} of groups to look at (Frames)" if alike else ""
    return f"No leak by group or file between training and test{more}."


def _plain(entry: Shared | Same | Copies | Exposed) -> dict[str, Any]:
    return entry._asdict()


def _videos(report: Report) -> Iterator[str]:
    counts = ", ".join(f"{count:,} {role}" for role, count in report.videos.items())
    yield f"{report.protocol}: {counts} videos."
    if report.missing:
        yield f"{report.missing:,} listed videos are not there and were not looked at."


def _groups(report: Report) -> Iterator[str]:
    if not report.shared:
        yield "Groups: no source group has videos of two roles."
    else:
        yield f"Groups: {_number(len(report.shared), 'source group has', 'source groups have')} videos of two roles."
        yield from _some(
            [_shared(found) for found in sorted(report.shared, key=lambda found: not is_leak(found.roles))]
        )
    if report.titles:
        yield f"Sources: {_number(len(report.titles), 'source', 'sources')} of two roles and several classes, by title."
        yield from _some([_shared(found) for found in report.titles])


def _shared(found: Shared) -> str:
    first, second = found.roles
    return (
        f"{found.group}: {found.videos[0]} {first}, {found.videos[1]} {second} ({', '.join(found.classes)}), "
        f"for example {found.examples[0]} and {found.examples[1]}"
    )


def _files(same: Sequence[Same]) -> Iterator[str]:
    if not same:
        yield "Files: no two of different roles or classes have the same bytes."
        return
    yield f"Files: {_number(len(same), 'is', 'are')} there under two names, of different roles or classes."
    yield from _some([_same(its) for its in same])


def _same(found: Same) -> str:
    return " and ".join(f"{video} ({role})" for video, role in zip(found.videos, found.roles, strict=True))


def _frames(report: Report) -> Iterator[str]:
    if report.copies is None:
        yield "Frames: not looked at."
        return
    if not report.copies:
        yield f"Frames: no two videos of two roles have frames that differ by at most {NEAR} of 256 bits."
    else:
        count = _number(len(report.copies), "pair of groups looks", "pairs of groups look")
        yield f"Frames: {count} like one recording; look at them before you believe it."
        yield from _some([_copies(found) for found in report.copies])
    if report.flat:
        yield f"{_number(report.flat, 'video has', 'videos have')} only flat frames (black, white), which say nothing."
    if report.unreadable:
        yield f"{_number(len(report.unreadable), 'video', 'videos')} cannot be read:"
        yield from _some([f"{path}: {reason}" for path, reason in report.unreadable.items()])


def _copies(found: Copies) -> str:
    sides = [
        f"{group} ({label}, {count} {role})"
        for group, label, count, role in zip(found.groups, found.classes, found.videos, found.roles, strict=True)
    ]
    return f"{found.distance:>2} bits  {' and '.join(sides)}: {found.examples[0]}, {found.examples[1]}"


def _exposure(report: Report) -> Iterator[str]:
    if report.exposed is None:
        return
    same = [found.name for found in report.exposed if found.similarity == 1]
    alike = [f"{found.name} ({found.label})" for found in report.exposed if found.similarity < 1]
    yield f"Pre-training: {_number(len(same), 'unknown class has', 'unknown classes have')} a label of the same name."
    if same:
        yield _line(same)
    if alike:
        yield f"{_number(len(alike), 'other shares', 'others share')} words with a label; review them by hand."
        yield _line(alike)


def _some(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:SHOWN])
    if len(lines) > SHOWN:
        yield f"  ... and {len(lines) - SHOWN:,} more (--json FILE has all)"


def _line(names: Sequence[str]) -> str:
    more = f" ... and {len(names) - NAMES} more (--json FILE has all)" if len(names) > NAMES else ""
    return f"  {', '.join(names[:NAMES])}{more}"


def _number(count: int, one: str, many: str) -> str:
    return f"1 {one}" if count == 1 else f"{count:,} {many}"
