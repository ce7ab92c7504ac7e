"""Margin: the checks of every method, and its formula."""

import pytest
import torch
from osarbench_margin import Margin

import osarbench.testing
from osarbench import LinearHead, Outputs


@pytest.mark.parametrize("check", osarbench.testing.checks("method"), ids=str)
def test_it_passes_every_check(check: osarbench.testing.Check) -> None:
    check(Margin)


def test_the_score_of_a_hand_made_video() -> None:
    outputs = Outputs(torch.zeros(1, 1, 4), torch.tensor([[[5.0, 1.0, 2.0]]]), LinearHead(4, 4, 3))
    assert Margin().uncertainty(outputs).tolist() == [-3.0]
