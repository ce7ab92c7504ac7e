"""Methods that each break one check, in ways that were found in released code, and some more."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from osarbench import Features, FewShotMethod, Head, LinearHead, Method, Outputs, Progress


class Energy(Method):
    """A sound method, which the others are made from."""

    name = "energy"

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return -outputs.logits.double().logsumexp(dim=1)


class Distance(Energy):
    """A sound method that fits: squared distance to the nearest class mean."""

    name = "distance"

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        self.means = torch.stack([outputs.features[labels == label].mean(dim=0) for label in labels.unique()])

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return torch.cdist(outputs.features, self.means).amin(dim=1).square()


# What was found in released files and code.


class HalfPrecision(Energy):
    """Softmax saved in half precision: of sure videos, 1.0 each (published score files of two papers)."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return 1 - outputs.logits.softmax(dim=1).half().amax(dim=1)


class Sigmoid(Distance):
    """Distances of 84 to 1,290 through a sigmoid, as a metric library does with what is not in [0, 1]: AUROC 50."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return (84 + 40 * super().uncertainty(outputs)).float().sigmoid()


class ClassOneIsUnknown(Energy):
    """`preds[preds == K] = 1; preds[preds != 1] = 0`: the known class 1 is counted as unknown."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        scores = super().uncertainty(outputs)
        return torch.where(outputs.logits.argmax(dim=1) == 1, scores + 1000, scores)


class NormalisedApart(Energy):
    """Scores stretched to [0, 1] within what is scored together, so that known and unknown look separated."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        scores = super().uncertainty(outputs)
        return (scores - scores.min()) / (scores.max() - scores.min()).clamp(min=1e-9)


class WrongVariableHead(LinearHead):
    """Reciprocal points whose distance is computed and not used: the open term is taken of the features."""

    name = "wrong_variable"

    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__(dim, map_dim, classes)
        self.points = nn.Parameter(torch.randn(classes, dim))
        self.radius = nn.Parameter(torch.zeros(()))

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        distance = (features.vector - self.points[labels]).square().mean(dim=1)  # noqa: F841
        return logits, {**terms, "loss_open": 0.1 * (features.vector - self.radius).square().mean() / 2}


class WrongVariable(Energy):
    head = WrongVariableHead


# Other ways to be wrong.


class SignTurned(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return -super().uncertainty(outputs)


class ColumnVector(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return super().uncertainty(outputs)[:, None]


class NotANumber(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return torch.where(outputs.logits.argmax(dim=1) == 2, float("nan"), super().uncertainty(outputs))


class Logits(Energy):
    def probabilities(self, outputs: Outputs) -> Tensor:
        return outputs.logits


class ShiftedByOne(Energy):
    def probabilities(self, outputs: Outputs) -> Tensor:
        return super().probabilities(outputs).roll(1, dims=1)


class InPlace(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        outputs.view_features.clamp_(max=0.5)
        return super().uncertainty(outputs)


class LabelsInPlace(Distance):
    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        labels.zero_()


class HeadAltered(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        with torch.no_grad():
            outputs.head.get_submodule("fc").weight.mul_(2)  # type: ignore[operator]
        return super().uncertainty(outputs)


class GlobalChance(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return super().uncertainty(outputs) + torch.rand(len(outputs.logits))


class ChanceInFit(Distance):
    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        self.means = self.means + torch.from_numpy(np.random.default_rng().normal(size=self.means.shape)).float()


class SeedsTheWorld(Distance):
    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        torch.manual_seed(0)
        super().fit(outputs, labels)


class AddsUp(Distance):
    def __init__(self) -> None:
        self.means = torch.zeros(())

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        before = self.means
        super().fit(outputs, labels)
        self.means = self.means + before


class ClassLevel(Distance):
    """What is learnt stands on the class, for all instances."""

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        type(self).shared = self.means
        del self.means

    def uncertainty(self, outputs: Outputs) -> Tensor:
        self.means = type(self).shared
        try:
            return super().uncertainty(outputs)
        finally:
            del self.means

    shared: Tensor


class ByRank(Energy):
    """The place among what is scored together."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return super().uncertainty(outputs).argsort().argsort().float()


class ByPlace(Energy):
    """Later videos are a little more uncertain: right where the list ends with the unknown ones."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return super().uncertainty(outputs) + torch.arange(len(outputs.logits))


class PairsUp(Energy):
    """Two videos at a time, the last one left alone."""

    def uncertainty(self, outputs: Outputs) -> Tensor:
        scores = super().uncertainty(outputs)
        return scores if len(scores) == 1 else scores - scores.mean() + 5


class Adapting(Distance):
    """Keeps statistics of the videos it scores."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []

    def uncertainty(self, outputs: Outputs) -> Tensor:
        centre = torch.cat([*self.seen, torch.zeros(1, outputs.features.shape[1])]).mean(dim=0)
        self.seen.append(outputs.features)
        return super().uncertainty(outputs) + (outputs.features - centre).norm(dim=1)


