"""A backbone and small clips for it: what every check of backbones is given."""

import copy
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from osarbench.checks import heads
from osarbench.checks.check import CheckFailed, title
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.plugins.loading import load

SIDES = (64, 112, 224)  #: pixels, tried in this order: checks cost less on small clips


class BackboneCase:
    """A backbone class, or an instance whose settings matter, built once.

    Args:
        backbone: the class, or an instance; the instance is copied, never used.
    """

    def __init__(self, backbone: type[Backbone] | Backbone) -> None:
        self.backbone = backbone
        self.cls = backbone if isinstance(backbone, type) else type(backbone)
        self.name = title(backbone)

    def new(self) -> Backbone:
        """Return a fresh backbone; of an instance, a copy."""
        with heads.seeded(0):
            return self.backbone() if isinstance(self.backbone, type) else copy.deepcopy(self.backbone)

    @cached_property
    def built(self) -> Backbone:
        """One backbone in evaluation mode, which no check alters."""
        return self.new().eval()

    @cached_property
    def spare(self) -> Backbone:
        """A second one, built from the same seed, for checks that alter a backbone."""
        return self.new().eval()

    @cached_property
    def side(self) -> int:
        """The smallest side in pixels, of `SIDES` or the clip's own, that the backbone accepts.

        Raises:
            CheckFailed: it accepts none, not even its own.
        """
        own = self.built.clip.test_size
        sides = [side for side in SIDES if side < own] + [own]
        reasons: list[str] = []
        for side in sides:
            try:
                self._try(side)
            except (OsarbenchError, RuntimeError, ValueError, AssertionError) as error:
                reasons.append(str(error).splitlines()[0] if str(error) else type(error).__name__)
            else:
                return side
        raise CheckFailed(f"It does not accept its own clip of {self.built.clip.length} x {own} px: {reasons[-1]}")

    @cached_property
    def channels(self) -> int:
        """Channels of its clips: those of its modality."""
        return load(kinds=("modalities",)).modality(self.built.clip.modality)().inputs

    @cached_property
    def clips(self) -> Tensor:
        """Two small normalised clips [2, 3, T, S, S] of its own length."""
        shape = (2, self.channels, self.built.clip.length, self.side, self.side)
        return torch.randn(shape, generator=torch.Generator().manual_seed(1))

    @property
    def first_clip(self) -> Tensor:
        """The first of the two clips, [1, 3, T, S, S]."""
        return self.clips[:1]

    @property
    def first_features(self) -> Features:
        """The features of the first clip."""
        return Features(*(part[:1] for part in self.features))

    @cached_property
    def features(self) -> Features:
        """The features of the two clips in evaluation mode."""
        return self.run(self.built, self.clips)

    def run(self, backbone: Backbone, clips: Tensor) -> Features:
        """Return the features of copies of clips, without gradients.

        Raises:
            CheckFailed: they are not `Features`.
        """
        with torch.no_grad():
            found: Any = backbone(clips.clone())
        if not isinstance(found, Features):
            raise CheckFailed(f"forward returns {type(found).__name__}, not osarbench.Features(vector, maps).")
        return found

    def _try(self, side: int) -> None:
        clip = torch.zeros(1, self.channels, self.built.clip.length, side, side)
        try:
            with torch.no_grad():
                copy.deepcopy(self.built).to("meta")(clip.to("meta"))  # computes shapes only
        except OsarbenchError:
            raise
        except Exception:  # a plugin may do what the meta device cannot
            with torch.no_grad():
                self.built(clip)


def same_features(first: Features, second: Features, *, tolerance: float = 1e-4) -> bool:
    """Say whether features agree up to rounding, relative to their mean magnitude."""
    return all(
        torch.allclose(one.float(), other.float(), rtol=tolerance, atol=tolerance * float(one.abs().mean() + 1e-6))
        for one, other in zip(first, second, strict=True)
    )
