"""Anybody's features: read strictly, put in a protocol's order, and scored without a video."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import toy
from click.testing import CliRunner
from test_run import request

from osarbench.artifacts import manifest
from osarbench.cli import cli
from osarbench.data.locations import Locations
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading
from osarbench.published import feature_files, feature_rows
from osarbench.published.feature_files import FeatureFile
from osarbench.run import costs, exporting, imported
from osarbench.run.run import plan, run

FORMATS = (".npz", ".parquet", ".safetensors")
KNOWN = ("red", "green", "blue")


def rows_of_toy() -> pd.DataFrame:
    data = toy.Toy(Path("nowhere"))
    return pd.DataFrame([(f"toy/{split}", *video[:3]) for split in data.splits for video in data.videos(split)],
                        columns=["source", "video", "label", "group"])  # fmt: skip


def content(views: int | None = None, dim: int = 5, **changes: Any) -> dict[str, Any]:
    """Features in which a class is a direction, and unknown videos are another."""
    rows = rows_of_toy()
    generator = np.random.default_rng(0)
    centres = {name: generator.normal(size=dim) * 3 for name in toy.COLOURS}
    shape = (len(rows), *([] if views is None else [views]), dim)
    middle = np.stack([centres[label] for label in rows["label"]])
    noise = generator.normal(size=shape) * 0.3
    features = (middle if views is None else middle[:, None]) + noise
    found = {"video": rows["video"].to_numpy(dtype=str), "features": features.astype(np.float32), **changes}
    return {key: its for key, its in found.items() if its is not None}


def write(folder: Path, ending: str = ".npz", **changes: Any) -> Path:
    file = folder / f"features{ending}"
    feature_files.write(file, content(**changes))
    return file


@pytest.fixture(autouse=True)
def _toy_is_a_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    load = loading.load
    monkeypatch.setattr(loading, "load", lambda files=(), kinds=None: load(files=(Path(toy.__file__),)))


def store(folder: Path, *files: Path, name: str = "mine", redo: bool = False, protocol: Path | None = None) -> Any:
    found = Locations(data=None, datasets={}, cache=folder / "cache", weights=None)
    stated = str(protocol or Path(toy.__file__).with_suffix(".toml"))
    return imported.store(files, stated, name, runs=folder / "runs", locations=found, redo=redo)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("views", [None, 2])
def test_every_format_gives_back_what_was_written(tmp_path: Path, ending: str, views: int | None) -> None:
    weight, bias = np.arange(15, dtype=np.float32).reshape(3, 5), np.ones(3, dtype=np.float32)
    given = content(views, weight=weight, bias=bias, class_names=np.array(KNOWN))
    file = tmp_path / f"features{ending}"
    feature_files.write(file, given)
    found = feature_files.read([file])
    assert found.videos == tuple(given["video"])
    assert found.features.shape == (len(found.videos), views or 1, 5)
    np.testing.assert_array_equal(found.features.reshape(given["features"].shape), given["features"])
    np.testing.assert_array_equal(found.weight, weight)
    np.testing.assert_array_equal(found.bias, bias)
    assert found.class_names == KNOWN


def test_a_table_of_pandas_is_a_file_of_features(tmp_path: Path) -> None:
    given = content()
    table = pd.DataFrame({"video": given["video"], "features": list(given["features"])})
    table.to_parquet(tmp_path / "features.parquet")
    np.testing.assert_array_equal(feature_files.read([tmp_path / "features.parquet"]).features[:, 0], given["features"])


def with_one(value: float, kind: Any = np.float32) -> np.ndarray:
    features: np.ndarray = content()["features"].astype(kind)
    features[7, 2] = value
    return features


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": with_one(np.nan)},
            "1 numbers of 'features' are NaN or infinite (first of 'train/red_g1_c3.avi')",
        ),
        ({"features": with_one(np.inf, np.float16)}, "float16 ends at 65,504, and they lie beyond"),
        ({"features": with_one(1e300, np.float64)}, "numbers beyond float32"),
        ({"features": content()["features"].astype(int)}, "holds int64, not floating-point numbers"),
        ({"features": content()["features"][:-1]}, "has 80 videos and 79 rows of 'features'"),
        ({"features": content()["features"][0]}, "must be [N, D] or [N, V, D]"),
        ({"features": None}, "has no 'features'"),
        ({"video": None}, "has no 'video'"),
        ({"feature": np.ones(3)}, "has 'feature', which is none of"),
        ({"weight": np.ones((3, 5))}, "has one of weight and bias"),
        ({"weight": np.ones((3, 4)), "bias": np.ones(3)}, "must be [K, 5]"),
        ({"weight": np.ones((3, 5)), "bias": np.ones(4)}, "numbers of classes that differ"),
        ({"source": np.array(["toy/train"])}, "has 80 videos and 1 sources"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(OsarbenchError) as raised:
        feature_files.read([write(tmp_path, **changes)])
    assert message in str(raised.value)


def test_dimensions_cannot_be_mixed_in_a_file(tmp_path: Path) -> None:
    given = content()
    mixed = [row[: 4 if place == 9 else 5] for place, row in enumerate(given["features"])]
    pd.DataFrame({"video": given["video"], "features": mixed}).to_parquet(tmp_path / "features.parquet")
    with pytest.raises(
        OsarbenchError, match="has 5 numbers in the first row and 4 in row 9. Dimensions cannot be mixed"
    ):
        feature_files.read([tmp_path / "features.parquet"])


def test_dimensions_cannot_be_mixed_between_files(tmp_path: Path) -> None:
    other = write(tmp_path, dim=6).rename(tmp_path / "other.npz")
    with pytest.raises(OsarbenchError, match="has features of 1 x 5 a video and .*other.npz of 1 x 6"):
        feature_files.read([write(tmp_path), other])


def test_pickled_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "f.npz", video=np.array(["a"], dtype=object), features=np.ones((1, 2)))
    with pytest.raises(OsarbenchError, match="holds pickled objects"):
        feature_files.read([tmp_path / "f.npz"])


@pytest.mark.parametrize("ending", [".parquet", ".safetensors", ".npz"])
def test_a_file_that_is_cut_short_is_one_line(tmp_path: Path, ending: str) -> None:
    file = write(tmp_path, ending)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(OsarbenchError, match=f"features{ending}"):
        feature_files.read([file])


def test_two_files_are_one(tmp_path: Path) -> None:
    given = content()
    for name, part in {"a": slice(0, 30), "b": slice(30, None)}.items():
        feature_files.write(tmp_path / f"{name}.npz", {key: its[part] for key, its in given.items()})
    found = feature_files.read([tmp_path / "b.npz", tmp_path / "a.npz"])
    assert len(found.videos) == len(given["video"])
    np.testing.assert_array_equal(found.features[-30:, 0], given["features"][:30])


def listed(*names: str, sources: tuple[str, ...] | None = None) -> FeatureFile:
    return FeatureFile(names, sources, np.zeros((len(names), 1, 2), dtype=np.float32))


TABLE = pd.DataFrame({"source": ["d/one", "d/one", "d/two"], "video": ["a/1.avi", "a/2.avi", "b/3.avi"]})


def test_rows_are_found_in_whatever_order() -> None:
    assert feature_rows.positions(listed("b/3.avi", "a/1.avi", "a/2.avi"), TABLE, complete=True).tolist() == [1, 2, 0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a/1.avi", "a/2.avi"), "1 of the protocol's 3 videos are missing: b/3.avi"),
        (("a/1.avi", "a/2.avi", "b/3.avi", "c/9.avi"), "1 of 4 videos are not the protocol's: c/9.avi"),
        (("a/1.avi", "a/2.avi", "b/3.avi", "a/1.avi"), "1 videos are there more than once: a/1.avi"),
        (("1", "2", "3"), "The protocol's are like a/1.avi: the path below videos/, with folder and ending"),
    ],
)
def test_missing_surplus_and_repeated_ids_are_named(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(OsarbenchError) as raised:
        feature_rows.positions(listed(*names), TABLE, complete=True)
    assert message in str(raised.value)


def test_a_partial_protocol_may_lack_videos() -> None:
    assert feature_rows.positions(listed("b/3.avi"), TABLE, complete=False).tolist() == [-1, -1, 0]


def test_one_id_in_two_sources_needs_the_source() -> None:
    table = TABLE.assign(video=["same.avi", "a/2.avi", "same.avi"])
    with pytest.raises(OsarbenchError, match="1 ids stand for several videos of the protocol .*add 'source'"):
        feature_rows.positions(listed("same.avi", "a/2.avi"), table, complete=True)
    found = listed("same.avi", "same.avi", "a/2.avi", sources=("d/two", "d/one", "d/one"))
    assert feature_rows.positions(found, table, complete=True).tolist() == [1, 2, 0]


def test_logits_that_are_linear_in_the_features_give_their_classifier() -> None:
    generator = np.random.default_rng(1)
    features, weight, bias = generator.normal(size=(50, 2, 6)), generator.normal(size=(4, 6)), generator.normal(size=4)
    logits = (features @ weight.T + bias).astype(np.float32)
    given = FeatureFile(tuple(map(str, range(50))), None, features.astype(np.float32), logits)
    recovered = feature_rows.classifier(given)
    assert recovered is not None
    np.testing.assert_allclose(recovered[0], weight, atol=1e-3)
    np.testing.assert_allclose(recovered[1], bias, atol=1e-3)
    with pytest.raises(OsarbenchError, match="not those of a linear classifier on the features"):
        feature_rows.classifier(given._replace(logits=logits**2))
    few = given._replace(features=given.features[:7], logits=logits[:7])
    with pytest.raises(OsarbenchError, match="7 videos do not determine a classifier of 6 features"):
        feature_rows.classifier(few)
    with pytest.raises(OsarbenchError, match="weight and bias give others"):
        feature_rows.classifier(given._replace(weight=weight.astype(np.float32), bias=(bias + 1).astype(np.float32)))


def test_classes_come_in_the_protocols_order() -> None:
    given = listed("a")._replace(class_names=("blue", "red", "green"))
    assert feature_rows.class_order(given, KNOWN).tolist() == [1, 2, 0]
    with pytest.raises(OsarbenchError, match="'bleu' is no known one. Did you mean 'blue'"):
        feature_rows.class_order(given._replace(class_names=("bleu", "red", "green")), KNOWN)


def test_imported_features_are_scored_without_a_video(tmp_path: Path) -> None:
    found = store(tmp_path, write(tmp_path, views=2))
    assert (found.videos, found.views, found.dim, found.classifier) == (80, 2, 5, False)
    asked = request(tmp_path, tmp_path / "cache", "dnn", "knn", "edl", backbone="mine", epochs=40, batch_size=8)
    entries = run(asked)
    assert [entry.metrics["headline"]["closed_accuracy"] for entry in entries] == [1.0, 1.0, 1.0]
    assert entries[1].metrics["headline"]["auroc"] > 0.95
    assert not (tmp_path / "cache" / "clips").exists()
    made = manifest.read(entries[0].scores)
    assert made is not None
    assert made["origin"]["weights"]["origin"] == "imported"
    assert made["origin"]["deviations"] == {"epochs": 40, "batch_size": 8, "training": "linear"}


def test_a_classifier_that_was_imported_is_used_as_it_is(tmp_path: Path) -> None:
    given = content()
    centres = np.stack([given["features"][rows_of_toy()["label"] == name].mean(axis=0) for name in KNOWN])
    order = [2, 0, 1]
    names = np.array(KNOWN)[order]
    store(
        tmp_path, write(tmp_path, weight=centres[order], bias=-(centres[order] ** 2).sum(axis=1) / 2, class_names=names)
    )
    (entry,) = run(request(tmp_path, tmp_path / "cache", "energy", backbone="mine"))
    assert entry.metrics["headline"]["closed_accuracy"] == 1.0
    with pytest.raises(OsarbenchError, match="the head 'edl'|Choose a method it was made for"):
        run(request(tmp_path, tmp_path / "cache", "bnn", backbone="mine"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mode": "attentive"}, "--train attentive needs a network, and 'mine' are imported features"),
        ({"mode": "none"}, "imported without a classifier"),
        ({"weights": "none"}, "take no weights"),
    ],
)
def test_features_cannot_do_what_a_network_can(tmp_path: Path, changes: Mapping[str, Any], message: str) -> None:
    store(tmp_path, write(tmp_path))
    with pytest.raises(OsarbenchError, match=message):
        run(request(tmp_path, tmp_path / "cache", "dnn", backbone="mine", **changes))


def test_other_features_of_a_name_are_refused_and_redo_replaces_them(tmp_path: Path) -> None:
    store(tmp_path, write(tmp_path))
    other = write(tmp_path, dim=6)
    with pytest.raises(OsarbenchError, match="inputs.files"):
        store(tmp_path, other)
    assert store(tmp_path, other, redo=True).dim == 6


def test_features_do_not_take_the_name_of_a_backbone(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="'tsm' is a backbone of osarbench. Give the features another name"):
        store(tmp_path, write(tmp_path), name="tsm")


def test_features_of_an_older_protocol_are_refused(tmp_path: Path) -> None:
    protocol = tmp_path / "toy.toml"
    text = Path(toy.__file__).with_suffix(".toml").read_text()
    protocol.write_text(text)
    store(tmp_path, write(tmp_path), protocol=protocol)
    protocol.write_text(text + "\n[probe]\nstandardise = false\n")
    with pytest.raises(OsarbenchError, match="imported for another version of the protocol 'toy'"):
        run(request(tmp_path, tmp_path / "cache", "dnn", backbone="mine", protocol=str(protocol)))


@pytest.mark.parametrize("ending", FORMATS)
def test_features_of_a_run_go_out_and_come_back_to_the_same_scores(tmp_path: Path, ending: str) -> None:
    asked = request(tmp_path, tmp_path / "cache", "energy", "knn", mode="linear", weights="none", epochs=2)
    first = run(asked)
    file = tmp_path / f"ours{ending}"
    told = exporting.export(first[0].folder.parent, file)
    assert (told.videos, told.shape, told.classifier, told.training) == (80, (2, 8), True, True)
    store(tmp_path, file)
    second = run(request(tmp_path, tmp_path / "cache", "energy", "knn", backbone="mine", mode="none"))
    for ours, theirs in zip(first, second, strict=True):
        pd.testing.assert_frame_equal(pd.read_csv(ours.scores), pd.read_csv(theirs.scores), rtol=1e-5)


def test_the_command_line_says_what_to_type_next(tmp_path: Path) -> None:
    file = write(tmp_path)
    protocol, runs, cache = Path(toy.__file__).with_suffix(".toml"), tmp_path / "runs", tmp_path / "cache"
    command = f"import-features {file} --name mine --protocol {protocol} --runs {runs} --cache {cache}"
    said = CliRunner().invoke(cli, command.split())
    assert said.exit_code == 0, said.output
    assert "80 videos, 1 views of 5 numbers, without a classifier" in said.output
    assert "--backbone mine" in said.output
    facts = json.loads((tmp_path / "runs/toy/mine/imported/import.json").read_text())
    assert facts["files"][0][0] == "features.npz"


def test_a_plan_on_imported_features_measures_no_network(tmp_path: Path) -> None:
    store(tmp_path, write(tmp_path))
    planned, _ = plan(request(tmp_path, tmp_path / "cache", "dnn", backbone="mine"))
    assert planned is not None
    assert {step.name: step.state for step in costs.of(planned).steps}["import features.npy"] == "fresh"
