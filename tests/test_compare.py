"""`osarbench compare`: what a user gives, and what he is told."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from osarbench.commands.compare import compare, find_groups, gather
from osarbench.errors import OsarbenchError
from osarbench.protocols import protocol as protocols
from osarbench.scores import metrics, table

CLASSES, UNKNOWN, EACH = 14, 12, 6


def write(
    file: Path,
    *,
    seed: int = 0,
    shift: float = 1.5,
    held_out: str | None = None,
    facts: dict[str, object] | None = None,
) -> Path:  # fmt: skip
    """Write a scores table of 14 known and 12 unknown classes; the videos are the same for every seed."""
    generator = np.random.default_rng(seed)
    number = np.arange((CLASSES + UNKNOWN) * EACH)
    known = number < CLASSES * EACH
    labels = [f"class {n // EACH:02d}" for n in number]
    rows = pd.DataFrame(
        {
            "video": [f"v_{n:03d}.avi" for n in number],
            "role": np.where(known, "known", "unknown"),
            "source": "made/test",
            "label": labels,
            "predicted": np.where(known & (generator.random(len(number)) < 0.9), labels, "class 00"),
            "confidence": 0.5,
            "uncertainty": generator.normal(size=len(number)) + np.where(known, 0, shift),
        }
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    if held_out:
        rows = pd.concat([rows, rows.head(40).assign(role=held_out, source="made/train")], ignore_index=True)
    table.write(rows, file, facts=facts)
    return file


def call(*arguments: str | Path, draws: int = 200) -> str:
    """Return what the command prints; an error of the user's is raised."""
    stated = [str(argument) for argument in arguments]
    result = CliRunner().invoke(compare, [*stated, "--draws", str(draws), "--permutations", "50"])
    if result.exception:
        raise result.exception
    return result.output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_two_tables_are_compared_by_the_names_of_their_folders(folder: Path) -> None:
    shown = call(write(folder / "dear/scores.csv"), write(folder / "dnn/scores.csv.gz", seed=1, shift=0.5))
    assert "84 known and 72 unknown videos" in shown
    assert "Resampled: the 14 known and 12 unknown classes, each with all its videos." in shown
    assert "dear - dnn" in shown
    assert "AUROC by DeLong" in shown
    assert "One seed of dear, dnn" in shown


def test_numbers_are_points_and_those_of_evaluate(folder: Path) -> None:
    files = [write(folder / f"{name}.csv", seed=seed) for seed, name in enumerate("ab")]
    values = [100 * metrics.evaluate(table.read(file))["headline"]["auroc"] for file in files]
    shown = call(*files, "--metric", "auroc")
    assert all(f"{value:.2f} [" in shown for value in values)
    assert f"{values[0] - values[1]:+.2f} [" in shown


def test_one_table_alone_is_told_with_its_intervals(folder: Path) -> None:
    shown = call(write(folder / "dear.csv"))
    assert "dear" in shown
    assert "difference" not in shown


def test_seeds_by_list_and_by_pattern(folder: Path) -> None:
    for seed in range(3):
        write(folder / f"runs/{seed}/dear/scores.csv", seed=seed, shift=1 + 0.4 * seed)
        write(folder / f"b{seed}.csv", seed=10 + seed)
    shown = call("--entry", "dear=runs/*/dear/scores.csv", "--entry", "dnn=b0.csv,b1.csv", "--metric", "auroc")
    assert gather([], ["dear=runs/*/dear/scores.csv"]) == {
        "dear": [[Path(f"runs/{seed}/dear/scores.csv")] for seed in range(3)]
    }
    assert "mean ± std" in shown
    assert "view: not to be told from these tables" in shown
    assert "seeds are resampled too" in shown


def test_views_of_a_seed_are_joined_by_plus(folder: Path) -> None:
    for name in ("a1", "a2", "b1", "b2"):
        write(folder / f"{name}.csv", seed=ord(name[0]) + int(name[1]))
    assert gather([], ["m=a1.csv+a2.csv,b1.csv+b2.csv"])["m"][1] == [Path("b1.csv"), Path("b2.csv")]
    shown = call("--entry", "m=a1.csv+a2.csv,b1.csv+b2.csv", "--metric", "auroc", "--json", "numbers.json")
    assert "view: not to be told" not in shown
    assert json.loads(Path("numbers.json").read_text())["variance"]["m"]["auroc"]["view"] is not None


def test_every_number_is_in_the_json_file(folder: Path) -> None:
    files = [write(folder / f"{name}.csv", seed=seed, shift=1 + seed) for seed, name in enumerate("abc")]
    call(*files, "--json", folder / "numbers.json")
    numbers = json.loads((folder / "numbers.json").read_text())
    pair = numbers["pairs"][0]
    assert len(numbers["pairs"]) == 3 * 5
    assert pair["difference"]["low"] <= pair["difference"]["value"] <= pair["difference"]["high"]
    assert pair["p"] <= pair["p_holm"]
    assert 1 / 51 <= pair["permutation_p"] <= pair["permutation_p_holm"]
    assert pair["delong"]["se"] > 0
    assert set(numbers["ranks"]["auroc"]) == {"a", "b", "c"}