class Peeking(Distance):
    """Remembers test videos for its next fit."""

    def __init__(self) -> None:
        self.met: list[Tensor] = []

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        self.unknown = torch.cat(self.met) if self.met else None

    def probabilities(self, outputs: Outputs) -> Tensor:
        self.met.append(outputs.features)
        return super().probabilities(outputs)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        scores = super().uncertainty(outputs)
        if self.unknown is not None:
            scores = scores + torch.cdist(outputs.features, self.unknown).amin(dim=1)
        return scores


class WantsTestLabels(Energy):
    def uncertainty(self, outputs: Outputs, labels: Tensor) -> Tensor:  # type: ignore[override]
        return (labels < 0).double()


class FewShot(Energy, FewShotMethod):
    """Energy, and the mean of the shots."""

    def fit_shots(self, shots: Outputs) -> None:
        self.centre = shots.features.mean(dim=0)

    def uncertainty(self, outputs: Outputs) -> Tensor:
        return super().uncertainty(outputs) - (outputs.features - self.centre).norm(dim=1)


class ShotsIgnored(FewShot):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return Energy.uncertainty(self, outputs)


class FirstShotAlone(FewShot):
    def fit_shots(self, shots: Outputs) -> None:
        self.centre = shots.features[0]


class ShotsAltered(FewShot):
    def fit_shots(self, shots: Outputs) -> None:
        self.centre = shots.view_features.mul_(2).mean(dim=(0, 1))


class ShotsWithoutTheContract(Energy):
    def fit_shots(self, shots: Outputs) -> None:
        pass


