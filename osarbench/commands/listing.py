"""`osarbench list`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from osarbench.errors import OsarbenchError, missing_library, unknown_name

if TYPE_CHECKING:
    from osarbench.plugins.catalogue import Listing


@click.command("list")
@click.argument("kind", required=False, metavar="[datasets|modalities|backbones|methods|protocols|metrics]")
@click.option("-v", "--verbose", is_flag=True, help="Sizes and costs of backbones; what protocols do (takes longer).")
def list_(kind: str | None, verbose: bool) -> None:
    """Show data sets, modalities, backbones, methods, protocols and metrics, and where each comes from."""
    from osarbench.plugins.catalogue import catalogue
    from osarbench.plugins.loading import KINDS

    listings = catalogue()
    kinds = (*KINDS, "protocols", "metrics")
    if kind is not None and kind not in kinds:
        raise unknown_name("kind", kind, kinds)
    width = max(len(listing.name) for listing in listings)
    for shown in kinds if kind is None else (kind,):
        click.secho({"datasets": "data sets"}.get(shown, shown), bold=True)
        if shown == "metrics":
            _print_metrics()
            continue
        chosen = [listing for listing in listings if listing.kind == shown]
        if verbose and shown == "backbones":
            try:
                _print_backbones(chosen)
                continue
            except ModuleNotFoundError as error:
                missing = missing_library(error)
                if missing is None:
                    raise
                click.echo(f"  (without sizes and costs. {missing})")
        for listing in chosen:
            click.echo(f"  {listing.name:<{width}}  {listing.summary}  [{listing.origin}]")
            if verbose and shown == "protocols":
                _explain(listing.name, indent=width + 4)


def _print_metrics() -> None:
    from osarbench.scores.metrics.registry import metrics

    width = max(len(name) for name in metrics())
    for name, metric in metrics().items():
        click.echo(f"  {name:<{width}}  {metric.title}: {metric.convention}")


def _print_backbones(listings: "Sequence[Listing]") -> None:
    from tabulate import tabulate

    from osarbench.plugins import loading as plugins
    from osarbench.reports.facts import backbone_facts

    loaded = plugins.load(kinds=("backbones",))
    rows: list[list[Any]] = []
    missing = []
    for listing in listings:
        try:
            facts = backbone_facts(loaded.backbone(listing.name))
        except OsarbenchError as error:
            missing.append(f"  {listing.name}: {error}")
            continue
        rows.append(
            [listing.name, f"{facts['parameters'] / 1e6:.1f}", f"{facts['macs'] / 1e9:.1f}", facts["clip"],
             facts["sampling"], facts["views"], facts["dim"], listing.summary]
        )  # fmt: skip
    headers = ["", "million parameters", "GMACs a view", "clip", "sampling", "test views", "D", ""]
    click.echo(tabulate(rows, headers=headers, disable_numparse=True, maxcolwidths=[*[None] * 7, 60]))
    for line in missing:
        click.echo(line)


def _explain(name: str, indent: int) -> None:
    from osarbench.protocols import protocol
    from osarbench.reports.facts import protocol_facts

    for line in protocol_facts(protocol.read(name)):
        click.echo(f"{'':{indent}}{line}")
