"""The conformance kit itself: sound plugins keep every promise, and each broken one is caught by the right one."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import toy
from broken_backbones import BROKEN_BACKBONES, BROKEN_DATASETS, Listed, Sound
from broken_plugins import BROKEN_HEADS, BROKEN_METHODS, Distance, Energy, HalfPrecision, Plain, with_head
from torch import Tensor

import osarbench.checks
from osarbench import Backbone, Dataset, Head, LinearHead, Method, Outputs
from osarbench.checks import NotTried, Promise, Verdict, check_backbone, check_dataset, check_method, promises
from osarbench.errors import OsarbenchError


def failed(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.promise for verdict in verdicts if verdict.outcome == "failed"]


@pytest.mark.parametrize("method", [Energy, Distance, with_head(Plain)], ids=["energy", "distance", "head"])
def test_a_sound_method_keeps_every_promise(method: type[Method]) -> None:
    assert [verdict for verdict in check_method(method) if verdict.outcome != "ok"] == []


@pytest.mark.parametrize(
    ("method", "promise"), BROKEN_METHODS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_method_is_caught(method: type[Method], promise: str) -> None:
    assert promise in failed(check_method(method))


@pytest.mark.parametrize(("head", "promise"), BROKEN_HEADS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_head_is_caught(head: type[Head], promise: str) -> None:
    assert promise in failed(check_method(with_head(head)))


@pytest.mark.parametrize("name", ["HalfPrecision", "ClassOneIsUnknown", "WrongVariable", "Overflows", "Peeking"])
def test_many_a_fault_breaks_one_promise_alone(name: str) -> None:
    (method,) = [method for method in BROKEN_METHODS if method.__name__ == name]
    assert failed(check_method(method)) == [BROKEN_METHODS[method]]


def test_every_promise_of_methods_has_a_plugin_that_breaks_it() -> None:
    names = {promise.name for promise in promises("method")}
    assert names == {*BROKEN_METHODS.values(), *BROKEN_HEADS.values()}


def test_the_toy_backbone_keeps_every_promise() -> None:
    verdicts = check_backbone(Sound)
    assert [verdict.promise for verdict in verdicts if verdict.outcome != "ok"] == ["auxiliary_branch_has_scalar_terms"]


@pytest.mark.parametrize(
    ("backbone", "promise"), BROKEN_BACKBONES.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_backbone_is_caught(backbone: type[Backbone], promise: str) -> None:
    assert failed(check_backbone(backbone)) == [promise]


def test_every_promise_of_backbones_but_its_name_has_a_plugin_that_breaks_it() -> None:
    assert {promise.name for promise in promises("backbone")} == {*BROKEN_BACKBONES.values(), "named"}


def test_a_listed_data_set_keeps_every_promise_that_needs_no_file() -> None:
    skipped = [verdict.promise for verdict in check_dataset(Listed) if verdict.outcome != "ok"]
    assert skipped == ["files_are_videos", "preparing_again_changes_nothing"]


def test_a_data_set_that_makes_itself_does_so_in_a_temporary_folder() -> None:
    skipped = [verdict.promise for verdict in check_dataset(toy.Toy) if verdict.outcome != "ok"]
    assert skipped == ["missing_folder_is_explained"]


@pytest.mark.parametrize(
    ("dataset", "promise"), BROKEN_DATASETS.items(), ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_data_set_is_caught(dataset: type[Dataset], promise: str) -> None:
    assert promise in failed(check_dataset(dataset))


def test_a_data_set_whose_files_cannot_be_read_is_caught(tmp_path: Path) -> None:
    told = {verdict.promise: verdict.message for verdict in check_dataset(toy.Toy(tmp_path, broken=1))}
    assert told["files_are_videos"].startswith("The first video of 'train' cannot be read")
    assert told["preparing_again_changes_nothing"].startswith("A second prepare() writes red_g0_c0.avi again")


def test_an_instance_is_checked_with_its_settings(tmp_path: Path) -> None:
    counts = [v.message for v in check_dataset(toy.Toy(tmp_path, clips=1)) if v.promise == "splits_list_videos"]
    assert counts == ["train 12, test 6, unknown 2"]


@pytest.mark.parametrize("promise", promises("method"), ids=str)
def test_a_stranger_proves_a_method_in_three_lines(promise: Promise) -> None:
    promise(Energy)


def test_a_broken_promise_fails_a_test_and_names_plugin_and_promise() -> None:
    (promise,) = [promise for promise in promises("method") if promise.name == "sure_videos_do_not_tie"]
    with pytest.raises(AssertionError, match="Only 1 scores of") as caught:
        promise(HalfPrecision)
    assert "promise 'sure_videos_do_not_tie' of energy" in str(caught.value.__notes__)


class Excused(HalfPrecision):
    excuses = {"sure_videos_do_not_tie": "as in the published files"}  # noqa: RUF012


class ExcusedInVain(Energy):
    excuses = {"sure_videos_do_not_tie": "who knows", "no_such_promise": "nor this"}  # noqa: RUF012


def test_an_excuse_is_shown_and_does_not_fail() -> None:
    assert [verdict for verdict in check_method(Excused) if verdict.outcome != "ok"] == [
        Verdict("sure_videos_do_not_tie", "skipped", "excused: as in the published files")
    ]
    (promise,) = [promise for promise in promises("method") if promise.name == "sure_videos_do_not_tie"]
    with pytest.raises(NotTried, match="excused"):
        promise(Excused)


def test_an_excuse_without_need_fails() -> None:
    assert failed(check_method(ExcusedInVain)) == ["sure_videos_do_not_tie", "excuses"]


def test_a_method_that_raises_is_told_with_its_line() -> None:
    (verdict,) = [verdict for verdict in check_method(toy.Raising) if verdict.outcome == "failed"]
    assert "ZeroDivisionError: a bug of toy_raising (toy.py, line " in verdict.message


class Raising(Energy):
    """Raises late, so that all that can be tried is."""

    def uncertainty(self, outputs: Outputs) -> object:  # type: ignore[override]
        if len(outputs.logits) == 1:
            raise KeyError("a bug")
        return super().uncertainty(outputs)


def test_one_promise_that_raises_leaves_the_others() -> None:
    assert failed(check_method(Raising)) == ["one_at_a_time"]


class LacksALibrary(Sound):
    def __init__(self) -> None:
        try:
            import no_such_library  # type: ignore[import-not-found]  # noqa: F401
        except ImportError as error:
            raise OsarbenchError("It is built of no_such_library. Install it.") from error


def test_a_plugin_whose_library_is_not_installed_is_not_tried() -> None:
    verdicts = check_backbone(LacksALibrary)
    assert failed(verdicts) == []
    assert Verdict("each_clip_alone", "skipped", "It is built of no_such_library. Install it.") in verdicts
    (promise,) = [promise for promise in promises("backbone") if promise.name == "each_clip_alone"]
    with pytest.raises(NotTried, match="no_such_library"):
        promise(LacksALibrary)


def test_a_kind_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'method'"):
        promises("methods")


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
    ("method", "promise", "message"),
    [
        (with_head(NoPair), "loss_is_scalar_terms", "The loss returns dict, not two things"),
        (with_head(Namesake), "named", "has the name 'linear' of the head that it is made from"),
        (Unmade, "default_construction", "ValueError: no"),
        (Leaving, "inputs_stay_as_they_are", "SystemExit: 3"),
    ],
)
def test_a_basic_fault_is_told_in_words(method: type[Method], promise: str, message: str) -> None:
    (broken,) = [verdict for verdict in check_method(method) if verdict.outcome == "failed"]
    assert broken.promise == promise
    assert message in broken.message
