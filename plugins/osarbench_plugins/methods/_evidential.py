"""Evidential deep learning (Sensoy et al., NeurIPS 2018) with the calibration of DEAR (Bao et al., ICCV 2021).

Logits z become evidence e >= 0 and Dirichlet parameters alpha = e + 1, of sum S. Everything here takes ``log_alpha``
[N, K] and stays in the log domain where numbers can grow large: evidence of e^10 and more is the rule after training.
Formulas: Bao's repository Cogito2012/DEAR, `EvidenceLoss`, whose values these functions give. Relaxed evidential
learning puts a smaller ``prior`` in the place of the 1.
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Evidence = Literal["exp", "relu", "softplus"]
Loss = Literal["log", "digamma", "mse", "cross_entropy"]
Annealing = Literal["exp", "step"]

CLAMP = 10.0  #: DEAR's bound on logits before `exp`: evidence between e^-10 and e^10
EPSILON = 1e-10  #: in DEAR's logarithms of vacuity
LARGEST = 80.0  #: of a logarithm whose exponential float32 still holds


def log_alpha(logits: Tensor, *, evidence: Evidence = "exp", clamp: float | None = CLAMP, prior: float = 1.0) -> Tensor:
    """Return the logarithm of the Dirichlet parameters e + prior [N, K] of logits [N, K].

    ``clamp`` bounds logits to [-clamp, clamp] before ``exp`` (beyond it they get no gradient); None leaves them free,
    which the log domain can bear. The other two evidence functions never had a clamp.
    """
    offset = math.log(prior)
    if evidence == "exp":
        return offset + F.softplus((logits if clamp is None else logits.clamp(-clamp, clamp)) - offset)
    return offset + torch.log1p((logits.relu() if evidence == "relu" else F.softplus(logits)) / prior)


def vacuity(log_alpha: Tensor, *, prior: float = 1.0) -> Tensor:
    """Return prior K / S [N], in (0, 1]: the uncertainty of evidential learning, 1 where there is no evidence."""
    return (math.log(prior * log_alpha.shape[1]) - log_alpha.logsumexp(dim=1)).exp()


def mean_probabilities(log_alpha: Tensor) -> Tensor:
    """Return alpha / S [N, K], the mean of the Dirichlet distribution."""
    return log_alpha.softmax(dim=1)


def saturated_share(logits: Tensor, *, clamp: float = CLAMP) -> float:
    """Return the share of videos [N, K] with a logit at or above the clamp, whose vacuity therefore says no more.

    Of TSM's published DEAR scores it is 0.87 of UCF-101's test videos, 0.28 of HMDB-51's and 0.17 of MiT's.
    """
    return float((logits.amax(dim=1) >= clamp).double().mean())


def classification_terms(log_alpha: Tensor, labels: Tensor, *, loss: Loss = "log") -> Mapping[str, Tensor]:
    """Return the per-sample terms [N] of a loss by name: ``loss_cls``, and ``loss_var`` for mse and cross_entropy.

    DEAR's cross_entropy is the log loss and the variance term; its KL term (`kl_to_uniform`) is not optional there.
    """
    if loss == "log":
        return {"loss_cls": log_loss(log_alpha, labels)}
    if loss == "digamma":
        return {"loss_cls": digamma_loss(log_alpha, labels)}
    error = squared_error(log_alpha, labels) if loss == "mse" else log_loss(log_alpha, labels)
    return {"loss_cls": error, "loss_var": variance(log_alpha)}


def log_loss(log_alpha: Tensor, labels: Tensor) -> Tensor:
    """Return log S - log alpha_y [N]: type II maximum likelihood, DEAR's choice (Sensoy, eq. 3)."""
    return log_alpha.logsumexp(dim=1) - _of_label(log_alpha, labels)


def digamma_loss(log_alpha: Tensor, labels: Tensor) -> Tensor:
    """Return psi(S) - psi(alpha_y) [N]: the Bayes risk of cross-entropy (Sensoy, eq. 4)."""
    return _digamma_of_log(log_alpha.logsumexp(dim=1)) - _digamma_of_log(_of_label(log_alpha, labels))


def squared_error(log_alpha: Tensor, labels: Tensor) -> Tensor:
    """Return sum_k (y_k - alpha_k / S)^2 [N]: the first term of the Bayes risk of squared error (Sensoy, eq. 5)."""
    probabilities = mean_probabilities(log_alpha)
    return (_one_hot(probabilities, labels) - probabilities).square().sum(dim=1)


