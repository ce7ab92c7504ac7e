"""A frozen backbone is run once; heads are trained on what is cached of it, and adapters on clips."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import toy
from test_protocol import SMALL, write
from test_run import request, times
from torch import Tensor, nn

from osarbench import Backbone, ClipSpec, Features
from osarbench.artifacts import manifest
from osarbench.data.clips import ViewClips
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import LinearHead, Progress
from osarbench.model import lora, probe
from osarbench.plugins import loading
from osarbench.protocols import protocol as protocols
from osarbench.run import probes, recipes
from osarbench.run.config import RunConfig
from osarbench.run.experiment import resolve
from osarbench.run.run import plan, run

RUNS = "runs/toy/toy"


def asked(folder: Path, where: Path, *methods: str, **changes: Any) -> RunConfig:
    return request(folder, where, *methods, **{"mode": "linear", "weights": "none", "epochs": 3, **changes})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder with the runs of two heads and two seeds on one frozen backbone."""
    folder = tmp_path_factory.mktemp("frozen")
    run(asked(folder, cache, "dnn", "toy_nearest", epochs=30))
    before = times(folder / RUNS / "frozen.random")
    run(asked(folder, cache, "dnn", "edl", epochs=30, seeds=(1,)))
    assert times(folder / RUNS / "frozen.random") == before
    return folder / RUNS


def test_heads_and_seeds_share_the_features_of_a_frozen_backbone(done: Path) -> None:
    assert {path.name for path in done.iterdir()} == {
        "frozen.random", "linear.linear.random-0", "linear.linear.random-1", "edl.linear.random-1",
    }  # fmt: skip
    assert {path.name for path in (done / "frozen.random").glob("*.npy")} == {"features.npy", "features-train.npy"}


def test_a_linear_probe_learns_colours_from_random_features(done: Path) -> None:
    scores = pd.read_csv(done / "linear.linear.random-0/dnn/scores.csv")
    known = scores[scores["role"] == "known"]
    assert (known["label"] == known["predicted"]).mean() > 0.9


def test_vectors_of_a_linear_probe_are_the_backbones_own_standardised_over_training_videos(done: Path) -> None:
    raw = {name: np.load(done / f"frozen.random/{name}.npy") for name in ("features", "features-train")}
    mean, std = raw["features-train"].mean(axis=(0, 1)), raw["features-train"].std(axis=(0, 1))
    for name, cached in raw.items():
        found = np.load(done / f"linear.linear.random-0/{name}.npy")
        np.testing.assert_allclose(found, (cached - mean) / np.where(std > 0, std, 1), atol=1e-3)


def test_the_cached_features_are_those_of_the_backbone_alone(done: Path, cache: Path, tmp_path: Path) -> None:
    config = asked(tmp_path, cache)
    frozen = probes.build_frozen(resolve(config, loading.load(files=config.plugin_files)))
    planned, _ = plan(config)
    assert planned is not None
    planned.videos.prepare()
    samples = planned.videos.samples
    clips = ViewClips(samples.frames, samples.of(samples.rows("calibration", "known", "unknown")), frozen.spec)
    with torch.no_grad():
        own = frozen.eval().vectors(torch.stack([clips[0], clips[1]]).flatten(0, 1)).view(2, 2, -1)
    np.testing.assert_allclose(own.numpy(), np.load(done / "frozen.random/features.npy")[:2], atol=1e-5)


def test_what_is_trained_is_a_deviation_where_the_protocol_says_otherwise(done: Path) -> None:
    made = manifest.read(done / "linear.linear.random-0/dnn/scores.csv")
    assert made is not None
    assert made["origin"]["deviations"] == {"epochs": 30, "training": "linear"}
    assert made["origin"]["train"] == "linear"
    assert set(made["origin"]["code"]) == {"frozen", "train", "extract", "score"}


def test_a_protocol_may_freeze_the_backbone_itself(tmp_path: Path, cache: Path) -> None:
    text = (Path(toy.__file__).with_suffix(".toml")).read_text()
    file = tmp_path / "toy.toml"
    file.write_text(text.replace("[training]", '[training]\nmode = "linear"'))
    (entry,) = run(request(tmp_path, cache, protocol=str(file), weights="none"))
    made = manifest.read(entry.folder / "scores.csv")
    assert made is not None
    assert made["origin"]["deviations"] == {}
    assert entry.folder.parent.name == "linear.random-0"


def test_an_attentive_probe_keeps_tokens_and_trains_heads_that_need_maps(tmp_path: Path, cache: Path) -> None:
    run(asked(tmp_path, cache, "dear", mode="attentive"))
    tokens = np.load(tmp_path / RUNS / "frozen.random/tokens.npy")
    assert tokens.dtype == np.float16
    assert tokens.shape[1:] == (2, 8, 4, 4, 4)  # views, channels, grid: 4 frames, and 16 pixels averaged to 4
    assert np.load(tmp_path / RUNS / "dear.attentive.random-0/features.npy").shape == (*tokens.shape[:2], 8)


