"""What notebooks call: scores tables in, numbers, comparisons and pages out. ``docs/python-api.md`` shows it at work.

Each function does what the command of its name does, and takes a table wherever the command takes a file.
"""

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from osarbench.scores import metrics, table
from osarbench.scores.metrics.result import Evaluation
from osarbench.scores.settings import settings_of
from osarbench.scores.statistics import paired
from osarbench.scores.statistics.align import Rule, Table
from osarbench.scores.statistics.paired import Comparison

#: A scores table, or the file that holds one.
Scores = pd.DataFrame | str | Path


def load_scores(file: str | Path, *, decimal: str = ".") -> pd.DataFrame:
    """Return the scores table in a ``.csv`` or ``.csv.gz`` file, one row a video.

    Args:
        file: a scores table of a run, of a leaderboard, or of your own.
        decimal: the decimal separator of numbers.

    Raises:
        OsarbenchError: the file is not there, is cut short, lacks a column or has text for a number.

    >>> import osarbench
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "scores.csv"
    >>> _ = file.write_text('''video,role,source,label,predicted,confidence,uncertainty
    ... run/1.avi,known,mine/test,run,run,0.9,0.1
    ... fly/1.avi,unknown,other/test,fly,run,0.4,0.7
    ... ''')
    >>> osarbench.load_scores(file)[["video", "role", "uncertainty"]]
           video     role  uncertainty
    0  run/1.avi    known          0.1
    1  fly/1.avi  unknown          0.7
    """
    return table.read(Path(file), decimal=decimal)


def evaluate(scores: Scores, *, protocol: str | Path | None = None, **settings: Any) -> Evaluation:
    """Return every metric of a scores table: no data, no weights, no GPU.

    Args:
        scores: a table with the columns video, role, source, label, predicted, confidence and uncertainty, or its
            file; a file of a run or a leaderboard is evaluated as its protocol says.
        protocol: evaluate as this protocol says (its name or file), without the unknown classes that it excludes.
        settings: of `osarbench.scores.metrics.evaluate`, such as ``quantile``; they take precedence.

    Raises:
        OsarbenchError: the table is not sound, or not of the protocol's classes; or there is no such protocol.

    >>> import osarbench
    >>> import pandas as pd
    >>> scores = pd.DataFrame({
    ...     "video": [f"{number}.avi" for number in range(8)],
    ...     "role": ["calibration", "calibration", "known", "known", "known", "unknown", "unknown", "unknown"],
    ...     "source": "mine/test",
    ...     "label": ["run", "sit", "run", "sit", "sit", "fly", "fly", "swim"],
    ...     "predicted": ["run", "sit", "run", "sit", "run", "run", "sit", "sit"],
    ...     "confidence": [0.9, 0.8, 0.9, 0.8, 0.5, 0.4, 0.6, 0.5],
    ...     "uncertainty": [0.1, 0.2, 0.1, 0.2, 0.5, 0.6, 0.4, 0.5],
    ... })
    >>> found = osarbench.evaluate(scores)
    >>> round(found.headline["auroc"], 3), round(found.headline["closed_accuracy"], 3)
    (0.833, 0.667)
    >>> "auroc" in found.conventions  # what exactly each number is
    True
    """
    stated: dict[str, Any] = {}
    rows = scores if isinstance(scores, pd.DataFrame) else table.read(Path(scores))
    if protocol is not None:
        rows, stated = _of_protocol(rows, str(protocol))
    elif not isinstance(scores, pd.DataFrame):
        stated = settings_of(Path(scores))
    return metrics.evaluate(rows, **(stated | settings))


def compare(tables: Mapping[str, Scores | Sequence[Scores]], **settings: Any) -> Comparison:
    """Compare methods on the same videos: differences with intervals, and p-values corrected for their number.

    Args:
        tables: name of a method -> its scores table or file, or a list of those of its seeds. The threshold of a file
            is learnt as its protocol says, that of a table as ``rule`` says.
        settings: of `osarbench.scores.statistics.paired.compare`, such as ``metrics``, ``groups``, ``draws`` and
            ``permutations``.

    Raises:
        OsarbenchError: the tables are not sound, or not of the same videos.

    >>> import osarbench
    >>> import numpy as np, pandas as pd
    >>> def scores(shift):
    ...     generator = np.random.default_rng(0)
    ...     unknown = np.arange(80) >= 40
    ...     return pd.DataFrame({
    ...         "video": [f"{number}.avi" for number in range(80)],
    ...         "role": np.where(unknown, "unknown", "known"),
    ...         "source": "mine/test",
    ...         "label": [f"{'unknown' if number >= 40 else 'known'} {number % 5}" for number in range(80)],
    ...         "predicted": "known 0",
    ...         "confidence": 0.5,
    ...         "uncertainty": generator.random(80) + shift * unknown,
    ...     })
    >>> found = osarbench.compare({"good": scores(0.9), "chance": scores(0)}, metrics=["auroc"], draws=200)
    >>> [pair] = found.pairs
    >>> pair.first, pair.second, pair.difference.value > 0.3, pair.p_holm < 0.05
    ('good', 'chance', True, True)
    """
    named = {
        name: [_table(each) for each in ([its] if isinstance(its, pd.DataFrame | str | Path) else its)]
        for name, its in tables.items()
    }
    return paired.compare(named, **settings)


