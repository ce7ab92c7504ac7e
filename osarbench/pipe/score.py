"""Stage 5: a method turns features into the scores table, one row a video."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.method import Head, Method, Outputs
from osarbench.pipe.index import Index

CHUNK = 4096  # videos scored at once, so that 36,000 videos of ten views fit in memory


def learns(method: Method) -> bool:
    """Say whether a method fits on the outputs of training videos, so that these have to be extracted."""
    return type(method).fit is not Method.fit


def fit(method: Method, head: Head, features: np.ndarray, labels: np.ndarray) -> None:
    """Let a method learn from training features [N, V, D] and labels [N]."""
    with _named(method, "fitted on training videos"):
        method.fit(_outputs(head, features), torch.from_numpy(labels))


def table(method: Method, head: Head, features: np.ndarray, rows: pd.DataFrame, index: Index) -> pd.DataFrame:
    """Return the scores table for features [N, V, D] of N index rows.

    Raises:
        OsarbenchError: the method returns a wrong shape, NaN or infinity, or probabilities that do not sum to 1.
    """
    confidence, predicted, uncertainty = [], [], []
    for chunk in _chunks(features):
        with torch.no_grad(), _named(method, "scored videos"):
            outputs = _outputs(head, chunk)
            probabilities, scores = method.probabilities(outputs), method.uncertainty(outputs)
        _check(method, probabilities, scores, len(chunk), len(index.classes))
        best = probabilities.max(dim=1)
        confidence.append(best.values.double().numpy())
        predicted.append(best.indices.numpy())
        uncertainty.append(scores.double().numpy())
    places = np.concatenate(predicted)
    return pd.DataFrame(
        {
            "video": rows["video"].to_numpy(),
            "role": rows["role"].to_numpy(),
            "source": rows["source"].to_numpy(),
            "label": rows["label"].to_numpy(),
            "predicted": [index.classes[place] for place in places],
            "confidence": np.concatenate(confidence),
            "uncertainty": np.concatenate(uncertainty),
            "group": rows["group"].to_numpy(),
        }
    )


def diagnostics(method: Method, head: Head, features: np.ndarray, rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the method's facts about its scores of features [N, V, D], by source of videos; empty if it has none."""
    if type(method).diagnostics is Method.diagnostics:
        return {}
    found: dict[str, dict[str, float]] = {}
    for source in sorted(set(rows["source"])):
        places = np.flatnonzero((rows["source"] == source).to_numpy())
        sums: dict[str, float] = {}
        for begin in range(0, len(places), CHUNK):
            part = places[begin : begin + CHUNK]
            with torch.no_grad(), _named(method, "described its scores"):
                facts = method.diagnostics(_outputs(head, features[part]))
            for name, mean in facts.items():
                sums[name] = sums.get(name, 0.0) + float(mean) * len(part)
        found[source] = {name: total / len(places) for name, total in sums.items()}
    return found


@contextmanager
def _named(method: Method, did: str) -> Iterator[None]:
    """Note method and stage on what a plugin raises."""
    try:
        yield
    except OsarbenchError:
        raise
    except Exception as error:
        error.add_note(f"osarbench: raised while the method '{method.name}' {did}")
        raise


def _chunks(features: np.ndarray) -> Iterator[np.ndarray]:
    for begin in range(0, len(features), CHUNK):
        yield features[begin : begin + CHUNK]


def _outputs(head: Head, features: np.ndarray) -> Outputs:
    vectors = torch.from_numpy(np.array(features, dtype=np.float32))  # [N, V, D], a copy that methods cannot harm
    with torch.no_grad():
        logits = head(vectors.flatten(0, 1)).unflatten(0, vectors.shape[:2])  # [N, V, K]
    return Outputs(vectors, logits, head)


def _check(method: Method, probabilities: Tensor, uncertainty: Tensor, videos: int, classes: int) -> None:
    """Refuse what would make a wrong row, naming the method."""
    who = f"The method '{method.name}'"
    if tuple(uncertainty.shape) != (videos,):
        raise OsarbenchError(
            f"{who} returns an uncertainty of shape {tuple(uncertainty.shape)}, not [N] = ({videos},)."
        )
    if tuple(probabilities.shape) != (videos, classes):
        raise OsarbenchError(
            f"{who} returns probabilities of shape {tuple(probabilities.shape)}, not [N, K] = ({videos}, {classes})."
        )
    for what, values in (("uncertainty", uncertainty), ("probabilities", probabilities.sum(dim=1))):
        bad = int((~torch.isfinite(values)).sum())
        if bad:
            raise OsarbenchError(f"{who} returns {what} that are NaN or infinite for {bad} of {videos} videos.")
    if not torch.allclose(probabilities.sum(dim=1).double(), torch.ones(videos, dtype=torch.float64), atol=1e-3):
        raise OsarbenchError(f"{who} returns probabilities that do not sum to 1.")
