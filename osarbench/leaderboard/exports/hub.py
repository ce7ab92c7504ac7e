"""Boards for the Hugging Face Hub: ``eval.yaml`` of a benchmark's data set, ``.eval_results`` of each model.

The format is that of https://huggingface.co/docs/hub/eval-results (2026). Texts are quoted as in JSON, which YAML is a
superset of.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from osarbench.errors import OsarbenchError
from osarbench.leaderboard.exports.board import Standing
from osarbench.leaderboard.pages import RANKED_BY
from osarbench.scores.metrics.registry import find

FRAMEWORK = "osarbench"


def to_hub(rows: Sequence[Standing], dataset: str | None) -> dict[PurePosixPath, str]:
    """Return the files by path: ``eval.yaml``, and a folder a model with its results, a task a protocol.

    Args:
        rows: of all boards.
        dataset: the Hub's data set that is, or will be, the benchmark, as ``owner/name``.

    Raises:
        OsarbenchError: no data set is named, or not as the Hub does.
    """
    if dataset is None or dataset.count("/") != 1 or not all(dataset.split("/")):
        raise OsarbenchError(
            f"A result on the Hub belongs to a data set there, and {dataset or 'none'} is named. Say which with "
            "--hub-dataset OWNER/NAME; its repository takes eval.yaml."
        )
    files = {PurePosixPath("eval.yaml"): _benchmark(rows)}
    for row in rows:
        folder = PurePosixPath("models", f"{row.backbone}-{row.method}{'' if row.tier == 'run' else f'-{row.tier}'}")
        files[folder / ".eval_results" / f"{row.protocol.name}.yaml"] = _result(row, dataset)
    return files


def _benchmark(rows: Sequence[Standing]) -> str:
    protocols = {row.protocol.name: row.protocol for row in rows}
    metric = find(RANKED_BY)
    described = (
        f"Open-set action recognition: known actions are classified, unknown ones rejected. Value: {metric.label} in "
        f"percent ({metric.convention}), mean over seeds. "
        + " ".join(f"{name}: {protocol.sections.title}." for name, protocol in protocols.items())
    )
    tasks = "".join(f"  - id: {_text(name)}\n    config: default\n    split: test\n" for name in protocols)
    return (
        f"name: {_text('Open-set action recognition (osarbench)')}\ndescription: {_text(described)}\n"
        f"evaluation_framework: {FRAMEWORK}\n\ntasks:\n{tasks}"
    )


def _result(row: Standing, dataset: str) -> str:
    value, spread = row.mean(RANKED_BY), row.spread(RANKED_BY)
    assert value is not None, "an entry has known and unknown videos"
    deviation = "" if spread is None else f", standard deviation {100 * spread:.2f}"
    seeds = f"{len(row.seeds)} seed{'s' * (len(row.seeds) > 1)}{deviation}"
    lines: Mapping[str, str] = {
        "value": f"{100 * value:.2f}",
        "date": _text(max(str(one.entry.facts.get("made", "")) for one in row.seeds)),
        "evaluation_framework": FRAMEWORK,
        "notes": _text(
            f"{find(RANKED_BY).label} in percent; {row.method} on {row.backbone}; {seeds}; evidence: {row.tier}; "
            f"protocol sha256 {row.protocol.sha256[:12]}"
        ),
    }
    stated = "".join(f"  {key}: {text}\n" for key, text in lines.items() if text != '""')
    return f"- dataset:\n    id: {_text(dataset)}\n    task_id: {_text(row.protocol.name)}\n{stated}"


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
