"""Post-hoc scores of the logits alone: from the largest softmax to logits standardised by class."""

import torch
from torch import Tensor

from osarbench.errors import OsarbenchError
from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import Method, Outputs

from ._posthoc import LogitScore, energy, log_remaining
from ._settings import Count, Positive


class Msp(LogitScore):
    """Maximum softmax probability of the mean logits (Hendrycks and Gimpel, ICLR 2017); dnn averages the softmax."""

    name = "msp"

    def score(self, logits: Tensor) -> Tensor:
        """Return one minus the largest probability [N], summed from the others so that sure videos do not tie."""
        return log_remaining(logits).exp()


class MaxLogit(LogitScore):
    """Largest logit (Vaze et al., ICLR 2022; Hendrycks et al., ICML 2022)."""

    name = "maxlogit"

    def score(self, logits: Tensor) -> Tensor:
        """Return minus the largest logit [N]."""
        return -logits.amax(dim=1)


class Energy(LogitScore):
    """Free energy (Liu et al., NeurIPS 2020, arXiv:2010.03759).

    Args:
        temperature: of the softmax.
    """

    name = "energy"

    def __init__(self, *, temperature: Positive = 1.0) -> None:
        self.temperature = temperature

    def score(self, logits: Tensor) -> Tensor:
        """Return ``-T log sum exp(logits / T)`` [N]."""
        return energy(logits / self.temperature) * self.temperature


class Entropy(LogitScore):
    """Shannon entropy of the softmax."""

    name = "entropy"

    def score(self, logits: Tensor) -> Tensor:
        """Return the entropy [N], in nats."""
        log = logits.log_softmax(dim=1)
        return -(log.exp() * log).sum(dim=1)


class LogitGap(LogitScore):
    """Gap between the two largest logits (margin sampling; Scheffer et al., 2001)."""

    name = "logit_gap"

    def score(self, logits: Tensor) -> Tensor:
        """Return the second largest logit less the largest [N]."""
        two = logits.topk(2, dim=1).values  # [N, 2]
        return two[:, 1] - two[:, 0]


class Gen(LogitScore):
    """Generalised entropy of the likeliest classes (GEN; Liu et al., CVPR 2023).

    Args:
        gamma: exponent.
        classes: how many of the likeliest classes count.
    """

    name = "gen"

    def __init__(self, *, gamma: Positive = 0.1, classes: Count = 100) -> None:
        self.gamma = gamma
        self.classes = classes

    def score(self, logits: Tensor) -> Tensor:
        """Return the sum of ``(p (1 - p)) ** gamma`` over the likeliest classes [N]."""
        log = logits.log_softmax(dim=1).topk(min(self.classes, logits.shape[1]), dim=1).values
        return (log.exp() * -log.expm1()).pow(self.gamma).sum(dim=1)


class Doctor(LogitScore):
    """Odds of drawing two different classes from the softmax (DOCTOR's alpha; Granese et al., NeurIPS 2021).

    Its beta orders videos as msp does.
    """

    name = "doctor"

    def score(self, logits: Tensor) -> Tensor:
        """Return ``(1 - g) / g`` [N] for ``g = sum p ** 2``."""
        log = logits.log_softmax(dim=1)
        return (log.exp() * -log.expm1()).sum(dim=1) / (2 * log).exp().sum(dim=1)


class Renyi(LogitScore):
    """Rényi entropy of the softmax, its distance from the uniform distribution (RAINPROOF; Darrin et al., EMNLP 2023).

    Args:
        order: alpha; 1 would be Shannon's entropy, infinity msp.
    """

    name = "renyi"

    def __init__(self, *, order: Positive = 0.5) -> None:
        if order <= 0 or order == 1:
            raise OsarbenchError(
                f"renyi: the order is positive and not 1, {order} is not. For an order of 1 take the method entropy."
            )
        self.order = order

    def score(self, logits: Tensor) -> Tensor:
        """Return ``log(sum p ** alpha) / (1 - alpha)`` [N]."""
        return (self.order * logits.log_softmax(dim=1)).logsumexp(dim=1) / (1 - self.order)


