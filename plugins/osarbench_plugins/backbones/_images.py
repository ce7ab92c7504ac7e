"""Any image network of torchvision or timm as a function from frames to a vector and maps."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError

from ._checkpoints import Checkpoint
from ._hub import trunk_url
from ._key_maps import resnet_of_mmaction, without_prefix
from ._published import PublishedBackbone, Translated
from ._trunks import build

#: Keys that a file of weights may have in surplus.
CLASSIFIERS = ("fc.", "classifier.", "head.", "heads.", "head_drop.")


class ImageTrunk(nn.Module):
    """An image network without classifier; parameters have the library's names under ``network.``.

    Args:
        name: a classification network of torchvision ("resnet50") or "timm:NAME" of timm.
        options: keyword arguments of its factory.

    Raises:
        OsarbenchError: there is no such network, or it gives neither maps nor tokens.
    """

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.name = name
        self.network, self.mean, self.std = build(name, options)
        self.dim, self.map_dim = self._sizes()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images [M, 3, H, W] to pooled vectors [M, D] and maps [M, C, h, w]."""
        network: Any = self.network
        if not hasattr(network, "forward_features"):
            maps: Tensor = network(images)
            return maps.mean(dim=(2, 3)), maps
        found: Tensor = network.forward_features(images)
        if found.dim() == 4:
            maps = found.movedim(-1, 1) if getattr(network, "output_fmt", None) == "NHWC" else found
            return maps.mean(dim=(2, 3)), maps
        patches = found[:, getattr(network, "num_prefix_tokens", 0) :]  # [M, L, C]
        height, width = network.patch_embed.dynamic_feat_size(images.shape[2:])
        vector: Tensor = network.pool(found, pool_type=self._pooling)
        return network.fc_norm(vector), patches.transpose(1, 2).reshape(len(found), -1, height, width)

    def adapted(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights of three colours for a first convolution of more inputs: each gets the colours' mean (TSN)."""
        name, convolution = first_convolution(self.network)
        key = f"{name}.weight"
        inputs = convolution.in_channels
        if key not in state or state[key].shape[1] == inputs:
            return dict(state)
        return {**state, key: state[key].mean(dim=1, keepdim=True).expand(-1, inputs, -1, -1).contiguous()}

    @property
    def _pooling(self) -> str:
        """How a transformer becomes a vector: by its class token if it has one."""
        return "token" if getattr(self.network, "num_prefix_tokens", 0) else "avg"

    @torch.no_grad()
    def _sizes(self) -> tuple[int, int]:
        """Return D and C, found with one image."""
        side = getattr(self.network, "pretrained_cfg", {}).get("input_size", (3, 224, 224))[-1]
        patches = getattr(self.network, "patch_embed", None)
        height, width = getattr(patches, "img_size", None) or (side, side)
        was = self.network.training
        try:
            vector, maps = self.eval()(torch.zeros(1, 3, height, width))
        except (AttributeError, RuntimeError, ValueError) as error:
            raise OsarbenchError(f"'{self.name}' gives neither maps nor tokens of its images: {error}.") from error
        self.train(was)
        return vector.shape[1], maps.shape[1]


class ImageBackbone(PublishedBackbone):
    """A backbone around an image network, `trunk`, whose weights are the library's."""

    trunk: ImageTrunk

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take weights of torchvision or timm, with or without classifier, or a TSN of MMAction2 or tsn-pytorch."""
        if checkpoint.family == "mmaction2" and checkpoint.network == "tsn":
            body = resnet_of_mmaction(without_prefix(checkpoint.state, "backbone."))
            return Translated(self.trunk.network, self.trunk.adapted(body))
        if checkpoint.family == "tsn-pytorch" and checkpoint.network == "tsn":
            body = without_prefix(checkpoint.state, "base_model.")
            body = {key: value for key, value in body.items() if not key.startswith("fc.")}
            return Translated(self.trunk.network, self.trunk.adapted(body))
        return Translated(self.trunk.network, self.trunk.adapted(checkpoint.state), CLASSIFIERS, with_head=False)

    def hub_url(self, source: str) -> str | None:
        """Return where the trunk's ImageNet weights are, if it is that library's."""
        return trunk_url(self.trunk.name, source)


def first_convolution(network: nn.Module) -> tuple[str, nn.Conv2d]:
    """Return the first convolution of a network in module order, with its name."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise OsarbenchError("The trunk has no convolution to take other inputs. Choose another network.")


def widen_first_convolution(network: nn.Module, inputs: int) -> None:
    """Let a network take images of another number of channels; its first weights are the mean over the old ones.

    Source: TSN (Wang et al., ECCV 2016), cross-modality initialisation; nothing is rescaled.
    """
    name, old = first_convolution(network)
    new = copy.deepcopy(old)
    new.in_channels = inputs
    new.weight = nn.Parameter(old.weight.detach().mean(dim=1, keepdim=True).repeat(1, inputs, 1, 1))
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, new)


def frames_as_images(clips: Tensor) -> Tensor:
    """Return the frames of clips [N, 3, T, H, W] as images [N * T, 3, H, W], channels-last."""
    return clips.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def as_rgb(values: Sequence[float]) -> tuple[float, float, float]:
    """Return three numbers as a tuple of floats."""
    red, green, blue = values
    return float(red), float(green), float(blue)
