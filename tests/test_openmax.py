"""OpenMax: its tail against libMR and SciPy, its revised logits by hand, and what it makes of few videos."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from osarbench.errors import OsarbenchError
from osarbench.interfaces.method import LinearHead, Outputs
from osarbench_plugins.methods._openmax import Tail, eucos, fit_tail, revise
from osarbench_plugins.methods.openmax import Openmax, OpenmaxLegacy

#: libMR's fit_high (tail size 20) and w_score on the distances .30, .31, ..., .49, from the compiled library.
LIBMR = {
    0.20: 0.013589, 0.25: 0.035078, 0.30: 0.088980, 0.35: 0.215892, 0.40: 0.469917, 0.45: 0.809191, 0.50: 0.986740,
    0.55: 0.999987,
}  # fmt: skip
LABELS = torch.arange(3).repeat_interleave(30)


def clusters(*, each: int = 30, shift: float = 0.0, seed: int = 0) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    centres = 8 * torch.eye(3, 6) + shift * torch.eye(3, 6).roll(3, dims=1)
    features = centres.repeat_interleave(each, dim=0) + torch.rand(3 * each, 6, generator=generator)
    head = LinearHead(6, 6, 3).eval().requires_grad_(False)
    head.fc.weight.copy_(torch.eye(3, 6))
    return Outputs(features[:, None], head(features)[:, None], head)


def fitted(**settings: int) -> Openmax:
    method = Openmax(**settings)
    method.fit(clusters(), LABELS)
    return method


def test_the_tail_agrees_with_libmr_to_four_digits() -> None:
    location, scale = fit_tail(torch.arange(30, 50) / 100)
    assert (location, scale) == pytest.approx((0.423694, 0.052123), abs=1e-6)
    tail = Tail(torch.tensor(location), torch.tensor(scale))
    for distance, weight in LIBMR.items():
        assert float(tail.weight(torch.tensor(distance).double())) == pytest.approx(weight, abs=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_tail_is_scipys_and_that_of_a_weibull_distribution_far_away(seed: int) -> None:
    distances = np.sort(np.random.default_rng(seed).gamma(2.0, 0.1, 60))[-20:]
    location, scale = fit_tail(torch.from_numpy(distances))
    assert (location, scale) == pytest.approx(stats.gumbel_l.fit(distances), abs=2e-4)
    shape, _, size = stats.weibull_min.fit(distances + 10000 - distances.min(), floc=0)
    theirs = stats.weibull_min.cdf(distances + 10000 - distances.min(), shape, scale=size)
    ours = Tail(torch.tensor(location), torch.tensor(scale)).weight(torch.from_numpy(distances))
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-3)


def test_a_fitted_tail_has_no_likelier_neighbour() -> None:
    distances = np.array([0.5, 0.52, 0.6, 0.61, 0.8])
    location, scale = fit_tail(torch.from_numpy(distances))
    best = stats.gumbel_l.logpdf(distances, location, scale).sum()
    for other in [
        (location + 1e-3, scale),
        (location - 1e-3, scale),
        (location, scale + 1e-3),
        (location, scale - 1e-3),
    ]:
        assert stats.gumbel_l.logpdf(distances, *other).sum() < best


def test_eucos_by_hand() -> None:
    found = eucos(torch.tensor([[3.0, 4.0]]).double(), torch.tensor([[6.0, 8.0], [-4.0, 3.0]]).double())
    assert found[0].tolist() == pytest.approx([5 / 200 + 0, math.sqrt(50) / 200 + 1])


def test_only_the_largest_logit_gives_to_the_unknown_class() -> None:
    revised = revise(torch.tensor([[4.0, 1.0, -2.0]]), torch.tensor([[0.25, 0.9, 0.9]]))
    assert revised.tolist() == [[3.0, 1.0, -2.0, 1.0]]


def test_uncertainty_is_the_probability_of_the_unknown_class() -> None:
    method, given = fitted(), clusters(shift=9, seed=1)
    weights = method.tails.weight(eucos(given.features.double(), method.means)).numpy()
    for position in (0, 40, 80):
        logits = given.logits[position].double().numpy()
        best = logits.argmax()
        revised = logits.copy()
        revised[best] -= logits[best] * weights[position, best]
        powers = np.exp([*revised, logits[best] * weights[position, best]])
        assert float(method.uncertainty(given)[position]) == pytest.approx(powers[-1] / powers.sum())


def test_predictions_are_the_networks() -> None:
    given = clusters(shift=9)
    probabilities = fitted().probabilities(given)
    torch.testing.assert_close(probabilities, given.view_logits[:, 0].double().softmax(dim=1))


def test_the_means_are_of_videos_the_network_is_right_about() -> None:
    given, labels = clusters(), LABELS.clone()
    labels[0] = 1  # a video of class 0 that is said to be of class 1, which the network denies
    method = Openmax()
    method.fit(given, labels)
    torch.testing.assert_close(method.means[1], given.features[30:60].double().mean(dim=0))


def test_a_class_the_network_is_never_right_about_keeps_all_its_videos() -> None:
    given, labels = clusters(), LABELS.clone()
    labels[:30], labels[30:60] = 1, 0
    method = Openmax()
    method.fit(given, labels)
    torch.testing.assert_close(method.means[1], given.features[:30].double().mean(dim=0))


def test_the_legacy_score_is_a_decision() -> None:
    method = OpenmaxLegacy()
    method.fit(clusters(), LABELS)
    known, unknown = method.uncertainty(clusters(seed=2)), method.uncertainty(clusters(shift=9, seed=3))
    assert set(known.tolist()) | set(unknown.tolist()) <= {0.0, 1.0}
    opened = method.open_probabilities(clusters(shift=9, seed=3))
    assert torch.equal(unknown == 1, opened.argmax(dim=1) == 3)
    assert unknown.mean() > known.mean()


def test_a_tail_is_at_most_a_third_of_a_class() -> None:
    own = eucos(clusters().features[:30].double(), fitted().means[:1])[:, 0]
    location, scale = fit_tail(own.topk(10).values)
    found = fitted(tail=20).tails
    assert (float(found.location[0]), float(found.scale[0])) == pytest.approx((location, scale))


def test_equal_training_videos_of_a_class_are_refused_with_its_number_and_count() -> None:
    given = clusters()
    given.view_features[30:60] = given.view_features[30]
    with pytest.raises(OsarbenchError, match=r"class number 1 \(the first is 0\) has 30 training videos, too few that"):
        Openmax().fit(given, LABELS)
