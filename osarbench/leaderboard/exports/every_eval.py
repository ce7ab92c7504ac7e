"""Boards for Every Eval Ever: an aggregate file an entry, and a line a test video beside it (schema 0.3.0).

https://github.com/evaleval/every_eval_ever; files are named and laid out as its validator wants them.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from osarbench import __version__
from osarbench.leaderboard.exports.board import Scored
from osarbench.scores import metrics
from osarbench.scores.metrics.registry import of_block

SCHEMA = "0.3.0"
DEVELOPER = "osarbench"
UNKNOWN = "unknown"


def to_every_eval(one: Scored) -> dict[PurePosixPath, str]:
    """Return the two files of an entry by path. What they say depends on the entry alone, its identifiers too."""
    facts, rows = one.entry.facts, one.entry.rows()
    name = f"{one.entry.backbone}-{one.entry.method}"
    origin = f"{one.protocol.sha256}/{name}/{one.entry.tier}/{one.entry.seed}/{facts.get('table_sha256')}"
    # of the form of a random one, which the schema asks for, but the same each time
    identifier = uuid.UUID(bytes=hashlib.sha256(origin.encode()).digest()[:16], version=4)
    folder = PurePosixPath("data", f"osarbench-{one.protocol.name}", DEVELOPER, name)
    made = str(int(_made(facts).timestamp()))
    evaluation = f"osarbench-{one.protocol.name}/{DEVELOPER}/{name}/{made}"
    samples = folder / f"{identifier}_samples.jsonl"
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in _samples(one, rows, evaluation, name))
    aggregate = {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation,
        "evaluation_timestamp": str(facts.get("made", "")),
        "retrieved_timestamp": made,
        "source_metadata": {
            "source_name": "osarbench",
            "source_type": "evaluation_run",
            "source_organization_name": "osarbench",
            "evaluator_relationship": "other" if one.entry.tier == "run" else "third_party",
            "additional_details": {"evidence": one.entry.tier},
        },
        "eval_library": {"name": "osarbench", "version": str(facts.get("osarbench", __version__))},
        "model_info": {
            "name": f"{one.entry.method} on {one.entry.backbone}",
            "id": f"{DEVELOPER}/{name}",
            "developer": DEVELOPER,
            "additional_details": {
                "deployment_type": "self_deployed", "model_availability": UNKNOWN, "seed": str(one.entry.seed),
                "settings": json.dumps(facts.get("settings", {}), sort_keys=True),
            },
        },
        "evaluation_results": list(_results(one, str(facts.get("made", "")))),
        "detailed_evaluation_results": {
            "format": "jsonl", "file_path": str(samples), "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(lines.encode()).hexdigest(), "total_rows": lines.count("\n"),
        },
    }  # fmt: skip
    return {folder / f"{identifier}.json": json.dumps(aggregate, indent=1, ensure_ascii=False) + "\n", samples: lines}


def _made(facts: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(str(facts.get("made", "1970-01-01T00:00:00+00:00")))


def _results(one: Scored, made: str) -> Iterator[dict[str, Any]]:
    """Yield every number of the headline that is better one way."""
    for metric in of_block("videos"):
        value = one.numbers.get(metric.name)
        if value is None or metric.direction == "none":
            continue
        yield {
            "evaluation_result_id": metric.name,
            "evaluation_name": one.protocol.name,
            "source_data": {
                "dataset_name": one.protocol.sections.title,
                "source_type": "other",
                "additional_details": {"protocol_sha256": one.protocol.sha256},
            },
            "evaluation_timestamp": made,
            "metric_config": {
                "evaluation_description": metric.convention,
                "metric_id": f"osarbench.{metric.name}",
                "metric_name": metric.label,
                "metric_unit": "proportion",
                "lower_is_better": metric.direction == "lower",
                "score_type": "continuous",
                "min_score": 0.0,
                "max_score": 1.0,
            },
            "score_details": {"score": float(value)},
        }


def _samples(one: Scored, rows: pd.DataFrame, evaluation: str, name: str) -> Iterator[dict[str, Any]]:
    """Yield a line for each test video: the open-set decision at the protocol's threshold, and the uncertainty."""
    stated = metrics.settings_of(one.protocol)
    threshold = metrics.evaluate(rows, **stated).thresholded.threshold
    tested = rows[rows["role"].isin(["known", "unknown"])]
    columns = ("source", "video", "role", "label", "predicted")
    texts = zip(*(map(str, tested[name]) for name in columns), strict=True)
    for (source, video, role, label, predicted), score in zip(texts, map(float, tested["uncertainty"]), strict=True):
        rejected = threshold is not None and score > threshold
        truth, decision = (label if role == "known" else UNKNOWN), (UNKNOWN if rejected else predicted)
        raw = f"{source}/{video}"
        yield {
            "schema_version": SCHEMA,
            "evaluation_id": evaluation,
            "model_id": f"{DEVELOPER}/{name}",
            "evaluation_name": one.protocol.name,
            "sample_id": raw,
            "sample_hash": hashlib.sha256(f"{raw}{truth}".encode()).hexdigest(),
            "interaction_type": "single_turn",
            "input": {"raw": raw, "reference": [truth]},
            "output": {"raw": [decision]},
            "answer_attribution": [
                {
                    "turn_idx": 0, "source": "output.raw", "extracted_value": decision, "extraction_method": "custom",
                    "is_terminal": True,
                }
            ],
            "evaluation": {"score": score, "is_correct": decision == truth},
            "metadata": {
                "label": label, "role": role, "predicted": predicted,
                "score": "uncertainty, higher: more likely unknown",
            },
        }  # fmt: skip
