"""pytorch-ood's detectors of the scores that it has, with our settings."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from audit_case import Data, unit
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

try:
    import pytorch_ood.detector as imported
except ImportError:  # the tests are then skipped
    imported = None
detectors: Any = imported


def of_logits(detector: Any, data: Data) -> Tensor:
    if detector.requires_fit:
        detector.fit_logits(torch.from_numpy(data.known.logits), data.labels)
    found: Tensor = detector.predict_logits(torch.from_numpy(data.asked.logits))
    return found.detach()


def of_features(detector: Any, data: Data, *, double: bool = True) -> Tensor:
    known, asked = (data.train.double(), data.test.double()) if double else (data.train, data.test)
    if detector.requires_fit:
        detector.fit_features(known, data.labels)
    found: Tensor = detector.predict_features(asked)
    return found.detach()


def of_maps(make: Callable[[Callable[[Tensor], Tensor]], Any], data: Data) -> Tensor:
    """Score features as maps of one pixel, in float32, as some detectors keep thresholds in it."""

    def head(maps: Tensor) -> Tensor:
        logits: Tensor = data.head.fc(maps.flatten(1))
        return logits

    detector = make(head)
    if detector.requires_fit:
        detector.fit_feature_maps(data.train[..., None, None], data.labels)
    found: Tensor = detector.predict_feature_maps(data.test[..., None, None])
    return found.detach()


def mahalanobis(data: Data) -> Tensor:
    return of_features(detectors.Mahalanobis(None), data, double=False)


def coverage(data: Data) -> Tensor:
    features = nn.Identity()
    model = nn.Sequential(features, data.layer)
    detector = detectors.NACUE(model, [features], alpha=data.setting("nac", "slope"), device="cpu")
    rows = data.train.double().requires_grad_(True)
    detector.fit(DataLoader(TensorDataset(rows.detach(), data.labels), batch_size=len(rows), collate_fn=_grad))
    found: Tensor = detector.predict(data.test.double().requires_grad_(True))
    return found


def _grad(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    features, labels = zip(*rows, strict=True)
    return torch.stack(features).requires_grad_(True), torch.stack(labels)


def tempered_softmax(data: Data) -> Tensor:
    detector = detectors.ODIN(nn.Sequential(nn.Flatten(), data.layer), eps=0.0)
    found: Tensor = detector.predict(data.test.double()[..., None, None])
    return found.detach()


def passes(data: Data) -> Tensor:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Dropout(0.5), data.layer).eval()
    found: Tensor = detectors.MCD.run(model, data.test.double(), 10)[1]  # the variance
    return found


def guided(data: Data) -> Tensor:
    return of_features(detectors.NNGuide(None, data.head.fc), data, double=False)


def class_means(data: Data) -> Tensor:
    return torch.stack([data.train[data.labels == label].mean(dim=0) for label in range(data.classes)])


def gradient(data: Data) -> Tensor:
    detector = detectors.GradNorm(data.head.fc, param_filter=lambda name: name == "weight").to("cpu")
    data.head.requires_grad_(True)
    found: Tensor = detector.predict(data.test)
    data.head.requires_grad_(False)
    return found.detach()


def clipped_dice(data: Data) -> Tensor:
    threshold = data.setting("dice_react", "threshold")
    return SCORES_OF_TENSORS["dice"](data.replaced(lambda features: features.clamp(max=threshold)))


SCORES_OF_TENSORS: Mapping[str, Callable[[Data], Tensor]] = {
    "ash_b": lambda data: of_maps(lambda head: detectors.ASH(None, head, variant="ash-b", percentile=0.65), data),
    "ash_p": lambda data: of_maps(lambda head: detectors.ASH(None, head, variant="ash-p", percentile=0.6), data),
    "ash_s": lambda data: of_maps(lambda head: detectors.ASH(None, head, variant="ash-s", percentile=0.9), data),
    "dice": lambda data: of_features(
        detectors.DICE(None, data.head.fc.weight, data.head.fc.bias, p=0.7), data, double=False
    ),
    "dice_react": clipped_dice,
    "energy": lambda data: of_logits(detectors.EnergyBased(None), data),
    "entropy": lambda data: of_logits(detectors.Entropy(None), data),
    "fdbd": lambda data: of_features(detectors.fDBD(None, data.head.fc), data, double=False),
    "gen": lambda data: of_logits(detectors.GEN(None), data),
    "gmm": lambda data: of_features(detectors.GMM(None), data),
    "gradnorm": gradient,
    "klm": lambda data: of_logits(detectors.KLMatching(None), data),
    "knn": lambda data: of_features(detectors.KNN(None, k=int(data.setting("knn", "nearest"))), data),
    "knn_euclidean": lambda data: of_features(
        detectors.KNN(None, k=int(data.setting("knn", "nearest")), normalize=False), data
    ),
    "lts": lambda data: of_features(detectors.LTS(None, data.head.fc, p=0.05), data, double=False),
    "maxlogit": lambda data: of_logits(detectors.MaxLogit(None), data),
    "mc_dropout": passes,
    "mcm": lambda data: of_features(detectors.MCM(None, class_means(data)), data),
    "mds": mahalanobis,
    "mds_pp": lambda data: mahalanobis(data.replaced(unit)),
    "mds_single": lambda data: mahalanobis(data.together()),
    "msp": lambda data: of_logits(detectors.MaxSoftmax(None), data),
    "nac": coverage,
    "nci": lambda data: of_features(detectors.NCI(None, data.head.fc, alpha=0.0001), data, double=False),
    "nnguide": guided,
    "odin_temperature": tempered_softmax,
    "openmax": lambda data: of_logits(detectors.OpenMax(None), data),
    "pnml": lambda data: of_features(detectors.PNML(None, data.head.fc), data, double=False),
    "react": lambda data: of_maps(lambda head: detectors.ReAct(None, head, percentile=0.9), data),
    "rmds": lambda data: of_features(detectors.RMD(None), data, double=False),
    "scale": lambda data: of_maps(lambda head: detectors.SCALE(None, head, percentile=0.85), data),
    "she": lambda data: of_features(detectors.SHE(None, data.head.fc), data, double=False),
    "ssd": lambda data: mahalanobis(data.replaced(unit).together()),
    "tempscale": lambda data: of_logits(detectors.TemperatureScaling(None), data),
    "vim": lambda data: of_features(
        detectors.ViM(None, data.head.dim // 2, data.head.fc.weight, data.head.fc.bias), data, double=False
    ),
    "vra": lambda data: of_maps(
        lambda head: detectors.VRA(None, head, lower_percentile=0.8, upper_percentile=0.9), data
    ),
}

SCORES: Mapping[str, Callable[[Data], np.ndarray]] = {
    name: lambda data, score=score: np.asarray(score(data).double().numpy())  # type: ignore[misc]
    for name, score in SCORES_OF_TENSORS.items()
}
