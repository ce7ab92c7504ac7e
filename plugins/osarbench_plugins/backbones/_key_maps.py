"""Names of parameters: MMAction2's, torchvision's and pytorchvideo's ResNets, and MMAction2's TPN neck, as ours.

The names were read in DEAR's checkpoints (https://github.com/Cogito2012/DEAR, MMAction2 0.9) and in the libraries.
"""

import re
from collections.abc import Callable, Mapping

from torch import Tensor

State = Mapping[str, Tensor]

I3D_STAGES = {1: 1, 2: 3, 3: 4, 4: 5}  #: stage -> block of `_pytorchvideo.resnet3d`; a pooling is block 2
PLAIN_STAGES = {1: 1, 2: 2, 3: 3, 4: 4}

#: Of MMAction2's ConvModules, behind ``conv1.`` or ``layer1.0.conv2.``, to a bottleneck of pytorchvideo.
_BRANCH = {"1": "a", "2": "b", "3": "c"}

_NECK = (
    (r"spatial_modulation\.spatial_modulation\.0\.0\.", "spatial."),
    (r"temporal_modulation_ops\.(\d)\.conv\.conv\.", r"temporal.\1."),
    (r"downsample_ops\.0\.conv\.conv\.", "bottom_up."),
    (r"level_fusion_(\d)\.downsamples\.(\d)\.conv\.", r"fuse\1.levels.\2."),
    (r"level_fusion_(\d)\.fusion_conv\.", r"fuse\1.out."),
    (r"pyramid_fusion\.", "out."),
)


def without_prefix(state: State, prefix: str) -> dict[str, Tensor]:
    """Return what begins with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}


def blocks_of_mmaction(state: State, stages: Mapping[int, int], path: str = "") -> dict[str, Tensor]:
    """Return an MMAction2 ResNet (``conv1.conv.weight``) under pytorchvideo's names (``0.conv.weight``).

    ``path`` stands between block and module: "multipathway_blocks.0." is SlowFast's slow pathway. An unknown key stays
    as it is, to be reported.
    """
    return _renamed(state, lambda key: _block_of_mmaction(key, stages, path))


def neck_of_mmaction(state: State) -> dict[str, Tensor]:
    """Return MMAction2's TPN neck under the names of `_tpn_neck.TPNNeck`."""
    return _renamed(state, _neck_of_mmaction)


def lateral_of_mmaction(state: State) -> dict[str, Tensor]:
    """Return SlowFast's lateral convolutions (``conv1_lateral.conv.weight``) under pytorchvideo's names."""
    found = {}
    for key, value in state.items():
        lateral = re.fullmatch(r"(?:conv1|layer(\d))_lateral\.conv\.weight", key)
        if lateral:
            found[f"{lateral[1] or 0}.multipathway_fusion.conv_fast_to_slow.weight"] = value
    return found


def resnet_of_mmaction(state: State) -> dict[str, Tensor]:
    """Return an MMAction2 ResNet, of TSM or TSN, under torchvision's names."""
    return _renamed(state, _torchvision_key)


def inflated(state: State, stages: Mapping[int, int], wanted: State) -> dict[str, Tensor]:
    """Return a 2D ResNet of torchvision's names as 3D blocks: kernels repeated in time and divided by their length.

    A clip of equal frames then gives the features of its frame, but for the padding in time (Carreira and Zisserman,
    CVPR 2017, arXiv:1705.07750). A key without a place stays as it is, to be reported.
    """
    found = {}
    for key, value in state.items():
        name = _block_of_mmaction(_mmaction_key(key), stages, "")
        if name in wanted and value.dim() == 4:
            length = wanted[name].shape[2]
            value = value.unsqueeze(2).repeat(1, 1, length, 1, 1) / length
        found[name if name in wanted else key] = value
    return found


def _renamed(state: State, rename: Callable[[str], str]) -> dict[str, Tensor]:
    """Return a state dict under other names; of two keys that would share one, the second stays, to be reported."""
    found: dict[str, Tensor] = {}
    for key, value in state.items():
        name = rename(key)
        found[key if name in found else name] = value
    return found


def _block_of_mmaction(key: str, stages: Mapping[int, int], path: str) -> str:
    stem = re.fullmatch(r"conv1\.(conv|bn)\.(\w+)", key)
    if stem:
        return f"0.{path}{_kind(stem[1])}.{stem[2]}"
    inner = re.fullmatch(r"layer([1-4])\.(\d+)\.(conv([123])|downsample)\.(conv|bn)\.(\w+)", key)
    if inner is None:
        return key
    stage, block, _, number, kind, value = inner.groups()
    module = f"branch2.{_kind(kind)}_{_BRANCH[number]}" if number else f"branch1_{_kind(kind)}"
    return f"{stages[int(stage)]}.{path}res_blocks.{block}.{module}.{value}"


def _kind(kind: str) -> str:
    return {"conv": "conv", "bn": "norm"}[kind]


def _neck_of_mmaction(key: str) -> str:
    for pattern, name in _NECK:
        if re.match(pattern, key):
            return re.sub(f"^{pattern}", name, key)
    return key


def _torchvision_key(key: str) -> str:
    key = re.sub(r"^((?:layer\d+\.\d+\.)?)conv(\d)\.conv\.(?:net\.)?", r"\1conv\2.", key)
    key = re.sub(r"^((?:layer\d+\.\d+\.)?)conv(\d)\.bn\.", r"\1bn\2.", key)
    return re.sub(r"\.downsample\.(conv|bn)\.", lambda part: f".downsample.{int(part[1] == 'bn')}.", key)


def _mmaction_key(key: str) -> str:
    key = re.sub(r"^((?:layer\d+\.\d+\.)?)conv(\d)\.", r"\1conv\2.conv.", key)
    key = re.sub(r"^((?:layer\d+\.\d+\.)?)bn(\d)\.", r"\1conv\2.bn.", key)
    return re.sub(r"\.downsample\.([01])\.", lambda part: f".downsample.{'bn' if part[1] == '1' else 'conv'}.", key)
