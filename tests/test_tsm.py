"""The backbone tsm: the shift, the published network to 1e-4, the families it knows, and weights good and bad."""

import pickle
from pathlib import Path

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from parity import check_scores, check_training_step
from safetensors.torch import save_file
from torch import nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import LinearHead, Progress
from osarbench_plugins.backbones.tsm import TSM, shift_in_time
from osarbench_plugins.methods._evidential_head import EvidentialHead

NARROW = {"layers": (1, 1, 1, 1), "channels": (8, 16, 24, 32)}
MOBILENET = "data/weights/mobilenet_v2_imagenet.safetensors"


@pytest.fixture(scope="module")
def narrow() -> TSM:
    torch.manual_seed(0)
    return TSM(trunk="timm:resnet18", trunk_options=NARROW)


def test_the_shift_brings_the_next_and_the_previous_frame() -> None:
    maps = torch.arange(1.0, 13).reshape(3, 4, 1, 1)  # 3 frames of 4 channels: 1-4, 5-8, 9-12
    shifted = shift_in_time(maps, frames=3, fold=1).squeeze()
    assert shifted.tolist() == [[5, 0, 3, 4], [9, 2, 7, 8], [0, 6, 11, 12]]


def test_the_shift_stays_within_a_clip_and_has_the_right_gradient() -> None:
    maps = torch.randn(6, 4, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    both = shift_in_time(maps, frames=3, fold=1)
    assert torch.equal(both[3:], shift_in_time(maps[3:], frames=3, fold=1))
    assert torch.autograd.gradcheck(lambda values: shift_in_time(values, frames=3, fold=1), maps)


@pytest.mark.parametrize("trunk", ["resnet50", "timm:resnet50"])
def test_the_published_network_gives_the_published_scores(shared: Path, tmp_path: Path, trunk: str) -> None:
    check_scores(shared, tmp_path, "tsm", TSM(trunk=trunk))


@pytest.mark.slow
def test_a_training_step_has_the_published_losses_and_gradients(shared: Path, tmp_path: Path) -> None:
    norms = {
        "all": 352.78,
        "backbone.trunk.conv1.weight": 208.52,
        "backbone.trunk.layer4.2.bn3.weight": 0.2119,
        "head.fc.weight": 35.401,
    }
    check_training_step(shared, tmp_path, TSM(), terms={"loss_cls": 5.69926}, norms=norms)


@pytest.mark.parametrize(
    ("trunk", "shifts"),
    [
        ("resnet18", 8),
        ("timm:resnet26", 8),
        ("resnet101", 2 + 2 + 12 + 2),
        ("mobilenet_v2", 10),
        ("mobilenet_v3_small", 6),
        ("timm:mobilenetv2_050", 10),
        ("timm:mobilenetv3_small_050", 7),
        ("efficientnet_b0", 9),
        ("regnet_y_400mf", 16),
    ],
)
def test_residual_blocks_of_many_families_are_shifted(trunk: str, shifts: int) -> None:
    backbone = TSM(trunk=trunk)
    hooked = [module for module in backbone.modules() if backbone.shift in module._forward_pre_hooks.values()]
    assert len(hooked) == shifts


@pytest.mark.parametrize("trunk", ["resnet18", "mobilenet_v2", "timm:mobilenetv3_small_050", "timm:resnet10t"])
def test_a_family_trains_and_gives_features_of_the_stated_shape(trunk: str) -> None:
    torch.manual_seed(0)
    backbone = TSM(trunk=trunk)
    features = backbone(torch.randn(2, 3, 4, 64, 64))
    features.vector.square().sum().backward()
    assert features.vector.shape == (2, backbone.dim)
    assert features.maps.shape == (2, backbone.map_dim, 4, 2, 2)
    torch.testing.assert_close(features.maps.mean(dim=(2, 3, 4)), features.vector)
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_a_narrow_network_has_the_channels_asked_for(narrow: TSM) -> None:
    assert narrow.dim == narrow.map_dim == 32
    assert narrow.clip.length == 8
    assert narrow.clip.views == 10


def test_the_order_of_frames_matters_but_no_other_clip_does(narrow: TSM) -> None:
    backbone = narrow.eval()
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # timm begins with residual branches of zero
    clips = torch.randn(3, 3, 5, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        forward, backward, alone = (backbone(values).vector for values in (clips, clips.flip(2), clips[1:2]))
    assert not torch.allclose(forward, backward, atol=1e-3)
    torch.testing.assert_close(alone[0], forward[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("trunk", ["vgg11", "timm:convnext_atto"])
def test_a_network_without_known_residual_blocks_is_refused(trunk: str) -> None:
    with torch.device("meta"), pytest.raises(OsarbenchError, match="no residual block that tsm knows"):
        TSM(trunk=trunk)


@pytest.mark.parametrize("trunk", ["resnet51", "timm:resnet51x"])
def test_an_unknown_trunk_is_refused(trunk: str) -> None:
    with pytest.raises(OsarbenchError, match=r"cannot be built.*resnet51"):
        TSM(trunk=trunk)


@pytest.mark.parametrize("size", [8, 9])
def test_tf_same_pads_like_tensorflow(size: int) -> None:
    backbone = TSM(trunk="mobilenet_v2", tf_same=True)
    plain = TSM(trunk="mobilenet_v2")
    stem, plain_stem = (one.trunk.features[0][0] for one in (backbone, plain))  # type: ignore[index]
    plain_stem.load_state_dict(stem.state_dict())
    images = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    below_and_right = F.conv2d(F.pad(images, (0, 1, 0, 1)), stem.weight, stride=2)
    expected = plain_stem(images) if size % 2 else below_and_right  # type: ignore[operator]  # odd: one pixel on each side, as torch
    torch.testing.assert_close(stem(images), expected)  # type: ignore[operator]


def test_the_shared_mobilenet_loads_with_every_key(shared: Path) -> None:
    backbone = TSM(trunk="mobilenet_v2", tf_same=True, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    before = backbone.trunk.state_dict()["features.18.0.weight"].clone()
    backbone.load_weights(str(shared / MOBILENET))
    after = backbone.trunk.state_dict()["features.18.0.weight"]
    assert after.dtype == torch.float32
    assert not torch.equal(before, after)
    assert backbone.clip.mean == (0.5, 0.5, 0.5)


def test_weights_of_a_classifier_load_without_it(narrow: TSM, tmp_path: Path) -> None:
    state = {key: torch.rand_like(value.float()) for key, value in narrow.trunk.state_dict().items()}
    state = {f"module.{key}": value for key, value in state.items() if "num_batches" not in key}
    torch.save({**state, "module.fc.weight": torch.zeros(5, 32)}, tmp_path / "net.pth")
    narrow.load_weights(str(tmp_path / "net.pth"))
    assert torch.equal(narrow.trunk.state_dict()["conv1.weight"], state["module.conv1.weight"])


@pytest.mark.parametrize("trunk", ["timm:regnety_002", "timm:mobilenetv3_small_050", "regnet_y_400mf"])
def test_weights_of_a_whole_network_of_the_library_load(tmp_path: Path, trunk: str) -> None:
    name = trunk.removeprefix("timm:")
    network = timm.create_model(name) if trunk != name else torchvision.models.get_model(name)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    backbone = TSM(trunk=trunk)
    backbone.load_weights(str(tmp_path / "net.pth"))
    for key, value in backbone.trunk.state_dict().items():
        assert torch.equal(value, network.state_dict()[key])


def test_weights_of_features_saved_alone_load(tmp_path: Path) -> None:
    network = torchvision.models.mobilenet_v2(width_mult=0.25)
    save_file(network.features.state_dict(), tmp_path / "net.safetensors")
    backbone = TSM(trunk="mobilenet_v2", trunk_options={"width_mult": 0.25})
    backbone.load_weights(str(tmp_path / "net.safetensors"))
    assert torch.equal(backbone.trunk.features[0][0].weight, network.features[0][0].weight)  # type: ignore[index]


def test_missing_unexpected_and_misshapen_keys_are_named(narrow: TSM, tmp_path: Path) -> None:
    state = dict(narrow.trunk.state_dict())
    del state["bn1.weight"]
    torch.save({**state, "more": torch.zeros(1), "conv1.weight": torch.zeros(2)}, tmp_path / "net.pth")
    with pytest.raises(OsarbenchError) as caught:
        narrow.load_weights(str(tmp_path / "net.pth"))
    assert (
        "1 missing (bn1.weight); 1 unexpected (more); 1 misshapen (conv1.weight [2] instead of [64, 3, 7, 7])"
        in str(caught.value)
    )


def test_weights_of_another_network_are_refused(narrow: TSM, shared: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"\d+ missing \(conv1.weight, .*\d+ unexpected"):
        narrow.load_weights(str(shared / MOBILENET))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (b"\x00" * 100, "neither a whole safetensors file"),
    ],
)
def test_a_file_that_is_no_weights_says_what_it_is(narrow: TSM, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(OsarbenchError, match=message):
        narrow.load_weights(str(tmp_path / "net.safetensors"))


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_truncated_file_is_reported_with_its_path(narrow: TSM, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"net.{kind}"
    state = {key: value.contiguous() for key, value in narrow.trunk.state_dict().items()}
    save_file(state, path) if kind == "safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(OsarbenchError, match=rf"net\.{kind} is .*Download it again"):
        narrow.load_weights(str(path))


def test_a_missing_file_is_reported(narrow: TSM, tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="no file of weights at"):
        narrow.load_weights(str(tmp_path / "absent.pth"))


class Trap:
    """An object whose unpickling would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda values, path: path.write_bytes(pickle.dumps(values))])
def test_a_pickle_with_code_is_refused_and_not_run(narrow: TSM, tmp_path: Path, write: object) -> None:
    write({"conv1.weight": torch.zeros(1), "trap": Trap(tmp_path / "sprung")}, tmp_path / "net.pth")  # type: ignore[operator]
    with pytest.raises(OsarbenchError, match="could run code"):
        narrow.load_weights(str(tmp_path / "net.pth"))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kind", [LinearHead, EvidentialHead])
def test_dropout_acts_on_the_vector_of_each_frame_where_it_is_so_published(kind: type[LinearHead]) -> None:
    torch.manual_seed(0)
    backbone, head = TSM(trunk="resnet18", frame_dropout=True), kind(512, 512, 3).train()
    features, labels = backbone(torch.randn(2, 3, 4, 64, 64)), torch.tensor([0, 2])
    torch.manual_seed(1)
    found, _ = head.loss(features, labels, Progress(0, 1, 0))
    torch.manual_seed(1)
    each = head.fc(head.dropout(features.frames.flatten(0, 1)))  # as MMAction2's TSMHead, before the consensus
    torch.testing.assert_close(found, each.view(2, 4, 3).mean(dim=1))
    torch.testing.assert_close(head.eval()(features.vector), head.fc(features.frames).mean(dim=1))
