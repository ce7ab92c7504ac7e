"""What an evaluation returns: typed fields, and the JSON of ``metrics.json`` and ``--json``."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

#: Numbers by the name of their metric; None where one is undefined.
Numbers = Mapping[str, float | int | None]
#: A row of numbers for each class.
ClassRows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What a protocol fixes of an evaluation; see `osarbench.scores.metrics.evaluate`."""

    quantile: float = 0.95
    threshold_from: str = "calibration"
    threshold_rule: str = "quantile"
    draws: int = 10
    seed: int = 0
    contested: tuple[str, ...] = ()  #: sorted
    unknown_parts: int = 1


@dataclass(frozen=True)
class BySource:
    """Numbers by data set and split: each known source against all unknown videos, and the other way round."""

    known: Mapping[str, Numbers]
    unknown: Mapping[str, Numbers]


@dataclass(frozen=True)
class OpennessCurve:
    """Open macro-F1 as the number of unknown classes grows, [C] each."""

    unknown_classes: list[int]
    openness: list[float]
    macro_f1: list[float]
    std: list[float] | None


@dataclass(frozen=True)
class Thresholded:
    """What the threshold does to all test videos."""

    threshold: float | None
    threshold_videos: int  #: how many videos it was learnt from
    numbers: Numbers
    openness_curve: OpennessCurve | None
    confusion: Mapping[str, Mapping[str, int]] | None  #: videos by true class and decision, without empty cells


@dataclass(frozen=True)
class PerClass:
    """A row for each class."""

    known: ClassRows
    unknown: ClassRows


@dataclass(frozen=True, eq=False)
class Evaluation(Mapping[str, Any]):
    """Every number of one scores table.

    It can also be read as the mapping that ``metrics.json`` holds, and equals such a mapping of the same content.
    """

    conventions: Mapping[str, str]  #: what each number means, by its name
    settings: Settings
    counts: Mapping[str, int]
    headline: Numbers  #: all known against all unknown test videos
    without_contested: Numbers | None  #: the same without contested unknown classes; None if there are none
    in_parts: Numbers | None
    by_source: BySource
    thresholded: Thresholded
    calibration: Numbers
    per_class: PerClass

    @cached_property
    def as_dict(self) -> dict[str, Any]:
        """The content of ``metrics.json``: plain dicts, lists and numbers."""
        whole = {field.name: getattr(self, field.name) for field in fields(self)}
        curve, its = self.thresholded.openness_curve, self.thresholded
        return {
            **{name: dict(value) if isinstance(value, Mapping) else value for name, value in whole.items()},
            "settings": {**vars(self.settings), "contested": list(self.settings.contested)},
            "by_source": _sides(self.by_source),
            "thresholded": {
                "threshold": its.threshold,
                "threshold_videos": its.threshold_videos,
                **its.numbers,
                "openness_curve": None if curve is None else dict(vars(curve)),
                "confusion": None if its.confusion is None else {k: dict(row) for k, row in its.confusion.items()},
            },
            "per_class": _sides(self.per_class),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Evaluation":
        """Return the evaluation that a ``metrics.json`` holds.

        Raises:
            KeyError: it lacks a part.
        """
        settings, thresholded = content["settings"], dict(content["thresholded"])
        curve, confusion = thresholded.pop("openness_curve"), thresholded.pop("confusion")
        stated: dict[str, Any] = {field.name: settings[field.name] for field in fields(Settings)}
        stated["contested"] = tuple(stated["contested"])
        return cls(
            conventions=content["conventions"],
            settings=Settings(**stated),
            counts=content["counts"],
            headline=content["headline"],
            without_contested=content["without_contested"],
            in_parts=content["in_parts"],
            by_source=BySource(**content["by_source"]),
            thresholded=Thresholded(
                threshold=thresholded.pop("threshold"),
                threshold_videos=thresholded.pop("threshold_videos"),
                numbers=thresholded,
                openness_curve=None if curve is None else OpennessCurve(**curve),
                confusion=confusion,
            ),
            calibration=content["calibration"],
            per_class=PerClass(**content["per_class"]),
        )

    def to_json(self) -> str:
        """Return the text of ``metrics.json``; numbers at full precision."""
        return json.dumps(self.as_dict, indent=1, allow_nan=False) + "\n"

    def __getitem__(self, key: str) -> Any:
        return self.as_dict[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_dict)

    def __len__(self) -> int:
        return len(self.as_dict)


def _sides(its: BySource | PerClass) -> dict[str, dict[str, dict[str, Any]]]:
    return {side: {name: dict(row) for name, row in rows.items()} for side, rows in vars(its).items()}
