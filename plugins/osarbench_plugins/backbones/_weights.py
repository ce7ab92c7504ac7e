"""Weights fitted into a module with every key accounted for."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from osarbench.errors import OsarbenchError


class Faults(NamedTuple):
    """Keys that keep a state dict from fitting a module."""

    missing: list[str]
    unexpected: list[str]
    misshapen: list[str]  #: each with both shapes


def faults(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], leftovers: Iterable[str]) -> Faults:
    """Compare a state dict with the one that is wanted: every tensor is given, of the right shape, none is left over.

    Keys that begin with one of ``leftovers`` (classifiers) may be in surplus, and ``num_batches_tracked``, a counter,
    may be absent.
    """
    expected = tuple(leftovers)
    return Faults(
        [key for key in wanted if key not in state and not key.endswith("num_batches_tracked")],
        [key for key in state if key not in wanted and not key.startswith(expected)],
        [
            f"{key} {list(state[key].shape)} instead of {list(value.shape)}"
            for key, value in wanted.items()
            if key in state and state[key].shape != value.shape
        ],
    )


def fit_weights(module: nn.Module, state: Mapping[str, Tensor], found: Faults, *, source: str) -> None:
    """Copy ``state`` into ``module``, unless there are faults. ``source`` names file and network in the message.

    Raises:
        OsarbenchError: keys are missing, unexpected or of another shape; the first few are named, all are counted.
    """
    if any(found):
        listed = "; ".join(
            f"{len(keys)} {fault} ({_first(keys)})" for fault, keys in found._asdict().items() if keys
        )  # fmt: skip
        raise OsarbenchError(f"{source} do not fit: {listed}. Choose the network they were trained for.")
    wanted = module.state_dict()
    module.load_state_dict({key: value for key, value in state.items() if key in wanted}, strict=False)


def fit_matching(module: nn.Module, state: Mapping[str, Tensor], leftovers: Iterable[str]) -> tuple[int, Faults]:
    """Copy what has the name and shape of one of the module's tensors; return how many, and what was left."""
    wanted = module.state_dict()
    matching = {key: value for key, value in state.items() if key in wanted and value.shape == wanted[key].shape}
    module.load_state_dict(matching, strict=False)
    return len(matching), faults(wanted, state, leftovers)


def _first(keys: list[str], count: int = 3) -> str:
    """Return the first few keys as one string."""
    return ", ".join(keys[:count]) + (", ..." if len(keys) > count else "")
