"""Whole training steps: loss terms, gradients and updates of `pipe.train` against DEAR's formulas in float64."""

import copy
import csv
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from toy import ToyBackbone

from osarbench.data.clips import Loading, TrainClips
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.method import Head, LinearHead, Progress
from osarbench.model import network, optimize
from osarbench.model.device import Machine
from osarbench.model.train import Trained, train
from osarbench.protocols import protocol
from osarbench_plugins.methods._bayes import BnnHead
from osarbench_plugins.methods._ced import shuffled_frames
from osarbench_plugins.methods._similarity import PslHead
from osarbench_plugins.methods.dear import DearHead
from osarbench_plugins.methods.rpl import RplLegacyHead

CLASSES, LABELS = 3, torch.tensor([0, 1, 2, 0, 1, 2])
Terms = Mapping[str, Tensor]
#: (head with parameters in float64, features, 0-based epoch of 2) -> terms
Formula = Callable[[Any, Features, int], Terms]


class SixClips:
    """One batch, in any order, of clips whose frames are four coloured squares."""

    rows, spec = np.arange(len(LABELS)), ToyBackbone.clip
    squares = torch.randint(255, (6, 3, 4, 2, 2), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    clips = squares.repeat_interleave(8, dim=3).repeat_interleave(8, dim=4)
    loader = TrainClips.loader

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, int]:
        return self.clips[item[1]], int(LABELS[item[1]])


class Step(NamedTuple):
    """Parameters before and after two steps of training, and the loss terms of both."""

    before: network.Network
    after: Mapping[str, Tensor]
    terms: list[dict[str, float]]


def two_steps(head: Head, recipe: protocol.Training, folder: Path) -> Step:
    whole = network.Network(ToyBackbone(), head, ToyBackbone.clip)
    before, parameters = copy.deepcopy(whole), dict(whole.named_parameters())
    torch.manual_seed(7)
    machine = Machine(Fabric(accelerator="cpu", devices=1), "32-true", Loading(0, pin=False))
    train(machine, whole, SixClips(), recipe, seed=0, into=Trained(folder), identity={})  # type: ignore[arg-type]
    rows = list(csv.DictReader(Trained(folder).history.read_text().splitlines()))
    terms = [{name: float(row[name]) for name in row if name.startswith("loss_")} for row in rows]
    return Step(before, parameters, terms)


def check(
    step: Step, formula: Formula, recipe: protocol.Training, factors: Callable[[str], tuple[float, float]]
) -> None:
    """Compare with two steps of stochastic gradient descent with momentum, written out; factors: of rate and decay."""
    torch.manual_seed(7)
    whole = copy.deepcopy(step.before).double().train()
    mean, std = (torch.tensor(part).view(3, 1, 1, 1) for part in (whole.spec.mean, whole.spec.std))
    clips = (SixClips.clips / 255 - mean) / std
    velocity: dict[str, Tensor] = {}
    for epoch, found in enumerate(step.terms):
        terms = formula(whole.head, whole.backbone(clips.double()), epoch)
        assert found == pytest.approx({name: term.item() for name, term in terms.items()}, rel=1e-4, abs=1e-7)
        whole.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        norm = math.sqrt(sum(float(parameter.grad.square().sum()) for parameter in whole.parameters()))  # type: ignore[misc]
        assert recipe.clip_norm is not None
        assert norm > recipe.clip_norm  # so that clipping is seen
        for name, parameter in whole.named_parameters():
            rate, decay = factors(name)
            gradient = parameter.grad * recipe.clip_norm / norm + decay * recipe.weight_decay * parameter.data  # type: ignore[operator]
            velocity[name] = gradient + recipe.momentum * velocity.get(name, torch.zeros_like(gradient))
            move = gradient + recipe.momentum * velocity[name] if recipe.nesterov else velocity[name]
            parameter.data -= recipe.learning_rate * rate * move
    before = dict(step.before.named_parameters())
    for name, parameter in whole.named_parameters():
        start = before[name].double()
        torch.testing.assert_close(step.after[name].double() - start, parameter - start, atol=2e-7, rtol=1e-3)


