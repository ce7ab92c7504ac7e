"""MTNet: every network of the repository by its name, its parts against the reference, what it cannot take."""

import copy
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.model.memory import recompute_blocks
from osarbench.plugins import loading as plugins
from osarbench_plugins.backbones._mtconv import MTBlock, MTConv, cosine_pool, halved, split
from osarbench_plugins.backbones.mtnet import MTNetS, MTNetXS, MTNetXSG8

BACKBONES = plugins.load(kinds=("backbones",)).backbones
SIZES = {"xs": (2, 2, 2, 2), "s": (2, 2, 5, 3), "m": (3, 4, 6, 3), "l": (3, 4, 23, 3)}
PARAMETERS = {"xs": 21.84, "s": 39.98, "m": 44.04, "l": 88.13}  #: millions, at 400 classes


def on_meta(name: str) -> Backbone:
    with torch.device("meta"):
        return BACKBONES[name]()


def clips(count: int = 2, frames: int = 8, height: int = 40, width: int = 40) -> Tensor:
    return torch.randn(count, 3, frames, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("groups", ["", "_g8"])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_built_by_its_own_name(size: str, groups: str) -> None:
    backbone = on_meta(f"mtnet_{size}{groups}")
    state = backbone.state_dict()
    blocks = tuple(sum(key.startswith(f"layer{stage}.") and key.endswith(".conv3.norm_long.weight") for key in state)
                   for stage in (1, 2, 3, 4))  # fmt: skip
    assert blocks == SIZES[size]
    assert ("layer1.0.conv2.norm_short.running_mean" in state) == (groups == "")  # else group norms
    assert "layer1.0.conv1_1.norm_short.running_mean" in state
    millions = (sum(parameter.numel() for parameter in backbone.parameters()) + 513 * 400) / 1e6
    assert groups or round(millions, 2) == PARAMETERS[size]


def test_networks_have_the_published_parameters(shared: Path) -> None:
    counts = json.loads((shared / "data/parity/srtg/param_counts_400_classes.json").read_text())
    ours = {name: facts for name, facts in counts.items() if name.startswith("MTNet")}
    for name, facts in ours.items():
        backbone = on_meta(name.lower())
        assert sum(parameter.numel() for parameter in backbone.parameters()) + 513 * 400 == facts["params"], name
        assert len(backbone.state_dict()) + 2 == facts["n_keys"], name
    assert ours


def test_parts_give_the_reference_maps(shared: Path) -> None:
    for case in torch.load(shared / "data/parity/srtg/mtnet_blocks.pt", weights_only=True):
        if case["kind"] == "temporal_cossim_pool":
            torch.testing.assert_close(cosine_pool(case["x"]), case["y"], atol=1e-5, rtol=0)
            continue
        module = _convolution(case["kwargs"]) if case["kind"] == "MTConv" else _block(case)
        module.load_state_dict(case["state_dict"])
        with torch.no_grad():
            short, long = module.eval()((case["x_short"].clone(), case["x_long"].clone()))
        torch.testing.assert_close(short, case["y_short"], atol=1e-5, rtol=0)
        torch.testing.assert_close(long, case["y_long"], atol=1e-5, rtol=0)


def _convolution(options: dict[str, object]) -> MTConv:
    def three(value: object) -> tuple[int, int, int]:
        first, second, third = value if isinstance(value, list | tuple) else [value] * 3
        return first, second, third

    assert isinstance(options["in_planes"], int)
    assert isinstance(options["out_planes"], int)
    return MTConv(
        options["in_planes"], options["out_planes"], three(options["kernel_size"]),
        stride=three(options["stride"])[0], padding=three(options.get("padding", 0)),
        groups=int(str(options.get("groups", 1))), lateral=not options.get("no_lateral", False),
        rate=float(str(options.get("rate", 0.875))),
    )  # fmt: skip


def _block(case: dict[str, int]) -> MTBlock:
    return MTBlock(
        case["inplanes"], case["planes"], stride=case["stride"], groups=case.get("groups", 1),
        downsample=bool(case["downsample"]),
    )  # fmt: skip


@pytest.mark.parametrize("frames", [3, 4, 5, 8, 9])
def test_the_frames_that_are_kept_are_most_like_their_neighbours_and_in_order(frames: int) -> None:
    maps = torch.randn(3, 5, frames, 2, 3, generator=torch.Generator().manual_seed(1))
    means = maps.mean(dim=(3, 4))
    found = cosine_pool(maps)
    for clip in range(3):
        vectors = means[clip].T  # [T, C]
        near = [float(torch.cosine_similarity(vectors[t], vectors[t + 1], dim=0)) ** 2 for t in range(frames - 1)]
        likeness = {t + 1: near[t] + near[t + 1] for t in range(frames - 2)}
        kept = sorted(sorted(likeness, key=lambda t: -likeness[t])[: frames // 2])
        assert torch.equal(found[clip], maps[clip][:, kept])


def test_channels_are_split_seven_to_one_and_by_groups() -> None:
    assert split(64) == (56, 8)
    assert split(512) == (448, 64)
    assert split(72, groups=8) == (63, 9)
    assert split(36, groups=8) == (28, 8)  # 31 is no multiple of the short path's 7 groups


def test_one_norm_serves_the_long_path_and_what_comes_across() -> None:
    convolution = MTConv(16, 16).train()
    convolution((torch.randn(2, 14, 4, 4, 4), torch.randn(2, 2, 2, 2, 2)))
    assert convolution.norm_short.num_batches_tracked == 1
    assert convolution.norm_long.num_batches_tracked == 2


def test_a_gru_reads_all_frames_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    forward = nn.GRU.forward

    def watched(self: nn.GRU, frames: Tensor, *more: object) -> object:
        seen.append(tuple(frames.shape))
        return forward(self, frames, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(nn.GRU, "forward", watched)
    with torch.no_grad():
        MTNetXS(width=8).eval()(clips(2, 16))
    assert seen[:4] == [(8, 2, 7), (4, 2, 1)] * 2  # [T, N, C] of the short and the long path
    assert len(seen) == 16


@pytest.mark.parametrize(
    ("frames", "height", "width"),
    [(4, 33, 33), (5, 40, 57), (6, 66, 70), (7, 65, 98), (9, 64, 64), (16, 112, 96), (17, 33, 131)],
)
def test_odd_sizes_and_frames_that_do_not_divide_work(frames: int, height: int, width: int) -> None:
    backbone = MTNetXS(width=8).eval()
    with torch.no_grad():
        vector, maps = backbone(clips(2, frames, height, width))
    assert vector.shape == (2, 64)
    assert maps.shape[:2] == (2, 64)
    assert torch.isfinite(vector).all()
    assert torch.isfinite(maps).all()


def test_a_clip_too_short_for_the_frame_selection_is_explained() -> None:
    for frames in (1, 2, 3):
        with pytest.raises(
            OsarbenchError, match=f"'mtnet_xs' needs clips of 4 frames or more, not {frames}. Change fr"
        ):
            MTNetXS(width=8)(clips(1, frames))


def test_frames_that_are_too_small_are_explained() -> None:
    with pytest.raises(OsarbenchError, match="needs frames of 33 x 33 pixels or more, not 32 x 64"):
        MTNetXS(width=8)(clips(1, 8, 32, 64))


def test_a_width_that_cannot_be_divided_is_explained() -> None:
    with pytest.raises(OsarbenchError, match="'mtnet_xs_g8' divides its channels by 64, and its width 48 .* to 64"):
        MTNetXSG8(width=48)


def test_features_are_both_paths_means() -> None:
    torch.manual_seed(0)
    backbone = MTNetXS(width=8).eval()
    ends: list[tuple[Tensor, Tensor]] = []
    backbone.get_submodule("layer4").register_forward_hook(lambda module, inputs, paths: ends.append(paths))
    with torch.no_grad():
        vector, maps = backbone(clips())
    short, long = ends[0]
    assert (short.shape[1], long.shape[1]) == (56, 8)
    torch.testing.assert_close(vector, torch.cat([short.mean(dim=(2, 3, 4)), long.mean(dim=(2, 3, 4))], dim=1))
    assert torch.equal(maps[:, :56], short)
    assert maps.shape[2:] == short.shape[2:]


def test_a_file_of_the_repository_loads_with_its_prefix_and_its_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, target = MTNetXS(width=8), MTNetXS(width=8)
    state = {**source.state_dict(), "fc.weight": torch.ones(339, 64), "fc.bias": torch.zeros(339)}
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, tmp_path / "mtnet.pth")
    target.load_weights(str(tmp_path / "mtnet.pth"))
    assert all(torch.equal(target.state_dict()[key], value) for key, value in source.state_dict().items())
    head = target.read_head(str(tmp_path / "mtnet.pth"))
    assert head is not None
    assert head.classes == 339
    assert target.examine_weights(str(tmp_path / "mtnet.pth")).facts["network"] == "mtnet"
    with pytest.raises(OsarbenchError, match="do not fit: .* missing"):
        MTNetS(width=8).load_weights(str(tmp_path / "mtnet.pth"))
    larger = MTNetS(width=8, loading="by_shape")
    larger.load_weights(str(tmp_path / "mtnet.pth"))
    assert larger.left_out is not None
    assert all(key.startswith(("layer3.", "layer4.")) for key in larger.left_out.missing)
    assert larger.left_out.unexpected == []


@pytest.mark.parametrize("last", [False, True])
def test_maps_stay_in_the_layout_they_came_in(last: bool) -> None:
    kind = torch.channels_last_3d if last else torch.contiguous_format
    maps = torch.randn(2, 8, 6, 5, 7, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=kind)
    pooled, chosen = halved(maps), cosine_pool(maps)
    torch.testing.assert_close(pooled, torch.nn.functional.avg_pool3d(maps, (1, 2, 2)))
    assert pooled.is_contiguous(memory_format=kind)
    assert chosen.is_contiguous(memory_format=kind)


@pytest.mark.parametrize("name", ["mtnet_xs", "srtg_r3d_18"])
def test_blocks_that_are_computed_again_give_the_same_gradients(name: str) -> None:
    torch.manual_seed(0)
    kept = BACKBONES[name](width=8)  # type: ignore[call-arg]
    again = copy.deepcopy(kept)
    assert recompute_blocks(again) == 8
    for backbone in (kept, again):
        backbone(clips()).vector.square().sum().backward()
    for (key, one), (_, other) in zip(kept.named_parameters(), again.named_parameters(), strict=True):
        assert one.grad is not None, key
        torch.testing.assert_close(one.grad, other.grad)
    for one_state, other_state in zip(kept.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one_state, other_state)
