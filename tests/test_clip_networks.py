"""The recipes of the page on networks of whole clips can be read, fit the networks, and are the published ones."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from osarbench.model.course import schedule_of
from osarbench.model.optimize import make_optimizer
from osarbench.plugins import loading as plugins
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs/clip-networks.md"
BACKBONES = plugins.load(kinds=("backbones",)).backbones


@pytest.fixture
def read(tmp_path: Path) -> Protocol:
    """A protocol of all the page's pieces."""
    base = (HERE / "toy.toml").read_text().partition("[training]")[0]
    file = tmp_path / "page.toml"
    file.write_text(base + "\n".join(re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.S)))
    return protocols.read(str(file))


@pytest.mark.parametrize(("name", "recurrent"), [("srtg_r3d_34", "lstm"), ("mtnet_s", "op")])
def test_base_recurrent_cells_and_classifier_have_the_published_rates(
    read: Protocol, name: str, recurrent: str
) -> None:
    recipe = read.recipe(name).training
    with torch.device("meta"):
        backbone = BACKBONES[name]()
        both = nn.ModuleDict({"backbone": backbone, "head": nn.Linear(backbone.dim, 5)})
    names = {id(parameter): name for name, parameter in both.named_parameters()}
    rates = {
        names[id(parameter)]: round(group["lr"] / recipe.learning_rate, 9)
        for group in make_optimizer(both, recipe, fused=False).param_groups
        for parameter in group["params"]
    }
    assert {rate for name, rate in rates.items() if name.startswith("head.")} == {0.1}
    assert {rate for name, rate in rates.items() if f".{recurrent}." in name} == {0.5}
    assert {rate for name, rate in rates.items() if "conv" in name and f".{recurrent}." not in name} == {0.6}


def test_the_page_has_the_cycles_and_the_changes_of_the_repository(read: Protocol) -> None:
    with torch.device("meta"):
        spec = BACKBONES["srtg_r3d_34"]().clip
    recipe = read.recipe("srtg_r3d_34").training
    first = schedule_of(recipe, spec).phases(0)[0].cycle[0]
    assert (first.batch, first.frames, first.size) == (256, 4, 186)
    assert recipe.augment is not None
    assert (recipe.augment.clip, recipe.augment.each, recipe.augment.noise) == (0.8, 0.4, 76.5)


@pytest.mark.parametrize("norm", [nn.BatchNorm3d(4), nn.GroupNorm(2, 4)])
def test_norms_keep_float32_statistics_under_mixed_precision(norm: nn.Module) -> None:
    torch.manual_seed(0)
    maps = (300 + torch.randn(8, 4, 4, 16, 16)).bfloat16()  # in bfloat16, deviations about 300 would be steps of 2
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = norm(maps)
    torch.testing.assert_close(found.float(), norm(maps.float()), atol=0.02, rtol=0.01)
    assert all(value.dtype == torch.float32 for value in norm.state_dict().values() if value.is_floating_point())


def test_losses_are_float32_under_mixed_precision() -> None:
    logits, labels = torch.randn(4, 5, dtype=torch.bfloat16), torch.arange(4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = F.cross_entropy(logits, labels)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, F.cross_entropy(logits.float(), labels))
