"""Checks of a method on extreme inputs: very sure videos, large features, few training videos."""

import torch
from torch import Tensor

from osarbench.checks import synthetic
from osarbench.checks.check import CheckFailed, CheckSkipped
from osarbench.checks.method_case import MethodCase, auroc
from osarbench.errors import OsarbenchError

SURE_MARGIN = 20.0  #: between the two largest logits: float32 rounds such a softmax to 1, float64 does not
LARGE = 50.0  #: factor on features, as of a network that was trained for long


def sure_videos_do_not_tie(case: MethodCase) -> str:
    """Videos of which the network is very sure get distinct scores, which half and single precision cannot give."""
    features = _sure(case)
    found = case.scores(case.fitted(), features)
    different = len(set(found.tolist()))
    measured = f"{different} scores of {len(found)} very sure videos differ"
    if different < 0.5 * len(found):
        raise CheckFailed(
            f"Only {measured}: known videos tie, and with them every threshold. Compute in float64 "
            "(outputs.logits.double()) and in the log domain, and never round scores."
        )
    return measured


def large_logits(case: MethodCase) -> None:
    """Features fifty times as large, and logits with them, still give finite scores and probabilities."""
    method, features = case.fitted(), LARGE * case.data.test
    case.scores(method, features)
    case.probabilities(method, features)


def equal_and_empty_videos(case: MethodCase) -> None:
    """Videos of equal features get equal scores, and one whose features are all 0 a finite score."""
    features = case.data.test[[0, 60, 0, 60, 60]].clone()
    features[4] = 0
    method = case.fitted()
    found = case.scores(method, features)
    case.probabilities(method, features)
    if not torch.allclose(found[:2], found[2:4], rtol=1e-5):
        raise CheckFailed("Two videos of equal features get different scores.")


def few_training_videos(case: MethodCase) -> str | None:
    """One training video of a class, and fewer than features have dimensions, are enough, or refused with a reason."""
    labels = case.data.train_labels
    sizes = [1] + [4] * (synthetic.CLASSES - 1)
    kept = torch.cat([torch.nonzero(labels == label).flatten()[:size] for label, size in enumerate(sizes)])
    few = case.data._replace(train=case.data.train[kept], train_labels=labels[kept])
    try:
        case.scores(case.fit(few), case.data.test)
    except OsarbenchError as refusal:
        return f"refused: {refusal}"
    return None


def labels_stand_for_classes(case: MethodCase) -> None:
    """The order of training videos does not matter: labels alone say which class a video is of."""
    order = torch.randperm(len(case.data.train), generator=torch.Generator().manual_seed(4))
    shuffled = case.data._replace(train=case.data.train[order], train_labels=case.data.train_labels[order])
    found, known = case.scores(case.fit(shuffled), case.data.test), len(case.data.known)
    plain = auroc(case.reference[:known], case.reference[known:])
    now = auroc(found[:known], found[known:])
    if abs(plain - now) > 0.1:
        raise CheckFailed(f"With training videos in another order the AUROC is {now:.2f} instead of {plain:.2f}.")


def _sure(case: MethodCase) -> Tensor:
    """Return features of known videos, each enlarged until the head's logits are far apart."""
    features = case.data.known.clone()
    for _ in range(12):
        best = case.outputs(features).logits.topk(2, dim=1).values
        short = best[:, 0] - best[:, 1] < SURE_MARGIN
        features[short] *= 1.25
    best = case.outputs(features).logits.topk(2, dim=1).values
    sure = best[:, 0] - best[:, 1] >= SURE_MARGIN
    if int(sure.sum()) < 20:
        raise CheckSkipped("the logits of this head are bounded, so that it is never that sure")
    return features[sure]


CHECKS = (
    sure_videos_do_not_tie,
    large_logits,
    equal_and_empty_videos,
    few_training_videos,
    labels_stand_for_classes,
)
