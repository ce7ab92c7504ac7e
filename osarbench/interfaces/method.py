"""The method interface: a head (layer and loss), what it learns after training, and its uncertainty."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Backbone, Features, FrameFeatures


class Progress(NamedTuple):
    """How far training is, for losses that anneal or alternate."""

    epoch: int  #: 0-based
    epochs: int  #: in all
    step: int  #: 0-based, over all epochs

    @property
    def fraction(self) -> float:
        """epoch / epochs, in [0, 1): constant within an epoch."""
        return self.epoch / self.epochs


class Head(nn.Module, ABC):
    """A classifier layer together with the loss that trains it, so that an open-set loss may own parameters.

    Its class and its settings are the identity of a training: methods that name the same head with the same settings
    share one trained network and one feature file.

    A constructor is given by name what it asks for: any of the arguments below, and ``class_names`` (a tuple of K
    texts) if it has an argument of that name.

    Args:
        dim: D, length of the feature vector.
        map_dim: C, channels of the feature maps.
        classes: K, number of known classes.
    """

    name: ClassVar[str]

    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__()
        self.dim, self.map_dim, self.classes = dim, map_dim, classes

    @abstractmethod
    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to logits [N, K]."""

    @abstractmethod
    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the logits [N, K] of the batch and the loss terms by name, each a weighted scalar.

        The objective is the sum of the terms; each is logged under its name. ``labels`` is int64 [N] in 0..K-1.
        """

    def strip(self) -> None:
        """Forget the parts that only training needs, so that they are neither saved nor loaded; none by default."""

    def clip_loss(
        self, backbone: Backbone, clips: Tensor, labels: Tensor, progress: Progress
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the same as `loss` for normalised clips [N, 3, T, H, W].

        Override it for a method that trains on altered clips (shuffled, several views); the default is one forward.
        In a pass with altered clips the clips as they are come first: an auxiliary branch of the backbone trains on the
        first N of the first pass over as many or more.
        """
        return self.loss(backbone(clips), labels, progress)


def make_head(head: type[Head], backbone: Backbone, class_names: Sequence[str], settings: Mapping[str, Any]) -> Head:
    """Return a head for a backbone, given what its constructor asks for by name.

    Args:
        head: the class.
        backbone: whose features it reads.
        class_names: [K] of the known classes, in the order of its logits.
        settings: keyword arguments beyond these.
    """
    facts: dict[str, Any] = {
        "dim": backbone.dim,
        "map_dim": backbone.map_dim,
        "classes": len(class_names),
        "class_names": tuple(class_names),
    }
    taken = inspect.signature(head).parameters.values()
    every = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken)
    asked = {name for name in facts if any(parameter.name == name for parameter in taken)}
    asked |= {"dim", "map_dim", "classes"} if every else set()
    return head(**{name: facts[name] for name in facts if name in asked}, **settings)


