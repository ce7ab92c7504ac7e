"""Optimiser and learning-rate schedule of a recipe."""

import math
from collections import defaultdict
from fnmatch import fnmatchcase
from typing import Any

import torch
from timm.optim.lars import Lars
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from osarbench.errors import OsarbenchError
from osarbench.protocols.protocol import Training

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


def make_optimizer(network: nn.Module, recipe: Training, *, fused: bool = True) -> torch.optim.Optimizer:
    """Return the optimiser; each parameter group carries its factor on the rate as ``rate``.

    ``fused`` steps are one kernel instead of many; gradients scaled for float16 cannot be clipped under them.

    Raises:
        OsarbenchError: a prefix in ``lr_multipliers`` fits no parameter.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    unused = set(recipe.lr_multipliers)
    norms = {f"{name}." for name, module in network.named_modules() if isinstance(module, NORMS)}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            fitting = [prefix for prefix in recipe.lr_multipliers if _fits(name, prefix)]
            unused -= set(fitting)
            is_bias = name.endswith("bias") and name.removesuffix("bias") not in norms
            general = recipe.bias_lr_multiplier if is_bias else 1.0
            rate = recipe.lr_multipliers[max(fitting, key=len)] if fitting else general
            decays = recipe.decay_norms_and_biases or parameter.dim() > 1
            groups[rate, recipe.weight_decay if decays else 0.0].append(parameter)
    if unused:
        raise OsarbenchError(
            f"[training.lr_multipliers] no trained parameter starts with '{sorted(unused)[0]}'; names start with "
            "'backbone.' or 'head.', and a star stands for any part of them."
        )
    parameters: list[dict[str, Any]] = [
        {"params": members, "lr": recipe.learning_rate * rate, "weight_decay": decay, "rate": rate}
        for (rate, decay), members in groups.items()
    ]
    if recipe.optimizer == "lars":
        return Lars(parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.learning_rate, fused=fused)
    return torch.optim.SGD(
        parameters, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, fused=fused
    )


def _fits(name: str, prefix: str) -> bool:
    """Say whether a name starts with a prefix, in which a star stands for anything.

    >>> _fits("backbone.layer1.0.sar.lstm.bias_hh_l0", "backbone.*.lstm."), _fits("head.fc.bias", "backbone.")
    (True, False)
    """
    return name.startswith(prefix) if "*" not in prefix else fnmatchcase(name, prefix + "*")


def rate_factor(recipe: Training, epochs_done: float) -> float:
    """Return the factor on the learning rate after so many (fractional) epochs.

    Linear warm-up from ``warmup_from``, times a constant, steps of 0.1 at the milestones, or half a cosine down to 0.

    >>> rate_factor(Training(epochs=50, batch_size=8, learning_rate=1e-3, schedule="step", milestones=(20, 40)), 20.0)
    0.1
    """
    done = min(1.0, epochs_done / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    warmup = recipe.warmup_from + (1 - recipe.warmup_from) * done
    if recipe.schedule == "step":
        return warmup * float(0.1 ** sum(epochs_done >= milestone for milestone in recipe.milestones))
    if recipe.schedule == "cosine":
        return warmup * 0.5 * (1 + math.cos(math.pi * min(1.0, epochs_done / recipe.epochs)))
    return warmup
