"""Features of a run in one file, in the form in which others may import them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from osarbench.artifacts import manifest, storage
from osarbench.errors import OsarbenchError
from osarbench.model.network import read_tensors
from osarbench.published import feature_files
from osarbench.run.imported import FILES


class Exported:
    """What was written, for people."""

    def __init__(self, videos: int, shape: tuple[int, ...], classifier: bool, training: bool) -> None:
        self.videos, self.shape, self.classifier, self.training = videos, shape, classifier, training


def export(folder: Path, file: Path) -> Exported:
    """Write the features of a head's folder (``runs/<protocol>/<backbone>/<head>-<seed>``) to a file.

    With them go source, role, label and group of each video, the known classes, and a linear classifier if the head is
    one.

    Args:
        folder: of a head, or of a frozen backbone.
        file: to write; its ending says the format.

    Raises:
        OsarbenchError: the folder holds no features, or they are not those of the index above it.
    """
    index = folder.parent.parent / "index.csv"
    if not (folder / "features.npy").is_file() or not index.is_file():
        raise OsarbenchError(
            f"{folder} is no folder of features of a run: runs/<protocol>/<backbone>/<head>-<seed>, which holds "
            "features.npy. (An attentive probe's tokens are too many; export the folder of its head.)"
        )
    rows = pd.read_csv(index, keep_default_na=False, dtype={"video": str, "label": str, "group": str})
    parts, arrays = [], []
    for name, roles in FILES.items():
        if not (folder / name).is_file():
            continue
        if not manifest.is_intact(folder / name):
            raise OsarbenchError(f"{folder / name} is damaged. Run the same command again; then export.")
        array = np.load(folder / name, mmap_mode="r")
        part = rows[rows["role"].isin(roles)]
        if len(array) != len(part):
            raise OsarbenchError(
                f"{folder / name} has {len(array)} videos, and {index} {len(part)} of these roles: another run has "
                "replaced one of them. Run again; then export."
            )
        parts.append(part)
        arrays.append(array)
    said = pd.concat(parts)
    features = np.concatenate(arrays)
    head = _classifier(folder)
    content: dict[str, Any] = {
        **{key: said[key].to_numpy(dtype=str) for key in ("video", "source", "role", "label", "group")},
        "features": features,
        "class_names": _classes(folder),
        **head,
    }
    with storage.atomic_write(file) as temporary:
        feature_files.write(temporary, content)
    return Exported(len(said), features.shape[1:], bool(head), "train" in set(said["role"]))


def _classes(folder: Path) -> list[str] | None:
    made = manifest.read(folder / "network.pt")
    return None if made is None else [str(name) for name in made["identity"]["settings"]["classes"]]


def _classifier(folder: Path) -> dict[str, np.ndarray]:
    """Return weight and bias of the linear head ``fc`` of a folder; nothing if its head is another."""
    file = folder / "network.pt"
    head = read_tensors(file)["head"] if file.is_file() else {}
    if set(head) != {"fc.weight", "fc.bias"}:
        return {}
    return {"weight": head["fc.weight"].float().numpy(), "bias": head["fc.bias"].float().numpy()}
