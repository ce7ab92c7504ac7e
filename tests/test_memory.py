"""Fitting a network into memory: recomputed blocks change no number, and a batch is halved until it fits."""

import pytest
import torch
from torch import nn

from osarbench.errors import OsarbenchError
from osarbench.model.memory import fitting, recompute_blocks
from osarbench_plugins.backbones.tsm import TSM

SMALL = {"layers": [1, 1, 1], "channels": [8, 16, 32], "stem_chs": 8}


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return TSM(trunk="timm:resnetv2_18", trunk_options=SMALL, segments=4).double().train()


def step(network: nn.Module, clips: torch.Tensor) -> list[torch.Tensor]:
    features = network(clips)
    (features.vector.square().sum() + features.maps.sum()).backward()
    return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


def test_recomputed_blocks_give_the_same_gradients_and_running_statistics() -> None:
    plain, frugal = (small_network() for _ in range(2))
    assert recompute_blocks(frugal) > 0
    clips = torch.randn(2, 3, 4, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for expected, gradient in zip(step(plain, clips), step(frugal, clips), strict=True):
        torch.testing.assert_close(gradient, expected)
    for (name, expected), statistic in zip(plain.named_buffers(), frugal.buffers(), strict=True):
        torch.testing.assert_close(statistic, expected, msg=name)


def test_recomputed_blocks_keep_the_names_of_all_weights() -> None:
    network = TSM(trunk="mobilenet_v2")
    names = list(network.state_dict())
    recompute_blocks(network)
    assert list(network.state_dict()) == names


def test_a_batch_is_halved_until_it_fits() -> None:
    tried = []

    def attempt(batch: int) -> None:
        tried.append(batch)
        if batch > 3:
            raise torch.OutOfMemoryError

    assert fitting(24, attempt) == 3
    assert tried == [24, 12, 6, 3]


def test_what_never_fits_is_said() -> None:
    def attempt(batch: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(OsarbenchError, match="Not even one clip fits"):
        fitting(8, attempt)
