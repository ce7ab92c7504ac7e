"""The command line: parse, call, print. The commands are in `osarbench.commands`."""

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from osarbench import __version__, output
from osarbench.commands import (
    actors,
    audits,
    authoring,
    citing,
    compare,
    data,
    diagnose,
    features,
    fuse,
    leaderboard,
    listing,
    published,
    report,
    results,
    run,
    scores,
    study,
    sweep,
    weights,
)
from osarbench.errors import OsarbenchError, did_you_mean, explained

#: Commands as `osarbench --help` groups them.
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Run methods": (
        run.run,
        run.plan,
        sweep.sweep,
        fuse.fuse,
        study.study,
        features.import_features,
        features.export,
        listing.list_,
        data.data,
        weights.weights,
    ),
    "Judge results": (
        results.results,
        scores.evaluate,
        compare.compare,
        report.report,
        diagnose.diagnose,
        leaderboard.leaderboard,
        citing.cite,
        actors.actors,
        actors.tubes,
    ),
    "Check data and published results": (
        audits.audit,
        audits.overlap,
        published.import_,
        published.reproduce,
        published.differences,
    ),
    "Write plugins": (authoring.new, authoring.check),
}


TERMINATED = 128 + signal.SIGTERM  #: exit code
LEAVE = 5.0  #: seconds that a loader process is given to end


class _Commands(click.Group):
    """A group that lists its commands by section, and names the nearest one for a misspelt name."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(str(command.name), command.get_short_help_str(limit=200)) for command in commands])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(
                f"There is no command '{args[0]}'.{did_you_mean(args[0], self.commands)}", ctx
            ) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="osarbench")
def cli() -> None:
    """Benchmark open-set action recognition: know the known actions, and say which videos show none of them."""
    if os.environ.get("NO_COLOR"):
        click.get_current_context().color = False


for section in SECTIONS.values():
    for command in section:
        cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; what the user can mend is one message, without traceback, and exit status 1."""
    # SLURM and containers end a run so; what is held is let go, as after Ctrl-C
    signal.signal(signal.SIGTERM, _terminated)
    try:
        with output.tolerated():
            code = _run(arguments)
    except OSError as error:
        click.echo(f"osarbench: the output cannot be written: {error.strerror}.", err=True)
        code = 1
    if code:
        _exit(code)


def program() -> NoReturn:
    """Run the command line as a program: `main`, then the end of the process, at once.

    Taking everything apart in order, as the interpreter does, takes long on a loaded machine and may wait for ever.
    """
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    for child in multiprocessing.active_children():
        child.terminate()
        child.join(LEAVE)
        if child.is_alive():
            child.kill()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def _run(arguments: Sequence[str] | None) -> int:
    """Run the command line and return the exit status."""
    message = ""
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="osarbench", standalone_mode=False)
        return 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        message, code = "interrupted. Run the same command again to go on where it stopped.", 130
    except _TerminatedError:
        message, code = "terminated. Run the same command again to go on where it stopped.", TERMINATED
    except OsarbenchError as error:
        message, code = str(error), 1
    except (ImportError, MemoryError, OSError) as error:
        told = explained(error)
        if told is None:
            raise
        message, code = str(told), 1
    click.echo(f"osarbench: {message}", err=True)
    return code


class _TerminatedError(BaseException):
    """The process was asked to end; no handler of ordinary errors may swallow it."""


def _terminated(*_: object) -> None:
    # asked a second time, while the first is being heeded: at once, with the same code
    signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    raise _TerminatedError


def _exit(code: int) -> NoReturn:
    """End the process; in a distributed run at once, for an orderly end would wait for processes that wait for it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    program()
