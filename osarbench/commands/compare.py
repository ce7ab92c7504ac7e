"""`osarbench compare`: do methods differ, on the same videos?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from glob import glob, has_magic
from pathlib import Path
from typing import Any

import click

from osarbench.commands.options import FILE
from osarbench.errors import OsarbenchError

Files = dict[str, list[list[Path]]]  #: method -> seeds -> views

#: How far above a run's scores table its index.csv lies at most.
_LEVELS = 3


@click.command()
@click.argument("files", nargs=-1, type=FILE)
@click.option("--entry", "entries", multiple=True, metavar="NAME=FILE[,FILE...]",
              help="A method with the tables of its seeds, or a pattern: 'dear=runs/*/dear/scores.csv'. Tables of "
              "single views of one seed are joined by +.")  # fmt: skip
@click.option("--metric", "metrics", multiple=True, metavar="NAME",
              help="Compare this metric; may be repeated. Default: AUROC, AUPR, FPR95, OSCR, closed accuracy, "
              "balanced accuracy.")  # fmt: skip
@click.option("--resample", type=click.Choice(["class", "group"]), default="class", show_default=True,
              help="What is drawn anew: classes (would it be so with other classes?) or the sources of clips within "
              "them (with other videos of these classes?).")  # fmt: skip
@click.option("--groups", "groups_file", type=FILE,
              help="A CSV file with the columns video and group. Default: the tables' own column, or the index.csv of "
              "the run.")  # fmt: skip
@click.option("--draws", default=2000, show_default=True, help="Bootstrap replicates.")
@click.option("--permutations", default=2000, show_default=True, type=click.IntRange(min=0),
              help="Swaps of the permutation test; 0: none.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of the draws and swaps.")
@click.option("--level", default=0.95, show_default=True, help="Of the intervals.")
@click.option("--intersection", is_flag=True, help="Compare on the videos that all tables have.")
@click.option("--paired-seeds", is_flag=True, help="Seed i of all methods shares one trained network.")
@click.option("--json", "json_file", type=FILE, help="Write every number to this file.")
def compare(
    files: Sequence[Path], entries: Sequence[str], metrics: Sequence[str], resample: str, groups_file: Path | None,
    draws: int, permutations: int, seed: int, level: float, intersection: bool, paired_seeds: bool,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Compare methods on the same videos: differences with intervals and p-values, corrected for their number.

    FILES are scores tables (scores.csv), one for each method; give several seeds of a method with --entry. One table
    alone is shown with its intervals.
    """
    from osarbench.artifacts import storage
    from osarbench.commands import compare_text
    from osarbench.scores import table
    from osarbench.scores.statistics import paired, variance

    named = gather(files, entries)
    tables = {name: [[table.read(file) for file in views] for views in seeds] for name, seeds in named.items()}
    groups = find_groups(named, tables, groups_file) if resample == "group" else None
    comparison = paired.compare(
        tables, metrics=metrics or None, groups=groups, draws=draws, permutations=permutations, seed=seed,
        level=level, intersection=intersection, paired_seeds=paired_seeds,
    )  # fmt: skip
    parts = {
        name: variance.parts(its, metrics=comparison.metrics, groups=groups, draws=draws, seed=seed)
        for name, its in tables.items()
        if len(its) > 1 and len({len(views) for views in its}) == 1
    }
    click.echo(compare_text.render(comparison, parts, level=level, draws=draws))
    for first, second in _copies(named):
        click.echo(f"{first} and {second} are the same file, byte for byte. Was one meant to be another?")
    if json_file is not None:
        storage.write_text(json_file, compare_text.to_json(comparison, parts))


