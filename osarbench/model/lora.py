"""Adapters of low rank beside the linear layers of a frozen backbone (LoRA; Hu et al., ICLR 2022, arXiv:2106.09685)."""

import warnings
from typing import Any

from torch import nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone


def adapt(backbone: Backbone, *, rank: int, alpha: float, dropout: float) -> int:
    """Put an adapter beside every linear layer of a backbone, and fix all other parameters, in place.

    An adapter begins as zero, so that the backbone computes what it did. Layers whose weight a module uses without
    calling them (the output of ``nn.MultiheadAttention``) are left as they are.

    Args:
        backbone: with its weights loaded; its keys change.
        rank: of the adapters.
        alpha: their part is scaled by alpha / rank.
        dropout: of their input, in training.

    Returns:
        How many parameters are trained.

    Raises:
        OsarbenchError: the backbone has no linear layer.
    """
    from peft import LoraConfig, inject_adapter_in_model

    layers = [name for name, module in backbone.named_modules() if type(module) is nn.Linear]
    if not layers:
        raise OsarbenchError(
            f"LoRA adapts linear layers, and the backbone '{backbone.name}' has none: it is convolutional. Use --train "
            "linear, attentive or full."
        )
    make: Any = LoraConfig  # its annotation says int, and its documentation nothing
    settings = make(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=layers)
    with warnings.catch_warnings(action="ignore"):  # advice for language models
        inject_adapter_in_model(settings, backbone)
    return sum(parameter.numel() for parameter in backbone.parameters() if parameter.requires_grad)
