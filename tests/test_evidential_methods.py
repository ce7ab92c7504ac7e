"""The evidential methods and debiasing with cross-entropy: their losses against DEAR's, and a world to train in."""

from pathlib import Path
from typing import Any

import clusters
import pytest
import torch

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import LinearHead, Method, Outputs, Progress
from osarbench_plugins.methods._evidential_head import EvidentialHead
from osarbench_plugins.methods.ced import Ced, CedHeadVersion, CedLegacy
from osarbench_plugins.methods.dear import Dear, DearCorrected, DearLegacy
from osarbench_plugins.methods.edl import Edl, EdlEuc

METHODS = [Edl, EdlEuc, Dear, DearLegacy, DearCorrected, Ced, CedHeadVersion, CedLegacy]
LABELS = torch.tensor([0, 1, 2, 0, 1])


def features(frames: int = 4) -> Features:
    maps = torch.randn(5, 6, frames, 4, 4, generator=torch.Generator().manual_seed(2))
    return Features(maps.mean(dim=(2, 3, 4)), maps)


def test_the_head_gives_the_published_total_of_every_loss(shared: Path) -> None:
    reference = torch.load(shared / "data/parity/losses/evidence_loss.pt", weights_only=True)
    checked = 0
    for case in reference["cases"]:
        options = case["kwargs"]
        if options["disentangle"] or (options["with_avuloss"] and options["annealing_method"] == "step"):
            continue  # no released configuration anneals the calibration in steps
        classes = reference["logits"].shape[1]
        head = EvidentialHead(
            classes, 8, classes, evidence=options["evidence"], loss=options["loss_type"], dropout=0.0,
            kl=options["annealing_method"] if options["with_kldiv"] else "none", euc=options["with_avuloss"],
        )  # fmt: skip
        head.fc = torch.nn.Linear(classes, classes)
        torch.nn.init.eye_(head.fc.weight)
        torch.nn.init.zeros_(head.fc.bias)
        maps = torch.zeros(0)
        _, terms = head.loss(
            Features(reference["logits"], maps), reference["labels"], Progress(case["epoch"], case["total_epoch"], 0)
        )
        torch.testing.assert_close(sum(terms.values()), case["total"], atol=1e-4, rtol=1e-4)
        checked += 1
    assert checked > 60


@pytest.mark.parametrize("settings", [
    {"loss": "log"}, {"loss": "mse", "evidence": "softplus", "kl": "step"}, {"loss": "mse", "evidence": "softplus"},
    {"loss": "cross_entropy", "kl": "exp"}, {"loss": "digamma"},
])  # fmt: skip
def test_every_evidential_loss_trains(settings: dict[str, Any]) -> None:
    result = clusters.result(Edl(**settings, dropout=0.0))
    assert result.accuracy > 0.95
    assert result.between > 0.9
    assert result.apart > 0.95


def test_relu_evidence_that_is_zero_for_a_class_never_comes_back() -> None:
    result = clusters.result(Edl(loss="mse", evidence="relu", kl="step", dropout=0.0))
    assert result.accuracy == 0.75  # one class of four is lost: no gradient (Pandey and Yu, ICML 2023)


@pytest.mark.parametrize("method", METHODS)
def test_training_parts_are_stripped(method: type[Method]) -> None:
    head = method.head(6, 6, 3, **method().head_settings())
    head.strip()
    assert set(head.state_dict()) == {"fc.weight", "fc.bias"}


def test_the_rungs_below_dear_add_one_term_each() -> None:
    terms = [set(method.head(6, 6, 3, **method().head_settings()).loss(features(), LABELS, Progress(1, 4, 10))[1])
             for method in (Edl, EdlEuc, Dear)]  # fmt: skip
    assert terms[0] == {"loss_cls"}
    assert terms[1] == {"loss_cls", "loss_euc"}
    assert terms[2] > terms[1]


def test_only_the_corrected_versions_minimise_a_dependence() -> None:
    for method, minimises in ((Dear, False), (DearLegacy, False), (DearCorrected, True), (Ced, True)):
        terms = method.head(6, 6, 3, **method().head_settings()).loss(features(), LABELS, Progress(1, 4, 10))[1]
        assert ("loss_unbias_hsic" in terms) is minimises


def test_diagnostics_tell_how_many_videos_reach_the_clamp() -> None:
    logits = torch.tensor([[11.0, 0.0, 0.0], [3.0, 0.0, 0.0]])[:, None]
    outputs = Outputs(torch.zeros(2, 1, 8), logits, LinearHead(8, 8, 3))
    facts = Dear().diagnostics(outputs)
    assert facts["saturated"] == 0.5
    assert facts["largest_probability"] == pytest.approx(Dear().probabilities(outputs).amax(dim=1).mean().item())
    assert set(Edl(clamp=None).diagnostics(outputs)) == {"largest_probability"}


def test_a_misspelt_loss_is_met_with_the_nearest_one() -> None:
    with pytest.raises(OsarbenchError, match="There is no loss of edl 'crossentropy'. Did you mean 'cross_entropy'"):
        Edl(loss="crossentropy")  # type: ignore[arg-type]