def recipe(backbone: str, head: str) -> protocol.Training:
    """Return a published recipe for two epochs, of one step each, with steps and decay that float32 can tell apart."""
    published = vars(protocol.read("dear2021-hmdb51").recipe(backbone, head).training)
    larger = {name: 100 * published[name] for name in ("learning_rate", "weight_decay")}
    return protocol.Training(**{**published, **larger, "epochs": 2, "batch_size": 6, "clip_norm": 0.02})


def log_loss(alpha: Tensor) -> Tensor:
    return (alpha.sum(dim=1) / alpha[torch.arange(6), LABELS]).log().mean()


def calibration(alpha: Tensor, weight: float) -> Tensor:
    total = alpha.sum(dim=1)
    (certainty, predicted), vacuity = (alpha / total[:, None]).max(dim=1), CLASSES / total
    right = weight * certainty * (1 - vacuity + 1e-10).log()
    wrong = (1 - weight) * (1 - certainty) * (vacuity + 1e-10).log()
    return -torch.where(predicted == LABELS, right, wrong).mean()


def biased_hsic(first: Tensor, second: Tensor) -> Tensor:
    centre = torch.eye(6).double() - 1 / 6
    kernels = [(-torch.cdist(part, part).square() / (2 * part.shape[1])).exp() for part in (first, second)]
    return torch.trace(kernels[0] @ centre @ kernels[1] @ centre) / 25


def dear(head: DearHead, features: Features, epoch: int) -> Terms:
    """DEAR as released: every branch joint, their dependence on f maximised on alpha, all of it a tenth."""
    debiasing = head.debiasing
    assert debiasing is not None
    parts, maps = debiasing.branches, features.maps
    order = shuffled_frames(4, seed=debiasing.shuffle_seed, step=epoch)
    shuffled = parts.f2_conv3d(maps[:, :, order])  # type: ignore[misc]
    framewise = parts.f3_conv2d(maps.transpose(1, 2).flatten(0, 1)).unflatten(0, (6, 4)).transpose(1, 2)  # type: ignore[misc]
    outputs = zip((parts.f1_conv3d(maps), shuffled, framewise), (parts.f1_fc, parts.f2_fc, parts.f3_fc), strict=True)
    alphas = [layer(made.mean(dim=(2, 3, 4))).clamp(-10, 10).exp() + 1 for made, layer in outputs]  # type: ignore[misc]
    debias = {
        f"loss_{name}_cls": log_loss(alpha) for name, alpha in zip(("unbias", "bias1", "bias2"), alphas, strict=True)
    }
    debias |= {f"loss_bias{position}_hsic": -biased_hsic(alphas[0], alphas[position]) for position in (1, 2)}
    alpha = head.fc(features.vector).clamp(-10, 10).exp() + 1
    own = {"loss_cls": log_loss(alpha), "loss_euc": calibration(alpha, 0.01 ** (1 - epoch / 2))}
    return own | {name: 0.1 * term for name, term in debias.items()}


def bnn(head: BnnHead, features: Features, epoch: int) -> Terms:
    """Two samples a step; the divergence has a weight of 1e-6 and is not divided by the number of batches."""
    logits, complexity = torch.zeros(()).double(), torch.zeros(()).double()
    means, spreads = [head.weight_mu, head.bias_mu], [head.weight_rho.exp().log1p(), head.bias_rho.exp().log1p()]
    for _ in range(2):
        noise = [torch.randn(mean.shape).double() for mean in means]
        drawn = [mean + spread * part for mean, spread, part in zip(means, spreads, noise, strict=True)]
        logits = logits + F.linear(features.vector, *drawn) / 2
        for value, mean, spread in zip(drawn, means, spreads, strict=True):
            prior = [torch.distributions.Normal(0.0, std).log_prob(value).exp() for std in (1.0, math.exp(-6))]
            posterior = torch.distributions.Normal(mean, spread).log_prob(value)
            complexity = complexity + (posterior - ((prior[0] + prior[1]) / 2).log()).sum() / 2
    return {"loss_cls": F.cross_entropy(logits, LABELS), "loss_complexity": 1e-6 * complexity}


def rpl_legacy(head: RplLegacyHead, features: Features, epoch: int) -> Terms:
    closed = F.cross_entropy(features.vector @ head.points.T, LABELS)
    return {"loss_cls": closed, "loss_open": 0.1 * (features.vector - head.radius).square().mean() / 2}


def everywhere(name: str) -> tuple[float, float]:
    return 1.0, 1.0


