"""SlowFast (Feichtenhofer et al., ICCV 2019, arXiv:1812.03982) on ResNet-50, as MMAction2 and DEAR have it."""

from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from osarbench.errors import unknown_name
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._key_maps import PLAIN_STAGES, blocks_of_mmaction, lateral_of_mmaction, without_prefix
from ._limits import check_clips
from ._published import PublishedBackbone, Translated
from ._pytorchvideo import hub_url, slowfast

Preset = Literal["8x8", "4x16", "pytorchvideo"]


class _Settings(NamedTuple):
    alpha: int  # fast frames for each slow one
    fusion_kernel: int  # of the lateral convolutions, in time
    fusion_norm: bool  # whether batch norm and ReLU follow them


_PRESETS = {"8x8": _Settings(4, 7, False), "4x16": _Settings(8, 5, False), "pytorchvideo": _Settings(4, 7, True)}


class SlowFast(PublishedBackbone):
    """Two pathways on 32 frames, every second one: all of them in few channels, each fourth one in many.

    The vector is what MMAction2's classifier reads: 256 channels of the fast pathway, **then** 2048 of the slow one
    (its head takes them in this order, against its own names). The maps are the slow pathway's.

    Args:
        preset: "8x8" and "4x16" are MMAction2's (DEAR: 8x8), which take every alpha-th frame and whose lateral
            convolutions are bare; "pytorchvideo" is its hub's ``slowfast_r50``, 8x8 with slow frames evenly spread from
            first to last, batch norm and ReLU behind lateral convolutions, mean 0.45 and deviation 0.225.
        depth: 50, 101 or 152.
        width: channels of the slow pathway's first convolution, a multiple of 8; the features are 36 times as many.

    Raises:
        OsarbenchError: an unknown preset or depth, or pytorchvideo is not installed.
    """

    name = "slowfast"

    def __init__(self, *, preset: Preset = "8x8", depth: int = 50, width: int = 64) -> None:
        super().__init__()
        if preset not in get_args(Preset):
            raise unknown_name("preset of slowfast", preset, get_args(Preset))
        self.preset, self.depth, self.alpha = preset, depth, _PRESETS[preset].alpha
        self.blocks = slowfast(depth=depth, width=width, **_PRESETS[preset]._asdict())
        self.map_dim, self.dim = 32 * width, 36 * width
        self.clip = _CLIP
        if preset == "pytorchvideo":
            self.clip = replace(_CLIP, mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225))

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the slow maps [N, C, T / alpha, H / 32, W / 32] and a vector [N, C / 8 + C].

        Raises:
            OsarbenchError: alpha does not divide T, or frames are too small.
        """
        check_clips(clips, self.name, multiple=self.alpha)
        pathways = [self._slow_frames(clips), clips]
        for block in self.blocks:
            pathways = block(pathways)
        slow, fast = pathways  # [N, C, T / alpha, h, w], [N, C / 8, T, h, w]
        return Features(torch.cat([fast.mean(dim=(2, 3, 4)), slow.mean(dim=(2, 3, 4))], dim=1), slow)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take SlowFast of MMAction2 or pytorchvideo, by preset."""
        state = checkpoint.state
        if checkpoint.network != "slowfast":
            raise self.refuse(checkpoint, "It needs both pathways. See what it is: osarbench weights inspect FILE.")
        theirs = _preset_of(checkpoint)
        if theirs != self.preset:
            raise self.refuse(
                checkpoint,
                f"as it is set: its lateral convolutions and strides in time are those of the preset '{theirs}'. Set "
                f'that, in the protocol: [backbones.slowfast] options = {{ preset = "{theirs}" }}.',
            )
        if self.preset == "pytorchvideo":
            return Translated(self.blocks, without_prefix(state, "blocks."), ("6.proj.",))
        own = without_prefix(state, "backbone.")
        slow, fast = without_prefix(own, "slow_path."), without_prefix(own, "fast_path.")
        lateral = lateral_of_mmaction(slow)
        slow = {key: value for key, value in slow.items() if "_lateral." not in key}
        pathways = [
            blocks_of_mmaction(path, PLAIN_STAGES, f"multipathway_blocks.{position}.")
            for position, path in enumerate((slow, fast))
        ]
        return Translated(self.blocks, {**pathways[0], **pathways[1], **lateral})

    def hub_url(self, source: str) -> str | None:
        """Return where pytorchvideo's weights are, of its preset."""
        its_own = source == self.preset == "pytorchvideo"
        return hub_url("slowfast", f"slowfast_r{self.depth}") if its_own else None

    def _slow_frames(self, clips: Tensor) -> Tensor:
        if self.preset != "pytorchvideo":
            return clips[:, :, :: self.alpha].contiguous()
        frames = clips.shape[2]
        spread = torch.linspace(0, frames - 1, frames // self.alpha).long()
        return clips[:, :, spread.to(clips.device)]


def _preset_of(checkpoint: Checkpoint) -> str:
    if checkpoint.family == "pytorchvideo":
        return "pytorchvideo"
    lateral = checkpoint.state.get("backbone.slow_path.conv1_lateral.conv.weight")
    return "4x16" if lateral is not None and lateral.shape[2] == _PRESETS["4x16"].fusion_kernel else "8x8"


_CLIP = ClipSpec(frames=32, stride=2, test_size=256, test_clips=10, test_crops=3)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer slowfast."""
    return [SlowFast]
