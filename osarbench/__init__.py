"""The benchmark suite for open-set action recognition.

The public names below are loaded on first use, so that ``import osarbench`` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osarbench.api import compare, evaluate, load_scores, report, results, run_methods
    from osarbench.errors import OsarbenchError
    from osarbench.interfaces.backbone import Backbone, Features
    from osarbench.interfaces.clip import ClipSpec
    from osarbench.interfaces.dataset import Dataset, Video
    from osarbench.interfaces.hookspecs import hookimpl
    from osarbench.interfaces.method import FewShotMethod, Head, LinearHead, Method, Outputs, Progress
    from osarbench.interfaces.modality import Modality

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "ClipSpec",
    "Dataset",
    "Features",
    "FewShotMethod",
    "Head",
    "LinearHead",
    "Method",
    "Modality",
    "OsarbenchError",
    "Outputs",
    "Progress",
    "Video",
    "compare",
    "evaluate",
    "hookimpl",
    "load_scores",
    "report",
    "results",
    "run_methods",
]

_HOME = {
    "Backbone": "interfaces.backbone",
    "ClipSpec": "interfaces.clip",
    "Dataset": "interfaces.dataset",
    "Features": "interfaces.backbone",
    "FewShotMethod": "interfaces.method",
    "Head": "interfaces.method",
    "LinearHead": "interfaces.method",
    "Method": "interfaces.method",
    "Modality": "interfaces.modality",
    "OsarbenchError": "errors",
    "Outputs": "interfaces.method",
    "Progress": "interfaces.method",
    "Video": "interfaces.dataset",
    "compare": "api",
    "evaluate": "api",
    "hookimpl": "interfaces.hookspecs",
    "load_scores": "api",
    "report": "api",
    "results": "api",
    "run_methods": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'osarbench' has no attribute '{name}'")
    return getattr(import_module(f"osarbench.{_HOME[name]}"), name)
