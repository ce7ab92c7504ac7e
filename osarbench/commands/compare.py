"""`osarbench compare`: do methods differ, on the same videos?"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from glob import glob, has_magic
from pathlib import Path
from typing import TYPE_CHECKING

import click

from osarbench.commands.options import DECIMAL, FILE
from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    from osarbench.scores.statistics.align import Rule

Files = dict[str, list[list[Path]]]  #: method -> seeds -> views

#: How many folders above a run's scores table its index.csv is at most.
_LEVELS = 3
#: Swaps of the permutation test; the least p-value is one of them and one more.
SWAPS = 2000
#: With more pairs than this, Holm's correction of the least p-value is above 0.05: swaps could find nothing.
_PAIRS = 100


@click.command()
@click.argument("files", nargs=-1, type=FILE)
@click.option("--entry", "entries", multiple=True, metavar="NAME=FILE[,FILE...]",
              help="A method with the tables of its seeds, or a pattern: 'dear=runs/*/dear/scores.csv'. Tables of "
              "single views of one seed are joined by +.")  # fmt: skip
@click.option("--metric", "metrics", multiple=True, metavar="NAME",
              help="Compare this metric; may be repeated. `osarbench list metrics` shows all. Default: the usual "
              "ones.")  # fmt: skip
@click.option("--protocol", metavar="NAME|FILE.toml",
              help="Learn thresholds as it says.  [what each run or entry states]")  # fmt: skip
@click.option("--threshold-from", type=click.Choice(["calibration", "train"]),
              help="Learn thresholds from held-out or from training videos.  [calibration]")  # fmt: skip
@click.option("--threshold-rule", type=click.Choice(["quantile", "dear"]), help="How they are learnt.  [quantile]")
@click.option("--resample", type=click.Choice(["class", "group"]), default="class", show_default=True,
              help="What is drawn anew: classes (would it be so with other classes?) or the sources of clips within "
              "them (with other videos of these classes?).")  # fmt: skip
@click.option("--groups", "groups_file", type=FILE,
              help="A CSV file with the columns video and group. Default: the tables' own column, or the index.csv of "
              "the run.")  # fmt: skip
@click.option("--draws", default=2000, show_default=True, help="Bootstrap replicates.")
@click.option("--permutations", type=click.IntRange(min=0), show_default=f"{SWAPS}, 0 for more than {_PAIRS} pairs",
              help="Swaps of the permutation test; 0: none.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Of the draws and swaps.")
@click.option("--level", default=0.95, show_default=True, help="Of the intervals.")
@click.option("--intersection", is_flag=True, help="Compare on the videos that all tables have.")
@click.option("--paired-seeds", is_flag=True, help="Seed i of all methods shares one trained network.")
@DECIMAL
@click.option("--json", "json_file", type=FILE, help="Write every number to this file.")
def compare(
    files: Sequence[Path], entries: Sequence[str], metrics: Sequence[str], protocol: str | None,
    threshold_from: str | None, threshold_rule: str | None, resample: str, groups_file: Path | None,
    draws: int, permutations: int | None, seed: int, level: float, intersection: bool, paired_seeds: bool,
    decimal: str, json_file: Path | None,
) -> None:  # fmt: skip
    """Compare methods on the same videos: differences with intervals and p-values, corrected for their number.

    FILES are scores tables (scores.csv), one for each method; give several seeds of a method with --entry. One table
    alone is shown with its intervals.
    """
    from osarbench.artifacts import storage
    from osarbench.commands import compare_text
    from osarbench.scores import table
    from osarbench.scores.statistics import paired, variance
    from osarbench.scores.statistics.align import Table

    named = gather(files, entries)
    rules, notes = thresholds(named, protocol, threshold_from, threshold_rule, decimal)
    tables = {
        name: [[Table(partial(table.read, file, decimal=decimal), rules[file]) for file in views] for views in seeds]
        for name, seeds in named.items()
    }
    groups = find_groups(named, groups_file, decimal) if resample == "group" else None
    if permutations is None:
        permutations = SWAPS if len(tables) * (len(tables) - 1) // 2 <= _PAIRS else 0
        if not permutations:
            notes.append(
                f"There is no permutation test: after the correction for more than {_PAIRS} pairs, {SWAPS:,} swaps "
                "could find no difference. Give --permutations a larger number to have it."
            )
    comparison = paired.compare(
        tables, metrics=metrics or None, groups=groups, draws=draws, permutations=permutations, seed=seed,
        level=level, intersection=intersection, paired_seeds=paired_seeds,
    )  # fmt: skip
    comparison = comparison._replace(notes=(*comparison.notes, *notes))
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


def thresholds(
    named: Files, protocol: str | None, threshold_from: str | None, threshold_rule: str | None, decimal: str = "."
) -> "tuple[dict[Path, Rule], list[str]]":
    """Return how the threshold of each table is learnt, and sentences about what is not alike.

    Args:
        named: the tables.
        protocol: whose rule all are to follow (default: what the run or entry of each table states).
        threshold_from: the role to learn from, whatever is stated. Where nothing is, training rows serve a table that
            has no calibration rows.
        threshold_rule: the rule, whatever is stated.
        decimal: what stands before the decimals of numbers.

    Raises:
        OsarbenchError: there is no such protocol, or what a table states of itself is damaged.
    """
    from osarbench.scores import metrics, settings, table
    from osarbench.scores.statistics.align import DEFAULT_RULE, Rule, some

    files = [file for seeds in named.values() for views in seeds for file in views]
    facts = {file: settings.facts_of(file) if file.is_file() else {} for file in files}
    if protocol is not None:
        from osarbench.protocols import protocol as protocols

        stated = dict.fromkeys(files, metrics.settings_of(protocols.read(protocol)))
    else:
        stated = {file: settings.settings_of(file, its) if file.is_file() else {} for file, its in facts.items()}
    rules, from_training = {}, []
    for file, its in stated.items():
        source = threshold_from or its.get("threshold_from")
        if (
            source is None
            and file.is_file()
            and "calibration" not in (roles := set(table.read(file, decimal=decimal)["role"]))
        ):
            source = "train" if "train" in roles else None
            from_training += [file.name] if source else []
        rules[file] = Rule(
            its.get("quantile", DEFAULT_RULE.quantile),
            source or DEFAULT_RULE.source,
            threshold_rule or its.get("threshold_rule", DEFAULT_RULE.kind),
        )
    notes = []
    if from_training:
        notes.append(f"The thresholds of {some(from_training)} are learnt from training videos: there are no others.")
    protocols_of = {file: (its.get("protocol") or {}).get("name") for file, its in facts.items()}
    if len(found := {name for name in protocols_of.values() if name is not None}) > 1:
        notes.append(f"The tables belong to different protocols: {some(sorted(found))}.")
    return rules, notes


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


def find_groups(named: Files, stated: Path | None, decimal: str = ".") -> dict[str, str]:
    """Return video -> group: of a stated CSV file, else of the tables, else of the index.csv files of their runs.

    Raises:
        OsarbenchError: there is no such file, or it lacks the columns.
    """
    from osarbench.scores import table

    paths = [file for seeds in named.values() for views in seeds for file in views]
    known = [table.groups(table.read(file, decimal=decimal)) for file in paths] if stated is None else []
    if known and all(found is not None for found in known):
        return {video: group for found in known for video, group in (found or {}).items()}
    files = [stated] if stated else list(dict.fromkeys(index for file in paths for index in _index_of(file)))
    if not files:
        raise OsarbenchError(
            "Which clips share a source is not known: the tables have no column group, and no index.csv is near "
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
