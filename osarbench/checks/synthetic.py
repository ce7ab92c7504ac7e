"""Synthetic data: features of known and unknown videos for which the right answer is known.

Latent variables are Gaussian clusters on random directions; features are a random rectified layer on them, so that they
are not negative, as after a network's last ReLU, and no class is on an axis of its own.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Outputs

CLASSES, DIM, MAP_DIM, FRAMES, VIEWS = 5, 48, 20, 4, 3
LATENT_DIM = 16  #: five dimensions for the known classes, the others for what is new
SIZE, SPREAD, VIEW_SPREAD = 3.0, 0.35, 0.15
NEAR, FAR = 1.3, 1.7  #: distance of unknown clusters in new directions: less than known ones in theirs, as in networks


class SyntheticData(NamedTuple):
    """Feature vectors [N, V, D] of known and unknown videos."""

    train: Tensor
    train_labels: Tensor  #: [N]
    known: Tensor
    known_labels: Tensor
    near: Tensor  #: unknown: halfway between two known classes, and a little new
    far: Tensor  #: unknown: nothing of any known class
    shots: Tensor  #: near and far ones that are in no test, for methods that learn from a few

    @property
    def test(self) -> Tensor:
        """Known, near and far videos, in this order."""
        return torch.cat([self.known, self.near, self.far])


@cache
def synthetic_data(*, views: int = VIEWS) -> SyntheticData:
    """Return the data with some views of a video; they are cached, so clone the tensors before writing to them."""
    generator = torch.Generator().manual_seed(3)
    rotation = torch.linalg.qr(torch.randn(LATENT_DIM, LATENT_DIM, generator=generator)).Q
    layer = torch.randn(LATENT_DIM, DIM, generator=generator) / LATENT_DIM**0.5
    centres = SIZE * rotation[:CLASSES]
    between = 0.5 * (centres + centres.roll(1, dims=0)) + NEAR * rotation[CLASSES : 2 * CLASSES]
    beyond = FAR * rotation[2 * CLASSES : 3 * CLASSES]

    def draw(clusters: Tensor, each: int) -> Tensor:
        latent = clusters.repeat_interleave(each, dim=0)  # [N, latent]
        latent = latent + SPREAD * torch.randn(latent.shape, generator=generator)
        viewed = latent[:, None] + VIEW_SPREAD * torch.randn(len(latent), VIEWS, LATENT_DIM, generator=generator)
        features: Tensor = (viewed @ layer).relu()[:, :views].contiguous()  # [N, V, D]
        return features

    def labels(each: int) -> Tensor:
        return torch.arange(CLASSES).repeat_interleave(each)

    train, known, near, far = draw(centres, 20), draw(centres, 10), draw(between, 6), draw(beyond, 6)
    shots = torch.cat([draw(between, 3), draw(beyond, 3)])
    return SyntheticData(train, labels(20), known, labels(10), near, far, shots)


def outputs(head: Head, features: Tensor) -> Outputs:
    """Return what a run hands to a method for features [N, V, D]: copies, and the head's logits."""
    with torch.no_grad():
        logits = head(features.flatten(0, 1)).unflatten(0, features.shape[:2])  # [N, V, K]
    return Outputs(features.clone(), logits.float(), head)


def clips_features(vector: Tensor, *, map_dim: int = MAP_DIM) -> Features:
    """Return features of clips as backbones make them: vectors [N, D], and maps [N, C, T, 3, 3] that depend on them."""
    generator = torch.Generator().manual_seed(5)
    mix = torch.randn(vector.shape[1], map_dim, generator=generator) / vector.shape[1] ** 0.5
    noise = 0.3 * torch.randn(len(vector), map_dim, FRAMES, 3, 3, generator=generator)
    return Features(vector.clone(), ((vector @ mix)[:, :, None, None, None] + noise).relu())