@pytest.mark.parametrize(
    ("method", "mode", "message"),
    [
        ("dear", "linear", "maps of the backbone, of which a linear probe keeps none. Use --train attentive"),
        ("psl", "linear", "'psl' trains on altered clips"),
        ("psl", "attentive", "'psl' trains on altered clips"),
    ],
)
def test_a_head_that_needs_what_is_not_cached_is_refused_before_anything_is_made(
    tmp_path: Path,
    cache: Path,
    method: str,
    mode: str,
    message: str,
) -> None:
    with pytest.raises(OsarbenchError, match=message):
        run(asked(tmp_path, cache, method, mode=mode))
    assert not list(tmp_path.rglob("*.npy"))


@pytest.mark.parametrize("mode", ["linear", "attentive", "lora"])
def test_a_frozen_backbone_of_random_weights_must_be_asked_for(tmp_path: Path, cache: Path, mode: str) -> None:
    with pytest.raises(OsarbenchError, match="--weights none"):
        run(asked(tmp_path, cache, mode=mode, weights=None))


def test_no_train_and_train_contradict_each_other(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(OsarbenchError, match="--no-train and --train linear contradict each other"):
        run(asked(tmp_path, cache, train=False))


def test_training_views_may_be_fewer_than_those_of_the_test(tmp_path: Path, cache: Path) -> None:
    file = tmp_path / "toy.toml"
    file.write_text((Path(toy.__file__).with_suffix(".toml")).read_text() + "\n[probe]\nclips = 1\n")
    run(asked(tmp_path, cache, "toy_nearest", protocol=str(file)))
    shapes = {path.stem: np.load(path).shape[1] for path in (tmp_path / RUNS / "frozen.random").glob("*.npy")}
    assert shapes == {"features": 2, "features-train": 2, "features-probe": 1}


def test_features_that_are_not_finite_are_refused() -> None:
    backbone = toy.ToyBackbone()
    nn.init.constant_(backbone.norm.bias, float("nan"))
    with pytest.raises(OsarbenchError, match="'toy' gives features that are NaN or infinite"):
        probe.Frozen(backbone, backbone.clip).vectors(torch.zeros(1, 3, 4, 16, 16, dtype=torch.uint8))


def test_tokens_too_large_for_float16_are_refused() -> None:
    backbone = toy.ToyBackbone().eval()
    nn.init.constant_(backbone.norm.bias, 1e5)
    clips = torch.zeros(1, 3, 4, 16, 16, dtype=torch.uint8)
    assert probe.Frozen(backbone, backbone.clip).vectors(clips).max() > 9e4
    with pytest.raises(OsarbenchError, match="too large for float16"):
        probe.Frozen(backbone, backbone.clip, (1, 1, 1)).vectors(clips)


def test_an_attentive_probe_computes_what_torch_does_of_the_same_weights() -> None:
    torch.manual_seed(0)
    ours = probe.AttentiveProbe(128)
    nn.init.normal_(ours.query)
    theirs = nn.MultiheadAttention(128, 2, batch_first=True)
    theirs.in_proj_weight.data = torch.cat([ours.to_query.weight, ours.to_key_value.weight]).detach()
    theirs.in_proj_bias.data = torch.cat([ours.to_query.bias, ours.to_key_value.bias]).detach()
    theirs.out_proj.load_state_dict(ours.out.state_dict())
    maps = torch.randn(3, 128, 2, 4, 5)
    tokens = ours.norm_tokens(maps.flatten(2).transpose(1, 2))
    query = ours.query.expand(3, -1, -1)
    query = query + theirs(query, tokens, tokens, need_weights=False)[0]
    expected = (query + ours.mlp(ours.norm_query(query)))[:, 0]
    torch.testing.assert_close(ours(maps).vector, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("dim", "heads"), [(1024, 16), (768, 12), (8, 1), (130, 2), (192, 3)])
def test_attention_heads_have_about_64_channels(dim: int, heads: int) -> None:
    assert probe.AttentiveProbe(dim).heads == heads


def test_a_constant_feature_is_centred_and_nothing_else() -> None:
    linear = probe.LinearProbe(2, 1, standardise=True)
    linear.learn(np.array([[[1.0, 7.0]], [[3.0, 7.0]]], dtype=np.float32))
    found = linear(torch.tensor([[5.0, 8.0]])).vector
    torch.testing.assert_close(found, torch.tensor([[3.0, 1.0]]))


def test_a_view_depends_on_seed_epoch_and_video_alone() -> None:
    cached = np.arange(24, dtype=np.float32).reshape(4, 6, 1)
    views = probe.CachedViews(cached, np.arange(4), seed=0)
    together, labels = views.__getitems__([(1, 3), (0, 2), (1, 0)])
    assert labels.tolist() == [3, 2, 0]
    alone = [views[item][0] for item in [(1, 3), (0, 2), (1, 0)]]
    assert torch.equal(together, torch.stack(alone))
    seen = {float(views[epoch, 2][0]) for epoch in range(40)}
    assert seen == set(range(12, 18))


class Small(Backbone):
    """A linear layer on pooled colours."""

    name = "small"
    clip = ClipSpec(frames=2, size=4, test_size=4)

    def __init__(self) -> None:
        super().__init__()
        self.dim = self.map_dim = 6
        self.layer = nn.Linear(3, 6)

    def forward(self, clips: Tensor) -> Features:
        return Features(self.layer(clips.mean(dim=(2, 3, 4))), self.layer(clips.movedim(1, -1)).movedim(-1, 1))


def test_adapters_begin_as_nothing_and_are_all_that_is_trained() -> None:
    torch.manual_seed(0)
    backbone = Small()
    clips = torch.randn(5, 3, 2, 4, 4)
    before = backbone(clips).vector.detach()
    assert lora.adapt(backbone, rank=2, alpha=4, dropout=0.0) == 2 * 3 + 6 * 2
    assert torch.equal(backbone(clips).vector, before)
    trained = [name for name, parameter in backbone.named_parameters() if parameter.requires_grad]
    assert len(trained) == 2
    assert all("lora_" in name for name in trained)
    head = LinearHead(6, 6, 2)
    head.clip_loss(backbone, clips, torch.tensor([0, 1, 0, 1, 0]), Progress(0, 1, 0))[1]["loss_cls"].backward()
    assert {name for name, its in backbone.named_parameters() if its.grad is not None} == set(trained)


def test_a_backbone_without_linear_layers_has_nothing_to_adapt() -> None:
    with pytest.raises(OsarbenchError, match="'toy' has none: it is convolutional"):
        lora.adapt(toy.ToyBackbone(), rank=2, alpha=2, dropout=0.0)


@pytest.mark.slow
def test_adapters_are_trained_saved_and_loaded_through_a_run(tmp_path: Path, cache: Path) -> None:
    plugin = tmp_path / "small.py"
    plugin.write_text(PLUGIN)
    config = asked(tmp_path, cache, backbone="small", mode="lora", plugin_files=(Path(toy.__file__), plugin))
    (entry,) = run(config)
    state = torch.load(entry.folder.parent / "network.pt", weights_only=True)["backbone"]
    assert any("lora_B" in name and value.abs().sum() > 0 for name, value in state.items())
    assert entry.folder.parent.name == "linear.lora-0"


PLUGIN = """
from test_frozen import Small as _Small
from osarbench import hookimpl

class Small(_Small):
    name = "small"

@hookimpl
def osarbench_backbones():
    return [Small]
"""


def test_the_recipe_of_a_probe_speaks_of_the_head_alone() -> None:
    stated = protocols.read("ucf12-hmdb20").recipe("tsm").training
    assert stated.frozen
    assert recipes.of_mode(stated, "linear") == recipes.PROBE
    found = recipes.of_mode(protocols.read("motion-frozen").recipe("tsm").training, "attentive")
    assert (found.mode, found.epochs, found.lr_multipliers) == ("attentive", 50, {})
    assert recipes.of_mode(stated, "lora").freeze_batch_norm
    assert recipes.of_mode(stated, "full") == stated


@pytest.mark.parametrize("name", ["motion-frozen", "ucf101-hmdb51-frozen", "ucf101-mit-frozen"])
def test_protocols_of_frozen_backbones_state_the_recipe_that_is_the_default_elsewhere(name: str) -> None:
    assert protocols.read(name).recipe("tsm").training == recipes.PROBE


@pytest.mark.parametrize("known", ["ucf101-hmdb51", "ucf101-mit"])
def test_protocols_of_frozen_backbones_compare_the_classes_of_those_that_train_all(known: str) -> None:
    ours, theirs = (protocols.read(name).sections for name in (f"{known}-frozen", known))
    assert (ours.known, ours.unknown, ours.threshold) == (theirs.known, theirs.unknown, theirs.threshold)


def test_a_head_cannot_have_a_mode_of_its_own(tmp_path: Path) -> None:
    text = f'{SMALL}[backbones.tsm.heads.linear.training]\nmode = "linear"\n'
    with pytest.raises(OsarbenchError, match="a mode, which all heads of a backbone share"):
        protocols.read(write(tmp_path, text))


def test_a_disk_that_is_too_small_is_known_before_the_work(tmp_path: Path) -> None:
    probes.check_space(tmp_path, 1000)
    with pytest.raises(OsarbenchError, match="needs 2,000,000.0 GB"):
        probes.check_space(tmp_path, 10**15)
