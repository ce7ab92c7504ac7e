"""The backbone slowfast: DEAR's network to the fourth decimal, its pathways, their order, its limits."""

import copy
from pathlib import Path

import pytest
import torch
from parity import check_scores, check_training_step

from osarbench.errors import OsarbenchError
from osarbench.model import memory
from osarbench_plugins.backbones.slowfast import SlowFast

pytest.importorskip("pytorchvideo")


@pytest.fixture(scope="module")
def narrow() -> SlowFast:
    torch.manual_seed(0)
    return SlowFast(width=16)


def test_the_published_network_gives_the_published_scores(shared: Path, tmp_path: Path) -> None:
    check_scores(shared, tmp_path, "slowfast", SlowFast())


@pytest.mark.slow
def test_a_training_step_has_the_published_losses_and_gradients(shared: Path, tmp_path: Path) -> None:
    norms = {
        "all": 376.97,
        "backbone.blocks.0.multipathway_blocks.0.conv.weight": 103.99,
        "backbone.blocks.0.multipathway_blocks.1.conv.weight": 309.66,
        "backbone.blocks.3.multipathway_fusion.conv_fast_to_slow.weight": 3.3821,
        "head.fc.weight": 36.9756,
    }
    check_training_step(shared, tmp_path, SlowFast(), terms={"loss_cls": 5.24516}, norms=norms)


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        backbone = SlowFast()
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 33_643_560
    assert (backbone.dim, backbone.map_dim) == (2304, 2048)
    assert (backbone.clip.length, backbone.clip.views) == (32, 30)


def test_the_vector_is_the_fast_pathway_then_the_slow_one(narrow: SlowFast) -> None:
    with torch.no_grad():
        features = narrow.eval()(torch.randn(2, 3, 8, 64, 64))
    assert features.vector.shape == (2, 64 + 512)
    assert features.maps.shape == (2, 512, 2, 2, 2)
    torch.testing.assert_close(features.vector[:, 64:], features.maps.mean(dim=(2, 3, 4)))


@pytest.mark.parametrize(
    ("preset", "frames", "slow"), [("8x8", 32, range(0, 32, 4)), ("4x16", 32, range(0, 32, 8)),
    ("pytorchvideo", 32, [0, 4, 8, 13, 17, 22, 26, 31])],
)  # fmt: skip
def test_slow_frames_are_each_alphas_or_spread_to_the_last(preset: str, frames: int, slow: list[int]) -> None:
    backbone = SlowFast(preset=preset, width=8)  # type: ignore[arg-type]
    numbered = torch.arange(frames).view(1, 1, frames, 1, 1).expand(1, 3, frames, 2, 2)
    assert backbone._slow_frames(numbered)[0, 0, :, 0, 0].tolist() == list(slow)


def test_all_frames_reach_the_vector(narrow: SlowFast) -> None:
    clips = torch.randn(1, 3, 8, 32, 32, requires_grad=True)
    narrow.train()(clips.expand(2, -1, -1, -1, -1)).vector.square().sum().backward()
    assert clips.grad is not None
    assert clips.grad.abs().amax(dim=(0, 1, 3, 4)).all()
    assert all(parameter.grad is not None for parameter in narrow.parameters())


def test_blocks_that_are_run_again_give_the_same_gradients(narrow: SlowFast) -> None:
    # pathways come as a list, which pytorchvideo's blocks overwrite unless they are told not to
    clips = torch.randn(2, 3, 8, 32, 32)
    frugal = copy.deepcopy(narrow)
    assert memory.recompute_blocks(frugal) == 5
    for backbone in (narrow, frugal):
        backbone.train().zero_grad()
        backbone(clips).vector.square().sum().backward()
    for own, other in zip(narrow.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)


def test_frames_that_alpha_does_not_divide_are_refused(narrow: SlowFast) -> None:
    with pytest.raises(OsarbenchError, match="a number of frames that 4 divides, not 30"):
        narrow(torch.zeros(1, 3, 30, 32, 32))


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(OsarbenchError, match="no preset of slowfast '8x16'"):
        SlowFast(preset="8x16")  # type: ignore[arg-type]
