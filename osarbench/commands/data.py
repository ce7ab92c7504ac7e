"""`osarbench data`: look at data sets on disk, decode them beforehand, and look after what was decoded."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from osarbench.commands.options import FILE, FOLDER
from osarbench.errors import OsarbenchError

CACHE = click.option("--cache", type=FOLDER, help="Decoded clips and embedded data sets.  [OSARBENCH_CACHE]")


@click.group()
def data() -> None:
    """Look at data sets on disk, decode them beforehand, and look after what was decoded."""


@data.command()
@click.argument("name", required=False)
@click.argument("root", type=FOLDER, required=False)
@click.option("--data", type=FOLDER, help="Folder that contains the data set, instead of ROOT.  [OSARBENCH_DATA]")
@click.option("--split", "splits", multiple=True, help="Only this split; repeat for several.")
@click.option("--complete", is_flag=True, help="A missing video is a problem, too.")
@click.option("--no-read", is_flag=True, help="Do not open the files.")
@click.option("--json", "json_file", type=FILE, help="Write the full report to this file.")
@click.option("--store", is_flag=True, help="Instead of a data set, check the decoded frames in the cache.")
@CACHE
def check(
    name: str | None, root: Path | None, data: Path | None, splits: Sequence[str], complete: bool, no_read: bool,
    json_file: Path | None, store: bool, cache: Path | None,
) -> None:  # fmt: skip
    """Compare the data set NAME in the folder ROOT with its lists; exits with 1 if a run would be wrong."""
    if store:
        sys.exit(_check_store(cache))
    if name is None:
        raise click.UsageError("Name the data set, or check the decoded frames with --store.")
    from osarbench.artifacts import storage
    from osarbench.audits import datacheck
    from osarbench.data import locations
    from osarbench.plugins import loading as plugins

    kind = plugins.load(kinds=("datasets",)).dataset(name)
    found = locations.find(data=data, cache=cache)
    dataset = kind(root if root is not None else found.dataset(name, None, embedded=kind.embedded))
    dataset.prepare()
    report = datacheck.check(dataset, splits=splits or None, read=not no_read, complete=complete)
    click.echo(datacheck.render(report))
    if json_file is not None:
        storage.write_text(json_file, datacheck.to_json(report))
    sys.exit(0 if report.ok else 1)


@data.command()
@click.argument("name")
@click.argument("root", type=FOLDER, required=False)
@click.option("--data", type=FOLDER, help="Folder in which the data set's is made, instead of ROOT.  [OSARBENCH_DATA]")
@click.option("--revision", metavar="COMMIT", help="Of the copy on the Hub; by default what ROOT has, else the newest.")
@click.option("--agree", is_flag=True, help="You have read the licence and agree to it; do not ask.")
def get(name: str, root: Path | None, data: Path | None, revision: str | None, agree: bool) -> None:
    """Download the data set NAME into ROOT from the Hugging Face Hub, or say what to download from where."""
    from osarbench.data import hub, locations
    from osarbench.plugins import loading as plugins

    kind = plugins.load(kinds=("datasets",)).dataset(name)
    if kind.embedded:
        click.echo(f"'{name}' makes itself; nothing has to be downloaded.")
        return
    place = root or locations.find(data=data).dataset(name, None, embedded=False)
    steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(kind.steps, start=1))
    if not kind.hub:
        click.echo(f"There is no copy of '{name}' to download by command. Into {place}:\n{steps}\n\n{kind.layout}")
        if kind.terms:
            click.echo(f"Terms: {kind.terms}")
        click.echo(f"Then: osarbench data check {name} {place}")
        return
    copy = hub.look(kind.hub, place, revision)
    click.echo(f"{copy.repository} at {copy.commit}: {len(copy.files)} files, {copy.size / 1e9:,.2f} GB, into {place}")
    click.echo(f"Licence of the copy: {copy.licence}.\nTerms of the data set: {kind.terms}")
    if not agree and not (sys.stdin.isatty() and click.confirm("Do you agree to both?")):
        raise OsarbenchError("Nothing was downloaded. Read both, and say with --agree that you agree to them.")
    hub.fetch(copy, place)
    for file in hub.rest(copy):
        click.echo(f"Unpack it by hand, in {place}: unrar x {hub.DOWNLOADS}/{file}")
    click.echo(
        f"Next: osarbench data check {name} {place}\nIf lists or videos are missing there:\n{steps}\n{kind.layout}"
    )


@data.command()
@click.option("--protocol", required=True, metavar="NAME|FILE.toml", help="Whose videos are decoded.")
@click.option("--backbone", required=True, metavar="NAME", help="For whose frame size.")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--store", type=click.Choice(["auto", "raw", "jpeg"]), default="auto", show_default=True,
              help="Raw frames are read fastest, JPEG takes a tenth of their space.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Decoding processes; by default one a core.")
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Uninstalled plugin file to load as well.")
@CACHE
def cache(
    protocol: str, backbone: str, data: Path | None, store: str, workers: int | None, plugin_files: Sequence[Path],
    cache: Path | None,
) -> None:  # fmt: skip
    """Decode the videos of a protocol now. Interrupted, it goes on where it was; several may share one cache."""
    _fill(protocol, backbone, data, store, workers, plugin_files, cache)


@data.command()
@click.option("--protocol", required=True, metavar="NAME|FILE.toml", help="Whose videos' flow is computed.")
@click.option("--backbone", default="tsn_flow", show_default=True, metavar="NAME", help="For whose frame size.")
@click.option("--data", type=FOLDER, help="Folder that contains ucf101/, hmdb51/ ...  [OSARBENCH_DATA]")
@click.option("--store", type=click.Choice(["auto", "raw", "jpeg"]), default="auto", show_default=True,
              help="Raw flow is read fastest, JPEG takes a tenth of its space.")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one a core.")
@click.option("--plugin", "plugin_files", multiple=True, type=FILE, help="Uninstalled plugin file to load as well.")
@CACHE
def flow(
    protocol: str, backbone: str, data: Path | None, store: str, workers: int | None, plugin_files: Sequence[Path],
    cache: Path | None,
) -> None:  # fmt: skip
    """Compute the optical flow of a protocol's videos, or store that of its folders. Interrupted, it goes on.

    How is said in the protocol, [data.NAME] flow = "dis" (the default), "tvl1", "farneback", or the place of pictures;
    flow_bound = 20 pixels a frame.
    """
    _fill(protocol, backbone, data, store, workers, plugin_files, cache, flow_only=True)


def _fill(
    protocol: str, backbone: str, data: Path | None, store: str, workers: int | None, plugin_files: Sequence[Path],
    cache: Path | None, *, flow_only: bool = False,
) -> None:  # fmt: skip
    """Make the frames of a protocol's videos for a backbone, and say what is unreadable."""
    from osarbench.data import index, locations
    from osarbench.data import store as stores
    from osarbench.plugins import loading as plugins
    from osarbench.protocols import protocol as protocols
    from osarbench.protocols.clips import clip_spec
    from osarbench.run import samples

    available = plugins.load(kinds=("datasets", "modalities", "backbones"), files=list(plugin_files))
    read, kind, found = protocols.read(protocol), available.backbone(backbone), locations.find(data=data, cache=cache)
    recipe = read.recipe(kind.name)
    spec = clip_spec(kind(**recipe.options).clip, recipe.clips, str(read.file))
    modality = available.modality(spec.modality)
    if flow_only and modality.frames == "frames":
        raise OsarbenchError(f"The backbone '{backbone}' is not fed flow. Name one that is: --backbone tsn_flow.")
    made = stores.prepare(
        samples.listed(index.build(read, available, found, modality.frames)), short_side=spec.short_side,
        middle=read.sections.middle_frames, folder=found.cache / "clips", workers=workers or stores.cores(), kind=store,
    )  # fmt: skip
    for position, reason in made.unreadable:
        click.echo(f"unreadable: {made.sources[position].path}: {reason}")
    readable = len(made.sources) - len(made.unreadable)
    click.echo(f"{readable} videos are in {found.cache / 'clips' / made.recipe.folder}.")


