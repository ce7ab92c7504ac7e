"""A study of two networks: class by class, in whole videos, fused, as a page and as files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_run import request

from osarbench.errors import OsarbenchError
from osarbench.protocols import files, protocol
from osarbench.reports import results, study_page
from osarbench.reports import study as studies
from osarbench.run.studies import run_study

HERE = Path(__file__).parent


def table(predicted: dict[str, list[str]], ranks: list[float] | None = None) -> pd.DataFrame:
    """Return a scores table: class -> predictions of its videos; some calibration and unknown videos follow."""
    rows = []
    for label, names in predicted.items():
        for position, name in enumerate(names):
            rows.append({"video": f"{label}/{position}", "role": "known", "source": "mine/test", "label": label,
                         "predicted": name, "confidence": 0.5, "uncertainty": 0.1,
                         "group": f"{label}{position // 2}"})  # fmt: skip
    known = len(rows)
    rows += [{**rows[0], "video": f"c{n}", "role": "calibration", "uncertainty": n / 100} for n in range(21)]
    rows += [{**rows[0], "video": f"u{n}", "role": "unknown", "source": "other/all", "label": "fly",
              "uncertainty": u} for n, u in enumerate((0.9, 0.0))]  # fmt: skip
    made = pd.DataFrame(rows)
    made["label_rank"] = np.nan
    made.loc[: known - 1, "label_rank"] = ranks or (made["label"] != made["predicted"])[:known] + 1.0
    return made


FRAME = table({"a": ["a", "b", "b", "b"], "b": ["b", "b", "b", "b"], "c": ["a", "a", "b", "c"]})
MOTION = table({"a": ["a", "a", "a", "a"], "b": ["a", "b", "b", "a"], "c": ["a", "a", "b", "c"]})


def found(*tables: pd.DataFrame) -> studies.Study:
    return studies.study([results.result_of(name, rows) for name, rows in zip("xyz", tables, strict=False)])


def test_accuracies_are_those_of_hand() -> None:
    its = found(FRAME, MOTION)
    assert its.videos == 12
    assert [tops[1] for tops in its.tops] == [6 / 12, 7 / 12]
    assert its.tops[0][5] == 1.0
    assert [row.accuracy for row in its.classes] == [[0.25, 1.0], [1.0, 0.5], [0.25, 0.25]]
    assert [row.gain for row in its.classes] == [0.75, -0.5, 0.0]


def test_confused_pairs_have_rates_counts_and_ties_by_class() -> None:
    its = found(FRAME, MOTION)
    pairs = studies.confused_pairs(studies.closed_counts(its, 0), its.labels)
    assert [tuple(pair) for pair in pairs] == [("a", "b", 0.75, 3, 4), ("c", "a", 0.5, 2, 4), ("c", "b", 0.25, 1, 4)]


def test_ties_between_rates_go_to_more_videos_then_to_the_first_class() -> None:
    counts = np.array([[2, 2, 0], [1, 1, 0], [0, 2, 2]])
    pairs = studies.confused_pairs(counts, ["a", "b", "c"])
    assert [(pair.label, pair.decision) for pair in pairs] == [("a", "b"), ("c", "b"), ("b", "a")]


def test_a_class_without_videos_has_shares_of_zero() -> None:
    assert studies.normalised(np.array([[0, 0], [1, 3]])).tolist() == [[0, 0], [0.25, 0.75]]


def test_best_and_worst_classes_in_the_order_of_accuracy_videos_and_name() -> None:
    its = found(FRAME, MOTION)
    assert [row.label for row in studies.ranked(its, 0, best=True)] == ["b", "a", "c"]
    assert [row.label for row in studies.ranked(its, 0, best=False)] == ["a", "c", "b"]


def test_intervals_resample_groups_and_tell_help_from_nothing() -> None:
    low, high = studies.paired_interval(np.ones(8), np.repeat(list("abcd"), 2))
    assert (low, high) == (1.0, 1.0)
    low, high = studies.paired_interval(np.array([1.0, -1.0] * 20), np.arange(40))
    assert low is not None
    assert high is not None
    assert low < 0 < high
    expected = 1.96 / np.sqrt(40)
    assert high == pytest.approx(expected, rel=0.2)
    assert studies.paired_interval(np.ones(4), np.array(["g"] * 4)) == (None, None)
    one = found(FRAME, MOTION).classes[0]
    assert one.verdict == "helps"
    assert found(FRAME, FRAME).classes[0].verdict == ""


def test_the_unknown_column_counts_what_is_above_the_threshold() -> None:
    its = found(FRAME, MOTION)
    assert its.streams[0].threshold is not None
    assert its.sources == ["other/all"]
    assert its.counts[0][-1].tolist() == [1, 0, 0, 1]  # one of two unknown videos is rejected, the other taken for "a"
    assert its.counts[0][:3, :3].tolist() == studies.closed_counts(its, 0).tolist()


def test_videos_that_one_network_lacks_are_left_out_and_counted() -> None:
    its = found(FRAME, MOTION[MOTION["video"] != "a/3"].reset_index(drop=True))
    assert (its.videos, its.left_out) == (11, 1)


def test_the_page_and_the_files_say_what_is_left_out_and_why(tmp_path: Path) -> None:
    skipped = [{"source": "mine/test", "video": "torn.avi", "role": "known", "reason": "no frame <b>"}]
    page = study_page.write(found(FRAME, MOTION, MOTION), tmp_path, "Frames & motion", skipped)
    text = page.read_text()
    assert "The numbers are over 12 known videos" in text
    assert "1 video could not be read" in text
    assert "torn.avi" in text
    assert "no frame &lt;b&gt;" in text
    assert "Frames &amp; motion" in text
    stated = json.loads((tmp_path / "study.json").read_text())
    assert stated["top"]["x"]["1"] == 0.5
    assert stated["unreadable"] == skipped
    counts = pd.read_csv(tmp_path / "confusion_counts.x.csv", index_col="class")
    assert counts.to_numpy()[0].tolist() == [1, 3, 0]
    assert set(pd.read_csv(tmp_path / "confused_pairs.csv")["network"]) == {"x", "y", "z"}
    assert len(pd.read_csv(tmp_path / "per_class.csv")) == 3


def test_a_study_is_of_two_results_or_three() -> None:
    with pytest.raises(OsarbenchError, match="two results"):
        found(FRAME)


def test_studies_that_come_with_osarbench_are_protocols_with_two_networks() -> None:
    for file in files.shipped("study").values():
        sections = protocol.read(str(file)).sections
        assert len(sections.backbones) == 2
        assert all(section.whole_videos for section in sections.backbones.values())


def test_a_study_of_hdf5_files_leaves_out_a_torn_one_alone(tmp_path: Path) -> None:
    """Two sizes of the toy network on videos kept as HDF5; of one, the file is cut short."""
    import h5py
    import toy

    from osarbench.data import video

    made = toy.Toy(tmp_path / "cache/data/toy")
    made.prepare()
    for split in made.splits:
        for one in made.videos(split):
            target = (made.root / "h5" / one.id).with_suffix(".h5")
            target.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(target, "w") as opened:
                opened["video"] = np.stack(list(video.each_frame(made.path(one), short_side=24)))
    torn = made.root / "h5/test/red_g4_c0.h5"
    torn.write_bytes(torn.read_bytes()[:900])
    text = (HERE / "toy.toml").read_text().replace("[clips]\n", "[clips]\nshort_side = 24\nsize = 16\ntest_size = 16\n")
    small = "{ layers = [1, 1, 1], channels = [8, 8, 8], stem_chs = 8 }"
    stated = f'max_unreadable = 0.05\n{text}\n[data.toy]\nframes = "h5/{{id}}.h5"\n'
    stated += "[backbones.toy]\nwhole_videos = { stride = 4 }\n[backbones.frame]\n"
    stated += f'options = {{ trunk = "timm:resnetv2_18", trunk_options = {small} }}\n'
    (tmp_path / "h5.toml").write_text(stated)
    config = replace(request(tmp_path, tmp_path / "cache", "dnn"), protocol=str(tmp_path / "h5.toml"), epochs=1)
    entries = run_study(config, ())
    gathered = [its._replace(name=name) for name, entry in entries.items() for its in results.gather([entry.scores])]
    its = studies.study(gathered)
    assert [stream.name for stream in its.streams] == ["toy", "frame", "fused"]
    assert its.videos == 3 * 2 * 4 - 1
    (left_out,) = json.loads((tmp_path / "runs/h5/skipped.json").read_text())
    assert left_out["video"] == "test/red_g4_c0.avi"
