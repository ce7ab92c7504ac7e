"""What every method with a training of its own must do: learn from synthetic data, and pass the checks of a head."""

from collections.abc import Mapping

import clusters
import pytest
import torch
from torch import Tensor

from osarbench.interfaces.backbone import Features
from osarbench.interfaces.method import Head, Method, Outputs, Progress
from osarbench.plugins import loading as plugins

NAMES = (
    "mc_dropout", "bnn", "bnn_legacy", "edl", "edl_euc", "dear", "dear_legacy", "dear_corrected", "ced", "ced_head",
    "ced_legacy", "rpl", "rpl_legacy", "gcpl", "arpl", "cac", "psl", "redl", "re_edl", "logitnorm",
)  # fmt: skip
METHODS = plugins.load(("methods",)).methods
LABELS = torch.tensor([0, 1, 3, 0, 1])  # of four classes, one of which is missing
PROGRESS = Progress(epoch=1, epochs=4, step=10)


@pytest.fixture(params=NAMES)
def method(request: pytest.FixtureRequest) -> Method:
    instance: Method = METHODS[request.param]()
    return instance


def head_of(method: Method, seed: int = 0) -> Head:
    torch.manual_seed(seed)
    return method.head(6, 6, 4, **method.head_settings())


def features(count: int = 5) -> Features:
    maps = torch.randn(count, 6, 4, 4, 4, generator=torch.Generator().manual_seed(2)).relu()
    return Features(maps.mean(dim=(2, 3, 4)), maps)


def outputs(head: Head, videos: int = 12, views: int = 3) -> Outputs:
    vectors = torch.randn(videos, views, 6, generator=torch.Generator().manual_seed(4)).relu()
    with torch.no_grad():
        return Outputs(vectors, head.eval()(vectors.flatten(0, 1)).unflatten(0, (videos, views)), head)


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def test_known_videos_are_recognised_and_unknown_ones_stand_out(method: Method) -> None:
    result = clusters.result(method, steps=100)
    assert result.accuracy > 0.95
    assert result.between > 0.85
    assert result.apart > 0.9


def test_gradients_reach_every_parameter(method: Method) -> None:
    head = head_of(method)
    logits, terms = head.loss(features(), LABELS, PROGRESS)
    total(terms).backward()
    assert logits.shape == (5, 4)
    assert [name for name, parameter in head.named_parameters() if parameter.grad is None] == []
    assert all(term.shape == () for term in terms.values())


@pytest.mark.parametrize("count", [1, 5])
def test_losses_and_gradients_in_half_precision_are_finite(method: Method, count: int) -> None:
    head, batch = head_of(method), features(count)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits, terms = head.loss(Features(batch.vector.bfloat16(), batch.maps), LABELS[:count], PROGRESS)
    total(terms).backward()
    assert logits.isfinite().all()
    assert total(terms).isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters() if parameter.grad is not None)


def test_a_resumed_training_goes_on_as_the_unbroken_one(method: Method) -> None:
    head = head_of(method)
    head.loss(features(), LABELS, PROGRESS)
    resumed = head_of(method, seed=1)
    resumed.load_state_dict(head.state_dict())
    random = torch.get_rng_state()  # which a checkpoint keeps
    mine = head.loss(features(), LABELS, PROGRESS)[1]
    torch.set_rng_state(random)
    theirs = resumed.loss(features(), LABELS, PROGRESS)[1]
    assert {name: term.item() for name, term in mine.items()} == {name: term.item() for name, term in theirs.items()}


def test_a_saved_head_gives_the_same_logits(method: Method) -> None:
    head, other = head_of(method), head_of(method, seed=1)
    head.strip()
    other.strip()
    other.load_state_dict(head.state_dict())
    assert torch.equal(outputs(head).view_logits, outputs(other).view_logits)


def test_probabilities_sum_to_one_and_each_video_stands_alone(method: Method) -> None:
    head = head_of(method)
    everything = outputs(head)
    order = torch.tensor([7, 2, 5])
    some = Outputs(everything.view_features[order], everything.view_logits[order], head)
    with torch.no_grad():
        method.fit(everything, torch.arange(12) % 3)
        probabilities, uncertainty = method.probabilities(everything), method.uncertainty(everything)
        torch.testing.assert_close(method.uncertainty(some), uncertainty[order], rtol=1e-5, atol=1e-12)
    assert probabilities.shape == (12, 4)
    assert uncertainty.shape == (12,)
    assert uncertainty.isfinite().all()
    torch.testing.assert_close(probabilities.double().sum(dim=1), torch.ones(12, dtype=torch.float64))


def test_a_head_is_named_for_its_training_alone(method: Method) -> None:
    others = [METHODS[name]() for name in NAMES]
    same = {
        other.name for other in others if (other.head, other.head_settings()) == (method.head, method.head_settings())
    }
    assert same in ({method.name}, {"bnn", "bnn_legacy"})
    assert {other.head for other in others if other.head.name == method.head.name} == {method.head}
