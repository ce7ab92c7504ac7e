"""The methods dnn and dear: what they say of outputs made by hand, and how dear's head trains."""

import pytest
import torch

from osarbench.errors import OsarbenchError
from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import LinearHead, Method, Outputs, Progress
from osarbench_plugins.methods._ced import Version
from osarbench_plugins.methods._evidential import log_alpha, vacuity
from osarbench_plugins.methods.dear import Dear, DearCorrected, DearHead, DearLegacy
from osarbench_plugins.methods.dnn import Dnn

PROGRESS = Progress(epoch=1, epochs=4, step=10)
HEAD = LinearHead(8, 8, 5).eval()
LABELS = torch.tensor([0, 1, 2, 0, 1])


def outputs(videos: int = 12, views: int = 3, classes: int = 5) -> Outputs:
    generator = torch.Generator().manual_seed(1)
    logits = 4 * torch.randn(videos, views, classes, generator=generator)
    return Outputs(torch.randn(videos, views, 8, generator=generator), logits, HEAD)


def features(frames: int = 4) -> Features:
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(5, 6, frames, 4, 4, generator=generator)
    return Features(maps.mean(dim=(2, 3, 4)), maps)


@pytest.fixture(params=[Dnn, Dear], ids=["dnn", "dear"])
def method(request: pytest.FixtureRequest) -> Method:
    instance: Method = request.param()
    return instance


def test_shapes_and_sums(method: Method) -> None:
    probabilities, uncertainty = method.probabilities(outputs()), method.uncertainty(outputs())
    assert probabilities.shape == (12, 5)
    assert uncertainty.shape == (12,)
    torch.testing.assert_close(probabilities.sum(dim=1).float(), torch.ones(12))


def test_a_flat_video_is_more_unknown_than_a_peaked_one(method: Method) -> None:
    logits = torch.tensor([[6.0, -6.0, -6.0], [0.1, 0.0, -0.1]])[:, None]
    peaked, flat = method.uncertainty(Outputs(torch.zeros(2, 1, 8), logits, HEAD)).tolist()
    assert peaked < flat


def test_very_sure_videos_do_not_tie(method: Method) -> None:
    logits = torch.tensor([[20.0, -5.0, -5.0], [20.0, -5.0, -4.9]])[:, None]
    first, second = method.uncertainty(Outputs(torch.zeros(2, 1, 8), logits, HEAD)).tolist()
    assert first != second


def test_each_video_stands_alone(method: Method) -> None:
    everything, order = outputs(), torch.tensor([7, 2, 5])
    some = Outputs(everything.view_features[order], everything.view_logits[order], HEAD)
    torch.testing.assert_close(method.uncertainty(some), method.uncertainty(everything)[order], rtol=1e-12, atol=0)


def test_dear_applies_evidence_to_mean_logits() -> None:
    expected = vacuity(log_alpha(outputs().logits))
    torch.testing.assert_close(Dear().uncertainty(outputs()).float(), expected, atol=1e-6, rtol=1e-5)
    alpha = outputs().logits.clamp(-10, 10).exp() + 1
    torch.testing.assert_close(Dear().probabilities(outputs()).float(), alpha / alpha.sum(dim=1, keepdim=True))


def test_only_settings_that_differ_are_part_of_the_head() -> None:
    assert Dear().head_settings() == {}
    assert Dear(clamp=None, euc=True).head_settings() == {"clamp": None}
    assert DearLegacy().head_settings() == {"version": "legacy"}
    assert DearCorrected(euc=False).head_settings() == {"version": "corrected", "euc": False}


def test_a_misspelt_setting_is_met_with_the_nearest_one() -> None:
    with pytest.raises(OsarbenchError, match="There is no evidence of dear 'softmax'. Did you mean 'softplus'"):
        Dear(evidence="softmax")  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["head", "legacy", "corrected"])
def test_gradients_reach_every_parameter_of_dear(version: Version) -> None:
    head = DearHead(6, 6, 3, version=version)
    logits, terms = head.loss(features(), LABELS, PROGRESS)
    sum(terms.values()).backward()
    assert logits.shape == (5, 3)
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_dear_has_the_published_terms() -> None:
    _, terms = DearHead(6, 6, 3).loss(features(), LABELS, PROGRESS)
    branches = {"loss_unbias_cls", "loss_bias1_cls", "loss_bias1_hsic", "loss_bias2_cls", "loss_bias2_hsic"}
    assert set(terms) == {"loss_cls", "loss_euc"} | branches


def test_a_stripped_dear_is_a_linear_layer() -> None:
    head = DearHead(6, 6, 3)
    head.strip()
    assert set(head.state_dict()) == {"fc.weight", "fc.bias"}


def test_probabilities_are_the_mean_of_the_softmax_of_views() -> None:
    made = Outputs(torch.zeros(1, 2, 8), torch.tensor([[[0.0, 0.0], [0.0, 100.0]]]), LinearHead(8, 8, 2))
    assert Dnn().probabilities(made).tolist() == [[0.25, 0.75]]
