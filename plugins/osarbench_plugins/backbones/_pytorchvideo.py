"""3D networks built of pytorchvideo's blocks: the only module that imports it, for it is unmaintained (0.1.5, 2022).

Only `pytorchvideo.models` is used. `pytorchvideo.transforms` cannot be imported with a torchvision above 0.16.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from osarbench.errors import OsarbenchError

DEPTHS = (50, 101, 152)

#: Temporal kernels of the first convolutions in the blocks of stages 1 to 4, repeated along a stage.
I3D_KERNELS = ((3, 1, 1), [(3, 1, 1), (1, 1, 1)], [(3, 1, 1), (1, 1, 1)], [(1, 1, 1), (3, 1, 1)])
SLOW_KERNELS = ((1, 1, 1), (1, 1, 1), (3, 1, 1), (3, 1, 1))


def resnet3d(
    *,
    depth: int,
    width: int,
    stem_kernel: int,
    stem_stride: int,
    pool_stride: int,
    kernels: Sequence[Any],
    pool_after_stage_1: bool,
) -> nn.ModuleList:
    """Return the stem and the stages of an inflated ResNet of bottlenecks, whose last stage has 32 * width channels.

    With ``pool_after_stage_1`` there is one block more: time is halved there (I3D). Residual branches begin at zero.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem; 64 is the published one.
        stem_kernel, stem_stride, pool_stride: in time, of the first convolution and of the pooling behind it.
        kernels: as `I3D_KERNELS`.

    Raises:
        OsarbenchError: pytorchvideo is not installed, or there is no such depth.
    """
    models = _models(depth)
    network = models.resnet.create_resnet(
        model_depth=depth,
        stem_dim_out=width,
        stem_conv_kernel_size=(stem_kernel, 7, 7),
        stem_conv_stride=(stem_stride, 2, 2),
        stem_pool_stride=(pool_stride, 2, 2),
        stage1_pool=nn.MaxPool3d if pool_after_stage_1 else None,
        stage_conv_a_kernel_size=kernels,
        head=None,
    )
    blocks: nn.ModuleList = network.blocks
    return blocks


def slowfast(*, depth: int, width: int, alpha: int, fusion_kernel: int, fusion_norm: bool) -> nn.ModuleList:
    """Return the stem and the stages of SlowFast (beta 1/8, no stride in time), each taking a list [slow, fast].

    The last gives 32 * width and 4 * width channels. Residual branches begin at zero.

    Args:
        depth: 50, 101 or 152.
        width: channels of the slow stem; 64 is the published one.
        alpha: frames of the fast pathway for each of the slow one.
        fusion_kernel: in time, of the lateral convolutions.
        fusion_norm: whether batch norm and ReLU follow these (in pytorchvideo's hub; not in MMAction2, nor in DEAR).

    Raises:
        OsarbenchError: pytorchvideo is not installed, or there is no such depth.
    """
    models = _models(depth)
    fusion = models.slowfast.FastToSlowFusionBuilder(
        slowfast_channel_reduction_ratio=8,
        conv_fusion_channel_ratio=2,
        conv_kernel_size=(fusion_kernel, 1, 1),
        conv_stride=(alpha, 1, 1),
        norm=nn.BatchNorm3d if fusion_norm else None,
        activation=nn.ReLU if fusion_norm else None,
        max_stage_idx=3,
    )
    network = models.slowfast.create_slowfast(
        model_depth=depth,
        stem_dim_outs=(width, width // 8),
        fusion_builder=fusion.create_module,
        head=None,
        head_pool=nn.AdaptiveAvgPool3d,
        head_output_size=((1, 1, 1), (1, 1, 1)),
    )
    blocks: list[Any] = list(network.blocks)[:-1]  # the last one pools
    for block in blocks:
        block.inplace = False  # else it overwrites its input list, which a second run in the backward pass needs
    return nn.ModuleList(blocks)


def hub_network(family: str, name: str, options: Mapping[str, Any]) -> nn.Module:
    """Return a network of pytorchvideo's hub as it is, untrained, with its head.

    Args:
        family: module of the hub ("resnet", "x3d" ...).
        options: keyword arguments of the hub's function.

    Raises:
        OsarbenchError: pytorchvideo is not installed, or its function does not take the options.
    """
    _models(DEPTHS[0])
    try:
        network: nn.Module = getattr(import_module(f"pytorchvideo.models.hub.{family}"), name)(False, **options)
    except (TypeError, ValueError, AssertionError) as error:
        raise OsarbenchError(f"pytorchvideo's {name} cannot be built with {dict(options)}: {error}.") from error
    return network


def hub_url(family: str, name: str) -> str | None:
    """Return the address of weights in pytorchvideo's hub, None if it has no network of that name.

    Raises:
        OsarbenchError: pytorchvideo is not installed.
    """
    _models(DEPTHS[0])
    url = import_module(f"pytorchvideo.models.hub.{family}").checkpoint_paths.get(name)
    return None if url is None else str(url)


def run(blocks: nn.ModuleList, clips: Tensor) -> list[Tensor]:
    """Return the output of every block of `resnet3d` for clips [N, 3, T, H, W]."""
    outputs, maps = [], clips
    for block in blocks:
        maps = block(maps)
        outputs.append(maps)
    return outputs


def _models(depth: int) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of deprecated calls in its own dependencies
            import pytorchvideo.models as models
    except ImportError as error:
        raise OsarbenchError(
            f"This backbone is built of pytorchvideo's blocks, which cannot be imported ({error}). "
            "Install them: pip install pytorchvideo"
        ) from error
    if depth not in DEPTHS:
        raise OsarbenchError(f"There is no network of depth {depth}; there are {', '.join(map(str, DEPTHS))}.")
    return models
