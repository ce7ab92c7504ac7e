"""A run on imported features: what stands for the videos, for the backbone, and for what is cached of it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from osarbench.artifacts.steps import Step
from osarbench.data import index
from osarbench.data.stores.estimate import Estimate
from osarbench.digests import content_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.frame_store import FrameStore
from osarbench.model.device import Machine
from osarbench.plugins.loading import Plugins
from osarbench.protocols.protocol import FROZEN, Mode, Protocol
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, refuse_to_publish
from osarbench.run.imported import Imported
from osarbench.run.samples import Samples
from osarbench.run.videos import Videos
from osarbench.run.weights import Weights


class ImportedBackbone(Backbone):
    """A network that is not here; only its features are."""

    clip = ClipSpec()

    def forward(self, clips: Tensor) -> Features:
        """Refuse clips."""
        raise OsarbenchError(f"'{self.name}' are imported features: there is no network that could see clips.")


class _NoFrames(FrameStore):
    """Frames of videos that are not here."""

    def length(self, video: int) -> int:
        raise OsarbenchError("Features were imported, and there are no videos.")

    def frames(self, video: int, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        raise OsarbenchError("Features were imported, and there are no videos.")

    def digest(self, video: int) -> str:
        return "features alone"


class _Listed(Samples):
    """Videos of which there are features alone."""

    def digest(self, *roles: str) -> str:
        return content_digest([index.digest(self.index._replace(rows=self.rows(*roles)))])


class ImportedVideos(Videos):
    """What stands for the videos of a run."""

    def __init__(self, config: RunConfig, protocol: Protocol, imported: Imported) -> None:
        self.listed = imported.videos_listed()
        self._folder = config.runs / protocol.name
        self._prepared = _Listed(self.listed, _NoFrames(), np.arange(len(self.listed.rows)))

    @property
    def folder(self) -> Path:
        """Where files about the whole protocol are."""
        return self._folder

    @property
    def frames_folder(self) -> Path:
        """No frames are kept."""
        return self._folder

    def is_decoded(self) -> bool:
        """There is nothing to decode."""
        return True

    def outlook(self) -> tuple[str, Estimate | None]:
        """There is nothing to decode."""
        return "none", None

    def prepare(self, *_: Any) -> None:
        """There is nothing to decode."""


class ImportedPlan:
    """What stands for the cached features of a frozen backbone, as `osarbench.run.frozen_plan.FrozenPlan` does."""

    def __init__(
        self, config: RunConfig, experiment: Experiment, machine: Machine, videos: Videos, decode: Step
    ) -> None:
        assert experiment.imported is not None
        self.config, self.experiment, self.machine = config, experiment, machine
        self.videos, self.decode, self.imported = videos, decode, experiment.imported

    @cached_property
    def tested(self) -> Step:
        """Test and calibration videos."""
        return self.imported.step("features.npy")

    @cached_property
    def fitted(self) -> Step:
        """Training videos."""
        return self.imported.step("features-train.npy")

    @cached_property
    def shots(self) -> Step:
        """The unknown videos that few-shot methods learn from."""
        return self.imported.step("features-shots.npy")

    @property
    def trained_on(self) -> Step:
        """Training videos."""
        return self.fitted

    @cached_property
    def classifier(self) -> Step:
        """The linear classifier that was imported with them."""
        return self.imported.step("classifier.npz")


def resolve(config: RunConfig, protocol: Protocol, imported: Imported, available: Plugins) -> Experiment:
    """Return what is trained and tested where a run's backbone is imported features.

    Raises:
        OsarbenchError: the run asks for what features cannot do, or departs from the protocol and is to be published.
    """
    mode = _mode(config, protocol, imported)
    if config.weights is not None:
        raise OsarbenchError(f"'{imported.name}' are imported features and take no weights. Leave out --weights.")
    training = protocol.recipe(imported.name).training
    batch = None if config.batch_size == "auto" else config.batch_size
    stated = {"epochs": config.epochs, "batch_size": batch}
    overrides = {key: value for key, value in stated.items() if value is not None}
    deviations = {**overrides, **({} if mode == training.mode else {"training": mode})}
    refuse_to_publish(config, protocol, deviations)
    return Experiment(
        protocol=protocol,
        backbone=type("Named", (ImportedBackbone,), {"name": imported.name}),
        options={},
        spec=ClipSpec(test_clips=imported.views),
        modality=available.modality("rgb")(),
        weights=Weights(Path(imported.files[0][0]), imported.sha256, "imported"),
        seed=config.seeds[0],
        overrides=overrides,
        deviations=deviations,
        mode=mode,
        dims=(imported.dim, 1),
        imported=imported,
    )


def _mode(config: RunConfig, protocol: Protocol, imported: Imported) -> Mode:
    """Return what is trained: what the run says; else what the protocol says, if features can do it; else a head."""
    asked: Mode | None = config.mode if config.train else "none"
    stated = protocol.recipe(imported.name).training.mode
    own: Sequence[Mode] = ("linear",) if stated in FROZEN or not imported.classifier else ("none",)
    mode = asked or own[0]
    if mode not in ("linear", "none"):
        raise OsarbenchError(
            f"--train {mode} needs a network, and '{imported.name}' are imported features: --train linear trains a "
            "head on them, --train none takes the classifier that was imported with them."
        )
    if mode == "none" and not imported.classifier:
        raise OsarbenchError(
            f"The features '{imported.name}' were imported without a classifier. Train one: --train linear."
        )
    return mode
