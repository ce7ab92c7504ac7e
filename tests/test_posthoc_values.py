"""Scores of logits, altered features, the head and views: their papers' formulas, worked once more in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from posthoc_case import CLASSES, METHODS, VIDEOS, case, energy, found, given, head, probabilities, unit
from scipy.special import expit, logsumexp, softmax

from osarbench.interfaces.method import Outputs


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
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_score_is_its_formula(name: str) -> None:
    np.testing.assert_allclose(found(name), EXPECTED[name](), rtol=2e-4, atol=2e-6)


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


def test_scores_of_views_by_hand() -> None:
    logits = torch.log(torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.7, 0.3], [0.7, 0.3]]]))
    features = torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [3.0, 3.0]]])
    videos = Outputs(features, logits, given()[0].head)
    assert METHODS["view_variance"]().uncertainty(videos).tolist() == pytest.approx([2 * 0.04, 0], abs=1e-7)
    entropy = -(0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    mean = (-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) + np.log(2)) / 2
    assert METHODS["view_jsd"]().uncertainty(videos).tolist() == pytest.approx([entropy - mean, 0], abs=1e-7)
    assert METHODS["view_angle"]().uncertainty(videos).tolist() == pytest.approx([1 - np.sqrt(0.5), 0], abs=1e-7)


def test_an_energy_of_another_temperature_stays_on_the_scale_of_the_logits() -> None:
    energy_score = METHODS["energy"](temperature=2.0).uncertainty(given()[2])
    np.testing.assert_allclose(energy_score, -2 * logsumexp(case().logits / 2, axis=1), rtol=1e-5)
