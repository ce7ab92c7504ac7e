"""The front of the conformance kit: the promises of each kind of plugin, and all verdicts on one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from osarbench.checks import (
    backbone_checks,
    dataset_checks,
    edge_checks,
    head_checks,
    independence_checks,
    loss_checks,
    score_checks,
)
from osarbench.checks.backbone_case import BackboneCase
from osarbench.checks.check import Promise, Verdict, promise, try_all
from osarbench.checks.dataset_case import DatasetCase
from osarbench.checks.method_case import MethodCase
from osarbench.errors import unknown_name
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.dataset import Dataset
from osarbench.interfaces.method import Method

_Check = Callable[[Any], str | None]


class _Kind(NamedTuple):
    basic: tuple[_Check, ...]  #: tried first, in this order; where one is broken, nothing after it means anything
    others: tuple[_Check, ...]
    case: Callable[[Any], Any]


_KINDS: Mapping[str, _Kind] = {
    "method": _Kind(
        (
            score_checks.default_construction,
            score_checks.signatures,
            head_checks.head_is_built_from_its_settings,
            loss_checks.loss_is_scalar_terms,
            loss_checks.odd_batches_have_a_loss,
            head_checks.head_gives_each_video_its_logits,
            independence_checks.inputs_stay_as_they_are,
            score_checks.uncertainty_is_one_finite_number,
            score_checks.probabilities_sum_to_one,
        ),
        (
            *score_checks.PROMISES,
            *independence_checks.PROMISES,
            *edge_checks.PROMISES,
            *head_checks.PROMISES,
            *loss_checks.PROMISES,
        ),
        MethodCase,
    ),
    "backbone": _Kind(
        backbone_checks.BASIC,
        backbone_checks.PROMISES,
        BackboneCase,
    ),
    "dataset": _Kind(
        (dataset_checks.default_construction, dataset_checks.splits_list_videos),
        dataset_checks.PROMISES,
        DatasetCase,
    ),
}


def promises(kind: str) -> list[Promise]:
    """Return the promises of a "method", "backbone" or "dataset": what to parametrise a test with.

    Raises:
        OsarbenchError: there is no such kind.
    """
    if kind not in _KINDS:
        raise unknown_name("kind of plugin", kind, _KINDS)
    basic, others, case = _KINDS[kind]
    return [*(promise(check, case, basic=True) for check in basic), *(promise(check, case) for check in others)]


def check_method(method: type[Method] | Method) -> list[Verdict]:
    """Return the verdict on every promise of a method; an instance is checked with its settings."""
    return try_all(promises("method"), method, MethodCase(method))


def check_backbone(backbone: type[Backbone] | Backbone) -> list[Verdict]:
    """Return the verdict on every promise of a backbone; an instance is checked with its settings."""
    return try_all(promises("backbone"), backbone, BackboneCase(backbone))


def check_dataset(dataset: type[Dataset] | Dataset, root: Path | None = None) -> list[Verdict]:
    """Return the verdict on every promise of a data set.

    Args:
        dataset: the class, or an instance with a root and settings.
        root: of a class: the folder that holds its files. Without one, what needs files is skipped, and a data set
            that makes itself does so in a temporary folder.
    """
    return try_all(promises("dataset"), dataset, DatasetCase(dataset, root))
