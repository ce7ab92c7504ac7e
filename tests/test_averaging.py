"""Averages of the weights along a training: what they are of, and that a resume keeps them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from test_training_step import SixClips
from torch import Tensor
from toy import ToyBackbone

from osarbench.data.clips import Loading
from osarbench.data.transforms import normalise
from osarbench.interfaces.method import LinearHead
from osarbench.model import train as training
from osarbench.model.device import Machine
from osarbench.model.network import Network
from osarbench.model.train import Trained, train
from osarbench.protocols.protocol import Training


def trained(folder: Path, epochs: int, **average: Any) -> Network:
    """Return a network after so many epochs of one step each."""
    torch.manual_seed(3)
    network = Network(ToyBackbone(), LinearHead(8, 8, 3), ToyBackbone.clip)
    recipe = Training(epochs=epochs, batch_size=6, learning_rate=0.5, **average)
    machine = Machine(Fabric(accelerator="cpu", devices=1), "32-true", Loading(0, pin=False))
    train(machine, network, SixClips(), recipe, seed=0, into=Trained(folder), identity={})  # type: ignore[arg-type]
    return network


def state(network: Network) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}


@pytest.fixture(name="ends")
def _ends(tmp_path: Path) -> list[dict[str, Tensor]]:
    """Weights and statistics after one, two and three steps."""
    return [state(trained(tmp_path / f"after{epochs}", epochs)) for epochs in (1, 2, 3)]


def test_a_fading_average_begins_at_the_first_step_and_keeps_its_share_at_each(
    tmp_path: Path, ends: list[dict[str, Tensor]]
) -> None:
    found = state(trained(tmp_path, 3, average="ema", ema_decay=0.75))
    for name, tensor in found.items():
        wanted = 0.75 * (0.75 * ends[0][name] + 0.25 * ends[1][name]) + 0.25 * ends[2][name]
        torch.testing.assert_close(tensor, wanted)


def test_the_last_epochs_count_equally_and_the_earlier_ones_not(tmp_path: Path, ends: list[dict[str, Tensor]]) -> None:
    found = state(trained(tmp_path, 3, average="epochs", average_epochs=2))
    for name in (name for name in found if "running" not in name):
        torch.testing.assert_close(found[name], (ends[1][name] + ends[2][name]) / 2)


def test_statistics_of_the_mean_are_measured_with_its_weights(tmp_path: Path) -> None:
    network = trained(tmp_path, 3, average="epochs", average_epochs=2)
    assert isinstance(network.backbone, ToyBackbone)
    maps = network.backbone.conv(normalise(SixClips.clips, network.spec))
    torch.testing.assert_close(network.backbone.norm.running_mean, maps.mean(dim=(0, 2, 3, 4)))
    assert network.backbone.norm.momentum == 0.1


def test_statistics_that_the_recipe_freezes_stay(tmp_path: Path) -> None:
    network = trained(tmp_path, 2, average="epochs", average_epochs=2, freeze_batch_norm=True)
    assert isinstance(network.backbone, ToyBackbone)
    assert torch.equal(network.backbone.norm.running_mean, torch.zeros(8))  # type: ignore[arg-type]


@pytest.mark.parametrize("average", [{"average": "ema", "ema_decay": 0.5}, {"average": "epochs", "average_epochs": 2}])
def test_a_broken_training_goes_on_to_the_average_of_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, average: dict[str, Any]
) -> None:
    unbroken = state(trained(tmp_path / "unbroken", 3, **average))

    epoch, done = training._epoch, list[int]()

    def broken(*arguments: Any) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return epoch(*arguments)

    monkeypatch.setattr(training, "_epoch", broken)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "broken", 3, **average)
    monkeypatch.undo()
    resumed = state(trained(tmp_path / "broken", 3, **average))
    assert all(np.array_equal(resumed[name], unbroken[name]) for name in unbroken)
