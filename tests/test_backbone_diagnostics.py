"""What a backbone says of its clips: kept by class next to the scores, and shown in reports."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy
from torch import Tensor

from osarbench.data import locations as places
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.model import extract
from osarbench.reports import classes, page
from osarbench.reports.build import build
from osarbench.reports.results import gather
from osarbench.run import scoring
from osarbench.run.config import RunConfig
from osarbench.run.run import Entry, run

HERE = Path(__file__).parent
REDDISH = '''
from collections.abc import Mapping

import toy
from osarbench import Backbone, hookimpl
from osarbench.interfaces.backbone import Features


class Reddish(toy.ToyBackbone):
    """Says of each clip whether it is more red than green and blue."""

    name = "reddish"

    def forward(self, clips) -> Features:
        means = clips.mean(dim=(2, 3, 4))
        self.red = means[:, 0] > means[:, 1:].amax(dim=1)
        return super().forward(clips)

    def diagnostics(self) -> Mapping:
        return {"red": self.red, "not_red": ~self.red}


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    return [Reddish]
'''


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def made(folder: Path, cache: Path, backbone: str = "reddish", **changes: Any) -> Entry:
    plugin = folder / "reddish.py"
    folder.mkdir(parents=True, exist_ok=True)
    plugin.write_text(REDDISH)
    asked = RunConfig(
        protocol=str(HERE / "toy.toml"), backbone=backbone, methods=("toy_nearest",), runs=folder / "runs",
        locations=places.Locations(data=None, datasets={}, cache=cache, weights=None), device="cpu", epochs=1,
        plugin_files=(HERE / "toy.py", plugin),
    )  # fmt: skip
    (entry,) = run(replace(asked, **changes))
    return entry


def test_means_by_class_are_kept_next_to_what_the_method_says(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extract, "PIECE", 16)  # several pieces
    entry = made(tmp_path, cache)
    said_of = json.loads((entry.folder / "diagnostics.json").read_text())
    facts = said_of["toy/test"]
    assert facts["classes"] == {
        "red": {"red": 1.0, "not_red": 0.0}, "green": {"red": 0.0, "not_red": 1.0}, "blue": {"red": 0.0, "not_red": 1.0}
    }  # fmt: skip
    assert facts["red"] == pytest.approx(1 / 3)
    assert "mean_logit" in facts
    assert set(said_of["toy/unknown"]["classes"]) == {"grey"}
    features = entry.folder.parent / "features.npy"
    said = extract.read_facts(features)
    assert {name: values.shape for name, values in said.items()} == dict.fromkeys(
        ("red", "not_red"), (len(np.load(features)),)
    )


def test_a_backbone_that_says_nothing_leaves_no_file(tmp_path: Path, cache: Path) -> None:
    entry = made(tmp_path, cache, backbone="toy")
    assert not extract.facts_file(entry.folder.parent / "features.npy").exists()
    said_of = json.loads((entry.folder / "diagnostics.json").read_text())
    assert not any("classes" in facts for facts in said_of.values())


def test_means_are_over_the_videos_of_a_class_of_a_source() -> None:
    rows = pd.DataFrame({"source": ["a", "a", "b", "a"], "label": ["x", "y", "x", "x"]}, index=[4, 5, 6, 9])
    found = scoring.by_class(rows, {"open": np.array([1.0, 0.5, 0.25, 0.0], np.float32)})
    assert found == {
        "a": {"open": pytest.approx(0.5), "classes": {"x": {"open": 0.5}, "y": {"open": 0.5}}},
        "b": {"open": 0.25, "classes": {"x": {"open": 0.25}}},
    }
    assert scoring.by_class(rows, {}) == {}


def test_a_report_shows_them_lowest_first(tmp_path: Path, cache: Path) -> None:
    entry = made(tmp_path, cache)
    (result,) = gather([entry.folder])
    listing = classes.diagnostics(result)
    assert listing is not None
    texts = [[cell.text for cell in row] for row in listing.table.rows]
    assert texts[0] == ["blue", "toy/test", "known", "0.000", "1.000"]
    assert texts[-1][0] == "red"
    assert texts[-1][3:] == ["1.000", "0.000"]
    found = places.Locations(data=None, datasets={}, cache=cache, weights=None)
    text = page.render(build([entry.folder], found))
    assert "What the backbone says of each class" in text
    assert "Not red" in text


def test_diagnostics_that_are_none_are_named(tmp_path: Path, cache: Path) -> None:
    entry = made(tmp_path, cache)
    file = entry.folder / "diagnostics.json"
    file.write_text('{"toy": {"classes": {"red": {"gates_open": "many"}}}}')
    with pytest.raises(OsarbenchError, match="diagnostics.json is not what a run writes: .* Delete it"):
        gather([entry.folder])


def test_the_default_says_nothing() -> None:
    backbone = toy.ToyBackbone()
    features = backbone(torch.zeros(1, 3, 4, 16, 16))
    assert isinstance(features, Features)
    said: Mapping[str, Tensor] = backbone.diagnostics()
    assert said == {}
