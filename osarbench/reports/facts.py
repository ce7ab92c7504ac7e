"""What `osarbench list -v` shows of backbones and protocols: sizes, clips, costs; what is known, excluded, flawed."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from osarbench.protocols.protocol import Protocol, Unknown

if TYPE_CHECKING:
    from osarbench.interfaces.backbone import Backbone

#: What a threshold is learnt from, for people.
SOURCES = {"calibration": "held-out known videos", "train": "known training videos"}


def backbone_facts(kind: "type[Backbone]", options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return parameters, multiply-adds of one view, feature sizes and the clip of a backbone with its default settings.

    Nothing is computed: the network is built and run on the meta device. Multiply-adds are half of what torch's
    ``FlopCounterMode`` counts (convolutions, matrix products, attention).

    Raises:
        OsarbenchError: a package that the backbone needs is missing.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    backbone = kind(**(options or {}))
    spec = backbone.clip
    backbone = backbone.to("meta").eval()
    clips = torch.zeros(1, 3, spec.test_length, spec.test_size, spec.test_size, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(clips)
    return {
        "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
        "macs": counter.get_total_flops() // 2,
        "dim": backbone.dim,
        "map_dim": backbone.map_dim,
        "clip": f"{spec.test_length} x {spec.test_size}²",
        "sampling": f"{spec.segments} segments" if spec.segments > 1 else f"stride {spec.stride}",
        "views": f"{spec.test_clips} x {spec.test_crops}",
    }


def protocol_facts(protocol: Protocol) -> Iterator[str]:
    """Yield lines that explain a protocol: what it compares, what it leaves out, the comments at its head."""
    sections = protocol.sections
    known = sections.known
    classes = f"{len(known.classes)} classes" if known.classes else "all classes"
    yield f"known: {known.dataset}, {classes}, trained on {_names(known.train)}, tested on {_names(known.test)}"
    for unknown in sections.unknown:
        yield from _unknown(unknown)
    threshold = sections.threshold
    yield f"threshold: accepts {threshold.quantile:.0%} of the {SOURCES[threshold.source]}"
    training = sections.training
    rate = f"rate {training.learning_rate:g}, {training.schedule}"
    yield f"training: {training.epochs} epochs, batch {training.batch_size}, {training.optimizer}, {rate}"
    if sections.backbones:
        yield f"own recipes or weights for: {_names(sections.backbones)}"
    yield f"sha256: {protocol.sha256[:12]}"
    yield from _preamble(protocol)


def _unknown(unknown: Unknown) -> Iterator[str]:
    classes = f"{len(unknown.classes)} classes" if unknown.classes else "all classes"
    yield f"unknown: {unknown.dataset}, {classes} of {_names(unknown.splits)}"
    if unknown.exclude:
        yield f"  {len(unknown.exclude)} excluded: {_names(unknown.exclude)}"
    if unknown.contested:
        yield f"  {len(unknown.contested)} contested: {_names(unknown.contested)}"


def _preamble(protocol: Protocol) -> Iterator[str]:
    """Yield the comment lines at the head of the file, before its first section."""
    for line in protocol.file.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            return
        if line.startswith("#"):
            yield line.removeprefix("#").strip()


def _names(names: Any) -> str:
    return ", ".join(str(name) for name in names)
