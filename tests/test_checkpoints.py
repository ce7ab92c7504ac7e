"""Published checkpoints: every configuration of DEAR loads, into the right places; anything else is refused by name."""

import functools
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.method import LinearHead
from osarbench.model import network
from osarbench_plugins.backbones._checkpoints import read_checkpoint
from osarbench_plugins.backbones.i3d import I3D
from osarbench_plugins.backbones.slowfast import SlowFast
from osarbench_plugins.backbones.tpn import TPN
from osarbench_plugins.backbones.tsm import TSM

pytest.importorskip("pytorchvideo")
BACKBONES: dict[str, type[Backbone]] = {"i3d": I3D, "slowfast": SlowFast, "tpn": TPN, "tsm": TSM}
DEAR = "finetune_ucf101_{}_edlnokl_avuc_debias"
TPN_DEAR = "tpn_slowonly_edlloss_nokl_avuc_debias_r50_8x8x1_150e_kinetics_rgb"
MANIFESTS = [
    *(f"finetune_ucf101_{name}_{kind}" for name in ("i3d", "slowfast", "tsm") for kind in ("dnn", "bnn", "rpl")),
    *(DEAR.format(name) for name in ("i3d", "slowfast", "tsm")),
    "finetune_ucf101_tpn_slowonly_rpl",
    "tpn_slowonly_bnn_r50_8x8x1_150e_kinetics_rgb",
    "tpn_slowonly_celoss_r50_8x8x1_150e_kinetics_rgb",
    TPN_DEAR,
]  # fmt: skip


def constant(key: str) -> float:
    """A number that stands for a key in a checkpoint."""
    return zlib.crc32(key.encode()) / 2**32


def state_of(shared: Path, manifest: str) -> dict[str, Tensor]:
    """The state dict of one of DEAR's configurations, each tensor filled with the number of its key."""
    entries = json.loads((shared / f"data/parity/manifests/{manifest}.keys.json").read_text())
    return {
        key: torch.tensor(constant(key)).to(getattr(torch, dtype.removeprefix("torch."))).expand(shape)
        for key, (shape, dtype) in entries.items()
    }


def write(state: dict[str, Tensor], path: Path) -> str:
    torch.save({"meta": {"epoch": 50, "iter": np.int64(7)}, "state_dict": state, "optimizer": {}}, path)
    return str(path)


@functools.cache
def built(name: str) -> Backbone:
    return BACKBONES[name]()


def one_number(value: Tensor) -> float:
    """The number that fills a tensor."""
    least, most = value.detach().aminmax()
    assert least == most
    return float(least)


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_every_configuration_of_dear_loads(shared: Path, tmp_path: Path, manifest: str) -> None:
    state, kind = state_of(shared, manifest), next(name for name in BACKBONES if name in manifest)
    path = write(state, tmp_path / "latest.pth")
    backbone = built(kind)
    backbone.load_weights(path)
    given = {key: value for key, value in state.items() if key.startswith(("backbone.", "neck.")) and "aux" not in key}
    floats = sorted(constant(key) for key, value in given.items() if value.is_floating_point())
    loaded = [one_number(value) for value in backbone.state_dict().values() if value.is_floating_point()]
    np.testing.assert_allclose(sorted(loaded), floats, rtol=1e-6)  # each key at one place
    head = backbone.read_head(path)
    assert head is not None
    assert head.kind == next((name for name in ("bnn", "rpl") if name in manifest), "linear")
    assert head.classes == 101


@pytest.mark.parametrize("kernel", [1, 3])
def test_debiasing_branches_of_either_kernel_are_left_out(shared: Path, tmp_path: Path, kernel: int) -> None:
    state = state_of(shared, DEAR.format("i3d"))
    for branch in ("f1", "f2"):
        state[f"debias_head.{branch}_conv3d.conv.weight"] = torch.zeros(1).expand(4096, 2048, kernel, 3, 3)
    path = write(state, tmp_path / "latest.pth")
    assert read_checkpoint(path).debias_kernel == kernel
    assert I3D().examine_weights(path).fits


