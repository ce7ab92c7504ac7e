"""`osarbench weights`: look at files of pretrained weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench.commands.options import FILE
from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    from osarbench.interfaces.backbone import Backbone, WeightsReport

SHOWN = 5  # keys of a kind


@click.group()
def weights() -> None:
    """Look at files of pretrained weights."""


@weights.command()
@click.argument("file", type=FILE)
@click.option("--backbone", "names", multiple=True, help="Only this backbone, with all missing and unexpected keys.")
def inspect(file: Path, names: Sequence[str]) -> None:
    """Say what FILE is and which backbones take it. No code in it is run."""
    from osarbench.plugins import loading as plugins

    available = plugins.load(kinds=("backbones",))
    reports, unbuilt = {}, {}
    for name in names or available.backbones:
        try:
            built = _built(available.backbone(name))
        except OsarbenchError as error:
            if names:
                raise
            unbuilt[name] = error  # a library that it needs is not installed
            continue
        reports[name] = _examined(built, file)
    for line in _lines(file, reports, shown=None if names else SHOWN):
        click.echo(line)
    for name, reason in unbuilt.items():
        click.echo(f"not tried: {name} ({reason})")


@weights.command()
@click.argument("file", type=FILE)
@click.argument("new", type=FILE)
@click.option("--unpickle", is_flag=True, help="Run the code in FILE: only if you trust who made it.")
def convert(file: Path, new: Path, unpickle: bool) -> None:
    """Write the tensors of the torch checkpoint FILE to NEW.safetensors, without whatever else it holds.

    Checkpoints of old training frameworks may hold objects besides their weights, and are refused for that: to load an
    object is to run code that the file names. --unpickle does so once; the new file holds tensors alone.
    """
    from safetensors.torch import save_file

    from osarbench.artifacts import storage
    from osarbench.interfaces import weights as files

    if new.suffix != ".safetensors":
        raise OsarbenchError(f"{new} does not end in .safetensors, the only format that this writes.")
    if files.kind_of(file) == "safetensors":
        files.read_file(file)
        raise OsarbenchError(f"{file} is a safetensors file already: there is nothing to convert.")
    checkpoint = files.load_checkpoint(file, unpickle=unpickle)
    tensors = {name: value.detach().clone().contiguous() for name, value in _tensors(checkpoint).items()}
    if not tensors:
        raise OsarbenchError(f"{file} holds no named tensors.")
    with storage.atomic_write(new) as temporary:
        save_file(tensors, temporary)
    click.echo(f"{new}: {len(tensors)} tensors")


def _built(backbone: "type[Backbone]") -> "Backbone":
    """Return a backbone on the meta device, where weights are shapes alone."""
    import torch

    try:
        with torch.device("meta"):
            return backbone()
    except RuntimeError:  # a library may do what the meta device cannot
        return backbone()


def _examined(backbone: "Backbone", file: Path) -> "WeightsReport":
    import warnings

    with warnings.catch_warnings(action="ignore"):  # that nothing is copied to the meta device
        return backbone.examine_weights(str(file))


def _tensors(checkpoint: Any) -> dict[str, Any]:
    """Return the named tensors of a checkpoint: of itself, or of the table or network in it that has most."""
    from torch import Tensor, nn

    if isinstance(checkpoint, nn.Module):
        return checkpoint.state_dict()
    if not isinstance(checkpoint, Mapping):
        return {}
    own = {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    inner = [_tensors(value) for key, value in checkpoint.items() if key != "optimizer"]
    return max([own, *inner], key=len)


def _lines(file: Path, reports: Mapping[str, "WeightsReport"], *, shown: int | None) -> list[str]:
    facts = max((report.facts for report in reports.values()), key=len)
    width = max([len(name) for name in facts] + [0])
    lines = [str(file), *(f"  {name:<{width}}  {fact}" for name, fact in facts.items()), ""]
    fitting = [name for name, report in reports.items() if report.fits]
    lines.append(f"fits: {', '.join(fitting) or 'no backbone, as they are set by default'}")
    for name, report in reports.items():
        if not report.fits and (shown is None or _nearly(report)):
            lines += [f"does not fit {name}:", *(f"  {line}" for line in _mismatched(report, shown))]
    return lines


def _nearly(report: "WeightsReport") -> bool:
    """Whether it is worth showing why a backbone does not take the file: a preset may, or few keys differ."""
    if report.refusal is not None:
        return "preset" in report.refusal
    return len(report.missing) + len(report.unexpected) + len(report.misshapen) <= 20


def _mismatched(report: "WeightsReport", shown: int | None) -> list[str]:
    if report.refusal is not None:
        return [report.refusal]
    kinds = {"missing": report.missing, "unexpected": report.unexpected, "misshapen": report.misshapen}
    return [
        f"{len(keys)} {kind}: {', '.join(keys[:shown])}{', ...' if len(keys) > len(keys[:shown]) else ''}"
        for kind, keys in kinds.items()
        if keys
    ]
