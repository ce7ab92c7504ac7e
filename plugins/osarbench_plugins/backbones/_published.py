"""Backbones whose published checkpoints can be loaded: one way to load, to take the classifier, and to explain."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, SavedHead, WeightsReport
from osarbench.interfaces.weights import OWN

from ._checkpoints import TRAINING_ONLY, Checkpoint, read_checkpoint
from ._describe import describe
from ._hub import download
from ._key_maps import without_prefix
from ._weights import Faults, faults, fit_weights


class Translated(NamedTuple):
    """A checkpoint under a backbone's own names."""

    module: nn.Module  #: the backbone, or the part of it that the file is for
    state: Mapping[str, Tensor]
    leftovers: tuple[str, ...] = TRAINING_ONLY  #: beginnings of keys that may be in surplus
    with_head: bool = True  #: whether the file's classifier reads `Features.vector`


class PublishedBackbone(Backbone):
    """A backbone that says which checkpoints are its own, and under which names their tensors go."""

    @abstractmethod
    def translate(self, checkpoint: Checkpoint) -> Translated:
        """Return the checkpoint's tensors under this backbone's names, a key without a place as it is.

        Raises:
            OsarbenchError: the checkpoint is of another network, or of a preset with other strides.
        """

    def load_weights(self, path: str) -> None:
        """Initialise from a checkpoint: every key is accounted for, and no code in the file is run.

        Raises:
            OsarbenchError: it cannot be read, is of another network or preset, or keys or shapes do not fit.
        """
        self._load(read_checkpoint(path))

    def read_head(self, path: str) -> SavedHead | None:
        """Return the classifier in a checkpoint of this backbone, None if there is none that reads its features.

        Raises:
            OsarbenchError: as `load_weights`, but for missing and unexpected keys.
        """
        checkpoint = read_checkpoint(path)
        return checkpoint.head if self._translated(checkpoint).with_head else None

    def examine_weights(self, path: str) -> WeightsReport:
        """Say what a file of weights is and whether it fits.

        Raises:
            OsarbenchError: it cannot be read.
        """
        checkpoint = read_checkpoint(path)
        facts = describe(checkpoint)
        try:
            translated = self._translated(checkpoint)
        except OsarbenchError as error:
            return WeightsReport(facts, str(error))
        return WeightsReport(facts, None, *_faults(translated, checkpoint))

    def hub_url(self, source: str) -> str | None:
        """Return the address of a library's pretrained weights for this backbone as it is set, None for none."""
        return None

    def fetch_weights(self, source: str, folder: Path) -> Path:
        """Download the pretrained weights of a library into a folder, once.

        Raises:
            OsarbenchError: the library has none for the backbone as it is set, or they cannot be had.
        """
        url = self.hub_url(source)
        return super().fetch_weights(source, folder) if url is None else download(url, folder)

    def refuse(self, checkpoint: Checkpoint, advice: str) -> OsarbenchError:
        """Return the error for a checkpoint that is not for this backbone."""
        return OsarbenchError(f"{checkpoint.title} is not for the backbone '{self.name}'. {advice}")

    def _load(self, checkpoint: Checkpoint) -> None:
        translated = self._translated(checkpoint)
        found = _faults(translated, checkpoint)
        source = f"The weights of {checkpoint.file.path} and the backbone '{self.name}'"
        fit_weights(translated.module, translated.state, found, source=source)

    def _translated(self, checkpoint: Checkpoint) -> Translated:
        if checkpoint.family == "osarbench":
            return Translated(self, without_prefix(checkpoint.state, f"{OWN}backbone."))
        translated = self.translate(checkpoint)
        strays = {key: value for key, value in checkpoint.state.items() if not key.startswith(_parts(checkpoint))}
        return translated._replace(state={**translated.state, **strays})


def _faults(translated: Translated, checkpoint: Checkpoint) -> Faults:
    """Return what keeps a checkpoint from fitting, in the backbone and, if it is used, in the file's classifier."""
    found = faults(translated.module.state_dict(), translated.state, translated.leftovers)
    missing, unexpected = checkpoint.broken_heads
    return found._replace(missing=found.missing + missing, unexpected=found.unexpected + unexpected)


def _parts(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Return how the keys of a network of this kind begin; any other is a stray, to be reported."""
    if checkpoint.family == "mmaction2":
        neck = ("neck.",) if checkpoint.network == "tpn" else ()
        return "backbone.", "cls_head.", *TRAINING_ONLY, *neck
    if checkpoint.family == "tsn-pytorch":
        return "base_model.", "new_fc."
    return ("blocks.",) if checkpoint.family == "pytorchvideo" else ("",)
