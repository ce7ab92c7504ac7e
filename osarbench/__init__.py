"""The benchmark suite for open-set action recognition.

The public names below are loaded on first use, so that ``import osarbench`` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osarbench.backbone import Backbone, ClipSpec, Features
    from osarbench.dataset import Dataset, Video
    from osarbench.errors import OsarbenchError
    from osarbench.hookspecs import hookimpl
    from osarbench.method import Head, LinearHead, Method, Outputs, Progress

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "ClipSpec",
    "Dataset",
    "Features",
    "Head",
    "LinearHead",
    "Method",
    "OsarbenchError",
    "Outputs",
    "Progress",
    "Video",
    "hookimpl",
]

_HOME = {
    "Backbone": "backbone",
    "ClipSpec": "backbone",
    "Dataset": "dataset",
    "Features": "backbone",
    "Head": "method",
    "LinearHead": "method",
    "Method": "method",
    "OsarbenchError": "errors",
    "Outputs": "method",
    "Progress": "method",
    "Video": "dataset",
    "hookimpl": "hookspecs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'osarbench' has no attribute '{name}'")
    return getattr(import_module(f"osarbench.{_HOME[name]}"), name)