class LinearHead(Head):
    """Dropout, a linear layer and cross-entropy."""

    name = "linear"

    def __init__(self, dim: int, map_dim: int, classes: int, *, dropout: float = 0.5, init_std: float = 0.01) -> None:
        super().__init__(dim, map_dim, classes)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(dim, classes)
        nn.init.normal_(self.fc.weight, std=init_std)
        nn.init.zeros_(self.fc.bias)

    def forward(self, vector: Tensor) -> Tensor:
        """Map feature vectors [N, D] to logits [N, K]; dropout acts in training mode only."""
        logits: Tensor = self.fc(self.dropout(vector))
        return logits

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return logits and the cross-entropy term ``loss_cls``."""
        logits = self.train_logits(features)
        return logits, {"loss_cls": F.cross_entropy(logits, labels)}

    def train_logits(self, features: Features) -> Tensor:
        """Return the logits [N, K] for a loss: where dropout acts on frames, the mean of the logits of frames.

        That is the order of MMAction2's ``TSMHead``: dropout, linear layer, consensus.
        """
        if isinstance(features, FrameFeatures):
            each: Tensor = self(features.frames.flatten(0, 1))  # [N * T, K]
            return each.view(len(features.vector), -1, self.classes).mean(dim=1)
        logits: Tensor = self(features.vector)
        return logits


class Outputs(NamedTuple):
    """What the trained network says about N videos of V views each; float32 on the CPU."""

    view_features: Tensor  #: [N, V, D]
    view_logits: Tensor  #: [N, V, K]
    head: Head  #: the trained head, in evaluation mode on the CPU; shared, so look at it and leave it as it is
    class_names: tuple[str, ...] = ()  #: [K] of the known classes, in the order of the logits

    @property
    def features(self) -> Tensor:
        """[N, D] mean over views."""
        return self.view_features.mean(dim=1)

    @property
    def logits(self) -> Tensor:
        """[N, K] mean over views."""
        return self.view_logits.mean(dim=1)


@cache
def settings_of(cls: type) -> frozenset[str]:
    """Return the names of the settings of a method's class: the keyword arguments of its constructor."""
    parameters = inspect.signature(cls).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY)


class Method(ABC):
    """An open-set method: known-class probabilities and an uncertainty for every video.

    Settings are keyword arguments of the constructor, with the published values as defaults. They are fixed from then
    on: what `fit` learns may depend on them. A method never sees an unknown video during `fit`, nor a test label, a
    data loader or a path at any time.
    """

    name: ClassVar[str]
    #: What to cite, as entries of BibTeX with a field a line: `osarbench cite`. Empty: nothing.
    bibtex: ClassVar[str] = ""
    head: ClassVar[type[Head]] = LinearHead
    #: True for a score that costs seconds on the features of a plain network: ``--method all-posthoc`` runs them all.
    posthoc: ClassVar[bool] = False
    #: True for a published score that is scaled by the test videos: those of a table are then scored in one call.
    scored_together: ClassVar[bool] = False
    #: Check of the conformance kit that it fails on purpose -> why (`osarbench.checks`).
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self) and name in settings_of(type(self)):
            raise OsarbenchError(
                f"{name} is a setting of {type(self).__name__}, and fixed once the method is made, for what it learns "
                f"may depend on it. Make another: {type(self).__name__}({name}={value!r})."
            )
        super().__setattr__(name, value)

    def head_settings(self) -> Mapping[str, Any]:
        """Return the keyword arguments of the head that differ from its defaults; they are part of its identity."""
        return {}

    def fit(self, outputs: Outputs, labels: Tensor) -> None:  # noqa: B027
        """Learn from the known training videos (test views, no augmentation); the default learns nothing.

        ``labels`` is int64 [N]. A method that does not override it spares the run the features of training videos.
        """

    def probabilities(self, outputs: Outputs) -> Tensor:
        """Return known-class probabilities [N, K]; the default is the mean over views of the softmax, in float64.

        In float32 the probabilities of sure videos would all tie at 1.
        """
        return outputs.view_logits.double().softmax(dim=-1).mean(dim=1)

    @abstractmethod
    def uncertainty(self, outputs: Outputs) -> Tensor:
        """Return one number a video, [N]: the higher, the more likely an action never seen. Any scale will do."""

    def diagnostics(self, outputs: Outputs) -> Mapping[str, float]:
        """Return facts about the scores of these videos that the table cannot show, each a mean over the videos.

        They are kept next to the table by source of videos (``diagnostics.json``). The default has none.
        """
        return {}


class FewShotMethod(Method):
    """A method that also learns from a few unknown videos, those that its protocol declares as shots (``[few_shot]``).

    The shots are no test videos, and no other method ever gets them. `fit` comes first.
    """

    @abstractmethod
    def fit_shots(self, shots: Outputs) -> None:
        """Learn from the shots of all unknown classes, in any order; which class each is of is not told."""
