"""Every post-hoc score: what it says of planted unknown videos, and that each video stands alone."""

import math
from functools import cache
from typing import NamedTuple

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, LinearHead, Method, Outputs
from osarbench.plugins import catalogue
from osarbench.plugins import loading as plugins
from osarbench.plugins.loading import check_settings
from osarbench_plugins.methods._posthoc import PostHoc

DIM, CAUSES, KNOWN = 48, 24, 6
AVAILABLE = plugins.load(kinds=["methods"])
SCORES = {name: kind for name, kind in AVAILABLE.methods.items() if issubclass(kind, PostHoc)}
OF_VIEWS = {"view_variance", "view_jsd", "view_angle"}


class World(NamedTuple):
    """Features [N, V, D] of known training and test videos and of unknown ones, and a head that knows the known."""

    train: Tensor
    labels: Tensor
    known: Tensor
    near: Tensor  #: between two known clusters
    far: Tensor  #: in new directions
    head: Head


@cache
def world() -> World:
    """Clusters on rotated axes, seen through a rectified layer, so that features are not negative."""
    generator = torch.Generator().manual_seed(1)
    rotation = torch.linalg.qr(torch.randn(CAUSES, CAUSES, generator=generator)).Q
    layer = torch.randn(CAUSES, DIM, generator=generator)
    centres = 4 * rotation[:KNOWN]
    between = (centres + centres.roll(1, dims=0)) / 2 + 1.5 * rotation[KNOWN : 2 * KNOWN]

    def draw(middles: Tensor, each: int) -> Tensor:
        causes = middles.repeat_interleave(each, dim=0)
        causes = causes + 0.4 * torch.randn(causes.shape, generator=generator)
        views = causes[:, None] + 0.2 * torch.randn(len(causes), 2, CAUSES, generator=generator)
        return (views @ layer / 5).relu()

    labels = torch.arange(KNOWN).repeat_interleave(60)
    train = draw(centres, 60)
    classifier = LogisticRegression().fit(train.mean(dim=1).numpy(), labels.numpy())
    head = LinearHead(DIM, DIM, KNOWN).eval().requires_grad_(False)
    head.fc.weight.copy_(torch.from_numpy(classifier.coef_))
    head.fc.bias.copy_(torch.from_numpy(classifier.intercept_))
    return World(
        train, labels, draw(centres, 20), draw(between, 20), draw(2 * rotation[2 * KNOWN : 3 * KNOWN], 20), head
    )


def outputs(features: Tensor) -> Outputs:
    with torch.no_grad():
        return Outputs(features, world().head(features), world().head)


def fitted(name: str) -> Method:
    method = SCORES[name]()
    method.fit(outputs(world().train), world().labels)
    return method


