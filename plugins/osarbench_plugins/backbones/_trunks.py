"""2D networks of torchvision and timm without classifier, for backbones that look at frames."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.errors import OsarbenchError, did_you_mean

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build(trunk: str, options: Mapping[str, Any]) -> tuple[nn.Module, Sequence[float], Sequence[float]]:
    """Return a network without pooling and classifier, untrained, and the mean and std it expects of RGB in [0, 1].

    ``trunk`` is a name of torchvision or "timm:NAME"; a network of timm maps images by its ``forward_features``, one of
    torchvision by its ``forward``. The keys are the library's own.

    Raises:
        OsarbenchError: no such network, or it does not take the options.
    """
    is_timm, name = trunk.startswith("timm:"), trunk.removeprefix("timm:")
    try:
        return _build_timm(name, options) if is_timm else _build_torchvision(name, options)
    except (ValueError, RuntimeError, TypeError) as error:
        names = _timm_names() if is_timm else _torchvision_names()
        nearest = "" if name in names else did_you_mean(name, names)
        raise OsarbenchError(
            f"The trunk '{trunk}' cannot be built with the options {dict(options)}: {error}.{nearest} "
            "It is a name of torchvision (resnet50, mobilenet_v2, ...) or 'timm:NAME'."
        ) from error


def pad_same(trunk: nn.Module) -> None:
    """Make all convolutions of stride above 1 pad as TensorFlow's SAME does: the odd pixel goes below and right."""
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and max(module.stride) > 1 and not isinstance(module.padding, str):
            module.padding = (0, 0)
            module.register_forward_pre_hook(_same_padding)


def _build_torchvision(name: str, options: Mapping[str, Any]) -> tuple[nn.Module, Sequence[float], Sequence[float]]:
    import torchvision

    network: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    children = dict(network.named_children())
    body = [key for key in children if key not in ("avgpool", "fc", "classifier")]
    kept = ["features"] if "features" in children else body
    return nn.Sequential(OrderedDict((key, children[key]) for key in kept)), IMAGENET_MEAN, IMAGENET_STD


def _build_timm(name: str, options: Mapping[str, Any]) -> tuple[nn.Module, Sequence[float], Sequence[float]]:
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=0, global_pool="", **options)
    if type(network).__name__ == "MobileNetV3":  # its last convolution follows the pooling: no part of the maps
        network.conv_head, network.norm_head = nn.Identity(), nn.Identity()
    return network, network.pretrained_cfg["mean"], network.pretrained_cfg["std"]


def _torchvision_names() -> list[str]:
    import torchvision

    return list(torchvision.models.list_models(module=torchvision.models))


def _timm_names() -> list[str]:
    import timm

    return list(timm.list_models())


def _same_padding(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    assert isinstance(module, nn.Conv2d)
    pads: list[int] = []
    for axis in (1, 0):  # F.pad begins with the last axis
        size, stride = inputs[0].shape[2 + axis], module.stride[axis]
        reach = module.dilation[axis] * (module.kernel_size[axis] - 1) + 1
        total = max((-(-size // stride) - 1) * stride + reach - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(inputs[0], pads)
