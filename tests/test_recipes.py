"""Published recipes: protocols give the very parameter groups, clips and thresholds of the papers' repositories."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from osarbench.model.optimize import make_optimizer
from osarbench.plugins import loading as plugins
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import protocol
from osarbench.protocols.clips import clip_spec
from osarbench.scores import metrics

LOADED = plugins.load()
PUBLISHED = [name for name in sorted(benchmark_files.shipped()) if name.startswith(("dear2021", "psl2023"))]


def groups_of(protocol_name: str, backbone: str, method: str) -> Counter[tuple[float, float]]:
    """Count the parameters with each rate and weight decay."""
    kind = LOADED.method(method)
    recipe = protocol.read(protocol_name).recipe(backbone, kind.head.name)
    with torch.device("meta"):
        network = LOADED.backbone(backbone)(**recipe.options)
        head = kind.head(network.dim, network.map_dim, 101, **{**recipe.head_settings, **kind().head_settings()})
    both = nn.ModuleDict({"backbone": network, "head": head})
    found: Counter[tuple[float, float]] = Counter()
    for group in make_optimizer(both, recipe.training, fused=False).param_groups:
        found[round(group["lr"], 9), group["weight_decay"]] += len(group["params"])
    return found


@pytest.mark.parametrize(
    ("method", "manifest"), [("dnn", "finetune_ucf101_tsm_dnn"), ("dear", "finetune_ucf101_tsm_edlnokl_avuc_debias")]
)
def test_tsm_has_the_published_parameter_groups(shared: Path, method: str, manifest: str) -> None:
    published: Counter[tuple[float, float]] = Counter()
    for group in json.loads((shared / f"data/parity/manifests/{manifest}.param_groups.json").read_text()):
        if group["n"]:
            published[group["lr"], group["weight_decay"]] += group["n"]
    assert groups_of("dear2021-hmdb51", "tsm", method) == published


@pytest.mark.parametrize(("method", "rate"), [("dnn", 0.002), ("bnn", 0.002), ("rpl_legacy", 0.002), ("dear", 0.001)])
def test_tpn_trains_methods_at_the_published_rates(method: str, rate: float) -> None:
    head = LOADED.method(method).head.name
    assert protocol.read("dear2021-hmdb51").recipe("tpn", head).training.learning_rate == rate


@pytest.mark.parametrize(
    ("backbone", "views", "clip_norm"), [("i3d", 3, 40), ("tsm", 10, 20), ("slowfast", 30, 40), ("tpn", 30, 40)]
)
def test_dear_takes_the_published_views_and_clips_gradients_at_the_published_norm(
    backbone: str, views: int, clip_norm: float
) -> None:
    read = protocol.read("dear2021-mit")
    recipe = read.recipe(backbone, "dear")
    with torch.device("meta"):
        spec = LOADED.backbone(backbone)(**recipe.options).clip
    assert clip_spec(spec, recipe.clips, "here").views == views
    assert recipe.training.clip_norm == clip_norm


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_protocols_take_thresholds_from_training_videos_and_hold_none_out(name: str) -> None:
    read = protocol.read(name)
    assert read.sections.known.calibration == 0
    assert metrics.settings_of(read)["threshold_from"] == "train"
    assert metrics.settings_of(read)["threshold_rule"] == "dear"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_protocols_say_what_is_flawed_in_them(name: str) -> None:
    text = protocol.read(name).file.read_text()
    assert "Its flaws:" in text
    assert "For reproduction" in text


def test_psl_averages_over_ten_parts_of_moments_in_time_only() -> None:
    parts = {name: protocol.read(name).sections.metrics.unknown_parts for name in PUBLISHED if name.startswith("psl")}
    assert parts == {name: 10 if "mit" in name else 1 for name in parts}
