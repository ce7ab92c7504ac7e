"""OpenOOD's post-processors as formulas: what Jingkang50/OpenOOD computes at 3c35632, restated from reading it.

Each takes the data and returns an uncertainty, minus OpenOOD's confidence. Settings are ours, so that formulas are
compared; where OpenOOD fits on a validation set, the training set stands for it.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from audit_case import Data, energy
from scipy import stats
from scipy.special import log_softmax, softmax
from sklearn import covariance, mixture


def tempered(data: Data) -> np.ndarray:
    """Fifty steps of L-BFGS at a rate of 0.01, from a temperature of 1.5."""
    temperature = torch.full((1,), 1.5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([temperature], lr=0.01, max_iter=50)
    logits = torch.from_numpy(data.known.logits)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(logits / temperature, data.labels)
        value.backward()
        return value

    optimizer.step(loss)
    return np.asarray(-softmax(data.asked.logits / temperature.item(), axis=1).max(axis=1))


def gen(data: Data) -> np.ndarray:
    largest = np.sort(data.asked.softmax, axis=1)[:, -100:]
    return np.asarray((largest**0.1 * (1 - largest) ** 0.1).sum(axis=1))


def kl_matching(data: Data) -> np.ndarray:
    predicted = data.known.logits.argmax(axis=1)
    typical = [
        data.known.softmax[predicted == label].mean(axis=0) if (predicted == label).any() else row
        for label, row in enumerate(np.eye(data.classes))
    ]
    return np.array([min(stats.entropy(row, each) for each in typical) for row in data.asked.softmax])


def mixture_of_clusters(data: Data) -> np.ndarray:
    """A mixture found by expectation maximisation, labels unseen; its density is taken from exponentials."""
    found = mixture.GaussianMixture(data.classes, covariance_type="tied", random_state=0).fit(data.known.features)
    away = data.asked.features[:, None] - found.means_
    squares = np.einsum("nkd,de,nke->nk", away, found.precisions_, away)
    return np.asarray(-np.log(np.exp(-squares / 2) @ found.weights_ + 1e-45))


def distances(data: Data) -> np.ndarray:
    """Squared Mahalanobis distances [N, K] to the classes, their covariance shared."""
    labels = data.labels.numpy()
    means = np.stack([data.known.features[labels == label].mean(axis=0) for label in np.unique(labels)])
    shared = covariance.EmpiricalCovariance().fit(data.known.features - means[labels])
    return np.stack([shared.mahalanobis(data.asked.features - mean + shared.location_) for mean in means], axis=1)


def relative(data: Data) -> np.ndarray:
    whole = covariance.EmpiricalCovariance().fit(data.known.features)
    return np.asarray(distances(data).min(axis=1) - whole.mahalanobis(data.asked.features))


def head(data: Data, features: np.ndarray) -> np.ndarray:
    return energy(features @ data.weight.T + data.bias)


def largest(features: np.ndarray, percent: float) -> np.ndarray:
    """Set all but the largest features of each video to zero."""
    kept = features.shape[1] - round(features.shape[1] * percent / 100)
    order = np.argsort(-features, axis=1)[:, :kept]
    mask = np.zeros_like(features)
    np.put_along_axis(mask, order, 1.0, axis=1)
    return np.asarray(features * mask)


def ash_binary(data: Data) -> np.ndarray:
    features = data.asked.features
    kept = features.shape[1] - round(features.shape[1] * 0.65)
    order = np.argsort(-features, axis=1)[:, :kept]
    equal = np.zeros_like(features)
    np.put_along_axis(equal, order, features.sum(axis=1, keepdims=True) / kept, axis=1)
    return head(data, equal)


def sharpened(data: Data, percent: float, *, pruned: bool) -> np.ndarray:
    features, kept = data.asked.features, largest(data.asked.features, percent)
    factor = np.exp(features.sum(axis=1) / kept.sum(axis=1))[:, None]
    return head(data, (kept if pruned else features) * factor)


def clipped(data: Data, low: float | None, high: float) -> np.ndarray:
    floor = None if low is None else np.percentile(data.known.features, low)
    return head(data, np.clip(data.asked.features, floor, np.percentile(data.known.features, high)))


def dice(data: Data) -> np.ndarray:
    contribution = data.known.features.mean(axis=0) * data.weight
    weight = data.weight * (contribution > np.percentile(contribution, 70))
    return energy(data.asked.features @ weight.T + data.bias)


def boundaries(data: Data) -> np.ndarray:
    apart = np.linalg.norm(data.weight[:, None] - data.weight, axis=2) + np.eye(data.classes)
    predicted, best = data.asked.logits.argmax(axis=1), data.asked.logits.max(axis=1, keepdims=True)
    total = (np.abs(data.asked.logits - best) / apart[predicted]).sum(axis=1)
    return np.asarray(-total / np.linalg.norm(data.asked.features - data.known.features.mean(axis=0), axis=1))


def collapse(data: Data) -> np.ndarray:
    away = data.asked.features - data.known.features.mean(axis=0)
    along = (data.weight[data.asked.logits.argmax(axis=1)] * away).sum(axis=1) / np.linalg.norm(away, axis=1)
    return np.asarray(-along - 0.0001 * np.abs(data.asked.features).sum(axis=1))


def gradient(data: Data) -> np.ndarray:
    """The 1-norm of the weights' gradient of K times the cross-entropy with the uniform distribution."""
    towards = data.classes * softmax(data.asked.logits, axis=1) - 1
    return np.asarray(-np.abs(towards[:, :, None] * data.asked.features[:, None]).sum(axis=(1, 2)))


