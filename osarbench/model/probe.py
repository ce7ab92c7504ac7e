"""Heads on a frozen backbone: what is cached of its clips, and the module between the cache and a head.

The vectors or tokens of a backbone are computed once. A *probe* stands where the backbone stood: it takes what was
cached instead of clips and hands out `Features`, so that heads, losses and optimisers are those of every training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from osarbench.data.clips import EpochSampler, Loading
from osarbench.data.transforms import normalise
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Head, Progress
from osarbench.model.network import Network

CHUNK = 4096  #: views whose statistics are taken at once
IN_MEMORY = 4 * 2**30  #: bytes; larger caches are read from the disk as they are needed


class VectorsAlone(Features):
    """Features whose maps were not kept."""

    @property
    def maps(self) -> Tensor:
        """There are none."""
        raise OsarbenchError(
            "This head trains on the maps of the backbone, of which a linear probe keeps none. Use --train attentive, "
            "which keeps tokens, or --train full."
        )


class Frozen(nn.Module):
    """A backbone of which features are cached: its vectors, or its maps as a grid of tokens.

    Args:
        backbone: with its weights.
        spec: of the clips.
        tokens: T', H', W' of the grid at most, over which larger maps are averaged; None: vectors.
    """

    def __init__(self, backbone: Backbone, spec: ClipSpec, tokens: Sequence[int] | None = None) -> None:
        super().__init__()
        self.backbone, self.spec, self.tokens = backbone, spec, tokens

    def vectors(self, clips: Tensor) -> Tensor:
        """Return what is cached of uint8 clips [N, C, T, S, S]: float32 [N, D], or tokens, float16 [N, C, T', H', W'].

        Raises:
            OsarbenchError: a number is not finite, or too large for float16.
        """
        features: Features = self.backbone(normalise(clips, self.spec))
        found = features.vector.float() if self.tokens is None else pooled(features.maps.float(), self.tokens)
        if not torch.isfinite(found).all():
            raise OsarbenchError(
                f"The backbone '{self.backbone.name}' gives features that are NaN or infinite. Use --precision "
                "32-true; if that does not help, its weights are damaged."
            )
        if self.tokens is None:
            return found
        largest = found.detach().abs().max().item()
        if largest > torch.finfo(torch.float16).max:
            raise OsarbenchError(
                f"The backbone '{self.backbone.name}' gives tokens up to {largest:.3g}, too large for "
                "float16, in which they are kept. Use --train linear."
            )
        return found.half()


def pooled(maps: Tensor, grid: Sequence[int]) -> Tensor:
    """Return maps [N, C, T', H', W'] averaged to at most a grid of cells."""
    time, height, width = (min(have, most) for have, most in zip(maps.shape[2:], grid, strict=True))
    return F.adaptive_avg_pool3d(maps, (time, height, width))


class LinearProbe(Backbone):
    """Cached vectors, standardised or as they are.

    Without affine parameters, as before the linear probe of MAE (He et al., CVPR 2022, appendix A.1), but with the
    statistics of all training videos, so that one recipe serves backbones of any scale.

    Args:
        dim: D, length of a vector.
        map_dim: of the backbone; heads may be built for maps, but not trained on them.
        standardise: whether `learn` takes the statistics.
    """

    name = "linear probe"
    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, map_dim: int, *, standardise: bool) -> None:
        super().__init__()
        self.dim, self.map_dim, self.standardise = dim, map_dim, standardise
        self.clip = ClipSpec()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def forward(self, clips: Tensor) -> Features:
        """Map cached vectors [N, D] to features without maps."""
        return VectorsAlone((clips - self.mean) / self.std, clips)  # the second is never seen

    def learn(self, cached: np.ndarray) -> None:
        """Take mean and deviation of the vectors [N, V, D] of training videos; a constant one is only centred."""
        if not self.standardise:
            return
        rows = cached.reshape(-1, cached.shape[-1])
        chunks = range(0, len(rows), CHUNK)
        mean = sum(rows[begin : begin + CHUNK].astype(np.float64).sum(axis=0) for begin in chunks) / len(rows)
        squares = (np.square(rows[begin : begin + CHUNK] - mean).sum(axis=0) for begin in chunks)
        std = np.sqrt(sum(squares) / len(rows))
        constant = std <= 1e-6 * np.abs(mean) + np.finfo(np.float32).tiny
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(np.where(constant, 1.0, std)))


