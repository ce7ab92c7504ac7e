"""Files of pretrained weights: read without running anything in them, and fitted with every key accounted for."""

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from osarbench.errors import OsarbenchError

#: Keys under which checkpoints keep the weights.
CONTAINERS = ("state_dict", "model", "model_state", "model_state_dict")
OWN = "osarbench."  #: what the keys of a network trained here are given: osarbench.backbone.*, osarbench.head.*


class WeightsFile(NamedTuple):
    """What a file of weights holds."""

    path: str
    state: dict[str, Tensor]  #: named tensors, on the CPU; some may be mapped from the file
    format: str  #: "safetensors", or "torch" with what its container is
    facts: Mapping[str, Any]  #: plain values beside the weights


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the named tensors of a ``.safetensors`` file or a torch checkpoint, without ``module.`` prefixes.

    Raises:
        OsarbenchError: as `read_file`.
    """
    return read_file(path).state


def read_file(path: str | Path) -> WeightsFile:
    """Read a ``.safetensors`` file or a torch checkpoint; ``module.`` prefixes are taken off.

    Torch files are read with ``weights_only``, so that no code in them runs; numpy's numbers and arrays, which old
    checkpoints hold beside their weights, are let through. Keys of a network that osarbench trained begin with `OWN`.

    Raises:
        OsarbenchError: no such file, not a file of weights (a web page, an LFS pointer, code), or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise OsarbenchError(f"There is no file of weights at {path}. Check the path, or use --weights none.")
    start = _sniff(path)
    pickled = start[:1] == b"\x80" and start[8:9] != b"{"  # a safetensors file has its header's brace there
    if not pickled and start[:2] != b"PK":
        return _read_safetensors(path)
    return _from_checkpoint(path, _read_torch(path, mapped=not pickled), "torch, old style" if pickled else "torch")


class Faults(NamedTuple):
    """Keys that keep a state dict from fitting a module."""

    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]  #: each with both shapes


def faults(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], leftovers: Iterable[str]) -> Faults:
    """Compare a state dict with the one that is wanted; see `fit_weights` for what may differ."""
    expected = tuple(leftovers)
    return Faults(
        [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")],
        [key for key in state if key not in wanted and not key.startswith(expected)],
        [
            f"{key} {list(state[key].shape)} instead of {list(value.shape)}"
            for key, value in wanted.items()
            if key in state and state[key].shape != value.shape
        ],
    )


def fit_weights(module: nn.Module, state: Mapping[str, Tensor], *, leftovers: Iterable[str], source: str) -> None:
    """Copy ``state`` into ``module``: every tensor of the module is given, each of the right shape, none is left over.

    Keys that begin with one of ``leftovers`` (classifiers) may be in surplus, and ``num_batches_tracked``, a counter,
    may be absent. ``source`` names file and network in the message.

    Raises:
        OsarbenchError: keys are missing, unexpected or of another shape; the first few are named, all are counted.
    """
    wanted = module.state_dict()
    found = faults(wanted, state, leftovers)
    if any(found):
        listed = "; ".join(
            f"{len(keys)} {fault} ({_first(keys)})" for fault, keys in found._asdict().items() if keys
        )  # fmt: skip
        raise OsarbenchError(f"{source} do not fit: {listed}. Choose the network they were trained for.")
    module.load_state_dict({key: value for key, value in state.items() if key in wanted}, strict=False)


def _sniff(path: Path) -> bytes:
    """Return the first bytes of the file, unless they are those of something that is no file of weights."""
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        raise OsarbenchError(f"{path} is empty. Download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise OsarbenchError(f"{path} is a Git LFS pointer, not the weights it stands for. Run `git lfs pull` there.")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise OsarbenchError(f"{path} is a web page, not weights: the download was answered with HTML. Get it again.")
    return start


def _read_safetensors(path: Path) -> WeightsFile:
    try:
        with safe_open(path, "pt") as file:
            state = {key.removeprefix("module."): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return WeightsFile(str(path), state, "safetensors", file.metadata() or {})
    except (SafetensorError, ValueError, OSError) as error:
        raise OsarbenchError(
            f"{path} is neither a whole safetensors file nor a torch checkpoint ({error}). Download it again."
        ) from error


def _read_torch(path: Path, *, mapped: bool) -> Any:
    """Return what a torch file holds, on the CPU; refuse one with more than tensors, plain values and numpy arrays."""
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_of_numpy()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, EOFError, BadZipFile, OSError, ValueError) as error:
        raise OsarbenchError(f"{path} is damaged or cut short ({error}). Download it again.") from error
    except pickle.UnpicklingError as error:
        raise OsarbenchError(
            f"{path} is refused, for loading it could run code hidden in it ({_reason(error)}). If you trust it, "
            f"`osarbench weights convert {path} NEW.safetensors --unpickle` runs it once and keeps its tensors alone."
        ) from error


def _from_checkpoint(path: Path, checkpoint: Any, kind: str) -> WeightsFile:
    beside: dict[str, Any] = {}
    if isinstance(checkpoint, Mapping) and {"backbone", "head"} <= set(checkpoint):
        parts = ((part, checkpoint[part]) for part in ("backbone", "head"))
        checkpoint = {f"{OWN}{part}.{key}": value for part, state in parts for key, value in state.items()}
        kind = f"{kind}, backbone and head of osarbench"
    for container in CONTAINERS:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(container), Mapping):
            beside |= {str(key): value for key, value in checkpoint.items() if key != container}
            checkpoint, kind = checkpoint[container], f"{kind}, weights under '{container}'"
    if not isinstance(checkpoint, Mapping) or not all(isinstance(value, Tensor) for value in checkpoint.values()):
        raise OsarbenchError(f"{path} holds no table of named tensors (a state dict). Save `model.state_dict()` alone.")
    state = {str(name).removeprefix("module."): value for name, value in checkpoint.items()}
    meta = beside.get("meta")
    return WeightsFile(str(path), state, kind, meta if isinstance(meta, Mapping) else beside)


def _of_numpy() -> list[Any]:
    """Return what makes numpy's numbers and arrays when unpickled, under numpy 1's names too."""
    makers = [np.float64(0).__reduce__()[0], np.zeros(0).__reduce__()[0]]
    named = [(maker, f"numpy.core.multiarray.{maker.__name__}") for maker in makers]  # type: ignore[union-attr]
    dtypes = [type(np.dtype(code)) for code in "?bhilqBHILQefdSU"]
    return [*makers, *named, np.dtype, np.ndarray, *dtypes]


def _reason(error: Exception) -> str:
    """Return what torch would not unpickle, in a few words."""
    forbidden = re.search(r"GLOBAL (\S+)", str(error))
    return f"it names {forbidden[1]}" if forbidden else "it holds more than tensors and plain values"


def _first(keys: list[str], count: int = 3) -> str:
    """Return the first few keys as one string."""
    return ", ".join(keys[:count]) + (", ..." if len(keys) > count else "")