def stored_pattern(data: Data) -> np.ndarray:
    labels, predicted = data.labels.numpy(), data.known.logits.argmax(axis=1)
    patterns = [
        data.known.features[(labels == label) & (predicted == label)].mean(axis=0) for label in range(data.classes)
    ]
    return np.asarray(-(data.asked.features * np.stack(patterns)[data.asked.logits.argmax(axis=1)]).sum(axis=1))


def directions(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True) + 1e-10)


def guided(data: Data) -> np.ndarray:
    bank = directions(data.known.features) * -energy(data.known.logits)[:, None]
    nearest = np.sort(directions(data.asked.features) @ bank.T, axis=1)[:, -10:]
    return np.asarray(nearest.mean(axis=1) * energy(data.asked.logits))


def relations(data: Data) -> np.ndarray:
    alike = np.maximum(directions(data.asked.features) @ directions(data.known.features).T, 0)
    alike = alike * (data.asked.softmax @ data.known.softmax.T)
    return np.asarray(-np.where(alike > 0.03, alike, 0).sum(axis=1))


def neighbour(data: Data) -> np.ndarray:
    """The squared distance to the k-th neighbour."""
    away = directions(data.asked.features)[:, None] - directions(data.known.features)
    return np.asarray(np.sort((away**2).sum(axis=2), axis=1)[:, int(data.setting("knn", "nearest")) - 1])


def residual(data: Data, features: np.ndarray) -> np.ndarray:
    origin = -np.linalg.pinv(data.weight) @ data.bias
    away = data.known.features - origin
    vectors = np.linalg.eigh(away.T @ away / len(away)).eigenvectors  # the strongest last
    minor = vectors[:, : away.shape[1] - away.shape[1] // 2]
    return np.asarray(np.linalg.norm((features - origin) @ minor, axis=1))


def virtual_logit(data: Data) -> np.ndarray:
    scale = data.known.logits.max(axis=1).mean() / residual(data, data.known.features).mean()
    return np.asarray(residual(data, data.asked.features) * scale + energy(data.asked.logits))


def openmax(data: Data) -> np.ndarray:
    """Euclidean distances of logits to the means of their classes; the three largest logits are revised."""
    labels, predicted = data.labels.numpy(), data.known.logits.argmax(axis=1)
    weight = np.zeros_like(data.asked.logits)
    for label in range(data.classes):
        rows = data.known.logits[(labels == label) & (predicted == label)]
        mean = rows.mean(axis=0)
        location, scale = stats.gumbel_l.fit(np.sort(np.linalg.norm(rows - mean, axis=1))[-20:])
        weight[:, label] = stats.gumbel_l.cdf(np.linalg.norm(data.asked.logits - mean, axis=1), location, scale)
    places = (-data.asked.logits).argsort(axis=1).argsort(axis=1)
    moved = data.asked.logits * weight * np.where(places < 3, (3 - places) / 3, 0)
    opened = np.concatenate([data.asked.logits - moved, moved.sum(axis=1, keepdims=True)], axis=1)
    return np.asarray(log_softmax(opened, axis=1)[:, -1])


def dropout(data: Data) -> np.ndarray:
    """One minus the largest softmax of the mean logits of ten passes."""
    generator = np.random.default_rng(0)
    kept = generator.random((10, *data.asked.features.shape)) >= 0.5
    logits = (2 * kept * data.asked.features).mean(axis=0) @ data.weight.T + data.bias
    return np.asarray(1 - softmax(logits, axis=1).max(axis=1))


SCORES: Mapping[str, Callable[[Data], np.ndarray]] = {
    "ash_b": ash_binary,
    "ash_p": lambda data: head(data, largest(data.asked.features, 60)),
    "ash_s": lambda data: sharpened(data, 90, pruned=True),
    "dice": dice,
    "energy": lambda data: energy(data.asked.logits),
    "fdbd": boundaries,
    "gen": gen,
    "gmm": mixture_of_clusters,
    "gradnorm": gradient,
    "klm": kl_matching,
    "knn": neighbour,
    "maxlogit": lambda data: -data.asked.logits.max(axis=1),
    "mc_dropout": dropout,
    "mds": lambda data: distances(data).min(axis=1),
    "msp": lambda data: -data.asked.softmax.max(axis=1),
    "nci": collapse,
    "nnguide": guided,
    "odin_temperature": lambda data: -softmax(data.asked.logits / 1000, axis=1).max(axis=1),
    "openmax": openmax,
    "react": lambda data: clipped(data, None, 90),
    "relation": relations,
    "residual": lambda data: residual(data, data.asked.features),
    "rmds": relative,
    "scale": lambda data: sharpened(data, 85, pruned=False),
    "she": stored_pattern,
    "tempscale": tempered,
    "vim": virtual_logit,
    "vra": lambda data: clipped(data, 80, 90),
}