@pytest.fixture(params=sorted(SCORES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_there_are_more_than_thirty_five_and_all_are_listed() -> None:
    listed = {listing.name for listing in catalogue.catalogue() if listing.kind == "methods" and listing.summary}
    assert len(SCORES) >= 50
    assert set(SCORES) <= listed
    assert set(SCORES) - set(AVAILABLE.expand([plugins.ALL_POSTHOC])) == {"openmax_legacy", *OF_VIEWS}


def test_far_unknown_videos_stand_out(name: str) -> None:
    method = fitted(name)
    scores = [method.uncertainty(outputs(features)) for features in (world().known, world().far)]
    unknown = torch.arange(sum(map(len, scores))) >= len(scores[0])
    assert roc_auc_score(unknown, torch.cat(scores)) > 0.8


def test_a_score_depends_on_no_other_video_and_no_order(name: str) -> None:
    method, features = fitted(name), torch.cat([world().known, world().near, world().far])
    everything = method.uncertainty(outputs(features))
    assert everything.dtype == torch.float64
    assert torch.isfinite(everything).all()
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    shuffled, logits = outputs(features), outputs(features).view_logits
    shuffled = Outputs(features[order], logits[order], shuffled.head)
    torch.testing.assert_close(method.uncertainty(shuffled), everything[order], rtol=1e-9, atol=1e-12)
    alone = [Outputs(features[[position]], logits[[position]], shuffled.head) for position in (0, 130, 300)]
    found = torch.cat([method.uncertainty(one) for one in alone])
    torch.testing.assert_close(found, everything[[0, 130, 300]], rtol=1e-9, atol=1e-12)


def test_nothing_handed_in_is_changed_and_fitting_twice_is_fitting_once(name: str) -> None:
    train, test = outputs(world().train.clone()), outputs(world().near.clone())
    state = {key: value.clone() for key, value in world().head.state_dict().items()}
    method = SCORES[name]()
    method.fit(train, world().labels)
    first = method.uncertainty(test)
    method.fit(train, world().labels)
    assert torch.equal(method.uncertainty(test), first)
    assert torch.equal(fitted(name).uncertainty(test), first)
    assert torch.equal(train.view_features, world().train)
    assert torch.equal(test.view_features, world().near)
    assert torch.equal(test.view_logits, outputs(world().near).view_logits)
    assert all(torch.equal(value, state[key]) for key, value in world().head.state_dict().items())


def test_views_are_averaged_unless_they_are_compared(name: str) -> None:
    if name in OF_VIEWS:
        with pytest.raises(OsarbenchError, match=f"{name} compares the views of a video, and there is one of each"):
            fitted(name).uncertainty(outputs(world().near[:, :1]))
        return
    both = outputs(world().near)
    mean = Outputs(both.features[:, None], both.logits[:, None], both.head)
    method = fitted(name)
    torch.testing.assert_close(method.uncertainty(mean), method.uncertainty(both), rtol=1e-6, atol=1e-9)


def test_few_videos_and_constant_features_give_finite_scores_or_a_reason(name: str) -> None:
    kept = torch.cat([torch.nonzero(world().labels == label).flatten()[: 1 if label == 0 else 4] for label in range(6)])
    train = world().train[kept].clone()  # 21 videos of 48 features
    train[:, :, 5] = 0
    method = SCORES[name]()
    if name.startswith("openmax"):
        with pytest.raises(OsarbenchError, match=r"class number 0 \(the first is 0\) has 1 training videos, too few"):
            method.fit(outputs(train), world().labels[kept])
        return
    method.fit(outputs(train), world().labels[kept])
    assert torch.isfinite(method.uncertainty(outputs(torch.cat([world().far, 0 * world().far[:1]])))).all()


@pytest.mark.parametrize("name", ["mds", "she", "mcm", "gmm_diag", "openmax"])
def test_a_class_without_training_videos_is_named(name: str) -> None:
    some = world().labels != 3
    with pytest.raises(
        OsarbenchError, match=rf"{name} learns from .* none of 1 of 6 classes \(number 3; the first is 0\)"
    ):
        SCORES[name]().fit(outputs(world().train[some]), world().labels[some])


@pytest.mark.parametrize("name", ["dice", "vim", "react", "fdbd", "nac", "pnml"])
def test_a_head_without_a_linear_layer_is_refused_by_name(name: str) -> None:
    class Cosine(LinearHead):
        name = "cosine"

    head = Cosine(DIM, DIM, KNOWN)
    head.fc = nn.Identity()  # type: ignore[assignment]
    given = outputs(world().train)._replace(head=head)
    method = SCORES[name]()
    with pytest.raises(OsarbenchError, match=f"{name} needs the weights .* head 'cosine' has no linear layer 'fc'"):
        method.fit(given, world().labels)
        method.uncertainty(given)


def test_nusa_needs_more_features_than_classes() -> None:
    head = LinearHead(4, 4, 6)
    given = Outputs(torch.ones(3, 1, 4), torch.zeros(3, 1, 6), head)
    with pytest.raises(OsarbenchError, match="from 4 features to 6 classes sees everything"):
        SCORES["nusa"]().uncertainty(given)


@pytest.mark.parametrize("name", ["msp", "tempscale", "odin_temperature", "gen", "doctor", "renyi", "entropy"])
def test_very_sure_videos_do_not_tie(name: str) -> None:
    logits = torch.zeros(20, 1, KNOWN)
    logits[:, :, 0] = 40 + torch.arange(20)[:, None] / 10
    given = Outputs(torch.zeros(20, 1, DIM), logits, world().head)
    scores = fitted(name).uncertainty(given)
    assert (scores.diff() < 0).all()


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("vim", "components", 0), ("knn", "neighbours", 0), ("react", "clip", 101), ("ash_p", "prune", -20),
        ("mds", "shrinkage", 2), ("energy", "temperature", -1), ("gen", "classes", 0),
        ("openmax", "tail", 1), ("kde", "bandwidth", 0), ("nac", "bins", 10**11), ("gmm_diag", "prior", 0),
        ("kde", "bandwidth", math.inf), ("odin_temperature", "temperature", math.nan), ("iforest", "seed", -1),
        ("knn", "neighbours", 2**63),
    ],
)  # fmt: skip
def test_a_setting_without_sense_is_refused(name: str, setting: str, value: float) -> None:
    with pytest.raises(OsarbenchError, match=f"'{setting}' of the method '{name}' is .* number .*, not "):
        check_settings("method", SCORES[name], {setting: value}, "--set")


def test_a_floor_above_the_ceiling_is_refused() -> None:
    with pytest.raises(OsarbenchError, match="vra: low is a percentile not above high, and 95 is above 90"):
        SCORES["vra"](low=95)  # type: ignore[call-arg]


def test_a_network_that_died_still_has_neuron_states() -> None:
    head = LinearHead(8, 8, 3).eval()
    dead = Outputs(torch.zeros(6, 1, 8), torch.zeros(6, 1, 3), head)
    method = SCORES["nac"]()
    method.fit(dead, torch.arange(6) % 3)
    assert torch.isfinite(method.uncertainty(dead)).all()