def groups_of_tsm(name: str) -> tuple[float, float]:
    """The published groups of DEAR's TSM, whose "last layer" is not the classifier."""
    norm, bias = ".bn." in name or ".norm." in name, name.endswith(".bias")
    rate = 1.0 if norm else 2.0 if bias else 1.0
    if ".f3_fc." in name:
        rate = 10.0 if bias else 5.0
    return rate, 0.0 if norm or bias else 1.0


@pytest.mark.parametrize("backbone", ["i3d", "tsm"])
def test_steps_of_dear_are_the_published_ones(backbone: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    head, training = DearHead(8, 8, CLASSES, dropout=0.0), recipe(backbone, "dear")
    assert head.debiasing is not None
    for layer in (head.debiasing.branches.f1_fc, head.debiasing.branches.f2_fc, head.debiasing.branches.f3_fc):
        nn.init.normal_(layer.weight, std=2.0)  # else alpha is all but constant, and HSIC 0
    step = two_steps(head, training, tmp_path)
    assert all(step.terms[epoch][f"loss_bias{position}_hsic"] < -1e-3 for epoch in (0, 1) for position in (1, 2))
    check(step, dear, training, groups_of_tsm if backbone == "tsm" else everywhere)


@pytest.mark.parametrize("backbone", ["tpn", "tsm"])
@pytest.mark.parametrize(
    ("kind", "settings", "formula"), [(BnnHead, {}, bnn), (RplLegacyHead, {"dropout": 0.0}, rpl_legacy)]
)
def test_steps_of_the_published_rivals_have_one_group_and_tpns_rate(
    kind: type[Head], settings: dict[str, float], formula: Formula, backbone: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    training = recipe(backbone, kind.name)
    assert training.learning_rate == (0.2 if backbone == "tpn" else 0.1)
    check(two_steps(kind(8, 8, CLASSES, **settings), training, tmp_path), formula, training, everywhere)


def test_the_published_warm_up_begins_with_a_tenth_of_the_rate() -> None:
    training = protocol.read("dear2021-mit").recipe("slowfast", "dear").training
    factors = [optimize.rate_factor(training, epochs) for epochs in (0, 1, 5, 50)]
    cosine = [(1 + math.cos(math.pi * epochs / 50)) / 2 for epochs in (0, 1, 5, 50)]
    assert factors == pytest.approx([0.1 * cosine[0], 0.28 * cosine[1], cosine[2], 0])


class WithBranch(ToyBackbone):
    """Its auxiliary branch keeps what it is given."""

    def auxiliary(self, classes: int) -> nn.Module:
        return Branch()


class Branch(nn.Module):
    """Takes the mean of the maps as its loss."""

    def forward(self, features: Features, labels: Tensor) -> Terms:
        self.given, self.labels = features, labels
        return {"loss_aux": features.maps.mean()}


def test_a_branch_learns_from_the_batch_alone_where_a_head_adds_shuffled_clips() -> None:
    head = PslHead(8, 8, CLASSES, hidden=8, embedding=4)
    whole = network.Network(WithBranch(), head, ToyBackbone.clip)
    _, terms = whole(SixClips.clips, LABELS, Progress(epoch=0, epochs=1, step=0))
    assert list(terms) == ["loss_cls", "loss_aux"]
    assert isinstance(whole.auxiliary, Branch)
    own, labels = whole.auxiliary.given, whole.auxiliary.labels
    assert torch.equal(labels, LABELS)
    assert [len(part) for part in own] == [6, 6]
    assert torch.equal(own.vector, own.maps.mean(dim=(2, 3, 4)))


class Piecemeal(LinearHead):
    """Runs the backbone on one clip after another."""

    def clip_loss(self, backbone: Backbone, clips: Tensor, labels: Tensor, progress: Progress) -> tuple[Tensor, Terms]:
        vectors = torch.cat([backbone(clip[None]).vector for clip in clips])
        return self.loss(Features(vectors, vectors), labels, progress)


def test_a_head_that_leaves_a_branch_without_the_batch_is_named() -> None:
    whole = network.Network(WithBranch(), Piecemeal(8, 8, CLASSES), ToyBackbone.clip)
    with pytest.raises(OsarbenchError, match="the head 'linear' never runs it on all 6 clips at once"):
        whole(SixClips.clips, LABELS, Progress(epoch=0, epochs=1, step=0))
