"""What a file of weights is: whose names its keys bear, which network they belong to, and its classifier.

Told by names and shapes alone. Strides and numbers of frames leave no trace there; they are tied to the framework.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from osarbench.interfaces.backbone import SavedHead
from osarbench.interfaces.weights import OWN, WeightsFile, read_file

from ._key_maps import without_prefix

Family = Literal["mmaction2", "pytorchvideo", "torchvision", "osarbench", "srtg", "tsn-pytorch", "other"]
TRAINING_ONLY = ("debias_head.", "neck.aux_head.")  #: DEAR's branches, and TPN's auxiliary classifier


#: A key, the dimensions of its tensor, and the network that they tell.
_TELLTALES = (
    (r"conv1\.weight", 5, "a 3D ResNet of Hara et al."),
    (r"(?i)conv3d_1a_7x7\.conv3d\.weight", 5, "the I3D on Inception of Carreira and Zisserman"),
    (r"stem\.0\.weight", 5, "a video ResNet of torchvision"),
    (r"features\.0\.0\.0\.weight", 5, "the S3D of torchvision"),
    (r"features\.0\.0\.attn\.relative_position_bias_table", 2, "a Video Swin of torchvision"),
    (r"conv_proj\.weight", 5, "an MViT of torchvision"),
    (r"patch_embed\.patch_model\.weight", 5, "an MViT of pytorchvideo"),
    (r"(encoder\.)?blocks\.0\.attn\.q_bias", 1, "a VideoMAE"),
)
#: Keys of the classifiers of DEAR and MMAction2, by kind.
_HEADS = {
    "linear": {"fc_cls.weight", "fc_cls.bias"},
    "bnn": {f"bnn_cls.bnn_layer.{part}" for part in ("weight_mu", "weight_rho", "bias_mu", "bias_rho")},
    "rpl": {"fc_centers.weight", "loss_cls.radius"},
}


class Checkpoint(NamedTuple):
    """A file of weights and what it is."""

    file: WeightsFile
    family: Family
    network: str  #: "i3d", "slowonly", "slowfast", "tpn", "tsm", "tsn", "resnet", "x3d" ..., or in words what it is
    head: SavedHead | None

    @property
    def state(self) -> Mapping[str, Tensor]:
        """Its named tensors."""
        return self.file.state

    @property
    def title(self) -> str:
        """The file in a few words."""
        framework = {"other": "", "osarbench": "osarbench's own ", "srtg": "the SRTG repository's "}.get(
            self.family, f"{self.family}'s "
        )
        return f"{self.file.path} ({framework}{self.network})"

    @property
    def debias_kernel(self) -> int | None:
        """Temporal kernel of DEAR's debiasing branches, None if there are none."""
        branch = self.state.get("debias_head.f1_conv3d.conv.weight")
        return None if branch is None else branch.shape[2]

    @property
    def auxiliary_classes(self) -> int | None:
        """Classes of TPN's auxiliary classifier, None if there is none."""
        layer = self.state.get("neck.aux_head.fc.weight")
        return None if layer is None else layer.shape[0]

    @property
    def broken_heads(self) -> tuple[list[str], list[str]]:
        """Keys that classifiers of MMAction2 lack, and those behind ``cls_head.`` that none of them has."""
        if self.family != "mmaction2":
            return [], []
        given = set(without_prefix(self.state, "cls_head."))
        lacking = [f"cls_head.{key}" for keys in _HEADS.values() if given & keys for key in sorted(keys - given)]
        return lacking, [f"cls_head.{key}" for key in sorted(given.difference(*_HEADS.values()))]

    @property
    def depth(self) -> int | None:
        """Layers of its ResNet of bottlenecks, as the network is named, None if there is none."""
        if not any(re.search(r"\.conv(3|_c)\.", key) for key in self.state):
            return None
        inner = re.compile(r"(?:layer|blocks\.)(\d+)\.(?:multipathway_blocks\.0\.res_blocks\.|res_blocks\.)?(\d+)\.")
        blocks = {found.groups() for key in self.state if "fast_path" not in key and (found := inner.search(key))}
        return {16: 50, 33: 101, 50: 152}.get(len(blocks))


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a file of weights and say what it is.

    Raises:
        OsarbenchError: it cannot be read, see `osarbench.interfaces.weights.read_file`.
    """
    file = read_file(path)
    family, network = recognise(file.state)
    return Checkpoint(file, family, network, _head(file.state, family, network))


def recognise(state: Mapping[str, Tensor]) -> tuple[Family, str]:
    """Return whose names the keys bear and the network they belong to."""
    if any(key.startswith(OWN) for key in state):
        return "osarbench", "network"
    if any(key.startswith("backbone.") for key in state):
        return "mmaction2", _mmaction_network(state)
    if any(key.startswith("base_model.") for key in state):
        return "tsn-pytorch", "tsm" if any(".net." in key for key in state) else "tsn"
    if len(_shape(state, "conv1.weight")) == 4 and _shape(state, "layer1.0.conv1.weight"):
        return "torchvision", "resnet"
    srtg = _srtg_network(state)
    if srtg is not None:
        return "srtg", srtg
    for pattern, dimensions, network in _TELLTALES:
        if any(value.dim() == dimensions and re.fullmatch(pattern, key) for key, value in state.items()):
            return "other", network
    if any(key.startswith("blocks.") and value.dim() == 5 for key, value in state.items()):  # timm has blocks too
        return "pytorchvideo", _pytorchvideo_network(state)
    if any(value.dim() == 4 for value in state.values()) and not any(value.dim() == 5 for value in state.values()):
        return (
            "other",
            "a 2D network: frame, tsn or tsm may take it, if it is the trunk that is set",
        )
    return "other", "an unknown network"


def _mmaction_network(state: Mapping[str, Tensor]) -> str:
    if any(key.startswith("backbone.slow_path.") for key in state):
        return "slowfast"
    if any("non_local" in key for key in state):
        return "a network with non-local blocks"
    shifted = "backbone.layer1.0.conv1.conv.net.weight" in state
    stem = _shape(state, "backbone.conv1.conv.weight")
    if len(stem) == 4:
        pyramid = any(key.startswith("neck.") for key in state)
        return "tpn on tsm" if pyramid else "tsm" if shifted else "tsn"
    if len(stem) != 5 or _shape(state, "backbone.layer1.0.conv2.conv.weight")[2:] != (1, 3, 3):
        return "an unknown network"
    if any(key.startswith("neck.temporal_modulation_ops.") for key in state):
        return "tpn"
    return {5: "i3d", 1: "slowonly"}.get(stem[2], "an unknown network")


def _srtg_network(state: Mapping[str, Tensor]) -> str | None:
    """Return which network of the SRTG repository it is. Its plain R(2+1)D-18 cannot be told from torchvision's."""
    if _shape(state, "layer1.0.conv1_1.conv_short.weight"):
        return "mtnet"
    if len(_shape(state, "stem.0.weight")) != 5:
        return None
    if any(".sar.lstm." in key for key in state):
        return "srtg"
    simple = _shape(state, "layer1.0.conv1.0.0.weight")[2:] == (3, 3, 3)  # torchvision's is conv1.0.weight
    deep = "layer1.2.conv1.0.0.weight" in state or "layer1.2.conv1.0.weight" in state  # torchvision's have 18 layers
    return "plain 3D ResNet" if simple or deep else None


