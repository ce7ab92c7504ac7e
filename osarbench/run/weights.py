"""The weights a network starts from: found, hashed once, and held against what the protocol names."""

import re
from pathlib import Path
from typing import NamedTuple

from osarbench.artifacts import storage
from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone
from osarbench.protocols.protocol import Protocol, Recipe
from osarbench.run.config import LIBRARIES, RunConfig

#: Files of MMAction2's model zoo carry the first eight digits of their sha256 at the end of their name.
_SHA_IN_NAME = re.compile(r"-([0-9a-f]{8})\.(pth|pt|safetensors)$")


class Weights(NamedTuple):
    """A file of weights, or none."""

    path: Path | None = None
    sha256: str | None = None
    origin: str = "none"  #: "none", "protocol" (the file it names), a library's name, or "file"
    deviation: str | None = None  #: how it departs from what the protocol names, for people

    @property
    def mark(self) -> str:
        """What tells them from others in the name of a folder."""
        return "random" if self.sha256 is None else self.sha256[:8]

    def facts(self) -> dict[str, str | None] | None:
        """Return what an entry says of the weights its network started from; None: from scratch."""
        return None if self.path is None else {"name": self.path.name, "sha256": self.sha256, "origin": self.origin}


def resolve(config: RunConfig, protocol: Protocol, recipe: Recipe, backbone: Backbone) -> Weights:
    """Return the weights to start from, downloaded if a library is named.

    Args:
        config: whose `weights`, `train` and locations count.
        protocol: for messages.
        recipe: names a file, or none.
        backbone: which a library is asked for weights of.

    Raises:
        OsarbenchError: a file is not there, or the one that the protocol names is another one than it was.
    """
    named = recipe.weights
    if config.weights == "none":
        return Weights(deviation="none" if named is not None else None)
    if config.weights in LIBRARIES:
        file = backbone.fetch_weights(config.weights, config.locations.cache / "weights")
        return Weights(file, storage.sha256(file), config.weights, config.weights)
    if config.weights is not None and (named is None or not Path(config.weights).is_dir()):
        return _stated(Path(config.weights), protocol, recipe, backbone)
    if named is None:
        return Weights()
    return _named(named, config, protocol, recipe)


def _stated(file: Path, protocol: Protocol, recipe: Recipe, backbone: Backbone) -> Weights:
    """Return a file that the run names; it departs from the protocol unless its content is what that names."""
    if file.is_dir():
        raise OsarbenchError(
            f"{file} is a folder, and the protocol '{protocol.name}' names no file in it for the backbone "
            f"'{backbone.name}'. Name the file itself: --weights FILE."
        )
    if not file.is_file():
        raise OsarbenchError(f"There is no weights file {file}.")
    digest = storage.sha256(file)
    if recipe.weights is not None and _is_named(digest, recipe):
        return Weights(file, digest, "protocol")
    return Weights(file, digest, "file", f"{file.name} (sha256 {digest[:8]})")


def _named(named: str, config: RunConfig, protocol: Protocol, recipe: Recipe) -> Weights:
    file = config.locations.weights_file(named)
    if file is None or not file.is_file():
        raise OsarbenchError(
            f"The protocol '{protocol.name}' starts from the weights file {named}, which is not there. Say where it is "
            "with --weights FILE, put it in weights/ in or next to the data folder, or train from scratch with "
            "--weights none."
        )
    digest = storage.sha256(file)
    if _is_named(digest, recipe):
        return Weights(file, digest, "protocol")
    if file.name == named and _expected(recipe) is not None:
        raise OsarbenchError(
            f"{file} is not the weights file that the protocol names: its sha256 begins with {digest[:8]}, not with "
            f"{str(_expected(recipe))[:8]}. Download it again, or name another file with --weights FILE."
        )
    return Weights(file, digest, "file", f"{file.name} (sha256 {digest[:8]})")


def _is_named(digest: str, recipe: Recipe) -> bool:
    """Say whether a content is surely the one that the protocol names; without a hash there, nobody can tell."""
    expected = _expected(recipe)
    return expected is not None and digest.startswith(expected)


def _expected(recipe: Recipe) -> str | None:
    if recipe.weights_sha256 is not None:
        return recipe.weights_sha256
    digits = _SHA_IN_NAME.search(recipe.weights or "")
    return digits[1] if digits else None
