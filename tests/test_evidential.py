"""Evidential losses against DEAR's own values and the worked oracles of the literature."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from osarbench_plugins.methods import _evidential as evidential

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0], [12.0, -3.0, 0.5]])
LABELS = torch.tensor([0, 2, 0])

#: Worked values of LOGITS, per sample: vacuity | log | digamma | mse error | mse variance | KL | EUC with weight 0.3.
ORACLES = {
    "exp": """.255169 .388688 .000136 | .337515 1.350445 .000168 | .355169 1.554630 .000168 | .124533 .848125 0 |
        .035148 .072678 0 | .230181 .726903 .483058 | .063062 .342815 .000041""",
    "relu": """.6 .75 .193548 | .510826 1.386294 .175891 | .583333 1.833333 .182240 | .240000 .875000 .039542 |
        .093333 .125000 .017154 | 0 .265279 .095275 | .164932 .100689 .054125""",
    "softplus": """.489130 .526357 .187235 | .673688 1.213799 .209055 | .758298 1.447007 .216479 |
        .362326 .747092 .055051 | .086639 .098331 .018930 | .140664 .343057 .244011 | .102726 .266910 .050461""",
}


@pytest.mark.parametrize("evidence", ORACLES)
def test_losses_have_their_worked_values(evidence: evidential.Evidence) -> None:
    log_alpha = evidential.log_alpha(LOGITS, evidence=evidence)
    values = (
        evidential.vacuity(log_alpha),
        evidential.log_loss(log_alpha, LABELS),
        evidential.digamma_loss(log_alpha, LABELS),
        evidential.squared_error(log_alpha, LABELS),
        evidential.variance(log_alpha),
        evidential.kl_to_uniform(log_alpha, LABELS),
        evidential.uncertainty_calibration(log_alpha, LABELS, weight=0.3),
    )
    expected = [[float(number) for number in row.split()] for row in ORACLES[evidence].split("|")]
    torch.testing.assert_close(torch.stack(values), torch.tensor(expected), atol=2e-6, rtol=0)


def reference_terms(case: dict, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    options = case["kwargs"]
    weight = evidential.annealing(case["epoch"], case["total_epoch"], kind=options["annealing_method"])
    log_alpha = evidential.log_alpha(logits, evidence=options["evidence"])
    terms = dict(evidential.classification_terms(log_alpha, labels, loss=options["loss_type"]))
    if options["with_kldiv"]:
        terms["loss_kl"] = weight * evidential.kl_to_uniform(log_alpha, labels)
    if options["with_avuloss"]:
        terms["loss_avu"] = evidential.uncertainty_calibration(
            log_alpha, labels, weight=weight, disentangle=options["disentangle"]
        )
    return terms


def test_every_loss_of_dear_has_its_published_terms_total_and_gradient(shared: Path) -> None:
    reference = torch.load(shared / "data/parity/losses/evidence_loss.pt", weights_only=True)
    assert len(reference["cases"]) == 135
    for case in reference["cases"]:
        logits = reference["logits"].clone().requires_grad_()
        terms = reference_terms(case, logits, reference["labels"])
        total = sum(term.mean() for term in terms.values())
        total.backward()
        assert set(terms) == {name for name in case["out"] if name.startswith("loss")}
        for name, term in terms.items():
            torch.testing.assert_close(term, case["out"][name].flatten(), atol=2e-4, rtol=1e-4)
        vacuity = evidential.vacuity(evidential.log_alpha(logits, evidence=case["kwargs"]["evidence"]))
        torch.testing.assert_close(vacuity, case["out"]["uncertainty"].flatten(), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(total, case["total"], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(logits.grad, case["grad"], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("evidence", ["exp", "relu", "softplus"])
def test_losses_and_gradients_of_enormous_logits_are_finite(evidence: evidential.Evidence) -> None:
    logits = torch.tensor([[1e4, -1e4, 300.0], [-1e4, -1e4, -1e4], [90.0, 91.0, 0.0]], requires_grad=True)
    log_alpha = evidential.log_alpha(logits, evidence=evidence, clamp=None)
    labels = torch.tensor([1, 0, 2])
    losses = [term for loss in ("log", "digamma", "mse", "cross_entropy")
              for term in evidential.classification_terms(log_alpha, labels, loss=loss).values()]  # fmt: skip
    losses.append(evidential.uncertainty_calibration(log_alpha, labels, weight=0.5))
    losses.append(evidential.kl_to_uniform(log_alpha, labels))
    torch.stack(losses).sum().backward()
    assert torch.stack(losses).isfinite().all()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_no_evidence_is_full_vacuity() -> None:
    log_alpha = evidential.log_alpha(torch.full((1, 101), -5.0, dtype=torch.float64), evidence="relu")
    assert evidential.vacuity(log_alpha).item() == pytest.approx(1, abs=1e-12)


def test_one_saturated_logit_of_101_classes_gives_the_published_plateau() -> None:
    logits = torch.full((2, 101), -20.0, dtype=torch.float64)
    logits[0, 7] = 11
    assert evidential.vacuity(evidential.log_alpha(logits))[0].item() == pytest.approx(0.0045645, abs=1e-7)
    assert evidential.saturated_share(logits) == 0.5


def test_step_annealing_is_linear_then_one() -> None:
    assert [evidential.annealing(epoch, 50, kind="step") for epoch in (0, 5, 10, 49)] == [0, 0.5, 1, 1]


def test_a_smaller_prior_is_added_to_the_evidence() -> None:
    for evidence, expected in (("exp", LOGITS.clamp(max=10).exp()), ("relu", LOGITS.relu())):
        log_alpha = evidential.log_alpha(LOGITS, evidence=evidence, prior=0.1)
        torch.testing.assert_close(log_alpha.exp(), expected + 0.1)
    torch.testing.assert_close(evidential.vacuity(log_alpha, prior=0.1), 0.3 / (LOGITS.relu() + 0.1).sum(dim=1))


@pytest.mark.parametrize("prior", [0.1, 1.0])
def test_the_divergence_from_the_prior_is_that_of_torchs_dirichlet_distributions(prior: float) -> None:
    log_alpha = evidential.log_alpha(LOGITS.double(), evidence="softplus", prior=prior)
    wrong = torch.where(torch.nn.functional.one_hot(LABELS, 3).bool(), prior, log_alpha.exp())
    flat = torch.distributions.Dirichlet(torch.full((3,), prior, dtype=torch.float64))
    expected = torch.distributions.kl_divergence(torch.distributions.Dirichlet(wrong), flat)
    torch.testing.assert_close(evidential.kl_to_uniform(log_alpha, LABELS, prior=prior), expected)


def test_a_logit_at_the_clamp_is_saturated() -> None:
    assert evidential.saturated_share(torch.tensor([[evidential.CLAMP, 0.0], [9.99, 0.0]])) == 0.5
