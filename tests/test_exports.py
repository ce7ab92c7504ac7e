"""Boards in the formats of others, held to what their own validators and schemas say."""

import json
import warnings
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from huggingface_hub import parse_eval_result_entries

from osarbench.cli import cli
from osarbench.errors import OsarbenchError
from osarbench.leaderboard import entries
from osarbench.leaderboard.exports import board, tabular, writing
from osarbench.protocols import protocol as protocols
from osarbench.scores import metrics

SCHEMAS = Path(__file__).parent / "schemas"  # of Every Eval Ever 0.3.0, MIT licence, as published
UNCERTAIN = {"energy": (0.1, 0.9), "msp_like": (0.3, 0.6)}


def rows(known: float, unknown: float, seed: int) -> pd.DataFrame:
    """A table of the protocol motion: some videos of each role, the last of each side on the wrong side."""
    protocol = protocols.read("motion").sections
    lines = []
    for role, source, uncertainty in (
        ("calibration", f"{protocol.known.dataset}/{protocol.known.train[0]}", known),
        *(("known", f"{protocol.known.dataset}/{split}", known) for split in protocol.known.test),
        *(("unknown", f"{one.dataset}/{split}", unknown) for one in protocol.unknown for split in one.splits),
    ):
        for number in range(10):
            name, wrong = f"{role}/{source}/{number}.avi", number >= 9 - seed
            label = "fly" if role == "unknown" else ("run", "sit")[number % 2]
            shift = 0.7 * (known < unknown) * (1 if role == "known" else -1) if wrong and role != "calibration" else 0
            lines.append(
                [name, role, source, label, ("run", "sit")[number % 2], 0.9, uncertainty + number / 1000 + shift]
            )
    columns = ["video", "role", "source", "label", "predicted", "confidence", "uncertainty"]
    return pd.DataFrame(lines, columns=columns)


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boards")
    protocol = protocols.read("motion")
    for method, (known, unknown) in UNCERTAIN.items():
        for seed in (0, 1):
            facts = {
                "protocol": {"name": protocol.name, "sha256": protocol.sha256}, "backbone": "tsm", "method": method,
                "seed": seed, "tier": "run", "osarbench": "0.1.0", "made": "2026-11-21T08:04:42+00:00", "settings": {},
            }  # fmt: skip
            entries.publish(rows(known, unknown, seed), facts, folder)
    return folder


def exported(boards: Path, form: str, into: Path, **more: Any) -> dict[str, str]:
    return {
        file.relative_to(into).as_posix(): file.read_text(encoding="utf-8")
        for file in writing.write(boards, form, into, **more)
    }


def test_csv_has_a_row_an_entry_with_the_numbers_of_its_evaluation(boards: Path, tmp_path: Path) -> None:
    exported(boards, "csv", tmp_path)
    found = pd.read_csv(tmp_path / "leaderboards.csv")
    assert found[["backbone", "method", "seed"]].to_numpy().tolist() == [
        ["tsm", "energy", 0], ["tsm", "energy", 1], ["tsm", "msp_like", 0], ["tsm", "msp_like", 1]
    ]  # fmt: skip
    expected = metrics.headline(rows(0.1, 0.9, 1), board.settings_of(protocols.read("motion")))
    assert found.loc[1, "auroc"] == expected["auroc"]
    assert found.loc[1, "fpr95_unknown_first"] == expected["fpr95_unknown_first"]


def test_hub_files_are_what_the_hub_reads(boards: Path, tmp_path: Path) -> None:
    files = exported(boards, "hf", tmp_path, hub_dataset="lab/open-set-actions")
    benchmark = yaml.safe_load(files["eval.yaml"])
    assert set(benchmark) == {"name", "description", "evaluation_framework", "tasks"}
    assert benchmark["tasks"] == [{"id": "motion", "config": "default", "split": "test"}]
    read = yaml.safe_load(files["models/tsm-energy/.eval_results/motion.yaml"])
    (entry,) = parse_eval_result_entries(read)
    assert (entry.dataset_id, entry.task_id, entry.date) == (
        "lab/open-set-actions",
        "motion",
        "2026-11-21T08:04:42+00:00",
    )
    (energy,) = (one for one in board.standings(board.scored(boards)) if one.method == "energy")
    assert entry.value == round(100 * float(energy.mean("auroc") or 0), 2)
    assert entry.notes is not None
    assert "2 seeds" in entry.notes


