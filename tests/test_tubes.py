"""Tubes: their overlap, linking boxes of frames, and video-mAP."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from osarbench.cli import cli
from osarbench.errors import OsarbenchError
from osarbench.scores.detection import tubes
from osarbench.scores.detection.tubes import Tube

BOX = (0.0, 0.0, 10.0, 10.0)


def straight(frames: range, box: tuple[float, ...] = BOX) -> Tube:
    return Tube(np.array(frames), np.array([box] * len(frames)))


def rows_of(tube: Tube, *, video: str = "v", name: str = "0", label: str = "run", score: float = 0.5) -> pd.DataFrame:
    rows = pd.DataFrame(tube.boxes, columns=["x1", "y1", "x2", "y2"])
    return rows.assign(video=video, tube=name, frame=tube.frames, score=score, **{"class": label})


def test_the_overlap_of_tubes_is_that_in_time_times_that_of_their_boxes() -> None:
    half = straight(range(5, 15), (0, 0, 10, 5))
    assert tubes.overlap(straight(range(10)), half) == pytest.approx(5 / 15 * 0.5)
    assert tubes.overlap(straight(range(5)), straight(range(5, 9))) == 0
    assert tubes.overlap(half, half) == 1


def test_video_map_by_hand() -> None:
    """Two true tubes; ranked: right, away, right. Under lines from (0, 1): (1 + 1) / 2 * .5 + (.5 + 2 / 3) / 2 * .5."""
    away = straight(range(10), (50, 50, 60, 60))
    truth = pd.concat([rows_of(straight(range(10))), rows_of(straight(range(10)), video="w")])
    found = pd.concat([
        rows_of(straight(range(10)), score=0.9), rows_of(away, name="1", score=0.8),
        rows_of(straight(range(9)), video="w", score=0.7),
    ])  # fmt: skip
    assert tubes.video_map(truth, found, ["run"], least=[0.5]) == pytest.approx({"run": 0.5 + 0.5 * (0.5 + 2 / 3) / 2})
    assert tubes.video_map(truth, found, ["run"], least=[0.95]) == pytest.approx({"run": 0.5})


def test_a_second_tube_of_one_action_is_wrong_and_takes_what_is_left() -> None:
    twice = pd.concat([rows_of(straight(range(10)), score=0.9), rows_of(straight(range(10)), name="1", score=0.8)])
    one = rows_of(straight(range(10)))
    assert tubes.video_map(one, twice, ["run"], least=[0.5]) == {"run": 1.0}  # found before the precision falls
    assert tubes.video_map(one, twice[::-1].assign(score=0.5), ["run"], least=[0.5]) == {"run": 0.75}  # one threshold


def test_two_crossing_actors_are_linked_to_two_tubes() -> None:
    left = [rows_of(straight(range(t, t + 1), (10 * t, 0, 10 * t + 20, 20)), score=0.9) for t in range(8)]
    right = [rows_of(straight(range(t, t + 1), (70 - 10 * t, 30, 90 - 10 * t, 50)), score=0.6) for t in range(8)]
    linked = tubes.link(pd.concat(left + right).drop(columns="tube"))
    by_tube = dict(iter(linked.groupby("tube")))
    assert sorted(len(its) for its in by_tube.values()) == [8, 8]
    assert sorted(its["score"].iloc[0] for its in by_tube.values()) == pytest.approx([0.6, 0.9])
    assert all(its["y1"].nunique() == 1 for its in by_tube.values())


def test_a_tube_outlives_a_gap_of_few_frames_only() -> None:
    parts = [rows_of(straight(range(3))), rows_of(straight(range(7, 9))), rows_of(straight(range(20, 22)))]
    linked = tubes.link(pd.concat(parts).drop(columns="tube"), gap=5)
    assert sorted(len(its) for _, its in linked.groupby("tube")) == [2, 5]


def test_of_equally_near_boxes_the_higher_continues_a_tube() -> None:
    boxes = pd.concat([
        rows_of(straight(range(1))), rows_of(straight(range(1, 2)), score=0.2),
        rows_of(straight(range(1, 2), (1, 0, 11, 10)), score=0.4),
    ]).drop(columns="tube")  # fmt: skip
    linked = tubes.link(boxes)
    longest = max((its for _, its in linked.groupby("tube")), key=len)
    assert longest["x1"].tolist() == [0, 1]


def test_real_tubes_of_ucf101_24_overlap_themselves_and_nobody_else_by_the_command(
    shared: Path, tmp_path: Path
) -> None:
    import gzip

    with gzip.open(shared / "data/annotations/ucf101_24/tubes.json.gz") as file:
        videos = json.load(file)
    parts = []
    for video, its in list(videos.items())[:40]:
        for number, tube in enumerate(its["tubes"]):
            x, y, width, height = np.array(tube["boxes"], np.float64).T
            boxes = np.stack([x, y, x + np.maximum(width, 1), y + np.maximum(height, 1)], axis=1)
            frames = np.arange(len(boxes)) + tube["first_frame"]
            parts.append(rows_of(Tube(frames, boxes), video=video, name=str(number), label=its["class"]))
    rows = pd.concat(parts)
    rows.drop(columns="score").to_csv(tmp_path / "truth.csv", index=False)
    rows.to_csv(tmp_path / "found.csv", index=False)
    result = CliRunner().invoke(
        cli, ["tubes", str(tmp_path / "truth.csv"), str(tmp_path / "found.csv"), "--json"], catch_exceptions=False
    )
    assert json.loads(result.output)["video_map"] == {"0.2": 1, "0.5": 1, "0.75": 1, "0.5:0.95": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x2": 0.0}, "the box has no area"),
        ({"frame": 1.5}, "the frame is no whole number"),
        ({"score": "high"}, "the score is no number"),
        ({"frame": 1}, "a tube has a second box in this frame"),
    ],
)
def test_what_is_no_tube_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    rows_of(straight(range(2))).assign(**change).to_csv(tmp_path / "t.csv", index=False)  # type: ignore[arg-type]
    with pytest.raises(OsarbenchError, match=message):
        tubes.read(tmp_path / "t.csv", scored=True)


def test_a_misspelt_column_is_named(tmp_path: Path) -> None:
    rows_of(straight(range(2))).rename(columns={"frame": "frames"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(OsarbenchError, match="no column 'frame'. Did you mean 'frames'"):
        tubes.read(tmp_path / "t.csv", scored=True)


def test_pixels_against_shares_are_refused() -> None:
    shares = rows_of(straight(range(3), (0, 0, 0.5, 0.5)))
    with pytest.raises(OsarbenchError, match="boxes of the ground truth are in pixels"):
        tubes.check_units(rows_of(straight(range(3))), shares)