def variance(log_alpha: Tensor) -> Tensor:
    """Return sum_k alpha_k (S - alpha_k) / (S^2 (S + 1)) [N]: the Dirichlet's variance, the second term of eq. 5."""
    probabilities = mean_probabilities(log_alpha)
    inverse = (-F.softplus(log_alpha.logsumexp(dim=1))).exp()  # 1 / (S + 1)
    return (probabilities * (1 - probabilities)).sum(dim=1) * inverse


def kl_to_uniform(log_alpha: Tensor, labels: Tensor, *, prior: float = 1.0) -> Tensor:
    """Return KL(Dir(alpha~) || Dir(prior)) [N], alpha~ being alpha with the prior alone for the label.

    It is large where there is evidence for wrong classes. In float64: the gamma functions of large parameters nearly
    cancel.
    """
    evidence = _evidence(log_alpha.double(), prior)
    wrong = evidence * (1 - _one_hot(evidence, labels))  # alpha~ - prior
    classes = wrong.shape[1]
    alpha, total = wrong + prior, wrong.sum(dim=1) + prior * classes
    spread = (wrong * (alpha.digamma() - total.digamma()[:, None])).sum(dim=1)
    normaliser = classes * math.lgamma(prior) - math.lgamma(prior * classes)
    divergence = total.lgamma() - alpha.lgamma().sum(dim=1) + normaliser + spread
    return divergence.to(log_alpha.dtype)


def uncertainty_calibration(log_alpha: Tensor, labels: Tensor, *, weight: float, disentangle: bool = False) -> Tensor:
    """Return DEAR's evidential uncertainty calibration (EUC) [N]: right videos should be certain, wrong ones uncertain.

    With p the largest probability and u the vacuity, it is ``-weight p log(1 - u)`` where the prediction is right, else
    ``-(1 - weight) (1 - p) log u`` (eq. 8 there). ``weight`` is annealed from almost 0 to 1, see `annealing`.
    ``disentangle`` takes ``log(p (1 - u))`` and ``log((1 - p) u)`` instead, an unused variant of the repository.
    """
    evidence = _evidence(log_alpha).sum(dim=1)  # S - K, exact where it is tiny
    classes = log_alpha.shape[1]
    certainty, vacuous = evidence / (evidence + classes), classes / (evidence + classes)
    probability, predicted = mean_probabilities(log_alpha).max(dim=1)
    if disentangle:
        right = -weight * (probability * certainty + EPSILON).log()
        wrong = -(1 - weight) * ((1 - probability) * vacuous + EPSILON).log()
    else:
        right = -weight * probability * (certainty + EPSILON).log()
        wrong = -(1 - weight) * (1 - probability) * (vacuous + EPSILON).log()
    return torch.where(predicted == labels, right, wrong)


def annealing(epoch: int, epochs: int, *, kind: Annealing = "exp", start: float = 0.01, steps: int = 10) -> float:
    """Return the annealing coefficient of a 0-based epoch.

    "exp": ``start ** (1 - epoch / epochs)``, from ``start`` towards 1, which is never reached. "step": linear, 0 to 1
    within ``steps`` epochs.

    >>> [round(annealing(epoch, 50), 4) for epoch in (0, 10, 20, 30, 40, 49)]
    [0.01, 0.0251, 0.0631, 0.1585, 0.3981, 0.912]
    """
    if kind == "step":
        return min(1.0, epoch / steps)
    return float(start ** (1 - epoch / epochs))


def _evidence(log_alpha: Tensor, prior: float = 1.0) -> Tensor:
    """Return alpha - prior [N, K], exactly 0 where there is none, finite however large."""
    return prior * (log_alpha - math.log(prior)).clamp(max=LARGEST).expm1()


def _digamma_of_log(log_value: Tensor) -> Tensor:
    """Return psi(exp(log_value)); for large values that is log_value itself (to 1 / (2 exp(log_value)))."""
    bound = 15.0
    return torch.where(log_value > bound, log_value, log_value.clamp(max=bound).exp().digamma())


def _of_label(values: Tensor, labels: Tensor) -> Tensor:
    return values.gather(1, labels[:, None]).squeeze(1)


def _one_hot(like: Tensor, labels: Tensor) -> Tensor:
    return F.one_hot(labels, like.shape[1]).to(like.dtype)
