"""oodeel's detectors of the scores that it has, with our settings."""

import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from audit_case import Data, unit
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def _imported() -> Any:
    """Import oodeel without Hugging Face's datasets, which it imports for loading data alone."""
    stub = types.ModuleType("datasets")
    stub.load_dataset = None  # type: ignore[attr-defined]
    sys.modules.setdefault("datasets", stub)
    try:
        import oodeel.methods as imported
    except ImportError:  # the tests are then skipped
        return None
    finally:
        if sys.modules["datasets"] is stub:
            del sys.modules["datasets"]
    return imported


methods: Any = _imported()


def score(data: Data, detector: Any, *, of_features: bool = False) -> np.ndarray:
    """Return the scores of a detector on a network of which the features are the input."""
    model = nn.Sequential(nn.Identity(), data.layer.requires_grad_(True))
    loader = DataLoader(TensorDataset(data.train.double(), data.labels), batch_size=len(data.train))
    detector.fit(model, fit_dataset=loader, feature_layers_id=[0] if of_features else [])
    return np.asarray(detector.score(data.test.double())[0], float)


def mahalanobis(data: Data) -> np.ndarray:
    return score(data, methods.Mahalanobis(eps=0), of_features=True)


def keeping(data: Data, percent: float) -> float:
    """Return the quantile above which as many features of a video lie as we keep."""
    dim = data.head.dim
    return (round(dim * percent / 100) - 0.5) / (dim - 1)


SCORES: Mapping[str, Callable[[Data], np.ndarray]] = {
    "ash_s": lambda data: score(data, methods.Energy(use_ash=True, ash_percentile=keeping(data, 90))),
    "energy": lambda data: score(data, methods.Energy()),
    "entropy": lambda data: score(data, methods.Entropy()),
    "gen": lambda data: score(data, methods.GEN()),
    "knn": lambda data: score(data, methods.DKNN(nearest=int(data.setting("knn", "nearest"))), of_features=True),
    "maxlogit": lambda data: score(data, methods.MLS()),
    "mds": mahalanobis,
    "mds_pp": lambda data: mahalanobis(data.replaced(unit)),
    "mds_single": lambda data: mahalanobis(data.together()),
    "msp": lambda data: score(data, methods.MLS("softmax")),
    # Without a change of the input (eps = 0) it raises UnboundLocalError.
    "odin_temperature": lambda data: score(data, methods.ODIN(eps=1e-300)),
    "react": lambda data: score(data, methods.Energy(use_react=True, react_quantile=0.9)),
    "rmds": lambda data: score(data, methods.RMDS(eps=0), of_features=True),
    "scale": lambda data: score(data, methods.Energy(use_scale=True, scale_percentile=keeping(data, 85))),
    "she": lambda data: score(data, methods.SHE(eps=0), of_features=True),
    "ssd": lambda data: mahalanobis(data.replaced(unit).together()),
    "vim": lambda data: score(data, methods.VIM(data.head.dim // 2, "pseudo"), of_features=True),
}
