"""The machine of a run, by Lightning Fabric: CPU or GPU, precision, several processes."""

import logging
import os
import platform
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from osarbench.data.clips import Loading
from osarbench.data.loader_processes import end_with, start_server
from osarbench.errors import OsarbenchError

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "bf16-true")


@dataclass(frozen=True)
class Machine:
    """Where a run is computed, and how."""

    fabric: Fabric
    precision: str  #: one of `PRECISIONS`
    loading: Loading

    @property
    def first(self) -> bool:
        """Whether this is the process that decides and writes."""
        return bool(self.fabric.is_global_zero)

    def tell(self, value: Any) -> Any:
        """Return the first process's value in every process."""
        return self.fabric.broadcast(value)

    def explain(self, error: RuntimeError) -> OsarbenchError | None:
        """Return what to say of an error of the first process if another process of the run has died, else None."""
        launched = getattr(self.fabric.strategy.launcher, "procs", [])
        codes = {
            rank: code for rank, process in enumerate(launched, start=1) if (code := _exit_code(process)) is not None
        }
        if not codes and "closed by peer" not in str(error) and "reset by peer" not in str(error):
            return None
        dead = ", ".join(f"rank {rank} ({_how(code)})" for rank, code in codes.items() if code) or "another rank"
        return OsarbenchError(
            f"Of the {self.fabric.world_size} processes of this run, {dead} died; its own message is above, if it left "
            "one. Run the same command again: what is finished is kept."
        )

    def facts(self) -> dict[str, Any]:
        """Return what an entry says of the machine. Threads change how sums round, and so the last digits."""
        device = self.fabric.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
        return {
            "device": device.type,
            "name": name,
            "devices": self.fabric.world_size,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
        }


def make_machine(device: str, devices: int, precision: str | None, workers: int | None) -> Machine:
    """Return a machine with its Fabric launched.

    Args:
        device: "auto", "cpu" or "cuda".
        devices: processes, one a device.
        precision: one of `PRECISIONS`; None: bf16-mixed on a GPU that has it, 32-true elsewhere (on a CPU, bf16 is
            three times slower than float32).
        workers: loader processes; None: none on a CPU, most cores with a GPU.

    Raises:
        OsarbenchError: there is no such device here, or not so many.
    """
    if precision is not None and precision not in PRECISIONS:
        raise OsarbenchError(f"There is no precision '{precision}'. There are: {', '.join(PRECISIONS)}.")
    gpus = torch.cuda.device_count()
    if device == "cuda" and not gpus:
        raise OsarbenchError("There is no GPU that torch can use here. Use --device cpu, or --device auto.")
    kind = "cuda" if device == "cuda" or (device == "auto" and gpus) else "cpu"
    if kind == "cuda" and _by_torchrun(devices)[0] > gpus:
        raise OsarbenchError(f"--devices {devices}: there are {gpus} GPUs here.")
    if precision is None:
        precision = "bf16-mixed" if kind == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    # Fabric advises on loader workers for big machines; Loading says what we want and why.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    here, nodes = _by_torchrun(devices)
    fabric = Fabric(
        accelerator=kind,
        devices=here,
        num_nodes=nodes,
        strategy="ddp" if devices > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    if fabric.global_rank:
        end_with(os.getppid())  # the first process, which launched this one, or the launcher of all
    on_gpu = kind == "cuda"
    cores = os.cpu_count() or 1
    loaders = workers if workers is not None else (min(16, cores - 1) if on_gpu else 0)
    start_server(loaders)
    return Machine(fabric, precision, Loading(loaders, pin=on_gpu))


def launched() -> int | None:
    """Return how many processes torchrun has launched on all machines together; None: it has launched none."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else None


def _by_torchrun(devices: int) -> tuple[int, int]:
    """Return the processes on this machine, and the machines, of `devices` in all.

    Raises:
        OsarbenchError: torchrun has launched another number, or not as many on every machine.
    """
    world = launched()
    if world is None:
        return devices, 1
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    if devices != world or world % here:
        raise OsarbenchError(
            f"torchrun has launched {world} processes, {here} of them here, and --devices says {devices}. Leave out "
            "--devices, and launch as many on every machine."
        )
    return here, world // here


def _exit_code(process: "subprocess.Popen[bytes]") -> int | None:
    """Return how a process ended; one that is about to is given a moment."""
    try:
        return process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        return None


def _how(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _processor() -> str:
    """Return the name of the processor, as Linux knows it, else what Python says."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
