"""Video networks of torchvision without classifier: one adapter, of which every plugin is a few lines."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.clip import ClipSpec

from ._checkpoints import Checkpoint
from ._hub import torchvision_url
from ._published import PublishedBackbone, Translated

#: The mean and deviation that torchvision's Kinetics networks were trained with, of RGB in [0, 1].
KINETICS_MEAN, KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)


class TorchvisionVideo(PublishedBackbone):
    """A classification network of ``torchvision.models.video``; its weights keep torchvision's names under ``trunk.``.

    A subclass names the network and says how it becomes maps and a vector. Weights of torchvision load with
    ``--weights FILE`` as they were downloaded, or by name from its hub.

    Args:
        options: keyword arguments of torchvision's function, for example ``{"stochastic_depth_prob": 0.1}``.

    Raises:
        OsarbenchError: torchvision's function does not take the options.
    """

    classifier: ClassVar[str]  #: attribute of the network that holds its classifier
    published: ClassVar[ClipSpec]

    def __init__(self, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        from torchvision.models import get_model

        try:
            self.trunk: Any = get_model(self.name, weights=None, **(options or {}))
        except (TypeError, ValueError) as error:
            raise OsarbenchError(
                f"The backbone '{self.name}' cannot be built with {dict(options or {})}: {error}."
            ) from error
        setattr(self.trunk, self.classifier, nn.Identity())
        self.clip = self.published
        self.map_dim = self.dim

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take torchvision's weights, with or without classifier."""
        return Translated(self.trunk, checkpoint.state, (f"{self.classifier}.",), with_head=False)

    def hub_url(self, source: str) -> str | None:
        """Return where torchvision's weights are, pre-trained on Kinetics-400."""
        return torchvision_url(self.name, "KINETICS400_V1") if source == "torchvision" else None

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, D, T', H', W'] and their mean over time and space [N, D]."""
        maps = self.maps(clips)
        return Features(maps.mean(dim=(2, 3, 4)), maps)

    def maps(self, clips: Tensor) -> Tensor:
        """Map clips [N, 3, T, H, W] to the last unpooled maps [N, D, T', H', W']."""
        trunk = self.trunk
        maps: Tensor = trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(trunk.stem(clips)))))
        return maps


class VideoResNet(TorchvisionVideo):
    """The ResNet-18s of Tran et al. (CVPR 2018, arXiv:1711.11248), as torchvision trained them on Kinetics-400."""

    classifier = "fc"
    dim = 512
    published = ClipSpec(
        frames=16, stride=2, short_side=128, size=112, test_size=112, test_clips=5,
        mean=KINETICS_MEAN, std=KINETICS_STD,
    )  # fmt: skip


class Swin3d(TorchvisionVideo):
    """Video Swin Transformer (Liu et al., CVPR 2022, arXiv:2106.13230), 32 frames at every second one."""

    classifier = "head"
    dim = 768
    published = ClipSpec(frames=32, stride=2, test_clips=4, test_crops=3)

    def maps(self, clips: Tensor) -> Tensor:
        """Map clips [N, 3, T, H, W] to the last unpooled maps [N, D, T / 2, H / 32, W / 32]."""
        trunk = self.trunk
        tokens: Tensor = trunk.norm(trunk.features(trunk.pos_drop(trunk.patch_embed(clips))))  # [N, T', H', W', D]
        return tokens.movedim(-1, 1)


class MultiscaleViT(TorchvisionVideo):
    """Multiscale vision transformers (Fan et al., ICCV 2021; Li et al., CVPR 2022), 16 frames at every fourth one.

    Version 2 has relative positions, which are interpolated to any clip size; those of version 1 fit one size only.
    """

    classifier = "head"
    dim = 768
    published = ClipSpec(frames=16, stride=4, test_clips=5, mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225))

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the class token [N, D] and the other tokens as maps [N, D, T / 2, H', W']."""
        trunk = self.trunk
        patches = trunk.conv_proj(clips)  # [N, C, T', H', W']
        size = tuple(patches.shape[2:])
        made_for = (trunk.pos_encoding.temporal_size, *trunk.pos_encoding.spatial_size)
        if trunk.pos_encoding.spatial_pos is not None and size != made_for:
            raise OsarbenchError(
                f"The backbone '{self.name}' has positions for {made_for} patches (time, height, width), and these "
                f"clips have {size}. Give it clips of 16 frames of 224 x 224 pixels, or take mvit_v2_s."
            )
        tokens = trunk.pos_encoding(patches.flatten(2).transpose(1, 2))  # [N, 1 + T'H'W', C]
        for block in trunk.blocks:
            tokens, size = block(tokens, size)
        tokens = trunk.norm(tokens)
        return Features(tokens[:, 0], tokens[:, 1:].transpose(1, 2).unflatten(2, size))


class SeparableInception(TorchvisionVideo):
    """S3D (Xie et al., ECCV 2018, arXiv:1712.04851) as torchvision trained it: 128 frames at every second one."""

    classifier = "classifier"
    dim = 1024
    published = ClipSpec(frames=128, stride=2, mean=KINETICS_MEAN, std=KINETICS_STD)

    def forward(self, clips: Tensor) -> Features:
        """Map clips to the last maps [N, D, T / 8, H / 32, W / 32] and a vector [N, D].

        The vector averages space, then pairs of frames, then pairs: the outer frames count half, as in torchvision.
        """
        maps: Tensor = self.trunk.features(clips)
        frames = maps.mean(dim=(3, 4))  # [N, D, T']
        pairs = frames if frames.shape[2] == 1 else (frames[:, :, 1:] + frames[:, :, :-1]) / 2
        return Features(pairs.mean(dim=2), maps)
