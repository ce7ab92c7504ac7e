"""Localised actions: boxes in AVA's form, frame-mAP, and known against unknown actors."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from osarbench.cli import cli
from osarbench.errors import OsarbenchError
from osarbench.scores import table
from osarbench.scores.detection import actors, frame_map, open_set, tables
from osarbench.scores.detection.boxes import paired_iou

LEFT, RIGHT, AWAY, NEARLY = "0,0,.4,.4", ".5,.5,.9,.9", ".6,0,.9,.3", "0,0,.4,.39"
#: Three keyframes; 1 and 2 are known, 3 is unknown. In frame 2, the person on the right does 1 and 3.
TRUTH = [
    f"v,902,{LEFT},1,0", f"v,902,{RIGHT},3,1", f"v,903,{LEFT},2,0", f"v,903,{RIGHT},1,1", f"v,903,{RIGHT},3,1",
    f"v,904,{LEFT},1,0",
]  # fmt: skip
DETECTIONS = [
    f"v,902,{LEFT},1,.9,.1", f"v,902,{LEFT},2,.2,.1", f"v,902,{RIGHT},1,.8,.7",
    f"v,903,{LEFT},2,.3,.4", f"v,903,{LEFT},1,.6,.4", f"v,903,{RIGHT},1,.5,.5", f"v,903,{AWAY},1,.4,.9",
    f"v,904,{LEFT},1,.7,.2", f"v,904,{NEARLY},1,.65,.3",
]  # fmt: skip
CLASSES = actors.vocabulary({1, 2}, {3})


def write(file: Path, lines: list[str]) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


@pytest.fixture
def truth(tmp_path: Path) -> pd.DataFrame:
    return tables.read_truth(write(tmp_path / "truth.csv", TRUTH))


@pytest.fixture
def detections(tmp_path: Path) -> pd.DataFrame:
    return tables.read_detections(write(tmp_path / "detections.csv", DETECTIONS))


def test_overlaps_by_hand() -> None:
    assert paired_iou([[0, 0, 2, 2]], [[1, 1, 3, 3]]).tolist() == pytest.approx([1 / 7])
    assert paired_iou([[0, 0, 1, 1]], [[2, 2, 3, 3]]).tolist() == [0]


# --- frame-mAP ---


def test_frame_map_equals_that_of_avas_evaluation(shared: Path) -> None:
    folder = shared / "data/parity/detection/ava_eval"
    labels, frames = tables.read_label_map(folder / "labelmap.pbtxt"), tables.read_exclusions(folder / "excluded.csv")
    truth = tables.without(tables.read_truth(folder / "gt.csv"), frames, labels)
    detections = tables.without(tables.read_detections(folder / "pred.csv"), frames, labels)
    found = frame_map.frame_map(truth, detections, labels)
    expected = json.loads((folder / "expected.json").read_text())["all"]
    assert found.mean == pytest.approx(expected.pop("mAP@0.5IOU"), abs=1e-12)
    named = {f"PerformanceByCategory/AP@0.5IOU/{labels[number]}": value for number, value in found.by_class.items()}
    assert named == pytest.approx({name: value for name, value in expected.items() if value is not None}, abs=1e-12)


def test_a_box_has_no_second_choice() -> None:
    """The box that overlaps a taken person most is wrong, even where it overlaps another person enough."""
    persons = pd.DataFrame(
        [("v", 1, 0, 0, 1, 1, 1, 0), ("v", 1, 0, 0, 1, 0.7, 1, 1)], columns=[*tables.BOX, "class", "person"]
    )
    boxes = pd.DataFrame(
        [("v", 1, 0, 0, 1, 1, 1, 0.9), ("v", 1, 0, 0, 1, 0.9, 1, 0.8)], columns=[*tables.BOX, "class", "score"]
    )
    assert frame_map.rank(persons, boxes, 1).hits.tolist() == [True, False]
    assert frame_map.frame_map(persons, boxes, [1]).by_class == {1: 0.5}


def test_equal_scores_are_one_threshold_whatever_the_order_of_rows(
    truth: pd.DataFrame, detections: pd.DataFrame
) -> None:
    tied = detections.assign(score=0.5)
    forwards = frame_map.frame_map(truth, tied, [1, 2])
    assert frame_map.frame_map(truth, tied[::-1].reset_index(drop=True), [1, 2]) == forwards


def test_a_class_without_persons_is_left_out_and_one_without_boxes_counts_0(
    truth: pd.DataFrame, tmp_path: Path
) -> None:
    none = tables.without(tables.read_detections(write(tmp_path / "d.csv", DETECTIONS)), set(), {9})
    assert frame_map.frame_map(truth, none, [1, 2, 7]).by_class == {1: 0, 2: 0}
    assert frame_map.frame_map(truth, none, [7]).mean is None


# --- known and unknown actors ---


def test_every_number_of_three_keyframes_by_hand(truth: pd.DataFrame, detections: pd.DataFrame) -> None:
    found = open_set.evaluate(truth, detections, CLASSES, threshold=0.3)
    assert found.by_class == pytest.approx({1: (1 + 1 + 3 / 5) / 3, 2: 1})
    assert found.numbers == pytest.approx(
        {
            "closed_map": (2.6 / 3 + 1) / 2, "open_map": ((1 + 2 / 3 + 3 / 6) / 3 + 1) / 2,
            "auroc": 1, "aupr": 1, "fpr95": 0, "detection_error": 0, "osdr": 2 / 3, "closed_accuracy": 2 / 3,
            "a_ose": 1, "wilderness_impact": 1 / 6, "threshold": 0.3, "known_accepted": 2 / 3, "unknown_rejected": 1,
            "unknown_recall": 1, "auroc_folded": 1, "fpr95_reversed": 1,
        }
    )  # fmt: skip
    assert found.outcomes == {
        "known": 3, "unknown": 1, "mixed": 1, "ignored": 0, "duplicate": 1, "background": 1,
        "missed known": 0, "missed unknown": 0, "missed mixed": 0,
    }  # fmt: skip


def test_without_unknown_persons_open_set_numbers_are_none_and_not_0(
    truth: pd.DataFrame, detections: pd.DataFrame
) -> None:
    found = open_set.evaluate(truth[truth["class"] != 3].reset_index(drop=True), detections, CLASSES).numbers
    assert [found[name] for name in ("auroc", "osdr", "a_ose", "wilderness_impact", "unknown_recall")] == [None] * 5
    assert found["closed_map"] == found["open_map"]


def test_an_unknown_person_who_is_not_found_is_counted_as_missed(truth: pd.DataFrame, detections: pd.DataFrame) -> None:
    found = open_set.evaluate(truth, detections[detections["unknown_score"] != 0.7].reset_index(drop=True), CLASSES)
    assert found.outcomes["missed unknown"] == 1
    assert found.numbers["auroc"] is None
    another = truth.iloc[[2]].assign(second=905, **{"class": 3})  # an unknown person in a keyframe without any box
    missed = open_set.evaluate(pd.concat([truth, another], ignore_index=True), detections, CLASSES, threshold=0.3)
    assert (missed.numbers["unknown_rejected"], missed.numbers["unknown_recall"]) == (1, 0.5)


def test_an_overlap_of_exactly_the_threshold_is_enough(truth: pd.DataFrame, detections: pd.DataFrame) -> None:
    overlap = float(paired_iou([0, 0, 0.4, 0.4], [0, 0, 0.4, 0.39]))
    nearly = detections[detections["score"] == 0.65].reset_index(drop=True)
    assert frame_map.rank(truth, nearly, 1, iou=overlap).hits.tolist() == [True]
    assert frame_map.rank(truth, nearly, 1, iou=overlap + 1e-9).hits.tolist() == [False]


def test_folded_auroc_is_never_below_chance(truth: pd.DataFrame, detections: pd.DataFrame) -> None:
    reversed_scores = detections.assign(unknown_score=1 - detections["unknown_score"])
    found = open_set.evaluate(truth, reversed_scores, CLASSES).numbers
    assert (found["auroc"], found["auroc_folded"]) == (0, 1)


def test_the_most_certain_box_is_matched_first_and_in_file_order_the_first(
    truth: pd.DataFrame, detections: pd.DataFrame
) -> None:
    found, there = actors.actors(detections[::-1].reset_index(drop=True), CLASSES), actors.persons(truth, CLASSES)
    last = found["second"] == 904
    assert actors.match(found, there)[last]["outcome"].tolist() == ["duplicate", "known"]
    assert actors.match(found, there, order="file_order")[last]["outcome"].tolist() == ["known", "duplicate"]


def test_an_actor_takes_the_nearest_free_person() -> None:
    """Unlike in frame-mAP: two persons side by side are both found by two boxes of one of them."""
    there = pd.DataFrame(
        [("v", 1, 0, 0, 1, 1, 0, (1,), "known"), ("v", 1, 0, 0, 1, 0.7, 1, (3,), "unknown")],
        columns=[*tables.BOX, "person", "labels", "kind"],
    )
    found = pd.DataFrame(
        [("v", 1, 0, 0, 1, 1, 0.9, 1, 0.1), ("v", 1, 0, 0, 1, 0.9, 0.8, 1, 0.2)],
        columns=[*tables.BOX, "score", "predicted", "unknown_score"],
    )
    assert actors.match(found, there)["outcome"].tolist() == ["known", "unknown"]


def test_matched_actors_are_a_scores_table_with_the_same_numbers(
    truth: pd.DataFrame, detections: pd.DataFrame, tmp_path: Path
) -> None:
    files = [str(tmp_path / "truth.csv"), str(tmp_path / "detections.csv")]
    arguments = [
        "actors",
        *files,
        "--known-classes",
        "1-2",
        "--unknown-classes",
        "3",
        "--table",
        str(tmp_path / "t.csv"),
    ]
    result = CliRunner().invoke(cli, [*arguments, "--validation", *files, "--json"], catch_exceptions=False)
    numbers = json.loads(result.output)["numbers"]
    rows = table.read(tmp_path / "t.csv")
    assert rows["role"].tolist() == ["calibration"] * 3 + ["known", "unknown", "known", "known"]
    from osarbench.scores import metrics

    headline = metrics.evaluate(rows).headline
    assert headline["auroc"] == numbers["auroc"]
    assert headline["oscr"] == pytest.approx(numbers["osdr"])
    assert headline["closed_accuracy"] == pytest.approx(numbers["closed_accuracy"])
    assert numbers["threshold"] == pytest.approx(0.4)


def test_a_class_that_is_known_and_unknown_is_refused() -> None:
    with pytest.raises(OsarbenchError, match="class 2 is among the known and among the unknown"):
        actors.vocabulary({1, 2}, {2, 3})


# --- files ---


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("v,902,10,20,200,300,1,0", r"row 2 \(v at 902\): the box 10.0, 20.0, 200.0, 300.0 is in pixels"),
        ("v,902,.4,0,.1,.4,1,0", "has its corners swapped"),
        ("v,902,.4,0,.4,.4,1,0", "has no area"),
        ("v,902,.4,0,1.4,.4,1,0", "is outside of the frame"),
        ("v,902,0,0,.4,.4,0,0", "the class '0' is no class: numbers start at 1"),
        ("v,902,0,0,.4,.4,sit,0", "the class 'sit' is no class number"),
        ("v,902,nan,0,.4,.4,1,0", "the x1 'nan' is no number"),
        ("v,9.5,0,0,.4,.4,1,0", "'9.5' is no second of a keyframe"),
    ],
)  # fmt: skip
def test_what_is_no_box_is_refused_with_its_row(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(OsarbenchError, match=message):
        tables.read_truth(write(tmp_path / "truth.csv", [TRUTH[0], line]))


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="has 3 columns; a row is video,second,x1,y1,x2,y2,class,score"):
        tables.read_detections(write(tmp_path / "d.csv", ["v,902,0.5"]))
    with pytest.raises(OsarbenchError, match="has no rows"):
        tables.read_detections(write(tmp_path / "d.csv", []))


def test_a_box_has_one_unknown_score(tmp_path: Path) -> None:
    lines = [f"v,902,{LEFT},1,.9,.1", f"v,902,{LEFT},2,.2,.3"]
    with pytest.raises(OsarbenchError, match="a box of v at 902 has several unknown scores"):
        tables.read_detections(write(tmp_path / "d.csv", lines))


def test_a_header_is_no_row(tmp_path: Path, truth: pd.DataFrame) -> None:
    headed = write(tmp_path / "headed.csv", ["video,second,x1,y1,x2,y2,class,person", *TRUTH])
    pd.testing.assert_frame_equal(tables.read_truth(headed), truth)


def test_label_maps_of_both_forms_are_read_and_a_0_is_refused(tmp_path: Path) -> None:
    forms = ['item {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n', "label { name: 'sit' label_id: 11 }\n"]
    file = write(tmp_path / "map.pbtxt", forms)
    assert tables.read_label_map(file) == {1: "bend/bow (at the waist)", 11: "sit"}
    with pytest.raises(OsarbenchError, match=r"the number 0 \(sit\) is no class"):
        tables.read_label_map(write(file, ['item { name: "sit" id: 0 }']))


def test_a_label_map_of_another_data_set_is_refused(tmp_path: Path) -> None:
    files = [str(write(tmp_path / "truth.csv", TRUTH)), str(write(tmp_path / "d.csv", DETECTIONS))]
    other = write(tmp_path / "map.pbtxt", ['item { name: "sit" id: 11 }'])
    result = CliRunner().invoke(cli, ["actors", *files, "--label-map", str(other)])
    assert "has the classes 1, 2, 3 ..., and the label map none of them" in str(result.exception)


def test_frame_map_equals_a_plain_loop_over_frames_and_boxes() -> None:
    generator = np.random.default_rng(0)
    corner = generator.random((400, 2)) * 0.3
    rows = pd.DataFrame(np.hstack([corner, corner + 0.3]), columns=tables.BOX[2:])
    rows.insert(0, "second", generator.integers(0, 40, 400))
    rows.insert(0, "video", "v")
    rows["class"], rows["score"] = generator.integers(1, 4, 400), generator.random(400)
    there = rows.sample(frac=0.4, random_state=0).reset_index(drop=True)
    found = frame_map.frame_map(there, rows, [1, 2, 3])
    assert found.by_class == pytest.approx({number: plain_precision(there, rows, number) for number in (1, 2, 3)})
    assert found.mean == pytest.approx(np.mean([*found.by_class.values()]))


def plain_precision(there: pd.DataFrame, rows: pd.DataFrame, number: int) -> float:
    persons, taken, hits = there[there["class"] == number], set(), []
    for _, row in rows[rows["class"] == number].sort_values("score", ascending=False).iterrows():
        near = {
            index: float(paired_iou(row[tables.BOX[2:]].tolist(), person[tables.BOX[2:]].tolist()))
            for index, person in persons[persons["second"] == row["second"]].iterrows()
        }
        best = max(near, key=lambda index: near[index], default=None)
        hits.append(best is not None and near[best] >= 0.5 and best not in taken)
        taken |= {best} if hits[-1] else set()
    precision = [sum(hits[: count + 1]) / (count + 1) for count in range(len(hits))]
    return sum(max(precision[count:]) for count, hit in enumerate(hits) if hit) / len(persons)
