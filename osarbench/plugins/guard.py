"""Running other people's code at import: it can neither end the program nor leave global state changed.

What is guarded is what numbers or later code depend on. A plugin that ends the process behind Python's back
(``os._exit``) is beyond it.
"""

import multiprocessing
import os
import pickle
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from osarbench import console
from osarbench.errors import OsarbenchError

T = TypeVar("T")
#: Of environment variables that are put back.
PREFIXES = ("CUDA_", "MKL_", "NCCL_", "OMP_", "OSARBENCH_", "PYTHON", "PYTORCH_", "TORCH_")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _State(NamedTuple):
    """One piece of global state."""

    name: str  #: what a user calls it
    read: Callable[[], Any]  #: comparable
    restore: Callable[[Any], object]


def guarded(title: str, function: Callable[[], T]) -> T:
    """Return what a function of a plugin returns; global state that it changed is put back, and the user told.

    Args:
        title: of the plugin, for messages.
        function: imports the plugin, or asks a hook of it.

    Raises:
        OsarbenchError: it tried to end the program, or raised KeyboardInterrupt though nobody interrupted it.
        Exception: whatever else it raises.
    """
    before = [(state, state.read()) for state in _states()]
    filters = list(warnings.filters)
    try:
        with _signals_watched() as arrived:
            try:
                return function()
            except Exception:
                raise
            except BaseException as error:
                if arrived:  # the user, or who runs the program, wants it to end
                    raise
                raise OsarbenchError(f"The plugin {title} {_what(error)}") from error
    finally:
        changed = [state.name for state, value in before if _put_back(state, value)]
        if _filters_put_back(filters):
            changed.append("warnings filters")
        if changed:
            console.say(f"The plugin {title} changes {', '.join(changed)} when it is loaded. That is undone.")


def _what(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"tries to end the program when it is loaded (sys.exit({'' if error.code is None else repr(error.code)}))."
        )
    return f"raises {type(error).__name__} when it is loaded."


def _put_back(state: _State, value: Any) -> bool:
    """Restore a piece of state; return whether it had changed."""
    if state.read() == value:
        return False
    state.restore(value)
    return True


def _filters_put_back(before: list[Any]) -> bool:
    """Remove filters that hold for every warning, and restore lost ones; those of single libraries stay."""
    after = list(warnings.filters)
    new = [its for its in after if its not in before]
    broad = [its for its in new if its[1] is None and its[3] is None]
    if not broad and len(after) == len(before) + len(new):
        return False
    warnings.filters[:] = [its for its in new if its not in broad] + before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]  # as warnings.catch_warnings does
    return True


@contextmanager
def _signals_watched() -> Iterator[list[int]]:
    """Yield a list that signals are noted in before they are handled as ever; handlers are put back."""
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # signals arrive elsewhere
        yield arrived
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def noting(handler: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def note(number: int, frame: Any) -> Any:
            arrived.append(number)
            return handler(number, frame)

        return note

    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, noting(handler))
    try:
        yield arrived
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # None: set by another language, and not to be set from here
                signal.signal(number, handler)


def _states() -> list[_State]:
    """Return the state to keep: of Python always, of NumPy and torch where they are loaded already."""
    states = [
        _State("the working directory", os.getcwd, os.chdir),
        _State("environment variables", _environment, _set_environment),
        _State("sys.stdout or sys.stderr", lambda: (sys.stdout, sys.stderr), _set_streams),
        _State(
            "how processes are started", _start_method, lambda its: multiprocessing.set_start_method(its, force=True)
        ),
        _State("Python's random generator", random.getstate, random.setstate),
    ]
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        states += [
            _State("NumPy's random generator", lambda: pickle.dumps(numpy.random.get_state()),
                   lambda its: numpy.random.set_state(pickle.loads(its))),
            _State("NumPy's handling of floating-point errors", numpy.geterr, lambda its: numpy.seterr(**its)),
        ]  # fmt: skip
    return states if torch is None else states + _torch_states(torch)


def _torch_states(torch: Any) -> list[_State]:
    def set_generator(its: bytes) -> None:
        torch.set_rng_state(torch.frombuffer(bytearray(its), dtype=torch.uint8))

    def set_device(its: Any) -> None:
        torch.set_default_device(None if its.type == "cpu" else its)

    def deterministic() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    def set_cudnn(its: tuple[bool, bool]) -> None:
        cudnn.benchmark, cudnn.deterministic = its

    cudnn = torch.backends.cudnn
    return [
        # First, for the others make tensors.
        _State("torch's default device", torch.get_default_device, set_device),
        _State("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
        _State("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
        _State("torch's random generator", lambda: torch.get_rng_state().numpy().tobytes(), set_generator),
        _State("whether torch computes gradients", torch.is_grad_enabled, torch.set_grad_enabled),
        _State("torch's deterministic algorithms", deterministic,
               lambda its: torch.use_deterministic_algorithms(its[0], warn_only=its[1])),
        _State("torch's precision of products", torch.get_float32_matmul_precision,
               torch.set_float32_matmul_precision),
        _State("cuDNN's settings", lambda: (cudnn.benchmark, cudnn.deterministic), set_cudnn),
    ]  # fmt: skip


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}


def _set_environment(before: dict[str, str]) -> None:
    for name in _environment().keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _set_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)
