"""The device of a run, by Lightning Fabric: CPU or GPU, precision, several processes."""

import logging
import warnings

import torch
from lightning_fabric import Fabric

from osarbench.errors import OsarbenchError

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true")


def make_fabric(device: str, devices: int, precision: str | None) -> Fabric:
    """Return a launched Fabric.

    Args:
        device: "auto", "cpu" or "cuda".
        devices: processes, one a device.
        precision: one of `PRECISIONS`; None: bf16-mixed on a GPU that has it, 32-true elsewhere (on a CPU, bf16 is
            three times slower than float32).

    Raises:
        OsarbenchError: there is no such device here, or not so many.
    """
    if precision is not None and precision not in PRECISIONS:
        raise OsarbenchError(f"There is no precision '{precision}'. There are: {', '.join(PRECISIONS)}.")
    gpus = torch.cuda.device_count()
    if device == "cuda" and not gpus:
        raise OsarbenchError("There is no GPU that torch can use here. Use --device cpu, or --device auto.")
    kind = "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
    if kind == "cuda" and devices > gpus:
        raise OsarbenchError(f"--devices {devices}: there are {gpus} GPUs here.")
    if precision is None:
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    # Fabric advises on loader workers for big machines; Loading says what we want and why.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        strategy="ddp" if devices > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
