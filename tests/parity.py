"""Reference values of DEAR's networks: checkpoints drawn from names and seeds, and what its own code makes of them."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from osarbench.interfaces.backbone import Backbone
from osarbench.interfaces.method import LinearHead, Progress
from osarbench.model import network
from osarbench_plugins.backbones._tpn_neck import AuxiliaryHead
from osarbench_plugins.methods._evidential import log_alpha, mean_probabilities, vacuity

SEEDS = {"tsm": 12, "i3d": 11, "slowfast": 13, "tpn": 14}


def check_scores(shared: Path, tmp_path: Path, name: str, backbone: Backbone) -> None:
    """Load the drawn checkpoint of a network, run its clips, and compare everything with DEAR's own results.

    Logits reach 15 and their own rounding error 2e-4; a wrong stride, order or normalisation is 0.2 to 2 off.
    """
    stored = np.load(shared / f"data/parity/recognizers/{name}.npz")
    torch.save({"meta": {"epoch": 50}, "state_dict": drawn_state(shared, name)}, tmp_path / f"{name}.pth")
    backbone.load_weights(str(tmp_path / f"{name}.pth"))
    head = backbone.read_head(str(tmp_path / f"{name}.pth"))
    assert head is not None
    batch, views, *clip = stored[f"{name}/case0/shape"].tolist()
    clips = torch.from_numpy(fill(shared).clip(f"{name}/case0", (batch, views, *clip), SEEDS[name])).flatten(0, 1)
    with torch.no_grad():
        logits = F.linear(backbone.eval()(clips).vector, head.tensors["weight"], head.tensors["bias"])
    for kind, values in averages(logits.view(batch, views, -1)).items():
        np.testing.assert_allclose(values, stored[f"{name}/case0/{kind}"], atol=1e-4, rtol=0)


def check_training_step(
    shared: Path, tmp_path: Path, backbone: Backbone, *, terms: Mapping[str, float], norms: Mapping[str, float]
) -> None:
    """Run one training step on two drawn clips of 64 pixels, without dropout, and compare with DEAR's own.

    ``terms`` are its losses, ``norms`` its gradients' norms by the names of our parameters, "all" of all together.
    They were computed with DEAR's code at b752998 (MMCV 1.3.18, its cross-entropy configurations) on the same numbers.
    Batch norm over two clips makes the first layers' gradients uncertain to half a percent.
    """
    name, state = backbone.name, drawn_state(shared, backbone.name)
    torch.save({"state_dict": state}, tmp_path / "start.pth")
    whole = network.Network(backbone, LinearHead(backbone.dim, backbone.map_dim, 101, dropout=0.0), backbone.clip)
    backbone.load_weights(str(tmp_path / "start.pth"))
    saved = backbone.read_head(str(tmp_path / "start.pth"))
    assert saved is not None
    network.adopt(whole.head, saved, "start.pth")
    clips = torch.from_numpy(fill(shared).clip(f"{name}/step", (2, 3, backbone.clip.length, 64, 64), SEEDS[name]))
    labels, features = torch.tensor([3, 77]), backbone.train()(clips)
    _, found = whole.head.loss(features, labels, Progress(epoch=0, epochs=1, step=0))
    if isinstance(whole.auxiliary, AuxiliaryHead):
        whole.auxiliary.dropout.p = 0.0
        found = {**found, **whole.auxiliary(features, labels)}
    torch.stack(list(found.values())).sum().backward()
    gradients = {key: value.grad.norm() for key, value in whole.named_parameters() if value.grad is not None}
    gradients["all"] = torch.stack(list(gradients.values())).norm()
    assert {key: term.item() for key, term in found.items()} == pytest.approx(terms, rel=1e-4)
    assert {key: gradients[key].item() for key in norms} == pytest.approx(norms, rel=0.02)


def averages(logits: Tensor) -> dict[str, Tensor]:
    """Return what DEAR makes of logits [B, V, K] of views: three means over views, and the vacuity."""
    return {
        "view_logits": logits,
        "mean_score": logits.mean(dim=1),
        "mean_prob": logits.softmax(dim=2).mean(dim=1),
        "mean_evidence": mean_probabilities(log_alpha(logits.flatten(0, 1))).view_as(logits).mean(dim=1),
        "vacuity": vacuity(log_alpha(logits.mean(dim=1))),
    }


def drawn_state(shared: Path, name: str) -> dict[str, Tensor]:
    """Return the state dict of a DEAR checkpoint, drawn; running statistics are stored."""
    draw, stored = fill(shared), np.load(shared / f"data/parity/recognizers/{name}.npz")
    state = {}
    for key, shape in zip(map(str, stored[f"{name}/keys"]), stored[f"{name}/shapes"], strict=True):
        if f"{name}/bn/{key}" in stored:
            state[key] = torch.from_numpy(stored[f"{name}/bn/{key}"])
        else:
            state[key] = torch.as_tensor(draw.tensor(key, tuple(json.loads(str(shape))), SEEDS[name]))
    return state


def fill(shared: Path) -> ModuleType:
    """Return the module that draws reference weights and clips."""
    spec = importlib.util.spec_from_file_location("fill", shared / "data/parity/fill.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