class OneViewAlone(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return -outputs.view_logits[:, 1].double().logsumexp(dim=1)


class Overflows(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        return -outputs.logits.float().exp().sum(dim=1).log()


class DividesByNorm(Distance):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        vectors = outputs.features / outputs.features.norm(dim=1, keepdim=True)
        return torch.cdist(vectors, F.normalize(self.means)).amin(dim=1)


class Inverts(Distance):
    """Mahalanobis distance with an inverse of what may have none."""

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        centred = outputs.features - self.means[labels]
        self.precision = torch.linalg.inv(centred.T @ centred / len(labels))
        if torch.linalg.matrix_rank(centred) < centred.shape[1]:
            raise np.linalg.LinAlgError("Singular matrix")

    def uncertainty(self, outputs: Outputs) -> Tensor:
        away = outputs.features[:, None] - self.means
        return torch.einsum("nkd,de,nke->nk", away, self.precision, away).amin(dim=1)


class FirstAreTypical(Distance):
    """Takes the first ten training videos for all."""

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs._replace(view_features=outputs.view_features[:10]), labels[:10])


class Positional(Energy):
    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature


class NoDefault(Energy):
    def __init__(self, *, temperature: float) -> None:
        self.temperature = temperature


class BadName(Energy):
    name = "my method"


class GroupName(Energy):
    name = "all-posthoc"


class PosthocWithAHead(Energy):
    posthoc = True
    head = WrongVariableHead


class KeepsWhatItLearnt(Distance):
    """A setting that a search may change, and what was learnt with the old one stays (ViM and NNGuide of a suite)."""

    def __init__(self, *, shrink: float = 0.5) -> None:
        self._shrink = shrink

    @property
    def shrink(self) -> float:
        return self._shrink

    @shrink.setter
    def shrink(self, value: float) -> None:
        self._shrink = value

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        super().fit(outputs, labels)
        self.means = self.means + self.shrink * (self.means.mean(dim=0) - self.means)


class BadDiagnostics(Energy):
    def diagnostics(self, outputs: Outputs) -> Mapping[str, float]:
        return {"mean": float("nan")}


# Heads.


class Plain(LinearHead):
    name = "plain"


def with_head(head: type[Head], settings: Mapping[str, Any] | None = None) -> type[Method]:
    """Return the energy method on a head."""

    class WithHead(Energy):
        def head_settings(self) -> Mapping[str, Any]:
            return settings or {}

    WithHead.head = head
    return WithHead


class Detached(Plain):
    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        return logits, {name: term.detach() for name, term in terms.items()}


class TermPerVideo(Plain):
    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits = self(features.vector)
        return logits, {"loss_cls": F.cross_entropy(logits, labels, reduction="none")}


class Climbs(Plain):
    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        return logits, {"loss_cls": -terms["loss_cls"].clamp(max=9) + 0 * logits.sum()}


class LooseTensor(Plain):
    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__(dim, map_dim, classes)
        self.scale = torch.ones(classes)

    def forward(self, vector: Tensor) -> Tensor:
        return super().forward(vector) * self.scale


class Unsaved(Plain):
    """A scale that training moves and the state dict lacks."""

    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__(dim, map_dim, classes)
        self.steps = 1.0

    def forward(self, vector: Tensor) -> Tensor:
        self.steps += 0.1 * self.training
        return super().forward(vector) * self.steps


class UnsavedInTraining(Plain):
    """A weight of the loss that grows with the steps, and is lost when training is resumed."""

    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__(dim, map_dim, classes)
        self.weight = 1.0

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        self.weight += 0.01 * self.training
        return logits, {"loss_cls": self.weight * terms["loss_cls"]}


class DropoutLeftOn(Plain):
    def forward(self, vector: Tensor) -> Tensor:
        logits: Tensor = self.fc(F.dropout(vector, 0.5))
        return logits


class BatchMean(Plain):
    def forward(self, vector: Tensor) -> Tensor:
        return super().forward(vector - vector.mean(dim=0))


class Unseeded(Plain):
    def __init__(self, dim: int, map_dim: int, classes: int) -> None:
        super().__init__(dim, map_dim, classes)
        first = np.random.default_rng().normal(0, 0.01, (classes, dim))
        self.fc.weight.data = torch.from_numpy(first).float()


class NoHalf(Plain):
    """A square root that half precision rounds to 0, where its gradient is infinite."""

    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        return logits, {**terms, "loss_range": (features.vector.amax() + 1e-4 - features.vector.float().amax()).rsqrt()}


class EveryClassInTheBatch(Plain):
    def loss(self, features: Features, labels: Tensor, progress: Progress) -> tuple[Tensor, Mapping[str, Tensor]]:
        logits, terms = super().loss(features, labels, progress)
        means = [logits[labels == label].mean() for label in range(self.classes)]
        return logits, {**terms, "loss_even": 0.01 * torch.stack(means).var()}


class ClipsIgnored(Plain):
    """A loss on clips that stops gradients before the backbone."""

    def clip_loss(self, backbone: Any, clips: Tensor, labels: Tensor, progress: Progress) -> Any:
        features = Features(*(part.detach() for part in backbone(clips)))
        return self.loss(features, labels, progress)


class StatesDefaults(Energy):
    def head_settings(self) -> Mapping[str, Any]:
        return {"dropout": 0.5}


#: What is broken, and the check that must say so.
BROKEN_METHODS: Mapping[type[Method], str] = {
    HalfPrecision: "sure_videos_do_not_tie",
    Sigmoid: "unknown_is_more_uncertain",
    ClassOneIsUnknown: "no_known_class_is_taken_for_unknown",
    NormalisedApart: "known_and_unknown_apart",
    WrongVariable: "gradients_reach_every_parameter",
    SignTurned: "unknown_is_more_uncertain",
    ColumnVector: "uncertainty_is_one_finite_number",
    NotANumber: "uncertainty_is_one_finite_number",
    Logits: "probabilities_sum_to_one",
    ShiftedByOne: "known_classes_are_named",
    InPlace: "inputs_stay_as_they_are",
    LabelsInPlace: "inputs_stay_as_they_are",
    HeadAltered: "inputs_stay_as_they_are",
    GlobalChance: "same_scores_each_time",
    ChanceInFit: "same_scores_each_time",
    SeedsTheWorld: "global_state_stays_as_it_is",
    AddsUp: "fit_twice_is_fit_once",
    ClassLevel: "instances_share_nothing",
    ByRank: "any_subset",
    ByPlace: "any_order",
    PairsUp: "one_at_a_time",
    Adapting: "nothing_is_remembered_of_scored_videos",
    Peeking: "nothing_is_remembered_of_scored_videos",
    WantsTestLabels: "signatures",
    ShotsIgnored: "shots_are_learnt_from",
    FirstShotAlone: "shots_are_learnt_from",
    ShotsAltered: "inputs_stay_as_they_are",
    ShotsWithoutTheContract: "shots_are_learnt_from",
    OneViewAlone: "one_view_or_several",
    Overflows: "large_logits",
    DividesByNorm: "equal_and_empty_videos",
    Inverts: "few_training_videos",
    FirstAreTypical: "labels_stand_for_classes",
    Positional: "default_construction",
    NoDefault: "default_construction",
    BadName: "named",
    GroupName: "named",
    PosthocWithAHead: "posthoc_means_a_plain_network",
    BadDiagnostics: "diagnostics_are_finite",
    KeepsWhatItLearnt: "changed_settings_are_refused_or_count",
    StatesDefaults: "head_is_built_from_its_settings",
}
BROKEN_HEADS: Mapping[type[Head], str] = {
    Detached: "loss_is_scalar_terms",
    TermPerVideo: "loss_is_scalar_terms",
    Climbs: "head_learns_the_classes",
    LooseTensor: "head_moves_to_a_device",
    Unsaved: "head_is_saved_and_loaded",
    UnsavedInTraining: "training_is_resumed",
    DropoutLeftOn: "head_gives_each_video_its_logits",
    BatchMean: "head_gives_each_video_its_logits",
    Unseeded: "head_starts_from_the_seed",
    NoHalf: "half_precision_trains",
    EveryClassInTheBatch: "odd_batches_have_a_loss",
    ClipsIgnored: "clips_train_the_backbone",
}
