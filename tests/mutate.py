"""Plant each fault of `mutations.py` in a copy of the project and run the tests that must find it.

    python tests/mutate.py [--jobs 2] [--only WORD]

Prints the faults that no test found and exits with 1 if there are any. The project itself is never written to. Each
fault has a process of its own, forked from one that has imported the libraries, which takes longer than most tests.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from mutations import MUTATIONS, Mutation  # noqa: E402

COPIED = ("osarbench", "plugins", "benchmarks", "tests", "pyproject.toml", "README.md", "docs")
LIBRARIES = (
    "_pytest.doctest", "lightning_fabric", "matplotlib.pyplot", "numpy.testing", "pandas", "pytest", "pytorch_ood",
    "scipy.stats", "sklearn.ensemble", "sklearn.metrics", "timm", "torch", "torchvision.transforms.v2",
)  # fmt: skip
IGNORED = "ignore::pytest.PytestAssertRewriteWarning"  #: of libraries that are imported already
TIMEOUT = 600  #: seconds; an endless loop is a fault that was found, too
PASSED, FAILED = 0, 1  #: pytest's exit codes; any other says nothing about the fault


class Run(NamedTuple):
    """Tests that run in a copy of the project, with a fault or without."""

    fault: Mutation | None
    copy: Path
    begin: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="copies of the project tested at once")
    parser.add_argument("--only", default="", help="only faults whose name or file contains this")
    asked = parser.parse_args()
    chosen = [fault for fault in MUTATIONS if asked.only in fault.what or asked.only in fault.file]
    wrong = [f"{fault.file}: '{fault.what}' {why}" for fault in chosen for why in misplaced(fault)]
    if wrong or not chosen:
        print(*(wrong or [f"No fault has '{asked.only}' in its name or file."]), sep="\n", file=sys.stderr)
        return 2
    survivors = _survivors(chosen, asked.jobs)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} faults found")
    for fault in survivors:
        print(f"SURVIVED  {fault.file}: {fault.what}  ({' '.join(fault.tests)})")
    return 1 if survivors else 0


def misplaced(fault: Mutation) -> Iterator[str]:
    """Yield what is wrong with a mutation whose snippet does not occur exactly once, or that names no test file."""
    file = ROOT / fault.file
    count = file.read_text(encoding="utf-8").count(fault.snippet) if file.is_file() else 0
    if count != 1:
        yield f"replaces a snippet that occurs {count} times, not once: {fault.snippet!r}. Rewrite it with the code."
    for test in fault.tests:
        if not (ROOT / test).is_file():
            yield f"names {test}, which does not exist."


def _survivors(faults: Sequence[Mutation], jobs: int) -> list[Mutation]:
    """Return the faults that their tests do not find."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: threads do not survive a fork
    os.environ.setdefault("OSARBENCH_SHARED", str(ROOT.parent / "shared"))
    sys.dont_write_bytecode = True
    for library in LIBRARIES:
        importlib.import_module(library)
    importlib.import_module("torch").set_num_threads(1)
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory(prefix="osarbench-mutate-")) for _ in range(jobs)]
        free, running, survivors = [_copy(Path(folder)) for folder in folders], dict[int, Run](), list[Mutation]()
        every = sorted({test for fault in faults for test in fault.tests})
        copy = free.pop()
        if _wait({_start(copy, None, every): Run(None, copy, time.monotonic())})[1] != PASSED:
            raise SystemExit("The tests fail without any fault; mend them first.")
        free.append(copy)
        waiting = list(reversed(faults))
        while waiting or running:
            if waiting and free:
                fault, copy = waiting.pop(), free.pop()
                running[_start(copy, fault, fault.tests)] = Run(fault, copy, time.monotonic())
                continue
            run, code = _wait(running)
            free.append(run.copy)
            if run.fault is not None and code == PASSED:
                survivors.append(run.fault)
    return survivors


def _copy(folder: Path) -> Path:
    """Return a copy of the project whose packages are imported before the installed ones."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    (folder / "osarbench_benchmarks").symlink_to("benchmarks")
    return folder


def _start(copy: Path, fault: Mutation | None, tests: Sequence[str]) -> int:
    """Plant the fault, run the tests in a process of their own and return its number."""
    if fault is not None:
        file = copy / fault.file
        file.write_text(file.read_text(encoding="utf-8").replace(fault.snippet, fault.mutant), encoding="utf-8")
    process = os.fork()
    if process == 0:
        signal.alarm(TIMEOUT)
        _become_pytest(copy, tests)
    return process


def _become_pytest(copy: Path, tests: Sequence[str]) -> None:
    """Run tests of a copy and end this process with pytest's exit code."""
    code = 70  # of a program that broke down
    try:
        with (copy / "output.txt").open("w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.chdir(copy)
        sys.path[:0] = [str(copy), str(copy / "plugins"), str(copy / "tests")]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        module = importlib.import_module("osarbench")
        assert Path(str(module.__file__)).is_relative_to(copy), "the installed package is tested, not the copy"
        code = int(
            importlib.import_module("pytest").main(
                ["-x", "-q", "-p", "no:cacheprovider", "-W", IGNORED, "-m", "not slow", *tests]
            )
        )
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _wait(running: dict[int, Run]) -> tuple[Run, int]:
    """Wait for one of the processes, restore its copy, and return pytest's exit code."""
    process, status = os.wait()
    run, code = running.pop(process), os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        code = FAILED
    if code not in (PASSED, FAILED):
        output = (run.copy / "output.txt").read_text(encoding="utf-8")
        raise SystemExit(f"pytest ends with {code} on '{run.fault.what if run.fault else 'no fault'}':\n{output}")
    if run.fault is not None:
        (run.copy / run.fault.file).write_text((ROOT / run.fault.file).read_text(encoding="utf-8"), encoding="utf-8")
    word, what = ("SURVIVED", "found")[code], run.fault.what if run.fault else "no fault"
    print(f"{word if run.fault else '':<8} {time.monotonic() - run.begin:5.1f} s  {what}", flush=True)
    return run, code


if __name__ == "__main__":
    sys.exit(main())