def gather(files: Sequence[Path], entries: Sequence[str]) -> Files:
    """Return the tables of each method, by seed and view.

    Raises:
        OsarbenchError: there are none, an entry is no NAME=FILE, a pattern matches nothing, or a name or a file is
            given twice.
    """
    pairs = [(_name(file), [[file]]) for file in files] + [_entry(text) for text in entries]
    if not pairs:
        raise OsarbenchError("There is nothing to compare. Name scores tables: osarbench compare A.csv B.csv")
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise OsarbenchError(
            f"Two entries have the name '{twice[0]}'. Say what to call them with --entry NAME=FILE. (All seeds of one "
            "method go into one entry: --entry NAME=FILE,FILE.)"
        )
    paths = Counter(file.resolve() for _, seeds in pairs for views in seeds for file in views)
    again = [path for path, count in paths.items() if count > 1]
    if again:
        raise OsarbenchError(f"{again[0]} is given twice. A table says nothing about itself; name each once.")
    return dict(pairs)


def find_groups(named: Files, tables: Mapping[str, Any], stated: Path | None) -> dict[str, str]:
    """Return video -> group: of a stated CSV file, else of the tables, else of the index.csv files of their runs.

    Raises:
        OsarbenchError: there is no such file, or it lacks the columns.
    """
    from osarbench.scores import table

    known = [table.groups(rows) for seeds in tables.values() for views in seeds for rows in views]
    if stated is None and known and all(found is not None for found in known):
        return {video: group for found in known for video, group in (found or {}).items()}
    paths = [file for seeds in named.values() for views in seeds for file in views]
    files = [stated] if stated else list(dict.fromkeys(index for file in paths for index in _index_of(file)))
    if not files:
        raise OsarbenchError(
            "Which clips share a source is not known: the tables have no column group, and no index.csv lies beside "
            "them. Name a CSV file with the columns video and group with --groups, or resample classes."
        )
    groups: dict[str, str] = {}
    for file in files:
        groups |= _read_groups(file)
    return groups


def _name(file: Path) -> str:
    """Return scores.csv's folder, or the file's name without its suffix."""
    stem = file.name.removesuffix(".gz").removesuffix(".csv")
    return file.resolve().parent.name if stem == "scores" else stem


def _entry(text: str) -> tuple[str, list[list[Path]]]:
    name, equals, listed = text.partition("=")
    if not (name and equals and listed):
        raise OsarbenchError(f"--entry {text} is not NAME=FILE[,FILE...], for example --entry dear=a.csv,b.csv")
    return name, [views for part in listed.split(",") for views in _seeds(part)]


def _seeds(part: str) -> Iterator[list[Path]]:
    """Yield the views of each seed that a part of an entry names: a pattern names several seeds."""
    if not has_magic(part):
        yield [Path(view) for view in part.split("+")]
        return
    found = sorted(glob(part, recursive=True))
    if not found:
        raise OsarbenchError(f"No file matches {part}.")
    yield from ([Path(file)] for file in found)


def _index_of(file: Path) -> list[Path]:
    return [index for folder in file.resolve().parents[:_LEVELS] if (index := folder / "index.csv").is_file()][:1]


def _read_groups(file: Path) -> dict[str, str]:
    import pandas as pd

    try:
        rows: pd.DataFrame = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise OsarbenchError(f"The groups in {file} cannot be read: {error}.") from error
    lacking = [column for column in ("video", "group") if column not in rows.columns]
    if lacking:
        raise OsarbenchError(
            f"{file} lacks the column{'s' * (len(lacking) > 1)} {' and '.join(lacking)}; it has "
            f"{', '.join(map(str, rows.columns))}. It must say for each video which group it belongs to."
        )
    return dict(zip(rows["video"], rows["group"], strict=True))


def _copies(named: Mapping[str, Sequence[Sequence[Path]]]) -> Iterator[tuple[Path, Path]]:
    """Yield pairs of files of equal content."""
    seen: dict[bytes, Path] = {}
    for seeds in named.values():
        for file in (file for views in seeds for file in views):
            first = seen.setdefault(file.read_bytes(), file)
            if first != file:
                yield first, file
