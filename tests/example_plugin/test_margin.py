"""What margin promises: what every method does, and its formula."""

import pytest
import torch
from osarbench_margin import Margin

import osarbench.checks
from osarbench import LinearHead, Outputs


@pytest.mark.parametrize("promise", osarbench.checks.promises("method"), ids=str)
def test_it_keeps_what_every_method_checks(promise: osarbench.checks.Promise) -> None:
    promise(Margin)


def test_the_score_of_a_video_made_by_hand() -> None:
    outputs = Outputs(torch.zeros(1, 1, 4), torch.tensor([[[5.0, 1.0, 2.0]]]), LinearHead(4, 4, 3))
    assert Margin().uncertainty(outputs).tolist() == [-3.0]
