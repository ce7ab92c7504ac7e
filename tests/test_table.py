"""The scores table: what is written is read back to the last bit, and what is wrong is said."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile_names import HOSTILE

from osarbench.errors import OsarbenchError
from osarbench.scores import table as tables


def make(**changes: object) -> pd.DataFrame:
    columns: dict[str, object] = {
        "video": ["a.avi", "b.avi", "c.avi", "d.avi"],
        "role": ["calibration", "known", "known", "unknown"],
        "source": ["ucf101/train", "ucf101/test", "ucf101/test", "hmdb51/test"],
        "label": ["Archery", "Archery", "Fencing", "chew"],
        "predicted": ["Archery", "Archery", "Archery", "Fencing"],
        "confidence": [0.9, 0.8, 0.7, 0.6],
        "uncertainty": [0.1, 0.2, 0.3, 0.4],
    }
    return pd.DataFrame(columns | changes)


def complaint(table: pd.DataFrame, known: list[str] | None = None) -> str:
    with pytest.raises(OsarbenchError) as caught:
        tables.validate(table, known_classes=known)
    return str(caught.value)


@pytest.mark.parametrize("name", ["scores.csv", "scores.csv.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_read_back_to_the_last_bit(tmp_path: Path, name: str, dtype: type) -> None:
    numbers: np.ndarray = np.array([0.1, 1 / 3, 4.54e-42 if dtype is np.float32 else 5e-324, -1290.123456789], dtype)
    tables.write(make(uncertainty=numbers), tmp_path / name)
    again = tables.read(tmp_path / name)["uncertainty"]
    assert again.dtype == np.float64
    assert (again.to_numpy() == numbers.astype(np.float64)).all()


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.csv.gz", "two.csv.gz"):
        tables.write(make(), tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()).startswith(b"video,role,source,label,predicted,")


def test_class_names_that_look_like_nothing_stay_names(tmp_path: Path) -> None:
    strange = make(label=["NA", "None", "nan", 'a,b "c" ü'], predicted=["NA", "None", "nan", "007"])
    tables.write(strange, tmp_path / "scores.csv")
    again = tables.read(tmp_path / "scores.csv")
    assert again["label"].tolist() == strange["label"].tolist()
    assert again["predicted"].tolist() == strange["predicted"].tolist()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_read_back_as_it_was_written_whatever_it_holds(tmp_path: Path, name: str) -> None:
    rows = make()
    rows = rows.assign(video=name + rows["video"], predicted=name, group=name + rows["video"])
    tables.write(rows, tmp_path / "scores.csv")
    assert tables.read(tmp_path / "scores.csv")[["video", "predicted", "group"]].equals(
        rows[["video", "predicted", "group"]]
    )


def test_a_missing_confidence_is_allowed(tmp_path: Path) -> None:
    tables.write(make(confidence=np.nan), tmp_path / "scores.csv")
    again = tables.read(tmp_path / "scores.csv")
    tables.validate(again)
    assert again["confidence"].isna().all()


def test_other_columns_are_not_written(tmp_path: Path) -> None:
    tables.write(make(extra=1), tmp_path / "scores.csv")
    assert tuple(tables.read(tmp_path / "scores.csv").columns) == tables.COLUMNS


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv.gz"
    tables.write(make(), whole)
    broken = {
        "cut.csv.gz": whole.read_bytes()[:-20],
        "text.csv.gz": b"video,role",
        "empty.csv": b"",
        "binary.csv": b"\xff\xfe",
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(OsarbenchError, match=name):
            tables.read(tmp_path / name)
    with pytest.raises(OsarbenchError, match="There is no scores table at"):
        tables.read(tmp_path / "absent.csv")


def test_text_where_a_number_belongs_is_reported(tmp_path: Path) -> None:
    make().astype({"uncertainty": object}).replace({"uncertainty": {0.3: "high"}}).to_csv(tmp_path / "scores.csv")
    with pytest.raises(OsarbenchError, match=r"scores\.csv cannot be read: .*high"):
        tables.read(tmp_path / "scores.csv")


def test_a_sound_table_passes() -> None:
    tables.validate(make())
    tables.validate(make(), known_classes=["Archery", "Fencing", "Bowling"])


def test_a_misspelt_column_gets_the_nearest_name() -> None:
    message = complaint(make().rename(columns={"uncertainty": "uncertanty"}))
    assert "lacks the column uncertainty" in message
    assert "uncertanty: Did you mean 'uncertainty'?" in message


def test_an_unknown_role_gets_the_nearest_name() -> None:
    message = complaint(make(role=["calibration", "known", "known", "unknwon"]))
    assert "1 row of the scores table has the role 'unknwon'. Did you mean 'unknown'?" in message


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_uncertainties_that_are_no_numbers_are_counted_with_their_first_videos(value: float, word: str) -> None:
    message = complaint(make(uncertainty=[0.1, value, 0.2, value]))
    assert message == f"The scores table has 2 rows whose uncertainty is {word}: 'b.avi', 'd.avi'."


def test_an_infinite_confidence_is_refused() -> None:
    assert "1 row whose confidence is infinite: 'c.avi'" in complaint(make(confidence=[0.9, 0.8, np.inf, 0.6]))


def test_a_video_may_occur_once_in_a_source() -> None:
    tables.validate(make(video=["a.avi", "b.avi", "c.avi", "a.avi"]))
    assert "repeat a video of the same source: 'b.avi'" in complaint(make(video=["a.avi", "b.avi", "b.avi", "d.avi"]))


def test_an_empty_table_and_a_one_sided_one_are_refused() -> None:
    assert complaint(make().iloc[:0]) == "The scores table has no rows."
    assert "no row of the role 'unknown'" in complaint(make().iloc[:3])
    assert "no row of the role 'known'" in complaint(make().iloc[[0, 3]])


def test_labels_and_predictions_must_be_known_classes() -> None:
    assert "their label is no known class: 'Fencing'. Did you mean 'fencing'?" in complaint(
        make(), ["Archery", "fencing"]
    )
    message = complaint(make(predicted=["Archery", "Archery", "chew", "chew"]), ["Archery", "Fencing"])
    assert "2 rows of the scores table predict what is no known class: 'chew'." in message


def test_known_classes_among_the_unknown_are_refused() -> None:
    message = complaint(make(label=["Archery", "Archery", "Fencing", "Fencing"]))
    assert "1 row of the role 'unknown' has the label of a known class: 'Fencing'." in message


def test_a_missing_name_is_refused() -> None:
    assert "1 row with no predicted: 'b.avi'" in complaint(make(predicted=["Archery", "", "Archery", "Fencing"]))
    assert "1 row with no label: 'c.avi'" in complaint(make(label=["Archery", "Archery", None, "chew"]))


def test_groups_are_kept_where_a_table_has_them(tmp_path: Path) -> None:
    tables.write(make(group=["g1", "g2", "g2", "g3"]), tmp_path / "scores.csv")
    again = tables.read(tmp_path / "scores.csv")
    assert tables.groups(again) == {"b.avi": "g2", "c.avi": "g2", "d.avi": "g3"}
    assert tables.groups(make()) is None


def test_facts_stand_in_the_first_line_and_are_sealed_to_the_rows(tmp_path: Path) -> None:
    file = tmp_path / "entry.csv.gz"
    tables.write(make(), file, facts={"method": "dnn", "seed": 0})
    assert tables.read_facts(file) == {"method": "dnn", "seed": 0}
    assert tables.read(file).equals(tables.read(_plain(tmp_path)))
    changed = gzip.decompress(file.read_bytes()).replace(b"0.4", b"0.5")
    file.write_bytes(gzip.compress(changed))
    with pytest.raises(OsarbenchError, match="are not those it was made with"):
        tables.read_facts(file)


def test_a_plain_table_has_no_facts(tmp_path: Path) -> None:
    assert tables.read_facts(_plain(tmp_path)) is None


def _plain(folder: Path) -> Path:
    tables.write(make(), folder / "plain.csv")
    return folder / "plain.csv"


def test_the_rank_of_the_label_is_written_as_a_whole_number_and_read_back(tmp_path: Path) -> None:
    tables.write(make(label_rank=[1, 1, 7, np.nan]), tmp_path / "scores.csv")
    assert (tmp_path / "scores.csv").read_text().splitlines()[3].endswith(",7")
    again = tables.read(tmp_path / "scores.csv")
    np.testing.assert_array_equal(again["label_rank"], [1, 1, 7, np.nan])
    tables.validate(again)


@pytest.mark.parametrize(
    ("ranks", "what"),
    [
        ([1, 1, 7, 2], "unknown videos with a label_rank"),
        ([1, 1, 2.5, np.nan], "is not 1, 2, 3"),
        ([1, 1, 0, np.nan], "is not 1, 2, 3"),
        ([1, 1, 1, np.nan], "contradict"),
        ([1, 3, 7, np.nan], "contradict"),
    ],
)
def test_a_rank_that_cannot_be_is_refused(ranks: list[float], what: str) -> None:
    assert what in complaint(make(label_rank=ranks))
