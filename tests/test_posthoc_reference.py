"""Post-hoc scores against pytorch-ood's detectors, where it is installed and computes the same thing.

Where it does not, the reason is next to the name: each is a difference that was looked for, and found to be theirs.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from osarbench.interfaces.method import LinearHead, Outputs
from osarbench.plugins import loading as plugins

detectors: Any = pytest.importorskip("pytorch_ood.detector")

VIDEOS, DIM, CLASSES = 200, 16, 5
METHODS = plugins.load(kinds=["methods"]).methods
#: Not compared, and why.
APART = {
    "tempscale": "their search takes 50 small steps and stops far from the likeliest temperature",
    "gmm": "a covariance of its own for each class, which 2,048 features and 100 videos a class cannot determine",
    "vra": "clips from below as well, by percentiles of each feature; the paper sets low features to zero",
    "nac": "bins that are narrow at both ends, where the paper's are equal, and a steepness to be chosen by hand",
    "openmax": "Euclidean distance of logits, and another Weibull fit",
}


@cache
def given() -> tuple[Outputs, Tensor, Outputs]:
    generator = torch.Generator().manual_seed(9)
    head = LinearHead(DIM, DIM, CLASSES).eval().requires_grad_(False)
    head.fc.weight.copy_(torch.randn(CLASSES, DIM, generator=generator) / 2)
    head.fc.bias.copy_(torch.randn(CLASSES, generator=generator))
    labels = torch.arange(VIDEOS) % CLASSES
    train = (torch.rand(VIDEOS, DIM, generator=generator) + 4 * head.fc.weight[labels]).relu()
    test = (torch.rand(50, DIM, generator=generator) + torch.randn(50, DIM, generator=generator)).relu()
    known, other = (Outputs(features[:, None], head(features)[:, None], head) for features in (train, test))
    return known, labels, other


def layer() -> torch.nn.Linear:
    head = given()[0].head
    assert isinstance(head, LinearHead)
    return head.fc


def of_logits(detector: Any) -> Tensor:
    if detector.requires_fit:
        detector.fit_logits(given()[0].logits, given()[1])
    return torch.as_tensor(detector.predict_logits(given()[2].logits))


def of_features(detector: Any) -> Tensor:
    if detector.requires_fit:
        detector.fit_features(given()[0].features, given()[1])
    return torch.as_tensor(detector.predict_features(given()[2].features))


def of_maps(detector: Any) -> Tensor:
    if detector.requires_fit:
        detector.fit_feature_maps(given()[0].features[..., None, None], given()[1])
    return torch.as_tensor(detector.predict_feature_maps(given()[2].features[..., None, None]))


def shaped(maps: Tensor) -> Tensor:
    return layer()(maps.flatten(1))


def means() -> Tensor:
    features, labels = given()[0].features, given()[1]
    return torch.stack([features[labels == label].mean(dim=0) for label in range(CLASSES)])


#: Their score, brought to our scale where theirs is another.
THEIRS: dict[str, Callable[[], Tensor]] = {
    "msp": lambda: 1 + of_logits(detectors.MaxSoftmax(None)),
    "maxlogit": lambda: of_logits(detectors.MaxLogit(None)),
    "energy": lambda: of_logits(detectors.EnergyBased(None)),
    "entropy": lambda: of_logits(detectors.Entropy(None)),
    "gen": lambda: CLASSES * of_logits(detectors.GEN(None)),
    "klm": lambda: of_logits(detectors.KLMatching(None)),
    "react": lambda: of_maps(detectors.ReAct(None, shaped)),
    "ash_p": lambda: of_maps(detectors.ASH(None, shaped, variant="ash-p", percentile=0.6)),
    "ash_b": lambda: of_maps(detectors.ASH(None, shaped, variant="ash-b", percentile=0.65)),
    "ash_s": lambda: of_maps(detectors.ASH(None, shaped, variant="ash-s", percentile=0.9)),
    "scale": lambda: of_maps(detectors.SCALE(None, shaped, percentile=0.85)),
    "lts": lambda: of_features(detectors.LTS(None, layer(), p=0.05)),
    "dice": lambda: of_features(detectors.DICE(None, layer().weight, layer().bias, p=0.7)),
    "she": lambda: of_features(detectors.SHE(None, layer())),
    "fdbd": lambda: of_features(detectors.fDBD(None, layer())),
    "nci": lambda: of_features(detectors.NCI(None, layer(), alpha=0.0001)),
    "mcm": lambda: 1 + of_features(detectors.MCM(None, means())),
    "mds": lambda: 2 * VIDEOS * of_features(detectors.Mahalanobis(None)),
    "rmds": lambda: VIDEOS * of_features(detectors.RMD(None)),
    "vim": lambda: of_features(detectors.ViM(None, DIM // 2, layer().weight, layer().bias)),
    "pnml": lambda: of_features(detectors.PNML(None, layer())) * torch.log(torch.tensor(CLASSES)),
    "knn": lambda: of_features(detectors.KNN(None, k=30)),
    "nnguide": lambda: of_features(detectors.NNGuide(None, layer())),
    "gradnorm": lambda: detectors.GradNorm(layer(), param_filter=lambda name: name == "weight").to("cpu").predict(
        given()[2].features
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", THEIRS)
def test_a_score_is_pytorch_oods(name: str) -> None:
    train, labels, test = given()
    method = METHODS[name]()
    method.fit(train, labels)
    torch.testing.assert_close(method.uncertainty(test), THEIRS[name]().double(), rtol=2e-3, atol=2e-4)


def test_what_is_not_compared_exists() -> None:
    assert set(APART) <= set(METHODS)
    assert not set(APART) & set(THEIRS)
