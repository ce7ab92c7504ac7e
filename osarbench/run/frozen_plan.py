"""The steps of a frozen backbone, shared by all heads and seeds, and those of a head on what they cache."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import Any

from osarbench.artifacts import manifest
from osarbench.artifacts.steps import Step
from osarbench.data.shots import SHOT
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Method
from osarbench.model import extract, network, probe
from osarbench.model.device import Machine
from osarbench.model.train import Trained
from osarbench.protocols.protocol import Training
from osarbench.run import probes
from osarbench.run.config import RunConfig
from osarbench.run.experiment import Experiment
from osarbench.run.head_plan import NETWORK_PACKAGES, TESTED, HeadPlan, code_of
from osarbench.run.imported_plan import ImportedPlan
from osarbench.run.names import of_draw
from osarbench.run.origin import commit
from osarbench.run.videos import Videos


class FrozenPlan:
    """What is cached of a frozen backbone: vectors or tokens of every video, each file a step, made once."""

    def __init__(
        self, config: RunConfig, experiment: Experiment, machine: Machine, videos: Videos, decode: Step
    ) -> None:
        self.config, self.experiment, self.machine = config, experiment, machine
        self.videos, self.decode = videos, decode
        self.folder = videos.folder / experiment.backbone.name / f"frozen.{experiment.weights.mark}"
        self.title = of_draw(self.folder.name, experiment.protocol.draw)

    @cached_property
    def tested(self) -> Step:
        """Test and calibration videos."""
        return self._step("", TESTED, self.experiment.spec)

    @cached_property
    def fitted(self) -> Step:
        """Training videos, seen as test videos are: what methods learn from."""
        return self._step("-train", ("train",), self.experiment.spec)

    @cached_property
    def shots(self) -> Step:
        """The unknown videos that few-shot methods learn from."""
        return self._step("-shots", (SHOT,), self.experiment.spec)

    @cached_property
    def trained_on(self) -> Step:
        """Training videos, in the views that the protocol trains a probe on."""
        section, spec = self.experiment.protocol.sections.probe, self.experiment.spec
        other = replace(spec, test_clips=section.clips or spec.test_clips, test_crops=section.crops or spec.test_crops)
        return self.fitted if other == spec else self._step("-probe", ("train",), other)

    def _step(self, suffix: str, roles: Sequence[str], spec: ClipSpec) -> Step:
        experiment, tokens = self.experiment, probes.tokens_of(self.experiment)
        file = self.folder / f"{'features' if tokens is None else 'tokens'}{suffix}.npy"
        return Step(
            name=f"extract {self.title}/{file.name}",
            output=file,
            after=(self.decode,),
            inputs={"videos": lambda: self.videos.samples.digest(*roles), "weights": experiment.weights.sha256},
            settings={
                "backbone": {"name": experiment.backbone.name, "options": experiment.options},
                "clips": asdict(spec),
                "tokens": tokens,
                "precision": self.machine.precision,
            },
            code=code_of(
                probes.make_cache,
                probes.build_frozen,
                plugins=(experiment.backbone, type(experiment.modality)),
            ),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: probes.make_cache(
                self.machine,
                probes.build_frozen(experiment, compiled=self.config.compile),
                self.videos.samples,
                roles,
                spec=spec,
                modality=experiment.modality,
                step=step,
                into=into,
            ),
            record={"commit": commit(), "weights": experiment.weights.facts()},
            tidy=partial(extract.forget_pieces, file),
            together=True,
        )


class ProbePlan(HeadPlan):
    """The steps that the methods of one head on a frozen backbone share: the probe with its head, and its vectors."""

    def __init__(self, frozen: FrozenPlan | ImportedPlan, experiment: Experiment, methods: Sequence[Method]) -> None:
        super().__init__(frozen.config, experiment, frozen.machine, frozen.videos, frozen.decode, methods)
        self.frozen = frozen
        if self.experiment.trains:
            probes.check_head(self.experiment, self.spec, self.videos.listed.classes)

    @cached_property
    def training(self) -> Training:
        """The recipe; a probe fits every memory."""
        return self.experiment.training(self.spec.head.name)

    @property
    def steps(self) -> list[Step]:
        """What is cached, the probe, and its vectors."""
        needed = self.needs_training_features
        learns = [self.frozen.trained_on] if self.experiment.trains else [self._classifier]
        cached = [*learns, self.frozen.tested, *([self.frozen.fitted] if needed else [])]
        cached += [self.frozen.shots] if self.needs_shots else []
        return [*cached, *super().steps]

    @property
    def _classifier(self) -> Step:
        """The step that stands for an imported classifier."""
        assert isinstance(self.frozen, ImportedPlan)
        return self.frozen.classifier

    @cached_property
    def trained(self) -> Step:
        """The trained probe with its head, or the classifier that was imported."""
        if not self.experiment.trains:
            return self._adopted
        files = Trained(self.folder)
        section = self.experiment.protocol.sections.probe
        return Step(
            name=f"train {self.title}",
            output=files.network,
            inputs={"features": self.frozen.trained_on, "videos": lambda: self.videos.samples.digest("train")},
            settings={
                "head": {"name": self.spec.head.name, "settings": self.spec.settings},
                "classes": self.videos.listed.classes,
                "probe": {"mode": self.experiment.mode, "standardise": section.standardise},
                "training": asdict(self.training),
                "seed": self.experiment.seed,
                "devices": self.config.devices,
                "precision": self.machine.precision,
            },
            code=code_of(probes.make_probe, type(self.task), plugins=(self.spec.head,)),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: probes.make_probe(
                self.machine,
                self.experiment,
                self.spec,
                self.videos.listed.classes,
                cached=self.frozen.trained_on.file,
                labels=self.task.targets(self.videos.samples.rows("train"), self.videos.listed.classes),
                training=self.training,
                step=step,
                into=into,
            ),
            record={"commit": commit(), "weights": self.experiment.weights.facts()},
            tidy=lambda: manifest.remove(files.checkpoint),
            together=True,
        )

    @cached_property
    def _adopted(self) -> Step:
        return Step(
            name=f"train {self.folder.name}",
            output=Trained(self.folder).network,
            inputs={"classifier": self._classifier},
            settings={
                "head": {"name": self.spec.head.name, "settings": self.spec.settings},
                "classes": self.videos.listed.classes,
            },
            code=code_of(probes.adopt_classifier, plugins=(self.spec.head,)),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: probes.adopt_classifier(
                self.machine,
                self.experiment,
                self.spec,
                self.videos.listed.classes,
                classifier=self._classifier.file,
                into=into,
            ),
            record={"commit": commit(), "weights": self.experiment.weights.facts()},
        )

    @cached_property
    def tested(self) -> Step:
        """The vectors of test and calibration videos."""
        return self._vectors("features.npy", self.frozen.tested)

    @cached_property
    def trained_on(self) -> Step:
        """The vectors of training videos."""
        return self._vectors("features-train.npy", self.frozen.fitted)

    def _of_shots(self) -> Step:
        return self._vectors("features-shots.npy", self.frozen.shots)

    def _vectors(self, name: str, cached: Step) -> Step:
        file = self.folder / name
        return Step(
            name=f"extract {self.title}/{name}",
            output=file,
            inputs={"network": self.trained, "features": cached},
            settings={"mode": self.experiment.mode},
            code=code_of(probes.make_probe_features, probes.build_probe, plugins=()),
            packages=NETWORK_PACKAGES,
            make=lambda step, into: probes.make_probe_features(
                self.machine, self.load(), cached.file, file=file, into=into
            ),
            record={"commit": commit()},
        )

    def load(self) -> probe.ProbeNetwork:
        """Return the trained probe with its head."""
        built = probes.build_probe(self.experiment, self.spec, self.videos.listed.classes)
        network.load(built, Trained(self.folder).network)
        return built

    def origin(self, method: Method, settings: Mapping[str, Any], score: Step) -> dict[str, Any]:
        """Return what an entry says of its making, what was cached and how a probe was trained included."""
        facts = super().origin(method, settings, score)
        cached = manifest.read(self.frozen.tested.file) or {}
        return {
            **facts,
            "train": self.experiment.mode,
            "frozen": {"sha256": cached.get("sha256"), "identity": cached.get("identity")},
            "code": {"frozen": self.frozen.tested.code.facts(), **facts["code"]},
        }
