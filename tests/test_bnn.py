"""Bayesian classifier and MC dropout: DEAR's values, and what their draws may depend on."""

from pathlib import Path
from typing import Any

import pytest
import torch

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import LinearHead, Method, Outputs
from osarbench_plugins.methods._bayes import BnnHead, Sample, log_prior
from osarbench_plugins.methods._uncertainty import decomposition, mutual_information, remaining_probability
from osarbench_plugins.methods.bnn import Bnn, BnnLegacy
from osarbench_plugins.methods.dnn import Dnn
from osarbench_plugins.methods.mc_dropout import McDropout

METHODS = [McDropout, Bnn, BnnLegacy]


def reference(shared: Path) -> tuple[dict[str, Any], BnnHead, list[Sample]]:
    (case,) = [
        case
        for case in torch.load(shared / "data/parity/losses/bnn.pt", weights_only=True)
        if case["training"] and not case["testing"]
    ]
    head = BnnHead(24, 8, 11, train_passes=case["npass"], complexity_weight=case["beta"])
    head.load_state_dict({name.removeprefix("bnn_layer."): value for name, value in case["state_dict"].items()})
    return case, head, [head.sample(*noise) for noise in zip(case["eps_weight"], case["eps_bias"], strict=True)]


def test_logits_and_log_densities_are_the_published_ones(shared: Path) -> None:
    case, head, samples = reference(shared)
    logits = torch.stack([torch.nn.functional.linear(case["x"], *sample) for sample in samples])
    torch.testing.assert_close(logits, case["outputs"])
    torch.testing.assert_close(torch.stack([log_prior(sample) for sample in samples]), case["log_priors"])
    posteriors = torch.stack([head.log_posterior(sample) for sample in samples])
    torch.testing.assert_close(posteriors, case["log_posteriors"])


def test_loss_and_gradients_are_the_published_ones(shared: Path) -> None:
    case, head, samples = reference(shared)
    logits, terms = head.loss_of(samples, case["x"], case["labels"])
    torch.testing.assert_close(logits, case["pred_mean"])
    for name, term in terms.items():
        torch.testing.assert_close(term, case["losses"][name])
    sum(terms.values()).backward()
    for name, parameter in head.named_parameters():
        torch.testing.assert_close(parameter.grad, case["grads"][f"bnn_layer.{name}"], atol=1e-7, rtol=1e-4)


def test_aleatoric_and_epistemic_uncertainty_are_the_published_ones(shared: Path) -> None:
    case, _, _ = reference(shared)
    parts = decomposition(case["outputs"].double().softmax(dim=2))
    torch.testing.assert_close(parts.aleatoric.float(), case["aleatoric"])
    torch.testing.assert_close(parts.epistemic.float(), case["epistemic"], atol=1e-8, rtol=1e-4)


def test_mutual_information_has_its_worked_value() -> None:
    passes = torch.tensor([[[0.7, 0.2, 0.1]], [[0.5, 0.3, 0.2]]], dtype=torch.float64)
    assert mutual_information(passes).item() == pytest.approx(0.021901, abs=1e-6)
    entropy = -torch.xlogy(passes.mean(dim=0), passes.mean(dim=0)).sum()
    assert entropy.item() == pytest.approx(0.937637, abs=1e-6)


def test_predictions_that_agree_hold_no_information() -> None:
    assert mutual_information(torch.tensor([0.9, 0.1, 0.0]).expand(4, 1, 3)).item() == 0


def test_remaining_probability_tells_the_surest_videos_apart() -> None:
    logits = torch.tensor([[80.0, 0.0, 0.0], [90.0, 0.0, 0.0]], dtype=torch.float64)
    first, second = remaining_probability(logits.softmax(dim=1)).tolist()
    assert 0 < second < first < 1e-30