def test_a_tpn_without_auxiliary_head_loads_and_one_with_it_trains_on(shared: Path, tmp_path: Path) -> None:
    state = state_of(shared, TPN_DEAR)
    backbone = TPN()
    same, other = backbone.auxiliary(101), backbone.auxiliary(5)
    backbone.load_weights(write(state, tmp_path / "with.pth"))
    assert one_number(same.fc.weight) == pytest.approx(constant("neck.aux_head.fc.weight"))  # type: ignore[arg-type]
    assert one_number(other.conv.conv.weight) == pytest.approx(constant("neck.aux_head.conv.conv.weight"))  # type: ignore[arg-type]
    assert other.fc.weight.std() > 0  # type: ignore[operator]  # of 101 classes in the file, not 5
    assert one_number(backbone.auxiliary(101).fc.weight) == pytest.approx(constant("neck.aux_head.fc.weight"))  # type: ignore[arg-type]
    bare = {key: value for key, value in state.items() if "aux_head" not in key}
    backbone.load_weights(write(bare, tmp_path / "without.pth"))


def test_a_slowonly_network_initialises_the_trunk_of_tpn_alone(shared: Path, tmp_path: Path) -> None:
    state = {key: value for key, value in state_of(shared, TPN_DEAR).items() if not key.startswith("neck.")}
    path = write(state, tmp_path / "slowonly.pth")
    backbone = TPN()
    neck = backbone.neck.out.conv.weight.clone()
    backbone.load_weights(path)
    assert torch.equal(backbone.neck.out.conv.weight, neck)
    assert backbone.read_head(path) is None  # it reads SlowOnly's features


@pytest.mark.parametrize("name", ["i3d", "tpn"])
def test_a_stray_part_of_a_checkpoint_is_named(shared: Path, tmp_path: Path, name: str) -> None:
    state = state_of(shared, TPN_DEAR if name == "tpn" else DEAR.format(name))
    path = write({**state, "more.weight": torch.zeros(1), "neck.more.weight": torch.zeros(1)}, tmp_path / "latest.pth")
    with torch.device("meta"):
        report = BACKBONES[name]().examine_weights(path)
    assert {key.removeprefix("neck.") for key in report.unexpected} == {"more.weight"}
    assert len(report.unexpected) == 2


@pytest.mark.parametrize("change", ["missing", "unexpected", "misshapen"])
def test_a_key_that_does_not_fit_is_named(shared: Path, tmp_path: Path, change: str) -> None:
    state = state_of(shared, "finetune_ucf101_slowfast_dnn")
    key = "backbone.fast_path.layer2.0.conv1.conv.weight"
    if change == "missing":
        del state[key]
    elif change == "unexpected":
        state["backbone.fast_path.layer2.9.conv1.conv.weight"] = torch.zeros(1)
    else:
        state[key] = state[key][:1]
    with pytest.raises(OsarbenchError, match=rf"do not fit: 1 {change} \(2\.multipathway_blocks\.1\.res_blocks\."):
        SlowFast().load_weights(write(state, tmp_path / "latest.pth"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cls_head.fc_cls.bias": None}, r"1 missing \(cls_head.fc_cls.bias\)"),
        ({"cls_head.more.weight": torch.zeros(1)}, r"1 unexpected \(cls_head.more.weight\)"),
        ({"cls_head.bnn_cls.bnn_layer.weight_mu": torch.zeros(101, 2048)}, r"3 missing \(cls_head.bnn_cls.*bias_mu"),
    ],
)
def test_a_classifier_in_part_or_with_more_is_named(
    shared: Path, tmp_path: Path, change: dict[str, Tensor | None], message: str
) -> None:
    state = {**state_of(shared, "finetune_ucf101_tsm_dnn"), **change}
    path = write({key: value for key, value in state.items() if value is not None}, tmp_path / "latest.pth")
    with pytest.raises(OsarbenchError, match=message):
        TSM().load_weights(path)
    assert not TSM().examine_weights(path).fits


