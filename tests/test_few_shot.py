"""Few-shot unknowns: who gets them, what leaves the test, and the scores that learn from them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import cdist
from test_run import request
from torch import Tensor

from osarbench.data import index, locations
from osarbench.data.shots import SHOT
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import FewShotMethod, LinearHead, Outputs
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol
from osarbench.published import few_shot
from osarbench.published.scores import part
from osarbench.run.run import run
from osarbench_plugins.methods.few_shot import FsKnn, FsKnns, FsKnnsLegacy, FsSirc, FsSircLegacy, knns

HERE = Path(__file__).parent
DIM, CLASSES = 12, 3
RECORDING = """
import torch
from osarbench import FewShotMethod, Method, hookimpl

class Recording(FewShotMethod):
    name = "recording"
    def fit(self, outputs, labels):
        self.known = outputs.features
    def fit_shots(self, shots):
        self.count = len(shots.features)
    def uncertainty(self, outputs):
        return torch.full((len(outputs.features),), float(self.count)) + outputs.features.mean(dim=1) * 1e-3

@hookimpl
def osarbench_methods():
    return [Recording]
"""


def toy(folder: Path, few: str) -> Path:
    """Write the toy's protocol with a section [few_shot]: its unknown class has two sources of four clips."""
    file = folder / "toy-few.toml"
    file.write_text((HERE / "toy.toml").read_text() + f"\n[few_shot]\n{few}\n")
    return file


def listed(folder: Path, few: str) -> pd.DataFrame:
    found = locations.Locations(data=None, datasets={}, cache=folder / "cache", weights=None)
    available = plugins.load(kinds=("datasets",), files=[HERE / "toy.py"])
    built = index.build(protocol.read(str(toy(folder, few))), available, found)
    index.check_apart(built, shots_stay="nothing" in few)
    return built.rows


def videos(rows: pd.DataFrame, role: str) -> set[str]:
    return set(rows.loc[rows["role"] == role, "video"])


def test_shots_leave_the_test_and_so_do_the_other_clips_of_their_source(tmp_path: Path) -> None:
    rows = listed(tmp_path, "shots = 1")
    (shot,) = videos(rows, SHOT)
    groups = {role: set(rows.loc[rows["role"] == role, "group"]) for role in (SHOT, "unknown")}
    assert groups[SHOT].isdisjoint(groups["unknown"])
    assert len(videos(rows, "unknown")) == 4
    assert shot.startswith("unknown/grey")


def test_with_take_out_video_the_shots_alone_leave_the_test(tmp_path: Path) -> None:
    rows = listed(tmp_path, 'shots = 3\ntake_out = "video"')
    assert len(videos(rows, SHOT)) == 3
    assert len(videos(rows, "unknown")) == 5
    assert videos(rows, SHOT).isdisjoint(videos(rows, "unknown"))


def test_with_take_out_nothing_shots_stay_in_the_test_as_some_publish(tmp_path: Path) -> None:
    rows = listed(tmp_path, 'shots = 3\ntake_out = "nothing"')
    assert videos(rows, SHOT) < videos(rows, "unknown")
    assert len(videos(rows, "unknown")) == 8


def test_shots_come_from_as_many_sources_as_there_are(tmp_path: Path) -> None:
    rows = listed(tmp_path, 'shots = 2\ntake_out = "video"')
    assert rows.loc[rows["role"] == SHOT, "group"].nunique() == 2


