"""A backbone and a head as one module: what is trained, saved and run over all videos."""

import copy
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.data.transforms import normalise
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features, SavedHead
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Head, Progress
from osarbench.interfaces.modality import Modality


class Network(nn.Module):
    """A backbone with a head. It takes uint8 clips and normalises them on their device.

    If the backbone has an auxiliary branch, its terms are added to the head's in training; it is not saved.
    """

    def __init__(self, backbone: Backbone, head: Head, spec: ClipSpec, modality: Modality | None = None) -> None:
        super().__init__()
        self.backbone, self.head, self.spec, self.modality = backbone, head, spec, modality
        self.auxiliary = backbone.auxiliary(head.classes)

    def forward(self, clips: Tensor, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits [N, K] and loss terms for uint8 clips [N, 3, T, S, S] and labels [N]."""
        clips = self.fed(clips)
        if self.auxiliary is None:
            return self.head.clip_loss(self.backbone, clips, labels, progress)
        passes: list[Features] = []
        hook = self.backbone.register_forward_hook(lambda module, inputs, features: passes.append(features))
        try:
            logits, terms = self.head.clip_loss(self.backbone, clips, labels, progress)
        finally:
            hook.remove()
        return logits, {**terms, **self.auxiliary(self._own(passes, len(labels)), labels)}

    def fed(self, clips: Tensor) -> Tensor:
        """Return what the backbone sees of uint8 clips: normalised, as their modality is fed."""
        seen = normalise(clips, self.spec)
        return seen if self.modality is None else self.modality.change(seen)

    def vectors(self, clips: Tensor) -> Tensor:
        """Return float32 feature vectors [N, D] of uint8 clips [N, 3, T, S, S]."""
        features: Features = self.backbone(self.fed(clips))
        return features.vector.float()

    def _own(self, passes: Sequence[Features], count: int) -> Features:
        """Return the features of the batch itself; a head may run the backbone on altered clips too, before or with it.

        Raises:
            OsarbenchError: the head never ran the backbone on the whole batch.
        """
        for vector, maps in passes:
            if len(vector) >= count:
                return Features(vector[:count], maps[:count])
        raise OsarbenchError(
            f"The backbone '{self.backbone.name}' has an auxiliary branch that trains on the features of a batch, and "
            f"the head '{self.head.name}' never runs it on all {count} clips at once. Let its clip_loss do that, the "
            "clips as they are first; or take another backbone."
        )


def check_clip(
    backbone: Backbone, spec: ClipSpec, channels: int = 3, *, others: Collection[tuple[int, int]] = ()
) -> None:
    """Run one clip of a specification through a backbone, so that one it cannot take is known before decoding.

    First on the meta device, where nothing is computed; what fails there is tried on the CPU. The backbone cannot be
    used afterwards.

    Args:
        backbone: in question.
        spec: of its clips.
        channels: of a clip.
        others: (frames in a view, pixels along a side) of what else it is given, in multigrid training.

    Raises:
        OsarbenchError: the clip does not fit, for example because it is too small.
    """
    backbone.eval()
    sizes = {(spec.length, spec.size), (spec.test_length, spec.test_size), *others}
    shapes = [(1, channels, length, size, size) for length, size in sorted(sizes)]
    try:
        with torch.no_grad():
            unused = copy.deepcopy(backbone).to("meta")
            for shape in shapes:
                unused(torch.zeros(shape, device="meta"))
    except OsarbenchError:
        raise
    except Exception:  # a plugin may do what the meta device cannot
        for shape in shapes:
            _run_on_the_cpu(backbone, shape)


def _run_on_the_cpu(backbone: Backbone, shape: tuple[int, ...]) -> None:
    try:
        with torch.no_grad():
            backbone(torch.zeros(shape))
    except RuntimeError as error:
        raise OsarbenchError(
            f"The backbone '{backbone.name}' cannot take clips of {shape[2]} frames of {shape[3]} x {shape[4]} pixels: "
            f"{str(error).splitlines()[0]}. Change segments, frames, size or test_size in the protocol's clips."
        ) from error


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
    """Write the weights of backbone and head, without what only training needs; equal networks give equal files."""
    network.head.strip()
    with file.open("wb") as opened:  # given a path, torch would write its name into the file
        torch.save({"backbone": network.backbone.state_dict(), "head": network.head.state_dict()}, opened)


def load(network: Network, file: Path) -> None:
    """Read the weights of backbone and head. Nothing is unpickled but tensors and plain values."""
    network.head.strip()
    state = read_tensors(file)
    network.backbone.load_state_dict(state["backbone"])
    network.head.load_state_dict(state["head"])


#: Kind of a saved classifier -> names of its tensors in a head; heads of these names can adopt it.
_ADOPTED = {
    "linear": {"weight": "fc.weight", "bias": "fc.bias"},
    "bnn": {name: name for name in ("weight_mu", "weight_rho", "bias_mu", "bias_rho")},
    "rpl": {"weight": "points", "radius": "radius"},
}


def published_head(backbone: Backbone, source: str, classes: int) -> SavedHead:
    """Return the classifier in a file of weights.

    Raises:
        OsarbenchError: there is none, or it tells apart another number of classes.
    """
    saved = backbone.read_head(source)
    if saved is None:
        raise OsarbenchError(
            f"{source} has no classifier that '{backbone.name}' could use, so --no-train leaves nothing to score with. "
            "Train one (without --no-train), or give a file that has one."
        )
    _check_classes(saved, classes, source)
    return saved


def adopt(head: Head, saved: SavedHead, source: str) -> None:
    """Copy a published classifier into a head, instead of training it.

    Raises:
        OsarbenchError: it is of another kind, or tells apart another number of classes or features.
    """
    head.strip()
    _check_classes(saved, head.classes, source)
    state = {_ADOPTED[saved.kind][name]: tensor for name, tensor in saved.tensors.items()}
    own = head.state_dict()
    named = saved.kind != "rpl" or head.name == "rpl_legacy"  # `rpl` has points too, at other distances
    if not named or {key: value.shape for key, value in state.items()} != {
        key: value.shape for key, value in own.items()
    }:
        raise OsarbenchError(
            f"The classifier in {source} is of the kind '{saved.kind}' ({', '.join(sorted(state))}), and the head "
            f"'{head.name}' needs {', '.join(sorted(own))}, of {head.dim} features. Choose a method it was made for."
        )
    head.load_state_dict(state)


def _check_classes(saved: SavedHead, classes: int, source: str) -> None:
    if saved.classes != classes:
        raise OsarbenchError(
            f"The classifier in {source} tells {saved.classes} classes apart; the protocol has {classes} known ones. "
            "Choose the protocol it was trained for, or train another one (without --no-train)."
        )


def read_tensors(file: Path) -> Any:
    """Return what `torch.save` wrote, refusing any pickle that holds code.

    Raises:
        OsarbenchError: the file cannot be read so.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise OsarbenchError(f"{file} cannot be read: {error}. Delete it; the next run makes it again.") from error
