"""Optimiser groups and learning-rate schedules."""

import pytest
import torch
from torch import nn

from osarbench.errors import OsarbenchError
from osarbench.model.optimize import make_optimizer, rate_factor
from osarbench.protocols import protocol
from osarbench.protocols.protocol import Training


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


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
def test_a_warm_up_multiplies_every_schedule(schedule: str) -> None:
    plain, warmed = (
        [rate_factor(recipe(schedule=schedule, milestones=(1, 3), warmup_epochs=epochs), done) for done in (0, 1, 2, 4)]
        for epochs in (0, 2)
    )
    assert warmed == pytest.approx([0, 0.5 * plain[1], plain[2], plain[3]])


def test_slowfasts_recipe_warms_up_under_its_cosine() -> None:
    training = protocol.read("dear2021-hmdb51").recipe("slowfast", "linear").training
    assert training.schedule == "cosine"
    assert training.warmup_epochs > 0
    start, middle = rate_factor(training, 0.0), rate_factor(training, training.warmup_epochs / 2)
    assert start == training.warmup_from
    assert middle < 0.6
    assert rate_factor(training, training.warmup_epochs) > 0.8


def test_the_longest_fitting_prefix_sets_the_rate() -> None:
    optimizer = make_optimizer(network(), recipe(lr_multipliers={"backbone.": 0.1, "backbone.1": 2.0}))
    rates = {round(group["lr"], 6): sum(p.numel() for p in group["params"]) for group in optimizer.param_groups}
    assert rates == {0.01: 16, 0.2: 8, 0.1: 10}


def test_norms_and_biases_can_be_spared_from_decay() -> None:
    groups = make_optimizer(network(), recipe(weight_decay=0.5, decay_norms_and_biases=False)).param_groups
    assert {group["weight_decay"]: sum(p.numel() for p in group["params"]) for group in groups} == {0.5: 20, 0.0: 14}


def test_a_warm_up_can_begin_with_a_share_of_the_rate() -> None:
    factors = [rate_factor(recipe(warmup_epochs=2, warmup_from=0.1), epoch) for epoch in (0, 1, 2)]
    assert factors == pytest.approx([0.1, 0.55, 1])


def test_biases_can_have_a_rate_of_their_own_those_of_norms_left_out() -> None:
    modules = nn.ModuleDict({"backbone": nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), "head": nn.Linear(4, 2)})
    groups = make_optimizer(modules, recipe(bias_lr_multiplier=2.0, lr_multipliers={"head.bias": 10.0})).param_groups
    assert {group["rate"]: sum(p.numel() for p in group["params"]) for group in groups} == {1.0: 28, 2.0: 4, 10.0: 2}


def test_lars_scales_steps_to_the_weights() -> None:
    modules = network()
    optimizer = make_optimizer(modules, recipe(optimizer="lars"))
    before = modules["head"].weight.detach().clone()
    modules["head"](torch.ones(1, 4)).sum().backward()
    optimizer.step()
    step = (modules["head"].weight.detach() - before).norm()
    assert 0 < step < 1e-2 * before.norm()


def test_a_prefix_that_fits_nothing_is_an_error() -> None:
    with pytest.raises(OsarbenchError, match="no trained parameter starts with 'haed'"):
        make_optimizer(network(), recipe(lr_multipliers={"haed": 2.0}))