def _pytorchvideo_network(state: Mapping[str, Tensor]) -> str:
    if any(".multipathway_blocks." in key for key in state):
        return "slowfast"
    if "blocks.0.conv.conv_t.weight" in state:
        return "x3d"
    if "blocks.1.res_blocks.0.branch2.conv_b.conv_t.weight" in state:
        return "r2plus1d"
    if _shape(state, "blocks.1.res_blocks.0.branch2.conv_b.weight")[1:2] == (1,):
        return "csn"
    if any(".res_blocks.0.branch2.conv_b.weight" in key for key in state):
        stem, middle = _shape(state, "blocks.0.conv.weight"), "blocks.{}.res_blocks.0.branch2.conv_a.weight"
        if stem[2:3] == (5,) and _shape(state, middle.format(1))[2:3] == (3,):
            return "i3d"
        if stem[2:3] == (1,):
            return "slowonly" if _shape(state, middle.format(3))[2:3] == (3,) else "c2d"
    return "an unknown network"


def _head(state: Mapping[str, Tensor], family: Family, network: str) -> SavedHead | None:
    if family == "mmaction2":
        return _mmaction_head(without_prefix(state, "cls_head."))
    if family == "tsn-pytorch":  # without dropout, the classifier is where the trunk's was
        return _linear(without_prefix(state, "new_fc.")) or _linear(without_prefix(state, "base_model.fc."))
    if family == "osarbench":
        return _linear(without_prefix(state, f"{OWN}head.fc."))
    if family in ("torchvision", "srtg"):
        return _linear(without_prefix(state, "fc."))
    if family == "pytorchvideo":
        last = max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
        head = _linear(without_prefix(state, f"blocks.{last}.proj."))
        return _fast_first(head) if head is not None and network == "slowfast" else head
    return None


def _mmaction_head(state: Mapping[str, Tensor]) -> SavedHead | None:
    """Return the classifier of DEAR or MMAction2. TPN's BNN and RPL heads have an unused ``fc_cls`` besides."""
    if set(state) >= _HEADS["bnn"]:
        return SavedHead("bnn", without_prefix(state, "bnn_cls.bnn_layer."))
    if set(state) >= _HEADS["rpl"]:
        return SavedHead("rpl", {"weight": state["fc_centers.weight"], "radius": state["loss_cls.radius"]})
    return _linear(without_prefix(state, "fc_cls."))


def _linear(state: Mapping[str, Tensor]) -> SavedHead | None:
    return SavedHead("linear", dict(state)) if set(state) == {"weight", "bias"} else None


def _fast_first(head: SavedHead) -> SavedHead:
    """Return the head with its inputs in our order: pytorchvideo's are slow before fast, 8 to 1."""
    weight = head.tensors["weight"]
    slow = weight.shape[1] * 8 // 9
    return SavedHead("linear", {**head.tensors, "weight": torch.cat([weight[:, slow:], weight[:, :slow]], dim=1)})


def _shape(state: Mapping[str, Tensor], key: str) -> tuple[int, ...]:
    """Return the shape of a tensor, () if there is none."""
    return tuple(state[key].shape) if key in state else ()
