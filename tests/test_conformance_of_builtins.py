"""Every built-in plugin keeps its promises; adding a plugin adds its test."""

from collections.abc import Mapping
from typing import Any

import pytest

from osarbench import Backbone, Dataset, Method
from osarbench.checks import Verdict, check_backbone, check_dataset, check_method
from osarbench.checks.backbone_case import BackboneCase
from osarbench.checks.check import lacks_a_library, try_all
from osarbench.checks.dataset_case import DatasetCase
from osarbench.checks.kit import promises
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins
from osarbench_plugins.backbones._srtg_files import RepositoryBackbone
from osarbench_plugins.datasets.motion import Motion

LOADED = plugins.load()
#: Settings that make a backbone small: the promises are about its code, not its size.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "frame": {"trunk": "resnet18"},
    "i3d": {"width": 8},
    "slowfast": {"width": 16},
    "tpn": {"width": 16},
    "tsm": {"trunk": "resnet18"},
    "tsn": {"trunk": "resnet18"},
    "videomae": {"dim": 96, "depth": 2, "heads": 4},
}
#: Those that cannot be made small, or are a larger one of a family: what can be said without running them.
LARGE = ("mvit_base_16x4", "mvit_base_32x3", "mvit_v1_b", "swin3d_s", "swin3d_b", "x3d_s", "x3d_m", "x3d_l")
#: Of the networks of the SRTG repository, which differ in depth and width alone, those that are run.
RUN = ("r3d_18_pooled", "r2plus1d_50", "srtg_r3d_18", "srtg_r2plus1d_50", "mtnet_xs", "mtnet_xs_g8")
NEEDS_NO_RUN = ("default_construction", "clip_is_valid", "named", "weights_are_real", "missing_weights_are_refused")
SMALL_MOTION = {"train_per_class": 4, "test_per_class": 2, "near_per_class": 2, "far_per_class": 2}


def broken(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.outcome == "failed"]


def small(backbone: type[Backbone]) -> type[Backbone] | Backbone:
    if issubclass(backbone, RepositoryBackbone):
        return backbone(width=64 if backbone.name.endswith("_g8") else 16)  # type: ignore[call-arg]
    try:
        return backbone(**SMALL[backbone.name]) if backbone.name in SMALL else backbone
    except OsarbenchError as error:
        if lacks_a_library(error):
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("method", LOADED.methods.values(), ids=LOADED.methods)
def test_a_method_keeps_its_checks(method: type[Method]) -> None:
    assert broken(check_method(method)) == []


@pytest.mark.slow
@pytest.mark.parametrize("backbone", LOADED.backbones.values(), ids=LOADED.backbones)
def test_a_backbone_keeps_its_checks(backbone: type[Backbone]) -> None:
    if backbone.name in LARGE or (issubclass(backbone, RepositoryBackbone) and backbone.name not in RUN):
        chosen = [promise for promise in promises("backbone") if promise.name in NEEDS_NO_RUN]
        assert broken(try_all(chosen, backbone, BackboneCase(small(backbone)))) == []
    else:
        assert broken(check_backbone(small(backbone))) == []


@pytest.mark.parametrize("dataset", LOADED.datasets.values(), ids=LOADED.datasets)
def test_a_data_set_keeps_the_promises_that_need_no_files(dataset: type[Dataset]) -> None:
    if dataset.embedded:
        pytest.skip("it makes itself, which takes long; a small one is made below")
    assert broken(check_dataset(dataset)) == []


def test_motion_keeps_its_checks(tmp_path: Any) -> None:
    small = Motion(tmp_path / "motion", **SMALL_MOTION)  # type: ignore[arg-type]
    assert broken(try_all(promises("dataset"), Motion, DatasetCase(small))) == []
