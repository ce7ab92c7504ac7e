"""Contrastive evidence debiasing (CED) as a part of a head: its three versions, and the shuffling of frames."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import LinearHead, Progress

from ._debias import DebiasBranches, contrastive_terms, joint_terms
from ._evidential import CLAMP
from ._settings import DropoutRate, NonNegative

Version = Literal["corrected", "head", "legacy"]


class _Recipe(NamedTuple):
    temporal_kernel: int
    temporal_padding: int
    contrastive: bool


RECIPES: Mapping[Version, _Recipe] = {
    "corrected": _Recipe(3, 1, contrastive=True),
    "head": _Recipe(3, 0, contrastive=False),
    "legacy": _Recipe(1, 0, contrastive=False),
}


class Debiasing(nn.Module):
    """Three branches on the backbone's maps that train it, and the terms of their loss.

    With 2048 channels they are 530 million parameters. Shuffling is drawn from a seed, which is taken from torch's when
    the module is made and kept with its state, and from the training step alone, so that a resumed training goes on as
    the unbroken one would.

    Args:
        channels: C, of the maps.
        classes: K, number of known classes.
        version: "head" is the repository as it stands: a temporal kernel of 3 without padding, and all branches made
            *more* dependent on each other, measured on alpha. "legacy" is what the paper's numbers were made with: the
            same with a temporal kernel of 1, so that no branch sees the order of frames. "corrected" is what the paper
            describes: a padded kernel of 3, f made less dependent on the biased branches, measured on features, and an
            order of frames that is never the true one.
        loss_factor: weight of all terms.
        dropout: rate before each branch's linear layer.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        version: Version,
        loss_factor: NonNegative = 0.1,
        dropout: DropoutRate = 0.5,
    ) -> None:
        super().__init__()
        self.recipe, self.loss_factor = RECIPES[version], loss_factor
        self.shuffle_seed = torch.initial_seed() % 2**63
        kernel, padding, _ = self.recipe
        self.branches = DebiasBranches(
            channels, classes, temporal_kernel=kernel, temporal_padding=padding, dropout=dropout
        )

    def forward(self, maps: Tensor, labels: Tensor, step: int) -> Mapping[str, Tensor]:
        """Return the weighted terms of maps [N, C, T, H, W].

        Raises:
            OsarbenchError: the maps have too few frames for the temporal kernel.
        """
        frames, least = maps.shape[2], self.branches.least_frames
        if frames < least:
            raise OsarbenchError(
                f"This debiasing needs feature maps of {least} frames or more; this backbone gives {frames}. Take more "
                "frames, or a version that pads: dear_corrected or ced; or none: edl_euc."
            )
        order = shuffled_frames(frames, seed=self.shuffle_seed, step=step, moved=self.recipe.contrastive)
        terms = contrastive_terms if self.recipe.contrastive else joint_terms
        named = terms(self.branches(maps, order), labels, clamp=CLAMP)
        return {name: self.loss_factor * term for name, term in named.items()}

    def get_extra_state(self) -> Tensor:
        """Return the seed of the shuffling, for the state dict."""
        return torch.tensor(self.shuffle_seed)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the seed of the shuffling from a state dict."""
        self.shuffle_seed = int(state)


class DebiasedHead(LinearHead):
    """A head whose loss, given by another base class, has the terms of debiasing branches added.

    The branches are for training only and never change a logit.
    """

    debiasing: Debiasing | None

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits, the terms of the loss without debiasing, and the branches' ``loss_unbias_cls`` and others.

        Raises:
            OsarbenchError: the maps have too few frames for the branches' temporal kernel.
        """
        logits, terms = super().loss(features, labels, progress)
        if self.debiasing is not None:
            terms = {**terms, **self.debiasing(features.maps, labels, progress.step)}
        return logits, terms

    def strip(self) -> None:
        """Forget the debiasing branches."""
        self.debiasing = None


def shuffled_frames(frames: int, *, seed: int, step: int, moved: bool = False) -> list[int]:
    """Return the random order of frames of one training step, the same for all clips of its batch.

    ``moved`` draws again until it is not the true order, unless there is only one frame.
    """
    generator = torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)
    order: list[int] = torch.randperm(frames, generator=generator).tolist()
    while moved and frames > 1 and order == sorted(order):
        order = torch.randperm(frames, generator=generator).tolist()
    return order
