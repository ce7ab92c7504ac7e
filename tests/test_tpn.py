"""The backbone tpn: DEAR's network to the fourth decimal, and its auxiliary classifier in training."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from parity import check_scores, check_training_step

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import LinearHead, Progress
from osarbench.model import network
from osarbench_plugins.backbones._tpn_neck import AuxiliaryHead, TPNNeck
from osarbench_plugins.backbones.tpn import TPN

pytest.importorskip("pytorchvideo")
START = Progress(epoch=0, epochs=1, step=0)


@pytest.fixture(scope="module")
def narrow() -> TPN:
    torch.manual_seed(0)
    return TPN(width=8)


@pytest.mark.slow
def test_the_published_network_gives_the_published_scores(shared: Path, tmp_path: Path) -> None:
    check_scores(shared, tmp_path, "tpn", TPN())


@pytest.mark.slow
def test_a_training_step_has_the_published_losses_and_gradients(shared: Path, tmp_path: Path) -> None:
    norms = {
        "all": 1787.25,
        "backbone.blocks.0.conv.weight": 943.45,
        "backbone.neck.bottom_up.weight": 5.9049,
        "auxiliary.conv.conv.weight": 2.2927,
        "head.fc.weight": 15.1716,
    }
    check_training_step(shared, tmp_path, TPN(), terms={"loss_cls": 4.88654, "loss_aux": 2.39264}, norms=norms)


def test_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        backbone = TPN()
        auxiliary = backbone.auxiliary(101)
    sizes = [sum(parameter.numel() for parameter in part.parameters()) for part in (backbone, auxiliary)]
    assert sizes == [31_634_496 + 58_431_589 - 19_085_413, 19_085_413]
    assert (backbone.dim, backbone.map_dim) == (2048, 1024)
    assert (backbone.clip.length, backbone.clip.views) == (8, 30)


@pytest.mark.parametrize("frames", [4, 8, 12])
def test_features_have_the_stated_shapes(narrow: TPN, frames: int) -> None:
    with torch.no_grad():
        features = narrow.eval()(torch.randn(2, 3, frames, 64, 64))
    assert features.vector.shape == (2, 256)
    assert features.maps.shape == (2, 128, frames, 4, 4)


def test_the_neck_is_two_flows_of_two_levels() -> None:
    neck = TPNNeck(32).double().eval()
    lower, upper = (torch.randn(1, c, 8, s, s, dtype=torch.float64) for c, s in ((32, 4), (64, 2)))
    with torch.no_grad():
        same_size = (neck.spatial(lower), upper)
        pooled = [conv(maps).amax(dim=2, keepdim=True) for conv, maps in zip(neck.temporal, same_size, strict=True)]
        first, second = pooled[0] + pooled[1], pooled[1]
        flows = [neck.fuse1(first, second), neck.fuse2(first, second + neck.bottom_up(first))]
        torch.testing.assert_close(neck(lower, upper), neck.out(torch.cat(flows, dim=1)))


def test_the_auxiliary_loss_is_half_a_cross_entropy_on_res4() -> None:
    branch = AuxiliaryHead(8, 5, dropout=0.0).eval()
    features, labels = Features(torch.zeros(3, 16), torch.randn(3, 8, 4, 6, 6)), torch.tensor([0, 3, 4])
    logits = branch.fc(branch.conv(features.maps).mean(dim=(2, 3, 4)))
    assert torch.equal(branch(features, labels)["loss_aux"], 0.5 * F.cross_entropy(logits, labels))


def test_the_network_adds_the_auxiliary_loss_in_training_and_trains_every_parameter() -> None:
    torch.manual_seed(0)
    backbone = TPN(width=4)
    whole = network.Network(backbone, LinearHead(128, 64, 5), backbone.clip)
    _, terms = whole(torch.randint(255, (2, 3, 4, 32, 32), dtype=torch.uint8), torch.tensor([0, 4]), START)
    assert list(terms) == ["loss_cls", "loss_aux"]
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is not None for parameter in whole.parameters())


def test_the_auxiliary_branch_is_no_part_of_what_is_saved(tmp_path: Path) -> None:
    backbone = TPN(width=4)
    whole = network.Network(backbone, LinearHead(128, 64, 5), backbone.clip)
    assert any(name.startswith("auxiliary.fc") for name, _ in whole.named_parameters())
    network.save(whole, tmp_path / "network.pt")
    saved = network.read_tensors(tmp_path / "network.pt")
    assert not any("auxiliary" in key or "aux_head" in key for part in saved.values() for key in part)
    network.load(whole, tmp_path / "network.pt")


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(OsarbenchError, match="width of tpn is 7"):
        TPN(width=7)
