"""A readable description of a checkpoint, for `osarbench weights inspect`."""

import re
from collections.abc import Mapping

from ._checkpoints import Checkpoint

_FRAMEWORKS = {
    "mmaction2": "MMAction2 (DEAR's fork has the same names)",
    "pytorchvideo": "pytorchvideo",
    "torchvision": "torchvision or timm",
    "osarbench": "osarbench",
    "srtg": "the SRTG repository (Stergiou and Poppe)",
    "tsn-pytorch": "tsn-pytorch",
}
_HEADS = {"linear": "linear", "bnn": "Bayesian (BNN)", "rpl": "reciprocal points (RPL)"}


def describe(checkpoint: Checkpoint) -> Mapping[str, str]:
    """Return what can be told of a checkpoint, each fact under its name."""
    depth = f", depth {checkpoint.depth}" if checkpoint.depth else ""
    facts = {
        "format": checkpoint.file.format,
        **({"framework": _FRAMEWORKS[checkpoint.family]} if checkpoint.family in _FRAMEWORKS else {}),
        "network": f"{checkpoint.network}{depth}",
        "tensors": f"{len(checkpoint.state)}, {sum(value.numel() for value in checkpoint.state.values()):,} values",
        **_head(checkpoint),
    }
    if checkpoint.debias_kernel is not None:
        age = {1: "as in the paper", 3: "as in the repository since March 2023"}.get(checkpoint.debias_kernel, "?")
        facts["debiasing branches"] = f"temporal kernel {checkpoint.debias_kernel} ({age}); not needed for scoring"
    if checkpoint.auxiliary_classes is not None:
        facts["auxiliary head"] = f"{checkpoint.auxiliary_classes} classes; not needed for scoring"
    return facts | _meta(checkpoint)


def _head(checkpoint: Checkpoint) -> dict[str, str]:
    if checkpoint.head is None:
        return {"head": "none that osarbench knows"}
    return {"head": _HEADS[checkpoint.head.kind], "classes": str(checkpoint.head.classes)}


def _meta(checkpoint: Checkpoint) -> dict[str, str]:
    """Return what the training framework wrote next to the weights, in short."""
    facts = checkpoint.file.facts
    shown = {key.replace("_", " "): str(facts[key]) for key in ("mmaction_version", "epoch", "time") if key in facts}
    text = str(facts.get("config", ""))
    clip = [re.search(rf"{name}=(\d+)", text) for name in ("clip_len", "frame_interval")]
    if all(clip):
        shown["clip"] = " x ".join(found[1] for found in clip if found) + " (frames x stride)"
    return shown
