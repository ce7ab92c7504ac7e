"""FS-KNN, FS-KNNS and few-shot SIRC: scores that learn from a few unknown videos (Cen et al., ICLR 2023).

Formulas and constants: Jun-CEN/Unified-Open-Set-Recognition at ed876ec, ``UOSR_few_shot/fs_evaluate.py`` and
``UOSR_eval/uosr_few_shot_video.py``. As published they scale distances and softmax scores over the test videos, and
take a training video to be at no distance from training: that is kept in ``fs_knns_legacy`` and ``fs_sirc_legacy``. In
the others nothing looks at the test, and no video is its own neighbour.
"""

from abc import abstractmethod
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.hookspecs import hookimpl
from osarbench.interfaces.method import FewShotMethod, Method, Outputs

from ._posthoc import in_blocks, log_remaining, unit
from ._settings import Count, Positive

TINY = torch.finfo(torch.float64).tiny
_PEEKS = "as published, it is scaled by the videos that it is scored with"
_TOGETHER = dict.fromkeys(
    ("any_subset", "one_at_a_time", "known_and_unknown_apart", "nothing_is_remembered_of_scored_videos"), _PEEKS
)


class Learnt(NamedTuple):
    """Distances of training videos [N] and of the shots [S]."""

    train: Tensor
    shots: Tensor


class FsKnn(FewShotMethod):
    """Distance to the k-th nearest training video, less that to the k-th nearest shot (FS-KNN; Cen et al., ICLR 2023).

    Distances are 1 - cosine. A feature near the shots is more likely unknown.

    Args:
        neighbours: k among training videos; all of them, if there are fewer.
        shot_neighbours: k among shots, likewise.
    """

    name = "fs_knn"
    own: bool = False  #: whether a video that is learnt from counts among its neighbours, as published
    bank: Tensor  # [N, D]
    shots: Tensor  # [S, D]

    def __init__(self, *, neighbours: Count = 5, shot_neighbours: Count = 5) -> None:
        self.neighbours, self.shot_neighbours = neighbours, shot_neighbours

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        """Keep the directions of training videos."""
        self.bank = unit(outputs.features)

    def fit_shots(self, shots: Outputs) -> None:
        """Keep the directions of the shots."""
        self.shots = unit(shots.features)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the distance [N], in float64."""
        return self.distance(outputs.features)

    def distance(self, features: Tensor) -> Tensor:
        """Return the distance [N] of features [N, D]."""
        direction = unit(features)
        near = _cosine(direction, self.bank, self.neighbours)
        return 1 - near + _cosine(direction, self.shots, self.shot_neighbours)

    def learnt(self) -> Learnt:
        """Return the distances of the videos that were learnt from, each among the others of its kind."""
        skip = 0 if self.own else 1
        among_training = _cosine(self.bank, self.bank, self.neighbours, skip=skip)
        of_training = torch.zeros_like(among_training) if self.own else 1 - among_training
        return Learnt(
            of_training + _cosine(self.bank, self.shots, self.shot_neighbours),
            1
            - _cosine(self.shots, self.bank, self.neighbours)
            + _cosine(self.shots, self.shots, self.shot_neighbours, skip=skip),
        )


class _Combined(FsKnn):
    """A score of the distance and of the softmax."""

    low: Tensor  # [] of the distances that are scaled to 0
    high: Tensor  # [] and to 1
    known: Learnt

    def fit_shots(self, shots: Outputs) -> None:
        """Keep the shots, and the distances of all that was learnt from."""
        super().fit_shots(shots)
        self.known = self.learnt()
        together = torch.cat(self.known)
        self.low, self.high = together.min(), together.max()

    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return the combined score [N], in float64."""
        return self.combine(self.distance(outputs.features), log_remaining(outputs.logits.double()))

    @abstractmethod
    def combine(self, distance: Tensor, softmax: Tensor) -> Tensor:
        """Return the score [N] of distances and the logarithms of softmax uncertainties."""

    def scaled(self, distance: Tensor) -> Tensor:
        """Return distances [N] on the scale of those that were learnt from."""
        return (distance - self.low) / (self.high - self.low).clamp(min=TINY)


