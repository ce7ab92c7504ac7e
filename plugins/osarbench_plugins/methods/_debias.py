"""DEAR's contrastive evidence debiasing (CED; Bao et al., ICCV 2021): three branches on the backbone's maps, and HSIC.

Branch f sees the maps, h the maps with their frames shuffled, g frame by frame; the classifier itself is elsewhere. The
branches exist in training only. The paper makes f less dependent on h and g, and h and g more dependent on f; the
published code makes all of them more dependent. `joint_terms` is that code, `contrastive_terms` the paper.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ._evidential import log_alpha, log_loss
from ._hsic import hsic, hsic_unbiased
from ._settings import DropoutRate, NonNegative


class Branch(NamedTuple):
    """What a branch makes of N clips."""

    features: Tensor  #: [N, 2C] pooled
    logits: Tensor  #: [N, K]


class Branches(NamedTuple):
    """The unbiased branch f and the biased ones: h (shuffled input), g (network without time); None is left out."""

    f: Branch
    h: Branch | None
    g: Branch | None


class DebiasBranches(nn.Module):
    """Three branches: convolution to 2C channels, batch norm, ReLU, mean over time and space, dropout, linear layer.

    Parameters have the names of DEAR's checkpoints (f1 = f, f2 = h, f3 = g), so that its ``debias_head.*`` loads.

    Args:
        channels: C, of the backbone's maps.
        classes: K, number of known classes.
        temporal_kernel: of f and h. 3 is the repository since March 2023; 1 is older, of the paper's numbers: all
            three branches are then blind to the order of frames.
        temporal_padding: of f and h; the repository has none, so that T becomes T - 2 with kernel 3.
        bias_input, bias_network: whether there are h and g.
        dropout: rate before each linear layer.
        init_std: standard deviation of the linear layers' first weights.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        temporal_kernel: int = 3,
        temporal_padding: int = 0,
        bias_input: bool = True,
        bias_network: bool = True,
        dropout: DropoutRate = 0.5,
        init_std: NonNegative = 0.01,
    ) -> None:
        super().__init__()
        self.temporal_kernel, self.temporal_padding = temporal_kernel, temporal_padding
        self.dropout = nn.Dropout(dropout)
        kernel, padding = (temporal_kernel, 3, 3), (temporal_padding, 1, 1)
        self.f1_conv3d = ConvNorm3d(channels, 2 * channels, kernel, padding)
        self.f2_conv3d = ConvNorm3d(channels, 2 * channels, kernel, padding) if bias_input else None
        self.f3_conv2d = ConvNorm2d(channels, 2 * channels) if bias_network else None
        self.f1_fc = _linear(2 * channels, classes, init_std)
        self.f2_fc = _linear(2 * channels, classes, init_std) if bias_input else None
        self.f3_fc = _linear(2 * channels, classes, init_std) if bias_network else None

    @property
    def least_frames(self) -> int:
        """The smallest T of maps that the temporal kernel can take."""
        return self.temporal_kernel - 2 * self.temporal_padding

    def forward(self, maps: Tensor, order: Sequence[int]) -> Branches:
        """Run maps [N, C, T, H, W] through the branches, h with its frames in the given order."""
        f = self._branch(self.f1_conv3d(maps).mean(dim=(2, 3, 4)), self.f1_fc)
        h = g = None
        if self.f2_conv3d is not None and self.f2_fc is not None:
            shuffled = torch.stack([maps[:, :, frame] for frame in order], dim=2)
            h = self._branch(self.f2_conv3d(shuffled).mean(dim=(2, 3, 4)), self.f2_fc)
        if self.f3_conv2d is not None and self.f3_fc is not None:
            frames = self.f3_conv2d(maps.transpose(1, 2).flatten(0, 1)).mean(dim=(2, 3))  # [N * T, 2C]
            g = self._branch(frames.view(maps.shape[0], maps.shape[2], -1).mean(dim=1), self.f3_fc)
        return Branches(f, h, g)

    def _branch(self, pooled: Tensor, layer: nn.Linear) -> Branch:
        return Branch(pooled.float(), layer(self.dropout(pooled)).float())


