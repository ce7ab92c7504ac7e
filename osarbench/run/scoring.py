"""A method turns features into the scores table."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import FewShotMethod, Head, Method, Outputs
from osarbench.interfaces.task import Decisions

CHUNK = 4096  # videos scored at once, so that 36,000 videos of ten views fit in memory


def needs_fit(method: Method) -> bool:
    """Say whether a method fits on the outputs of training videos, so that these have to be extracted."""
    return type(method).fit is not Method.fit


def fit(method: Method, head: Head, features: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Let a method learn from training features [N, V, D] and labels [N].

    Args:
        method: needs_fit.
        head: the trained head on the CPU; the method gets a copy.
        features: [N, V, D].
        labels: int64 [N], in 0..K-1.
        class_names: [K] in the order of the logits.
    """
    with _named(method, "fitted on training videos"):
        method.fit(outputs(copy.deepcopy(head), features, class_names), torch.from_numpy(labels.copy()))


def fit_shots(method: FewShotMethod, head: Head, features: np.ndarray, class_names: Sequence[str]) -> None:
    """Let a few-shot method, fitted on training videos, learn from features [N, V, D] of the shots of its protocol.

    Args:
        method: fitted.
        head: the trained head on the CPU; the method gets a copy.
        features: [N, V, D].
        class_names: [K] of the known classes, in the order of the logits.
    """
    with _named(method, "learnt from shots"):
        method.fit_shots(outputs(copy.deepcopy(head), features, class_names))


def decide(
    method: Method, head: Head, features: np.ndarray, videos: np.ndarray, class_names: Sequence[str]
) -> Decisions:
    """Return what a method says of N videos.

    Args:
        method: fitted, if it needs that.
        head: the trained head on the CPU; the method gets a copy.
        features: [N, V, D].
        videos: names [N], for messages.
        class_names: [K] in the order of the logits.

    Raises:
        OsarbenchError: the method returns a wrong shape, NaN or infinity, or probabilities that are none.
    """
    head = copy.deepcopy(head)  # so that whatever a method does to it leaves other methods' scores alone
    size = max(len(features), 1) if method.scored_together else CHUNK
    parts = [_scored(method, outputs(head, chunk, class_names)) for chunk in _chunks(features, size)]
    probabilities, uncertainty = (np.concatenate(each) for each in zip(*parts, strict=True))
    _check(method, probabilities, uncertainty, videos)
    return Decisions(probabilities, uncertainty)


def diagnostics(
    method: Method, head: Head, features: np.ndarray, rows: pd.DataFrame, class_names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the method's facts about its scores by source of videos; empty if it has none.

    Args:
        method: fitted, if it needs that.
        head: the trained head on the CPU; the method gets a copy.
        features: [N, V, D].
        rows: N rows of the index.
        class_names: [K] in the order of the logits.
    """
    if type(method).diagnostics is Method.diagnostics:
        return {}
    head, found = copy.deepcopy(head), dict[str, dict[str, float]]()
    for source in sorted(set(rows["source"])):
        places = np.flatnonzero((rows["source"] == source).to_numpy())
        sums: dict[str, float] = {}
        for begin in range(0, len(places), CHUNK):
            part = places[begin : begin + CHUNK]
            with torch.no_grad(), _named(method, "described its scores"):
                facts = method.diagnostics(outputs(head, features[part], class_names))
            for name, mean in facts.items():
                sums[name] = sums.get(name, 0.0) + float(mean) * len(part)
        found[source] = {name: total / len(places) for name, total in sums.items()}
    return found


def by_class(rows: pd.DataFrame, facts: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return means of what a backbone says of videos, by source, and under "classes" by class; empty if nothing.

    Args:
        rows: N rows of the index.
        facts: [N] by name.
    """
    if not facts:
        return {}
    table, found = pd.DataFrame(dict(facts), index=rows.index), dict[str, dict[str, Any]]()
    for source, its in table.groupby(rows["source"]):
        labels = its.groupby(rows["label"].loc[its.index]).mean()
        means: dict[str, Any] = {str(name): mean for name, mean in its.mean().items()}
        found[str(source)] = {**means, "classes": labels.to_dict("index")}
    return found


@contextmanager
def _named(method: Method, did: str) -> Iterator[None]:
    """Note method and stage on what a plugin raises."""
    try:
        yield
    except OsarbenchError:
        raise
    except SystemExit as error:  # or the program would end without a word
        raise RuntimeError(f"The method '{method.name}' called sys.exit({error.code!r}) while it {did}.") from error
    except Exception as error:
        error.add_note(f"osarbench: raised while the method '{method.name}' {did}")
        raise


def _scored(method: Method, outputs: Outputs) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities [N, K] and uncertainty [N] of some videos, in float64."""
    with torch.no_grad(), _named(method, "scored videos"):
        found = method.probabilities(outputs), method.uncertainty(outputs)
    videos, classes = len(outputs.view_features), len(outputs.class_names)
    return (
        _array(found[0], f"The method '{method.name}' returns probabilities", (videos, classes), "[N, K]"),
        _array(found[1], f"The method '{method.name}' returns an uncertainty", (videos,), "[N]"),
    )


def _array(found: Any, returns: str, shape: tuple[int, ...], letters: str) -> np.ndarray:
    """Return a tensor of real numbers as an array, if it has the shape."""
    if not isinstance(found, torch.Tensor):
        raise OsarbenchError(f"{returns} of type {type(found).__name__}, not a tensor {letters}.")
    if tuple(found.shape) != shape:
        raise OsarbenchError(f"{returns} of shape {tuple(found.shape)}, not {letters} = {shape}.")
    if found.is_complex():
        raise OsarbenchError(f"{returns} of complex numbers.")
    array: np.ndarray = found.detach().double().numpy()
    return array


def _chunks(features: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for begin in range(0, len(features), size):
        yield features[begin : begin + size]


def outputs(head: Head, features: np.ndarray, class_names: Sequence[str]) -> Outputs:
    """Return the outputs for features [N, V, D]; their logits are the head's, or stated behind them, [N, V, D + K]."""
    vectors = torch.from_numpy(np.array(features, dtype=np.float32))  # a copy that methods cannot harm
    if vectors.shape[-1] == head.dim + len(class_names):
        return Outputs(vectors[..., : head.dim], vectors[..., head.dim :], head, tuple(class_names))
    with torch.no_grad():
        logits = head(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])  # [N, V, K]
    return Outputs(vectors, logits, head, tuple(class_names))


def _check(method: Method, probabilities: np.ndarray, uncertainty: np.ndarray, videos: np.ndarray) -> None:
    """Refuse what would make a wrong row, naming the method and the first video."""
    sums = probabilities.sum(axis=1)
    ways = {
        "uncertainty that is NaN or infinite": ~np.isfinite(uncertainty),
        "probabilities that are NaN or infinite": ~np.isfinite(sums),
        "probabilities that are negative": probabilities.min(axis=1) < 0,
        "probabilities that do not sum to 1": abs(sums - 1) > 1e-3,
    }
    for what, wrong in ways.items():
        if wrong.any():
            raise OsarbenchError(
                f"The method '{method.name}' returns {what} for {int(wrong.sum())} of {len(videos)} videos, the first "
                f"of them '{videos[wrong][0]}'."
            )
