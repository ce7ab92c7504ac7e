"""Points in feature space: reciprocal points and prototypes against DEAR's values and ARPL's formulas."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Outputs, Progress
from osarbench_plugins.methods._points import PointsHead, squared_distances
from osarbench_plugins.methods.arpl import Arpl, ArplHead
from osarbench_plugins.methods.gcpl import Gcpl, GcplHead
from osarbench_plugins.methods.rpl import Rpl, RplHead, RplLegacy, RplLegacyHead

LABELS = torch.tensor([0, 1, 2, 0, 1])
PROGRESS = Progress(epoch=1, epochs=4, step=10)


def vectors(count: int = 5, dim: int = 6) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(3))


def of(vector: torch.Tensor) -> Features:
    return Features(vector, vector[:, :, None, None, None])


def head_of(kind: type[PointsHead], **settings: float) -> PointsHead:
    torch.manual_seed(0)
    return kind(6, 6, 3, embedding=None, **settings)


def test_rpl_legacy_has_the_published_distances_losses_and_gradients(shared: Path) -> None:
    cases = torch.load(shared / "data/parity/losses/rpl.pt", weights_only=True)
    cases = [case for case in cases if case["loss"] == "RPLoss"]
    assert len(cases) == 4
    for case in cases:
        head = RplLegacyHead(24, 24, 11, dropout=0.0)
        state = case["state_dict"]
        head.load_state_dict({"points": state["fc_centers.weight"], "radius": state["loss_cls.radius"]})
        logits, terms = head.loss(of(case["feature"]), case["labels"], PROGRESS)
        torch.testing.assert_close(logits, case["dist"], atol=1e-6, rtol=1e-5)
        for name, term in terms.items():
            torch.testing.assert_close(term, case["losses"][name])
        sum(terms.values()).backward()
        torch.testing.assert_close(head.points.grad, case["grads"]["fc_centers.weight"], atol=1e-7, rtol=1e-4)
        torch.testing.assert_close(head.radius.grad, case["grads"]["loss_cls.radius"], atol=1e-7, rtol=1e-4)


def test_squared_distances_are_the_published_l2_metric(shared: Path) -> None:
    for case in torch.load(shared / "data/parity/losses/rpl.pt", weights_only=True):
        found = squared_distances(case["feature"], case["centers"])
        torch.testing.assert_close(found, case["dist_l2_metric"], atol=1e-6, rtol=1e-5)
        exact = (case["feature"][:, None] - case["centers"]).square().mean(dim=2)
        torch.testing.assert_close(found, exact, atol=1e-6, rtol=1e-5)


def test_the_prototype_term_of_gcpl_is_the_published_one(shared: Path) -> None:
    (case,) = [
        case
        for case in torch.load(shared / "data/parity/losses/rpl.pt", weights_only=True)
        if case["loss"] == "GCPLoss"
    ]
    head = GcplHead(24, 24, 11, embedding=None)
    head.load_state_dict({"points": case["state_dict"]["fc_centers.weight"]})
    _, terms = head.loss(of(case["feature"]), case["labels"], PROGRESS)
    torch.testing.assert_close(terms["loss_open"], case["losses"]["loss_open"])  # its other term has a dot product


def test_rpl_classifies_by_distance_and_keeps_the_own_distance_at_the_radius() -> None:
    head = head_of(RplHead, temperature=2.0)
    torch.nn.init.constant_(head.radius, 0.3)
    logits, terms = head.loss(of(vectors()), LABELS, PROGRESS)
    expected = (vectors()[:, None] - head.points).square().mean(dim=2)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(terms["loss_cls"], F.cross_entropy(expected / 2, LABELS))
    own = expected[torch.arange(5), LABELS]
    torch.testing.assert_close(terms["loss_open"], 0.1 * F.mse_loss(own, torch.full((5,), 0.3)))


def test_arpl_subtracts_the_dot_product_and_ranks_radius_over_distance() -> None:
    head = head_of(ArplHead)
    torch.nn.init.constant_(head.radius, 1.5)
    logits, terms = head.loss(of(vectors()), LABELS, PROGRESS)
    own = (vectors() - head.points[LABELS]).square().mean(dim=1)
    distances = (vectors()[:, None] - head.points).square().mean(dim=2)
    torch.testing.assert_close(logits, distances - vectors() @ head.points.T)
    expected = torch.nn.MarginRankingLoss(margin=1.0)(head.radius.expand(5), own, torch.ones(5))
    torch.testing.assert_close(terms["loss_open"], 0.1 * expected)


def test_gcpl_classifies_by_the_nearest_prototype_and_is_unsure_between_two() -> None:
    head = head_of(GcplHead).eval()
    torch.nn.init.eye_(head.points)
    videos = torch.tensor([[1.0, 0, 0, 0, 0, 0], [0.5, 0.5, 0, 0, 0, 0]])
    outputs = Outputs(videos[:, None], head(100 * videos)[:, None].detach(), head)
    assert Gcpl().probabilities(outputs)[0].argmax() == 0
    at_one, between = Gcpl().uncertainty(outputs).tolist()
    assert at_one < 1e-9
    assert between == pytest.approx(0.5)


def test_arpl_scores_its_largest_logit_and_rpl_its_softmax() -> None:
    logits = torch.tensor([[[3.0, 1.0, 0.0], [1.0, 1.0, 0.0]], [[9.0, 8.0, 0.0], [9.0, 8.0, 0.0]]])
    outputs = Outputs(torch.zeros(2, 2, 6), logits, head_of(RplHead))
    assert Arpl().uncertainty(outputs).tolist() == [-2.0, -9.0]
    expected = 1 - logits.softmax(dim=2).mean(dim=1).amax(dim=1)
    for method in (Rpl(), RplLegacy()):
        torch.testing.assert_close(method.uncertainty(outputs).float(), expected)


def test_distances_stay_exact_under_half_precision() -> None:
    head, features = head_of(RplHead), 30 + vectors()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head.loss(of(features), LABELS, PROGRESS)[0]
    torch.testing.assert_close(logits, (features[:, None] - head.points).square().mean(dim=2), rtol=1e-4, atol=1e-3)


def test_dears_version_has_its_own_defaults_and_its_own_network() -> None:
    assert RplLegacy().head is not Rpl().head  # type: ignore[comparison-overlap]
    assert RplLegacyHead(6, 6, 3).dropout.p == 0.5
    assert Rpl().head_settings() == RplLegacy().head_settings() == {}
    assert Rpl(open_weight=0.2).head_settings() == {"open_weight": 0.2}


def test_wide_features_are_mapped_to_as_many_as_the_authors_have_but_not_in_dears_version() -> None:
    assert set(RplLegacyHead(200, 6, 3).state_dict()) == {"points", "radius"}
    for kind in (RplHead, ArplHead):
        assert set(kind(200, 6, 3).state_dict()) == {"points", "radius", "embed.weight", "embed.bias"}
        assert kind(200, 6, 3).points.shape == (3, 128)
        assert kind(100, 6, 3).points.shape == (3, 100)


def test_wide_features_are_learnt_at_the_rate_of_a_fine_tuning() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(4, 2048, generator=generator) / 2
    torch.manual_seed(0)
    head = RplHead(2048, 2048, 4)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.001, momentum=0.9)
    for step in range(300):
        labels = torch.randint(4, (8,), generator=generator)
        videos = (centres[labels] + torch.randn(8, 2048, generator=generator)).relu()
        logits, terms = head.loss(of(videos), labels, Progress(0, 1, step))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    assert (logits.argmax(dim=1) == labels).double().mean().item() > 0.8
