"""The steps that the methods of one head share: its network, and the features of its videos."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import pandas as pd

from osarbench.artifacts import manifest
from osarbench.artifacts.code import Code, Root
from osarbench.artifacts.steps import Step
from osarbench.data.shots import SHOT
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import FewShotMethod, Head, Method
from osarbench.model import extract, network
from osarbench.model.device import Machine
from osarbench.model.train import Trained
from osarbench.plugins.loading import code_files
from osarbench.protocols.protocol import Training
from osarbench.run import listing, networks, scoring
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment, HeadSpec, head_spec
from osarbench.run.names import of_draw
from osarbench.run.origin import commit
from osarbench.run.tasks import TASKS
from osarbench.run.videos import Videos

TESTED = ("calibration", "known", "unknown")  #: roles of the rows of a scores table, without those of training
NETWORK_PACKAGES = ("numpy", "timm", "torch", "torchvision")
#: What is noted of the machine that made a file, for `HeadPlan.origin`.
_MACHINE = ("device", "name", "devices", "precision", "threads", "seconds", "made", "commit")


def code_of(*roots: Root, plugins: Sequence[type]) -> Code:
    """Return the code of core functions and plugin classes; all files of a plugin from elsewhere."""
    core = Code.of(*roots, *plugins)
    outside = {file for plugin in plugins if plugin.__module__.split(".")[0] not in ("osarbench", "osarbench_plugins")
               for file in code_files(plugin)}  # fmt: skip
    return replace(core, files=tuple(sorted(outside)))


class HeadPlan:
    """The steps that the methods of one head share: network and features."""

    def __init__(
        self, config: RunConfig, experiment: Experiment, machine: Machine, videos: Videos, decode: Step,
        methods: Sequence[Method],
    ) -> None:  # fmt: skip
        self.config, self.experiment, self.machine = config, experiment, machine
        self.videos, self.decode, self.methods = videos, decode, methods
        self.spec: HeadSpec = head_spec(experiment, methods[0])
        self.network_folder = videos.folder / experiment.backbone.name / self.spec.folder(experiment)
        whole = experiment.whole
        self.folder = self.network_folder / (f"whole-{whole.stride}-{whole.average}" if whole else "")
        self.protocol, self.settings = experiment.protocol, config.settings
        self.title = of_draw(self.network_folder.name, self.protocol.draw)
        self.task = TASKS[self.protocol.sections.task]
        self.train_threshold = self.protocol.sections.threshold.source == "train"

    @cached_property
    def training(self) -> Training:
        """The recipe, its batch halved until it fits a GPU if the run asks for that."""
        on_gpu = self.machine.fabric.device.type == "cuda"
        if not (self.experiment.trains and self.config.batch_size == "auto" and on_gpu):
            return self.experiment.training(self.spec.head.name)
        return networks.fitting_batch(
            self.machine, self.experiment, self.spec, self.videos.listed.classes, recompute=self.config.recompute
        )

    @property
    def deviations(self) -> dict[str, Any]:
        """In what the run departs from its protocol, a batch that had to be smaller included."""
        stated = self.experiment.training(self.spec.head.name).batch_size
        own = self.training.batch_size
        return {**self.experiment.deviations, **({} if own == stated else {"batch_size": own})}

    @property
    def heads(self) -> tuple[type[Head], ...]:
        """The class of the head."""
        return (self.spec.head,)

    @property
    def classes(self) -> Sequence[str]:
        """The known classes in the order of the logits."""
        return self.videos.listed.classes

    @property
    def count(self) -> int:
        """How many videos are listed."""
        return len(self.videos.listed.rows)

    def rows(self, *roles: str) -> pd.DataFrame:
        """Return the videos of some roles, in the order of their features."""
        return self.videos.samples.rows(*roles)

    @property
    def steps(self) -> list[Step]:
        """Network and features."""
        kept = [self.windows] if self.experiment.whole and self.config.keep_windows else []
        training = [self.trained_on] if self.needs_training_features else []
        shots = [self.shots] if self.needs_shots else []
        return [self.trained, self.tested, *training, *shots, self.listed, *kept]

    @cached_property
    def listed(self) -> Step:
        """The list of the videos whose features are kept, in their order, with what whoever reads these must know."""
        samples = self.videos
        return Step(
            name=f"list {self.title}",
            output=self.folder / listing.FILE,
            after=(self.decode,),
            inputs={role: lambda roles=roles: samples.samples.digest(*roles)
                    for role, roles in (("tested", TESTED), ("train", ("train",)))},
            settings=listing.Facts(
                protocol={"name": self.protocol.name, "sha256": self.protocol.sha256},
                backbone=self.experiment.backbone.name,
                head=self.spec.head.name,
                seed=self.experiment.seed,
                classes=tuple(self.classes),
                deviations=self.deviations,
                weights=self.experiment.weights.facts(),
            )._asdict(),
            code=Code.of(),
            record={"file": str(self.protocol.file)},
            make=lambda step, into: listing.write(samples.samples.index.rows, into),
            cheap=True,
        )  # fmt: skip

    @property
    def needs_training_features(self) -> bool:
        """Whether a method fits on training videos, or the threshold is learnt from them."""
        return self.train_threshold or any(scoring.needs_fit(method) for method in self.methods)

    @cached_property
    def trained(self) -> Step:
        """The trained network, or the one of the weights."""
        files = Trained(self.network_folder)
        return Step(
            name=f"train {self.title}",
            output=files.network,
            after=(self.decode,),
            inputs={"videos": lambda: self.videos.samples.digest("train"), "weights": self.experiment.weights.sha256},
            settings={
                "backbone": {"name": self.experiment.backbone.name, "options": self.experiment.options},
                "head": {"name": self.spec.head.name, "settings": self.spec.settings},
                "classes": self.videos.listed.classes,
                "clips": asdict(self.experiment.spec),
                "training": asdict(self.training) if self.experiment.trains else None,
                **({"lora": asdict(self.experiment.protocol.sections.lora)} if self.experiment.mode == "lora" else {}),
                "seed": self.experiment.seed,
                "devices": self.config.devices,
                "precision": self.machine.precision,
            },
            code=code_of(
                networks.make_network,
                type(self.task),
                plugins=(self.experiment.backbone, self.spec.head, type(self.experiment.modality)),
            ),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: networks.make_network(
                self.machine,
                self.experiment,
                self.spec,
                self.videos.samples,
                task=self.task,
                config=self.config,
                training=self.training,
                step=step,
                into=into,
            ),
            record={"commit": commit(), "weights": self.experiment.weights.facts()},
            tidy=lambda: manifest.remove(files.checkpoint),
            together=True,
        )

    @cached_property
    def tested(self) -> Step:
        """The features of test and calibration videos."""
        return self._features("features.npy" if self.experiment.whole is None else "outputs.npy", TESTED)

    @cached_property
    def trained_on(self) -> Step:
        """The features of training videos."""
        name = "features-train.npy" if self.experiment.whole is None else "outputs-train.npy"
        return self._features(name, ("train",))

    @property
    def needs_shots(self) -> bool:
        """Whether a method learns from shots."""
        return any(isinstance(method, FewShotMethod) for method in self.methods)

    @cached_property
    def shots(self) -> Step:
        """The features of the shots, the unknown videos that few-shot methods learn from.

        Raises:
            OsarbenchError: the protocol declares none.
        """
        protocol = self.experiment.protocol
        if not protocol.sections.few_shot.shots:
            asking = ", ".join(method.name for method in self.methods if isinstance(method, FewShotMethod))
            raise OsarbenchError(
                f"{asking} learns from a few unknown videos, and the protocol '{protocol.name}' declares none. Take "
                "one that does, such as motion-few-shot, or state them in a copy of yours: [few_shot] shots = 5."
            )
        return self._of_shots()

    def _of_shots(self) -> Step:
        return self._features("features-shots.npy" if self.experiment.whole is None else "outputs-shots.npy", (SHOT,))

    def _features(self, name: str, roles: tuple[str, ...]) -> Step:
        return Step(
            name=f"extract {self.title}/{name}",
            output=self.folder / name,
            inputs={"network": self.trained, "videos": lambda: self.videos.samples.digest(*roles)},
            settings={"clips": asdict(self.experiment.spec), "precision": self.machine.precision,
                      **({"whole_videos": asdict(self.experiment.whole)} if self.experiment.whole else {})},
            code=code_of(
                networks.make_features,
                networks.build,
                plugins=(self.experiment.backbone, type(self.experiment.modality)),
            ),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: networks.make_features(
                self.machine,
                self.load(),
                self.videos.samples,
                roles,
                modality=self.experiment.modality,
                batch=4 * self.training.batch_size,
                step=step,
                into=into,
                whole=self.experiment.whole,
            ),
            record={"commit": commit()},
            tidy=lambda: extract.forget_pieces(self.folder / name),
            together=True,
        )  # fmt: skip

    @cached_property
    def windows(self) -> Step:
        """The logits of every window of test and calibration videos."""
        assert self.experiment.whole is not None
        return Step(
            name=f"windows {self.title}",
            output=self.folder / "windows.safetensors",
            inputs={"network": self.trained, "videos": lambda: self.videos.samples.digest(*TESTED)},
            settings={"clips": asdict(self.experiment.spec), "precision": self.machine.precision,
                      "stride": self.experiment.whole.stride},
            code=code_of(
                networks.keep_windows,
                networks.build,
                plugins=(self.experiment.backbone, self.spec.head, type(self.experiment.modality)),
            ),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: networks.keep_windows(
                self.machine,
                self.load(),
                self.videos.samples,
                TESTED,
                modality=self.experiment.modality,
                batch=4 * self.training.batch_size,
                stride=self.experiment.whole.stride if self.experiment.whole else 1,
                into=into,
            ),
            record={"commit": commit()},
        )  # fmt: skip

    def load(self) -> network.Network:
        """Return the trained network."""
        built = networks.build(self.experiment, self.spec, self.videos.listed.classes, compiled=self.config.compile)
        networks.adapt(built, self.experiment)
        network.load(built, Trained(self.network_folder).network)
        return built

    @cached_property
    def head(self) -> Head:
        """The trained head, in evaluation mode on the CPU."""
        head: Head = self.load().eval().head
        return head

    def origin(self, method: Method, settings: Mapping[str, Any], score: Step) -> dict[str, Any]:
        """Return what an entry says of its making: everything from the commit to the threads."""
        made = {name: manifest.read(step.file) or {} for name, step in
                (("network", self.trained), ("features", self.tested))}  # fmt: skip
        return {
            **self.protocol.facts(),
            "backbone": self.experiment.backbone.name,
            "method": method.name,
            "settings": dict(settings),
            "seed": self.experiment.seed,
            "deviations": self.deviations,
            "weights": self.experiment.weights.facts(),
            "commit": commit(),
            "code": {name: step.code.facts() for name, step in
                     (("train", self.trained), ("extract", self.tested), ("score", score))},
            **{name: {"sha256": its.get("sha256"), "identity": its.get("identity"),
                      **{key: its[key] for key in _MACHINE if key in its}} for name, its in made.items()},
        }  # fmt: skip
