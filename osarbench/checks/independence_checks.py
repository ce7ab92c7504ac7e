"""Checks of a method's independence: of the other videos of a batch, of earlier calls, of global state.

They catch a method that learns from test videos. It is given nothing but known training videos with their labels, and
later test videos without labels; whatever it learns from the test videos shows when these are scored in other batches,
in another order, one at a time, or twice. What else a process can do (read files, walk the stack) is out of scope.
"""

import copy
import random

import numpy as np
import torch
from torch import Tensor

from osarbench.checks import heads, synthetic
from osarbench.checks.check import CheckFailed
from osarbench.checks.method_case import MethodCase, same
from osarbench.interfaces.method import FewShotMethod, Outputs

DIFFERS = "the score of a video must depend on that video and the training videos alone."


def inputs_stay_as_they_are(case: MethodCase) -> None:
    """Fitting and scoring alter neither features nor logits, labels or head."""
    data, method = case.data, case.new()
    stages = [("fit", data.train), ("scoring", data.test)]
    if isinstance(method, FewShotMethod):
        stages.insert(1, ("fit_shots", data.shots))
    for what, features in stages:
        outputs, labels = case.outputs(features), data.train_labels.clone()
        before = copy.deepcopy(outputs)
        if what == "fit":
            method.fit(outputs, labels)
        elif isinstance(method, FewShotMethod) and what == "fit_shots":
            method.fit_shots(outputs)
        else:
            with torch.no_grad():
                method.probabilities(outputs)
                method.uncertainty(outputs)
                method.diagnostics(outputs)
        _compare(what, before, outputs)
        if not torch.equal(labels, data.train_labels):
            raise CheckFailed(f"{what} alters the labels in place. Clone them first.")


def _compare(what: str, before: Outputs, after: Outputs) -> None:
    for name in ("view_features", "view_logits"):
        if not torch.equal(getattr(before, name), getattr(after, name)):
            raise CheckFailed(f"{what} alters {name} in place, which other methods share. Clone them first.")
    old = before.head.state_dict()
    for name, value in after.head.state_dict().items():
        if name not in old or not torch.equal(torch.as_tensor(old[name]), torch.as_tensor(value)):
            raise CheckFailed(f"{what} alters '{name}' of the head, which other methods share. Deep-copy the head.")
    if after.head.training:
        raise CheckFailed(f"{what} leaves the head in training mode. Call eval() when done, or copy the head.")
    if any(parameter.grad is not None for parameter in after.head.parameters()):
        raise CheckFailed(f"{what} leaves gradients on the head's parameters. Use torch.autograd.grad, or a copy.")


def same_scores_each_time(case: MethodCase) -> None:
    """Two instances give the same scores whatever the global random state, and so does one instance twice."""
    with heads.seeded(11):
        first = case.fit(case.data)
        once = case.scores(first, case.data.test)
    with heads.seeded(12):
        second = case.scores(case.fit(case.data), case.data.test)
        again = case.scores(first, case.data.test)
    if not same(once, second):
        raise CheckFailed(
            "Two instances that were fitted on the same videos differ. Draw random numbers from a seeded generator: "
            "torch.Generator().manual_seed(seed)."
        )
    if not same(once, again):
        raise CheckFailed("The same videos get different scores the second time: scoring changes the method.")


def global_state_stays_as_it_is(case: MethodCase) -> None:
    """Fitting and scoring leave the global random generators and torch's settings as they were."""
    with heads.seeded(21):
        before = _global_state()
        method = case.fit(case.data)
        case.probabilities(method, case.data.test)
        case.scores(method, case.data.test)
        after = _global_state()
    for name, value in after.items():
        if value != before[name]:
            raise CheckFailed(
                f"It changes {name}, on which other plugins and trainings depend. Use a generator of your own."
            )