def test_two_keys_for_one_place_are_not_both_taken(shared: Path, tmp_path: Path) -> None:
    second = {"backbone.layer1.0.conv1.conv.weight": torch.zeros(64, 64, 1, 1)}  # without TSM's ".net"
    path = write(state_of(shared, "finetune_ucf101_tsm_dnn") | second, tmp_path / "latest.pth")
    with pytest.raises(OsarbenchError, match=r"1 unexpected \(layer1.0.conv1.conv.weight\)"):
        TSM().load_weights(path)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("other", BACKBONES)
def test_each_network_takes_its_own_checkpoints_alone(shared: Path, tmp_path: Path, name: str, other: str) -> None:
    manifest = TPN_DEAR if other == "tpn" else DEAR.format(other)
    path = write(state_of(shared, manifest), tmp_path / "latest.pth")
    with torch.device("meta"):
        report = BACKBONES[name]().examine_weights(path)
    assert report.fits == (name == other)
    assert report.facts["network"] == f"{other}, depth 50"


@pytest.mark.parametrize(("backbone", "hub"), [(I3D, "resnet.i3d_r50"), (SlowFast, "slowfast.slowfast_r50")])
def test_pytorchvideos_networks_run_in_their_preset_and_are_refused_in_others(
    tmp_path: Path, backbone: Any, hub: str
) -> None:
    from importlib import import_module

    family, name = hub.split(".")
    torch.manual_seed(0)
    pool: dict[str, Any] = {"head_pool": torch.nn.AdaptiveAvgPool3d}  # theirs takes no other size than 224 pixels
    if backbone is SlowFast:
        pool["head_output_size"] = ((1, 1, 1), (1, 1, 1))
        pool["head_output_with_global_average"] = False
    theirs = getattr(import_module(f"pytorchvideo.models.hub.{family}"), name)(**pool).eval()
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "hub.pyth")
    with pytest.raises(OsarbenchError, match='options = { preset = "pytorchvideo" }'):
        backbone().load_weights(str(tmp_path / "hub.pyth"))
    ours = backbone(preset="pytorchvideo").eval()
    ours.load_weights(str(tmp_path / "hub.pyth"))
    head = ours.read_head(str(tmp_path / "hub.pyth"))
    clips = torch.randn(1, 3, ours.clip.frames, 64, 64)
    slow = torch.linspace(0, ours.clip.frames - 1, ours.clip.frames // 4).long()
    with torch.no_grad():
        expected = theirs([clips[:, :, slow], clips] if backbone is SlowFast else clips).view(1, -1)
        logits = ours(clips).vector @ head.tensors["weight"].T + head.tensors["bias"]
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)


def test_a_checkpoint_of_mmaction_is_refused_by_the_preset_of_other_strides(shared: Path, tmp_path: Path) -> None:
    path = write(state_of(shared, "finetune_ucf101_i3d_dnn"), tmp_path / "latest.pth")
    with pytest.raises(OsarbenchError, match="its strides in time are those of the preset 'mmaction2'"):
        I3D(preset="pytorchvideo").load_weights(path)


def test_the_4x16_slowfast_is_told_by_its_lateral_kernels(shared: Path, tmp_path: Path) -> None:
    state = state_of(shared, "finetune_ucf101_slowfast_dnn")
    laterals = {key: value[:, :, :5] for key, value in state.items() if "_lateral." in key}
    path = write(state | laterals, tmp_path / "4x16.pth")
    SlowFast(preset="4x16").load_weights(path)
    with pytest.raises(OsarbenchError, match="those of the preset '4x16'"):
        SlowFast().load_weights(path)


