"""The four hooks a plugin can implement. Each returns classes, so that listing plugins builds nothing."""

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from osarbench.interfaces.backbone import Backbone
    from osarbench.interfaces.dataset import Dataset
    from osarbench.interfaces.method import Method
    from osarbench.interfaces.modality import Modality

hookspec = pluggy.HookspecMarker("osarbench")
hookimpl = pluggy.HookimplMarker("osarbench")


@hookspec
def osarbench_datasets() -> "list[type[Dataset]]":  # type: ignore[empty-body]
    """Return the data sets this plugin offers."""


@hookspec
def osarbench_modalities() -> "list[type[Modality]]":  # type: ignore[empty-body]
    """Return the modalities this plugin offers."""


@hookspec
def osarbench_backbones() -> "list[type[Backbone]]":  # type: ignore[empty-body]
    """Return the backbones this plugin offers."""


@hookspec
def osarbench_methods() -> "list[type[Method]]":  # type: ignore[empty-body]
    """Return the methods this plugin offers."""