def test_groups_come_from_the_index_of_the_run(folder: Path) -> None:
    files = [write(folder / f"run/dnn-0/{name}/scores.csv", seed=seed) for seed, name in enumerate("ab")]
    rows = table.read(files[0])
    pd.DataFrame({"video": rows["video"], "group": [f"g{n // 2}" for n in range(len(rows))]}).to_csv("run/index.csv")
    shown = call(*files, "--resample", "group")
    assert "Resampled: the 42 known and 36 unknown sources of clips, within their classes." in shown
    assert "42 known" in call(*files, "--resample", "group", "--groups", folder / "run/index.csv")


@pytest.mark.parametrize(
    ("files", "entries", "message"),
    [
        ([], [], "There is nothing to compare"),
        (["a.csv", "a.csv"], [], "Two entries have the name 'a'"),
        (["a.csv"], ["b=a.csv"], "a.csv is given twice"),
        ([], ["m=a.csv,./a.csv"], "a.csv is given twice"),
        ([], ["a.csv"], "--entry a.csv is not NAME=FILE"),
        ([], ["m=nothing*.csv"], "No file matches nothing*.csv"),
    ],
)
def test_what_cannot_be_compared_is_said(
    folder: Path, files: Sequence[str], entries: Sequence[str], message: str
) -> None:
    write(folder / "a.csv")
    with pytest.raises(OsarbenchError) as error:
        gather([Path(file) for file in files], entries)
    assert message in str(error.value)


def test_files_of_equal_content_are_pointed_out(folder: Path) -> None:
    assert "are the same file, byte for byte" in call(write(folder / "a.csv"), write(folder / "b.csv"))


def test_groups_that_are_not_known_are_asked_for(folder: Path) -> None:
    file = write(folder / "deep/down/in/a/a.csv")
    with pytest.raises(OsarbenchError, match="no index.csv is near them"):
        call(file, "--resample", "group")
    (folder / "groups.csv").write_text("clip,group\nv_000.avi,g0\n")
    with pytest.raises(OsarbenchError, match="lacks the column video; it has clip, group"):
        find_groups({"a": [[file]]}, folder / "groups.csv")


def test_tables_of_other_videos_are_refused_and_compared_on_request(folder: Path) -> None:
    first, second = write(folder / "a.csv"), write(folder / "b.csv", seed=1)
    table.write(table.read(second).iloc[3:], second)
    with pytest.raises(OsarbenchError, match="a has 3 test videos that b lacks: made/test/v_000.avi, made"):
        call(first, second)
    assert "3 test videos of a are left out" in call(first, second, "--intersection")


def balanced(folder: Path, *arguments: str | Path) -> float:
    call(*arguments, "--metric", "balanced_accuracy", "--json", folder / "numbers.json")
    numbers = json.loads((folder / "numbers.json").read_text())
    value: float = numbers["entries"]["a"]["balanced_accuracy"]["value"]
    return value


def test_a_table_of_a_train_threshold_has_its_balanced_accuracy(folder: Path) -> None:
    file = write(folder / "a.csv", held_out="train")
    expected = metrics.evaluate(table.read(file), threshold_from="train").headline["balanced_accuracy"]
    assert balanced(folder, file) == pytest.approx(expected, abs=1e-12)
    assert "a.csv are learnt from training videos: there are no others." in call(file)
    assert "balanced accuracy" in call(file)


def test_the_rule_of_a_threshold_is_that_of_the_tables_protocol_or_the_one_that_is_said(folder: Path) -> None:
    dear = protocols.read("dear2021-hmdb51")
    facts = {"protocol": {"name": dear.name, "sha256": dear.sha256}}
    file = write(folder / "a.csv", held_out="train", facts=facts)
    by_dear, by_quantile = (
        metrics.evaluate(table.read(file), threshold_from="train", threshold_rule=rule).headline["balanced_accuracy"]
        for rule in ("dear", "quantile")
    )
    assert by_dear != by_quantile
    assert balanced(folder, file) == pytest.approx(by_dear, abs=1e-12)
    assert balanced(folder, file, "--threshold-rule", "quantile") == pytest.approx(by_quantile, abs=1e-12)
    other = write(folder / "other/a.csv", held_out="train")
    assert balanced(folder, other, "--threshold-rule", "dear", "--threshold-from", "train") == pytest.approx(by_dear)
    assert balanced(folder, other, "--protocol", "dear2021-hmdb51") == pytest.approx(by_dear)


def test_tables_of_different_protocols_and_thresholds_are_reported(folder: Path) -> None:
    files = []
    for name, held_out in (("dear2021-hmdb51", "train"), ("ucf101-hmdb51", "calibration")):
        protocol = protocols.read(name)
        facts = {"protocol": {"name": name, "sha256": protocol.sha256}}
        files.append(write(folder / f"{held_out}.csv", seed=len(files), held_out=held_out, facts=facts))
    shown = call(*files)
    assert "The tables belong to different protocols: dear2021-hmdb51, ucf101-hmdb51." in shown
    assert "thresholded numbers are not alike. calibration: rule 'quantile', accepts 95 % of the calibration" in shown
    assert "train: rule 'dear'" in shown


def test_the_permutation_test_is_left_out_where_it_could_find_nothing(folder: Path) -> None:
    files = [write(folder / f"{number}.csv", seed=number) for number in range(15)]
    result = CliRunner().invoke(compare, [*map(str, files), "--draws", "100", "--metric", "auroc"])
    assert "There is no permutation test: after the correction for more than 100 pairs" in result.output
    assert "p swap" not in result.output