@data.command()
@click.argument("name")
@click.argument("root", type=FOLDER)
@click.option("--to", "form", required=True, metavar="folder|sqlite|hdf5|PLACE", help="Form of the frames, or where "
              'they go, as a protocol says it: "frames/{id}/img_%05d.jpg".')  # fmt: skip
@click.option("--frames", metavar="PLACE", help="ROOT has frames instead of videos, there.")
@click.option("--into", type=FOLDER, help="Folder of the frames, instead of ROOT.")
@click.option("--split", "splits", multiple=True, help="Only this split; repeat for several.")
@click.option("--short-side", type=click.IntRange(min=16), default=256, show_default=True, help="Pixels.")
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of JPEG.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one a core.")
def convert(
    name: str, root: Path, form: str, frames: str | None, into: Path | None, splits: Sequence[str], short_side: int,
    quality: int, workers: int | None,
) -> None:  # fmt: skip
    """Write the videos of the data set NAME in the folder ROOT as frames; interrupted, it goes on where it was."""
    from osarbench.data import conversion, framed
    from osarbench.data import store as stores
    from osarbench.plugins import loading as plugins

    kind = plugins.load(kinds=("datasets",)).dataset(name)
    dataset = (framed.with_frames(kind, frames, "--frames") if frames else kind)(root)
    dataset.prepare()
    planned = conversion.plan(
        dataset, form, into or root, splits=splits, short_side=short_side, quality=quality
    )  # fmt: skip
    done = conversion.run(planned, into or root, workers or stores.cores())
    for path, reason in done.unreadable:
        click.echo(f"unreadable: {path}: {reason}")
    notes = [f"{done.there:,} were there"] if done.there else []
    notes += [f"{planned.missing:,} listed videos are not"] if planned.missing else []
    click.echo(f"{done.videos:,} videos, {done.frames:,} frames written{'; ' if notes else ''}{'; '.join(notes)}.")
    click.echo(f'A protocol reads them by\n[data.{name}]\nframes = "{planned.template}"')