class FsKnns(_Combined):
    """Softmax uncertainty plus the few-shot distance where that is large: FS-KNNS (Cen et al., ICLR 2023).

    ``u + sigmoid(slope (d - b)) d`` with b half a standard deviation below the mean distance of the shots.

    Args:
        neighbours, shot_neighbours: as of fs_knn.
        slope: of the sigmoid, on distances scaled to 0 and 1 over training videos and shots.
    """

    name = "fs_knns"

    def __init__(self, *, neighbours: Count = 5, shot_neighbours: Count = 5, slope: Positive = 50.0) -> None:
        super().__init__(neighbours=neighbours, shot_neighbours=shot_neighbours)
        self.slope = slope

    def combine(self, distance: Tensor, softmax: Tensor) -> Tensor:
        """Return the score [N]."""
        return knns(self.scaled(distance), softmax.exp(), self.scaled(self.known.shots), slope=self.slope)


class FsSirc(_Combined):
    """SIRC of the softmax uncertainty and the few-shot distance (Cen et al., ICLR 2023).

    ``log u + log(1 + exp(b (d - a)))`` with a three standard deviations above the mean distance of training videos and
    b one over the deviation.

    Args:
        neighbours, shot_neighbours: as of fs_knn.
    """

    name = "fs_sirc"

    def combine(self, distance: Tensor, softmax: Tensor) -> Tensor:
        """Return the score [N]."""
        train = self.known.train
        deviation = train.std(correction=0).clamp(min=TINY)
        return softmax + F.softplus((distance - train.mean() - 3 * deviation) / deviation)


class FsKnnsLegacy(FsKnns):
    """FS-KNNS as published: distances and softmax uncertainties are scaled by the test videos, all scored at once.

    Args:
        neighbours, shot_neighbours, slope: as of fs_knns.
    """

    name = "fs_knns_legacy"
    own = True
    scored_together = True
    expected_failures = _TOGETHER

    def combine(self, distance: Tensor, softmax: Tensor) -> Tensor:
        """Return the score [N]."""
        low, high = _range(distance, *self.known)
        shots = (self.known.shots - low) / (high - low)
        return knns((distance - low) / (high - low), _unit_range(softmax.exp()), shots, slope=self.slope)


class FsSircLegacy(FsSirc):
    """Few-shot SIRC as published: softmax uncertainties are scaled by the test videos, and 1e-6 is added.

    Args:
        neighbours, shot_neighbours: as of fs_knn.
    """

    name = "fs_sirc_legacy"
    own = True
    scored_together = True
    expected_failures = _TOGETHER

    def combine(self, distance: Tensor, softmax: Tensor) -> Tensor:
        """Return the score [N]."""
        train = self.known.train
        deviation = train.std(correction=0).clamp(min=TINY)
        factor = F.softplus((distance - train.mean() - 3 * deviation) / deviation).exp()
        return (_unit_range(softmax.exp()) * factor + 1e-6).log()


def knns(distance: Tensor, softmax: Tensor, shots: Tensor, *, slope: float = 50.0) -> Tensor:
    """Return ``u + sigmoid(slope (d - b)) d`` [N] of scaled distances [N], uncertainties [N] and distances of shots."""
    location = shots.mean() - 0.5 * shots.std(correction=0)
    return softmax + torch.sigmoid(slope * (distance - location)) * distance


def _cosine(directions: Tensor, bank: Tensor, neighbours: int, *, skip: int = 0) -> Tensor:
    """Return the cosine [N] of directions [N, D] and the k-th nearest of a bank [M, D], in float64.

    ``skip`` leaves out so many of the nearest: the video itself, where it is in the bank. Neighbours are looked for in
    float32, where nearly all the time goes.
    """
    last = min(neighbours + skip, len(bank))

    def of_block(block: Tensor) -> Tensor:
        chosen = (block @ bank.T).topk(last, dim=1).indices[:, -1]
        return (block.double() * bank[chosen].double()).sum(dim=1)

    return in_blocks(of_block, directions)


def _range(*parts: Tensor) -> tuple[Tensor, Tensor]:
    together = torch.cat(parts)
    return together.min(), together.max()


def _unit_range(values: Tensor) -> Tensor:
    low, high = _range(values)
    return (values - low) / (high - low).clamp(min=TINY)


@hookimpl
def osarbench_methods() -> list[type[Method]]:
    """Offer the few-shot scores."""
    return [FsKnn, FsKnns, FsSirc, FsKnnsLegacy, FsSircLegacy]
