"""`osarbench list`."""

import click

from osarbench.errors import unknown_name


@click.command("list")
@click.argument("kind", required=False, metavar="[datasets|backbones|methods|protocols]")
def list_(kind: str | None) -> None:
    """Show data sets, backbones, methods and protocols, and where each comes from."""
    from osarbench.catalogue import catalogue

    listings = catalogue()
    kinds = ("datasets", "backbones", "methods", "protocols")
    if kind is not None and kind not in kinds:
        raise unknown_name("kind", kind, kinds)
    width = max(len(listing.name) for listing in listings)
    for shown in kinds if kind is None else (kind,):
        click.secho({"datasets": "data sets"}.get(shown, shown), bold=True)
        for listing in listings:
            if listing.kind == shown:
                click.echo(f"  {listing.name:<{width}}  {listing.summary}  [{listing.origin}]")
