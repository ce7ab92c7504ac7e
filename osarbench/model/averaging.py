"""Averages of the weights along a training: of every step, fading (EMA), or of the ends of the last epochs (SWA).

The steps themselves are those of a training without: an average is only looked at when it replaces the weights at the
end. SWA: Izmailov et al., "Averaging weights leads to wider optima and better generalization", UAI 2018; here with the
recipe's own schedule.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from osarbench.errors import OsarbenchError
from osarbench.model.network import Network
from osarbench.protocols.protocol import Training


class WeightAverage:
    """The average that a recipe asks for, of backbone and head; with ``average = "none"`` it does nothing."""

    def __init__(self, network: Network, recipe: Training) -> None:
        self.recipe = recipe
        self.parts = nn.ModuleList([network.backbone, network.head])
        self.mean: AveragedModel | None = None
        if recipe.average != "none":
            if recipe.multigrid is not None:
                raise OsarbenchError("[training] average and [training.multigrid] do not go together. Leave one out.")
            fading: Any = get_ema_multi_avg_fn  # it has no types
            ema = fading(recipe.ema_decay) if recipe.average == "ema" else None
            self.mean = AveragedModel(self.parts, multi_avg_fn=ema, use_buffers=True)

    def after_step(self) -> None:
        """Take in the weights after a step of the optimiser."""
        if self.mean is not None and self.recipe.average == "ema":
            self.mean.update_parameters(self.parts)

    def after_epoch(self, epoch: int) -> None:
        """Take in the weights after an epoch, counted from 0."""
        last = epoch >= self.recipe.epochs - self.recipe.average_epochs
        if self.mean is not None and self.recipe.average == "epochs" and last:
            self.mean.update_parameters(self.parts)

    def state(self) -> Mapping[str, Any] | None:
        """Return what a checkpoint keeps of it."""
        return None if self.mean is None else self.mean.state_dict()

    def load(self, state: Mapping[str, Any] | None) -> None:
        """Go on from what a checkpoint kept."""
        if self.mean is not None and state is not None:
            self.mean.load_state_dict(state)

    def replace(self, network: Network, batches: Iterable[Any]) -> None:
        """Give the network the average for its weights.

        A fading average has running statistics of the same age as its weights. Statistics of the ends of some epochs
        are not those of their mean, so they are measured again.

        Args:
            network: that was trained.
            batches: one epoch of training clips with their labels.
        """
        if self.mean is None:
            return
        self.parts.load_state_dict(self.mean.module.state_dict())
        if self.recipe.average == "epochs":
            _measure_statistics(network, batches)


def _measure_statistics(network: Network, batches: Iterable[Any]) -> None:
    """Replace the running statistics of the batch norms of the backbone that train by plain means over the batches."""
    norms = [its for its in network.backbone.modules() if isinstance(its, _BatchNorm) and its.training]
    norms = [its for its in norms if its.track_running_stats]
    if not norms:
        return
    momenta = [its.momentum for its in norms]
    network.backbone.eval()  # dropout would change what the later ones see
    for its in norms:
        its.train()
        its.reset_running_stats()
        its.momentum = None  # a cumulative mean
    with torch.no_grad():
        for clips, _ in batches:
            network.vectors(clips)
    for its, momentum in zip(norms, momenta, strict=True):
        its.momentum = momentum
