"""The videos of a run: listed at once, decoded when they are first needed."""

from pathlib import Path
from typing import Any

from osarbench import console
from osarbench.data import index, store
from osarbench.data.stores import trial
from osarbench.data.stores.base import ListedStore
from osarbench.data.stores.estimate import Estimate
from osarbench.model.device import Machine
from osarbench.plugins.loading import Plugins
from osarbench.run import samples
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment
from osarbench.run.samples import Samples


class Videos:
    """The videos of a run: listed at once, decoded when they are first needed."""

    def __init__(self, config: RunConfig, experiment: Experiment, available: Plugins, machine: Machine) -> None:
        self._config, self._experiment, self._machine = config, experiment, machine
        self.listed = index.build(experiment.protocol, available, config.locations, experiment.modality.frames)
        stays = experiment.protocol.sections.few_shot.take_out == "nothing"
        index.check_apart(self.listed, shots_stay=stays)
        self._prepared: Samples | None = None

    @property
    def folder(self) -> Path:
        """Where files about the whole protocol, or one draw of it, are."""
        protocol = self._experiment.protocol
        folder = self._config.runs / protocol.name
        return folder if protocol.draw is None else folder / f"draw-{protocol.draw}"

    @property
    def samples(self) -> Samples:
        """The readable videos with their frames; `prepare` must have been called."""
        assert self._prepared is not None
        return self._prepared

    def is_decoded(self) -> bool:
        """Say whether every frame is in the cache; if so, the videos are at hand afterwards."""
        if self._prepared is None and store.is_complete(**self._asked()):
            self._prepared = samples.readable(self.listed, self._frames(), self._experiment.protocol, None)
        return self._prepared is not None

    def prepare(self, *_: Any) -> None:
        """Decode what is not in the cache yet. One process decodes; the others then find every frame."""
        first, fabric = self._machine.first, self._machine.fabric
        if self.listed.missing and first:
            missing = f"{len(self.listed.missing)} of {len(self.listed.missing) + len(self.listed.rows)}"
            console.say(f"index: {missing} listed videos are not there, see {self.folder / 'missing.json'}")
        frames = self._frames() if first else None
        fabric.barrier()
        frames = frames or self._frames()
        folder = self.folder if first else None
        self._prepared = samples.readable(self.listed, frames, self._experiment.protocol, folder)
        if first:
            index.write(self._prepared.index, self.folder / "index.csv", self._experiment.protocol)

    @property
    def frames_folder(self) -> Path:
        """Where decoded frames are kept."""
        folder: Path = self._asked()["folder"]
        return folder

    def outlook(self) -> tuple[str, Estimate | None]:
        """Return the kind of store that would be made, and what that would take; None: every frame is there."""
        return store.outlook(**self._asked(), workers=store.cores())

    def trial(self, guess: Estimate | None) -> ListedStore:
        """Return frames to measure reading with: those in the cache, or of noise where they are not decoded yet."""
        if guess is None and self.is_decoded():
            frames = self.samples.frames
            assert isinstance(frames, ListedStore)
            return frames
        return trial.of_noise(self.outlook()[0], self._experiment.spec.short_side, guess)

    def _frames(self) -> store.Store:
        return store.prepare(**self._asked(), workers=store.cores())

    def _asked(self) -> dict[str, Any]:
        return {
            "sources": samples.listed(self.listed),
            "short_side": self._experiment.spec.short_side,
            "middle": self._experiment.protocol.sections.middle_frames,
            "folder": self._config.locations.cache / "clips",
            "kind": self._config.store,
        }