@pytest.mark.parametrize("method", METHODS)
def test_a_video_scores_the_same_alone_and_in_any_order(method: type[Method]) -> None:
    torch.manual_seed(0)
    head = method.head(16, 8, 5).eval()
    features = torch.randn(9, 3, 16)
    everything = Outputs(features, head(features), head)
    order = torch.tensor([7, 2, 5])
    some = Outputs(features[order], head(features[order]), head)
    torch.testing.assert_close(method().uncertainty(some), method().uncertainty(everything)[order], rtol=1e-9, atol=0)
    assert torch.equal(method().uncertainty(some), method().uncertainty(some))


def test_dropout_of_the_weights_is_dropout_of_the_features() -> None:
    head, features = LinearHead(400, 8, 5).eval(), torch.randn(2, 1, 400)
    mean = McDropout(passes=2000).predictions(Outputs(features, head(features), head)).mean(dim=0)
    torch.manual_seed(0)
    expected = torch.stack([head.train()(features).softmax(dim=-1)[:, 0] for _ in range(2000)]).mean(dim=0)
    torch.testing.assert_close(mean.float(), expected, atol=0.01, rtol=0)


def test_each_view_has_dropout_masks_of_its_own_as_torch_draws_them() -> None:
    torch.manual_seed(0)
    head, features = LinearHead(60, 8, 5, init_std=0.3).eval(), torch.randn(4, 1, 60).expand(-1, 6, -1)
    everything = Outputs(features, head(features), head)
    with torch.no_grad():
        passes = torch.stack([head.train()(features).double().softmax(dim=-1).mean(dim=1) for _ in range(3000)])
        found = McDropout(passes=3000).uncertainty(everything)
        one = McDropout(passes=3000).uncertainty(Outputs(features[:, :1], head(features[:, :1]), head))
    torch.testing.assert_close(found, mutual_information(passes), rtol=0.05, atol=0)
    assert (one > 2 * found).all()


def test_all_views_are_seen_by_the_same_draw_of_a_bayesian_classifier() -> None:
    torch.manual_seed(0)
    head, features = BnnHead(16, 8, 5).eval(), torch.randn(4, 1, 16)
    one, several = (Outputs(views, head(views), head) for views in (features, features.expand(-1, 6, -1)))
    torch.testing.assert_close(Bnn().uncertainty(several), Bnn().uncertainty(one))


def test_mc_dropout_shares_the_network_of_dnn_unless_its_rate_differs() -> None:
    assert (McDropout().head, McDropout(passes=3, seed=2).head_settings()) == (Dnn().head, Dnn().head_settings())
    assert McDropout(dropout=0.2).head_settings() == {"dropout": 0.2}


def test_bnn_and_its_legacy_share_a_network_and_differ_in_the_spread_of_weights() -> None:
    assert Bnn().head is BnnLegacy().head
    assert Bnn(passes=3, seed=2).head_settings() == BnnLegacy().head_settings() == {}
    torch.manual_seed(0)
    head, features = BnnHead(16, 8, 5).eval(), torch.randn(40, 1, 16)
    everything = Outputs(features, head(features), head)
    ratio = BnnLegacy(passes=50).uncertainty(everything).mean() / Bnn(passes=50).uncertainty(everything).mean()
    assert ratio.item() == pytest.approx(0.25, rel=0.05)  # half the standard deviation


def test_the_legacy_pass_is_the_mean_of_a_sampled_and_the_mean_weights_logits() -> None:
    torch.manual_seed(0)
    head, features = BnnHead(16, 8, 5).eval(), torch.randn(3, 1, 16)
    generator = torch.Generator().manual_seed(0)
    sampled = head.sample(torch.randn(5, 16, generator=generator), torch.randn(5, generator=generator))
    logits = (torch.nn.functional.linear(features, *sampled) + head(features)) / 2
    first = BnnLegacy().predictions(Outputs(features, head(features), head))[0]
    torch.testing.assert_close(first.float(), logits.softmax(dim=-1)[:, 0])


@pytest.mark.parametrize("method", [lambda: McDropout(dropout=0.0), lambda: McDropout(passes=1), lambda: Bnn(passes=1)])
def test_settings_that_leave_nothing_to_compare_are_refused(method: type[Method]) -> None:
    with pytest.raises(OsarbenchError, match="compare"):
        method()
