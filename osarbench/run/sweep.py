"""Grids of runs: which trainings they share, and their execution here, by Ray, or as a job array of SLURM.

A job is one `osarbench run`: a protocol, a backbone, a seed, and all methods that train the same head, so that no
network is trained twice. Jobs are processes; what is finished is reused by the run itself, and a job that is started
again goes on where it was.
"""

import logging
import os
import queue
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins
from osarbench.run.config import RunConfig
from osarbench.run.experiment import head_spec, resolve

#: What a job's process runs: it ends with the process that started it, whatever ended that.
PROGRAM = (
    "import sys; from osarbench.data.loader_processes import end_with; end_with(int(sys.argv.pop(1))); "
    "from osarbench.cli import main; main(sys.argv[1:])"
)


#: The last line of a run of which methods failed.
_SUM = re.compile(r"osarbench: \d+ of \d+ methods failed\.")


@dataclass(frozen=True)
class Job:
    """One `osarbench run`."""

    protocol: str
    backbone: str
    seed: int
    methods: tuple[str, ...]
    head: str  #: the folder of the network that they share

    @property
    def name(self) -> str:
        """For people and files of logs."""
        return f"{Path(self.protocol).stem}_{self.backbone}_{self.head}"

    def arguments(self, options: Sequence[str]) -> list[str]:
        """Return the command line after `osarbench`."""
        own = ["--method", ",".join(self.methods), "--backbone", self.backbone, "--protocol", self.protocol]
        return ["run", *own, "--seed", str(self.seed), *options]


class Outcome(NamedTuple):
    """How a job ended."""

    job: Job
    error: str | None  #: the last line that it printed, if it failed
    attempts: int
    log: Path


