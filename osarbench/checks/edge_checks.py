"""What a method promises where numbers grow large, small or few."""

import torch
from torch import Tensor

from osarbench.checks import synthetic as worlds
from osarbench.checks.check import BrokenPromiseError, NotTried
from osarbench.checks.method_case import MethodCase, auroc
from osarbench.errors import OsarbenchError

SURE_MARGIN = 20.0  #: between the two largest logits: float32 rounds such a softmax to 1, float64 does not
LARGE = 50.0  #: factor on features, as of a network that was trained for long


def sure_videos_do_not_tie(case: MethodCase) -> str:
    """Videos of which the network is very sure keep scores of their own, as half and single precision cannot give."""
    features = _sure(case)
    found = case.scores(case.fitted(), features)
    different = len(set(found.tolist()))
    told = f"{different} scores of {len(found)} very sure videos differ"
    if different < 0.5 * len(found):
        raise BrokenPromiseError(
            f"Only {told}: known videos tie, and with them every threshold. Compute in float64 "
            "(outputs.logits.double()) and in the log domain, and never round scores."
        )
    return told


def large_logits(case: MethodCase) -> None:
    """Features fifty times as large, and logits with them, still give finite scores and probabilities."""
    method, features = case.fitted(), LARGE * case.world.test
    case.scores(method, features)
    case.probabilities(method, features)


def equal_and_empty_videos(case: MethodCase) -> None:
    """Videos of equal features get equal scores, and one whose features are all 0 a finite score."""
    features = case.world.test[[0, 60, 0, 60, 60]].clone()
    features[4] = 0
    method = case.fitted()
    found = case.scores(method, features)
    case.probabilities(method, features)
    if not torch.allclose(found[:2], found[2:4], rtol=1e-5):
        raise BrokenPromiseError("Two videos of equal features get different scores.")


def few_training_videos(case: MethodCase) -> str | None:
    """One training video of a class, and fewer than features have dimensions, are enough, or refused in words."""
    labels = case.world.train_labels
    sizes = [1] + [4] * (worlds.CLASSES - 1)
    kept = torch.cat([torch.nonzero(labels == label).flatten()[:size] for label, size in enumerate(sizes)])
    few = case.world._replace(train=case.world.train[kept], train_labels=labels[kept])
    try:
        case.scores(case.fit(few), case.world.test)
    except OsarbenchError as refusal:
        return f"refused: {refusal}"
    return None


def labels_stand_for_classes(case: MethodCase) -> None:
    """The order of training videos carries no meaning: labels alone say which class a video is of."""
    order = torch.randperm(len(case.world.train), generator=torch.Generator().manual_seed(4))
    shuffled = case.world._replace(train=case.world.train[order], train_labels=case.world.train_labels[order])
    found, known = case.scores(case.fit(shuffled), case.world.test), len(case.world.known)
    plain = auroc(case.reference[:known], case.reference[known:])
    now = auroc(found[:known], found[known:])
    if abs(plain - now) > 0.1:
        raise BrokenPromiseError(
            f"With training videos in another order the AUROC is {now:.2f} instead of {plain:.2f}."
        )


def _sure(case: MethodCase) -> Tensor:
    """Return features of known videos, each enlarged until the head's logits are far apart."""
    features = case.world.known.clone()
    for _ in range(12):
        best = case.outputs(features).logits.topk(2, dim=1).values
        short = best[:, 0] - best[:, 1] < SURE_MARGIN
        features[short] *= 1.25
    best = case.outputs(features).logits.topk(2, dim=1).values
    sure = best[:, 0] - best[:, 1] >= SURE_MARGIN
    if int(sure.sum()) < 20:
        raise NotTried("the logits of this head are bounded, so that it is never so sure")
    return features[sure]


PROMISES = (
    sure_videos_do_not_tie,
    large_logits,
    equal_and_empty_videos,
    few_training_videos,
    labels_stand_for_classes,
)