class ConvNorm3d(nn.Module):
    """A 3D convolution of spatial stride 2, batch norm and ReLU; first weights Xavier-uniform, as in DEAR."""

    def __init__(
        self, channels: int, outputs: int, kernel: tuple[int, int, int], padding: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, outputs, kernel, stride=(1, 2, 2), padding=padding, bias=False)
        self.bn = nn.BatchNorm3d(outputs)
        nn.init.xavier_uniform_(self.conv.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Map [N, C, T, H, W] to [N, outputs, T', H / 2, W / 2]."""
        result: Tensor = self.bn(self.conv(maps)).relu_()
        return result


class ConvNorm2d(nn.Module):
    """A 3 x 3 convolution of stride 2, batch norm and ReLU; first weights Kaiming-normal, as in DEAR."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, frames: Tensor) -> Tensor:
        """Map [N, C, H, W] to [N, outputs, H / 2, W / 2]."""
        result: Tensor = self.bn(self.conv(frames)).relu_()
        return result


def joint_terms(branches: Branches, labels: Tensor, *, clamp: float | None) -> Mapping[str, Tensor]:
    """Return the scalar terms of the released recipe: each branch's log loss, and -HSIC of f's alpha with the others'.

    Dependence is measured on the Dirichlet parameters with the biased estimator and maximised, with gradients to
    both sides. With exp evidence it soon is a constant 1 / (N - 1): the parameters lie too far apart for the kernel.
    """
    terms = _classification_terms(branches, labels, clamp)
    alpha = log_alpha(branches.f.logits, clamp=clamp).exp()
    for name, branch in (("bias1", branches.h), ("bias2", branches.g)):
        if branch is not None:
            terms[f"loss_{name}_hsic"] = -hsic(alpha, log_alpha(branch.logits, clamp=clamp).exp())
    return terms


def contrastive_terms(branches: Branches, labels: Tensor, *, clamp: float | None) -> Mapping[str, Tensor]:
    """Return the scalar terms that the paper describes (eqs. 4 and 5), both in every step.

    f becomes less dependent on the features of h and g as they stand, h and g more dependent on those of f as they
    stand. Features have a kernel that tells them apart where alpha has none, and the unbiased estimate is 0 on average
    for independent ones however few they are.
    """
    terms = _classification_terms(branches, labels, clamp)
    fixed, unbias = branches.f.features.detach(), branches.f.features.new_zeros(())
    for name, branch in (("bias1", branches.h), ("bias2", branches.g)):
        if branch is not None:
            unbias = unbias + hsic_unbiased(branches.f.features, branch.features.detach())
            terms[f"loss_{name}_hsic"] = -hsic_unbiased(fixed, branch.features)
    return {**terms, "loss_unbias_hsic": unbias}


def alternating_terms(
    branches: Branches, labels: Tensor, *, clamp: float | None, step: int, hsic_factor: float = 0.5
) -> Mapping[str, Tensor]:
    """Return the scalar terms of the repository's alternating mode, which no released configuration uses.

    In even steps the biased branches become more dependent on f, in odd steps f less dependent on them; measured on
    features with the unbiased estimator, of which the normalisation is left out there (a factor 40 for N = 8).
    """
    terms = _classification_terms(branches, labels, clamp)
    dependence = branches.f.features.new_zeros(())
    for branch in (branches.h, branches.g):
        if branch is not None and step % 2:
            dependence = dependence + hsic_unbiased(branches.f.features, branch.features.detach(), normalised=False)
        elif branch is not None:
            dependence = dependence - hsic_unbiased(branches.f.features.detach(), branch.features, normalised=False)
    return {**terms, "loss_hsic": hsic_factor * dependence}


def _classification_terms(branches: Branches, labels: Tensor, clamp: float | None) -> dict[str, Tensor]:
    named = {"unbias": branches.f, "bias1": branches.h, "bias2": branches.g}
    return {
        f"loss_{name}_cls": log_loss(log_alpha(branch.logits, clamp=clamp), labels).mean()
        for name, branch in named.items()
        if branch is not None
    }


def _linear(inputs: int, outputs: int, init_std: float) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=init_std)
    nn.init.zeros_(layer.bias)
    return layer
