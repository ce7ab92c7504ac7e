"""PSL: its loss term by term, what it asks of the backbone, and its distance against scikit-learn's."""

import math

import clusters
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.covariance import EmpiricalCovariance
from torch import Tensor

from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.method import Outputs, Progress
from osarbench_plugins.methods._similarity import PslHead, similarity_loss
from osarbench_plugins.methods.psl import Psl

LABELS = torch.tensor([0, 1, 0, 2])
TARGETS = {"temperature": 0.2, "similarity": 0.8, "shuffled_similarity": 0.6}


def unit(count: int, dim: int = 5, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def loss_of_one(video: int, clips: Tensor, shuffled: Tensor | None, prototypes: Tensor) -> float:
    """The formula of the published loss for one video, in loops."""
    own = 1 - abs(float(clips[video] @ prototypes[LABELS[video]]) - 0.8)
    parts = [float(clips[video] @ prototypes[k]) for k in range(3) if k != LABELS[video]]
    for other in range(4):
        similarity = float(clips[video] @ clips[other])
        if LABELS[other] != LABELS[video]:
            parts.append(similarity)
        elif other != video:
            parts.append(abs(similarity - 0.8))
    if shuffled is not None:
        parts.append(abs(float(clips[video] @ shuffled[video]) - 0.6))
    return -math.log(math.exp(own / 0.2) / sum(math.exp(part / 0.2) for part in [own, *parts]))


@pytest.mark.parametrize("with_shuffled", [True, False])
def test_the_loss_is_the_published_formula(with_shuffled: bool) -> None:
    clips, prototypes = unit(4), unit(3, seed=1)
    shuffled = unit(4, seed=2) if with_shuffled else None
    found = similarity_loss(clips, shuffled, clips @ prototypes.T, LABELS, **TARGETS)
    expected = np.mean([loss_of_one(video, clips, shuffled, prototypes) for video in range(4)])
    assert found.item() == pytest.approx(expected, rel=1e-5)


class Recording(Backbone):
    """Takes the frame at each time as a feature, and keeps what it was given."""

    name = "recording"
    dim = map_dim = 6

    def forward(self, clips: Tensor) -> Features:
        self.clips = clips
        maps = clips.mean(dim=1, keepdim=True).transpose(1, 2)  # [N, T, 1, H, W]
        return Features(maps.mean(dim=(2, 3, 4)), maps)


def test_clips_and_the_same_clips_in_another_order_of_frames_are_one_batch() -> None:
    torch.manual_seed(0)
    backbone, head = Recording(), PslHead(6, 6, 3, hidden=8, embedding=4)
    clips = torch.randn(4, 3, 6, 2, 2)
    logits, terms = head.clip_loss(backbone, clips, LABELS, Progress(0, 4, 0))
    assert torch.equal(backbone.clips[:4], clips)
    shuffled = backbone.clips[4]
    order = [next(old for old in range(6) if torch.equal(clips[0, :, old], shuffled[:, new])) for new in range(6)]
    assert sorted(order) == list(range(6)) != order
    assert torch.equal(backbone.clips[4:], clips[:, :, order])
    assert logits.shape == (4, 3)
    assert set(terms) == {"loss_cls"}
    terms["loss_cls"].backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_training_draws_similarity_to_its_target_and_not_to_one() -> None:
    world, method = clusters.make(), Psl(similarity=0.5, hidden=32, embedding=16)
    head = clusters.train(method, world, steps=300)
    with torch.no_grad():
        similarity = (head(world.train) * 0.2).gather(1, world.train_labels[:, None])
    assert similarity.mean().item() == pytest.approx(0.5, abs=0.05)


def test_the_score_is_scikit_learns_mahalanobis_distance() -> None:
    torch.manual_seed(0)
    head = PslHead(6, 6, 3, hidden=8, embedding=4).eval()
    train, test = torch.randn(200, 1, 6), torch.randn(30, 1, 6)
    method = Psl()
    with torch.no_grad():
        method.fit(Outputs(train, head(train[:, 0])[:, None], head), torch.zeros(200, dtype=torch.long))
        found = method.uncertainty(Outputs(test, head(test[:, 0])[:, None], head))
        known, videos = (head.embed(features[:, 0]).double().numpy() for features in (train, test))
    expected = EmpiricalCovariance().fit(known).mahalanobis(videos)  # which no affine map changes
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_directions_that_training_never_takes_do_not_blow_up_the_score() -> None:
    head = PslHead(6, 6, 3, hidden=8, embedding=64).eval()
    train = torch.randn(20, 1, 6)  # fewer videos than dimensions
    method = Psl()
    with torch.no_grad():
        outputs = Outputs(train, head(train[:, 0])[:, None], head)
        method.fit(outputs, torch.zeros(20, dtype=torch.long))
        assert method.uncertainty(outputs).mean().item() == pytest.approx(6, abs=14)
