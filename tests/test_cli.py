"""The command line as a user meets it: tables, clear errors, exit codes."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from osarbench import cli
from osarbench.errors import explained

HERE = Path(__file__).parent
TOY = ["--protocol", str(HERE / "toy.toml"), "--backbone", "toy", "--plugin", str(HERE / "toy.py"), "--device", "cpu"]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSARBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OSARBENCH_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("OSARBENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def call(*arguments: str) -> int:
    try:
        cli.main(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_run_ends_with_a_table_and_says_where_its_files_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("run", "--method", "dnn,toy_nearest", *TOY) == 0
    shown = capsys.readouterr()
    assert "AUROC ↑" in shown.out
    assert "toy_nearest: runs/toy/toy/linear-0/toy_nearest/" in shown.out
    assert "train: epoch 4/4  loss" in shown.err
    assert "clips/s" in shown.err


def test_a_run_can_be_published_and_the_page_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    Path("toy.toml").write_text((HERE / "toy.toml").read_text())
    assert call("run", "--method", "dnn", *TOY, "--epochs", "2", "--publish") == 1
    assert "deviates from the protocol 'toy' (epochs = 2)" in capsys.readouterr().err
    assert not Path("runs").exists()  # nothing was trained for it


def test_evaluate_computes_the_same_numbers_from_the_table_alone(capsys: pytest.CaptureFixture[str]) -> None:
    call("run", "--method", "dnn", *TOY)
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("dnn "))
    assert call("evaluate", "runs/toy/toy/linear-0/dnn/scores.csv") == 0
    assert row.split()[-6:] == capsys.readouterr().out.splitlines()[2].split()[-6:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--method", "deer", "--backbone", "tsm"], "There is no method 'deer'. Did you mean 'dear'?"),
        (["run", "--method", "dnn", "--backbone", "tsmm"], "There is no backbone 'tsmm'. Did you mean 'tsm'?"),
        (
            ["run", "--method", "dnn", "--backbone", "tsm", "--protocol", "ucf101-hmbd51"],
            "Did you mean 'ucf101-hmdb51'?",
        ),
        (["run", "--method", "dnn", "--backbone", "tsm", "--set", "dear.clamp=1"], "this run has no method 'dear'"),
        (
            ["run", "--method", "dear", "--backbone", "tsm", "--set", "dear.clmp=1"],
            "no setting 'clmp'. Did you mean 'clamp'?",
        ),
        (["run", "--method", "dear", "--backbone", "tsm", "--set", "clamp"], "write METHOD.KEY=VALUE"),
        (["run", "--method", "dnn", "--backbone", "tsm", "--precision", "bf8"], "There is no precision 'bf8'"),
        (["data", "check", "ucf11"], "There is no data set 'ucf11'. Did you mean 'ucf101'?"),
        (["data", "check", "ucf101", "nowhere"], "nowhere: there is no such folder"),
        (["list", "method"], "Did you mean 'methods'?"),
        (["evaluate", "none.csv"], "There is no scores table at none.csv"),
    ],
)
def test_what_the_user_can_mend_is_one_message_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call(*arguments) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("osarbench: ")
    assert message in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["rnu"], "There is no command 'rnu'. Did you mean 'run'?"), (["run", "--bakbone", "tsm"], "--backbone")],
)
def test_a_misspelt_command_or_option_names_the_nearest(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call(*arguments) == 2
    assert message in capsys.readouterr().err


def test_list_shows_what_there_is_and_where_it_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list") == 0
    shown = capsys.readouterr().out
    for name in ("motion", "ucf101", "hmdb51", "mit", "folder", "tsm", "dnn", "dear", "ucf12-hmdb20"):
        assert f"\n  {name} " in shown
    assert "[built-in]" in shown


def shell(command: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m osarbench"
    return subprocess.run(["bash", "-c", command.replace("osarbench", program, 1)], capture_output=True, text=True)


@pytest.mark.parametrize(
    "command",
    ["osarbench --help | head -c1 >/dev/null; exit ${PIPESTATUS[0]}", "osarbench --help >&-", "osarbench --help 2>&-",
     "osarbench --help >/dev/null 2>/dev/full", "osarbench --help <&- >&- 2>&-"],
)  # fmt: skip
def test_a_reader_that_leaves_is_no_failure(command: str) -> None:
    done = shell(command)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_ends_at_once_with_its_code_after_its_exit_handlers(tmp_path: Path) -> None:
    code = (
        "import atexit, threading, time; from osarbench import cli; atexit.register(lambda: print('handled'));"
        "threading.Thread(target=time.sleep, args=(60,)).start(); cli.program()"
    )
    for arguments, status in (["--version"], 0), (["lists"], 2):
        begin = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert (done.returncode, done.stdout.splitlines()[-1]) == (status, "handled")
        assert time.monotonic() - begin < 50


def test_a_result_that_could_not_be_shown_is_one_line() -> None:
    done = shell("osarbench list methods >/dev/full")
    assert done.returncode == 1
    assert done.stderr == "osarbench: the output cannot be written: No space left on device.\n"


@pytest.mark.slow
@pytest.mark.parametrize("output", [">/dev/full", "2>/dev/full", ">&- 2>&-", "2>&1 | head -n1; exit ${PIPESTATUS[0]}"])
def test_a_run_whose_files_are_written_succeeds_whatever_becomes_of_its_output(tmp_path: Path, output: str) -> None:
    done = shell(f"osarbench run --method dnn {' '.join(TOY)} --epochs 1 {output}")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("runs/*/*/*/dnn/scores.csv"))


def test_a_library_for_which_memory_does_not_suffice_is_one_line() -> None:
    error = ImportError("libtorch_cuda.so: failed to map segment from shared object")
    assert str(explained(error)).startswith("Memory ran out (libtorch_cuda.so: failed to map segment")
    assert str(explained(MemoryError())).startswith("Memory ran out (MemoryError)")
    assert explained(ImportError("no name 'x'")) is None
    assert "written in a.csv: File too large" in str(explained(OSError(errno.EFBIG, "File too large", "a.csv")))
    assert explained(OSError(errno.EINVAL, "Invalid argument")) is None


def test_an_interrupted_run_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from osarbench.model import extract

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(extract, "extract", interrupt)
    assert call("run", "--method", "dnn", *TOY) == 130
    assert "Run the same command again" in capsys.readouterr().err


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "osarbench", "run", "--method", "dnn", *TOY, "--devices", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("AUROC ↑") == 1
    assert (tmp_path / "runs/toy/toy/linear-0/dnn/metrics.json").is_file()


def _lines_until_an_epoch_is_done(process: "subprocess.Popen[str]") -> None:
    assert process.stderr is not None
    while "train: epoch 2/" not in process.stderr.readline():
        assert process.poll() is None


def _launched_by(process: "subprocess.Popen[str]") -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (second,) = [pid for pid in children if "toy.toml" in Path(f"/proc/{pid}/cmdline").read_text()]
    return int(second)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("victim", "signal_", "code", "said"),
    [
        ("second", signal.SIGKILL, 1, r"rank 1 \(killed by signal 9\) died"),
        ("first", signal.SIGTERM, 143, "terminated. Run the same command again"),
        ("first", signal.SIGKILL, -9, ""),
    ],
)
def test_when_one_process_of_a_distributed_run_ends_all_do(
    victim: str, signal_: signal.Signals, code: int, said: str
) -> None:
    command = [sys.executable, "-m", "osarbench", "run", "--method", "dnn", *TOY, "--devices", "2", "--epochs", "99999"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    _lines_until_an_epoch_is_done(process)
    second = _launched_by(process)
    os.kill(second if victim == "second" else process.pid, signal_)
    _, rest = process.communicate()  # ends when the last process that holds the pipe has ended
    assert process.returncode == code
    assert re.search(said, rest)
    while _lives(second):
        time.sleep(0.1)


def test_decoded_frames_are_made_beforehand_checked_and_pruned(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["data", "cache", *TOY[:6], "--store", "jpeg", "--workers", "1"]
    assert call(*asked) == 0
    assert "videos are in " in (shown := capsys.readouterr()).out
    assert "JPEG frames, " in shown.err
    assert call("data", "check", "--store") == 0
    assert " jpeg " in capsys.readouterr().out
    assert call("data", "prune", "--dry-run") == 0
    assert "0.0 MB would be freed" in capsys.readouterr().out
    pack = next(Path("cache/clips").rglob("*.pack"))
    pack.write_bytes(bytes(pack.stat().st_size))
    assert call("data", "check", "--store") == 1
    assert f"{pack} is damaged" in capsys.readouterr().out.replace(f"{Path.cwd()}/", "")