@pytest.mark.parametrize("backbone", [I3D, TPN])
def test_an_imagenet_network_is_inflated_so_that_a_still_clip_gives_the_features_of_its_frame(
    tmp_path: Path, backbone: Any
) -> None:
    torch.manual_seed(0)
    flat = torchvision.models.resnet50(width_per_group=64).eval()
    torch.save(flat.state_dict(), tmp_path / "net.pth")
    ours = backbone().eval()
    ours.load_weights(str(tmp_path / "net.pth"))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        stem = ours.blocks[0].conv(image[:, :, None].expand(-1, -1, 32, -1, -1))
        torch.testing.assert_close(stem[:, :, stem.shape[2] // 2], flat.conv1(image), atol=1e-5, rtol=1e-5)
    assert torch.equal(ours.blocks[-1].res_blocks[2].branch2.norm_c.running_var, flat.layer4[2].bn3.running_var)
    assert ours.read_head(str(tmp_path / "net.pth")) is None


def test_a_resnet_without_bottlenecks_cannot_be_inflated(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "net.pth")
    with pytest.raises(OsarbenchError, match="missing"):
        I3D().load_weights(str(tmp_path / "net.pth"))


@pytest.mark.parametrize(
    ("keys", "title"),
    [
        ({"module.conv1.weight": (64, 3, 7, 7, 7), "module.layer1.0.conv1.weight": (64, 64, 1, 1, 1)}, "Hara"),
        ({"Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7)}, "Inception"),
        ({"backbone.conv1.conv.weight": (64, 3, 3, 7, 7), "backbone.layer1.0.conv2.conv.weight": (64, 1, 3, 3, 3)},
         "mmaction2's an unknown network"),
    ],
)  # fmt: skip
def test_a_network_of_another_kind_is_named(tmp_path: Path, keys: dict[str, Any], title: str) -> None:
    torch.save({key: torch.zeros(1).expand(shape) for key, shape in keys.items()}, tmp_path / "net.pth")
    for backbone in BACKBONES.values():
        with torch.device("meta"), pytest.raises(OsarbenchError, match=f"{title}.* is not for the backbone"):
            backbone().load_weights(str(tmp_path / "net.pth"))


def test_a_network_trained_here_loads_again_with_its_head(tmp_path: Path) -> None:
    backbone = I3D(width=8)
    trained = network.Network(backbone, LinearHead(256, 256, 5), backbone.clip)
    network.save(trained, tmp_path / "network.pt")
    again = I3D(width=8)
    again.load_weights(str(tmp_path / "network.pt"))
    for key, value in backbone.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    head = again.read_head(str(tmp_path / "network.pt"))
    assert head is not None
    assert torch.equal(head.tensors["weight"], trained.head.fc.weight)  # type: ignore[arg-type]


def test_safetensors_and_old_style_files_load_too(shared: Path, tmp_path: Path) -> None:
    backbone = I3D(width=8)
    state = {f"osarbench.backbone.{key}": value.contiguous() for key, value in backbone.state_dict().items()}
    save_file(state, tmp_path / "net.safetensors")
    torch.save(state, tmp_path / "net.pth", _use_new_zipfile_serialization=False)
    for name in ("net.safetensors", "net.pth"):
        assert I3D(width=8).examine_weights(str(tmp_path / name)).fits


def test_a_head_found_in_a_checkpoint_replaces_training(shared: Path, tmp_path: Path) -> None:
    backbone = SlowFast()
    saved = backbone.read_head(write(state_of(shared, DEAR.format("slowfast")), tmp_path / "latest.pth"))
    assert saved is not None
    head = LinearHead(backbone.dim, backbone.map_dim, 101)
    network.adopt(head, saved, "latest.pth")
    assert one_number(head.fc.weight) == pytest.approx(constant("cls_head.fc_cls.weight"))
    with pytest.raises(OsarbenchError, match="tells 101 classes apart; the protocol has 12 known"):
        network.adopt(LinearHead(2304, 2048, 12), saved, "latest.pth")


def test_a_bayesian_head_does_not_become_a_linear_one(shared: Path, tmp_path: Path) -> None:
    saved = I3D().read_head(write(state_of(shared, "finetune_ucf101_i3d_bnn"), tmp_path / "latest.pth"))
    assert saved is not None
    assert sorted(saved.tensors) == ["bias_mu", "bias_rho", "weight_mu", "weight_rho"]
    with pytest.raises(OsarbenchError, match="is of the kind 'bnn'"):
        network.adopt(LinearHead(2048, 2048, 101), saved, "latest.pth")
