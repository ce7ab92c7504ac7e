"""The backbone i3d: DEAR's network to the fourth decimal, its strides, its limits."""

from pathlib import Path

import pytest
import torch
from parity import check_scores, check_training_step
from torch import nn

from osarbench.errors import OsarbenchError
from osarbench_plugins.backbones.i3d import I3D

pytest.importorskip("pytorchvideo")


@pytest.fixture(scope="module")
def narrow() -> I3D:
    torch.manual_seed(0)
    return I3D(width=8)


def test_the_published_network_gives_the_published_scores(shared: Path, tmp_path: Path) -> None:
    check_scores(shared, tmp_path, "i3d", I3D())


@pytest.mark.slow
def test_a_training_step_has_the_published_losses_and_gradients(shared: Path, tmp_path: Path) -> None:
    norms = {
        "all": 893.69,
        "backbone.blocks.0.conv.weight": 696.6,
        "backbone.blocks.5.res_blocks.2.branch2.norm_c.weight": 0.2271,
        "head.fc.weight": 35.2111,
    }
    check_training_step(shared, tmp_path, I3D(), terms={"loss_cls": 5.92254}, norms=norms)


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        backbone = I3D()
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 27_223_872
    assert (backbone.dim, backbone.map_dim) == (2048, 2048)
    assert (backbone.clip.length, backbone.clip.views) == (32, 3)


@pytest.mark.parametrize(("preset", "frames", "left"), [("mmaction2", 32, 4), ("pytorchvideo", 8, 4)])
def test_time_is_halved_three_times_or_once(preset: str, frames: int, left: int) -> None:
    backbone = I3D(preset=preset, width=8)  # type: ignore[arg-type]
    with torch.no_grad():
        features = backbone.eval()(torch.randn(2, 3, frames, 64, 64))
    assert backbone.clip.frames == frames
    assert features.vector.shape == (2, 256)
    assert features.maps.shape == (2, 256, left, 2, 2)


def test_every_parameter_is_trained(narrow: I3D) -> None:
    for module in narrow.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.ones_(module.weight)  # residual branches begin at zero
    narrow.train()(torch.randn(2, 3, 8, 32, 32)).vector.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in narrow.parameters())


@pytest.mark.parametrize(("shape", "message"), [((4, 64, 64), "5 frames or more, not 4"), ((8, 16, 64), "not 16 x 64")])
def test_clips_that_are_too_small_are_refused(narrow: I3D, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(OsarbenchError, match=message):
        narrow(torch.zeros(1, 3, *shape))


def test_the_fewest_frames_are_enough(narrow: I3D) -> None:
    assert narrow.eval()(torch.zeros(1, 3, 5, 32, 32)).maps.shape[2] == 1


def test_an_unknown_preset_or_depth_is_refused() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'mmaction2'"):
        I3D(preset="mmaction")  # type: ignore[arg-type]
    with pytest.raises(OsarbenchError, match="no network of depth 51; there are 50, 101, 152"):
        I3D(depth=51)


def test_without_pytorchvideo_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pytorchvideo.models", None)
    with pytest.raises(OsarbenchError, match="pip install pytorchvideo"):
        I3D()
