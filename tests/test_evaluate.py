"""`osarbench evaluate`: which settings it takes, and that it says every convention."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from osarbench.commands.scores import evaluate
from osarbench.errors import OsarbenchError
from osarbench.scores import metrics, table
from osarbench.scores.metrics.conventions import CONVENTIONS


def written(folder: Path, *, held_out: str = "calibration", unknown: str = "hmdb51/test1", label: str = "hug") -> Path:
    """A scores table of ten known and eight unknown videos, half of them of the class ``pullup``."""
    rows = []
    for role, source, names, count in (
        (held_out, "ucf101/train1", ("Biking", "Diving"), 20),
        ("known", "ucf101/test1", ("Biking", "Diving"), 10),
        ("unknown", unknown, ("pullup", label), 8),
    ):
        for position in range(count):
            uncertainty = (role == "unknown") + position / 10
            label_of = names[position % 2]
            predicted = "Biking" if role == "unknown" else label_of
            rows.append((f"{role}{position}", role, source, label_of, predicted, 0.5, uncertainty))
    file = folder / "scores.csv"
    table.write(pd.DataFrame(rows, columns=list(table.COLUMNS)), file)
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(evaluate, [str(its) for its in arguments])


def test_every_number_shown_has_its_convention(tmp_path: Path) -> None:
    shown = run(written(tmp_path)).stdout
    for column, key in (("closed accuracy", "closed_accuracy"), ("AUROC", "auroc"), ("AUPR", "aupr_unknown"),
                        ("FPR95", "fpr95_unknown_first"), ("OSCR", "oscr")):  # fmt: skip
        assert f"\n{column}: {CONVENTIONS[key]}\n" in shown
    assert "threshold: accepts 95 % of the calibration videos (rule 'quantile')" in shown


def test_a_threshold_can_be_learnt_from_training_videos(tmp_path: Path) -> None:
    file = written(tmp_path, held_out="train")
    assert "-: no such videos are in any table" in run(file).stdout
    numbers = json.loads(run(file, "--threshold-from", "train", "--json").stdout)[str(file)]
    ordered = np.arange(20) / 10
    assert numbers["thresholded"]["threshold"] == ordered[18]
    assert numbers["headline"]["transfer_gap"] == pytest.approx(1 - 0.95)


def test_a_table_of_a_run_is_evaluated_with_the_settings_of_the_run(tmp_path: Path) -> None:
    file = written(tmp_path)
    settings = {"quantile": 0.5, "contested": ["hug"]}  # as an older version wrote: fewer than there are
    (tmp_path / "metrics.json").write_text(json.dumps({"settings": settings}))
    numbers = json.loads(run(file, "--json").stdout)[str(file)]
    assert numbers == metrics.evaluate(table.read(file), quantile=0.5, contested=["hug"])


def test_unknown_classes_that_a_protocol_excludes_are_left_out_and_told(tmp_path: Path) -> None:
    result = run(written(tmp_path), "--protocol", "ucf101-hmdb51", "--json")
    (numbers,) = json.loads(result.stdout).values()
    assert numbers["headline"]["unknown"] == 4
    assert "4 videos of 1 unknown classes that the protocol 'ucf101-hmdb51' excludes are left out" in result.stderr


@pytest.mark.parametrize(
    ("unknown", "label", "protocol", "message"),
    [
        ("mit/validation", "hug", "ucf101-hmdb51", "The unknown videos are of mit, and in the protocol .* of hmdb51"),
        ("hmdb51/test1", "hug", "motion", "no known class of the protocol 'motion'|videos are of ucf101"),
        ("hmdb51/test1", "wav", "ucf12-hmdb20", "class .* is no unknown class .*ucf12-hmdb20.*"),
        ("hmdb51/test1", "hug", "ucf101-hmbd51", "Did you mean 'ucf101-hmdb51'"),
        ("hmdb51/test1", "Biking", "ucf101-hmdb51", "have the label of a known class: 'Biking'"),
    ],
)
def test_a_table_of_another_protocol_is_refused(
    tmp_path: Path, unknown: str, label: str, protocol: str, message: str
) -> None:
    file = written(tmp_path, unknown=unknown, label=label)
    raised = run(file, "--protocol", protocol).exception
    assert isinstance(raised, OsarbenchError)
    assert str(raised).startswith(str(file))
    assert re.search(message, str(raised))
