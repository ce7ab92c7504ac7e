"""Every built-in plugin passes its checks; adding a plugin adds its test."""

from collections.abc import Mapping
from typing import Any

import pytest

from osarbench import Backbone, Dataset, Method
from osarbench.checks import CheckResult, check_backbone, check_dataset, check_method
from osarbench.checks.backbone_case import BackboneCase
from osarbench.checks.check import lacks_a_library, run_all
from osarbench.checks.dataset_case import DatasetCase
from osarbench.checks.kit import checks
from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins
from osarbench_plugins.backbones._srtg_files import RepositoryBackbone
from osarbench_plugins.datasets.motion import Motion

LOADED = plugins.load()
#: Settings that make a backbone small: the checks are about its code, not its size.
SMALL: Mapping[str, Mapping[str, Any]] = {
    "frame": {"trunk": "resnet18"},
    "i3d": {"width": 8},
    "slowfast": {"width": 16},
    "tpn": {"width": 16},
    "tsm": {"trunk": "resnet18"},
    "tsn": {"trunk": "resnet18"},
    "videomae": {"dim": 96, "depth": 2, "heads": 4},
}
#: Those that cannot be made small, or are the larger ones of a family: only checks that do not run them.
LARGE = ("mvit_base_16x4", "mvit_base_32x3", "mvit_v1_b", "swin3d_s", "swin3d_b", "x3d_s", "x3d_m", "x3d_l")
#: Of the networks of the SRTG repository, which differ in depth and width alone, those that are run.
RUN = ("r3d_18_pooled", "r2plus1d_50", "srtg_r3d_18", "srtg_r2plus1d_50", "mtnet_xs", "mtnet_xs_g8")
NEEDS_NO_RUN = ("default_construction", "clip_is_valid", "named", "weights_are_real", "missing_weights_are_refused")
SMALL_MOTION = {"train_per_class": 4, "test_per_class": 2, "near_per_class": 2, "far_per_class": 2}


def failed(results: list[CheckResult]) -> list[CheckResult]:
    return [result for result in results if result.outcome == "failed"]


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
def test_a_method_passes_its_checks(method: type[Method]) -> None:
    assert failed(check_method(method)) == []


@pytest.mark.slow
@pytest.mark.parametrize("backbone", LOADED.backbones.values(), ids=LOADED.backbones)
def test_a_backbone_passes_its_checks(backbone: type[Backbone]) -> None:
    if backbone.name in LARGE or (issubclass(backbone, RepositoryBackbone) and backbone.name not in RUN):
        chosen = [check for check in checks("backbone") if check.name in NEEDS_NO_RUN]
        assert failed(run_all(chosen, backbone, BackboneCase(small(backbone)))) == []
    else:
        assert failed(check_backbone(small(backbone))) == []


@pytest.mark.parametrize("dataset", LOADED.datasets.values(), ids=LOADED.datasets)
def test_a_data_set_passes_the_checks_that_need_no_files(dataset: type[Dataset]) -> None:
    if dataset.embedded:
        pytest.skip("it is embedded, and writing it takes long; a small one is checked below")
    assert failed(check_dataset(dataset)) == []


def test_motion_passes_its_checks(tmp_path: Any) -> None:
    small = Motion(tmp_path / "motion", **SMALL_MOTION)  # type: ignore[arg-type]
    assert failed(run_all(checks("dataset"), Motion, DatasetCase(small))) == []