def test_the_seed_decides_which_videos_are_drawn_and_nothing_else_does(tmp_path: Path) -> None:
    drawn = [
        videos(listed(tmp_path, f'shots = 2\nseed = {seed}\ntake_out = "video"'), SHOT) for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len({frozenset(its) for its in drawn}) > 2


def test_training_known_and_calibration_videos_are_those_without_shots(tmp_path: Path) -> None:
    rows, plain = listed(tmp_path, "shots = 1"), listed(tmp_path, "shots = 0")
    for role in ("train", "calibration", "known"):
        assert videos(rows, role) == videos(plain, role)
    assert not videos(plain, SHOT)


@pytest.mark.parametrize(
    ("few", "message"),
    [
        ("shots = 9", "shots = 9, and the unknown class grey has 8 videos to draw from"),
        ("shots = 2", "leaves no test video of 1 of 1 unknown classes, the first is grey. Draw fewer, or from other"),
        ("shots = 2", 'or take out the shots alone: take_out = "video"'),
        ('shots = 8\ntake_out = "video"', "leaves no test video of 1 of 1 unknown classes"),
        ("shot = 1", "Did you mean 'shots'"),
        ('shots = 1\nsplits = ["unknwon"]', "Did you mean 'unknown'"),
        ("shots = -1", "shots"),
    ],
)  # fmt: skip
def test_a_draw_that_cannot_be_made_is_one_clear_line(tmp_path: Path, few: str, message: str) -> None:
    with pytest.raises(OsarbenchError) as error:
        listed(tmp_path, few)
    assert message in str(error.value)


def test_few_shot_methods_get_the_shots_and_others_the_same_test(tmp_path: Path) -> None:
    (tmp_path / "recording.py").write_text(RECORDING)
    asked = request(tmp_path, tmp_path / "cache", "recording", "dnn", "fs_knns_legacy")
    asked = replace(asked, protocol=str(toy(tmp_path, 'shots = 3\ntake_out = "video"')),
                    plugin_files=(*asked.plugin_files, tmp_path / "recording.py"))  # fmt: skip
    tables = [pd.read_csv(entry.scores) for entry in run(asked)]
    assert tables[0]["uncertainty"].round().unique().tolist() == [3.0]
    for rows in tables:
        assert (rows["role"] == "unknown").sum() == 5
        assert SHOT not in set(rows["role"])
    head = next((tmp_path / "runs/toy-few/toy").glob("linear-0"))
    assert np.load(head / "features-shots.npy").shape[0] == 3
    listed_rows = pd.read_csv(tmp_path / "runs/toy-few/index.csv")
    assert (listed_rows["role"] == SHOT).sum() == 3


def test_shots_that_stay_in_the_test_are_scored_as_well(tmp_path: Path) -> None:
    asked = request(tmp_path, tmp_path / "cache", "fs_knn")
    (entry,) = run(replace(asked, protocol=str(toy(tmp_path, 'shots = 3\ntake_out = "nothing"'))))
    assert (pd.read_csv(entry.scores)["role"] == "unknown").sum() == 8


def test_a_protocol_without_shots_refuses_few_shot_methods_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"fs_knn learns from a few unknown videos, .*'toy' declares none"):
        run(request(tmp_path, tmp_path / "cache", "fs_knn"))
    assert not list(tmp_path.glob("runs/toy/toy/*"))


def outputs(features: Tensor, head: LinearHead) -> Outputs:
    with torch.no_grad():
        return Outputs(features[:, None], head(features)[:, None], head)


def made() -> tuple[Outputs, Tensor, Outputs, Outputs]:
    """Return training videos with labels, shots and test videos."""
    generator = torch.Generator().manual_seed(1)
    head = LinearHead(DIM, DIM, CLASSES).eval()
    torch.nn.init.normal_(head.fc.weight, generator=generator)
    labels = torch.arange(60) % CLASSES
    train = (torch.rand(60, DIM, generator=generator) + 2 * head.fc.weight.detach()[labels]).relu()
    shots, test = (torch.randn(count, DIM, generator=generator).abs() for count in (7, 20))
    return outputs(train, head), labels, outputs(shots, head), outputs(test, head)


def fitted(method: FewShotMethod) -> tuple[FewShotMethod, Outputs]:
    train, labels, shots, test = made()
    method.fit(train, labels)
    method.fit_shots(shots)
    return method, test


def cosines(first: Tensor, second: Tensor) -> np.ndarray:
    return np.asarray(1 - cdist(first.double().numpy(), second.double().numpy(), "cosine"))


def test_fs_knn_is_the_distance_to_training_less_that_to_the_shots() -> None:
    train, _, shots, test = made()
    method, _ = fitted(FsKnn(neighbours=4, shot_neighbours=2))
    of_training = np.sort(1 - cosines(test.features, train.features), axis=1)[:, 3]
    to_shots = np.sort(cosines(test.features, shots.features), axis=1)[:, -2]
    assert method.uncertainty(test).numpy() == pytest.approx(of_training + to_shots, abs=1e-6)


