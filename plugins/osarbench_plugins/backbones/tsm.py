"""TSM (Lin et al., ICCV 2019, arXiv:1811.08383): a 2D network whose residual branches see their neighbours in time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces.backbone import Backbone, Features, FrameFeatures
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._hub import timm_url, torchvision_url
from ._key_maps import resnet_of_mmaction, without_prefix
from ._published import PublishedBackbone, Translated
from ._trunks import build, pad_same

#: Class of a residual block -> attribute that starts its residual branch (the first that it has).
BLOCKS: Mapping[str, tuple[str, ...]] = {
    "BasicBlock": ("conv1",),  # torchvision and timm: ResNet, Wide ResNet, ResNeXt
    "Bottleneck": ("conv1",),  # and timm's RegNet
    "PreActBasic": ("conv1",),  # timm: ResNetV2
    "PreActBottleneck": ("conv1",),
    "ResBottleneckBlock": ("f",),  # torchvision: RegNet
    "InvertedResidual": ("conv", "block", "conv_pw"),  # torchvision: MobileNetV2, MobileNetV3; timm: the whole family
    "_InvertedResidual": ("layers",),  # torchvision: MNASNet
    "MBConv": ("block",),  # torchvision: EfficientNet
    "FusedMBConv": ("block",),
    "DepthwiseSeparableConv": ("conv_dw",),  # timm: MobileNet and EfficientNet families
    "EdgeResidual": ("conv_exp",),
    "UniversalInvertedResidual": ("dw_start",),
}
SHORTCUT = ("use_res_connect", "has_skip", "apply_residual")  #: attributes that say whether a block has its shortcut
DEEP_STAGE = 23  #: a network with a stage of so many blocks (ResNet-101, -152) is shifted in every second one

#: Keys that a file of weights may have in surplus (the last two are behind the pooling in timm's MobileNetV3).
CLASSIFIERS = ("fc.", "classifier.", "head.", "conv_head.", "norm_head.")


class TSM(PublishedBackbone):
    """Temporal shift around a 2D network of torchvision or timm; the default is the published ResNet-50, 8 segments.

    The shift adds no parameter and renames none: `trunk` has the very keys of torchvision's or timm's network without
    its classifier (``trunk.layer1.0.conv1.weight``, ``trunk.features.1.conv.0.0.weight``). It acts on as many frames
    as it is given, in every residual block known to `BLOCKS` (every second one in ResNet-101 and -152, as published).

    Args:
        trunk: a classification network of torchvision ("resnet50", "mobilenet_v2") or "timm:NAME" of timm.
        trunk_options: keyword arguments of its factory; timm's ResNets take ``layers``, ``channels``, ``stem_width``...
        segments: frames of a clip; a protocol may choose another number.
        shift_div: a 1/shift_div of the channels is shifted forward in time, as many backward.
        tf_same: pad convolutions of stride 2 as TensorFlow's SAME does, one pixel more below and on the right. For
            weights trained there, such as the MobileNetV2 of google-coral/test_data, which wants mean and std 0.5.
        frame_dropout: let a head's dropout act on each frame's vector before their mean, as MMAction2's TSM, and so
            DEAR's, has it; else it acts on the mean.
        maps: module of the trunk whose output is handed out as maps, instead of the last one's. MobileNetV2 ends with a
            convolution to 1280 channels, which DEAR's debiasing branches would double to 2560; "features.17" has 320.
        mean, std: normalisation the weights expect, of RGB in [0, 1]; None: the network's own (torchvision: ImageNet).

    Raises:
        OsarbenchError: ``frame_dropout`` and ``maps`` together, no such network, or one without residual blocks
            that `BLOCKS` knows.
    """

    name = "tsm"

    def __init__(
        self,
        *,
        trunk: str = "resnet50",
        trunk_options: Mapping[str, Any] | None = None,
        segments: int = 8,
        shift_div: int = 8,
        tf_same: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        maps: str | None = None,
        frame_dropout: bool = False,
    ) -> None:
        super().__init__()
        if frame_dropout and maps is not None:
            raise OsarbenchError("tsm takes the frames' vectors for frame_dropout from the last maps. Leave out maps.")
        self.trunk_name, self.frame_dropout = trunk, frame_dropout
        self.trunk, own_mean, own_std = build(trunk, trunk_options or {})
        self.shift = TemporalShift(shift_div)
        for module in _shifted_modules(self.trunk, trunk):
            module.register_forward_pre_hook(self.shift)
        if tf_same:
            pad_same(self.trunk)
        self.inner = _Kept(self.trunk, maps) if maps is not None else None
        self.dim, self.map_dim = self._channels()
        self.clip = ClipSpec(
            segments=segments,
            frames=1,
            sampling="dense",
            window=64,
            train_crop="multi_scale",
            test_clips=10,
            mean=_rgb(mean, own_mean),
            std=_rgb(std, own_std),
        )

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to maps [N, C, T, h, w], and to the last maps' mean over space and time [N, D]."""
        count, frames = clips.shape[0], clips.shape[2]
        self.shift.frames = frames
        images = clips.transpose(1, 2).flatten(0, 1)  # [N * T, 3, H, W]
        last, maps = self._maps(images.contiguous(memory_format=_layout(self.trunk)))  # [N * T, D or C, h, w]
        pooled = last.mean(dim=(2, 3)).view(count, frames, -1)  # [N, T, D]
        maps = maps.view(count, frames, *maps.shape[1:]).transpose(1, 2)
        kind = FrameFeatures if self.frame_dropout else Features
        return kind(pooled.mean(dim=1), maps)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take a 2D network of torchvision or timm, with or without classifier, or a TSM or TSN of MMAction2."""
        state = checkpoint.state
        if checkpoint.family == "mmaction2" and checkpoint.network in ("tsm", "tsn"):
            body = resnet_of_mmaction(without_prefix(state, "backbone."))
            return Translated(self.trunk, body, with_head=checkpoint.network == "tsm")
        if checkpoint.family in ("mmaction2", "pytorchvideo") or any(value.dim() == 5 for value in state.values()):
            raise self.refuse(checkpoint, "It takes 2D networks, and TSM's. What fits: osarbench weights inspect FILE.")
        if all(key.startswith("features.") for key in self.trunk.state_dict()):  # `network.features` was saved alone
            state = {f"features.{key}" if key[0].isdigit() else key: value for key, value in state.items()}
        return Translated(self.trunk, state, CLASSIFIERS)

    def hub_url(self, source: str) -> str | None:
        """Return where the trunk's weights are, if it is that library's."""
        if source == "timm" and self.trunk_name.startswith("timm:"):
            return timm_url(self.trunk_name.removeprefix("timm:"))
        return torchvision_url(self.trunk_name) if source == "torchvision" else None

    def _maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map frames [N * T, 3, H, W] to the last unpooled maps [N * T, D, h, w] and those to hand out."""
        last: Tensor = getattr(self.trunk, "forward_features", self.trunk)(images)
        return last, last if self.inner is None else self.inner.take()

    @torch.no_grad()
    def _channels(self) -> tuple[int, int]:
        """Return D and C, found with one small frame."""
        self.trunk.eval()
        self.shift.frames = 1
        last, maps = self._maps(torch.zeros(1, 3, 64, 64))
        self.trunk.train()
        return last.shape[1], maps.shape[1]


