"""Optimiser groups and learning-rate schedules."""

import pytest
import torch
from torch import nn

from osarbench.errors import OsarbenchError
from osarbench.pipe.optimize import make_optimizer, rate_factor
from osarbench.protocol import Training


def recipe(**changes: object) -> Training:
    return Training(**{"epochs": 10, "batch_size": 4, "learning_rate": 0.1, **changes})  # type: ignore[arg-type]


def network() -> nn.Module:
    return nn.ModuleDict({"backbone": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), "head": nn.Linear(4, 2)})


def test_the_cosine_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for epoch in range(10):
        assert rate_factor(recipe(schedule="cosine"), epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


def test_steps_divide_by_ten_at_the_milestones() -> None:
    factors = [rate_factor(recipe(schedule="step", milestones=(2, 4)), epoch) for epoch in range(6)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_warm_up_rises_linearly_from_zero() -> None:
    assert [rate_factor(recipe(warmup_epochs=2), epoch) for epoch in (0, 1, 2, 3)] == [0, 0.5, 1, 1]


def test_the_longest_fitting_prefix_sets_the_rate() -> None:
    optimizer = make_optimizer(network(), recipe(rates={"backbone.": 0.1, "backbone.1": 2.0}))
    rates = {round(group["lr"], 6): sum(p.numel() for p in group["params"]) for group in optimizer.param_groups}
    assert rates == {0.01: 16, 0.2: 8, 0.1: 10}


def test_norms_and_biases_can_be_spared_from_decay() -> None:
    groups = make_optimizer(network(), recipe(weight_decay=0.5, decay_norms_and_biases=False)).param_groups
    assert {group["weight_decay"]: sum(p.numel() for p in group["params"]) for group in groups} == {0.5: 20, 0.0: 14}


def test_a_prefix_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(OsarbenchError, match="no trained parameter starts with 'haed'"):
        make_optimizer(network(), recipe(rates={"haed": 2.0}))