def plan(config: RunConfig, protocols: Sequence[str], backbones: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """Return the jobs of a grid; every name, setting and file of weights is checked before any of them starts.

    Args:
        config: what all runs share; its methods are those of the grid.
        protocols: names or files.
        backbones: names.
        seeds: of weights, order and augmentation.

    Raises:
        OsarbenchError: whatever keeps one of the runs from starting.
    """
    available = plugins.load(files=config.plugin_files)
    names = tuple(available.expand(config.methods))
    jobs = []
    for protocol in (str(Path(name).absolute()) if name.endswith(".toml") else name for name in protocols):
        for backbone in backbones:
            for seed in seeds:
                its = replace(config, protocol=protocol, backbone=backbone, seeds=(seed,), methods=names)
                experiment = resolve(its, available)
                heads: dict[str, list[str]] = {}
                for name in names:
                    method = available.method(name)(**_settings(available, config, name))
                    heads.setdefault(head_spec(experiment, method).folder(experiment), []).append(name)
                jobs += [Job(protocol, backbone, seed, tuple(methods), head) for head, methods in heads.items()]
    return jobs


def here(
    jobs: Sequence[Job], options: Sequence[str], logs: Path, *, at_once: int, gpus: Sequence[str], retries: int
) -> Iterator[Outcome]:
    """Run jobs on this machine and yield how each ended, as it does.

    Args:
        jobs: of the grid.
        options: of every `osarbench run`.
        logs: the folder of what they print.
        at_once: how many processes at once.
        gpus: of this machine, one of which each process gets, in turn; empty: none is assigned.
        retries: how often a job that failed is started again.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    done: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def work(gpu: str | None) -> None:
        environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": gpu} if gpu is not None else {})}
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put(run_job(job, options, logs, retries, environment))
            except BaseException as error:
                done.put(error)

    for place in range(min(at_once, len(jobs))):
        gpu = gpus[place % len(gpus)] if gpus else None
        threading.Thread(target=work, args=(gpu,), daemon=True).start()
    for _ in jobs:
        outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        yield outcome


def on_ray(
    jobs: Sequence[Job], options: Sequence[str], logs: Path, *, address: str | None, cpus: float, gpus: float,
    retries: int,
) -> Iterator[Outcome]:  # fmt: skip
    """Run jobs on a Ray cluster and yield how each ended; the work of a worker that dies is given to another.

    Args:
        jobs: of the grid.
        options: of every `osarbench run`; paths must mean the same on all machines.
        logs: the folder of what they print, shared by the machines.
        address: of the cluster's head; None: a local Ray is started, or the running one is used.
        cpus: of one job.
        gpus: of one job.
        retries: how often a job that failed, or whose worker died, is started again.

    Raises:
        OsarbenchError: Ray is not installed, its head does not answer, or no machine has what a job wants.
    """
    ray = _ray(address)
    has = ray.cluster_resources()
    for what, wanted in (("CPU", cpus), ("GPU", gpus)):
        if wanted > has.get(what, 0):
            raise OsarbenchError(f"A job wants {wanted:g} {what}, and the Ray cluster has {has.get(what, 0):g}.")
    # max_calls: a worker is ended after its job, so that nothing of one reaches the next
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=retries, max_calls=1)(run_job)
    pending = {remote.remote(job, options, logs, retries): job for job in jobs}
    while pending:
        (ready,), _ = ray.wait(list(pending), num_returns=1)
        job = pending.pop(ready)
        try:
            yield ray.get(ready)
        except ray.exceptions.RayError as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[0]
            yield Outcome(job, f"its worker died: {last}", retries + 1, log_of(job, logs))


def run_job(
    job: Job, options: Sequence[str], logs: Path, retries: int, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run one job to its end, again if it fails, and say how it ended.

    Args:
        job: to be run.
        options: of `osarbench run`.
        logs: the folder of what it prints.
        retries: how often it is started again.
        environment: of the process; None: this one's.
    """
    log = log_of(job, logs)
    log.parent.mkdir(parents=True, exist_ok=True)
    attempts = 0
    while True:
        attempts += 1
        with log.open("ab") as output:
            command = [sys.executable, "-c", PROGRAM, str(os.getpid()), *job.arguments(options)]
            code = subprocess.run(
                command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment, check=False
            ).returncode
        if code == 0:
            return Outcome(job, None, attempts, log)
        if attempts > retries:
            return Outcome(job, _last_line(log) or f"exit code {code}", attempts, log)


def slurm(jobs: Sequence[Job], options: Sequence[str], *, at_once: int | None, directives: Sequence[str]) -> str:
    """Return the script of a SLURM job array, a job an index.

    Args:
        jobs: of the grid.
        options: of every `osarbench run`.
        at_once: how many at once; None: as many as there is room for.
        directives: more `#SBATCH` lines, without that word: "--gres=gpu:1", "--time=12:00:00".
    """
    import shlex

    limit = f"%{at_once}" if at_once else ""
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=osarbench",
        f"#SBATCH --array=0-{len(jobs) - 1}{limit}",
        "#SBATCH --output=osarbench-%A_%a.log",
        "#SBATCH --requeue",
        *(f"#SBATCH {directive}" for directive in directives),
        "# Submit it with sbatch, from the folder in which it was written; submit it again to go on where it stopped.",
        "case $SLURM_ARRAY_TASK_ID in",
        *(f"{index}) exec osarbench {shlex.join(job.arguments(options))} ;;" for index, job in enumerate(jobs)),
        "esac",
    ]
    return "\n".join(lines) + "\n"


def log_of(job: Job, logs: Path) -> Path:
    """Return the file of what a job prints."""
    return logs / f"{job.name}.log"


def _ray(address: str | None) -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise OsarbenchError("Ray is not installed. Install it with: pip install 'osarbench[ray]'.") from error
    if not ray.is_initialized():
        _check_reachable(address)
        try:
            ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            last = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise OsarbenchError(
                f"The head of the Ray cluster at {address} does not answer: {last} Start it with `ray start --head`, "
                "or leave out --ray-address for a local one."
            ) from error
    return ray


def _settings(available: plugins.Plugins, config: RunConfig, name: str) -> dict[str, Any]:
    stated = config.settings.get(name, {})
    return plugins.check_settings("method", available.method(name), stated, "--set") if stated else {}


def _check_reachable(address: str | None) -> None:
    """Refuse an address that nobody answers at; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise OsarbenchError(
            f"The head of the Ray cluster at {address} does not answer: {error.strerror or error}. Start it with `ray "
            "start --head`, or leave out --ray-address for a local one."
        ) from error


def _last_line(log: Path) -> str | None:
    """Return why a run failed: its last line, or what it said of a method, if it says last how many failed."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    told = [line for line in lines if not _SUM.fullmatch(line)]
    return told[-1].removeprefix("osarbench: ") if told else None
