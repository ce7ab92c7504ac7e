"""The residual networks of the SRTG repository: 3D and (2+1)D convolutions, with and without squeeze and recursion.

https://github.com/alexandrosstergiou/Squeeze-and-Recursion-Temporal-Gates at 1c4dd7e. They are not torchvision's of the
same depths: behind the stem is a pooling that halves time too, and bottlenecks do not widen. Parameters have the names
of the repository's files.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError, unknown_name
from osarbench.interfaces.backbone import Features

from ._limits import check_clips
from ._recursion import Gate, SqueezeAndRecursion
from ._srtg_files import Colours, Loading, RepositoryBackbone, check_width, draw

Place = Literal["mid", "end", "final"]
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3),
          200: (3, 24, 36, 3)}  # fmt: skip
#: srtg_r3d_34, r2plus1d_18_pooled, wide_r3d50_2, srtg_r2plus1dxt101_32x8d
NAME = re.compile(
    r"(?P<recursion>srtg_)?(?P<wide>wide_)?(?P<conv>r3d|r2plus1d)(?:xt|_)?(?P<depth>\d+)"
    r"(?:_32x(?P<group_width>\d)d|_2|_pooled)?"
)


class Kind(NamedTuple):
    """What a network's name says of it."""

    conv: Literal["r3d", "r2plus1d"]
    depth: int
    recursion: bool  #: whether every block has squeeze and recursion
    groups: int = 1
    group_width: int = 64  #: channels of a group where the stem has 64; convolutions are never grouped, only as wide

    @property
    def bottleneck(self) -> bool:
        """Whether its blocks have three convolutions; else two."""
        return self.depth >= 50

    def widened(self, channels: int) -> int:
        """Return the channels inside a bottleneck."""
        return int(channels * self.group_width / 64) * self.groups


class Plan(NamedTuple):
    """How every block of a network is built."""

    kind: Kind
    place: Place
    gate: Gate


def kind_of(name: str) -> Kind:
    """Return what a network of the repository is by its name, "srtg_r3d_34".

    Raises:
        OsarbenchError: no network has this name.
    """
    found = NAME.fullmatch(name)
    if found is None or int(found["depth"]) not in STAGES:
        raise OsarbenchError(f"'{name}' is no network of the SRTG repository; they are named like srtg_r3d_34.")
    groups, width = (32, int(found["group_width"])) if found["group_width"] else (1, 128 if found["wide"] else 64)
    conv: Literal["r3d", "r2plus1d"] = "r3d" if found["conv"] == "r3d" else "r2plus1d"
    return Kind(conv, int(found["depth"]), found["recursion"] is not None, groups, width)


class Block(nn.Module):
    """Two 3 x 3 x 3 convolutions, or one between two of 1 x 1 x 1, around a shortcut; squeeze and recursion in it.

    Args:
        channels: of the input.
        planes: of the output.
        stride: in time and space.
        plan: the network's.
    """

    def __init__(self, channels: int, planes: int, stride: int, plan: Plan) -> None:
        super().__init__()
        kind, inner = plan.kind, planes
        middle = channels * planes * 27 // (channels * 9 + 3 * planes)  # of every (2+1)D convolution of the block
        if kind.bottleneck:
            inner, middle = kind.widened(planes), kind.widened(middle)
            self.conv1 = _unit(nn.Conv3d(channels, inner, 1, bias=False), inner)
            self.conv2 = _unit(_convolution(kind.conv, inner, inner, middle, stride), inner)
            self.conv3 = _unit(nn.Conv3d(inner, planes, 1, bias=False), planes, relu=False)
        else:
            self.conv1 = _unit(_convolution(kind.conv, channels, planes, middle, stride), planes)
            self.conv2 = _unit(_convolution(kind.conv, planes, planes, middle, 1), planes, relu=False)
        self.bottleneck, self.place = kind.bottleneck, plan.place
        self.downsample: nn.Module | None = None
        if stride > 1 or channels != planes:
            self.downsample = _unit(nn.Conv3d(channels, planes, 1, stride=stride, bias=False), planes, relu=False)
        self.sar: SqueezeAndRecursion | None = None
        if kind.recursion:
            self.sar = SqueezeAndRecursion(inner if plan.place == "mid" else planes, gate=plan.gate)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, planes, T / stride, H / stride, W / stride], rounded up."""
        shortcut = maps if self.downsample is None else self.downsample(maps)
        inner = self._recursed("mid", self.conv2(self.conv1(maps)))
        if self.bottleneck:
            inner = self._recursed("end", self.conv3(inner))
        return self._recursed("final", (inner + shortcut).relu_())

    def _recursed(self, place: Place, maps: Tensor) -> Tensor:
        if self.sar is None or self.place != place:
            return maps
        scaled: Tensor = self.sar(maps)
        return scaled


class ResidualNetwork(RepositoryBackbone):
    """A residual network of the repository, as its name says.

    Args:
        place: where squeeze and recursion is in a block, see `SRTGNetwork`.
        gate: see `SqueezeAndRecursion`.
        width: channels of the stem; the features are 8 times as many.
        colours, loading: see `RepositoryBackbone`.

    Raises:
        OsarbenchError: an unknown option, an impossible width, or "end" without third convolutions.
    """

    def __init__(self, *, place: Place, gate: Gate, width: int, colours: Colours, loading: Loading) -> None:
        super().__init__(size=264, colours=colours, loading=loading)
        kind = kind_of(self.name)
        check_width(self.name, width, 64 // kind.group_width if kind.groups > 1 else 1)
        if place not in get_args(Place):
            raise unknown_name(f"place of {self.name}", place, get_args(Place))
        if place == "end" and not kind.bottleneck:
            raise OsarbenchError(
                f"The blocks of '{self.name}' have two convolutions: none is the third, behind which 'end' is. "
                'Choose place = "mid", which is behind the second.'
            )
        self.stem = _stem(kind.conv, width)
        self.pool = nn.MaxPool3d(3, stride=2, padding=1)
        channels, plan = width, Plan(kind, place, gate)
        for stage, count in enumerate(STAGES[kind.depth]):
            planes, stride = width * 2**stage, 1 if stage == 0 else 2
            blocks = [Block(channels, planes, stride, plan)]
            blocks += [Block(planes, planes, 1, plan) for _ in range(count - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            channels = planes
        self.dim = self.map_dim = channels
        draw(self)

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, D, T / 16, H / 32, W / 32], rounded up, and their mean [N, D].

        Raises:
            OsarbenchError: the frames are too small.
        """
        check_clips(clips, self.name)
        maps: Tensor = self.pool(self.stem(self.ordered(clips)))
        for stage in range(len(STAGES[18])):
            maps = self.get_submodule(f"layer{stage + 1}")(maps)
        return Features(maps.mean(dim=(2, 3, 4)), maps)


