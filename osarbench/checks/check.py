"""A check: one requirement on a plugin, the function that tests it, and its result."""

import traceback
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from osarbench.errors import OsarbenchError

Outcome = Literal["ok", "failed", "skipped"]
CheckFunction = Callable[[Any], str | None]  #: takes a case, raises `CheckFailed`, returns what it measured


class CheckResult(NamedTuple):
    """The result of one check."""

    check: str  #: its name
    outcome: Outcome
    message: str  #: ok: what was measured, if anything; failed: what is wrong; skipped: why it was not run


class CheckFailed(AssertionError):  # noqa: N818 (like pytest.fail.Exception, it is an outcome)
    """A plugin fails a check; the message says what was seen, and usually why."""


class CheckSkipped(unittest.SkipTest):
    """A check cannot be run here; pytest shows it as a skipped test."""


@dataclass(frozen=True)
class Check:
    """One check. Call it with a plugin class, or an instance where settings matter, in a test of your own.

    Args:
        name: as written in a `CheckResult` and in the plugin's ``expected_failures``.
        requirement: what a plugin must do to pass, in one sentence.
        function: tests a prepared case; returns what it measured.
        case: prepares a plugin class or instance.
        basic: whether the checks after it mean nothing where it fails.
    """

    name: str
    requirement: str
    function: CheckFunction
    case: Callable[[Any], Any]
    basic: bool = False

    def __str__(self) -> str:
        return self.name

    def __call__(self, plugin: Any) -> None:
        """Run the check on a plugin.

        Raises:
            CheckFailed: the plugin fails it (an ``AssertionError``), or passes it although it expects to fail.
            CheckSkipped: the plugin fails it as expected, or it cannot be run here.
        """
        reason = expected_failures(plugin).get(self.name)
        try:
            self.function(self.case(plugin))
        except CheckSkipped:
            raise
        except Exception as error:
            if lacks_a_library(error):
                raise CheckSkipped(str(error)) from error
            if reason is not None:
                raise CheckSkipped(f"expected to fail: {reason}") from error
            error.add_note(f"osarbench: the check '{self.name}' of {title(plugin)}: {self.requirement}")
            raise
        if reason is not None:
            raise CheckFailed(
                f"{title(plugin)} passes the check '{self.name}' that it expects to fail ({reason}). {REMOVE}"
            )


REMOVE = "Remove it from expected_failures."


def make_check(function: CheckFunction, case: Callable[[Any], Any], *, basic: bool = False) -> Check:
    """Return the check made of a function: named as it is, its docstring's first line the requirement."""
    return Check(function.__name__, (function.__doc__ or "").splitlines()[0], function, case, basic)


def run_all(checks: Sequence[Check], plugin: Any, case: Any) -> list[CheckResult]:
    """Return the result of every check on one shared case; after a basic check that fails, the others are skipped."""
    expected = expected_failures(plugin)
    results: list[CheckResult] = []
    failed = ""  # the basic check that failed
    for check in checks:
        if failed:
            results.append(CheckResult(check.name, "skipped", f"'{failed}' failed, on which it depends"))
            continue
        results.append(_as_expected(_run(check, case), expected))
        failed = check.name if check.basic and results[-1].outcome == "failed" else ""
    names = [check.name for check in checks]
    stray = [name for name in expected if name not in names]
    if stray:
        results.append(CheckResult("expected_failures", "failed", f"There is no check '{stray[0]}'."))
    return results


def expected_failures(plugin: Any) -> Mapping[str, str]:
    """Return the checks that a plugin declares it fails, each with its reason: its ``expected_failures``."""
    found: Mapping[str, str] = getattr(plugin, "expected_failures", {})
    return found


def lacks_a_library(error: BaseException) -> bool:
    """Say whether a plugin explains, by an `OsarbenchError`, that a library it needs is not installed."""
    return isinstance(error, OsarbenchError) and isinstance(error.__cause__, ImportError)


def title(plugin: Any) -> str:
    """Return a plugin's name, or its class's where it has none."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    return str(getattr(cls, "name", cls.__name__))


def source_line(error: BaseException) -> str:
    """Return the innermost line of the plugin's own code, which is any but osarbench's and the libraries'."""
    package = Path(__file__).parents[1]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    files = [(Path(frame.filename), frame.lineno) for frame in frames]
    own = [(file, line) for file, line in files if package not in file.parents and "site-packages" not in file.parts]
    return f" ({own[-1][0].name}, line {own[-1][1]})" if own else ""


def _run(check: Check, case: Any) -> CheckResult:
    try:
        return CheckResult(check.name, "ok", check.function(case) or "")
    except CheckSkipped as reason:
        return CheckResult(check.name, "skipped", str(reason))
    except CheckFailed as error:
        return CheckResult(check.name, "failed", str(error))
    except (Exception, SystemExit) as error:
        if lacks_a_library(error):
            return CheckResult(check.name, "skipped", str(error))
        return CheckResult(check.name, "failed", f"It raised {type(error).__name__}: {error}{source_line(error)}")


def _as_expected(result: CheckResult, expected: Mapping[str, str]) -> CheckResult:
    reason = expected.get(result.check)
    if reason is None or result.outcome == "skipped":
        return result
    if result.outcome == "failed":
        return CheckResult(result.check, "skipped", f"expected to fail: {reason}")
    return CheckResult(result.check, "failed", f"It passes, and is expected to fail ({reason}). {REMOVE}")
