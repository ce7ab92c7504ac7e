"""Files of pretrained weights: read without running anything in them, and fitted with every key accounted for."""

import pickle
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from osarbench.errors import OsarbenchError

CONTAINERS = (
    "state_dict",
    "model",
    "model_state",
    "model_state_dict",
)  #: keys under which checkpoints keep the weights


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the named tensors of a ``.safetensors`` file or a torch checkpoint, without ``module.`` prefixes.

    Torch files are read with ``weights_only``, so that no code in them runs.

    Raises:
        OsarbenchError: no such file, not a file of weights (a web page, an LFS pointer, code), or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise OsarbenchError(f"There is no file of weights at {path}. Check the path, or use --weights none.")
    start = _sniff(path)
    pickled = start[:1] == b"\x80" and start[8:9] != b"{"  # a safetensors file has its header's brace there
    state = _read_torch(path) if pickled or start[:2] == b"PK" else _read_safetensors(path)
    return {name.removeprefix("module."): value for name, value in state.items()}


def fit_weights(module: nn.Module, state: Mapping[str, Tensor], *, leftovers: Iterable[str], source: str) -> None:
    """Copy ``state`` into ``module``: every tensor of the module is given, each of the right shape, none is left over.

    Keys that begin with one of ``leftovers`` (classifiers) may be in surplus, and ``num_batches_tracked``, a counter,
    may be absent. ``source`` names file and network in the message.

    Raises:
        OsarbenchError: keys are missing, unexpected or of another shape; the first few are named, all are counted.
    """
    wanted = module.state_dict()
    expected_leftovers = tuple(leftovers)
    missing = [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in wanted and not key.startswith(expected_leftovers)]
    misshapen = [
        f"{key} {list(state[key].shape)} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    faults = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    if any(faults.values()):
        listed = "; ".join(f"{len(keys)} {fault} ({_first(keys)})" for fault, keys in faults.items() if keys)
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


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, on the CPU."""
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise OsarbenchError(
            f"{path} is neither a whole safetensors file nor a torch checkpoint ({error}). Download it again."
        ) from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a torch checkpoint, on the CPU; refuse one with more than tensors and plain values."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of old pickle protocols
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, BadZipFile, OSError, ValueError) as error:
        raise OsarbenchError(f"{path} is damaged or cut short ({error}). Download it again.") from error
    except pickle.UnpicklingError as error:
        raise OsarbenchError(
            f"{path} is refused, for loading it could run code hidden in it ({_reason(error)}). "
            "If you trust it, save its tensors alone, best as .safetensors, and load those."
        ) from error
    for container in CONTAINERS:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(container), Mapping):
            checkpoint = checkpoint[container]
    if not isinstance(checkpoint, Mapping) or not all(isinstance(value, Tensor) for value in checkpoint.values()):
        raise OsarbenchError(f"{path} holds no table of named tensors (a state dict). Save `model.state_dict()` alone.")
    return dict(checkpoint)


def _reason(error: Exception) -> str:
    """Return what torch would not unpickle, in a few words."""
    forbidden = re.search(r"GLOBAL (\S+)", str(error))
    return f"it names {forbidden[1]}" if forbidden else "it holds more than tensors and plain values"


def _first(keys: list[str], count: int = 3) -> str:
    """Return the first few keys as one string."""
    return ", ".join(keys[:count]) + (", ..." if len(keys) > count else "")