def report(
    results: Mapping[str, pd.DataFrame] | Sequence[str | Path], output: str | Path, *, data: Path | None = None
) -> Path:
    """Write a page on some results, one HTML file that needs nothing else, and return its path.

    Args:
        results: scores tables by name; or files, methods' folders of a run, or folders above them.
        output: the page to write.
        data: the folder of the data sets, for pictures of videos.

    Raises:
        OsarbenchError: a path holds no scores table, or a table is not sound.

    >>> import osarbench
    >>> osarbench.report([], "page.html")
    Traceback (most recent call last):
    osarbench.errors.OsarbenchError: There is nothing to report on. Name scores tables, or folders of runs.
    """
    from osarbench.artifacts import storage
    from osarbench.data import locations
    from osarbench.errors import OsarbenchError
    from osarbench.reports import build, page
    from osarbench.reports import results as found

    if not results:
        raise OsarbenchError("There is nothing to report on. Name scores tables, or folders of runs.")
    if isinstance(results, Mapping):
        gathered = [found.result_of(name, rows) for name, rows in results.items()]
    else:
        gathered = found.gather([Path(path) for path in results])
    storage.write_text(Path(output), page.render(build.assemble(gathered, locations.find(data=data))))
    return Path(output)


def run_methods(
    methods: str | Sequence[str],
    *,
    backbone: str = "tsm",
    protocol: str | Path = "motion",
    runs: str | Path = "runs",
    data: Path | None = None,
    cache: Path | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Train, score and evaluate methods as `osarbench run` does, and return their numbers, a row a training and method.

    What an earlier run has made is reused, whoever started it. (The name ``osarbench.run`` is that of a package.)

    Args:
        methods: a name, or several; those that share a head share a training.
        backbone: its name.
        protocol: its name or file.
        runs: the folder that results are written to.
        data: the folder of the data sets.
        cache: the folder of what is decoded.
        options: fields of `osarbench.run.config.RunConfig`, such as ``seeds=(0, 1, 2)``, ``device`` or ``settings``.

    Returns:
        The columns ``method``, ``seed``, ``draw``, ``folder`` and the headline metrics, as shares.

    Raises:
        OsarbenchError: whatever the user can mend; the first method that fails ends the run.

    >>> import osarbench
    >>> osarbench.run_methods("denn")
    Traceback (most recent call last):
    osarbench.errors.OsarbenchError: There is no method 'denn'. Did you mean 'dnn'? ...
    """
    from osarbench.data import locations
    from osarbench.run.config import RunConfig
    from osarbench.run.run import run

    config = RunConfig(
        protocol=str(protocol),
        backbone=backbone,
        methods=(methods,) if isinstance(methods, str) else tuple(methods),
        locations=locations.find(data=data, cache=cache),
        runs=Path(runs),
        **options,
    )
    return pd.DataFrame(
        [
            {"method": entry.method, "seed": entry.seed, "draw": entry.draw, "folder": entry.folder,
             **entry.metrics["headline"]}
            for entry in run(config)
        ]
    )  # fmt: skip


def results(runs: str | Path = "runs") -> pd.DataFrame:
    """Return all results of a folder of runs, a row each: what was run, its numbers, its seconds, and what is stale.

    Metrics are shares, not percent.

    Args:
        runs: the folder that `osarbench run` writes to.

    Raises:
        OsarbenchError: there is no such folder, or no scores table is in it.

    >>> import osarbench
    >>> osarbench.results("no-such-folder")
    Traceback (most recent call last):
    osarbench.errors.OsarbenchError: There is no folder no-such-folder. Name the folder of the runs: ...
    """
    from osarbench.reports.overview import overview

    return pd.DataFrame([row.as_dict() for row in overview(Path(runs))])


def _table(scores: Scores) -> pd.DataFrame | Table:
    if isinstance(scores, pd.DataFrame):
        return scores
    stated = settings_of(Path(scores))
    keys = {"quantile": "quantile", "source": "threshold_from", "kind": "threshold_rule"}
    rule = Rule(**{name: stated[key] for name, key in keys.items() if key in stated})
    return Table(partial(table.read, Path(scores)), rule)


def _of_protocol(rows: pd.DataFrame, name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the rows without the unknown classes that a protocol excludes, and its settings."""
    from osarbench.audits import overlap
    from osarbench.protocols import protocol as protocols

    protocol = protocols.read(name)
    kept, excluded = overlap.without_excluded(rows, protocol)
    if len(excluded):
        warnings.warn(
            f"{len(excluded):,} videos of classes that the protocol '{protocol.name}' excludes are left out.",
            stacklevel=3,
        )
    return kept, metrics.settings_of(protocol)