def _global_state() -> dict[str, object]:
    return {
        "torch's random state": torch.get_rng_state().tolist(),
        "numpy's random state": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "Python's random state": random.getstate(),
        "torch's default type": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "whether torch tracks gradients": torch.is_grad_enabled(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
    }


def fit_twice_is_fit_once(case: MethodCase) -> None:
    """Fitting again on the same videos changes no score."""
    method = case.fitted()
    case.learn(method, case.data)
    if not same(case.scores(method, case.data.test), case.reference):
        raise CheckFailed("A second fit changes scores: fit adds to what it learnt before. Reset its state in fit.")


def instances_share_nothing(case: MethodCase) -> None:
    """Fitting another instance on other videos leaves this one as it is."""
    method, other = case.fitted(), case.new()
    case.learn(other, case.data._replace(train=2 * case.data.train.flip(0) + 1, shots=2 * case.data.shots + 1))
    if not same(case.scores(method, case.data.test), case.reference):
        raise CheckFailed("Fitting another instance changes scores. Keep what is learnt on self, not on the class.")


def any_order(case: MethodCase) -> None:
    """Videos in another order get the same scores."""
    order = torch.randperm(len(case.data.test), generator=torch.Generator().manual_seed(2))
    found = case.scores(case.fitted(), case.data.test[order])
    if not same(found, case.reference[order]):
        raise CheckFailed(f"Scores change with the order of the videos; {DIFFERS}")


def any_subset(case: MethodCase) -> None:
    """A subset of the videos, some of them listed twice, gets the same scores."""
    chosen = torch.tensor([3, 3, 17, 40, 41, 58, 3])
    _expect(case, case.data.test[chosen], case.reference[chosen], "in a small batch than in the whole")


def one_at_a_time(case: MethodCase) -> None:
    """Videos scored one by one get the same scores and probabilities as together."""
    method, some = case.fitted(), [0, 25, 52, 75]
    together = case.probabilities(method, case.data.test)[some]
    alone = torch.cat([case.scores(method, case.data.test[[position]]) for position in some])
    apart = torch.cat([case.probabilities(method, case.data.test[[position]]) for position in some])
    if not same(alone, case.reference[some], scale=case.reference):
        raise CheckFailed(f"A video alone gets a different score than in a batch; {DIFFERS}")
    if not torch.allclose(apart, together, atol=1e-4):
        raise CheckFailed("A video alone gets different probabilities than in a batch.")


def known_and_unknown_apart(case: MethodCase) -> None:
    """Known videos scored without the unknown ones, and unknown without known, get the same scores as together."""
    known = len(case.data.known)
    _expect(case, case.data.test[:known], case.reference[:known], "without the unknown videos than with them")
    _expect(case, case.data.test[known:], case.reference[known:], "without the known videos than with them")


def nothing_is_remembered_of_scored_videos(case: MethodCase) -> None:
    """Videos scored earlier change neither later scores nor a later fit: no statistics of test videos are kept."""
    data, known = case.data, len(case.data.known)
    method = case.fitted()
    case.scores(method, 3 * data.far)
    case.probabilities(method, 3 * data.far)
    if not same(case.scores(method, data.known), case.reference[:known], scale=case.reference):
        raise CheckFailed(
            "Known videos get different scores after unknown ones were scored: test videos are remembered."
        )
    method = case.fitted()
    case.scores(method, data.test)
    case.probabilities(method, data.test)
    case.learn(method, data)
    if not same(case.scores(method, data.test), case.reference):
        raise CheckFailed("fit after scoring learns something different from fit alone: test videos are remembered.")


def shots_are_learnt_from(case: MethodCase) -> None:
    """A few-shot method learns from its shots, in any order; a method of another kind asks for none."""
    if not issubclass(case.cls, FewShotMethod):
        if hasattr(case.cls, "fit_shots"):
            raise CheckFailed("It has fit_shots, which is never called. Derive it from FewShotMethod.")
        return
    data = case.data
    turned = case.scores(case.fit(data._replace(shots=data.shots.flip(0))), data.test)
    if not same(turned, case.reference):
        raise CheckFailed("Scores change with the order of the shots.")
    other = case.scores(case.fit(data._replace(shots=data.train[:10])), data.test)
    if same(other, case.reference):
        raise CheckFailed("Shots of other videos change no score, so it is no few-shot method.")


def one_view_or_several(case: MethodCase) -> str:
    """It works with one view of each video as well as with several."""
    data = synthetic.synthetic_data(views=1)
    method = case.fit(data)
    known, near, far = (case.scores(method, features) for features in (data.known, data.near, data.far))
    case.probabilities(method, data.known)
    return f"with one view: known {known.median():.3g}, near {near.median():.3g}, far {far.median():.3g}"


def _expect(case: MethodCase, features: Tensor, expected: Tensor, difference: str) -> None:
    found = case.scores(case.fitted(), features)
    if not same(found, expected, scale=case.reference):
        worst = int((found - expected).abs().argmax())
        raise CheckFailed(
            f"A video has the uncertainty {found[worst]:.4g} instead of {expected[worst]:.4g} {difference}; {DIFFERS}"
        )


CHECKS = (
    same_scores_each_time,
    global_state_stays_as_it_is,
    fit_twice_is_fit_once,
    instances_share_nothing,
    any_order,
    any_subset,
    one_at_a_time,
    known_and_unknown_apart,
    nothing_is_remembered_of_scored_videos,
    shots_are_learnt_from,
    one_view_or_several,
)
