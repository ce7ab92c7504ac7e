"""What a user can mend: one exception class, and the nearest right name for a wrong one."""

import errno
import os
from collections.abc import Iterable
from difflib import get_close_matches

#: What the extra `run` installs, by the names under which it is imported.
RUN_LIBRARIES = (
    "PIL",
    "av",
    "huggingface_hub",
    "lightning_fabric",
    "pytorchvideo",
    "safetensors",
    "simplejpeg",
    "sklearn",
    "tensorboard",
    "timm",
    "torch",
    "torchvision",
)
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)

#: What further extras install.
EXTRAS = {
    "cv2": "flow",
    "h5py": "hdf5",
    "kornia": "augment",
    "mlflow": "mlflow",
    "peft": "transformers",
    "pyarrow": "parquet",
    "ray": "ray",
    "trackio": "trackio",
    "transformers": "transformers",
    "wandb": "wandb",
}


class OsarbenchError(Exception):
    """Something the user can mend. The command line prints its message, without a traceback, and exits with 1.

    The message says what is so, what was probably meant, and what to do. Anything else that is raised is a bug in
    osarbench or in a plugin, and keeps its traceback.
    """


def unknown_name(kind: str, name: str, known: Iterable[str]) -> OsarbenchError:
    """Return the error for a name that does not exist, with the nearest one that does.

    >>> str(unknown_name("method", "deer", ["dear", "dnn"]))
    "There is no method 'deer'. Did you mean 'dear'? There are: dear, dnn."
    """
    names = sorted(known)
    return OsarbenchError(f"There is no {kind} '{name}'.{did_you_mean(name, names)} There are: {', '.join(names)}.")


def missing_library(error: ModuleNotFoundError) -> OsarbenchError | None:
    """Return what to install for a library of an extra that is missing; None if another module is.

    >>> str(missing_library(ModuleNotFoundError(name="torch.nn")))
    "This needs torch, which is not installed. Install it with: pip install 'osarbench[run]'"
    """
    library = (error.name or "").partition(".")[0]
    extra = "run" if library in RUN_LIBRARIES else EXTRAS.get(library)
    if extra is None:
        return None
    return OsarbenchError(
        f"This needs {library}, which is not installed. Install it with: pip install 'osarbench[{extra}]'"
    )


def explained(error: BaseException) -> OsarbenchError | None:
    """Return what is to be done about an error of the machine: a library or memory that is missing, a full disk.

    None: it is none of these, so it keeps its traceback.
    """
    if isinstance(error, ModuleNotFoundError):
        return missing_library(error)
    code = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or code == errno.ENOMEM or (isinstance(error, ImportError) and _no_room(error)):
        return OsarbenchError(
            f"Memory ran out ({str(error)[:120] or 'MemoryError'}). Give the process more (`ulimit -v`, the memory of "
            "the job), or let it do less at once."
        )
    if code in _FULL:
        file = getattr(error, "filename", None)
        where = f" in {file}" if file else ""
        return OsarbenchError(
            f"Nothing more can be written{where}: {os.strerror(code)}. Make room, or raise the limit, and run the same "
            "command again."
        )
    return None


def _no_room(error: ImportError) -> bool:
    return any(text in str(error).lower() for text in ("failed to map segment", "cannot allocate memory"))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest of the known names, or nothing if none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""
