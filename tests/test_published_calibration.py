"""DEAR's calibration errors (ICCV 2021), recomputed from the score files they are of."""

from pathlib import Path

import numpy as np
import pytest

from osarbench.published import npz
from osarbench.scores.metrics import calibration


@pytest.mark.parametrize(
    ("name", "threshold", "expected"),
    [
        ("TSM_DNN_BALD_HMDB", 0.000022, (0.049, 0.312, 0.310)),
        ("TSM_BNN_BALD_HMDB", 0.000003, (0.053, 0.329, 0.329)),
        ("TSM_EDLNoKLAvUCDebias_EDL_HMDB", 0.004549, (0.043, 0.200, 0.185)),
    ],
)
def test_ece_in_dears_three_variants(shared: Path, name: str, threshold: float, expected: tuple[float, ...]) -> None:
    scores = npz.read(shared / f"data/scores/psl/results/{name}_result.npz")
    views = calibration.dear_decisions(
        known=scores.known.uncertainty,
        unknown=scores.unknown.uncertainty,
        known_correct=np.equal(scores.known.labels, scores.known.predicted),
        threshold=threshold,
    )
    values = [calibration.ece(*views[name]) for name in ("closed", "open", "binary")]  # type: ignore[misc]
    assert values == pytest.approx(expected, abs=6e-4)
