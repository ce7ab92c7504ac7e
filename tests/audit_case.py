"""Features that several libraries score: drawn clusters with a trained head, and those of real video."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp, softmax
from torch import Tensor, nn

from osarbench.interfaces.method import LinearHead, Method, Outputs
from osarbench.plugins import loading as plugins

METHODS = plugins.load(kinds=["methods"]).methods
#: The post-hoc scores, those of views left out: no other library knows views.
SCORES = sorted(name for name, method in METHODS.items() if method.posthoc)
KNOWN, DIM = 6, 32  #: of the drawn clusters
#: Settings that differ from our defaults, for all libraries: at a tenth, features after a ReLU are zero already.
SETTINGS: dict[str, dict[str, Any]] = {"vra": {"low": 80.0}}


class Rows(NamedTuple):
    """Features [N, D] and logits [N, K] of videos, in float64."""

    features: np.ndarray
    logits: np.ndarray

    @property
    def softmax(self) -> np.ndarray:
        return np.asarray(softmax(self.logits, axis=1))


class Data:
    """Known training videos and test videos, as tensors for libraries and as arrays for formulas.

    Args:
        head: a trained linear layer.
        train: features [N, D] of training videos.
        labels: [N]; each class has videos.
        test: features of test videos, known and unknown.
    """

    def __init__(self, head: LinearHead, train: Tensor, labels: Tensor, test: Tensor) -> None:
        self.head = head.eval().requires_grad_(False)
        self.train, self.labels, self.test = train.float(), labels, test.float()

    @property
    def classes(self) -> int:
        return self.head.classes

    @property
    def weight(self) -> np.ndarray:
        return np.asarray(self.head.fc.weight.double().numpy())

    @property
    def bias(self) -> np.ndarray:
        return np.asarray(self.head.fc.bias.double().numpy())

    @cached_property
    def known(self) -> Rows:
        """The training videos."""
        return self._rows(self.train)

    @cached_property
    def asked(self) -> Rows:
        """The test videos."""
        return self._rows(self.test)

    @property
    def layer(self) -> nn.Linear:
        """The last layer, in float64."""
        layer = nn.Linear(self.head.dim, self.classes).double().requires_grad_(False)
        layer.weight.copy_(self.head.fc.weight)
        layer.bias.copy_(self.head.fc.bias)
        return layer

    def replaced(self, change: Callable[[Tensor], Tensor]) -> "Data":
        """Return the data with changed features, logits from these."""
        return Data(self.head, change(self.train), self.labels, change(self.test))

    def together(self) -> "Data":
        """Return the data with one label for all training videos."""
        return Data(self.head, self.train, torch.zeros_like(self.labels), self.test)

    def fitted(self, name: str) -> Method:
        """Return a method of ours with its settings, fitted."""
        method = METHODS[name](**SETTINGS.get(name, {}))
        method.fit(self._outputs(self.train), self.labels)
        return method

    def ours(self, name: str) -> np.ndarray:
        """Return our score of the test videos."""
        return np.asarray(self.fitted(name).uncertainty(self._outputs(self.test)).double().numpy())

    def setting(self, name: str, key: str) -> float:
        """Return a setting, or what is learnt, of our method."""
        return float(getattr(self.fitted(name), key))

    def _outputs(self, features: Tensor) -> Outputs:
        with torch.no_grad():
            return Outputs(features[:, None], self.head(features)[:, None], self.head)

    def _rows(self, features: Tensor) -> Rows:
        rows = features.double().numpy()
        return Rows(rows, rows @ self.weight.T + self.bias)


def drawn() -> Data:
    """Return six known clusters that overlap, and as many unknown ones between them and apart; with a trained head.

    Features are sparse, as after a ReLU: about a third of a video's are above zero.
    """
    generator = torch.Generator().manual_seed(5)
    known = 2.5 * torch.rand(KNOWN, DIM, generator=generator) * (torch.rand(KNOWN, DIM, generator=generator) < 0.25)
    between, apart = (known + known.roll(1, dims=0)) / 2, known[:, torch.randperm(DIM, generator=generator)]

    def draw(centres: Tensor, each: int) -> Tensor:
        rows = centres.repeat_interleave(each, dim=0)
        return (rows + 0.7 * torch.randn(rows.shape, generator=generator) - 0.5).relu()

    labels = torch.arange(KNOWN).repeat_interleave(50)
    train, test = draw(known, 50), torch.cat([draw(known, 20), draw(between, 10), draw(apart, 10)])
    torch.manual_seed(0)
    head = _trained(nn.Identity(), LinearHead(DIM, DIM, KNOWN), train, labels)
    with torch.no_grad():
        head.fc.weight.mul_(4)  # sure, as networks are
    return Data(head, train, labels, test)


def real(shared: Path, cache: Path) -> Data:
    """Return features of ucf12-hmdb20: MobileNetV2, and two layers trained on it, of which the first gives 48 features.

    With the network's own 1,280 features there would be more features than videos, and no covariance to compare.
    """
    import audit_videos

    train, labels, test = audit_videos.features(shared, cache)
    torch.manual_seed(0)
    classes = int(labels.max()) + 1
    mean, deviation = train.mean(dim=0), train.std(dim=0) + 1e-3
    train, test = (train - mean) / deviation, (test - mean) / deviation
    first = nn.Linear(train.shape[1], 48)
    head = _trained(nn.Sequential(first, nn.ReLU()), LinearHead(48, 48, classes), train, labels)
    with torch.no_grad():
        hidden, asked = first(train).relu(), first(test).relu()
    assert (hidden > 0).double().mean(dim=0).min() > 0.02, "a feature that is always zero has no variance"
    return Data(head, hidden, labels, asked)


def _trained(first: nn.Module, head: LinearHead, features: Tensor, labels: Tensor) -> LinearHead:
    optimizer = torch.optim.AdamW([*first.parameters(), *head.parameters()], lr=3e-3, weight_decay=1e-2)
    for _ in range(150):
        chosen = torch.randint(len(features), (64,))
        loss = nn.functional.cross_entropy(head(first(features[chosen])), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return head


def energy(logits: np.ndarray) -> np.ndarray:
    """Return minus the log-sum-exp."""
    return np.asarray(-logsumexp(logits, axis=1))


def unit(features: Tensor) -> Tensor:
    """Return features at length 1."""
    return nn.functional.normalize(features.double(), dim=1)
