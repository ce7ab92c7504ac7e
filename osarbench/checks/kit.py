"""The front of the conformance kit: the checks of each kind of plugin, and the results of all of them on one."""

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
    setting_checks,
)
from osarbench.checks.backbone_case import BackboneCase
from osarbench.checks.check import Check, CheckFunction, CheckResult, make_check, run_all
from osarbench.checks.dataset_case import DatasetCase
from osarbench.checks.method_case import MethodCase
from osarbench.errors import unknown_name
from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.dataset import Dataset
from osarbench.interfaces.method import Method


class _Kind(NamedTuple):
    basic: tuple[CheckFunction, ...]  #: run first, in this order; where one fails, nothing after it means anything
    others: tuple[CheckFunction, ...]
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
            *score_checks.CHECKS,
            *independence_checks.CHECKS,
            *edge_checks.CHECKS,
            *head_checks.CHECKS,
            *loss_checks.CHECKS,
            *setting_checks.CHECKS,
        ),
        MethodCase,
    ),
    "backbone": _Kind(
        backbone_checks.BASIC,
        backbone_checks.CHECKS,
        BackboneCase,
    ),
    "dataset": _Kind(
        (dataset_checks.default_construction, dataset_checks.splits_list_videos),
        dataset_checks.CHECKS,
        DatasetCase,
    ),
}


def checks(kind: str) -> list[Check]:
    """Return the checks of a "method", "backbone" or "dataset": what to parametrise a test with.

    Raises:
        OsarbenchError: there is no such kind.
    """
    if kind not in _KINDS:
        raise unknown_name("kind of plugin", kind, _KINDS)
    basic, others, case = _KINDS[kind]
    return [*(make_check(each, case, basic=True) for each in basic), *(make_check(each, case) for each in others)]


def check_method(method: type[Method] | Method) -> list[CheckResult]:
    """Return the result of every check on a method; an instance is checked with its settings."""
    return run_all(checks("method"), method, MethodCase(method))


def check_backbone(backbone: type[Backbone] | Backbone) -> list[CheckResult]:
    """Return the result of every check on a backbone; an instance is checked with its settings."""
    return run_all(checks("backbone"), backbone, BackboneCase(backbone))


def check_dataset(dataset: type[Dataset] | Dataset, root: Path | None = None) -> list[CheckResult]:
    """Return the result of every check on a data set.

    Args:
        dataset: the class, or an instance with a root and settings.
        root: of a class: the folder that holds its files. Without one, checks that need files are skipped, and an
            embedded data set is written to a temporary folder.
    """
    return run_all(checks("dataset"), dataset, DatasetCase(dataset, root))
