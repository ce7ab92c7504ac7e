"""I3D (Carreira and Zisserman, CVPR 2017, arXiv:1705.07750) on ResNet-50, as MMAction2 and DEAR have it."""

from typing import Literal, get_args

from torch import Tensor

from osarbench.errors import unknown_name
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._hub import torchvision_url
from ._key_maps import I3D_STAGES, blocks_of_mmaction, inflated, without_prefix
from ._limits import check_clips
from ._published import PublishedBackbone, Translated
from ._pytorchvideo import I3D_KERNELS, hub_url, resnet3d, run

Preset = Literal["mmaction2", "pytorchvideo"]


class I3D(PublishedBackbone):
    """An inflated ResNet-50 on 32 frames, every second one; the default is the one of MMAction2 and DEAR.

    Its checkpoints and those of pytorchvideo's hub have the same shapes, but other strides in time: weights of one in
    the other would load and be wrong by a fifth of a logit and more. Hence the presets, each with its own checkpoints.

    Args:
        preset: "mmaction2" strides time by 8 before the third stage, on 32 x 2 frames; "pytorchvideo" by 2, on 8 x 8
            frames with mean 0.45 and deviation 0.225 (its hub's ``i3d_r50``).
        depth: 50, 101 or 152.
        width: channels of the first convolution; the features are 32 times as many.

    Raises:
        OsarbenchError: an unknown preset or depth, or pytorchvideo is not installed.
    """

    name = "i3d"

    def __init__(self, *, preset: Preset = "mmaction2", depth: int = 50, width: int = 64) -> None:
        super().__init__()
        if preset not in get_args(Preset):
            raise unknown_name("preset of i3d", preset, get_args(Preset))
        self.preset, self.depth = preset, depth
        stride = 2 if preset == "mmaction2" else 1
        self.blocks = resnet3d(
            depth=depth, width=width, stem_kernel=5, stem_stride=stride, pool_stride=stride, kernels=I3D_KERNELS,
            pool_after_stage_1=True,
        )  # fmt: skip
        self.dim = self.map_dim = 32 * width
        self.clip = _MMACTION2 if preset == "mmaction2" else _PYTORCHVIDEO

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, D, T / 8, H / 32, W / 32] and their mean [N, D].

        Raises:
            OsarbenchError: clips are too short or too small.
        """
        check_clips(clips, self.name, frames=5 if self.preset == "mmaction2" else 2)
        maps = run(self.blocks, clips)[-1]
        return Features(maps.mean(dim=(2, 3, 4)), maps)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take I3D of MMAction2 or pytorchvideo, by preset, or inflate a 2D ResNet of torchvision or timm."""
        state = checkpoint.state
        if checkpoint.family == "torchvision":
            body = {key: value for key, value in state.items() if not key.startswith("fc.")}
            return Translated(self.blocks, inflated(body, I3D_STAGES, self.blocks.state_dict()), with_head=False)
        if checkpoint.network != "i3d":
            raise self.refuse(checkpoint, "See what it is: osarbench weights inspect FILE.")
        if checkpoint.family != self.preset:
            raise self.refuse(
                checkpoint,
                f"as it is set: its strides in time are those of the preset '{checkpoint.family}'. Set that, "
                f'in the protocol: [backbones.i3d] options = {{ preset = "{checkpoint.family}" }}.',
            )
        if self.preset == "pytorchvideo":
            return Translated(self.blocks, without_prefix(state, "blocks."), ("6.proj.",))
        return Translated(self.blocks, blocks_of_mmaction(without_prefix(state, "backbone."), I3D_STAGES))

    def hub_url(self, source: str) -> str | None:
        """Return where pytorchvideo's weights are, of its preset, or torchvision's ResNet, which is inflated."""
        if source == "torchvision":
            return torchvision_url(f"resnet{self.depth}")
        its_own = source == self.preset == "pytorchvideo"
        return hub_url("resnet", f"i3d_r{self.depth}") if its_own else None


_MMACTION2 = ClipSpec(
    frames=32, stride=2, test_size=256, test_crops=3, train_crop="multi_scale", crop_scales=(1.0, 0.8),
    crop_scale_gap=0, crop_places=5,
)  # fmt: skip
_PYTORCHVIDEO = ClipSpec(
    frames=8, stride=8, test_size=256, test_clips=10, test_crops=3, mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225)
)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer i3d."""
    return [I3D]
