"""Checks of the loss of a method's head: terms, gradients, precision, odd batches, clips."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from osarbench.checks import heads, synthetic
from osarbench.checks.check import CheckFailed
from osarbench.checks.method_case import MethodCase
from osarbench.interfaces.backbone import Backbone, Features
from osarbench.interfaces.clip import ClipSpec
from osarbench.interfaces.method import Head


def loss_is_scalar_terms(case: MethodCase) -> str:
    """The loss is logits [N, K] and finite scalar terms by name; features and labels stay as they are."""
    head = heads.build(case.new()).train()
    features, labels, progress = heads.batch(0)
    before = [part.clone() for part in (*features, labels)]
    with heads.seeded(1):
        terms = _checked(head.loss(features, labels, progress), clips=len(labels))
    if not all(torch.equal(old, new) for old, new in zip(before, (*features, labels), strict=True)):
        raise CheckFailed("The loss alters features or labels in place. Clone them first.")
    return ", ".join(f"{name} {float(term.detach()):.3g}" for name, term in terms.items())


def gradients_reach_every_parameter(case: MethodCase) -> None:
    """Every parameter of the head gets a non-zero gradient in the course of training."""
    head = heads.build(case.new()).train()
    reached: set[str] = set()
    for step in (0, 1, heads.STEPS // 2, heads.STEPS - 1):
        head.zero_grad()
        with heads.seeded(step):
            terms = [head.loss(*heads.batch(step))[1], _terms_of_clips(head, step)]
            torch.autograd.backward([heads.objective(each) for each in terms])
        _refuse_infinite_gradients(head, f"at step {step}")
        reached |= {name for name, parameter in head.named_parameters() if _non_zero(parameter.grad)}
    missed = [name for name, parameter in head.named_parameters() if parameter.requires_grad and name not in reached]
    if missed:
        raise CheckFailed(
            f"No gradient reaches {', '.join(missed)}: the loss does not use what is computed with it, or uses another "
            "variable. If it is meant to stay fixed, make it a buffer or set requires_grad to False."
        )


def half_precision_trains(case: MethodCase) -> None:
    """Under bfloat16 autocast, as GPUs train, the loss of bfloat16 features and its gradients are finite."""
    head = heads.build(case.new()).train()
    features, labels, progress = heads.batch(0)
    half = Features(*(part.bfloat16() for part in features))
    with heads.seeded(1), torch.autocast("cpu", dtype=torch.bfloat16):
        terms = _checked(head.loss(half, labels, progress), clips=len(labels))
    torch.autograd.backward(heads.objective({name: term.float() for name, term in terms.items()}))
    _refuse_infinite_gradients(head, "in half precision")


def odd_batches_have_a_loss(case: MethodCase) -> None:
    """Batches that lack classes, or hold one class only, have a finite loss and finite gradients."""
    for chosen in ((0, 0, 0, 0), (1, 2, 1, 2), tuple(range(synthetic.CLASSES))):
        head = heads.build(case.new()).train()
        vectors = torch.stack([case.data.train[20 * label + row, 0] for row, label in enumerate(chosen)])
        features, labels = synthetic.clips_features(vectors), torch.tensor(chosen)
        with heads.seeded(1):
            terms = _checked(head.loss(features, labels, heads.progress(0)), clips=len(labels))
        torch.autograd.backward(heads.objective(terms))
        for name, parameter in head.named_parameters():
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                raise CheckFailed(f"A batch of the classes {chosen} gives '{name}' a gradient of NaN or infinity.")


def clips_train_the_backbone(case: MethodCase) -> None:
    """clip_loss takes clips through the backbone and sends gradients back to it."""
    head, backbone, (clips, labels) = heads.build(case.new()).train(), _Small(), _clips()
    with heads.seeded(1):
        terms = _checked(head.clip_loss(backbone, clips, labels, heads.progress(1)), clips=len(labels))
        torch.autograd.backward(heads.objective(terms))
    if backbone.conv.weight.grad is None or not torch.isfinite(backbone.conv.weight.grad).all():
        raise CheckFailed("No gradient, or none that is finite, reaches the backbone.")
    if not torch.equal(clips, _clips()[0]):
        raise CheckFailed("clip_loss alters the clips in place. Clone them first.")


def _terms_of_clips(head: Head, step: int) -> Mapping[str, Tensor]:
    """Return the loss terms of clips, for parameters that only `Head.clip_loss` uses."""
    return head.clip_loss(_Small(), *_clips(), heads.progress(step))[1]


def _clips() -> tuple[Tensor, Tensor]:
    """Return clips [10, 3, 4, 8, 8] of noise and labels [10]."""
    clips = torch.randn(10, 3, synthetic.FRAMES, 8, 8, generator=torch.Generator().manual_seed(1))
    return clips, torch.arange(10) % synthetic.CLASSES


def _refuse_infinite_gradients(head: Head, where: str) -> None:
    for name, parameter in head.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            raise CheckFailed(f"The gradient of '{name}' is NaN or infinite {where}.")


def _non_zero(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())


class _Small(Backbone):
    """A backbone of one convolution and one linear layer."""

    name = "small"
    clip = ClipSpec(frames=synthetic.FRAMES, size=8, test_size=8)
    dim, map_dim = synthetic.DIM, synthetic.MAP_DIM

    def __init__(self) -> None:
        super().__init__()
        with heads.seeded(2):
            self.conv = nn.Conv3d(3, self.map_dim, 3, stride=(1, 2, 2), padding=1)
            self.widen = nn.Linear(self.map_dim, self.dim)

    def forward(self, clips: Tensor) -> Features:
        maps = self.conv(clips).relu()
        return Features(self.widen(maps.mean(dim=(2, 3, 4))).relu(), maps)


def _checked(found: Any, *, clips: int) -> Mapping[str, Tensor]:
    """Return the terms, if logits and terms are what `Head.loss` returns."""
    if not isinstance(found, tuple) or len(found) != 2:
        raise CheckFailed(f"The loss returns {type(found).__name__}, not two values: logits, and terms by name.")
    logits: Tensor = found[0]
    terms: Mapping[str, Tensor] = found[1]
    if tuple(logits.shape) != (clips, synthetic.CLASSES):
        raise CheckFailed(
            f"The loss returns logits {tuple(logits.shape)}, not [N, K] = ({clips}, {synthetic.CLASSES})."
        )
    bad = next(_bad_terms(terms), None)
    if bad is not None:
        raise CheckFailed(bad)
    return terms


def _bad_terms(terms: Mapping[str, Tensor]) -> Iterator[str]:
    if not isinstance(terms, Mapping) or not terms:
        yield f"The loss returns {type(terms).__name__} instead of terms by name."
        return
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.shape != ():
            yield f"The term '{name}' is {tuple(getattr(term, 'shape', ()))}, not a scalar tensor. Take its mean."
        elif not torch.isfinite(term):
            yield f"The term '{name}' is {float(term.detach())}."
    if not any(term.requires_grad for term in terms.values()):
        yield "No term of the loss has a gradient: is something detached?"


CHECKS = (
    gradients_reach_every_parameter,
    half_precision_trains,
    clips_train_the_backbone,
)