@pytest.mark.parametrize("named", [None, "open-set-actions", "lab/", "a/b/c"])
def test_a_result_on_the_hub_needs_a_data_set_there(boards: Path, tmp_path: Path, named: str | None) -> None:
    with pytest.raises(OsarbenchError, match="--hub-dataset OWNER/NAME"):
        writing.write(boards, "hf", tmp_path, hub_dataset=named)
    assert list(tmp_path.iterdir()) == []


def test_every_eval_ever_files_keep_its_schemas_and_belong_together(boards: Path, tmp_path: Path) -> None:
    files = exported(boards, "eee", tmp_path)
    aggregates = {path: json.loads(text) for path, text in files.items() if path.endswith(".json")}
    assert len(aggregates) == 4
    whole, single = (
        jsonschema.Draft7Validator(json.loads((SCHEMAS / f"every_eval_ever_{name}.json").read_text()))
        for name in ("eval", "instance_level_eval")
    )
    for path, aggregate in aggregates.items():
        whole.validate(aggregate)
        samples = aggregate["detailed_evaluation_results"]
        assert samples["file_path"] == path.removesuffix(".json") + "_samples.jsonl"
        lines = [json.loads(line) for line in files[samples["file_path"]].splitlines()]
        assert samples["total_rows"] == len(lines)
        for line in lines:
            single.validate(line)
            assert line["evaluation_id"] == aggregate["evaluation_id"]
            assert line["model_id"] == aggregate["model_info"]["id"]


def test_decisions_of_videos_are_those_of_the_threshold(boards: Path, tmp_path: Path) -> None:
    files = exported(boards, "eee", tmp_path)
    (aggregate,) = (
        one
        for path, text in files.items()
        if "energy" in path and path.endswith(".json")
        if (one := json.loads(text))["model_info"]["additional_details"]["seed"] == "0"
    )
    lines = [json.loads(line) for line in files[aggregate["detailed_evaluation_results"]["file_path"]].splitlines()]
    rejected = [line["metadata"]["role"] for line in lines if line["output"]["raw"] == ["unknown"]]
    assert rejected.count("known") == 2  # one in each split looks new
    assert rejected.count("unknown") == 20
    assert sum(not line["evaluation"]["is_correct"] for line in lines) == 2


def test_the_same_board_gives_the_same_bytes(boards: Path, tmp_path: Path) -> None:
    assert exported(boards, "eee", tmp_path / "a") == exported(boards, "eee", tmp_path / "b")


def test_croissant_is_read_by_its_own_library(boards: Path, tmp_path: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    files = exported(boards, "croissant", tmp_path)
    assert set(files) == {"motion/motion.toml", "motion/videos.csv", "motion/croissant.json"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mlcroissant.Dataset(tmp_path / "motion" / "croissant.json")
        assert dataset.metadata.ctx.issues.errors == set()
        records = list(dataset.records("videos"))
    expected = rows(0.1, 0.9, 0)
    assert len(records) == int(expected["role"].isin(["known", "unknown"]).sum())
    assert set(records[0]) == {"videos/role", "videos/source", "videos/video", "videos/label"}


def test_latex_marks_the_best_and_the_next_as_printed() -> None:
    assert tabular._marked([0.9, 0.8, 0.7], 1) == ["best", "next", ""]
    assert tabular._marked([0.9, 0.8, 0.7], -1) == ["", "next", "best"]
    assert tabular._marked([0.90004, 0.89996, 0.7], 1) == ["best", "best", ""]  # 90.0 each: none is next
    assert tabular._marked([0.9, 0.8, 0.8], 1) == ["best", "next", "next"]
    assert tabular._marked([None, 0.8, 0.7], 1) == ["", "best", "next"]
    assert tabular._marked([0.9], 1) == [""]
    assert tabular._marked([0.9, 0.8], 0) == ["", ""]


def test_latex_has_a_table_a_backbone_with_escaped_names(boards: Path, tmp_path: Path) -> None:
    text = exported(boards, "latex", tmp_path)["leaderboards.tex"]
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert r"msp\_like & 2 & " in text
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.count(" & ") for line in lines}) == 1


def test_the_command_says_where_it_wrote(boards: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["leaderboard", str(boards), "--export", "csv", "-o", str(tmp_path)])
    assert done.exit_code == 0
    assert done.output.strip() == str(tmp_path / "leaderboards.csv")


def test_a_folder_without_entries_is_named(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="holds no entries to export"):
        writing.write(tmp_path, "csv", tmp_path)
