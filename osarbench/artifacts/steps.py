"""Steps: what makes which file from what, whether it is up to date, and the loop that makes what is not.

A step states its inputs, its output, its settings and its code. Its identity is computed here and nowhere else. Stating
steps (planning) reads and makes nothing. Executing takes one step after the other by a claim that does not wait, so
that several processes, on one machine or on several with a shared folder, share the work of one plan.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, Protocol

from osarbench.artifacts import locks, manifest
from osarbench.artifacts.code import Code
from osarbench.errors import OsarbenchError

#: What a step is made from: another step's output, or the digest of a content, which may be known late.
Input = "Step | str | None | Callable[[], str | None]"
State = Literal["fresh", "stale", "missing"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Step:
    """One file to be made."""

    name: str  #: for people, unique in a plan
    output: Path | None  #: None: no file of its own; such a step is executed every time
    make: Callable[["Step", Path], Mapping[str, Any] | None]  #: writes to a temporary path, returns facts to note
    code: Code
    inputs: Mapping[str, Any] = field(default_factory=dict)  #: name -> `Input`
    settings: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()  #: installed packages on whose versions the content depends
    record: Mapping[str, Any] = field(default_factory=dict)  #: facts that are noted and not compared
    after: tuple["Step", ...] = ()  #: steps that must be finished first, beyond the inputs
    is_done: Callable[[], bool] = lambda: False  #: of a step without output: whether nothing is left to do
    cheap: bool = False  #: made again without asking when it is stale; else the user is asked for --redo
    tidy: Callable[[], None] | None = None  #: deletes what only the making needed, once the output is written
    together: bool = False  #: in a distributed run, all processes make it; else the first alone

    @property
    def file(self) -> Path:
        """The output of a step that has one."""
        if self.output is None:
            raise ValueError(f"the step '{self.name}' makes no file")
        return self.output

    @property
    def needs(self) -> list["Step"]:
        """The steps that must be finished before this one can begin."""
        return [*self.after, *(source for source in self.inputs.values() if isinstance(source, Step))]

    def identity(self) -> dict[str, Any]:
        """Return what decides whether the output is up to date; the outputs of the inputs must be there."""
        return {
            "inputs": {name: _content(source) for name, source in self.inputs.items()},
            "settings": dict(self.settings),
            "code": self.code.digest,
            "versions": {name: _version(name) for name in self.packages},
        }

    def is_fresh(self, *, redo: bool) -> bool:
        """Say whether the output need not be made.

        Raises:
            OsarbenchError: it was made from something else, is not `cheap`, and `redo` is false.
        """
        return self.output is not None and manifest.is_fresh(self.output, self.identity(), redo=redo or self.cheap)

    def state(self) -> tuple[State, list[str]]:
        """Return whether the output is up to date, and what differs where it is stale; nothing is made.

        What depends on a file that is not there is missing too, for its identity is not known yet.
        """
        if self.output is None:
            return ("fresh" if self.is_done() else "missing"), []
        if any(step.state()[0] != "fresh" for step in self.needs):
            return "missing", []
        made = manifest.read(self.output)
        if made is None or not manifest.is_intact(self.output, made):
            return "missing", []
        different = manifest.differences(made["identity"], self.identity())
        return ("stale", different) if different else ("fresh", [])


class Crew(Protocol):
    """The processes that execute a plan together, in lockstep (DDP); one alone is the rule."""

    @property
    def first(self) -> bool:
        """Whether this is the process that decides and writes."""

    def tell(self, value: Any) -> Any:
        """Return the first process's value in every process."""


class Alone:
    """A crew of one."""

    first = True

    def tell(self, value: Any) -> Any:
        """Return the value."""
        return value


@dataclass(frozen=True)
class Failure:
    """A step that could not be made, and why."""

    step: Step
    error: Exception


def execute(
    steps: Sequence[Step],
    *,
    redo: bool = False,
    crew: Crew | None = None,
    failed: list[Failure] | None = None,
    say: Callable[[str], None] | None = None,
    took: dict[str, float] | None = None,
) -> None:
    """Make every step's output that is not up to date, each after those it needs.

    Args:
        steps: of a plan; what they need must be among them.
        redo: replace what was made from something else.
        crew: the processes of a distributed run.
        failed: if given, a step that raises is put there with all that need it, and the others go on; else the first
            error ends the execution.
        say: prints a line when another process makes what is left.
        took: if given, the seconds of what is made are added there, by the first word of a step's name.

    Raises:
        OsarbenchError: something is stale, or a step cannot be made.
    """
    crew = crew or Alone()
    pending, told = list(steps), False
    while pending:
        if not any(step.together for step in pending):  # the others would wait in vain
            if not crew.first:
                return
            crew = Alone()
        ready = [step for step in pending if not any(need in pending for need in step.needs)]
        progress = False
        for step in ready:
            try:
                finished = _advance(step, redo=redo, crew=crew, took=took)
            except Exception as error:
                if failed is None:
                    raise
                lost = [step, *_dependents(step, pending)]
                failed += [Failure(its, error) for its in lost]
                pending = [its for its in pending if its not in lost]
                progress = True
                break
            if finished:
                pending.remove(step)
                progress = True
        if not progress:
            if say is not None and not told and crew.first:
                say(f"Another run is making {ready[0].output}; waiting for it.")
                told = True
            time.sleep(locks.POLL)


def _advance(step: Step, *, redo: bool, crew: Crew, took: dict[str, float] | None) -> bool:
    """Make a step unless it is up to date; return False where somebody else is making it."""
    with _claimed(step, crew) as held:
        decision: str | Exception = "wait"
        if crew.first:
            try:
                decision = "skip" if step.is_fresh(redo=redo) else "make" if held else "wait"
            except OsarbenchError as error:
                decision = error
        decision = crew.tell(decision)
        if isinstance(decision, Exception):
            raise decision
        if decision == "make":
            start, kind = time.perf_counter(), step.name.partition(" ")[0]
            _make(step, crew)
            if took is not None:
                took[kind] = took.get(kind, 0.0) + time.perf_counter() - start
    return decision != "wait"


def _make(step: Step, crew: Crew) -> None:
    if not crew.first or step.output is None:
        if crew.first or step.together:
            step.make(step, step.output or Path())
        return
    start = time.perf_counter()
    made: dict[str, Any] = dict(step.record)
    with manifest.write_artifact(step.output, step.identity(), made) as temporary:
        made.update(step.make(step, temporary) or {})
        made.setdefault("seconds", round(time.perf_counter() - start, 2))
    if step.tidy is not None:
        step.tidy()


@contextmanager
def _claimed(step: Step, crew: Crew) -> Iterator[bool]:
    if not crew.first or step.output is None:
        yield crew.first
        return
    with locks.claim(step.output) as held:
        yield held


def _dependents(step: Step, steps: Sequence[Step]) -> list[Step]:
    found: list[Step] = []
    for other in steps:  # in the order of the plan, in which a step follows what it needs
        if any(need is step or need in found for need in other.needs):
            found.append(other)
    return found


def _content(source: Any) -> str | None:
    if isinstance(source, Step):
        return manifest.digest_of(source.file)
    found: str | None = source() if callable(source) else source
    return found


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
