"""Reading weight files of any origin without running code in them; a file that is none is named for what it is."""

import pickle
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from osarbench.errors import OsarbenchError

#: Keys under which checkpoints keep the weights; the first that is there counts, so that averages come last.
CONTAINERS = ("state_dict", "model", "model_state", "model_state_dict", "module", "state_dict_ema", "model_ema")
WRAPPERS = re.compile(r"^(module\.|_orig_mod\.)+")  #: what DataParallel and torch.compile put before every key
OWN = "osarbench."  #: what the keys of a network trained here are given: osarbench.backbone.*, osarbench.head.*

Kind = Literal["safetensors", "torch", "torch, old style"]


class WeightsFile(NamedTuple):
    """What a file of weights holds."""

    path: str
    state: dict[str, Tensor]  #: named tensors, on the CPU; some may be mapped from the file
    format: str  #: "safetensors", or "torch" with what its container is
    facts: Mapping[str, Any]  #: plain values next to the weights


def read_file(path: str | Path) -> WeightsFile:
    """Read a ``.safetensors`` file or a torch checkpoint; the prefixes of `WRAPPERS` are taken off.

    Torch files are read with ``weights_only``, so that no code in them runs; numpy's numbers and arrays, which old
    checkpoints hold next to their weights, are allowed. Keys of a network that osarbench trained begin with `OWN`.

    Raises:
        OsarbenchError: no such file, not a file of weights (a web page, an LFS pointer, code), or a damaged one.
    """
    path = Path(path)
    kind = kind_of(path)
    return _read_safetensors(path) if kind == "safetensors" else _from_checkpoint(path, load_checkpoint(path), kind)


def kind_of(path: Path) -> Kind:
    """Return what a file of weights is by its first bytes, and a ZIP archive's by the names in it.

    Raises:
        OsarbenchError: it is something else, and what.
    """
    if path.is_dir():
        raise OsarbenchError(f"{path} is a folder, not a file of weights. Name the file in it.")
    if not path.is_file():
        raise OsarbenchError(f"There is no file of weights at {path}. Check the path, or use --weights none.")
    with path.open("rb") as file:
        start = file.read(512)
    if start[:2] == b"PK":
        _check_archive(path)
        return "torch"
    _check_start(path, start)
    pickled = start[:1] == b"\x80" and start[8:9] != b"{"  # a safetensors file has its header's brace there
    return "torch, old style" if pickled else "safetensors"


def load_checkpoint(path: Path, *, unpickle: bool = False) -> Any:
    """Return what a torch file holds, on the CPU; refuse one with more than tensors, plain values and numpy arrays.

    Args:
        path: of a file that torch wrote.
        unpickle: run whatever code the file names, to get at its tensors.

    Raises:
        OsarbenchError: it would run code, or it is damaged.
    """
    mapped = kind_of(path) == "torch"
    try:
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(_of_numpy()):
            return torch.load(path, map_location="cpu", weights_only=not unpickle, mmap=mapped)
    except ModuleNotFoundError as error:
        raise OsarbenchError(
            f"{path} holds objects of '{error.name}', which is not installed. Install it to unpickle them this once."
        ) from error
    except pickle.UnpicklingError as error:
        raise OsarbenchError(
            f"{path} is refused, for loading it could run code hidden in it ({_reason(error)}). If you trust it, "
            f"`osarbench weights convert {path} NEW.safetensors --unpickle` runs it once and keeps its tensors alone."
        ) from error
    except Exception as error:  # a broken pickle can raise anything
        raise _damaged(path, error) from error


def _check_start(path: Path, start: bytes) -> None:
    """Refuse a file whose first bytes are those of something that is no file of weights."""
    if not start:
        raise OsarbenchError(f"{path} is empty. Download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise OsarbenchError(f"{path} is a Git LFS pointer, not the weights themselves. Run `git lfs pull` there.")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise OsarbenchError(f"{path} is a web page, not weights: the download was answered with HTML. Get it again.")
    if start.isascii() and b"\0" not in start:
        begins = " ".join(start.decode().split())[:60]
        raise OsarbenchError(f"{path} is text, not weights; it begins '{begins}'. Download it again.")


def _check_archive(path: Path) -> None:
    """Refuse a ZIP archive that is no checkpoint of torch."""
    try:
        with ZipFile(path) as archive:
            names = archive.namelist()
    except BadZipFile as error:
        raise _damaged(path, error) from error
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner:
        raise OsarbenchError(
            f"{path} is a TorchScript program, which holds code. Take its weights out where you trust it: "
            "torch.save(torch.jit.load(FILE).state_dict(), NEW)."
        )
    if "data.pkl" not in inner:
        raise OsarbenchError(
            f"{path} is a ZIP archive, but no checkpoint of torch; it holds {', '.join(names[:3]) or 'nothing'}. "
            "If the weights are in it, unpack it."
        )


def _read_safetensors(path: Path) -> WeightsFile:
    try:
        with safe_open(path, "pt") as file:
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return WeightsFile(str(path), _unwrapped(path, state), "safetensors", file.metadata() or {})
    except (SafetensorError, ValueError, OSError) as error:
        raise OsarbenchError(
            f"{path} is neither a whole safetensors file nor a torch checkpoint ({error}). Download it again."
        ) from error


def _from_checkpoint(path: Path, checkpoint: Any, kind: str) -> WeightsFile:
    extra: dict[str, Any] = {}
    if isinstance(checkpoint, Mapping) and {"backbone", "head"} <= set(checkpoint):
        parts = ((part, checkpoint[part]) for part in ("backbone", "head"))
        checkpoint = {f"{OWN}{part}.{key}": value for part, state in parts for key, value in state.items()}
        kind = f"{kind}, backbone and head of osarbench"
    for container in CONTAINERS:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(container), Mapping):
            others = [f"'{name}'" for name in CONTAINERS if name != container and name in checkpoint]
            extra |= {str(key): value for key, value in checkpoint.items() if key != container}
            kind += f", weights under '{container}'" + (f", not {' or '.join(others)}" if others else "")
            checkpoint = checkpoint[container]
    values = checkpoint.items() if isinstance(checkpoint, Mapping) else ()
    strays = [str(name) for name, value in values if not isinstance(value, Tensor)]
    if strays or not values:
        why = f": {', '.join(strays[:3])} {'is' if len(strays) == 1 else 'are'} no tensor" if strays else ""
        raise OsarbenchError(
            f"{path} holds no table of named tensors (a state dict){why}. Save `model.state_dict()` alone."
        )
    meta = extra.get("meta")
    return WeightsFile(str(path), _unwrapped(path, checkpoint), kind, meta if isinstance(meta, Mapping) else extra)


def _unwrapped(path: Path, state: Mapping[Any, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without wrappers' prefixes, which may not make two names one."""
    names = [WRAPPERS.sub("", str(name)) for name in state]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise OsarbenchError(f"{path} holds {twice[0]} with and without a wrapper's prefix (module.). Keep one.")
    return dict(zip(names, state.values(), strict=True))


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


def _damaged(path: Path, error: Exception) -> OsarbenchError:
    first = next(iter(str(error).splitlines()), type(error).__name__).partition(". ")[0].rstrip(".")
    return OsarbenchError(f"{path} is damaged or cut short ({first}). Download it again.")
