"""Where things are on this machine: data sets, cache, weights, runs. None of it is part of a result."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from osarbench.errors import OsarbenchError, did_you_mean

_KEYS = ("cache", "data", "speed", "weights")
#: Below the first number a speed is shown red, from the second on green, between them yellow; `waiting` is a share.
SPEED_LIMITS: Mapping[str, tuple[float, float]] = {
    "read": (100.0, 3000.0),
    "forward": (50.0, 300.0),
    "backward": (20.0, 200.0),
    "waiting": (0.2, 0.05),
}


@dataclass(frozen=True, kw_only=True)
class Locations:
    """Folders, resolved from the command line, the environment and the user's config file, in this order."""

    data: Path | None  #: the folder that contains `ucf101/`, `hmdb51/` ...
    datasets: Mapping[str, Path]  #: data set name -> its own folder, from the config file
    cache: Path  #: decoded clips and embedded data sets; safe to delete
    weights: Path | None  #: a weights file, or a folder of them

    def dataset(self, name: str, folder: str | None, *, embedded: bool) -> Path:
        """Return the root of a data set.

        Raises:
            OsarbenchError: nobody said where the data sets are.
        """
        if embedded:
            return self.cache / "data" / name
        if folder is None and name in self.datasets:
            return self.datasets[name]
        if self.data is None:
            raise OsarbenchError(
                f"Where is the data set '{name}'? Say with --data DIR which folder contains '{folder or name}/', "
                f'with OSARBENCH_DATA, or with `data = "DIR"` in {config_file()}.'
            )
        return self.data / (folder or name)

    def weights_file(self, name: str) -> Path | None:
        """Return the path of a weights file: below --weights, or in weights/ in or next to the data folder."""
        if self.weights is not None and (self.weights.is_file() or self.weights.suffix):
            return self.weights
        folders = [self.weights] if self.weights else []
        if self.data is not None:
            folders += [self.data / "weights", self.data.resolve().parent / "weights"]
        folders.append(self.cache / "weights")
        return next((folder / name for folder in folders if (folder / name).is_file()), None)


def find(*, data: Path | None = None, cache: Path | None = None, weights: Path | None = None) -> Locations:
    """Resolve the folders; arguments are what the command line says.

    Raises:
        OsarbenchError: the config file is not TOML or has an unknown key.
    """
    config = _read_config()
    stated = config.get("data")
    datasets = {name: Path(path).expanduser() for name, path in stated.items()} if isinstance(stated, dict) else {}
    return Locations(
        data=data or _path(os.environ.get("OSARBENCH_DATA")) or (_path(stated) if isinstance(stated, str) else None),
        datasets={} if data else datasets,
        cache=cache
        or _path(os.environ.get("OSARBENCH_CACHE"))
        or _path(config.get("cache"))
        or platformdirs.user_cache_path("osarbench"),
        weights=weights or _path(os.environ.get("OSARBENCH_WEIGHTS")) or _path(config.get("weights")),
    )


def speed_limits() -> dict[str, tuple[float, float]]:
    """Return by which limits speeds of a training are coloured: the config file's ``[speed]``, else the usual ones.

    Raises:
        OsarbenchError: a name or value there is none.
    """
    stated = _read_config().get("speed", {})
    for name, its in stated.items() if isinstance(stated, dict) else [("speed", stated)]:
        pair = isinstance(its, list) and len(its) == 2 and all(isinstance(value, int | float) for value in its)
        if name not in SPEED_LIMITS or not pair:
            raise OsarbenchError(
                f"{config_file()}: [speed] {name} = {its} is no limit.{did_you_mean(name, SPEED_LIMITS)} Write for "
                f"example read = [100, 3000]; there are: {', '.join(SPEED_LIMITS)}."
            )
    return {**SPEED_LIMITS, **{name: (float(its[0]), float(its[1])) for name, its in stated.items()}}


def config_file() -> Path:
    """Return the user's config file ($OSARBENCH_CONFIG, or config.toml in the platform's config folder)."""
    stated = os.environ.get("OSARBENCH_CONFIG")
    return Path(stated) if stated else platformdirs.user_config_path("osarbench") / "config.toml"


def _read_config() -> dict[str, Any]:
    file = config_file()
    if not file.is_file():
        return {}
    try:
        config = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OsarbenchError(f"{file} is not TOML: {error}.") from error
    for key in config:
        if key not in _KEYS:
            raise OsarbenchError(
                f"{file} has no key '{key}'.{did_you_mean(key, _KEYS)} It may have: {', '.join(_KEYS)}."
            )
    return config


def _path(text: str | None) -> Path | None:
    return Path(text).expanduser() if text else None
