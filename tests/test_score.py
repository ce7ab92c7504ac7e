"""Scoring: what a method returns is checked row by row, and what it does to its inputs stays its own affair."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import LinearHead, Method, Outputs
from osarbench.run import scoring
from osarbench.run.tasks import Classification

VIDEOS, CLASSES = 10, ("jump", "run", "walk")
FEATURES = np.random.default_rng(0).normal(size=(VIDEOS, 2, 4)).astype(np.float32)
ROWS = pd.DataFrame(
    {
        "video": [f"{position}.avi" for position in range(VIDEOS)],
        "role": "known",
        "source": "toy",
        "label": "run",
        "group": "g",
    }
)


class Scored(Method):
    """A method that returns what it is given."""

    name = "scored"

    def __init__(
        self, uncertainty: Callable[[Outputs], Any], probabilities: Callable[[Tensor], Any] | None = None
    ) -> None:
        self.own, self.change = uncertainty, probabilities

    def uncertainty(self, outputs: Outputs) -> Any:
        return self.own(outputs)

    def probabilities(self, outputs: Outputs) -> Any:
        found = super().probabilities(outputs)
        return found if self.change is None else self.change(found)


def energy(outputs: Outputs) -> Tensor:
    return -outputs.logits.logsumexp(dim=1)


def head() -> LinearHead:
    made = LinearHead(4, 4, 3).eval()
    torch.nn.init.orthogonal_(made.fc.weight, generator=torch.Generator().manual_seed(1))
    return made


def table(method: Method, own_head: LinearHead | None = None) -> pd.DataFrame:
    return scored(method, own_head or head(), ROWS)


def scored(method: Method, own_head: LinearHead, rows: pd.DataFrame) -> pd.DataFrame:
    decisions = scoring.decide(method, own_head, FEATURES, rows["video"].to_numpy(), CLASSES)
    return Classification().table(rows, decisions, CLASSES)


def test_what_a_method_does_to_the_head_leaves_the_next_one_alone() -> None:
    def harmful(outputs: Outputs) -> Tensor:
        for parameter in outputs.head.parameters():
            parameter.data.zero_()
        return energy(outputs)

    shared, before = head(), table(Scored(energy))
    table(Scored(harmful), shared)
    pd.testing.assert_frame_equal(table(Scored(energy), shared), before)


@pytest.mark.parametrize(
    ("uncertainty", "complaint"),
    [
        (lambda outputs: None, r"uncertainty of type NoneType, not a tensor \[N\]"),
        (lambda outputs: energy(outputs).numpy(), "uncertainty of type ndarray"),
        (lambda outputs: energy(outputs)[:, None], r"shape \(10, 1\), not \[N\] = \(10,\)"),
        (lambda outputs: energy(outputs) * 1j, "complex numbers"),
    ],
)
def test_a_score_of_a_wrong_form_is_named(uncertainty: Callable[[Outputs], Any], complaint: str) -> None:
    with pytest.raises(OsarbenchError, match=f"'scored' returns an .*{complaint}"):
        table(Scored(uncertainty))


def test_rows_without_a_number_are_counted_over_all_videos_and_the_first_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "CHUNK", 4)
    lost = [3, 4, 9]
    whole = torch.from_numpy(FEATURES[lost]).mean(dim=1)

    def uncertainty(outputs: Outputs) -> Tensor:
        missing = (outputs.features[:, None] == whole).all(dim=2).any(dim=1)
        return energy(outputs).masked_fill(missing, torch.nan)

    with pytest.raises(OsarbenchError, match=r"NaN or infinite for 3 of 10 videos, the first of them '3\.avi'"):
        table(Scored(uncertainty))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda found: found + torch.tensor([1.0, -1.0, 0.0]), "are negative"),
        (lambda found: 2 * found, "do not sum to 1"),
        (lambda found: found / 0, "are NaN or infinite"),
    ],
)
def test_probabilities_that_are_none_are_refused(change: Callable[[Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(OsarbenchError, match=f"'scored' returns probabilities that {complaint} for 10 of 10 videos"):
        table(Scored(energy, change))


def test_a_score_may_carry_a_gradient() -> None:
    def uncertainty(outputs: Outputs) -> Tensor:
        with torch.enable_grad():
            return energy(outputs) * torch.ones(1, requires_grad=True)

    pd.testing.assert_frame_equal(table(Scored(uncertainty)), table(Scored(energy)))


def test_a_method_that_ends_the_program_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"'scored' called sys.exit\(3\) while it scored videos"):
        table(Scored(lambda outputs: sys.exit(3)))


def test_a_table_says_at_which_rank_the_label_of_a_known_video_stands() -> None:
    rows = ROWS.assign(role=["unknown", *["known"] * (VIDEOS - 1)], label=["fly", *["run"] * (VIDEOS - 1)])
    found = scored(Scored(energy), head(), rows)
    assert found["label_rank"].isna().tolist() == [True] + [False] * (VIDEOS - 1)
    assert set(found["label_rank"][1:]) <= {1, 2, 3}
    assert ((found["label_rank"] == 1) == (found["predicted"] == found["label"])).all()


def test_a_method_is_told_the_names_of_the_classes() -> None:
    def uncertainty(outputs: Outputs) -> Tensor:
        assert outputs.class_names == CLASSES
        return energy(outputs)

    assert len(table(Scored(uncertainty))) == VIDEOS