def test_more_neighbours_than_there_are_take_the_last() -> None:
    _, _, shots, test = made()
    method, _ = fitted(FsKnn(neighbours=1, shot_neighbours=100))
    nearest, _ = fitted(FsKnn(neighbours=1, shot_neighbours=7))
    assert torch.equal(method.uncertainty(test), nearest.uncertainty(test))
    assert len(shots.features) == 7


def test_learnt_videos_are_not_their_own_neighbours_but_as_published_they_are() -> None:
    train, _, shots, _ = made()
    method, legacy = fitted(FsKnns(neighbours=2, shot_neighbours=2))[0], fitted(FsKnnsLegacy(shot_neighbours=2))[0]
    assert isinstance(method, FsKnns)
    assert isinstance(legacy, FsKnns)
    among = np.sort(cosines(shots.features, shots.features), axis=1)
    from_training = 1 - np.sort(cosines(shots.features, train.features), axis=1)[:, -2]
    assert method.known.shots.numpy() == pytest.approx(from_training + among[:, -3], abs=1e-6)
    to_shots = np.sort(cosines(train.features, shots.features), axis=1)[:, -2]
    assert legacy.known.train.numpy() == pytest.approx(to_shots, abs=1e-6)


def published(legacy: FsKnnsLegacy | FsSircLegacy, test: Outputs) -> few_shot.FewShot:
    """Return what the published file would hold of a fitted method."""
    distance = legacy.distance(test.features)[None].numpy()
    softmax = 1 - test.logits.double().softmax(dim=1).amax(dim=1).numpy()
    none = part("none", uncertainty=softmax, predicted=np.zeros(20), labels=np.zeros(20))
    half = none._replace(**{key: its[:10] for key, its in none._asdict().items() if its is not None})
    return few_shot.FewShot(
        distance[:, :10], distance[:, 10:], legacy.known.train[None].numpy(), legacy.known.shots[None].numpy(),
        (softmax[:10], softmax[10:]), (half, half),
    )  # fmt: skip


@pytest.mark.parametrize(("method", "score"), [(FsKnnsLegacy(), "knns"), (FsSircLegacy(), "sirc")])
def test_the_legacy_scores_are_those_that_the_published_script_makes_of_its_file(
    method: FsKnnsLegacy | FsSircLegacy, score: str
) -> None:
    _, test = fitted(method)
    (scores,) = few_shot.scored(published(method, test), score)
    expected = np.concatenate([scores.known.uncertainty, scores.unknown.uncertainty])
    assert method.uncertainty(test).numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("method", "score"), [(FsKnns(), "knns"), (FsSirc(), "sirc")])
def test_the_others_do_not_depend_on_the_videos_that_are_scored_with_them(method: FewShotMethod, score: str) -> None:
    _, test = fitted(method)
    alone = [method.uncertainty(Outputs(test.view_features[[n]], test.view_logits[[n]], test.head)) for n in range(20)]
    assert torch.allclose(torch.cat(alone), method.uncertainty(test))


def test_fs_knns_scales_distances_by_what_was_learnt_from() -> None:
    method, test = fitted(FsKnns())
    assert isinstance(method, FsKnns)
    low, high = torch.cat(method.known).aminmax()
    distance, shots = ((its - low) / (high - low) for its in (method.distance(test.features), method.known.shots))
    softmax = 1 - test.logits.double().softmax(dim=1).amax(dim=1)
    assert torch.allclose(method.uncertainty(test), knns(distance, softmax, shots))


def test_fs_sirc_is_the_softmax_uncertainty_where_a_video_is_like_training() -> None:
    method, test = fitted(FsSirc())
    assert isinstance(method, FsSirc)
    softmax = (1 - test.logits.double().softmax(dim=1).amax(dim=1)).log()
    train = method.known.train
    distances = (method.distance(test.features) - train.mean() - 3 * train.std(correction=0)) / train.std(correction=0)
    assert torch.allclose(method.uncertainty(test), softmax + (1 + distances.exp()).log())
    far_below = method.combine(torch.full((20,), -100.0, dtype=torch.float64), softmax)
    assert torch.allclose(far_below, softmax)