class PlainNetwork(ResidualNetwork):
    """A residual network of the SRTG repository without squeeze and recursion.

    Args:
        width: channels of the stem; the features are 8 times as many.
        colours, loading: see `RepositoryBackbone`.

    Raises:
        OsarbenchError: an unknown option or an impossible width.
    """

    def __init__(self, *, width: int = 64, colours: Colours = "rgb", loading: Loading = "strict") -> None:
        super().__init__(place="final", gate="none", width=width, colours=colours, loading=loading)


class SRTGNetwork(ResidualNetwork):
    """A residual network of the SRTG repository with squeeze and recursion in every block, behind temporal gates.

    The published networks have no gates: all released weights were trained with ``gate="none"``.

    Args:
        place: where in a block: "final", behind its last ReLU; "mid", behind the second convolution; "end", behind the
            third, of networks of 50 layers and more.
        gate: see `SqueezeAndRecursion`. `gate_open` and `diagnostics` say for which clips gates are open.
        width: channels of the stem; the features are 8 times as many.
        colours, loading: see `RepositoryBackbone`.

    Raises:
        OsarbenchError: an unknown option, an impossible width, or "end" without third convolutions.
    """

    def __init__(
        self,
        *,
        place: Place = "final",
        gate: Gate = "none",
        width: int = 64,
        colours: Colours = "rgb",
        loading: Loading = "strict",
    ) -> None:
        super().__init__(place=place, gate=gate, width=width, colours=colours, loading=loading)

    @torch.no_grad()
    def gate_open(self, clips: Tensor) -> Tensor:
        """Return which gates are open for clips [N, 3, T, H, W], bool [N, G], in the order of the G blocks.

        Without gates ("none") all are open.
        """
        self(clips)
        decisions = [unit.open for unit in self._units()]
        always = torch.ones(len(clips), dtype=torch.bool, device=clips.device)
        return torch.stack([always if decision is None else decision for decision in decisions], dim=1)

    def diagnostics(self) -> Mapping[str, Tensor]:
        """Return what the last forward pass says of each of its N clips, float [N] by name; nothing without gates.

        "gates_open" is the share of the network's gates that are open for a clip, "gates_open layer1" that of a stage,
        and "gate layer1.0" whether that block's is.
        """
        decisions = {
            name.removesuffix(".sar"): module.open.float()
            for name, module in self.named_modules()
            if isinstance(module, SqueezeAndRecursion) and module.open is not None
        }
        if not decisions:
            return {}
        stages: dict[str, list[Tensor]] = {}
        for name, decision in decisions.items():
            stages.setdefault(f"gates_open {name.split('.')[0]}", []).append(decision)
        groups = {"gates_open": [*decisions.values()], **stages}
        shares = {name: torch.stack(members).mean(dim=0) for name, members in groups.items()}
        return {**shares, **{f"gate {name}": decision for name, decision in decisions.items()}}

    def _units(self) -> list[SqueezeAndRecursion]:
        return [module for module in self.modules() if isinstance(module, SqueezeAndRecursion)]


def _unit(convolution: nn.Module, channels: int, *, relu: bool = True) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm3d(channels), *([nn.ReLU(inplace=True)] if relu else []))


def _convolution(kind: Literal["r3d", "r2plus1d"], channels: int, out: int, middle: int, stride: int) -> nn.Sequential:
    """Return a 3 x 3 x 3 convolution, or one over space to ``middle`` channels and one over time."""
    if kind == "r3d":
        return nn.Sequential(nn.Conv3d(channels, out, 3, stride=stride, padding=1, bias=False))
    space = nn.Conv3d(channels, middle, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)
    time = nn.Conv3d(middle, out, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(space, nn.BatchNorm3d(middle), nn.ReLU(inplace=True), time)


def _stem(kind: Literal["r3d", "r2plus1d"], width: int) -> nn.Sequential:
    if kind == "r3d":
        return _unit(nn.Conv3d(3, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False), width)
    middle = max(1, 45 * width // 64)
    space = nn.Conv3d(3, middle, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)
    time = nn.Conv3d(middle, width, (3, 1, 1), padding=(1, 0, 0), bias=False)
    return nn.Sequential(*_unit(space, middle), *_unit(time, width))