class AttentiveProbe(Backbone):
    """One cross-attention block with a learnt query over cached tokens, as V-JEPA evaluates (Bardes et al., 2024).

    ``q + attention(q, norm(tokens))``, then ``q + mlp(norm(q))``: the complete block of `attentive_pooler.py` of
    facebookresearch/jepa, with heads of 64 channels.

    Args:
        dim: C, channels of a token.
    """

    name = "attentive probe"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = self.map_dim = dim
        self.clip = ClipSpec()
        self.heads = next(heads for heads in range(max(1, dim // 64), 0, -1) if dim % heads == 0)
        self.query = nn.Parameter(torch.zeros(1, 1, dim))
        self.norm_tokens, self.norm_query = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_query, self.to_key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.trunc_normal_(parameter, std=0.02)
            elif "norm" not in name:
                nn.init.zeros_(parameter)
        last = self.mlp[2]
        assert isinstance(last, nn.Linear)
        last.weight.data /= 2**0.5  # `_rescale_blocks` there, for the only block

    def forward(self, clips: Tensor) -> Features:
        """Map tokens [N, C, T', H', W'] to the vector that attends to them [N, C], with the tokens as maps."""
        tokens = self.norm_tokens(clips.flatten(2).transpose(1, 2))  # [N, L, C]
        query = self.query.expand(len(clips), -1, -1)  # [N, 1, C]
        key, value = self.to_key_value(tokens).chunk(2, dim=2)
        asked = self._split(self.to_query(query))
        found = F.scaled_dot_product_attention(asked, self._split(key), self._split(value))  # [N, h, 1, C / h]
        query = query + self.out(found.transpose(1, 2).flatten(2))
        query = query + self.mlp(self.norm_query(query))
        return Features(query[:, 0], clips)

    def learn(self, cached: np.ndarray) -> None:
        """Nothing is taken of the training videos before training."""

    def _split(self, rows: Tensor) -> Tensor:
        """Return rows [N, L, C] by head, [N, h, L, C / h]."""
        return rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)


class ProbeNetwork(Network):
    """A probe with a head. It takes what was cached instead of clips."""

    backbone: LinearProbe | AttentiveProbe

    def __init__(self, probe: LinearProbe | AttentiveProbe, head: Head) -> None:
        super().__init__(probe, head, probe.clip)

    def forward(self, clips: Tensor, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits [N, K] and loss terms for cached vectors or tokens [N, ...] and labels [N]."""
        return self.head.clip_loss(self.backbone, clips.float(), labels, progress)

    def vectors(self, clips: Tensor) -> Tensor:
        """Return float32 vectors [N, D] of cached vectors or tokens [N, ...]."""
        features: Features = self.backbone(clips.float())
        return features.vector.float()


class CachedViews(Dataset[Any]):
    """One random view a video of what was cached: [...] and its label.

    An item is asked for as (epoch, position), as of `TrainClips`: which view it is comes from seed, epoch and position.

    Args:
        cached: [videos, views, ...].
        labels: int64 [videos].
        seed: of the choice.
    """

    def __init__(self, cached: np.ndarray, labels: np.ndarray, seed: int) -> None:
        self.cached = np.asarray(cached) if cached.nbytes < IN_MEMORY else cached
        self.labels, self.seed, self.rows = labels, seed, np.arange(len(labels))

    def __getitem__(self, item: tuple[int, int]) -> tuple[Tensor, int]:
        batch, labels = self.__getitems__([item])
        return batch[0], int(labels[0])

    def __getitems__(self, items: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        """Return a batch at once, [N, ...] and int64 [N]."""
        positions = np.array([position for _, position in items])
        views = np.array([self._views(epoch)[position] for epoch, position in items])
        return torch.from_numpy(self.cached[positions, views]), torch.from_numpy(self.labels[positions])

    def loader(self, sampler: EpochSampler, batch: int, loading: Loading) -> DataLoader[Any]:
        """Return batches, in this process: there is nothing to decode."""
        return DataLoader(
            self, batch_size=batch, sampler=sampler, collate_fn=_as_they_are, generator=torch.Generator(),
            pin_memory=loading.pin,
        )  # fmt: skip

    def _views(self, epoch: int) -> np.ndarray:
        """Return which view of each video an epoch takes."""
        kept: tuple[int, np.ndarray] | None = getattr(self, "_kept", None)
        if kept is None or kept[0] != epoch:
            views = np.random.default_rng([self.seed, epoch, 1]).integers(self.cached.shape[1], size=len(self.rows))
            self._kept = kept = (epoch, views)
        return kept[1]


def _as_they_are(batch: Any) -> Any:
    return batch


def check(network: ProbeNetwork, dims: Sequence[int]) -> None:
    """Train one step on noise, so that a head that needs more than is cached is known before the cache is made.

    Args:
        network: untrained; its head may be changed.
        dims: of what is cached of one view, without channels: () for vectors, (T', H', W') for tokens.

    Raises:
        OsarbenchError: the head trains on altered clips, or on maps that a linear probe does not have.
    """
    head = network.head
    if type(head).clip_loss is not Head.clip_loss:
        raise OsarbenchError(
            f"The head '{head.name}' trains on altered clips, and a frozen backbone has seen each clip as it is. Use "
            "--train full or --train lora, or another method."
        )
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, network.backbone.dim, *dims, generator=generator)
    labels = torch.arange(4) % head.classes
    with torch.random.fork_rng(devices=[]):
        network.eval()(noise, labels, Progress(epoch=0, epochs=1, step=0))
