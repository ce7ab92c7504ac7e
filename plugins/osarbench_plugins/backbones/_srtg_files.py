"""What all networks of the SRTG repository share: their normalisation, and how their files are loaded."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from osarbench import console
from osarbench.errors import OsarbenchError, unknown_name
from osarbench.interfaces.backbone import WeightsReport
from osarbench.interfaces.clip import ClipSpec

from ._checkpoints import Checkpoint, read_checkpoint
from ._published import PublishedBackbone, Translated
from ._weights import Faults, fit_matching

Colours = Literal["rgb", "bgr"]
Loading = Literal["strict", "by_shape"]

MEAN = (124 / 255, 117 / 255, 104 / 255)  #: of the first, second and third channel
STD = 1 / (0.0167 * 255)  #: of each


class RepositoryBackbone(PublishedBackbone):
    """A network of the SRTG repository; a subclass builds it and maps clips to features.

    Args:
        size: pixels, side of the published crop.
        colours: order of the channels. The repository reads frames as blue, green, red and takes off a mean of red,
            green, blue: "bgr" does as it does, for its released weights. "rgb" is for all others.
        loading: "strict": every key of a file of weights is accounted for. "by_shape": as the repository loads, what
            has the same name and shape is taken, and `left_out` and a line on stderr say what was not.

    Raises:
        OsarbenchError: unknown colours or loading.
    """

    def __init__(self, *, size: int, colours: Colours, loading: Loading) -> None:
        super().__init__()
        for what, value, known in (("colours", colours, get_args(Colours)), ("loading", loading, get_args(Loading))):
            if value not in known:
                raise unknown_name(f"{what} of {self.name}", value, known)
        self.colours, self.loading = colours, loading
        self.left_out: Faults | None = None  #: of the last file that was loaded "by_shape"
        mean = MEAN if colours == "rgb" else MEAN[::-1]  # clips are normalised before they are turned to BGR
        self.clip = ClipSpec(
            frames=16, stride=2, short_side=294, size=size, test_size=size, train_crop="random", mean=mean,
            std=(STD, STD, STD),
        )  # fmt: skip

    def ordered(self, clips: Tensor) -> Tensor:
        """Return clips [N, 3, T, H, W] of RGB in the order of colours that the network was trained with."""
        return clips if self.colours == "rgb" else clips.flip(1)

    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Take a file of the repository, with or without classifier: its names are the backbone's own.

        Raises:
            OsarbenchError: the file has squeeze and recursion and the backbone has not, or the other way round.
        """
        own = any(".lstm." in key for key in self.state_dict())
        given = any(".lstm." in key for key in checkpoint.state)
        if self.loading == "strict" and checkpoint.family == "srtg" and checkpoint.network != "mtnet" and own != given:
            plain, gated = self.name.removeprefix("srtg_"), f"srtg_{self.name}"
            raise self.refuse(
                checkpoint,
                f"It has no LSTM: the repository's command line builds the plain network under every name. Take "
                f"'{plain}', or its other layers alone: loading = \"by_shape\"."
                if own
                else f"It has LSTMs. Take '{gated.removesuffix('_pooled')}'.",
            )
        return Translated(self, checkpoint.state, ("fc.",))

    def load_weights(self, path: str) -> None:
        """Initialise from a checkpoint, as ``loading`` says; no code in the file is run.

        Raises:
            OsarbenchError: it cannot be read, or keys or shapes do not fit; "by_shape", if none at all does.
        """
        if self.loading == "strict":
            super().load_weights(path)
            return
        checkpoint = read_checkpoint(path)
        translated = self._translated(checkpoint)
        taken, self.left_out = fit_matching(translated.module, translated.state, translated.leftovers)
        if not taken:
            raise self.refuse(checkpoint, "Not one of its tensors has the name and shape of one of the network's.")
        console.say(f"{path}: {taken} tensors taken by name and shape. {_listed(self.left_out)}")

    def examine_weights(self, path: str) -> WeightsReport:
        """Say what a file of weights is and whether it fits; loaded "by_shape", what would be left is a fact.

        Raises:
            OsarbenchError: it cannot be read.
        """
        report = super().examine_weights(path)
        if self.loading == "strict" or report.refusal is not None:
            return report
        left = Faults(list(report.missing), list(report.unexpected), list(report.misshapen))
        return WeightsReport({**report.facts, "loaded by shape": _listed(left)})


def draw(module: nn.Module) -> None:
    """Draw convolutions as He et al. do (fan out); recurrent cells and norms are as torch draws them."""
    for part in module.modules():
        if isinstance(part, nn.Conv3d) and not part.weight.is_meta:  # where drawing nothing takes a millisecond
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


def check_width(backbone: str, width: int, multiple: int) -> None:
    """Check the channels of a stem.

    Raises:
        OsarbenchError: they are no positive multiple of what the network divides them by.
    """
    if width < 1 or width % multiple:
        raise OsarbenchError(
            f"The backbone '{backbone}' divides its channels by {multiple}, and its width {width} is no multiple of "
            f"that. Set width to {max(multiple, round(width / multiple) * multiple)}."
        )


def _listed(left: Faults) -> str:
    """Return what was left, in words."""
    kinds = {"left as drawn": [*left.missing, *left.misshapen], "not used": left.unexpected}
    said = [f"{len(keys)} {kind}: {_joined(keys)}" for kind, keys in kinds.items() if keys]
    return "; ".join(said) or "None is left"


def _joined(keys: Sequence[str], count: int = 20) -> str:
    return ", ".join(keys[:count]) + (f" and {len(keys) - count} more" if len(keys) > count else "")
