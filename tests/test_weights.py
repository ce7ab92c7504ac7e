"""Files of weights as they come: read without running anything, explained by `osarbench weights`, fetched from hubs."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

from osarbench.commands.weights import weights
from osarbench.errors import OsarbenchError
from osarbench.interfaces.weights import read_file
from osarbench_plugins.backbones import _hub
from osarbench_plugins.backbones.i3d import I3D
from osarbench_plugins.backbones.slowfast import SlowFast
from osarbench_plugins.backbones.tpn import TPN
from osarbench_plugins.backbones.tsm import TSM

pytest.importorskip("pytorchvideo")


class Trap:
    """An object whose unpickling would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(weights, [str(argument) for argument in arguments], catch_exceptions=True)


def i3d_checkpoint(path: Path, **beside: object) -> Path:
    """A file of MMAction2's I3D, with the tensors that tell it, and a debiasing branch."""
    shapes = {
        "backbone.conv1.conv.weight": (64, 3, 5, 7, 7), "backbone.layer1.0.conv2.conv.weight": (64, 64, 1, 3, 3),
        "cls_head.fc_cls.weight": (101, 2048), "cls_head.fc_cls.bias": (101,),
        "debias_head.f1_conv3d.conv.weight": (4096, 2048, 1, 3, 3),
    }  # fmt: skip
    state = {f"module.{key}": torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    torch.save({"state_dict": state, **beside}, path)
    return path


@pytest.mark.parametrize("zipped", [True, False])
def test_numpy_values_next_to_the_weights_are_no_reason_to_refuse(tmp_path: Path, zipped: bool) -> None:
    meta = {"epoch": np.int64(50), "best": np.float32(0.5), "curve": np.arange(3.0), "seed": 0}
    torch.save(
        {"meta": meta, "state_dict": {"w": torch.ones(2)}}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped
    )
    assert read_file(tmp_path / "w.pth").state["w"].tolist() == [1, 1]
    assert read_file(tmp_path / "w.pth").facts["epoch"] == 50


def test_numpy_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    torch.save({"meta": trap, "state_dict": {"w": torch.ones(2)}}, tmp_path / "w.pth")
    with pytest.raises(OsarbenchError, match="could run code"):
        read_file(tmp_path / "w.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("write", [torch.save, lambda values, path: path.write_bytes(pickle.dumps(values))])
def test_a_pickle_with_code_is_refused_not_run_and_told_how_to_convert(tmp_path: Path, write: object) -> None:
    path = tmp_path / "net.pth"
    write({"state_dict": {"w": torch.ones(2)}, "trap": Trap(tmp_path / "sprung")}, path)  # type: ignore[operator]
    result = call("inspect", path)
    assert isinstance(result.exception, OsarbenchError)
    assert f"osarbench weights convert {path} NEW.safetensors --unpickle" in str(result.exception)
    assert isinstance(call("convert", path, tmp_path / "new.safetensors").exception, OsarbenchError)
    assert not (tmp_path / "sprung").exists()


def test_convert_runs_the_code_when_told_to_and_keeps_the_tensors_alone(tmp_path: Path) -> None:
    state = {"w": torch.ones(2), "b": torch.zeros(3, 4).T}
    torch.save({"state_dict": state, "trap": Trap(tmp_path / "sprung")}, tmp_path / "net.pth")
    result = call("convert", tmp_path / "net.pth", tmp_path / "new.safetensors", "--unpickle")
    assert result.output.endswith("new.safetensors: 2 tensors\n")
    assert (tmp_path / "sprung").exists()
    assert load_file(tmp_path / "new.safetensors")["b"].shape == (4, 3)


def test_convert_writes_safetensors_only_and_needs_tensors(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    assert "does not end in .safetensors" in str(call("convert", tmp_path / "net.pth", tmp_path / "n.pth").exception)
    assert "holds no named tensors" in str(call("convert", tmp_path / "net.pth", tmp_path / "n.safetensors").exception)


def test_convert_takes_the_weights_out_of_a_pickled_network(tmp_path: Path) -> None:
    torch.save({"net": torch.nn.Linear(2, 3)}, tmp_path / "net.pth")
    call("convert", tmp_path / "net.pth", tmp_path / "made" / "new.safetensors", "--unpickle")
    assert sorted(load_file(tmp_path / "made" / "new.safetensors")) == ["bias", "weight"]


def test_convert_names_a_package_that_unpickling_needs(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"\x80\x02cabsent_package.things\nThing\n.")
    result = call("convert", tmp_path / "net.pth", tmp_path / "new.safetensors", "--unpickle")
    assert "holds objects of 'absent_package', which is not installed" in str(result.exception)


def not_weights(kind: str, path: Path) -> None:
    """Write a file that is something else."""
    if kind == "npz":
        np.savez(path.with_suffix(".npz"), a=np.ones(3))
        path.with_suffix(".npz").rename(path)
    elif kind == "script":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("net/data.pkl", b"")
            archive.writestr("net/constants.pkl", b"")
    elif kind == "folder":
        path.mkdir()
    elif kind != "absent":
        path.write_bytes(
            {
                "text": b'{"message": "Not Found"}',
                "cut": b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P",
                "page": b"<html>",
                "pointer": b"version https://git-lfs.github.com/spec/v1\n",
                "empty": b"",
                "zip": b"PK\x03\x04\0",
            }[kind]
        )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("npz", "is a ZIP archive, but no checkpoint of torch; it holds a.npy"),
        ("script", "is a TorchScript program"), ("text", "is text, not weights; it begins '{"),
        ("cut", "is damaged or cut short"), ("zip", "is damaged or cut short"), ("page", "is a web page"),
        ("pointer", "Git LFS pointer"), ("empty", "is empty"), ("absent", "There is no file of weights at"),
        ("folder", "is a folder"),
    ],
)  # fmt: skip
def test_what_is_no_weights_is_named_and_nobody_is_told_to_run_it(tmp_path: Path, kind: str, message: str) -> None:
    not_weights(kind, tmp_path / "net.pth")
    with pytest.raises(OsarbenchError) as caught:
        read_file(tmp_path / "net.pth")
    assert message in str(caught.value)
    assert "unpickle" not in str(caught.value)
    result = call("convert", tmp_path / "net.pth", tmp_path / "new.safetensors")
    assert str(result.exception) == str(caught.value) or kind == "folder"  # click says that


def test_a_safetensors_file_needs_no_conversion(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "net.safetensors")
    result = call("convert", tmp_path / "net.safetensors", tmp_path / "new.safetensors")
    assert "is a safetensors file already" in str(result.exception)


def test_prefixes_of_wrappers_are_taken_off_and_may_not_hide_a_key(tmp_path: Path) -> None:
    torch.save({"module._orig_mod.w": torch.ones(2), "b": torch.ones(1)}, tmp_path / "net.pth")
    assert sorted(read_file(tmp_path / "net.pth").state) == ["b", "w"]
    torch.save({"module.w": torch.ones(2), "w": torch.zeros(2)}, tmp_path / "net.pth")
    with pytest.raises(OsarbenchError, match="holds w with and without a wrapper's prefix"):
        read_file(tmp_path / "net.pth")


def test_averaged_weights_are_taken_only_where_there_are_no_others(tmp_path: Path) -> None:
    both = {"state_dict": {"w": torch.ones(1)}, "state_dict_ema": {"w": torch.zeros(1)}}
    torch.save(both, tmp_path / "net.pth")
    assert read_file(tmp_path / "net.pth").state["w"].item() == 1
    assert read_file(tmp_path / "net.pth").format == "torch, weights under 'state_dict', not 'state_dict_ema'"
    torch.save({"state_dict_ema": both["state_dict_ema"]}, tmp_path / "net.pth")
    assert read_file(tmp_path / "net.pth").state["w"].item() == 0


def test_weights_of_lower_precision_become_the_networks(tmp_path: Path) -> None:
    given = TSM(trunk="resnet18").trunk.state_dict()
    state = {key: value.bfloat16() if value.is_floating_point() else value for key, value in given.items()}
    save_file(state, tmp_path / "net.safetensors")
    backbone = TSM(trunk="resnet18")
    backbone.load_weights(str(tmp_path / "net.safetensors"))
    assert torch.equal(backbone.trunk.conv1.weight, state["conv1.weight"].float())  # type: ignore[arg-type]


def test_a_resnet_34_is_not_told_to_be_one_of_50_layers(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in torchvision.models.resnet34().state_dict().items()}
    torch.save({key: torch.zeros(()).expand(shape) for key, shape in shapes.items()}, tmp_path / "net.pth")
    lines = [line.split() for line in call("inspect", tmp_path / "net.pth", "--backbone", "tsm").output.splitlines()]
    assert ["network", "resnet"] in lines


def test_inspect_says_what_a_file_is(tmp_path: Path) -> None:
    config = "clip_len=32, frame_interval=2, num_clips=1"
    path = i3d_checkpoint(tmp_path / "latest.pth", meta={"epoch": 50, "mmaction_version": "0.9.0", "config": config})
    lines = [" ".join(line.split()) for line in call("inspect", path, "--backbone", "i3d").output.splitlines()]
    assert lines[:6] == [
        str(path), "format torch, weights under 'state_dict'",
        "framework MMAction2 (DEAR's fork has the same names)", "network i3d",
        "tensors 5, 75,788,325 values", "head linear",
    ]  # fmt: skip
    assert "debiasing branches temporal kernel 1 (as in the paper); not needed for scoring" in lines
    assert {"classes 101", "mmaction version 0.9.0", "epoch 50", "clip 32 x 2 (frames x stride)"} <= set(lines)
    assert "fits: no backbone, as they are set by default" in lines
    assert any(line.startswith("317 missing: 0.conv.") or "missing: 0.norm.weight" in line for line in lines)


def test_inspect_tries_every_backbone(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = SlowFast().blocks.state_dict()
    full = {f"osarbench.backbone.blocks.{key}": torch.zeros(()).expand(value.shape) for key, value in state.items()}
    torch.save(full, tmp_path / "network.pt")
    assert "fits: slowfast\n" in call("inspect", tmp_path / "network.pt").output


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"<html>404</html>", "is a web page"), (b"version https://git-lfs", "Git LFS pointer"), (b"", "is empty")],
)
def test_inspect_of_something_else_says_what_that_is(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    assert message in str(call("inspect", tmp_path / "net.pth").exception)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_truncated_checkpoint_is_reported_with_its_path(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "net.pth"
    torch.save({"state_dict": {"w": torch.ones(5000)}}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(OsarbenchError, match=r"net\.pth is damaged or cut short"):
        read_file(path)


@pytest.mark.parametrize(
    ("backbone", "settings", "source", "name"),
    [
        (I3D, {}, "torchvision", "resnet50-0676ba61.pth"),
        (I3D, {"preset": "pytorchvideo"}, "pytorchvideo", "I3D_8x8_R50.pyth"),
        (SlowFast, {"preset": "pytorchvideo"}, "pytorchvideo", "SLOWFAST_8x8_R50.pyth"),
        (TPN, {}, "torchvision", "resnet50-0676ba61.pth"),
        (TSM, {"trunk": "mobilenet_v2"}, "torchvision", "mobilenet_v2-b0353104.pth"),
        (TSM, {"trunk": "timm:resnet26"}, "timm", "model.safetensors"),
        (I3D, {}, "pytorchvideo", None),  # of other strides
        (SlowFast, {}, "torchvision", None),
        (TSM, {"trunk": "mobilenet_v2"}, "timm", None),
    ],
)
def test_hubs_have_weights_for_some(backbone: Any, settings: dict[str, str], source: str, name: str | None) -> None:
    with torch.device("meta"):
        url = backbone(**settings).hub_url(source)
    assert (url and url.split("/")[-1]) == name


def test_without_a_network_it_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(OsarbenchError, match=r"no route to host.*put it here as .*/weights/resnet50-0676ba61\.pth"):
        TSM().fetch_weights("torchvision", tmp_path / "weights")


def test_two_networks_of_timm_do_not_share_a_file(tmp_path: Path) -> None:
    files = []
    for name in ("resnet26.bt_in1k", "resnet50.tv_in1k"):
        with torch.device("meta"):
            backbone = TSM(trunk=f"timm:{name}")
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").touch()
        files.append(backbone.fetch_weights("timm", tmp_path))
    assert files == [tmp_path / "resnet26.bt_in1k/model.safetensors", tmp_path / "resnet50.tv_in1k/model.safetensors"]


def test_a_file_put_there_by_hand_is_taken(tmp_path: Path) -> None:
    (tmp_path / "resnet50-0676ba61.pth").touch()
    assert TSM().fetch_weights("torchvision", tmp_path) == tmp_path / "resnet50-0676ba61.pth"


def test_a_hub_without_weights_for_a_backbone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="'slowfast' knows no pretrained weights of 'torchvision'"):
        SlowFast(width=8).fetch_weights("torchvision", tmp_path)


def test_a_download_is_checked_against_the_hash_in_its_name(tmp_path: Path) -> None:
    source = tmp_path / "net-0123456789.pth"
    source.write_bytes(b"weights")
    with pytest.raises(OsarbenchError, match="invalid hash value"):
        _hub.download(source.as_uri(), tmp_path / "weights")
    assert not any((tmp_path / "weights").iterdir())
