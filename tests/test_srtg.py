"""SRTG: every network of the repository by its name, its blocks and gates against the reference, its files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.plugins import loading as plugins
from osarbench_plugins.backbones._recursion import SqueezeAndRecursion, cycles_return, frames_match, gate_opens
from osarbench_plugins.backbones._srtg_network import Block, Kind, Plan, kind_of
from osarbench_plugins.backbones.srtg import R3D34, SRTGR3D18, SRTGR3D34, SRTGR3D50, R3D18Pooled, SRTGR2Plus1D34

BACKBONES = plugins.load(kinds=("backbones",)).backbones
DEPTHS = (18, 34, 50, 101, 152, 200)
GATES = ("none", "paper", "nearest", "released")
TINY: Mapping[str, Any] = {"width": 8}


def on_meta(name: str) -> Backbone:
    with torch.device("meta"):
        return BACKBONES[name]()


def clips(count: int = 2, frames: int = 8, height: int = 40, width: int = 40) -> Tensor:
    return torch.randn(count, 3, frames, height, width, generator=torch.Generator().manual_seed(0))


def ours(name: str) -> str:
    """Our name of a network of the repository: two plain ones are torchvision's here."""
    return f"{name.lower()}_pooled" if name in ("r3d_18", "r2plus1d_18") else name.lower()


def saved(state: dict[str, Tensor], folder: Path) -> str:
    torch.save({"epoch": 80, "state_dict": {f"module.{key}": value for key, value in state.items()}}, folder / "x.pth")
    return str(folder / "x.pth")


def file_of(backbone: Backbone, folder: Path, classes: int = 200) -> str:
    """A checkpoint as the repository writes it: a DataParallel's names, and a classifier."""
    head = {"fc.weight": torch.ones(classes, backbone.dim), "fc.bias": torch.zeros(classes)}
    return saved({**backbone.state_dict(), **head}, folder)


@pytest.mark.parametrize("recursion", ["", "srtg_"])
@pytest.mark.parametrize("conv", ["r3d", "r2plus1d"])
@pytest.mark.parametrize("depth", DEPTHS)
def test_a_name_that_says_srtg_is_an_srtg_network_and_no_other_is(recursion: str, conv: str, depth: int) -> None:
    backbone = on_meta(ours(f"{recursion}{conv}_{depth}"))
    state = backbone.state_dict()
    assert any(".lstm." in key for key in state) == bool(recursion)
    assert (state["stem.0.weight"].shape[0] == 45) == (conv == "r2plus1d")
    assert ("layer1.0.conv3.0.weight" in state) == (depth >= 50)
    convolutions = {18: 16, 34: 32}.get(depth, depth - 2)
    blocks = sum(key.endswith(".conv2.1.weight") for key in state)
    assert blocks * (3 if depth >= 50 else 2) == convolutions
    assert backbone.dim == 512


def test_networks_have_the_published_parameters(shared: Path) -> None:
    counts = json.loads((shared / "data/parity/srtg/param_counts_400_classes.json").read_text())
    for name, facts in counts.items():
        backbone = on_meta(ours(name))
        classifier = backbone.dim * 400 + 400
        assert sum(parameter.numel() for parameter in backbone.parameters()) + classifier == facts["params"], name
        assert len(backbone.state_dict()) + 2 == facts["n_keys"], name


def test_parameters_have_the_repositorys_names_and_shapes(shared: Path) -> None:
    files = [*(shared / "data/parity/srtg").glob("*.keys.json")]
    for file in files:
        keys = json.loads(file.read_text())
        own = {key: list(value.shape) for key, value in on_meta(ours(file.name.split(".")[0])).state_dict().items()}
        assert own == {key: shape for key, shape in keys.items() if not key.startswith("fc.")}
    assert files


