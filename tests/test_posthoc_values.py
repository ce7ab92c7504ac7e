"""Post-hoc scores against their papers' formulas, worked once more in NumPy or by scikit-learn, video by video."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy.special import expit, logsumexp, softmax
from sklearn import covariance, ensemble, mixture, neighbors
from sklearn.decomposition import PCA

from osarbench import plugins
from osarbench.method import LinearHead, Outputs
from osarbench_plugins.methods._whitening import oas

VIDEOS, DIM, CLASSES = 90, 12, 4
METHODS = plugins.load(kinds=["methods"]).methods


class Case(NamedTuple):
    """Training and test features and logits as float64 arrays, labels, and the weights of the head."""

    train: np.ndarray
    train_logits: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    logits: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    @property
    def means(self) -> np.ndarray:
        return np.stack([self.train[self.labels == label].mean(axis=0) for label in range(CLASSES)])

    @property
    def within(self) -> np.ndarray:
        return np.asarray(covariance.empirical_covariance(self.train - self.means[self.labels], assume_centered=True))


@cache
def given() -> tuple[Outputs, torch.Tensor, Outputs]:
    generator = torch.Generator().manual_seed(4)
    head = LinearHead(DIM, DIM, CLASSES).eval().requires_grad_(False)
    head.fc.weight.copy_(torch.randn(CLASSES, DIM, generator=generator))
    head.fc.bias.copy_(torch.randn(CLASSES, generator=generator))
    labels = torch.arange(VIDEOS) % CLASSES
    train = (torch.rand(VIDEOS, DIM, generator=generator) + 2 * head.fc.weight[labels]).relu()
    test = (torch.rand(40, DIM, generator=generator) + torch.randn(40, DIM, generator=generator)).relu()

    def outputs(features: torch.Tensor) -> Outputs:
        return Outputs(features[:, None], head(features)[:, None], head)

    return outputs(train), labels, outputs(test)


@cache
def case() -> Case:
    train, labels, test = given()
    head = train.head
    assert isinstance(head, LinearHead)
    arrays = [train.features, train.logits, labels, test.features, test.logits, head.fc.weight, head.fc.bias]
    return Case(*(array.numpy().astype(int if array is labels else float) for array in arrays))


def energy(logits: np.ndarray) -> np.ndarray:
    return np.asarray(-logsumexp(logits, axis=1))


def head(features: np.ndarray) -> np.ndarray:
    return np.asarray(features @ case().weight.T + case().bias)


def probabilities() -> np.ndarray:
    return np.asarray(softmax(case().logits, axis=1))


def unit(features: np.ndarray) -> np.ndarray:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


def mahalanobis(features: np.ndarray, mean: np.ndarray, within: np.ndarray) -> np.ndarray:
    away = features - mean
    return np.asarray(np.einsum("nd,de,ne->n", away, np.linalg.inv(within), away))


def kl_matching() -> np.ndarray:
    train = softmax(case().train_logits, axis=1)
    typical = [train[train.argmax(axis=1) == label].mean(axis=0) for label in np.unique(train.argmax(axis=1))]
    return np.array([min(np.sum(p * np.log(p / q)) for q in typical) for p in probabilities()])


def standardized() -> np.ndarray:
    best, predicted = case().train_logits.max(axis=1), case().train_logits.argmax(axis=1)
    return np.array(
        [
            -(row.max() - best[predicted == row.argmax()].mean()) / best[predicted == row.argmax()].std()
            for row in case().logits
        ]
    )


def pruned(row: np.ndarray, percent: float) -> np.ndarray:
    kept = len(row) - round(len(row) * percent / 100)
    return np.where(np.isin(np.arange(len(row)), np.argsort(-row)[:kept]), row, 0)


def each(function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    return np.stack([function(row) for row in case().test])


def ash_b(row: np.ndarray) -> np.ndarray:
    kept = len(row) - round(len(row) * 0.65)
    return np.asarray((pruned(row, 65) > 0) * row.sum() / kept)


def dice(clip: float) -> np.ndarray:
    contribution = np.minimum(case().train, clip).mean(axis=0) * case().weight
    sparse = np.where(contribution > np.percentile(contribution, 70), case().weight, 0)
    return energy(np.minimum(case().test, clip) @ sparse.T + case().bias)


def fdbd() -> np.ndarray:
    found = []
    for row, logits in zip(case().test, case().logits, strict=True):
        best = logits.argmax()
        others = [label for label in range(CLASSES) if label != best]
        norms = [np.linalg.norm(case().weight[best] - case().weight[other]) for other in others]
        gaps = [(logits[best] - logits[other]) / norm for other, norm in zip(others, norms, strict=True)]
        found.append(-np.mean(gaps) / np.linalg.norm(row - case().train.mean(axis=0)))
    return np.array(found)


def nci() -> np.ndarray:
    away = case().test - case().train.mean(axis=0)
    along = (unit(away) * case().weight[case().logits.argmax(axis=1)]).sum(axis=1)
    return np.asarray(-along - 0.0001 * np.abs(case().test).sum(axis=1))


def autograd(videos: Outputs) -> list[torch.Tensor]:
    """Return the gradient of the uniform cross-entropy in the weights and in the feature, for each video."""
    found = []
    for row in videos.features:
        feature = row.double().clone().requires_grad_(True)
        weight = torch.from_numpy(case().weight).requires_grad_(True)
        logits = weight @ feature + torch.from_numpy(case().bias)
        loss = -logits.log_softmax(dim=0).mean()
        found.append(torch.autograd.grad(loss, (weight, feature)))
    return found


def nac() -> np.ndarray:
    def products(videos: Outputs) -> np.ndarray:
        gradients = torch.stack([gradient for _, gradient in autograd(videos)])
        return np.asarray(videos.features.double() * gradients)

    def states(videos: Outputs) -> np.ndarray:
        state = expit(10 / np.abs(products(given()[0])).mean() * products(videos))
        return np.minimum((state * 50).astype(int), 49)

    counts = [np.bincount(column, minlength=50) for column in states(given()[0]).T]
    return np.array([-np.mean([min(counts[d][b] / 50, 1) for d, b in enumerate(row)]) for row in states(given()[2])])


def nusa() -> np.ndarray:
    _, _, rows = np.linalg.svd(case().weight)
    blind = case().test @ rows[CLASSES:].T
    return np.asarray(np.linalg.norm(blind, axis=1) / np.linalg.norm(case().test, axis=1))


def she() -> np.ndarray:
    right = case().train_logits.argmax(axis=1) == case().labels
    patterns = [case().train[right & (case().labels == label)].mean(axis=0) for label in range(CLASSES)]
    return np.array(
        [-row @ patterns[best] for row, best in zip(case().test, case().logits.argmax(axis=1), strict=True)]
    )


def distances(features: np.ndarray) -> np.ndarray:
    return np.stack([mahalanobis(features, mean, case().within) for mean in case().means], axis=1)


def rmds() -> np.ndarray:
    whole = covariance.EmpiricalCovariance().fit(case().train)
    return np.asarray(distances(case().test).min(axis=1) - whole.mahalanobis(case().test))


def mds_normalized() -> np.ndarray:
    train = unit(case().train)
    means = np.stack([train[case().labels == label].mean(axis=0) for label in range(CLASSES)])
    within = covariance.empirical_covariance(train - means[case().labels], assume_centered=True)
    return np.min([mahalanobis(unit(case().test), mean, within) for mean in means], axis=0)


def density() -> np.ndarray:
    """The density by scikit-learn, whose mixture is given the parameters; up to the normaliser."""
    found = mixture.GaussianMixture(CLASSES, covariance_type="tied")
    found.weights_ = np.bincount(case().labels) / VIDEOS
    found.means_, found.covariances_ = case().means, case().within
    found.precisions_cholesky_ = np.linalg.cholesky(np.linalg.inv(case().within))
    constant = 0.5 * (DIM * np.log(2 * np.pi) + np.linalg.slogdet(case().within)[1])
    return np.asarray(-found.score_samples(case().test) - constant)


class Principal(NamedTuple):
    """Where directions are counted from, and those that are not principal."""

    origin: np.ndarray
    minor: np.ndarray

    def residual(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm((features - self.origin) @ self.minor, axis=1))


def principal() -> Principal:
    origin = -np.linalg.pinv(case().weight) @ case().bias
    away = case().train - origin
    return Principal(origin, np.linalg.eigh(away.T @ away).eigenvectors[:, : DIM // 2])


def vim() -> np.ndarray:
    scale = case().train_logits.max(axis=1).mean() / principal().residual(case().train).mean()
    return np.asarray(principal().residual(case().test) * scale + energy(case().logits))


def neco() -> np.ndarray:
    mean, deviation = case().train.mean(axis=0), case().train.std(axis=0)
    found = PCA(CLASSES - 1).fit((case().train - mean) / deviation)
    standard = (case().test - mean) / deviation
    share = np.linalg.norm(found.transform(standard), axis=1) / np.linalg.norm(standard, axis=1)
    return np.asarray(-share * case().logits.max(axis=1))


def pnml() -> np.ndarray:
    short = unit(case().test)
    away = np.einsum("nd,de,ne->n", short, np.linalg.inv(unit(case().train).T @ unit(case().train)), short)
    p = softmax(head(short), axis=1)
    return np.asarray(np.log((p / (p + p ** (away / (1 + away))[:, None] * (1 - p))).sum(axis=1)))


def knn(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    smallest = 3 * int(np.median(np.bincount(case().labels))) // 4
    found = neighbors.NearestNeighbors(n_neighbors=smallest).fit(train)
    return np.asarray(found.kneighbors(features)[0][:, -1])


def nnguide() -> np.ndarray:
    bank = -unit(case().train) * energy(case().train_logits)[:, None]
    guidance = np.sort(unit(case().test) @ bank.T, axis=1)[:, -10:].mean(axis=1)
    return np.asarray(guidance * energy(case().logits))


def relation() -> np.ndarray:
    relations = np.maximum(unit(case().test) @ unit(case().train).T, 0)
    relations = relations * (probabilities() @ softmax(case().train_logits, axis=1).T)
    return np.asarray(-np.where(relations > 0.03, relations, 0).sum(axis=1))


def diagonal() -> np.ndarray:
    variances = np.stack([case().train[case().labels == label].var(axis=0) for label in range(CLASSES)])
    counts = np.bincount(case().labels)[:, None]
    together = np.diag(case().within)
    blended = (counts * variances + 10 * together) / (counts + 10)
    found = mixture.GaussianMixture(CLASSES, covariance_type="diag")
    found.weights_, found.means_ = counts[:, 0] / VIDEOS, case().means
    found.covariances_, found.precisions_cholesky_ = blended, 1 / np.sqrt(blended)
    return np.asarray(-found.score_samples(case().test) - DIM * np.log(2 * np.pi) / 2)


def coordinates(features: np.ndarray) -> np.ndarray:
    found = PCA(DIM - 1).fit(case().train)
    along = found.transform(features)
    rest = np.linalg.norm(features - found.inverse_transform(along), axis=1)
    return np.column_stack([along, rest])


def prototypes() -> np.ndarray:
    return np.asarray(unit(case().test) @ unit(case().means).T)


def kde() -> np.ndarray:
    train = coordinates(case().train)
    width = np.sqrt(train.var(axis=0).mean()) * VIDEOS ** (-1 / (DIM + 4))
    found = neighbors.KernelDensity(bandwidth=width).fit(train)
    return np.asarray(-found.score_samples(coordinates(case().test)))


def lof() -> np.ndarray:
    found = neighbors.LocalOutlierFactor(16, novelty=True).fit(coordinates(case().train))
    return np.asarray(-found.score_samples(coordinates(case().test)))


EXPECTED: dict[str, Callable[[], np.ndarray]] = {
    "msp": lambda: 1 - probabilities().max(axis=1),
    "maxlogit": lambda: -case().logits.max(axis=1),
    "energy": lambda: energy(case().logits),
    "entropy": lambda: -(probabilities() * np.log(probabilities())).sum(axis=1),
    "logit_gap": lambda: -np.diff(np.sort(case().logits, axis=1))[:, -1],
    "gen": lambda: (probabilities() ** 0.1 * (1 - probabilities()) ** 0.1).sum(axis=1),
    "doctor": lambda: 1 / (probabilities() ** 2).sum(axis=1) - 1,
    "renyi": lambda: 2 * np.log(np.sqrt(probabilities()).sum(axis=1)),
    "odin_temperature": lambda: np.log(1 - softmax(case().logits / 1000, axis=1).max(axis=1)),
    "klm": kl_matching,
    "sml": standardized,
    "react": lambda: energy(head(np.minimum(case().test, np.percentile(case().train, 90)))),
    "vra": lambda: energy(
        head(
            np.where(case().test < np.percentile(case().train, 10), 0, case().test).clip(
                max=np.percentile(case().train, 90)
            )
        )
    ),
    "ash_p": lambda: energy(head(each(lambda row: pruned(row, 60)))),
    "ash_b": lambda: energy(head(each(ash_b))),
    "ash_s": lambda: energy(head(each(lambda row: pruned(row, 90) * np.exp(row.sum() / pruned(row, 90).sum())))),
    "scale": lambda: energy(head(each(lambda row: row * np.exp(row.sum() / pruned(row, 85).sum())))),
    "lts": lambda: energy(case().logits * each(lambda row: (row.sum() / pruned(row, 95).sum()) ** 2)[:, None]),
    "dice": lambda: dice(np.inf),
    "dice_react": lambda: dice(np.percentile(case().train, 90)),
    "fdbd": fdbd,
    "nci": nci,
    "gradnorm": lambda: np.array([-float(weight.abs().sum()) for weight, _ in autograd(given()[2])]),
    "nac": nac,
    "maxcosine": lambda: 1 - (unit(case().test) @ unit(case().weight).T).max(axis=1),
    "feature_norm": lambda: -np.linalg.norm(case().test, axis=1),
    "nusa": nusa,
    "she": she,
    "mds": lambda: distances(case().test).min(axis=1),
    "rmds": rmds,
    "mds_pp": mds_normalized,
    "mds_single": lambda: covariance.EmpiricalCovariance().fit(case().train).mahalanobis(case().test),
    "ssd": lambda: covariance.EmpiricalCovariance().fit(unit(case().train)).mahalanobis(unit(case().test)),
    "gmm": density,
    "gmm_diag": diagonal,
    "residual": lambda: principal().residual(case().test),
    "vim": vim,
    "neco": neco,
    "pnml": pnml,
    "nearest_mean": lambda: np.linalg.norm(case().test[:, None] - case().means, axis=2).min(axis=1),
    "cosine_prototype": lambda: 1 - prototypes().max(axis=1),
    "mcm": lambda: 1 - softmax(prototypes(), axis=1).max(axis=1),
    "knn": lambda: knn(unit(case().test), unit(case().train)),
    "knn_euclidean": lambda: knn(case().test, case().train),
    "nnguide": nnguide,
    "relation": relation,
    "lof": lof,
    "kde": kde,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_score_is_its_formula(name: str) -> None:
    train, labels, test = given()
    method = METHODS[name]()
    method.fit(train, labels)
    rounding = 1e-2 if name == "lof" else 2e-4  # where two neighbours are equally far, rounding decides which counts
    np.testing.assert_allclose(method.uncertainty(test).numpy(), EXPECTED[name](), rtol=rounding, atol=2e-6)


def test_temperature_scaling_finds_the_likeliest_temperature() -> None:
    train, labels, test = given()
    method = METHODS["tempscale"]()
    wrong = train._replace(view_logits=train.view_logits * 3)  # too sure, and wrong about some
    method.fit(wrong, labels)
    grid = np.exp(np.linspace(np.log(1 / 20), np.log(20), 4001))
    logits = 3 * case().train_logits
    loss = [
        -(logits / t - logsumexp(logits / t, axis=1, keepdims=True))[range(VIDEOS), case().labels].mean() for t in grid
    ]
    assert method.temperature == pytest.approx(grid[np.argmin(loss)], rel=2e-3)
    expected = np.log(1 - softmax(case().logits / method.temperature, axis=1).max(axis=1))
    np.testing.assert_allclose(method.uncertainty(test).numpy(), expected, rtol=1e-5)


def test_shrinkage_is_scikit_learns() -> None:
    few = case().train[:9]  # fewer videos than features
    expected, shrinkage = covariance.oas(few - few.mean(axis=0), assume_centered=True)
    found = covariance.empirical_covariance(few - few.mean(axis=0), assume_centered=True)
    assert oas(torch.from_numpy(found), 9) == pytest.approx(shrinkage)
    method = METHODS["mds_single"]()
    train, _, test = given()
    method.fit(Outputs(train.view_features[:9], train.view_logits[:9], train.head), given()[1][:9])
    away = case().test - few.mean(axis=0)
    distances = np.einsum("nd,de,ne->n", away, np.linalg.inv(expected), away)
    np.testing.assert_allclose(method.uncertainty(test).numpy(), distances, rtol=1e-4)


def test_the_isolation_forest_is_scikit_learns_on_principal_coordinates() -> None:
    train, labels, test = given()
    method = METHODS["iforest"]()
    method.fit(train, labels)
    found = ensemble.IsolationForest(random_state=0).fit(coordinates(case().train))
    expected = -found.score_samples(coordinates(case().test))
    assert np.corrcoef(method.uncertainty(test).numpy(), expected)[0, 1] > 0.99


def test_scores_of_views_by_hand() -> None:
    logits = torch.log(torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.7, 0.3], [0.7, 0.3]]]))
    features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [3.0, 3.0]]])
    videos = Outputs(features, logits, given()[0].head)
    assert METHODS["view_variance"]().uncertainty(videos).tolist() == pytest.approx([2 * 0.04, 0], abs=1e-7)
    entropy = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    mean = (-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) + np.log(2)) / 2
    assert METHODS["view_jsd"]().uncertainty(videos).tolist() == pytest.approx([entropy - mean, 0], abs=1e-7)
    assert METHODS["view_angle"]().uncertainty(videos).tolist() == pytest.approx([1 - np.sqrt(0.5), 0], abs=1e-7)
