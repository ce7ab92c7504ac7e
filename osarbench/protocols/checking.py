"""What the sections of a protocol may not say together."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from osarbench.errors import OsarbenchError

if TYPE_CHECKING:
    from osarbench.protocols.protocol import Sections


def check_classes(sections: "Sections", file: Path) -> None:
    """Raise an `OsarbenchError` if a class is excluded and contested at once, or a draw of classes is none."""
    for unknown in sections.unknown:
        both = sorted(set(unknown.exclude) & set(unknown.contested))
        if both:
            raise OsarbenchError(f"{file}: {', '.join(both)} cannot be both excluded and contested.")
    _check_draws(sections, file)


def _check_draws(sections: "Sections", file: Path) -> None:
    if sections.draws and sections.known.classes:
        raise OsarbenchError(f"{file}: known classes are named twice, in [known] classes and in [[draws]]. Keep one.")
    seen: dict[frozenset[str], int] = {}
    for number, draw in enumerate(sections.draws):
        twice = [name for name in dict.fromkeys(draw.known) if draw.known.count(name) > 1]
        if twice or len(draw.known) < 2:
            wrong = f"names '{twice[0]}' twice" if twice else f"has {len(draw.known)} known classes; two are the least"
            raise OsarbenchError(f"{file}: [[draws]] number {number}, counted from 0, {wrong}.")
        if (first := seen.setdefault(frozenset(draw.known), number)) != number:
            raise OsarbenchError(f"{file}: [[draws]] number {first} and number {number} are of the same classes.")


def check_training(stated: Mapping[str, Any], file: Path) -> None:
    """Raise an `OsarbenchError` if a recipe that trains lacks what it must state."""
    training = stated.get("training", {})
    for key in ("epochs", "batch_size", "learning_rate"):
        if training.get("mode") != "none" and key not in training:
            raise OsarbenchError(f"{file}: [training] needs a key '{key}'.")


def check_modes(sections: "Sections", file: Path) -> None:
    """Raise an `OsarbenchError` if a head states what all heads of a backbone share."""
    for backbone, section in sections.backbones.items():
        for head, only in section.heads.items():
            if "mode" in only.training:
                raise OsarbenchError(
                    f"{file}: [backbones.{backbone}.heads.{head}.training] has a mode, which all heads of a backbone "
                    f"share. State it in [backbones.{backbone}.training]."
                )
