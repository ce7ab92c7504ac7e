"""Grids of runs: each training once, the same table whoever runs them, and a dead worker's work is taken up."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from test_run import HERE, request

from osarbench.cli import cli
from osarbench.errors import OsarbenchError
from osarbench.run import sweep
from osarbench.run.run import run

TOY = ["--plugin", str(HERE / "toy.py"), "--device", "cpu"]


def jobs(folder: Path, *methods: str, seeds: tuple[int, ...] = (0, 1)) -> list[sweep.Job]:
    config = request(folder, folder / "cache", *methods)
    return sweep.plan(config, [config.protocol], ["toy"], seeds)


def options(folder: Path) -> list[str]:
    return [*TOY, "--runs", str(folder / "runs"), "--cache", str(folder / "cache")]


def test_methods_of_one_head_are_one_job_and_train_once(tmp_path: Path) -> None:
    found = [(job.methods, job.seed, job.head) for job in jobs(tmp_path, "dnn", "dear", "toy_nearest")]
    assert found == [
        (("dnn", "toy_nearest"), 0, "linear-0"),
        (("dear",), 0, "dear-0"),
        (("dnn", "toy_nearest"), 1, "linear-1"),
        (("dear",), 1, "dear-1"),
    ]


def test_a_wrong_name_is_found_before_any_job_starts(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'dear'"):
        jobs(tmp_path, "dnn", "deer")


def test_a_job_array_has_a_command_an_index(tmp_path: Path) -> None:
    script = tmp_path / "grid.sh"
    arguments = ["sweep", "--method", "dnn,dear", "--backbone", "toy", "--protocol", str(HERE / "toy.toml"),
                 "--seed", "0-2", "--slurm", str(script), "--sbatch=--gres=gpu:1", "--at-once", "4",
                 *options(tmp_path)]  # fmt: skip
    found = CliRunner().invoke(cli, arguments)
    assert found.exit_code == 0, found.output
    lines = script.read_text().splitlines()
    assert {"#SBATCH --array=0-5%4", "#SBATCH --gres=gpu:1"} <= set(lines)
    commands = [line for line in lines if "exec osarbench run" in line]
    assert len(commands) == 6
    assert "--method dear" in commands[5]
    assert "--seed 2" in commands[5]
    checked = subprocess.run(["bash", "-n", str(script)], check=False)
    assert checked.returncode == 0


def test_options_reach_every_run_as_they_were_given(tmp_path: Path) -> None:
    from osarbench.commands.run import run as command
    from osarbench.commands.sweep import _arguments

    given = {its.name: its.default for its in command.params} | {
        "epochs": 3, "recompute": True, "settings": ("dear.clamp=20",), "runs": Path("elsewhere"), "store": "jpeg",
    }  # fmt: skip
    found = _arguments(given)
    assert found[found.index("--epochs") + 1] == "3"
    assert "--recompute" in found
    assert found[found.index("--set") + 1] == "dear.clamp=20"
    assert found[found.index("--runs") + 1] == str(Path("elsewhere").absolute())
    assert found[found.index("--store") + 1] == "jpeg"
    assert "--device" not in found
    assert "--method" not in found


def test_a_ray_head_that_does_not_answer_is_said_in_a_line(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(OsarbenchError, match="The head of the Ray cluster at 127.0.0.1:9 does not answer: Connection"):
        next(sweep.on_ray([], [], tmp_path, address="127.0.0.1:9", cpus=1, gpus=0, retries=0))


def test_what_a_failed_run_said_of_a_method_is_told_rather_than_how_many_failed(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("train: ...\nosarbench: the method 'dear' failed: It is stale.\nosarbench: 1 of 2 methods failed.\n")
    assert sweep._last_line(log) == "the method 'dear' failed: It is stale."


def test_seeds_are_a_list_or_a_span() -> None:
    found = CliRunner().invoke(cli, ["sweep", "--method", "dnn", "--backbone", "toy", "--seed", "0-x"])
    assert found.exit_code == 2
    assert "'0-x' is no seed. Write 0,1,2 or 0-4." in found.output


@pytest.mark.slow
def test_a_job_that_fails_is_started_again_and_reported_while_others_go_on(tmp_path: Path) -> None:
    bad = sweep.Job(str(HERE / "toy.toml"), "no_such_backbone", 0, ("dnn",), "linear-0")
    outcomes = list(sweep.here([bad, *jobs(tmp_path, "dnn", seeds=(0,))], options(tmp_path), tmp_path / "logs",
                               at_once=2, gpus=[], retries=1))  # fmt: skip
    by_error = {outcome.error is None: outcome for outcome in outcomes}
    assert by_error[False].attempts == 2
    assert "There is no backbone 'no_such_backbone'" in str(by_error[False].error)
    assert (tmp_path / "runs/toy/toy/linear-0/dnn/scores.csv").is_file()


def _kill_a_worker(killed: list[int]) -> None:
    """Kill the parent of the first job's process that there is: a worker of Ray."""
    while not killed:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if sweep.PROGRAM.encode() in command and b"--seed" in command:
                worker = int(command[command.index(sweep.PROGRAM.encode()) + 1])
                time.sleep(3)  # into its work
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)
                return
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_work_of_a_killed_ray_worker_is_taken_up_by_another(tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
    killed: list[int] = []
    threading.Thread(target=_kill_a_worker, args=(killed,), daemon=True).start()
    try:
        outcomes = list(sweep.on_ray(jobs(tmp_path, "dnn"), options(tmp_path), tmp_path / "logs", address=None, cpus=1,
                                     gpus=0, retries=2))  # fmt: skip
    finally:
        ray.shutdown()
    assert killed
    assert [outcome.error for outcome in outcomes] == [None, None]
    for seed in (0, 1):
        (alone,) = run(request(tmp_path / "alone", tmp_path / "cache", "dnn", seeds=(seed,)))
        swept = tmp_path / f"runs/toy/toy/linear-{seed}/dnn/scores.csv"
        pd.testing.assert_frame_equal(pd.read_csv(swept), pd.read_csv(alone.folder / "scores.csv"))


@pytest.mark.slow
def test_two_processes_of_torchrun_give_the_rows_of_two_that_osarbench_launches(tmp_path: Path) -> None:
    def scores(name: str, *launcher: str, more: tuple[str, ...] = ()) -> pd.DataFrame:
        command = [sys.executable, *launcher, "-m", "osarbench", "run", "--method", "dnn", "--backbone", "toy",
                   "--protocol", str(HERE / "toy.toml"), *options(tmp_path), *more]  # fmt: skip
        command[command.index("--runs") + 1] = str(tmp_path / name)
        subprocess.run(command, check=True, timeout=500, capture_output=True)
        return pd.read_csv(tmp_path / name / "toy/toy/linear-0/dnn/scores.csv")

    alone = scores("alone")
    two = scores("two", more=("--devices", "2"))
    launched = scores("launched", "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611")
    pd.testing.assert_frame_equal(launched, two)
    pd.testing.assert_frame_equal(
        launched[["video", "role", "source", "label"]], alone[["video", "role", "source", "label"]]
    )
