"""`osarbench overlap` and `osarbench audit`: is what is called unknown unknown, and is test data test data."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osarbench.commands.options import FILE, FOLDER
from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    import pandas as pd

    from osarbench.audits.exclusions import ExclusionList
    from osarbench.protocols.protocol import Protocol


@click.command()
@click.argument("scores", nargs=-1, required=True, type=FILE)
@click.option("--protocol", metavar="NAME|FILE.toml", help="Mark the classes that it excludes or contests.")
@click.option("--lists", metavar="NAME|FILE.toml",
              help="Exclusion lists: of an unknown data set that osarbench knows, or your own.")  # fmt: skip
@click.option("--json", "json_file", type=FILE, help="Write all candidates and numbers to this file.")
def overlap(scores: Sequence[Path], protocol: str | None, lists: str | None, json_file: Path | None) -> None:
    """Look for unknown classes that repeat known ones, and show how exclusion lists move the results.

    SCORES are scores tables of one or several methods on the same videos. What is found are candidates for
    manual review. The lists of the tables' unknown data sets are taken unless --lists says otherwise.
    """
    from osarbench.artifacts import storage
    from osarbench.audits import overlap as audit
    from osarbench.audits import overlap_text, sweep
    from osarbench.protocols import protocol as protocols
    from osarbench.scores import table

    tables = {name: table.read(file) for name, file in _short_names(scores).items()}
    read = protocols.read(protocol) if protocol else None
    audit.check(tables, read)
    known_lists = _lists(tables, lists, read)
    plain = {name: its.classes for name, its in known_lists.items() if not its.union}
    found = audit.candidates(tables.values(), protocol=read, lists=plain)
    results = sweep.sweep(tables, {name: its.classes for name, its in known_lists.items()})
    click.echo(overlap_text.render(found, results, known_lists, read.name if read else None))
    if json_file is not None:
        storage.write_text(json_file, overlap_text.to_json(found, results, known_lists))


@click.command()
@click.argument("protocol", metavar="PROTOCOL|FILE.toml")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--no-frames", is_flag=True, help="Do not decode videos to look for near copies.")
@click.option("--pretrained-labels", type=FILE,
              help="Class names of a pre-training data set, one a line; did it have the unknown ones?")  # fmt: skip
@click.option("--json", "json_file", type=FILE, help="Write the full report to this file.")
@click.option("--cache", type=FOLDER, help="Where hashes of frames are kept.  [OSARBENCH_CACHE]")
def audit(
    protocol: str, data: Path | None, no_frames: bool, pretrained_labels: Path | None, json_file: Path | None,
    cache: Path | None,
) -> None:  # fmt: skip
    """Look for test videos that training has seen: source groups, equal files, near copies, pre-training labels.

    Exits with 1 if training and the known test share a source group, or training and any test share a file. Near
    copies are candidates for manual review.
    """
    from osarbench.audits import leakage, leakage_text
    from osarbench.data import locations
    from osarbench.plugins import loading as plugins
    from osarbench.protocols import protocol as protocols

    report = leakage.audit(
        protocols.read(protocol),
        plugins.load(kinds=("datasets",)),
        locations.find(data=data, cache=cache),
        frames=not no_frames,
        pretrained_labels=pretrained_labels,
    )
    click.echo(leakage_text.render(report))
    if json_file is not None:
        from osarbench.artifacts import storage

        storage.write_text(json_file, leakage_text.to_json(report))
    sys.exit(1 if report.leaks else 0)


def _lists(
    tables: "Mapping[str, pd.DataFrame]", stated: str | None, protocol: "Protocol | None"
) -> "dict[str, ExclusionList]":
    """Return the lists that were asked for, or those of the tables' unknown data sets, and the protocol's own."""
    from osarbench.audits import exclusions
    from osarbench.protocols import files as benchmark_files

    rows = next(iter(tables.values()))
    sources = rows.loc[rows["role"] == "unknown", "source"].unique()
    datasets = dict.fromkeys(source.partition("/")[0] for source in sources)
    wanted = [stated] if stated else [name for name in datasets if name in benchmark_files.shipped("exclusion list")]
    lists = {name: its for file in wanted for name, its in exclusions.read(file).items()}
    own = exclusions.of_protocol(protocol) if protocol else {}
    there = [set(its.classes) for its in lists.values()]
    return lists | {name: its for name, its in own.items() if its.classes and set(its.classes) not in there}


def _short_names(files: Sequence[Path]) -> dict[str, Path]:
    """Return files by the parts of their paths that tell them apart."""
    if len(files) == 1:
        return {str(files[0]): files[0]}
    parts = [file.with_name(file.name.removesuffix(".gz")).with_suffix("").parts for file in files]
    if len(set(parts)) < len(parts):
        raise OsarbenchError("A scores table is named twice. Name each once.")
    while all(len(its) > 1 for its in parts) and len({its[-1] for its in parts}) == 1:
        parts = [its[:-1] for its in parts]
    depth = 1
    while len({its[-depth:] for its in parts}) < len(parts):
        depth += 1
    return {"/".join(its[-depth:]): file for its, file in zip(parts, files, strict=True)}
