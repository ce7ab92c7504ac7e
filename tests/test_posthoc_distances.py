"""Scores of Gaussians, subspaces, prototypes and neighbours: worked once more in NumPy or by scikit-learn."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from posthoc_case import CLASSES, DIM, METHODS, VIDEOS, case, energy, found, given, head, probabilities, unit
from scipy.special import softmax
from sklearn import covariance, ensemble, mixture, neighbors
from sklearn.decomposition import PCA

from osarbench.interfaces.method import Outputs
from osarbench_plugins.methods._whitening import oas


def mahalanobis(features: np.ndarray, mean: np.ndarray, within: np.ndarray) -> np.ndarray:
    away = features - mean
    return np.asarray(np.einsum("nd,de,ne->n", away, np.linalg.inv(within), away))


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


def diagonal() -> np.ndarray:
    variances = np.stack([case().train[case().labels == label].var(axis=0) for label in range(CLASSES)])
    counts = np.bincount(case().labels)[:, None]
    together = np.diag(case().within)
    blended = (counts * variances + 10 * together) / (counts + 10)
    found = mixture.GaussianMixture(CLASSES, covariance_type="diag")
    found.weights_, found.means_ = counts[:, 0] / VIDEOS, case().means
    found.covariances_, found.precisions_cholesky_ = blended, 1 / np.sqrt(blended)
    return np.asarray(-found.score_samples(case().test) - DIM * np.log(2 * np.pi) / 2)


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


def prototypes() -> np.ndarray:
    return np.asarray(unit(case().test) @ unit(case().means).T)


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


def coordinates(features: np.ndarray) -> np.ndarray:
    found = PCA(DIM - 1).fit(case().train)
    along = found.transform(features)
    rest = np.linalg.norm(features - found.inverse_transform(along), axis=1)
    return np.column_stack([along, rest])


def kde() -> np.ndarray:
    train = coordinates(case().train)
    width = np.sqrt(train.var(axis=0).mean()) * VIDEOS ** (-1 / (DIM + 4))
    found = neighbors.KernelDensity(bandwidth=width).fit(train)
    return np.asarray(-found.score_samples(coordinates(case().test)))


def lof() -> np.ndarray:
    found = neighbors.LocalOutlierFactor(16, novelty=True).fit(coordinates(case().train))
    return np.asarray(-found.score_samples(coordinates(case().test)))


EXPECTED: dict[str, Callable[[], np.ndarray]] = {
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
    rounding = 1e-2 if name == "lof" else 2e-4  # where two neighbours are equally far, rounding decides which counts
    np.testing.assert_allclose(found(name), EXPECTED[name](), rtol=rounding, atol=2e-6)


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
