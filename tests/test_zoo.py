"""The model zoo: each network against the library it comes from, or against its published facts."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.clip import ClipSpec
from osarbench.model.network import check_clip
from osarbench_plugins.backbones._pytorchvideo import hub_network
from osarbench_plugins.backbones._pytorchvideo_hub import HubNetwork
from osarbench_plugins.backbones._torchvision_video import TorchvisionVideo
from osarbench_plugins.backbones.c2d import C2D
from osarbench_plugins.backbones.csn import CSN
from osarbench_plugins.backbones.frame import Frame
from osarbench_plugins.backbones.i3d_inception import I3DInception
from osarbench_plugins.backbones.mvit import MViTV1B, MViTV2S
from osarbench_plugins.backbones.mvit_base import MViTBase16x4
from osarbench_plugins.backbones.r2plus1d import R2Plus1D
from osarbench_plugins.backbones.resnet3d50 import ResNet3d50
from osarbench_plugins.backbones.s3d import S3D
from osarbench_plugins.backbones.slowonly import SlowOnly
from osarbench_plugins.backbones.swin3d import Swin3dB, Swin3dS, Swin3dT
from osarbench_plugins.backbones.tsn import TSN
from osarbench_plugins.backbones.video_resnet18 import MC318, R3D18, R2Plus1D18
from osarbench_plugins.backbones.videomae import VideoMAE, sine_positions
from osarbench_plugins.backbones.x3d import X3DXS

LIBRARY = [
    (R3D18, (4, 64)), (MC318, (4, 64)), (R2Plus1D18, (4, 64)), (S3D, (16, 224)), (Swin3dT, (4, 64)),
    pytest.param(MViTV1B, (16, 224), marks=pytest.mark.slow), pytest.param(MViTV2S, (16, 224), marks=pytest.mark.slow),
]  # fmt: skip
TINY_VIT = {"dim": 32, "depth": 2, "heads": 2}


def clip(frames: int, side: int, count: int = 1) -> Tensor:
    return torch.randn(count, 3, frames, side, side, generator=torch.Generator().manual_seed(0))


def saved(network: nn.Module, folder: Path) -> str:
    torch.save(network.state_dict(), folder / "weights.pth")
    return str(folder / "weights.pth")


@pytest.mark.parametrize(("kind", "size"), LIBRARY, ids=lambda value: getattr(value, "name", None))
def test_a_classifier_on_our_features_gives_torchvisions_logits(
    kind: type[TorchvisionVideo], size: tuple[int, int], tmp_path: Path
) -> None:
    torch.manual_seed(1)
    theirs = torchvision.models.get_model(kind.name, weights=None).eval()
    ours = kind().eval()
    ours.load_weights(saved(theirs, tmp_path))
    classifier = getattr(theirs, ours.classifier)
    with torch.no_grad():
        features = ours(clip(*size))
        vector = features.vector[..., None, None, None] if kind is S3D else features.vector
        torch.testing.assert_close(classifier(vector).flatten(1), theirs(clip(*size)), atol=1e-4, rtol=1e-4)
    assert features.maps.shape[:2] == (1, ours.map_dim)


HUB = [(SlowOnly, 4, 64), (C2D, 4, 64), (CSN, 4, 64), (R2Plus1D, 4, 64), (X3DXS, 4, 182), (MViTBase16x4, 4, 64)]


@pytest.mark.parametrize(("kind", "frames", "side"), HUB, ids=lambda value: getattr(value, "name", None))
def test_a_classifier_on_our_features_gives_pytorchvideos_logits(
    kind: type[HubNetwork], frames: int, side: int, tmp_path: Path
) -> None:
    options = {"spatial_size": side, "temporal_size": frames} if kind is MViTBase16x4 else {}
    theirs = hub_network(kind.family, kind.hub_name, options).eval()
    for module in theirs.modules():
        if type(module).__name__ in ("ResNetBasicHead", "ProjectedPool"):
            if isinstance(module.pool, nn.AvgPool3d):  # a window of the published size, which these clips do not fill
                module.pool = nn.AdaptiveAvgPool3d(1)
            module.activation = None  # type: ignore[assignment]  # a softmax
    ours = kind(options=options).eval()
    torch.save({"model_state": theirs.state_dict()}, tmp_path / "hub.pyth")
    told = ours.examine_weights(str(tmp_path / "hub.pyth")).facts["network"]
    assert kind.name.startswith(told.partition(",")[0]) or told == "an MViT of pytorchvideo"
    ours.load_weights(str(tmp_path / "hub.pyth"))
    classifier = theirs.get_submodule(kind.classifier.removesuffix("."))
    with torch.no_grad():
        features = ours(clip(frames, side))
        # this classifier takes tokens, and reads the first
        vector = features.vector[:, None] if kind is MViTBase16x4 else features.vector
        torch.testing.assert_close(classifier(vector), theirs(clip(frames, side)), atol=1e-4, rtol=1e-4)
    assert features.maps.shape[:2] == (1, ours.map_dim)


def test_other_clips_than_a_hub_networks_positions_are_explained() -> None:
    with pytest.raises(OsarbenchError, match=r"positions for \(2, 16, 16\) patches .* 256 in all"):
        MViTBase16x4(options={"spatial_size": 64, "temporal_size": 4})(clip(1, 64))


@pytest.mark.parametrize(
    ("backbone", "source", "file"),
    [(R3D18(), "torchvision", "r3d_18-b3b3357e.pth"), (X3DXS(), "pytorchvideo", "X3D_XS.pyth"),
     (TSN(trunk="resnet18"), "torchvision", "resnet18-f37072fd.pth"),
     (Frame(trunk="timm:resnet18"), "timm", "model.safetensors")], ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_weights_of_a_library_that_were_put_there_by_hand_are_taken(
    backbone: Backbone, source: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(url: str, *arguments: object, **named: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(OsarbenchError, match=f"put it here as .*{file}") as caught:
        backbone.fetch_weights(source, tmp_path)
    position = Path(str(caught.value).partition("put it here as ")[2].partition(";")[0])
    position.write_bytes(b"weights")
    assert backbone.fetch_weights(source, tmp_path) == position


@pytest.mark.parametrize(
    ("kind", "options"),
    [(R3D18, {}), (X3DXS, {}), (Frame, {"trunk": "resnet18"}), (TSN, {"trunk": "resnet18", "modality": "rgbdiff"}),
     (ResNet3d50, {"last_stage": "first_block"}), (VideoMAE, TINY_VIT)], ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_a_network_trained_here_loads_again_with_its_head(
    kind: type[Backbone], options: dict[str, object], tmp_path: Path
) -> None:
    trained = kind(**options)
    head = {"fc.weight": torch.randn(5, trained.dim), "fc.bias": torch.randn(5)}
    torch.save({"backbone": trained.state_dict(), "head": head}, tmp_path / "network.pt")
    again = kind(**options)
    again.load_weights(str(tmp_path / "network.pt"))
    for key, value in trained.state_dict().items():
        assert torch.equal(again.state_dict()[key], value)
    saved_head = again.read_head(str(tmp_path / "network.pt"))
    assert saved_head is not None
    assert torch.equal(saved_head.tensors["weight"], head["fc.weight"])


@pytest.mark.parametrize("kind", [Swin3dS, Swin3dB], ids=lambda kind: kind.name)
def test_the_larger_video_swins_have_the_sizes_they_state(kind: type[TorchvisionVideo]) -> None:
    with torch.device("meta"):
        backbone = kind().eval()
        assert backbone(torch.zeros(1, 3, 2, 64, 64)).vector.shape == (1, kind.dim)


def test_learnt_positions_of_another_clip_size_are_explained() -> None:
    with (
        torch.device("meta"),
        pytest.raises(OsarbenchError, match=r"positions for \(8, 56, 56\) .* \(2, 16, 16\)"),
    ):
        MViTV1B()(torch.zeros(1, 3, 4, 64, 64))


def test_relative_positions_fit_any_clip() -> None:
    assert MViTV2S().eval()(clip(4, 64)).maps.shape == (1, 768, 2, 2, 2)


def test_an_option_that_torchvision_does_not_take_is_explained() -> None:
    with pytest.raises(OsarbenchError, match=r"'r3d_18' cannot be built with .*depth"):
        R3D18(options={"depth": 34})


@pytest.mark.parametrize(("last_stage", "parameters"), [("full", 46_198_976), ("first_block", 27_836_608)])
def test_resnet3d50_has_the_published_parameters(last_stage: str, parameters: int) -> None:
    backbone = ResNet3d50(last_stage=last_stage)  # type: ignore[arg-type]
    assert sum(parameter.numel() for parameter in backbone.parameters()) == parameters
    fc = 101 * 2048 + 101
    assert sum(parameter.numel() for parameter in backbone.layer4[0].parameters()) + fc == 10_965_093  # type: ignore[index]
    assert backbone.eval()(clip(16, 64)).maps.shape == (1, 2048, 1, 2, 2)


def test_resnet3d50_is_torchvisions_bottlenecks_behind_a_pooled_stem(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours = ResNet3d50().eval()
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.0)
    blocks = torchvision.models.video.resnet
    theirs = blocks.VideoResNet(blocks.Bottleneck, [blocks.Conv3DSimple] * 4, [3, 4, 6, 3], nn.Identity).eval()
    for stage in (1, 2, 3, 4):
        own = ours.get_submodule(f"layer{stage}").state_dict()
        values = (value for key, value in own.items())
        layer = getattr(theirs, f"layer{stage}")
        layer.load_state_dict(dict(zip(layer.state_dict(), values, strict=True)))
    with torch.no_grad():
        maps = ours.maxpool(ours.relu(ours.bn1(ours.conv1(clip(16, 64)))))
        for stage in (1, 2, 3, 4):
            maps = getattr(theirs, f"layer{stage}")(maps)
        torch.testing.assert_close(ours(clip(16, 64)).maps, maps, atol=1e-4, rtol=1e-4)


def test_a_released_file_loads_with_its_module_prefix_and_without_the_blocks_left_out(tmp_path: Path) -> None:
    whole = ResNet3d50()
    state = {f"module.{key}": value for key, value in whole.state_dict().items()}
    state |= {"module.fc.weight": torch.zeros(400, 2048), "module.fc.bias": torch.zeros(400)}
    torch.save({"arch": "resnet-50", "state_dict": state}, tmp_path / "resnet-50-kinetics.pth")
    cut = ResNet3d50(last_stage="first_block")
    cut.load_weights(str(tmp_path / "resnet-50-kinetics.pth"))
    assert torch.equal(cut.layer4[0].conv2.weight, whole.layer4[0].conv2.weight)  # type: ignore[index]


def test_i3d_on_inception_has_the_published_parameters_and_names(tmp_path: Path) -> None:
    backbone = I3DInception()
    assert sum(parameter.numel() for parameter in backbone.parameters()) + 400 * 1024 + 400 == 12_697_264
    state = {**backbone.state_dict(), "logits.conv3d.weight": torch.zeros(400, 1024, 1, 1, 1)}
    torch.save(state | {"logits.conv3d.bias": torch.zeros(400)}, tmp_path / "rgb_imagenet.pt")
    other = I3DInception()
    other.load_weights(str(tmp_path / "rgb_imagenet.pt"))
    assert torch.equal(other.Mixed_5c.b2b.conv3d.weight, backbone.Mixed_5c.b2b.conv3d.weight)  # type: ignore[arg-type]


@pytest.mark.parametrize(("frames", "side"), [(8, 32), (9, 33), (17, 40)])
def test_i3d_on_inception_pads_as_tensorflow_does(frames: int, side: int) -> None:
    maps = I3DInception().eval()(clip(frames, side)).maps
    assert maps.shape[2:] == (-(-frames // 8), -(-side // 32), -(-side // 32))


@pytest.mark.parametrize("trunk", ["resnet18", "mobilenet_v3_small", "timm:vit_tiny_patch16_224", "timm:convnext_atto"])
def test_frames_are_averaged_over_any_image_network(trunk: str) -> None:
    options = {"img_size": 32} if "vit" in trunk else None
    backbone = Frame(trunk=trunk, trunk_options=options).eval()
    frames = clip(2, 32)
    with torch.no_grad():
        together = backbone(frames)
        apart = [backbone(frames[:, :, position : position + 1]).vector for position in (0, 1)]
    torch.testing.assert_close(together.vector, (apart[0] + apart[1]) / 2)
    assert together.maps.shape[1:3] == (backbone.map_dim, 2)


def test_tsn_learns_differences_from_colours(tmp_path: Path) -> None:
    colours = torchvision.models.resnet18()
    backbone = TSN(trunk="resnet18", modality="rgbdiff", segments=2)
    backbone.load_weights(saved(colours, tmp_path))
    first = backbone.trunk.network.conv1.weight
    assert first.shape == (64, 15, 7, 7)
    torch.testing.assert_close(first[:, 7], colours.conv1.weight.mean(dim=1))  # type: ignore[index]


def test_partial_batch_norm_survives_train() -> None:
    backbone = TSN(trunk="resnet18").train().eval().train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert [norm.training for norm in norms] == [True] + 19 * [False]
    assert [norm.weight.requires_grad for norm in norms] == [True] + 19 * [False]


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_videomae_reads_its_released_files(prefix: str, tmp_path: Path) -> None:
    source = VideoMAE(**TINY_VIT)
    state = {prefix + key: value for key, value in source.state_dict().items()}
    if prefix:  # pre-trained: another norm, and a decoder
        state = {key: value for key, value in state.items() if "fc_norm" not in key}
        state |= {"decoder.blocks.0.attn.qkv.weight": torch.zeros(3), "mask_token": torch.zeros(3)}
    torch.save({"model": state}, tmp_path / "checkpoint.pth")
    target = VideoMAE(**TINY_VIT)
    target.load_weights(str(tmp_path / "checkpoint.pth"))
    with torch.no_grad():
        expected = source.eval()(clip(4, 32)).vector
        torch.testing.assert_close(target.eval()(clip(4, 32)).vector, expected)


def test_videomae_has_the_size_of_vit_b() -> None:
    with torch.device("meta"):
        backbone = VideoMAE()
    assert round(sum(parameter.numel() for parameter in backbone.parameters()) / 1e6, 1) == 86.2
    assert {"blocks.11.attn.q_bias", "blocks.0.attn.v_bias", "patch_embed.proj.weight", "fc_norm.bias"} <= set(
        backbone.state_dict()
    )


def test_sine_positions_are_those_of_the_first_transformer() -> None:
    assert sine_positions(3, 4)[2].tolist() == pytest.approx([0.909297, -0.416147, 0.019999, 0.999800], abs=1e-6)


def test_a_clip_that_cannot_be_cut_into_tubes_is_explained() -> None:
    with pytest.raises(OsarbenchError, match="a clip of 3 frames of 32 x 32 pixels cannot be cut so"):
        VideoMAE(**TINY_VIT)(clip(3, 32))


def test_a_clip_that_is_too_small_is_known_before_any_video_is_decoded() -> None:
    with pytest.raises(OsarbenchError, match="'s3d' cannot take clips of 16 frames of 16 x 16 pixels: .* too small"):
        check_clip(S3D(), ClipSpec(frames=16, size=16, test_size=16))


@pytest.mark.parametrize(
    ("kind", "options", "size"),
    [(I3DInception, {}, (8, 32)), (R3D18, {}, (4, 64)), (R2Plus1D18, {}, (4, 64)), (S3D, {}, (16, 64)),
     (Swin3dT, {}, (4, 64)), (MViTV2S, {}, (4, 64)), (SlowOnly, {}, (4, 64)), (CSN, {}, (4, 64)), (X3DXS, {}, (4, 64)),
     (VideoMAE, TINY_VIT, (4, 32)), (TSN, {"trunk": "resnet18"}, (3, 32)),
     (Frame, {"trunk": "resnet18"}, (1, 32)), (ResNet3d50, {"last_stage": "first_block"}, (4, 32))],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_a_backward_pass_reaches_every_trained_parameter(
    kind: type[Backbone], options: dict[str, object], size: tuple[int, int]
) -> None:
    backbone = kind(**options).train()
    features = backbone(clip(*size, count=2))
    (features.vector.square().sum() + features.maps.square().sum()).backward()
    without = [name for name, weight in backbone.named_parameters() if weight.requires_grad and weight.grad is None]
    assert without == []
