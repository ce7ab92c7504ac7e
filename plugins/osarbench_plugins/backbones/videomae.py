"""A plain vision transformer on tubes of video (VideoMAE; Tong et al., NeurIPS 2022, arXiv:2203.12602)."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint
from ._published import PublishedBackbone, Translated

#: Parts of pre-training files that only the masked autoencoder needs, and classifiers.
SURPLUS = ("decoder.", "encoder_to_decoder.", "mask_token", "head.", "norm.")


class VideoMAE(PublishedBackbone):
    """ViT with tubes of 2 x 16 x 16 pixels, 16 frames at every fourth one; loads the files that VideoMAE released.

    The mean of all tokens is normalised and handed out. Positions are sines and cosines, so every clip size fits.
    Blocks are timm's BEiT ones, whose parameters have VideoMAE's names.

    Args:
        dim: width of a token; depth, heads: blocks, and attention heads in each. ViT-S is 384, 12, 6; B 768, 12, 12;
            L 1024, 24, 16.
        patch, tube: pixels and frames of a token.
        drop_path: rate of stochastic depth in the last block, growing linearly from 0 in the first.
    """

    name = "videomae"

    def __init__(
        self,
        *,
        dim: int = 768,
        depth: int = 12,
        heads: int = 12,
        patch: int = 16,
        tube: int = 2,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        from timm.models.beit import Block

        if dim % heads:
            raise OsarbenchError(f"videomae: dim = {dim} cannot be divided among {heads} heads.")
        self.dim = self.map_dim = dim
        self.patch, self.tube = patch, tube
        norm: Any = partial(nn.LayerNorm, eps=1e-6)
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv3d(3, dim, (tube, patch, patch), stride=(tube, patch, patch))})
        rates = [drop_path * block / max(1, depth - 1) for block in range(depth)]
        self.blocks = nn.ModuleList(
            Block(dim, heads, qkv_bias=True, mlp_ratio=4.0, drop_path=rate, norm_layer=norm) for rate in rates
        )
        self.fc_norm = norm(dim)
        self.clip = ClipSpec(frames=16, stride=4, test_clips=5, test_crops=3)
        self.apply(_initialise)

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to the normalised mean token [N, D] and all as maps [N, D, T / 2, H / 16, W / 16].

        Raises:
            OsarbenchError: the clip cannot be cut into whole tubes.
        """
        frames, height, width = clips.shape[2:]
        if frames % self.tube or height % self.patch or width % self.patch:
            raise OsarbenchError(
                f"videomae cuts clips into tubes of {self.tube} frames and {self.patch} x {self.patch} pixels; a clip "
                f"of {frames} frames of {height} x {width} pixels cannot be cut so. Change the protocol's clips."
            )
        patches = self.patch_embed["proj"](clips)  # [N, D, T', H', W']
        tokens = patches.flatten(2).transpose(1, 2)  # [N, L, D]
        tokens = tokens + sine_positions(tokens.shape[1], self.dim).to(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        return Features(self.fc_norm(tokens.mean(dim=1)), tokens.transpose(1, 2).unflatten(2, patches.shape[2:]))

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take a file of VideoMAE (MCG-NJU/VideoMAE), fine-tuned or pre-trained.

        A pre-trained file has no norm behind the mean of tokens: that one stays as it is.
        """
        state = {key.removeprefix("encoder."): value for key, value in checkpoint.state.items()}
        own = {f"fc_norm.{key}": value for key, value in self.fc_norm.state_dict().items()}
        return Translated(self, {**own, **state}, SURPLUS, with_head=False)


def sine_positions(count: int, dim: int) -> Tensor:
    """Return float32 positions [count, dim]: sines in even columns, cosines in odd ones (Vaswani et al., 2017)."""
    columns = torch.arange(dim, dtype=torch.float64)
    angles = torch.arange(count, dtype=torch.float64)[:, None] / 10_000 ** (2 * (columns // 2) / dim)
    return torch.where(columns % 2 == 0, angles.sin(), angles.cos()).float()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        bias: Any = module.bias
        if bias is not None:
            nn.init.zeros_(bias)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer videomae."""
    return [VideoMAE]
