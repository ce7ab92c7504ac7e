"""CAC, LogitNorm and relaxed evidential learning against their authors' formulas, written out."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import LinearHead, Outputs, Progress
from osarbench_plugins.methods.cac import Cac, CacHead
from osarbench_plugins.methods.logitnorm import LogitNorm, LogitNormHead
from osarbench_plugins.methods.redl import Redl, RedlHead, ReEdl

LABELS = torch.tensor([0, 1, 2, 0, 1])


def vectors(count: int = 5) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(3))


def terms_of(head: LinearHead, epoch: int = 3) -> tuple[Tensor, dict[str, Tensor]]:
    torch.nn.init.normal_(head.fc.weight, generator=torch.Generator().manual_seed(5))
    logits, terms = head.loss(Features(vectors(), torch.zeros(0)), LABELS, Progress(epoch, 50, 10))
    return logits, dict(terms)


def test_cac_has_the_tuplet_and_the_anchor_loss_of_its_authors() -> None:
    head = CacHead(6, 6, 3, dropout=0.0)
    logits, terms = terms_of(head)
    distances = torch.cdist(head.fc(vectors()), 10 * torch.eye(3))
    torch.testing.assert_close(-logits, distances, rtol=1e-5, atol=1e-5)
    own = distances.gather(1, LABELS[:, None])
    others = torch.stack([row[torch.arange(3) != label] for row, label in zip(distances, LABELS, strict=True)])
    torch.testing.assert_close(terms["loss_cls"], (1 + (own - others).exp().sum(dim=1)).log().mean(), rtol=1e-5, atol=0)
    torch.testing.assert_close(terms["loss_anchor"], 0.1 * own.mean())


def test_cac_scores_the_smallest_rejection_score_from_the_means_of_what_is_classified_rightly() -> None:
    head = CacHead(6, 6, 3).eval()
    with torch.no_grad():
        head.fc.weight.copy_(torch.eye(3, 6))
    features = torch.tensor([[9.0, 0, 0], [7.0, 0, 0], [0, 8.0, 0], [0, 9.0, 0]])
    features = F.pad(features, (0, 3))[:, None]
    outputs = Outputs(features, head(features[:, 0])[:, None].detach(), head)
    method = Cac()
    with torch.no_grad():
        method.fit(outputs, torch.tensor([0, 0, 1, 2]))  # the last one is classified as 1: it counts for no class
        assert method.centres.tolist() == [[8.0, 0, 0], [0, 8.0, 0], [0, 0, 10.0]]
        distances = torch.cdist(features[:, 0, :3].double(), method.centres)
        rejection = distances * (1 - (-distances).softmax(dim=1))
        torch.testing.assert_close(method.uncertainty(outputs), rejection.amin(dim=1), atol=1e-9, rtol=1e-9)
        assert torch.equal(method.probabilities(outputs).argmax(dim=1), rejection.argmin(dim=1))


def test_cac_has_a_gradient_at_an_anchor() -> None:
    head = CacHead(3, 3, 3, dropout=0.0)
    with torch.no_grad():
        head.fc.weight.copy_(torch.eye(3))
    sum(
        head.loss(Features(10 * torch.eye(3), torch.zeros(0)), torch.arange(3), Progress(0, 1, 0))[1].values()
    ).backward()
    assert head.fc.weight.grad is not None
    assert head.fc.weight.grad.isfinite().all()


def test_logitnorm_is_cross_entropy_of_unit_logits_over_a_temperature() -> None:
    logits, terms = terms_of(LogitNormHead(6, 6, 3, dropout=0.0, temperature=0.1))
    expected = F.cross_entropy(logits / logits.norm(dim=1, keepdim=True) / 0.1, LABELS)
    torch.testing.assert_close(terms["loss_cls"], expected, rtol=1e-5, atol=0)


def test_logitnorm_does_not_see_how_long_logits_are_but_its_score_does() -> None:
    head = LogitNormHead(6, 6, 3, dropout=0.0)
    _, short = terms_of(head)
    with torch.no_grad():
        head.fc.weight.mul_(7)
    _, long = head.loss(Features(vectors(), torch.zeros(0)), LABELS, Progress(0, 1, 0))
    torch.testing.assert_close(short["loss_cls"], long["loss_cls"], rtol=1e-4, atol=0)
    scores = [LogitNorm().uncertainty(Outputs(torch.zeros(1, 1, 6), torch.tensor([[logits]]), head)).item()
              for logits in ([1.0, 0, 0], [7.0, 0, 0])]  # fmt: skip
    assert scores[0] > scores[1]


def reference_redl(logits: Tensor, prior: float) -> tuple[Tensor, Tensor]:
    """Squared error and divergence as in the authors' `compute_mse` and `compute_kl_loss`, by torch's distributions."""
    evidence, own = F.softplus(logits.double()), F.one_hot(LABELS, 3)
    probabilities = (evidence + prior) / (evidence + prior).sum(dim=1, keepdim=True)
    wrong = torch.distributions.Dirichlet(evidence * (1 - own) + prior)
    flat = torch.distributions.Dirichlet(torch.full((3,), prior, dtype=torch.float64))
    error = (own - probabilities).square().sum(dim=1).mean()
    return error.float(), torch.distributions.kl_divergence(wrong, flat).mean().float()


@pytest.mark.parametrize(("prior", "epoch", "weight"), [(0.1, 3, 0.3), (1.0, 20, 1.0)])
def test_redl_has_its_authors_error_and_annealed_divergence(prior: float, epoch: int, weight: float) -> None:
    logits, terms = terms_of(RedlHead(6, 6, 3, prior=prior, dropout=0.0), epoch=epoch)
    error, divergence = reference_redl(logits, prior)
    torch.testing.assert_close(terms["loss_cls"], error)
    torch.testing.assert_close(terms["loss_kl"], weight * divergence, rtol=1e-5, atol=0)


def test_re_edl_has_no_divergence_and_another_prior() -> None:
    assert ReEdl().head_settings() == {"prior": 0.8, "kl": False}
    _, terms = terms_of(RedlHead(6, 6, 3, **ReEdl().head_settings()))
    assert set(terms) == {"loss_cls"}


def test_redl_scores_the_prior_over_all_evidence() -> None:
    logits = torch.tensor([[[2.0, -1.0, 0.5]]])
    outputs = Outputs(torch.zeros(1, 1, 6), logits, RedlHead(6, 6, 3))
    alpha = F.softplus(logits[0, 0].double()) + 0.1
    assert Redl().uncertainty(outputs).item() == pytest.approx(0.3 / alpha.sum().item())
    torch.testing.assert_close(Redl().probabilities(outputs)[0], alpha / alpha.sum())
