"""Views changed so that what a network leans on shows: their order in time, their motion, or their background.

Each takes a view, uint8 [C, T, H, W], and a generator, and returns one of the same shape. The masks of backgrounds are
made from the view itself, for data sets have none: a pixel is foreground where it differs from its median over time. So
where the camera moves, all is foreground and nothing changes.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import functional as vision

from osarbench.data.clips import ViewClips
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.interfaces.modality import Modality

MOVES = 12.0  # grey levels from the median over time, mean of 5 x 5 pixels, from which on a pixel is foreground
AROUND = 4  # pixels around the foreground that are kept with it
BLUR = 1 / 12  # sigma, as a share of a view's side


def shuffled(view: Tensor, generator: np.random.Generator) -> Tensor:
    """Frames in another order, drawn for each view; never the one they had."""
    frames = view.shape[1]
    order = np.arange(frames)
    while frames > 1 and np.array_equal(order, np.arange(frames)):
        order = generator.permutation(frames)
    return view[:, torch.from_numpy(order)]


def backwards(view: Tensor, generator: np.random.Generator) -> Tensor:
    """Frames from the last to the first."""
    return view.flip(1)


def static(view: Tensor, generator: np.random.Generator) -> Tensor:
    """The middle frame, repeated: what is seen without any motion."""
    return view[:, view.shape[1] // 2][:, None].expand_as(view)


def background_frozen(view: Tensor, generator: np.random.Generator) -> Tensor:
    """What does not move is held still: every background pixel is its median over time."""
    return torch.where(_foreground(view), view, view.median(dim=1, keepdim=True).values)


def background_blurred(view: Tensor, generator: np.random.Generator) -> Tensor:
    """What does not move is blurred beyond recognition."""
    sigma = BLUR * view.shape[3]
    blurred = vision.gaussian_blur(view.transpose(0, 1), [2 * round(2 * sigma) + 1] * 2, [sigma] * 2).transpose(0, 1)
    return torch.where(_foreground(view), view, blurred)


Perturbation = Callable[[Tensor, np.random.Generator], Tensor]
PERTURBATIONS: Mapping[str, Perturbation] = {
    "shuffled": shuffled,
    "backwards": backwards,
    "static": static,
    "background_frozen": background_frozen,
    "background_blurred": background_blurred,
}
#: Those that look at colours, and so take RGB alone.
OF_COLOURS = ("background_frozen", "background_blurred")


class PerturbedViews(ViewClips):
    """The test views of videos, each changed; what is random depends on the seed and the video's position alone.

    Args:
        store: the frames.
        rows: positions of the videos in it.
        spec: of the views.
        modality: what is fed.
        perturbation: a name in `PERTURBATIONS`.
        seed: of what is random.
    """

    def __init__(
        self, store: FrameStore, rows: np.ndarray, spec: ClipSpec, modality: Modality, *, perturbation: str, seed: int
    ) -> None:
        super().__init__(store, rows, spec, modality)
        self.perturbation, self.seed = perturbation, seed

    def part(self, begin: int, count: int) -> "PerturbedViews":
        """Return the views of some consecutive videos."""
        assert self.modality is not None
        rows = self.rows[begin : begin + count]
        return PerturbedViews(
            self.store, rows, self.spec, self.modality, perturbation=self.perturbation, seed=self.seed
        )  # fmt: skip

    def __getitem__(self, position: int) -> Tensor:
        views = super().__getitem__(position)  # [views, C, T, S, S]
        generator = np.random.default_rng([self.seed, int(self.rows[position])])
        change = PERTURBATIONS[self.perturbation]
        changed = torch.stack([change(view, generator) for view in views])
        return changed.contiguous()


def _foreground(view: Tensor) -> Tensor:
    """Return where a view moves, bool [1, T, H, W]."""
    median = view.median(dim=1, keepdim=True).values
    apart = (view.float() - median.float()).abs().amax(dim=0)[:, None]  # [T, 1, H, W]
    smooth = functional.avg_pool2d(apart, 5, stride=1, padding=2, count_include_pad=False)
    moves = (smooth > MOVES).float()
    return functional.max_pool2d(moves, 2 * AROUND + 1, stride=1, padding=AROUND).transpose(0, 1) > 0
