"""Squeeze and recursion with temporal gates (Stergiou and Poppe, PRL 2021, arXiv:2006.08247)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from osarbench.errors import unknown_name

Gate = Literal["none", "paper", "nearest", "released"]
LAYERS = 2  #: of every recurrent cell


class SqueezeAndRecursion(nn.Module):
    """Maps whose channels are scaled, frame by frame, by what an LSTM makes of all frames' means; behind a gate.

    Where the gate is closed, a clip's maps pass as they are. No gradient passes through its decision.

    Args:
        channels: of the maps, and of the LSTM's input and state.
        gate: "none" is always open. "paper" opens where both cycles between the frames' means and the LSTM's outputs
            return to the frame they left (`cycles_return`); "nearest", where either sequence lies frame by frame
            nearest to the other (`frames_match`), as the repository's separate test has it; "released" never opens, as
            the repository's own gate, whose test gives zero whatever it is given.

    Raises:
        OsarbenchError: an unknown gate.
    """

    def __init__(self, channels: int, *, gate: Gate = "none") -> None:
        super().__init__()
        if gate not in get_args(Gate):
            raise unknown_name("gate", gate, get_args(Gate))
        self.lstm = nn.LSTM(channels, channels, num_layers=LAYERS)
        self.gate = gate
        self.open: Tensor | None = None  #: bool [N], of the clips of the last forward pass; None without gate

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to the same shape."""
        frames, factors = recur(maps, self.lstm)
        if self.gate != "none":
            self.open = gate_opens(self.gate, frames.transpose(0, 1), factors.transpose(0, 1))
            factors = torch.where(self.open[:, None], factors, 1.0)
        return scale(maps, factors)


def recur(maps: Tensor, cell: nn.RNNBase) -> tuple[Tensor, Tensor]:
    """Return the frames' means of maps [N, C, T, H, W] and a cell's outputs for them, both [T, N, C].

    The cell is given the whole sequence at once, which is one fused call where there is a kernel for it (cuDNN).
    """
    frames = maps.mean(dim=(3, 4)).permute(2, 0, 1)
    outputs, _ = cell(frames)
    return frames, outputs


def scale(maps: Tensor, factors: Tensor) -> Tensor:
    """Return maps [N, C, T, H, W] times factors [T, N, C], one for each frame and channel."""
    return maps * factors.permute(1, 2, 0)[..., None, None]


@torch.no_grad()
def gate_opens(gate: Gate, frames: Tensor, outputs: Tensor) -> Tensor:
    """Return whether a gate opens for each of N clips, bool [N].

    Args:
        gate: the kind, see `SqueezeAndRecursion`.
        frames: the frames' means, [N, T, C].
        outputs: the recurrent cell's, [N, T, C].
    """
    first, second = frames.double(), outputs.double()
    if gate == "paper":
        return cycles_return(first, second) & cycles_return(second, first)
    if gate == "nearest":
        return frames_match(first, second) | frames_match(second, first)
    return torch.full((len(frames),), gate == "none", device=frames.device)


def cycles_return(first: Tensor, second: Tensor) -> Tensor:
    """Return whether every frame of sequences u, [N, T, C], finds its way to v and back (cyclic consistency), bool [N].

    Its soft nearest neighbour is the mean of v weighted by the softmax of minus the squared distances from u_i; that
    mean's nearest frame in u is to be u_i again. The order of v's frames does not matter.
    """
    weights = (-_distances(first, second).square()).softmax(dim=2)
    return frames_match(weights @ second, first)


def frames_match(first: Tensor, second: Tensor) -> Tensor:
    """Return whether each frame of sequences [N, T, C] is nearest to the frame of its own place in others, bool [N]."""
    nearest = _distances(first, second).argmin(dim=2)
    return (nearest == torch.arange(first.shape[1], device=first.device)).all(dim=1)


def _distances(first: Tensor, second: Tensor) -> Tensor:
    """Return the Euclidean distances of all frames of [N, T, C] from all of [N, S, C], [N, T, S]."""
    return torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
