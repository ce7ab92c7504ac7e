"""`osarbench diagnose`: what a trained network leans on."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench.commands.options import FILE, FOLDER

if TYPE_CHECKING:
    from osarbench.run.diagnosis import Diagnosis

SHOWN = 3  #: classes that move most, for each condition


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--condition", "conditions", multiple=True, metavar="NAME", help="shuffled, backwards, static, "
              "background_frozen or background_blurred; repeat for several.  [all]")  # fmt: skip
@click.option("--protocol", metavar="FILE.toml", help="Of the run, if it is none that comes with osarbench.")
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Plugin file that the run loaded.")
@click.option("--weights", metavar="FILE|DIR|none|LIBRARY", help="As for the run.")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--cache", type=FOLDER, help="Decoded clips and embedded data sets.  [OSARBENCH_CACHE]")
@click.option("--store", type=click.Choice(["auto", "raw", "jpeg", "none"]), help="As for the run.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]))
@click.option("--workers", type=click.IntRange(min=0), help="Loader processes.")
@click.option("--draws", type=click.IntRange(min=100), default=2000, show_default=True, help="Of the bootstrap.")
@click.option("--json", "json_file", type=FILE, help="Write all numbers to this file.")
def diagnose(
    run: Path, conditions: Sequence[str], plugin_files: Sequence[Path], weights: str | None, data: Path | None,
    cache: Path | None, draws: int, json_file: Path | None, **options: Any,
) -> None:  # fmt: skip
    """Score the finished run in the folder RUN again on changed test videos.

    Frames shuffled, backwards, one repeated, the background frozen or blurred: how accuracy, AUROC and each class move
    shows how much a network leans on time, motion and scenes. RUN is the folder of a method, such as
    runs/motion/tsm/dear-0/dear.
    """
    import json
    from dataclasses import asdict

    from osarbench.artifacts import storage
    from osarbench.commands.run import weights_path
    from osarbench.data import locations
    from osarbench.run import diagnosis

    found = locations.find(data=data, cache=cache, weights=weights_path(weights))
    config = diagnosis.config_of(run, found, plugin_files=tuple(plugin_files) or None, weights=weights, **options)
    result = diagnosis.diagnose(run, config, conditions=conditions, draws=draws)
    click.echo(text(result))
    if json_file is not None:
        content = {**asdict(result), "run": str(run), "changes": [its._asdict() for its in result.changes]}
        storage.write_text(json_file, json.dumps(content, indent=1) + "\n")


def text(result: "Diagnosis") -> str:
    """Return a table of the changes, and the classes that move most."""
    from tabulate import tabulate

    from osarbench.scores.metrics.registry import metrics

    names = list(dict.fromkeys(its.metric for its in result.changes))
    rows = [["original", *(f"{100 * result.original[name]:.1f}" for name in names)]]
    for condition in dict.fromkeys(its.condition for its in result.changes):
        of = {its.metric: its for its in result.changes if its.condition == condition}
        rows.append([condition, *(_change(of[name]) if name in of else "" for name in names)])
    labels = [metrics()[name].title for name in names]
    lines = [tabulate(rows, headers=["test videos", *labels], disable_numparse=True), ""]
    lines += ["Percent; changes with 95 % intervals, paired on the same videos. * adjusted p < 0.05.", result.resampled]
    for condition, sides in result.classes.items():
        for side, column in (("known", "closed_accuracy"), ("unknown", "class_auroc")):
            moved = sorted(((its[column], name) for name, its in sides[side].items() if column in its))
            shown = ", ".join(f"{name} {100 * move:+.0f}" for move, name in moved[:SHOWN])
            lines.append(f"{condition}, {side} classes that fall most ({column}): {shown}")
    return "\n".join([*lines, *result.notes])


def _change(its: Any) -> str:
    star = "*" if its.p_holm < 0.05 else ""
    return f"{100 * its.change:+.1f} [{100 * its.low:+.1f}, {100 * its.high:+.1f}]{star}"
