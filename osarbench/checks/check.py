"""A promise: one sentence a plugin must keep, the code that tries it, and the verdict."""

import traceback
import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from osarbench.errors import OsarbenchError

Outcome = Literal["ok", "failed", "skipped"]


class Verdict(NamedTuple):
    """What became of one promise."""

    promise: str  #: its name
    outcome: Outcome
    message: str  #: ok: what was measured, if anything; failed: what is wrong; skipped: why it was not tried


class BrokenPromiseError(AssertionError):
    """A plugin does not keep a promise; the message says what was seen, and mostly why."""


class NotTried(unittest.SkipTest):
    """A promise cannot be tried here; pytest shows it as a skipped test."""


@dataclass(frozen=True)
class Promise:
    """One promise. Call it with a plugin class, or an instance where settings matter, in a test of your own.

    Args:
        name: as it stands in a `Verdict` and in the plugin's ``excuses``.
        says: the promise, in one sentence.
        check: tries it on a prepared case; returns what it measured.
        case: prepares a plugin class or instance.
        basic: whether the promises after it mean nothing where it is broken.
    """

    name: str
    says: str
    check: Callable[[Any], str | None]
    case: Callable[[Any], Any]
    basic: bool = False

    def __str__(self) -> str:
        return self.name

    def __call__(self, plugin: Any) -> None:
        """Try the promise on a plugin.

        Raises:
            BrokenPromiseError: it is not kept (an ``AssertionError``), or it is kept in spite of an excuse.
            NotTried: it is excused, or cannot be tried here.
        """
        reason = excuses(plugin).get(self.name)
        try:
            self.check(self.case(plugin))
        except NotTried:
            raise
        except Exception as error:
            if lacks_a_library(error):
                raise NotTried(str(error)) from error
            if reason is not None:
                raise NotTried(f"excused: {reason}") from error
            error.add_note(f"osarbench: the promise '{self.name}' of {title(plugin)}: {self.says}")
            raise
        if reason is not None:
            raise BrokenPromiseError(
                f"{title(plugin)} keeps the promise '{self.name}' and excuses it ({reason}). {DROP}"
            )


DROP = "Delete the excuse."


def promise(check: Callable[[Any], str | None], case: Callable[[Any], Any], *, basic: bool = False) -> Promise:
    """Return the promise that a function tries: its name is the promise's, its docstring's first line the sentence."""
    return Promise(check.__name__, (check.__doc__ or "").splitlines()[0], check, case, basic)


def try_all(promises: Sequence[Promise], plugin: Any, case: Any) -> list[Verdict]:
    """Return the verdict on every promise; all of them look at the same case."""
    excused = excuses(plugin)
    verdicts: list[Verdict] = []
    missing = ""  # the basic promise that is broken
    for promise in promises:
        if missing:
            verdicts.append(Verdict(promise.name, "skipped", f"'{missing}' is broken, on which it rests"))
            continue
        verdicts.append(_excuse(_try(promise, case), excused))
        missing = promise.name if promise.basic and verdicts[-1].outcome == "failed" else ""
    names = [promise.name for promise in promises]
    stray = [name for name in excused if name not in names]
    if stray:
        verdicts.append(Verdict("excuses", "failed", f"There is no promise '{stray[0]}' to excuse."))
    return verdicts


def excuses(plugin: Any) -> Mapping[str, str]:
    """Return the promises that a plugin says it breaks, each with its reason: the class attribute ``excuses``."""
    found: Mapping[str, str] = getattr(plugin, "excuses", {})
    return found


def lacks_a_library(error: BaseException) -> bool:
    """Say whether a plugin explains, by an `OsarbenchError`, that something it is built of is not installed."""
    return isinstance(error, OsarbenchError) and isinstance(error.__cause__, ImportError)


def title(plugin: Any) -> str:
    """Return a plugin's name, or its class's where it has none."""
    cls = plugin if isinstance(plugin, type) else type(plugin)
    return str(getattr(cls, "name", cls.__name__))


def _try(promise: Promise, case: Any) -> Verdict:
    try:
        return Verdict(promise.name, "ok", promise.check(case) or "")
    except NotTried as reason:
        return Verdict(promise.name, "skipped", str(reason))
    except BrokenPromiseError as error:
        return Verdict(promise.name, "failed", str(error))
    except (Exception, SystemExit) as error:
        if lacks_a_library(error):
            return Verdict(promise.name, "skipped", str(error))
        return Verdict(promise.name, "failed", f"It raised {type(error).__name__}: {error}{place(error)}")


def _excuse(verdict: Verdict, excused: Mapping[str, str]) -> Verdict:
    reason = excused.get(verdict.promise)
    if reason is None or verdict.outcome == "skipped":
        return verdict
    if verdict.outcome == "failed":
        return Verdict(verdict.promise, "skipped", f"excused: {reason}")
    return Verdict(verdict.promise, "failed", f"It is kept, and excused ({reason}). {DROP}")


def place(error: BaseException) -> str:
    """Return the innermost line of the plugin's own code, which is any but osarbench's and the libraries'."""
    package = Path(__file__).parents[1]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    files = [(Path(frame.filename), frame.lineno) for frame in frames]
    own = [(file, line) for file, line in files if package not in file.parents and "site-packages" not in file.parts]
    return f" ({own[-1][0].name}, line {own[-1][1]})" if own else ""