class _Kept:
    """The output of a module inside a network, kept for one forward pass."""

    def __init__(self, network: nn.Module, name: str) -> None:
        inside = dict(network.named_modules())
        if name not in inside or not name:
            raise OsarbenchError(f"The trunk has no module '{name}' to take maps from.{did_you_mean(name, inside)}")
        self.output: Tensor | None = None
        inside[name].register_forward_hook(self)

    def __call__(self, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep the output of the module."""
        self.output = output

    def take(self) -> Tensor:
        """Return the output and let go of it."""
        assert self.output is not None
        output, self.output = self.output, None
        return output


class TemporalShift:
    """A forward pre-hook: of the maps [N * T, C, H, W] that a module is given, some channels come from other frames.

    A hook leaves the names of all parameters as they are, so that weights of the plain network load.
    """

    def __init__(self, shift_div: int) -> None:
        self.shift_div = shift_div
        self.frames = 1  #: T of the current batch, set by the backbone

    def __call__(self, module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        """Return the shifted input of the module."""
        return shift_in_time(inputs[0], frames=self.frames, fold=inputs[0].shape[1] // self.shift_div)


def shift_in_time(maps: Tensor, *, frames: int, fold: int) -> Tensor:
    """Return maps [N * T, C, H, W] whose channels [0, fold) are the next frame's and [fold, 2 fold) the previous one's.

    Zeros come in at both ends of a clip; the other channels stay.
    """
    shifted: Tensor = _Shift.apply(maps, frames, fold, False)
    return shifted


class _Shift(torch.autograd.Function):
    """The shift, and as its gradient the shift the other way: one copy each, a third of the time of `torch.cat`."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, frames: int, fold: int, back: bool) -> Tensor:
        ctx.settings = frames, fold, back
        shifted = maps.clone()
        source, target = (tensor.view(-1, frames, *maps.shape[1:]) for tensor in (maps, shifted))  # [N, T, C, H, W]
        later, earlier = slice(0, fold), slice(fold, 2 * fold)
        if back:
            later, earlier = earlier, later
        target[:, :-1, later] = source[:, 1:, later]
        target[:, -1, later] = 0
        target[:, 1:, earlier] = source[:, :-1, earlier]
        target[:, 0, earlier] = 0
        return shifted

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        frames, fold, back = ctx.settings
        return _Shift.apply(gradients[0], frames, fold, not back), None, None, None


def _shifted_modules(trunk: nn.Module, name: str) -> list[nn.Module]:
    """Return the modules that start a residual branch and get the shift."""
    stages = [[block for block in parent.children() if type(block).__name__ in BLOCKS] for parent in trunk.modules()]
    step = 2 if max(map(len, stages)) >= DEEP_STAGE else 1
    chosen = [module for blocks in stages for block in blocks[::step] for module in _branch(block)]
    if not chosen:
        raise OsarbenchError(
            f"'{name}' has no residual block that tsm knows. Take a ResNet, Wide ResNet, ResNeXt, RegNet, MobileNet, "
            "MNASNet or EfficientNet of torchvision, or 'timm:NAME' of these families."
        )
    return chosen


def _branch(block: nn.Module) -> Iterator[nn.Module]:
    """Yield the module that starts the block's residual branch, if the block has a shortcut around it."""
    if all(getattr(block, attribute, True) for attribute in SHORTCUT):
        yield from [getattr(block, first) for first in BLOCKS[type(block).__name__] if hasattr(block, first)][:1]


def _layout(trunk: nn.Module) -> torch.memory_format:
    """Return the layout of the trunk's convolutions, channels-last where training has laid them out so."""
    weight = next(parameter for parameter in trunk.parameters() if parameter.dim() == 4)
    channels_last = weight.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _rgb(given: Sequence[float] | None, own: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = own if given is None else given
    return float(red), float(green), float(blue)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer tsm."""
    return [TSM]