def test_blocks_give_the_reference_maps(shared: Path) -> None:
    for case in torch.load(shared / "data/parity/srtg/srtg_blocks.pt", weights_only=True):
        gate = "released" if case.get("gates") else "none"
        module: nn.Module
        if case["kind"] == "Squeeze_and_Recursion":
            module = SqueezeAndRecursion(case["planes"], gate=gate)  # type: ignore[arg-type]
        else:
            conv, depth = (
                ("r3d" if case["conv"] == "Conv3DSimple" else "r2plus1d"),
                18 + 32 * (case["kind"] == "Bottleneck"),
            )
            plan = Plan(Kind(conv, depth, recursion=True), case.get("place", "final"), gate)  # type: ignore[arg-type]
            module = Block(case["inplanes"], case["planes"], case["stride"], plan)
        module.load_state_dict(case["state_dict"])
        with torch.no_grad():
            found = module.eval()(case["x"].clone())
        torch.testing.assert_close(found, case["y"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(("depth", "place"), [(18, "mid"), (18, "final"), (50, "mid"), (50, "end"), (50, "final")])
def test_squeeze_and_recursion_is_where_it_is_asked_for(depth: int, place: str) -> None:
    torch.manual_seed(0)
    plan = Plan(Kind("r3d", depth, recursion=True), place, "none")  # type: ignore[arg-type]
    block, maps = Block(6, 10, 2, plan).eval(), torch.randn(2, 6, 4, 5, 5)
    assert block.sar is not None
    with torch.no_grad():
        inner = block.conv2(block.conv1(maps))
        inner = block.sar(inner) if place == "mid" else inner
        inner = block.conv3(inner) if depth == 50 else inner
        inner = block.sar(inner) if place == "end" else inner
        expected = torch.relu(inner + block.downsample(maps))  # type: ignore[misc]
        expected = block.sar(expected) if place == "final" else expected
        torch.testing.assert_close(block(maps), expected)


def test_the_two_end_at_different_places_only_in_bottlenecks() -> None:
    with pytest.raises(OsarbenchError, match=r"'srtg_r3d_34' have two convolutions.* Choose place = \"mid\""):
        SRTGR3D34(place="end")
    with pytest.raises(OsarbenchError, match="no place of srtg_r3d_18 'finale'. Did you mean 'final'"):
        SRTGR3D18(place="finale")  # type: ignore[arg-type]
    with pytest.raises(OsarbenchError, match="no gate 'papers'. Did you mean 'paper'"):
        SRTGR3D18(gate="papers", **TINY)  # type: ignore[arg-type]


def test_the_nearest_gate_opens_where_the_repositorys_script_says(shared: Path) -> None:
    (case,) = torch.load(shared / "data/parity/srtg/cyclic_consistency.pt", weights_only=True)
    first, second = case["a"].transpose(1, 2), case["b"].transpose(1, 2)  # [N, T, C]
    assert gate_opens("nearest", first, second).nonzero()[:, 0].tolist() == case["test_cyclic_py_indices"].tolist()
    assert gate_opens("released", first, second).float().tolist() == case["network_soft_nnc_always_zero"].tolist()


def test_the_papers_gate_opens_where_every_frame_finds_its_way_back() -> None:
    frames = 3 * torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
    assert gate_opens("paper", frames, frames).all()
    assert not gate_opens("paper", frames, frames.mean(dim=1, keepdim=True).expand_as(frames)).any()
    assert not gate_opens("paper", frames, frames.flip(0)).any()  # each with the other clip's


def test_the_papers_gate_is_blind_to_the_order_of_frames_and_the_nearest_one_is_not() -> None:
    frames = 3 * torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
    shuffled = torch.stack([frames[0].flip(0), frames[1].roll(1, 0)])
    assert gate_opens("paper", frames, shuffled).all()  # a frame's neighbour is itself, wherever it stands
    assert gate_opens("nearest", frames, frames).all()
    assert not gate_opens("nearest", frames, shuffled).any()


def test_cycles_are_those_of_the_definition() -> None:
    drawn = torch.Generator().manual_seed(2)
    first = torch.randn(20, 4, 3, generator=drawn, dtype=torch.float64)
    second = first + 0.5 * torch.randn(20, 4, 3, generator=drawn, dtype=torch.float64)

    def returns(u: list[list[float]], v: list[list[float]]) -> bool:
        def squared(a: list[float], b: list[float]) -> float:
            return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

        for place, frame in enumerate(u):
            weights = torch.tensor([-squared(frame, other) for other in v], dtype=torch.float64).softmax(0).tolist()
            soft = [sum(w * other[c] for w, other in zip(weights, v, strict=True)) for c in range(3)]
            if min(range(len(u)), key=lambda k, soft=soft: squared(soft, u[k])) != place:  # type: ignore[misc]
                return False
        return True

    for one, other in ((first, second), (second, first)):
        expected = [returns(u.tolist(), v.tolist()) for u, v in zip(one, other, strict=True)]
        assert cycles_return(one, other).tolist() == expected
        assert 0 < sum(expected) < len(expected)
    both = cycles_return(first, second) & cycles_return(second, first)
    assert gate_opens("paper", first, second).tolist() == both.tolist()


def test_distances_that_are_huge_or_tiny_do_not_overflow() -> None:
    frames = torch.eye(4)[None]
    for size in (1e-12, 1e6):
        found = gate_opens("paper", frames * size, frames * size)
        assert found.tolist() == [size > 1]  # tiny ones are all alike: their soft neighbour is the mean
    assert frames_match(frames * 1e6, frames * 1e6).all()


def test_a_closed_gate_lets_maps_pass_and_an_open_one_scales_them() -> None:
    torch.manual_seed(0)
    maps = torch.randn(4, 6, 5, 3, 3)
    always, gated = SqueezeAndRecursion(6), SqueezeAndRecursion(6, gate="nearest")
    gated.load_state_dict(always.state_dict())
    with torch.no_grad():
        for parameter in always.lstm.parameters():
            parameter.zero_()
        assert not always(maps).any()  # an LSTM of zeros says 0 of every frame
        found = gated(maps)
    assert gated.open is not None
    for clip, is_open in enumerate(gated.open.tolist()):
        assert torch.equal(found[clip], maps[clip]) != is_open
    released = SqueezeAndRecursion(6, gate="released")
    assert torch.equal(released(maps), maps)


@pytest.mark.parametrize("gate", GATES)
def test_which_gates_are_open_is_told_for_each_clip(gate: str) -> None:
    torch.manual_seed(0)
    backbone = SRTGR3D18(gate=gate, **TINY).eval()  # type: ignore[arg-type]
    found = backbone.gate_open(clips(3))
    assert found.shape == (3, 8)
    assert found.dtype == torch.bool
    said = backbone.diagnostics()
    if gate == "none":
        assert found.all()
        assert said == {}
    else:
        assert said["gates_open"].tolist() == pytest.approx(found.float().mean(dim=1).tolist())
    assert gate != "released" or not found.any()


def test_no_gradient_passes_through_a_decision_and_closed_gates_give_zeros() -> None:
    torch.manual_seed(0)
    backbone = SRTGR3D18(gate="released", **TINY)
    backbone(clips()).vector.sum().backward()
    gradients = {name: parameter.grad for name, parameter in backbone.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert not any(gradient.any() for name, gradient in gradients.items() if ".lstm." in name and gradient is not None)


def test_gates_under_bfloat16_decide_in_double_precision() -> None:
    torch.manual_seed(0)
    backbone = SRTGR3D18(gate="paper", **TINY).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        vector = backbone(clips()).vector
    assert torch.isfinite(vector).all()
    assert backbone.diagnostics()["gates_open"].shape == (2,)


def test_an_lstm_reads_all_frames_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    forward = nn.LSTM.forward

    def watched(self: nn.LSTM, frames: Tensor, *more: object) -> object:
        seen.append(tuple(frames.shape))
        return forward(self, frames, *more)  # type: ignore[call-overload]

    monkeypatch.setattr(nn.LSTM, "forward", watched)
    with torch.no_grad():
        SRTGR3D18(**TINY).eval()(clips(2, 16))
    assert seen == [(8, 2, 8)] * 2 + [(4, 2, 16)] * 2 + [(2, 2, 32)] * 2 + [(1, 2, 64)] * 2  # [T, N, C]


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 32, 32), (5, 33, 47), (16, 112, 96), (13, 57, 57)])
def test_odd_sizes_and_any_number_of_frames_are_rounded_up(frames: int, height: int, width: int) -> None:
    backbone = SRTGR3D18(**TINY).eval()
    maps = backbone(clips(1, frames, height, width)).maps
    assert maps.shape == (1, 64, -(-frames // 16), -(-height // 32), -(-width // 32))


def test_frames_that_are_too_small_are_explained() -> None:
    with pytest.raises(OsarbenchError, match="'srtg_r3d_18' needs frames of 32 x 32 pixels or more, not 31 x 40"):
        SRTGR3D18(**TINY)(clips(1, 8, 31, 40))


def test_plain_networks_are_not_torchvisions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pooled, theirs = R3D18Pooled().eval(), BACKBONES["r3d_18"]().eval()
    assert sum(p.numel() for p in pooled.parameters()) == sum(p.numel() for p in theirs.parameters())
    with torch.no_grad():
        assert pooled(clips(1, 8, 64, 64)).maps.shape == (1, 512, 1, 2, 2)
        assert theirs(clips(1, 8, 64, 64)).maps.shape == (1, 512, 1, 4, 4)


def test_a_name_says_what_a_network_is() -> None:
    assert kind_of("srtg_r2plus1d_200") == Kind("r2plus1d", 200, recursion=True)
    assert kind_of("r3dxt101_32x8d") == Kind("r3d", 101, recursion=False, groups=32, group_width=8)
    assert kind_of("srtg_wide_r3d50_2").widened(64) == 128
    assert kind_of("r2plus1dxt50_32x4d").widened(230) == 448  # and wide_r2plus1d50_2 has 460
    with pytest.raises(OsarbenchError, match="'srtg_r3d_33' is no network"):
        kind_of("srtg_r3d_33")


@pytest.mark.parametrize("name", ["srtg_r3dxt50_32x4d", "wide_r2plus1d101_2", "srtg_r2plus1dxt101_32x8d"])
def test_wider_networks_are_wider_inside_and_not_outside(name: str) -> None:
    backbone = on_meta(name)
    inner, outer = (backbone.state_dict()[f"layer4.0.conv{place}.0.weight"].shape[0] for place in (1, 3))
    assert (inner, outer) == (512 * (4 if "32x8d" in name else 2), 512)


def test_a_width_that_cannot_be_divided_is_explained() -> None:
    with pytest.raises(OsarbenchError, match="divides its channels by 16, and its width 24 .* Set width to 32"):
        BACKBONES["srtg_r3dxt50_32x4d"](width=24)


def test_a_file_of_the_repository_loads_with_its_prefix_and_its_classifier(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, target = SRTGR3D18(**TINY), SRTGR3D18(**TINY)
    path = file_of(source, tmp_path)
    target.load_weights(path)
    for key, value in source.state_dict().items():
        assert torch.equal(target.state_dict()[key], value)
    head = target.read_head(path)
    assert head is not None
    assert (head.kind, head.classes) == ("linear", 200)
    assert target.examine_weights(path).fits
    assert target.examine_weights(path).facts["network"] == "srtg"


def test_a_plain_network_under_an_srtg_name_is_recognised(tmp_path: Path) -> None:
    path = file_of(R3D34(**TINY), tmp_path)
    with pytest.raises(OsarbenchError, match="It has no LSTM: the repository's command line builds .* Take 'r3d_34'"):
        SRTGR3D34(**TINY).load_weights(path)
    with pytest.raises(OsarbenchError, match="It has LSTMs. Take 'srtg_r3d_18'"):
        R3D18Pooled(**TINY).load_weights(file_of(SRTGR3D18(**TINY), tmp_path))
    plain = R3D18Pooled(**TINY)
    assert plain.examine_weights(file_of(plain, tmp_path)).facts["network"] == "plain 3D ResNet"


def test_a_strict_load_names_what_does_not_fit(tmp_path: Path) -> None:
    state = SRTGR3D18(**TINY).state_dict()
    state["layer5.extra"] = state.pop("layer1.0.conv1.1.weight")
    with pytest.raises(OsarbenchError, match=r"1 missing \(layer1.0.conv1.1.weight\); 1 unexpected \(layer5.extra\)"):
        SRTGR3D18(**TINY).load_weights(saved(state, tmp_path))


def test_a_load_by_shape_takes_what_fits_and_lists_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    plain, target = R3D34(**TINY), SRTGR3D34(loading="by_shape", **TINY)
    drawn = target.state_dict()["layer1.0.sar.lstm.weight_ih_l0"].clone()
    state = plain.state_dict()
    state |= {"stem.0.weight": torch.zeros(1, 3, 3, 7, 7), "other": torch.zeros(1), "fc.weight": torch.zeros(400, 64)}
    path = saved(state, tmp_path)
    target.load_weights(path)
    assert torch.equal(
        target.state_dict()["layer4.2.conv1.0.0.weight"], plain.state_dict()["layer4.2.conv1.0.0.weight"]
    )
    assert torch.equal(target.state_dict()["layer1.0.sar.lstm.weight_ih_l0"], drawn)
    assert target.left_out is not None
    assert len(target.left_out.missing) == 16 * 8
    assert target.left_out.unexpected == ["other"]
    assert target.left_out.misshapen == ["stem.0.weight [1, 3, 3, 7, 7] instead of [8, 3, 3, 7, 7]"]
    said = capsys.readouterr().err
    assert f"{len(plain.state_dict()) - 1} tensors taken by name and shape. 129 left as drawn: " in said
    assert "1 not used: other" in said
    assert target.examine_weights(path).fits
    with pytest.raises(OsarbenchError, match="Not one of its tensors"):
        target.load_weights(saved({"stem.0.weight": torch.zeros(1)}, tmp_path))


def test_frames_as_the_repository_reads_them_are_blue_green_red() -> None:
    torch.manual_seed(0)
    pixels = torch.rand(1, 3, 8, 40, 40)  # RGB in [0, 1]
    as_read = SRTGR3D50(colours="bgr", **TINY).eval()
    plain = SRTGR3D50(**TINY).eval()
    plain.load_state_dict(as_read.state_dict())

    def normalised(backbone: Backbone, frames: Tensor) -> Tensor:
        mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (backbone.clip.mean, backbone.clip.std))
        return (frames - mean) / std

    theirs = (pixels.flip(1) - torch.tensor([124, 117, 104]).view(3, 1, 1, 1) / 255) * 0.0167 * 255
    with torch.no_grad():
        torch.testing.assert_close(as_read(normalised(as_read, pixels)).vector, plain(theirs).vector)


def test_a_wrong_option_is_explained() -> None:
    with pytest.raises(OsarbenchError, match="no loading of srtg_r2plus1d_34 'shape'. Did you mean 'by_shape'"):
        SRTGR2Plus1D34(loading="shape")  # type: ignore[arg-type]


def test_shares_of_open_gates_are_told_by_network_stage_and_block() -> None:
    torch.manual_seed(0)
    backbone = SRTGR3D18(gate="paper", **TINY).eval()
    gates = backbone.gate_open(clips(3)).float()  # [N, 8], two a stage
    said = backbone.diagnostics()
    names = list(said)
    assert names[:5] == ["gates_open", *(f"gates_open layer{stage}" for stage in (1, 2, 3, 4))]
    assert names[5:7] == ["gate layer1.0", "gate layer1.1"]
    assert len(names) == 1 + 4 + 8
    torch.testing.assert_close(torch.stack([said[name] for name in names[5:]], dim=1), gates)
    torch.testing.assert_close(said["gates_open layer3"], gates[:, 4:6].mean(dim=1))
