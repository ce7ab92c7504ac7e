"""A backbone and a head as one module: what is trained, saved and run over all videos."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.backbone import Backbone, ClipSpec, Features
from osarbench.errors import OsarbenchError
from osarbench.method import Head, Progress
from osarbench.pipe.transforms import normalise


class Network(nn.Module):
    """A backbone with a head. It takes uint8 clips and normalises them on their device."""

    def __init__(self, backbone: Backbone, head: Head, spec: ClipSpec) -> None:
        super().__init__()
        self.backbone, self.head, self.spec = backbone, head, spec

    def forward(self, clips: Tensor, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits [N, K] and loss terms for uint8 clips [N, 3, T, S, S] and labels [N]."""
        return self.head.clip_loss(self.backbone, normalise(clips, self.spec), labels, progress)

    def vectors(self, clips: Tensor) -> Tensor:
        """Return float32 feature vectors [N, D] of uint8 clips [N, 3, T, S, S]."""
        features: Features = self.backbone(normalise(clips, self.spec))
        return features.vector.float()


def freeze(backbone: Backbone, prefixes: Sequence[str], *, batch_norms: bool) -> None:
    """Fix the parameters whose names start with one of the prefixes; call `hold` after each ``train()``.

    Raises:
        OsarbenchError: a prefix fits no parameter.
    """
    names = [name for name, _ in backbone.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise OsarbenchError(
                f"[training] frozen: no parameter of the backbone '{backbone.name}' starts with '{prefix}'; "
                f"they are named like '{names[0]}' and '{names[-1]}'."
            )
    for name, parameter in backbone.named_parameters():
        if name.startswith(tuple(prefixes)):
            parameter.requires_grad_(False)
    hold(backbone, prefixes, batch_norms=batch_norms)


def hold(backbone: Backbone, prefixes: Sequence[str], *, batch_norms: bool) -> None:
    """Put fixed batch norms in evaluation mode, so that their running statistics stay."""
    for name, module in backbone.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and (
            batch_norms or f"{name}.".startswith(tuple(prefixes))
        ):
            module.eval()


def channels_last(module: nn.Module) -> None:
    """Lay convolution weights out channels-last: faster on GPUs with tensor cores, a little faster on CPUs."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def save(network: Network, file: Path) -> None:
    """Write the weights of backbone and head, without what only training needs."""
    network.head.strip()
    torch.save({"backbone": network.backbone.state_dict(), "head": network.head.state_dict()}, file)


def load(network: Network, file: Path) -> None:
    """Read the weights of backbone and head. Nothing is unpickled but tensors and plain values."""
    network.head.strip()
    state = read_tensors(file)
    network.backbone.load_state_dict(state["backbone"])
    network.head.load_state_dict(state["head"])


def read_tensors(file: Path) -> Any:
    """Return what `torch.save` wrote, refusing any pickle that holds code.

    Raises:
        OsarbenchError: the file cannot be read so.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise OsarbenchError(f"{file} cannot be read: {error}. Delete it to make it anew.") from error
