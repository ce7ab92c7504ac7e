"""Outputs of whole videos: every window through the network, one vector and one row of logits a video."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from osarbench.data.clips import Loading
from osarbench.data.windows import WindowBatches, window_loader
from osarbench.model.network import Network
from osarbench.protocols.protocol import Average


def window_outputs(
    fabric: Fabric, network: Network, batches: WindowBatches, loading: Loading
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield (video of each window [W], features [W, D], logits [W, K]), crops averaged; float32 on the CPU.

    Args:
        fabric: the device.
        network: trained, on the device.
        batches: of windows.
        loading: processes and memory.
    """
    head = copy.deepcopy(network.head).cpu().eval()  # as everywhere, logits are made on the CPU, in float32
    loader: Any = fabric.setup_dataloaders(window_loader(batches, loading), use_distributed_sampler=False)
    for videos, clips in loader:  # [W], [W, crops, C, T, S, S]
        with torch.inference_mode(), fabric.autocast():
            vectors = network.vectors(clips.flatten(0, 1)).cpu()
        with torch.inference_mode():
            logits = head(vectors)
        shape = clips.shape[:2]
        yield videos.cpu(), vectors.view(*shape, -1).mean(dim=1), logits.view(*shape, -1).mean(dim=1)


def video_outputs(
    fabric: Fabric, network: Network, batches: WindowBatches, loading: Loading, average: Average
) -> np.ndarray:
    """Return the mean features and, behind them, the aggregated logits of videos, float32 [N, 1, D + K].

    Only sums are kept: a video of any length takes the memory of one batch.

    Args:
        fabric: the device.
        network: trained, on the device.
        batches: of the windows of N videos.
        loading: processes and memory.
        average: "logits": their mean; "probabilities": the logarithm of their mean; "log-probabilities": their sum over
            windows (naive Bayes). The class of the largest is the same for the first and the last.
    """
    videos = len(batches.rows)
    counts = torch.zeros(videos, dtype=torch.float64)
    features, logits = torch.zeros(0), torch.zeros(0)
    for which, vectors, each in window_outputs(fabric, network, batches, loading):
        if not len(features):
            features = torch.zeros(videos, vectors.shape[1], dtype=torch.float64)
            logits = torch.zeros(videos, each.shape[1], dtype=torch.float64)
        counts.index_add_(0, which, torch.ones(len(which), dtype=torch.float64))
        features.index_add_(0, which, vectors.double())
        logits.index_add_(0, which, SUMMED[average](each.double()))
    means = logits / counts[:, None]
    found = {"logits": means, "probabilities": means.clamp(min=1e-300).log(), "log-probabilities": logits}[average]
    return torch.cat([features / counts[:, None], found], dim=1)[:, None].float().numpy()


#: What is summed over the windows of a video.
SUMMED: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda logits: logits,
    "probabilities": lambda logits: logits.softmax(dim=-1),
    "log-probabilities": lambda logits: logits.log_softmax(dim=-1),
}
