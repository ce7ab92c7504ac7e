"""`osarbench sweep`: grids of runs, here, on Ray or as a job array of SLURM."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from osarbench.commands.options import FILE
from osarbench.commands.run import config_of, run

if TYPE_CHECKING:
    from osarbench.run.sweep import Outcome

#: Options of a run that a grid has in other words, or that make no sense for one.
_OWN = ("methods", "backbone", "protocol", "seed", "seeds", "draws", "tracker", "dry_run", "publish_to", "devices")
#: Those that are folders or files: other machines and folders must find them.
_PATHS = ("data", "runs", "cache", "plugin_files")


def _seeds(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> list[int]:
    """Read seeds: 0,1,2 or 0-4."""
    found: list[int] = []
    for part in ",".join(value).split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise click.BadParameter(f"'{part}' is no seed. Write 0,1,2 or 0-4.", ctx, parameter)
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def _names(ctx: click.Context, parameter: click.Parameter, value: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.strip() for text in value for name in text.split(",") if name.strip()))


def _sweep(
    methods: list[str], backbones: list[str], protocols: list[str], seeds: list[int], at_once: int | None,
    retries: int, on: str, ray_address: str | None, cpus: float, gpus: float | None, slurm: Path | None,
    directives: Sequence[str], **options: Any,
) -> None:  # fmt: skip
    from osarbench import console
    from osarbench.artifacts import storage
    from osarbench.run import sweep

    shared = config_of({**options, "backbone": backbones[0], "protocol": protocols[0]}, methods)
    stated = _arguments(options)
    jobs = sweep.plan(shared, protocols, backbones, seeds)
    count = sum(len(job.methods) for job in jobs)
    click.echo(f"{count} entries from {len(jobs)} jobs, each with one training or none.", err=True)
    if slurm is not None:
        storage.write_text(slurm, sweep.slurm(jobs, stated, at_once=at_once, directives=directives))
        click.echo(f"Written: {slurm}. Submit it: sbatch {slurm}; then look with osarbench results {options['runs']}.")
        return
    logs = Path(options["runs"]).absolute() / "sweep-logs"
    if on == "ray":
        wanted = gpus if gpus is not None else float(options["device"] == "cuda")
        outcomes = sweep.on_ray(
            jobs, stated, logs, address=ray_address, cpus=cpus, gpus=wanted, retries=retries
        )  # fmt: skip
    else:
        outcomes = sweep.here(jobs, stated, logs, at_once=at_once or max(1, len(_gpus(options["device"]))),
                              gpus=_gpus(options["device"]), retries=retries)  # fmt: skip
    failed: list[Outcome] = []
    for number, outcome in enumerate(outcomes, start=1):
        again = f", at attempt {outcome.attempts}" if outcome.attempts > 1 else ""
        state = "done" if outcome.error is None else f"failed: {outcome.error}"
        console.say(f"[{number}/{len(jobs)}] {outcome.job.name} ({', '.join(outcome.job.methods)}): {state}{again}")
        failed += [outcome] if outcome.error is not None else []
        if sys.stdout.isatty() and number < len(jobs):
            click.clear()
            _show(Path(options["runs"]))
    _show(Path(options["runs"]))
    for outcome in failed:
        click.echo(f"osarbench: {outcome.job.name} failed: {outcome.error} See {outcome.log}.", err=True)
    if failed:
        click.echo(
            f"osarbench: {len(failed)} of {len(jobs)} jobs failed; run this again for what is lacking.", err=True
        )
        sys.exit(1)


def _show(runs: Path) -> None:
    """Print the table of `osarbench results`, if there is any result yet."""
    from osarbench.errors import OsarbenchError
    from osarbench.reports import overview, overview_text

    try:
        rows = overview.overview(runs)
    except OsarbenchError:
        return
    click.echo(overview_text.FORMATS["table"](rows))


def _gpus(device: str) -> list[str]:
    """Return the numbers of the GPUs that jobs may have, as CUDA_VISIBLE_DEVICES names them."""
    if device == "cpu":
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [its for its in visible.split(",") if its]
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def _arguments(options: dict[str, Any]) -> list[str]:
    """Return the options of a run as its command line has them, as far as they are not the defaults."""
    found = []
    for parameter in run.params:
        value = options.get(str(parameter.name))
        if parameter.name in _OWN or value in (None, (), False) or value == parameter.default:
            continue
        if getattr(parameter, "is_flag", False):
            found.append(parameter.opts[0])
            continue
        for its in value if isinstance(value, tuple | list) else (value,):
            a_path = parameter.name in _PATHS or (parameter.name == "weights" and Path(its).exists())
            text = str(Path(its).absolute()) if a_path else str(its)
            found += [parameter.opts[0], text]
    if "--runs" not in found:
        found += ["--runs", str(Path(options["runs"]).absolute())]
    return found


sweep = click.Command(
    "sweep",
    params=[
        click.Option(["--method", "methods"], required=True, multiple=True, callback=_names, metavar="NAME[,NAME]",
                     help="Methods; those of one head share its training."),
        click.Option(["--backbone", "backbones"], required=True, multiple=True, callback=_names, metavar="NAME[,NAME]"),
        click.Option(["--protocol", "protocols"], multiple=True, default=["motion"], callback=_names,
                     metavar="NAME|FILE.toml[,...]"),
        click.Option(["--seed", "seeds"], multiple=True, default=["0"], callback=_seeds, metavar="0,1,2|0-4"),
        click.Option(["--on"], type=click.Choice(["here", "ray"]), default="here", show_default=True,
                     help="Processes of this machine, or tasks of a Ray cluster."),
        click.Option(["--at-once"], type=click.IntRange(min=1), help="Jobs at once; by default one a GPU, or one."),
        click.Option(["--retries"], type=click.IntRange(min=0), default=1, show_default=True,
                     help="How often a job that fails is started again."),
        click.Option(["--ray-address"], metavar="ADDRESS", help="Of the head of a Ray cluster, or 'auto'."),
        click.Option(["--cpus"], type=click.FloatRange(min=0), default=1.0, show_default=True, help="Of a job on Ray."),
        click.Option(["--gpus"], type=click.FloatRange(min=0), help="Of a job on Ray.  [1 with --device cuda]"),
        click.Option(["--slurm"], type=FILE, metavar="FILE.sh", help="Only write a job array for SLURM."),
        click.Option(["--sbatch", "directives"], multiple=True, metavar="--OPTION=VALUE",
                     help="More #SBATCH lines, such as --gres=gpu:1; repeat for several."),
        *(its for its in run.params if its.name not in _OWN),
    ],
    callback=_sweep,
    help="Run a grid: methods x backbones x protocols x seeds.\n\nA training that several methods share is planned "
    "once; what is finished is reused; a job that fails is started again and reported, the others go on.",
)  # fmt: skip
