"""Networks of pytorchvideo's hub without classifier: one base, of which every plugin is a few lines."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.clip import ClipSpec

from ._checkpoints import Checkpoint
from ._published import PublishedBackbone, Translated
from ._pytorchvideo import hub_network, hub_url, run

#: What pytorchvideo's networks were trained with.
MEAN, STD = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)


class HubNetwork(PublishedBackbone):
    """A classification network of pytorchvideo's hub; its weights keep the hub's names under ``trunk.``.

    The hub's weights load with ``--weights FILE`` as they were downloaded, or with ``--weights pytorchvideo``. Space
    and time are averaged whole, where the hub's heads average a window of the published size: the same on such clips.

    Args:
        options: keyword arguments of the hub's function.

    Raises:
        OsarbenchError: pytorchvideo is not installed, or its function does not take the options.
    """

    family: ClassVar[str]  #: module of ``pytorchvideo.models.hub``
    hub_name: ClassVar[str]
    published: ClassVar[ClipSpec]
    classifier: ClassVar[str] = "blocks.5.proj."

    def __init__(self, *, options: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.trunk: Any = hub_network(self.family, self.hub_name, options or {})
        self.clip = self.published
        self._without_classifier()

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take the hub's weights, with or without classifier."""
        return Translated(self.trunk, checkpoint.state, (self.classifier,), with_head=False)

    def hub_url(self, source: str) -> str | None:
        """Return where pytorchvideo's weights are, pre-trained on Kinetics-400."""
        return hub_url(self.family, self.hub_name) if source == "pytorchvideo" else None

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, C, T', H / 32, W / 32] and their mean [N, D]."""
        maps = run(self.trunk.blocks[:-1], clips)[-1]
        return Features(maps.mean(dim=(2, 3, 4)), maps)

    def _without_classifier(self) -> None:
        """Take the head away, but for its place, so that the names of the other parts stay."""
        self.trunk.blocks[-1] = nn.Identity()


class HubX3D(HubNetwork):
    """X3D (Feichtenhofer, CVPR 2020, arXiv:2004.04730): its features are behind a pooling between two convolutions."""

    family = "x3d"
    dim = 2048
    map_dim = 192

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the last maps [N, C, T, H / 32, W / 32] and the projected pool [N, D]."""
        maps = run(self.trunk.blocks[:-1], clips)[-1]
        return Features(self.trunk.blocks[-1].pool(maps).flatten(1), maps)

    def _without_classifier(self) -> None:
        head = self.trunk.blocks[-1]
        head.pool.pool = nn.AdaptiveAvgPool3d(1)
        head.proj = nn.Identity()


class HubMViT(HubNetwork):
    """MViT (Fan et al., ICCV 2021, arXiv:2104.11227) of pytorchvideo; its positions are learnt for one clip size."""

    family = "vision_transformers"
    classifier = "head."
    dim = map_dim = 768

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the class token [N, D] and the other tokens as maps [N, D, T / 2, H', W']."""
        trunk = self.trunk
        tokens = trunk.patch_embed(clips)  # [N, L, C]
        size = trunk.cls_positional_encoding.patch_embed_shape
        if tokens.shape[1] != size[0] * size[1] * size[2]:
            raise OsarbenchError(
                f"The backbone '{self.name}' has positions for {tuple(size)} patches (time, height, width), and these "
                f"clips have {tokens.shape[1]} in all. Set its options temporal_size and spatial_size to the clip's."
            )
        tokens = trunk.cls_positional_encoding(tokens)
        for layer in (trunk.pos_drop, trunk.norm_patch_embed):
            tokens = tokens if layer is None else layer(tokens)
        for block in trunk.blocks:
            tokens, size = block(tokens, size)
        tokens = trunk.norm_embed(tokens)
        maps: Tensor = tokens[:, 1:].transpose(1, 2)
        return Features(tokens[:, 0], maps.reshape(*maps.shape[:2], *size))

    def _without_classifier(self) -> None:
        self.trunk.head = None


def hub_clip(frames: int, stride: int, size: int, **changes: Any) -> ClipSpec:
    """Return the clip of a network of the hub: trained at 224 pixels or less, tested at ``size`` on 10 x 3 views."""
    return ClipSpec(
        frames=frames, stride=stride, size=min(size, 224), test_size=size, short_side=max(size, 256), test_clips=10,
        test_crops=3, mean=MEAN, std=STD, **changes,
    )  # fmt: skip
