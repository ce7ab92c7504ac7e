"""`osarbench fuse`: several runs become one entry, on which every post-hoc method works as on any other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from osarbench import console
from osarbench.artifacts import manifest
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Step, execute
from osarbench.digests import content_digest, text_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import Head, LinearHead, Method
from osarbench.plugins import loading as plugins
from osarbench.plugins.loading import Plugins
from osarbench.run import fusion, listing, parts, scoring
from osarbench.run.alignment import KEY, align, keyed
from osarbench.run.fusion import FusedHead, Of
from osarbench.run.head_plan import NETWORK_PACKAGES, TESTED, code_of
from osarbench.run.method_plan import Draw, method_plan
from osarbench.run.origin import commit
from osarbench.run.parts import Part
from osarbench.run.run import Entry, entry_of
from osarbench.run.tasks import TASKS


@dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """One `osarbench fuse`."""

    runs: Sequence[Path]
    weights: Sequence[float] | Literal["fit"] = ()  #: empty: 1 each
    of: Of = "logits"
    methods: Sequence[str] = ()  #: empty: those that all runs were scored with
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plugin_files: tuple[Path, ...] = ()
    into: Path | None = None  #: the folder of runs; None: that of the first run
    redo: bool = False


def fuse(config: FuseConfig, *, draw: Draw | None = None) -> list[Entry]:
    """Make an entry of several runs, and return it for each method.

    Args:
        config: what is asked for.
        draw: makes ``scores.png`` of each scores table.

    Raises:
        OsarbenchError: the runs are not about the same, weights or methods do not fit them.
    """
    if len(config.runs) < 2:
        raise OsarbenchError("A fusion is of two runs or more. Name their folders.")
    available = plugins.load(files=config.plugin_files)
    plan = FusedPlan(config, [parts.read(path) for path in config.runs], available)
    methods = [_method(available, name, config, plan) for name in available.expand(plan.method_names)]
    plan.methods = methods
    planned = [method_plan(plan, method, draw) for method in methods]
    execute([*plan.steps, *(step for one in planned for step in one.steps)], redo=config.redo, say=console.say)
    return [entry_of(one) for one in planned]


def _method(available: Plugins, name: str, config: FuseConfig, plan: "FusedPlan") -> Method:
    kind = available.method(name)
    names = {LinearHead.name if its == FusedHead.name else its for its in (part.facts["head"] for part in plan.parts)}
    if not kind.posthoc and kind.head.name not in names:
        raise OsarbenchError(
            f"The method '{name}' needs a network with the head '{kind.head.name}', and the runs have "
            f"{', '.join(sorted(names))}. Fuse runs of that head, or take a post-hoc method."
        )
    return kind(**plugins.check_settings("method", kind, config.settings.get(name, {}), "--set"))


class FusedPlan:
    """The outputs of several runs as those of one network: features side by side, logits weighted and summed."""

    def __init__(self, config: FuseConfig, found: Sequence[Part], available: Plugins) -> None:
        self.config, self.parts, self.available = config, found, available
        self.settings, self.methods = config.settings, list[Method]()
        self.protocol = parts.protocol_of(found)
        self.classes = tuple(found[0].facts["classes"])
        self.task = TASKS[self.protocol.sections.task]
        self.train_threshold = self.protocol.sections.threshold.source == "train"
        self.listed, self.lacking = align(found)
        self._refuse_few()
        self.weights = self._weights()

    @property
    def method_names(self) -> list[str]:
        """The methods that are asked for, else those that all parts were scored with."""
        if self.config.methods:
            return list(self.config.methods)
        first, *others = (part.methods() for part in self.parts)
        shared = [name for name in first if all(name in names for names in others)]
        if not shared:
            raise OsarbenchError("No method was scored on all of these runs. Name one with --method.")
        return shared

    @property
    def name(self) -> str:
        """What is fused: the backbones' names, in order."""
        return "+".join(part.facts["backbone"] for part in self.parts)

    @property
    def folder(self) -> Path:
        """Of the fused entry: next to those of its parts."""
        top = self.config.into or _runs_of(self.parts[0])
        stated = "fit" if self.config.weights == "fit" else "-".join(f"{weight:g}" for weight in self.weights)
        mark = text_digest([[its.facts["backbone"], its.facts["head"], its.folder.name] for its in self.parts])
        return top / self.protocol.name / self.name / f"{self.config.of}-{stated}.{mark}"

    @property
    def shots(self) -> Step:
        """There are none: the parts keep features of test and training videos."""
        raise OsarbenchError(
            "A fusion has no features of shots, so few-shot methods cannot score it. Name others with --method."
        )

    @property
    def count(self) -> int:
        """How many videos are fused."""
        return len(self.listed)

    def rows(self, *roles: str) -> pd.DataFrame:
        """Return the videos of some roles, in the order of their outputs."""
        return self.listed[self.listed["role"].isin(roles)]

    @property
    def deviations(self) -> dict[str, Any]:
        """In what the parts depart from the protocol, and how many videos are left out."""
        found = {f"{its.facts['backbone']}: {key}": value for its in self.parts
                 for key, value in its.facts["deviations"].items()}  # fmt: skip
        return found | ({"videos": f"{len(self.lacking)} left out"} if len(self.lacking) else {})

    @cached_property
    def part_heads(self) -> list[Head]:
        """The trained heads of the parts."""
        return [part.load_head(self.available) for part in self.parts]

    @property
    def heads(self) -> list[type[Head]]:
        """The classes whose code makes logits."""
        return list(dict.fromkeys([type(self.head), *(type(head) for head in self.part_heads)]))

    @cached_property
    def head(self) -> Head:
        """The heads of the parts side by side."""
        return fusion.fused_head(self.part_heads, self.weights).eval()

    @property
    def steps(self) -> list[Step]:
        """Network, outputs and their list."""
        uses_training = self.train_threshold or any(scoring.needs_fit(method) for method in self.methods)
        return [self.network, self.tested, *([self.trained_on] if uses_training else []), self._list()]

    @cached_property
    def network(self) -> Step:
        """The fused head."""
        return self._step("network.pt", {}, lambda step, into: torch.save(
            {"backbone": {}, "head": self.head.state_dict()}, into))  # fmt: skip

    @cached_property
    def tested(self) -> Step:
        """The fused outputs of test and calibration videos."""
        return self._step(
            "outputs.npy", {"videos": self._digest(*TESTED)}, lambda step, into: self._write(into, *TESTED)
        )

    @cached_property
    def trained_on(self) -> Step:
        """The fused outputs of training videos."""
        if any(part.trained_on is None for part in self.parts):
            lacking = next(part for part in self.parts if part.trained_on is None)
            raise OsarbenchError(
                f"{lacking.name} has no outputs of training videos, which a method here learns from. Run it again with "
                "a method that learns from them too (--method all-posthoc)."
            )
        videos = {"videos": self._digest("train")}
        return self._step("outputs-train.npy", videos, lambda step, into: self._write(into, "train"))

    def origin(self, method: Method, settings: Mapping[str, Any], score: Step) -> dict[str, Any]:
        """Return what an entry says of its making."""
        seeds = {part.facts["seed"] for part in self.parts}
        made = {name: manifest.read(step.file) or {} for name, step in
                (("network", self.network), ("features", self.tested))}  # fmt: skip
        return {
            "protocol": {"name": self.protocol.name, "sha256": self.protocol.sha256},
            "backbone": self.name,
            "method": method.name,
            "settings": dict(settings),
            "seed": self.parts[0].facts["seed"],
            "seeds": sorted(seeds),
            "deviations": self.deviations,
            "weights": None,
            "fusion": {**self._facts(), "parts": [part.identity() for part in self.parts]},
            "commit": commit(),
            "code": {name: step.code.facts() for name, step in (("extract", self.tested), ("score", score))},
            **{name: {key: its.get(key) for key in ("sha256", "identity", "seconds", "made")}
               for name, its in made.items()},
        }  # fmt: skip

    def _facts(self) -> dict[str, Any]:
        return {"of": self.config.of, "weights": list(self.weights), "fitted": self.config.weights == "fit"}

    def _step(self, name: str, inputs: Mapping[str, Any], make: Any) -> Step:
        parts_ = {f"part {position}": content_digest(part.identity()) for position, part in enumerate(self.parts, 1)}
        head = {"name": self.head.name, "settings": {}}
        return Step(
            name=f"fuse {self.folder.name}/{name}",
            output=self.folder / name,
            inputs={**parts_, **inputs},
            settings={**self._facts(), "head": head, "classes": self.classes},
            code=code_of(fusion.combine, fusion.fused_head, plugins=self.heads),
            packages=NETWORK_PACKAGES,
            make=make,
            record={"commit": commit(), "parts": [part.identity() for part in self.parts]},
            cheap=True,
        )

    def _list(self) -> Step:
        return Step(
            name=f"list {self.folder.name}",
            output=self.folder / listing.FILE,
            after=(self.tested,),
            inputs={"tested": self._digest(*TESTED), "train": self._digest("train")},
            settings=listing.Facts(
                protocol={"name": self.protocol.name, "sha256": self.protocol.sha256},
                backbone=self.name, head=self.head.name, seed=self.parts[0].facts["seed"], classes=self.classes,
                deviations=self.deviations, weights=None,
            )._asdict(),
            code=Code.of(),
            record={"file": str(self.protocol.file)},
            make=self._write_list,
            cheap=True,
        )  # fmt: skip

    def _write_list(self, step: Step, into: Path) -> None:
        listing.write(self.listed, into)
        self.lacking.to_csv(self.folder / "lacking.csv", index=False)

    def _write(self, into: Path, *roles: str) -> None:
        """Write features side by side, and behind them the fused logits, [N, 1, D + K]."""
        features, logits = zip(*(self._outputs(position, *roles) for position in range(len(self.parts))), strict=True)
        fused = fusion.combine(logits, self.weights, self.config.of).float()
        with into.open("wb") as file:
            np.save(file, torch.cat([*features, fused], dim=1)[:, None].numpy())

    def _outputs(self, position: int, *roles: str) -> tuple[torch.Tensor, torch.Tensor]:
        part = self.parts[position]
        file = part.trained_on if roles == ("train",) else part.tested
        assert file is not None
        kept = part.rows[part.rows["role"].isin(roles)].reset_index(drop=True)
        place = pd.Series(kept.index, index=pd.MultiIndex.from_frame(keyed(kept)[KEY]))
        positions = place.loc[pd.MultiIndex.from_frame(self.rows(*roles)[KEY])].to_numpy()
        return part.outputs(file, positions, self.part_heads[position])

    def _weights(self) -> tuple[float, ...]:
        if self.config.weights != "fit":
            return fusion.check_weights(self.config.weights or [1.0] * len(self.parts), len(self.parts))
        tested = self.rows(*TESTED)
        held_out = (tested["role"] == "calibration").to_numpy().copy()  # pandas lends its own, read-only
        labels = torch.from_numpy(self.task.targets(tested[held_out], self.classes))
        logits = [
            self._outputs(position, *TESTED)[1][torch.from_numpy(held_out)] for position in range(len(self.parts))
        ]
        weights = fusion.fit(logits, labels, self.config.of)
        console.say(f"fuse: weights {', '.join(f'{weight:g}' for weight in weights)}, of {len(labels)} held-out videos")
        return weights

    def _digest(self, *roles: str) -> str:
        return content_digest(self.rows(*roles)[[*listing.COLUMNS]].to_csv(index=False))

    def _refuse_few(self) -> None:
        """Say which videos a part lacks, and refuse to go on if they are many."""
        if not len(self.lacking):
            return
        shown = "".join(f"\n  {row['run']} lacks {row['source']}/{row['video']}" for row in
                        self.lacking.head(5).to_dict("records"))  # fmt: skip
        said = f"{len(self.lacking)} videos are not in all of the runs{shown}"
        if len(self.lacking) > self.protocol.sections.max_unreadable * (len(self.lacking) + len(self.listed)):
            raise OsarbenchError(
                f"{said}\nThat is more than the protocol's max_unreadable = {self.protocol.sections.max_unreadable:g}. "
                "Run the others on the same videos first."
            )
        console.say(f"fuse: {said}\nThey are left out; lacking.csv next to the fused outputs lists all of them.")


def _runs_of(part: Part) -> Path:
    """Return the folder of runs that a part is in: above that of its protocol."""
    name = part.facts["protocol"]["name"]
    above = next((folder for folder in part.folder.parents if folder.name == name), part.folder.parents[1])
    return above.parent
