"""TPN, the temporal pyramid network (Yang et al., CVPR 2020, arXiv:2004.03548) on SlowOnly, as MMAction2 has it."""

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.hookspecs import hookimpl

from ._checkpoints import Checkpoint, read_checkpoint
from ._hub import torchvision_url
from ._key_maps import PLAIN_STAGES, blocks_of_mmaction, inflated, neck_of_mmaction, without_prefix
from ._limits import check_clips
from ._published import PublishedBackbone, Translated
from ._pytorchvideo import SLOW_KERNELS, resnet3d, run
from ._tpn_neck import AuxiliaryHead, TPNNeck


class TPN(PublishedBackbone):
    """A SlowOnly ResNet-50 on 8 frames, every eighth one, and a neck that pools res4 and res5 at several rates.

    The vector is the neck's output, pooled; the maps are those of res4, which DEAR's debiasing and the auxiliary
    classifier read. The latter adds half a cross-entropy to the loss in training, and is not saved.

    Args:
        depth: 50, 101 or 152.
        width: channels of the first convolution, a multiple of 2; the features are 32 times as many, the maps 16 times.

    Raises:
        OsarbenchError: an unknown depth, an odd width, or pytorchvideo is not installed.
    """

    name = "tpn"

    def __init__(self, *, depth: int = 50, width: int = 64) -> None:
        super().__init__()
        if width % 2:
            raise OsarbenchError(f"The width of tpn is {width}; it must be even, for its neck has 32 groups.")
        self.depth = depth
        self.blocks = resnet3d(
            depth=depth, width=width, stem_kernel=1, stem_stride=1, pool_stride=1, kernels=SLOW_KERNELS,
            pool_after_stage_1=False,
        )  # fmt: skip
        self.neck = TPNNeck(16 * width)
        self.dim, self.map_dim = 32 * width, 16 * width
        self.clip = ClipSpec(frames=8, stride=8, test_size=256, test_clips=10, test_crops=3)
        self._branches: list[AuxiliaryHead] = []  # in a list, lest they be trained and saved with the backbone
        self._given: dict[str, Tensor] = {}  # the auxiliary classifier of the weights that were loaded

    def forward(self, clips: Tensor) -> Features:
        """Map clips [N, 3, T, H, W] to res4's maps [N, C, T, H / 16, W / 16] and the pooled neck [N, 2C].

        Raises:
            OsarbenchError: frames are too small.
        """
        check_clips(clips, self.name)
        lower, upper = run(self.blocks, clips)[-2:]
        return Features(self.neck(lower, upper).mean(dim=(2, 3, 4)), lower)

    def auxiliary(self, classes: int) -> nn.Module:
        """Return the auxiliary classifier on res4; weights reach it, whether they were loaded before or are later."""
        branch = AuxiliaryHead(self.map_dim, classes)
        self._branches.append(branch)
        self._initialise(branch)
        return branch

    def load_weights(self, path: str) -> None:
        """Initialise from a checkpoint, and the auxiliary classifier as far as the checkpoint has it and it fits.

        A file without neck (SlowOnly, or a 2D ResNet) leaves the neck as it is.

        Raises:
            OsarbenchError: it cannot be read, is of another network, or keys or shapes do not fit.
        """
        checkpoint = read_checkpoint(path)
        self._load(checkpoint)
        self._given = without_prefix(checkpoint.state, "neck.aux_head.")
        for branch in self._branches:
            self._initialise(branch)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take TPN or SlowOnly of MMAction2, or inflate a 2D ResNet of torchvision or timm."""
        state = checkpoint.state
        if checkpoint.family == "torchvision":
            body = {key: value for key, value in state.items() if not key.startswith("fc.")}
            return Translated(self.blocks, inflated(body, PLAIN_STAGES, self.blocks.state_dict()), with_head=False)
        if checkpoint.family != "mmaction2" or checkpoint.network not in ("tpn", "slowonly"):
            raise self.refuse(checkpoint, "See what it is: osarbench weights inspect FILE.")
        blocks = blocks_of_mmaction(without_prefix(state, "backbone."), PLAIN_STAGES)
        if checkpoint.network == "slowonly":
            return Translated(self.blocks, blocks, with_head=False)
        neck = {
            key: value
            for key, value in neck_of_mmaction(without_prefix(state, "neck.")).items()
            if not key.startswith("aux_head.")
        }
        both = {f"blocks.{key}": value for key, value in blocks.items()}
        return Translated(self, both | {f"neck.{key}": value for key, value in neck.items()})

    def hub_url(self, source: str) -> str | None:
        """Return where torchvision's ResNet is, which is inflated into the trunk."""
        return torchvision_url(f"resnet{self.depth}") if source == "torchvision" else None

    def _initialise(self, branch: AuxiliaryHead) -> None:
        own = branch.state_dict()
        fitting = {key: value for key, value in self._given.items() if key in own and own[key].shape == value.shape}
        branch.load_state_dict(fitting, strict=False)


@hookimpl
def osarbench_backbones() -> list[type[Backbone]]:
    """Offer tpn."""
    return [TPN]
