"""`osarbench actors` and `tubes`: numbers of localised actions, from files of boxes alone."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osarbench.commands.options import FILE
from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    import pandas as pd

    from osarbench.scores.detection.actors import Vocabulary
    from osarbench.scores.detection.open_set import OpenSetDetection


@click.command()
@click.argument("truth", type=FILE)
@click.argument("detections", type=FILE)
@click.option("--known-classes", "known", metavar="N,N-M",
              help="Numbers of the known classes.  [the label map's, without the unknown ones]")  # fmt: skip
@click.option("--unknown-classes", "unknown", metavar="N,N-M", default="", help="Numbers of the unknown classes.")
@click.option("--label-map", type=FILE, help="AVA's label map: names of the classes that count.")
@click.option("--exclude", type=FILE, help="Keyframes that are left out: video,second.")
@click.option("--validation", nargs=2, type=FILE, metavar="TRUTH DETECTIONS",
              help="Known persons, from whom the threshold is learnt.")  # fmt: skip
@click.option("--iou", type=click.FloatRange(0, 1, min_open=True), default=0.5, help="The least overlap.  [0.5]")
@click.option("--order", type=click.Choice(["score", "file_order"]), default="score",
              help="Which boxes are matched first; file_order is a flaw of released code.  [score]")  # fmt: skip
@click.option("--table", type=FILE, help="Write the matched actors as a scores table, for evaluate, compare, report.")
@click.option("--json", "as_json", is_flag=True, help="Print every number.")
def actors(
    truth: Path,
    detections: Path,
    known: str | None,
    unknown: str,
    label_map: Path | None,
    exclude: Path | None,
    validation: tuple[Path, Path] | None,
    iou: float,
    order: str,
    table: Path | None,
    as_json: bool,
) -> None:
    """Judge detected actors (who does what, where, and is it unknown) from files of boxes in AVA's form.

    TRUTH has rows video,second,x1,y1,x2,y2,class[,person]; DETECTIONS video,second,x1,y1,x2,y2,class,score[,unknown
    score]; boxes are in shares of the frame. A person is unknown if all labels are.
    """
    import json

    from osarbench.scores.detection import actors as matching
    from osarbench.scores.detection import open_set, tables

    labels = tables.read_label_map(label_map) if label_map else {}
    classes = _vocabulary(known, unknown, labels)
    frames = tables.read_exclusions(exclude) if exclude else set()

    def read(truth: Path, detections: Path) -> tuple["pd.DataFrame", "pd.DataFrame"]:
        pair = tables.read_truth(truth), tables.read_detections(detections)
        for rows, file in zip(pair, (truth, detections), strict=True):
            tables.check_classes(rows, labels or dict.fromkeys(classes.known | classes.unknown, ""), file)
        theirs, ours = (tables.without(rows, frames, labels or None) for rows in pair)
        return theirs, ours

    def matched(theirs: "pd.DataFrame", ours: "pd.DataFrame") -> "pd.DataFrame":
        found, there = matching.actors(ours, classes), matching.persons(theirs, classes)
        return matching.match(found, there, iou=iou, order=order)  # type: ignore[arg-type]

    pair = read(truth, detections)
    held_out = matched(*read(*validation)) if validation else None
    threshold = None if held_out is None else open_set.threshold_of(held_out)
    result = open_set.evaluate(*pair, classes, threshold=threshold, iou=iou, order=order)  # type: ignore[arg-type]
    if table is not None:
        parts = (
            []
            if held_out is None
            else [matching.scores_table(held_out, labels, source="validation", role="calibration")]
        )
        _write([*parts, matching.scores_table(matched(*pair), labels, source=detections.stem)], table)
    click.echo(json.dumps(result.as_dict, indent=1) if as_json else _text(result))


@click.command()
@click.argument("truth", type=FILE)
@click.argument("detections", type=FILE)
@click.option("--link", is_flag=True, help="DETECTIONS are boxes of frames, without a column tube: link them first.")
@click.option("--class", "classes", multiple=True, help="Only these classes.  [all of the ground truth]")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers of every class.")
def tubes(truth: Path, detections: Path, link: bool, classes: tuple[str, ...], as_json: bool) -> None:
    """Compute video-mAP of detected tubes, from csv files with a header alone.

    TRUTH has the columns video, tube, class, frame, x1, y1, x2, y2; DETECTIONS also score. Boxes of both are in pixels,
    or in shares of the frame.
    """
    import json

    import numpy as np
    from tabulate import tabulate

    from osarbench.errors import did_you_mean
    from osarbench.scores.detection import tubes as its

    true, found = its.read(truth, scored=False), its.read(detections, scored=True, linked=not link)
    its.check_units(true, found)
    there = sorted(set(true["class"]))
    for name in classes:
        if name not in there:
            raise OsarbenchError(f"{truth} has no class '{name}'.{did_you_mean(name, there)}")
    found = its.link(found) if link else found
    numbers = {name: its.video_map(true, found, classes or there, least=least) for name, least in its.OVERLAPS.items()}
    means = {name: float(np.mean(list(by_class.values()))) for name, by_class in numbers.items()}
    if as_json:
        click.echo(json.dumps({"video_map": means, "by_class": numbers}, indent=1))
        return
    lines = [(name, *(f"{100 * numbers[key][name]:.2f}" for key in numbers)) for name in numbers["0.5"]]
    lines.append(("mean", *(f"{100 * value:.2f}" for value in means.values())))
    click.echo(
        tabulate(lines, headers=["video-mAP at", *numbers], disable_numparse=True, colalign=("left", *["right"] * 4))
    )
    other = sorted(set(found["class"]) - set(there))
    if other:
        click.echo(f"\nNo true tube has the classes {', '.join(other[:5])}, so they are left out.")


def _vocabulary(known: str | None, unknown: str, labels: dict[int, str]) -> "Vocabulary":
    from osarbench.scores.detection.actors import vocabulary

    others = _numbers(unknown)
    if known is None and not labels:
        raise OsarbenchError("Which classes are known? Say it with --known-classes 1-40, or with --label-map FILE.")
    return vocabulary(set(labels) - others if known is None else _numbers(known), others)


def _numbers(text: str) -> set[int]:
    """Return the numbers that a text such as "1-40,43" names.

    >>> sorted(_numbers("3, 5-7"))
    [3, 5, 6, 7]
    """
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"([1-9]\d{0,5})(?:\s*-\s*([1-9]\d{0,5}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise OsarbenchError(f"'{part}' names no classes. Write numbers from 1 on, such as 3,5-7.")
        found |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
    return found


def _write(parts: Sequence["pd.DataFrame"], file: Path) -> None:
    import pandas as pd

    from osarbench.artifacts import storage
    from osarbench.scores import table

    rows = pd.concat(parts, ignore_index=True)
    table.validate(rows)
    with storage.atomic_write(file) as temporary:
        table.write(rows, temporary)


def _text(result: "OpenSetDetection") -> str:
    from tabulate import tabulate

    from osarbench.scores.detection.open_set import CONVENTIONS

    plain = {"a_ose", "threshold"}
    lines = [
        (
            CONVENTIONS[name][0],
            "-" if value is None else f"{value if name in plain else 100 * value:.4g}",
            CONVENTIONS[name][1],
        )
        for name, value in result.numbers.items()
    ]
    counts = ", ".join(f"{count:,} {name}" for name, count in result.outcomes.items())
    parts = [
        tabulate(
            lines, headers=["", "percent", "what it is"], disable_numparse=True, colalign=("left", "right", "left")
        )
    ]
    parts.append(f"Detected actors and persons: {counts}.")
    if result.short_of_recall:
        numbers = ", ".join(map(str, result.short_of_recall))
        parts.append(f"A-OSE and WI leave out the classes {numbers}, which never find 80 % of their persons.")
    return "\n\n".join(parts)