@data.command()
@click.option(
    "--unused-for", type=click.FloatRange(min=0), metavar="DAYS", help="Also what no run has used for so long."
)
@click.option("--dry-run", is_flag=True, help="Only say how much would be freed.")
@CACHE
def prune(unused_for: float | None, dry_run: bool, cache: Path | None) -> None:
    """Remove decoded frames that nothing uses: of videos that are gone or were changed, or of other versions."""
    from osarbench.data import locations
    from osarbench.data import store as stores
    from osarbench.data.stores import pruning

    folder = locations.find(cache=cache).cache / "clips"
    freed = pruning.prune(folder, folder / stores.MEMO, unused_for=unused_for, dry=dry_run)
    click.echo(f"{freed / 1e6:,.1f} MB {'would be freed' if dry_run else 'freed'} in {folder}.")


def _check_store(cache: Path | None) -> int:
    """Print what is in the stores of the cache and what of it is damaged, and return the exit code."""
    from tabulate import tabulate

    from osarbench.data import locations
    from osarbench.data.stores import pruning

    found = pruning.check(locations.find(cache=cache).cache / "clips")
    columns = ["store", "kind", "short side", "middle", "quality", "videos", "MB", "damaged", "made with"]
    rows = [
        (its.folder.name, *its.recipe[:4], its.videos, f"{its.bytes / 1e6:,.1f}", len(its.damaged), its.recipe.versions)
        for its in found
    ]
    click.echo(tabulate(rows, headers=columns, missingval="-"))
    damaged = [line for its in found for line in its.damaged]
    for line in damaged:
        click.echo(line)
    if damaged:
        click.echo("A run that reads any of this decodes it again.")
    return 1 if damaged else 0
