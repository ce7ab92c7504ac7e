"""`osarbench import` and `osarbench reproduce`: other people's score files, checked and recomputed."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench.commands.options import FILE, FOLDER
from osarbench.errors import OsarbenchError, unknown_name

if TYPE_CHECKING:
    import pandas as pd

    from osarbench.published.importing import Loaded

CLASSES = "Class names by number: a file (a name a line, or classInd.txt), or a data set osarbench knows."


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("-o", "--output", type=FILE, help="The scores table to write.  [the file's name with .csv.gz, here]")
@click.option("--known-classes", metavar="NAME|FILE", help=CLASSES)
@click.option("--unknown-classes", metavar="NAME|FILE", help="The same for the unknown videos.")
@click.option("--known-source", metavar="DATASET/SPLIT", help="Where the known videos are from, like ucf101/test1.")
@click.option("--unknown-source", metavar="DATASET/SPLIT", help="Where the unknown videos are from.")
@click.option("--check-only", is_flag=True, help="Only look for what is wrong; exit with 1 if numbers are wrong.")
@click.option("--publish", "publish_to", type=FOLDER, is_flag=False, flag_value=Path("leaderboards"),
              help="Add the rows to a leaderboards folder, as re-scored; needs the three below.")  # fmt: skip
@click.option("--protocol", metavar="NAME|FILE.toml", help="Of the entry; unknown classes it excludes are left out.")
@click.option("--backbone", metavar="NAME", help="Of the entry.")
@click.option("--method", metavar="NAME", help="Of the entry.")
def import_(
    files: Sequence[Path], output: Path | None, known_classes: str | None, unknown_classes: str | None,
    known_source: str | None, unknown_source: str | None, check_only: bool, publish_to: Path | None,
    **entry: str | None,
) -> None:  # fmt: skip
    """Make scores tables of other people's score files, and say what is wrong with them.

    FILES are .npz files of DEAR, PSL or SOAR, CSV files, or two MMAction2 dumps as JSON: that of the known videos, then
    that of the unknown ones. Nothing in a file is ever executed. A JSON file next to each table tells its origin.
    """
    from osarbench.published import importing, integrity, text

    inputs = importing.load(files)
    if output is not None and len(inputs) > 1 and not check_only:
        raise OsarbenchError(f"{len(inputs)} files make {len(inputs)} tables, and --output names one. Leave it out.")
    if publish_to is not None and (len(inputs) > 1 or None in entry.values()):
        raise OsarbenchError("--publish adds one file as one entry, and needs --protocol, --backbone and --method.")
    wrong = False
    for loaded in inputs:
        findings = integrity.check(loaded.scores, known_set=known_source, unknown_set=unknown_source)
        wrong |= any(finding.severity == "error" for finding in findings)
        click.echo(f"{' and '.join(map(str, loaded.files))}: {loaded.scores.variant}")
        click.echo(text.findings_text(findings))
        if check_only:
            continue
        rows, assumed = _rows(loaded, known_classes, unknown_classes, known_source, unknown_source)
        origin = importing.origin_of(loaded, rows, findings, assumed)
        target = output or Path(f"{loaded.files[0].name.removesuffix('.gz').rpartition('.')[0]}.csv.gz")
        if any(target.resolve() == file.resolve() for file in loaded.files):
            raise OsarbenchError(f"{target} is the file to import. Name another with --output.")
        origin_file = importing.write(rows, target, origin)
        click.echo("".join(f"  taken: {choice}\n" for choice in origin["choices"]), nl=False)
        click.echo(f"  {len(rows):,} rows are in {target}, where they came from in {origin_file.name}")
        if publish_to is not None:
            if wrong:
                raise OsarbenchError("Nothing is published: errors were found, so numbers of this file are wrong.")
            click.echo(f"  published {_publish(rows, origin, publish_to, **entry)}")
    sys.exit(1 if check_only and wrong else 0)


@click.command()
@click.argument("paper", metavar="dear|psl|uosr")
@click.argument("folder", type=FOLDER)
@click.option("--json", "json_file", type=FILE, help="Write every number with all its digits to this file.")
def reproduce(paper: str, folder: Path, json_file: Path | None) -> None:
    """Recompute a paper's published numbers from its score files, each next to what was printed.

    FOLDER holds the files as they were published (results/, results_ft_hmdb/ ...). For dear and psl, the same files are
    then ranked without a threshold, without listed overlapping classes, and where 95 % of the known videos are
    accepted; for uosr, numbers that depend on the order of tied rows, or on scaling by test videos, are also given
    without that.
    """
    from osarbench.artifacts import storage
    from osarbench.published import reproduce as recompute
    from osarbench.published import standings, tables, text

    names = {name.rstrip("0123456789"): name for name in tables.names()}
    if paper not in names:
        raise unknown_name("paper to reproduce", paper, names)
    published = tables.read(names[paper])
    result = recompute.reproduce(published, folder)
    lists = {} if published.tables else {"hmdb51": _hmdb_lists()}
    compared = [] if published.tables else standings.standings(published, result.files, lists)
    click.echo(text.reproduction_text(published, result, compared))
    if json_file is not None:
        storage.write_text(json_file, text.reproduction_json(published, result, compared))


@click.command()
@click.argument("folders", nargs=-1, required=True, type=FOLDER, metavar="FOLDER...")
@click.option("--draws", type=click.IntRange(min=100), default=2000, show_default=True, help="Bootstrap replicates.")
@click.option("--publish", "publish_to", type=FOLDER, is_flag=False, flag_value=Path("leaderboards"),
              help="Keep the result for the pages of a leaderboards folder.")  # fmt: skip
def differences(folders: Sequence[Path], draws: int, publish_to: Path | None) -> None:
    """Say which differences between published methods are more than chance, and how far two files of one lie apart.

    FOLDERS hold the score files of PSL and UOSR as they were published (results/, results_ft_hmdb/ ...). The methods of
    a table are compared on the same videos, whole classes resampled.
    """
    from osarbench.leaderboard.differences import FILE
    from osarbench.published import differences as compared
    from osarbench.published import differences_text, tables

    found = compared.differences([tables.read(name) for name in tables.names()], folders, draws=draws)
    click.echo("\n\n".join(differences_text.text(its) for its in found))
    for its in found if publish_to is not None else ():
        file = Path(str(publish_to)) / its.protocol / FILE
        compared.write(its, file)
        click.echo(f"\nkept in {file}; osarbench leaderboard shows it")


def _publish(
    rows: "pd.DataFrame", origin: Mapping[str, Any], folder: Path, *, protocol: str | None, backbone: str | None,
    method: str | None,
) -> Path:  # fmt: skip
    """Add rows to a leaderboard as re-scored, without the unknown classes that the protocol excludes."""
    from osarbench import __version__
    from osarbench.leaderboard import entries
    from osarbench.protocols import protocol as protocols

    read = protocols.read(str(protocol))
    if read.sections.draws:
        raise OsarbenchError(f"The protocol '{read.name}' has draws of classes; files of scores are not published so.")
    entries.check_sources(rows, read, "The file")
    excluded = {name for unknown in read.sections.unknown for name in unknown.exclude}
    unknown_rows = rows["role"] == "unknown"
    lacking = sorted(excluded - set(rows.loc[unknown_rows, "label"]))
    if excluded and len(lacking) == len(excluded):
        raise OsarbenchError(
            f"The protocol '{read.name}' excludes {len(excluded)} unknown classes ({', '.join(lacking[:3])} ...), and "
            "the file has none of them by name. Give the names of its classes: --unknown-classes NAME|FILE."
        )
    facts = {
        "protocol": {"name": read.name, "sha256": read.sha256}, "backbone": backbone, "method": method, "seed": 0,
        "tier": "re-scored", "origin": dict(origin), "osarbench": __version__,
    }  # fmt: skip
    kept = rows[~(unknown_rows & rows["label"].isin(list(excluded)))].reset_index(drop=True)
    return entries.publish(kept, facts, folder)


def _rows(
    loaded: "Loaded", known_classes: str | None, unknown_classes: str | None, known_source: str | None,
    unknown_source: str | None,
) -> "tuple[pd.DataFrame, list[str]]":  # fmt: skip
    """Return the rows of a scores table, and what was assumed about them."""
    from osarbench.published import importing
    from osarbench.published.test_sets import SETS, guess

    if loaded.own is not None:
        if known_classes or unknown_classes or known_source or unknown_source:
            raise OsarbenchError(f"{loaded.files[0]} is a scores table already: it has its classes and sources.")
        return loaded.own, []
    lists, sources, assumed = {}, {}, []
    for role, part, stated, list_name in (
        ("known", loaded.scores.known, known_source, known_classes),
        ("unknown", loaded.scores.unknown, unknown_source, unknown_classes),
    ):
        official = SETS.get(stated) if stated else guess(part)
        sources[role] = stated or (official.name if official else role)
        if official is not None and not stated:
            assumed.append(
                f"the {role} videos are of {official.name}: by their number ({len(part.labels):,}) and classes"
            )
        lists[role], origin = _classes(list_name)
        if origin:
            assumed.append(f"the names of the {role} classes are those of {origin}")
        if official is not None and lists[role] is not None:
            importing.check_classes(lists[role] or (), official)
    rows = importing.to_table(
        loaded.scores,
        known_classes=lists["known"],
        unknown_classes=lists["unknown"],
        known_source=sources["known"],
        unknown_source=sources["unknown"],
    )
    return rows, assumed


def _classes(name: str | None) -> tuple[Sequence[str] | None, str]:
    """Return the class names of a file, or of a data set by name, and where they are from."""
    from osarbench.data import locations
    from osarbench.plugins import loading as plugins
    from osarbench.published import importing

    if name is None:
        return None, ""
    file = Path(name)
    if file.is_file():
        from osarbench.artifacts import storage

        return importing.read_classes(file), f"{file.name} (sha256 {storage.sha256(file)})"
    if file.suffix or len(file.parts) > 1:
        raise OsarbenchError(f"There is no list of classes {name}.")
    dataset = plugins.load(kinds=("datasets",)).dataset(name)
    try:
        return dataset(file).classes, f"the data set {name}"  # some have their names in the code
    except OsarbenchError:
        pass
    try:
        return dataset(locations.find().dataset(name, None, embedded=dataset.embedded)).classes, f"the data set {name}"
    except OsarbenchError as error:
        raise OsarbenchError(
            f"The class names of the data set '{name}' are in its annotations, and these are not found. Name their "
            "file (classInd.txt, moments_categories.txt), or set OSARBENCH_DATA to the folder that contains "
            f"'{name}/'."
        ) from error


def _hmdb_lists() -> dict[str, list[int]]:
    """Return the exclusion lists of HMDB-51 by title, as class numbers in its alphabetical order."""
    from osarbench.audits import exclusions

    classes = _classes("hmdb51")[0] or ()
    wanted = ("psl8", "soar12", "union13")
    lists = exclusions.read("hmdb51")
    return {lists[name].title: [classes.index(label) for label in lists[name].classes] for name in wanted}