class OdinTemperature(LogitScore):
    """ODIN (Liang et al., ICLR 2018) without its change of the input, which would need the network: msp, tempered.

    Args:
        temperature: of the softmax.
    """

    name = "odin_temperature"

    def __init__(self, *, temperature: Positive = 1000.0) -> None:
        self.temperature = temperature

    def score(self, logits: Tensor) -> Tensor:
        """Return the logarithm of one minus the largest probability [N]."""
        return log_remaining(logits / self.temperature)


class TemperatureScaling(LogitScore):
    """msp at the temperature that makes training labels likeliest (Guo et al., ICML 2017).

    The temperature stays between 1/20 and 20: a network that is right about every training video asks for none.
    """

    name = "tempscale"
    temperature: float

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Find the temperature by bisection: the likelihood is concave in its inverse."""
        logits = outputs.logits.double()
        true = logits.gather(1, labels[:, None]).squeeze(1)
        low, high = 1 / 20, 20.0  # of the inverse
        for _ in range(40):
            inverse = (low * high) ** 0.5
            expected = ((inverse * logits).softmax(dim=1) * logits).sum(dim=1)
            low, high = (low, inverse) if expected.mean() > true.mean() else (inverse, high)
        self.temperature = 1 / (low * high) ** 0.5

    def score(self, logits: Tensor) -> Tensor:
        """Return the logarithm of one minus the largest probability [N]."""
        return log_remaining(logits / self.temperature)


class KlMatching(LogitScore):
    """Divergence from the nearest class's typical softmax (KL matching; Hendrycks et al., ICML 2022)."""

    name = "klm"
    log_typical: Tensor  # [k, K]

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Average the softmax of the training videos that are predicted to be of a class; of no label, as published."""
        softmax = outputs.logits.double().softmax(dim=1)
        predicted = softmax.argmax(dim=1)
        typical = torch.stack([softmax[predicted == label].mean(dim=0) for label in torch.unique(predicted)])
        self.log_typical = typical.clamp(min=torch.finfo(torch.float64).tiny).log()

    def score(self, logits: Tensor) -> Tensor:
        """Return the smallest ``KL(softmax || typical)`` [N], in nats."""
        log = logits.log_softmax(dim=1)
        own = (log.exp() * log).sum(dim=1, keepdim=True)
        return (own - log.exp() @ self.log_typical.T).amin(dim=1)


class StandardizedMaxLogit(LogitScore):
    """Largest logit, standardised among those of its class (Jung et al., ICCV 2021).

    A class that fewer than two training videos are predicted to be of is given the mean and deviation of all of them.
    """

    name = "sml"
    mean: Tensor  # [K]
    deviation: Tensor

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Learn mean and deviation of the largest logit by predicted class."""
        largest, predicted = outputs.logits.double().max(dim=1)
        classes = outputs.view_logits.shape[-1]
        self.mean = largest.mean().expand(classes).clone()
        self.deviation = largest.std(correction=0).expand(classes).clone()
        for label in torch.unique(predicted):
            own = largest[predicted == label]
            if len(own) > 1 and own.std(correction=0) > 0:
                self.mean[label], self.deviation[label] = own.mean(), own.std(correction=0)
        self.deviation.clamp_(min=torch.finfo(torch.float32).tiny)

    def score(self, logits: Tensor) -> Tensor:
        """Return minus the standardised largest logit [N]."""
        largest, predicted = logits.max(dim=1)
        return (self.mean[predicted] - largest) / self.deviation[predicted]


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the scores of logits."""
    return [
        Msp, MaxLogit, Energy, Entropy, LogitGap, Gen, Doctor, Renyi, OdinTemperature, TemperatureScaling, KlMatching,
        StandardizedMaxLogit,
    ]  # fmt: skip
