"""`osarbench leaderboard --export`: which files a format has, and writing them."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from osarbench.artifacts import storage
from osarbench.leaderboard.exports import board, croissant, every_eval, hub, tabular

FORMATS = ("hf", "eee", "croissant", "csv", "latex")


def write(folder: Path, form: str, into: Path, *, hub_dataset: str | None = None) -> list[Path]:
    """Write the entries of a folder of leaderboards in a format, and return the files.

    Args:
        folder: of leaderboards.
        form: one of `FORMATS`.
        into: the folder that the files go to.
        hub_dataset: of "hf": the Hub's data set of the benchmark.

    Raises:
        OsarbenchError: there are no entries, one is not what it says, or the format lacks something.
    """
    written = []
    for path, text in _files(folder, form, hub_dataset):
        file = into / path
        storage.write_text(file, text)
        written.append(file)
    return written


def _files(folder: Path, form: str, hub_dataset: str | None) -> Iterator[tuple[PurePosixPath, str]]:
    found = board.scored(folder)
    if form == "csv":
        yield PurePosixPath("leaderboards.csv"), tabular.to_csv(found)
    elif form == "latex":
        yield PurePosixPath("leaderboards.tex"), tabular.to_latex(board.standings(found))
    elif form == "hf":
        yield from hub.to_hub(board.standings(found), hub_dataset).items()
    elif form == "eee":
        for one in found:
            yield from every_eval.to_every_eval(one).items()
    else:
        for protocol in {one.protocol.name: one.protocol for one in found}.values():
            content = protocol.file.read_text(encoding="utf-8")
            yield from croissant.to_croissant(protocol, content, found).items()
