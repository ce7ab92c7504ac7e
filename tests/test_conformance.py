"""The conformance kit itself: correct plugins pass every check, and each broken one fails the right one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy
from broken_backbones import BROKEN_BACKBONES, BROKEN_DATASETS, Listed, Sound
from broken_plugins import (
    BROKEN_HEADS,
    BROKEN_METHODS,
    Distance,
    Energy,
    FewShot,
    HalfPrecision,
    KeepsWhatItLearnt,
    Plain,
    with_head,
)
from torch import Tensor

import osarbench.checks
from osarbench import Backbone, Dataset, Head, LinearHead, Method, Outputs
from osarbench.checks import Check, CheckResult, CheckSkipped, check_backbone, check_dataset, check_method, checks
from osarbench.errors import OsarbenchError


class Tempered(Energy):
    def __init__(self, *, temperature: float = 1.0) -> None:
        self.temperature = temperature


def failed(results: Sequence[CheckResult]) -> list[str]:
    return [result.check for result in results if result.outcome == "failed"]


@pytest.mark.parametrize(
    "method", [Energy, Distance, FewShot, with_head(Plain)], ids=["energy", "distance", "few", "head"]
)
def test_a_correct_method_passes_every_check(method: type[Method]) -> None:
    assert [result for result in check_method(method) if result.outcome != "ok"] == []


@pytest.mark.parametrize(("method", "check"), BROKEN_METHODS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_method_is_caught(method: type[Method], check: str) -> None:
    assert check in failed(check_method(method))


@pytest.mark.parametrize(("head", "check"), BROKEN_HEADS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_head_is_caught(head: type[Head], check: str) -> None:
    assert check in failed(check_method(with_head(head)))


@pytest.mark.parametrize("name", ["HalfPrecision", "ClassOneIsUnknown", "WrongVariable", "Overflows", "Peeking"])
def test_some_faults_fail_exactly_one_check(name: str) -> None:
    (method,) = [method for method in BROKEN_METHODS if method.__name__ == name]
    assert failed(check_method(method)) == [BROKEN_METHODS[method]]


class LearnsAnew(KeepsWhatItLearnt):
    """The same with a setter that learns again."""

    def fit(self, outputs: Outputs, labels: Tensor) -> None:
        self._given = outputs, labels
        super().fit(outputs, labels)

    @property
    def shrink(self) -> float:
        return self._shrink

    @shrink.setter
    def shrink(self, value: float) -> None:
        self._shrink = value
        self.fit(*self._given)


@pytest.mark.parametrize(("method", "says"), [(LearnsAnew, "followed shrink"), (Tempered, "refused temperature")])
def test_a_changed_setting_is_refused_or_learnt_from(method: type[Method], says: str) -> None:
    (found,) = (result for result in check_method(method) if result.check == "changed_settings_are_refused_or_count")
    assert (found.outcome, found.message) == ("ok", says)


def test_a_setting_is_fixed_once_a_method_is_made() -> None:
    method = Tempered(temperature=2.0)
    with pytest.raises(
        OsarbenchError, match=r"fixed once the method is made.*Make another: Tempered\(temperature=3.0\)"
    ):
        method.temperature = 3.0
    assert method.temperature == 2.0


def test_every_check_of_methods_has_a_plugin_that_fails_it() -> None:
    names = {check.name for check in checks("method")}
    assert names == {*BROKEN_METHODS.values(), *BROKEN_HEADS.values()}


def test_the_toy_backbone_passes_every_check() -> None:
    results = check_backbone(Sound)
    assert [result.check for result in results if result.outcome != "ok"] == ["auxiliary_branch_has_scalar_terms"]


@pytest.mark.parametrize(
    ("backbone", "check"), BROKEN_BACKBONES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_backbone_is_caught(backbone: type[Backbone], check: str) -> None:
    assert failed(check_backbone(backbone)) == [check]


def test_every_check_of_backbones_but_its_name_has_a_plugin_that_fails_it() -> None:
    assert {check.name for check in checks("backbone")} == {*BROKEN_BACKBONES.values(), "named"}


def test_a_listed_data_set_passes_every_check_that_needs_no_files() -> None:
    skipped = [result.check for result in check_dataset(Listed) if result.outcome != "ok"]
    assert skipped == ["files_are_videos", "preparing_again_changes_nothing"]


def test_an_embedded_data_set_is_written_to_a_temporary_folder() -> None:
    skipped = [result.check for result in check_dataset(toy.Toy) if result.outcome != "ok"]
    assert skipped == ["missing_folder_is_explained"]


@pytest.mark.parametrize(
    ("dataset", "check"), BROKEN_DATASETS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_data_set_is_caught(dataset: type[Dataset], check: str) -> None:
    assert check in failed(check_dataset(dataset))


def test_a_data_set_whose_files_cannot_be_read_is_caught(tmp_path: Path) -> None:
    messages = {result.check: result.message for result in check_dataset(toy.Toy(tmp_path, broken=1))}
    assert messages["files_are_videos"].startswith("The first video of 'train' cannot be read")
    assert messages["preparing_again_changes_nothing"].startswith("A second prepare() writes red_g0_c0.avi again")


def test_an_instance_is_checked_with_its_settings(tmp_path: Path) -> None:
    counts = [r.message for r in check_dataset(toy.Toy(tmp_path, clips=1)) if r.check == "splits_list_videos"]
    assert counts == ["train 12, test 6, unknown 2"]


@pytest.mark.parametrize("check", checks("method"), ids=str)
def test_a_plugin_runs_each_check_as_a_test(check: Check) -> None:
    check(Energy)


def test_a_failed_check_fails_a_test_and_names_plugin_and_check() -> None:
    (check,) = [check for check in checks("method") if check.name == "sure_videos_do_not_tie"]
    with pytest.raises(AssertionError, match="Only 1 scores of") as caught:
        check(HalfPrecision)
    assert "check 'sure_videos_do_not_tie' of energy" in str(caught.value.__notes__)


class FailsAsExpected(HalfPrecision):
    expected_failures = {"sure_videos_do_not_tie": "as in the published files"}  # noqa: RUF012


class PassesUnexpectedly(Energy):
    expected_failures = {"sure_videos_do_not_tie": "who knows", "no_such_check": "nor this"}  # noqa: RUF012


def test_an_expected_failure_is_skipped_with_its_reason() -> None:
    assert [result for result in check_method(FailsAsExpected) if result.outcome != "ok"] == [
        CheckResult("sure_videos_do_not_tie", "skipped", "expected to fail: as in the published files")
    ]
    (check,) = [check for check in checks("method") if check.name == "sure_videos_do_not_tie"]
    with pytest.raises(CheckSkipped, match="expected to fail"):
        check(FailsAsExpected)


def test_an_expected_failure_that_passes_fails() -> None:
    assert failed(check_method(PassesUnexpectedly)) == ["sure_videos_do_not_tie", "expected_failures"]


def test_a_method_that_raises_is_reported_with_its_line() -> None:
    (result,) = [result for result in check_method(toy.Raising) if result.outcome == "failed"]
    assert "ZeroDivisionError: a bug of toy_raising (toy.py, line " in result.message


class Raising(Energy):
    """Raises late, so that all that can be tried is."""

    def uncertainty(self, outputs: Outputs) -> object:  # type: ignore[override]
        if len(outputs.logits) == 1:
            raise KeyError("a bug")
        return super().uncertainty(outputs)


def test_one_check_that_raises_leaves_the_others() -> None:
    assert failed(check_method(Raising)) == ["one_at_a_time"]


class LacksALibrary(Sound):
    def __init__(self) -> None:
        try:
            import no_such_library  # type: ignore[import-not-found]  # noqa: F401
        except ImportError as error:
            raise OsarbenchError("It is built of no_such_library. Install it.") from error


def test_a_plugin_whose_library_is_not_installed_is_skipped() -> None:
    results = check_backbone(LacksALibrary)
    assert failed(results) == []
    assert CheckResult("each_clip_alone", "skipped", "It is built of no_such_library. Install it.") in results
    (check,) = [check for check in checks("backbone") if check.name == "each_clip_alone"]
    with pytest.raises(CheckSkipped, match="no_such_library"):
        check(LacksALibrary)


def test_a_kind_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'method'"):
        checks("methods")


def test_the_kit_leaves_the_global_generator_as_it_was() -> None:
    import torch

    before = torch.get_rng_state()
    check_method(Energy)
    check_backbone(Sound)
    assert torch.equal(before, torch.get_rng_state())


def test_public_names_are_sorted_and_there() -> None:
    assert osarbench.checks.__all__ == sorted(osarbench.checks.__all__)


class NoPair(LinearHead):
    name = "no_pair"

    def loss(self, features: Any, labels: Any, progress: Any) -> Any:
        return super().loss(features, labels, progress)[1]


class Namesake(LinearHead):
    def forward(self, vector: Tensor) -> Tensor:
        return 2 * super().forward(vector)


class Unmade(Energy):
    def __init__(self, *, size: int = 1) -> None:
        raise ValueError("no")


class Leaving(Energy):
    def uncertainty(self, outputs: Outputs) -> Tensor:
        sys.exit(3)


@pytest.mark.parametrize(
    ("method", "check", "message"),
    [
        (with_head(NoPair), "loss_is_scalar_terms", "The loss returns dict, not two values"),
        (with_head(Namesake), "named", "has the name 'linear' of the head that it derives from"),
        (Unmade, "default_construction", "ValueError: no"),
        (Leaving, "inputs_stay_as_they_are", "SystemExit: 3"),
    ],
)
def test_a_basic_fault_is_explained(method: type[Method], check: str, message: str) -> None:
    (broken,) = [result for result in check_method(method) if result.outcome == "failed"]
    assert broken.check == check
    assert message in broken.message
