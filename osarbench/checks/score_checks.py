"""Checks of a method's scores: their shape, their direction, and what they say of known classes."""

import inspect

import torch

from osarbench.checks import synthetic
from osarbench.checks.check import CheckFailed
from osarbench.checks.method_case import MethodCase, auroc
from osarbench.interfaces.method import LinearHead, Method
from osarbench.plugins import loading as plugins

LEAST_AUROC = 0.6  #: of unknown against known; the simplest correct scores reach 0.65 to 1


def named(case: MethodCase) -> None:
    """It has a name fit for commands, folders and tables, and its head one that no other head has."""
    check_name(case.cls)
    head = case.cls.head
    if any(getattr(base, "name", None) == head.name for base in head.__mro__[1:]):
        raise CheckFailed(
            f"The head {head.__name__} has the name '{head.name}' of the head that it derives from, and with it its "
            "folder. Give it a name of its own."
        )
    if case.name == plugins.ALL_POSTHOC:
        raise CheckFailed(f"The name '{case.name}' means all post-hoc methods. Rename it.")


def default_construction(case: MethodCase) -> None:
    """It can be made without arguments; settings are keyword arguments with defaults, so that --set reaches them."""
    check_constructor(case.cls)
    case.new()


def signatures(case: MethodCase) -> None:
    """fit, probabilities and uncertainty take what a run hands them and no more: no test label, no path."""
    for name in ("head_settings", "fit", "probabilities", "uncertainty", "diagnostics"):
        own = getattr(case.cls, name)
        wanted = [parameter for parameter in inspect.signature(getattr(Method, name)).parameters if parameter != "self"]
        try:
            inspect.signature(own).bind(*["self", *wanted])
        except TypeError as error:
            taken = ", ".join(inspect.signature(own).parameters)
            raise CheckFailed(
                f"{name}({taken}) cannot be called with ({', '.join(wanted)}), which is all a run hands over: {error}."
            ) from error


def uncertainty_is_one_finite_number(case: MethodCase) -> None:
    """The uncertainty of N videos is a tensor [N] of finite numbers."""
    case.scores(case.fitted(), case.data.test)


def probabilities_sum_to_one(case: MethodCase) -> None:
    """The probabilities of N videos are [N, K], not negative, and sum to 1 for each."""
    case.probabilities(case.fitted(), case.data.test)


def known_classes_are_named(case: MethodCase) -> str:
    """The most probable class is as often the right one as the head's own prediction."""
    probabilities = case.probabilities(case.fitted(), case.data.known)
    labels = case.data.known_labels
    own = float((case.outputs(case.data.known).logits.argmax(dim=1) == labels).double().mean())
    accuracy = float((probabilities.argmax(dim=1) == labels).double().mean())
    if accuracy < min(own, 1.0) - 0.1:
        raise CheckFailed(
            f"Of the known videos {accuracy:.0%} are classified correctly by the probabilities and {own:.0%} by the "
            "head's logits. Are classes shifted by one, or is the sign flipped?"
        )
    return f"accuracy {accuracy:.2f}"


def unknown_is_more_uncertain(case: MethodCase) -> str:
    """Unknown videos are more uncertain than known ones, near and far ones together."""
    first, last = len(case.data.known), len(case.data.known) + len(case.data.near)
    known, near, far = case.reference[:first], case.reference[first:last], case.reference[last:]
    found = auroc(known, torch.cat([near, far]))
    measured = f"AUROC {auroc(known, far):.2f} far, {auroc(known, near):.2f} near"
    if found < LEAST_AUROC:
        hint = "The sign is flipped." if found < 1 - LEAST_AUROC else "The scores do not separate them."
        if len(set(case.reference.tolist())) < 0.5 * len(case.reference):
            hint = f"Of {len(case.reference)} scores only {len(set(case.reference.tolist()))} differ: they saturate."
        raise CheckFailed(f"{measured}, where simple scores reach 0.8 and more. {hint}")
    return measured


def no_known_class_is_taken_for_unknown(case: MethodCase) -> str:
    """The videos of each known class, taken separately, are less uncertain than unknown ones."""
    unknown = case.reference[len(case.data.known) :]
    found = [
        auroc(case.reference[: len(case.data.known)][case.data.known_labels == label], unknown)
        for label in range(synthetic.CLASSES)
    ]
    worst = min(range(synthetic.CLASSES), key=found.__getitem__)
    if found[worst] < 0.5:
        raise CheckFailed(
            f"The known class {worst} is more uncertain than the unknown videos: AUROC {found[worst]:.2f} against "
            f"it, {max(found):.2f} against class {found.index(max(found))}. Is it mistaken for the index of 'unknown'?"
        )
    return f"AUROC {found[worst]:.2f} against the worst class"


def diagnostics_are_finite(case: MethodCase) -> None:
    """diagnostics, if any, are finite numbers by name."""
    with torch.no_grad():
        diagnostics = case.fitted().diagnostics(case.outputs(case.data.test))
    for name, value in diagnostics.items():
        if not isinstance(name, str) or not torch.isfinite(torch.tensor(float(value))):
            raise CheckFailed(f"The diagnostic {name!r} is {value!r}, not a finite number.")


def posthoc_means_a_plain_network(case: MethodCase) -> None:
    """A method marked posthoc scores the features of a standard network: it has the linear head, without settings."""
    settings = case.new().head_settings()
    if case.cls.posthoc and (case.cls.head is not LinearHead or settings):
        raise CheckFailed(
            f"It is marked posthoc but trains the head '{case.cls.head.name}' with {dict(settings)}, so that "
            "--method all-posthoc would train one more network. Leave posthoc out."
        )


def check_name(cls: type) -> None:
    """Raise a `CheckFailed` if a plugin class has no name, or one that is unfit for a command or a folder."""
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise CheckFailed(f"The class {cls.__name__} has no name. Give it a `name = '...'`.")
    if plugins.NAME.fullmatch(name) is None:
        raise CheckFailed(f"The name '{name}' has other characters than letters, digits, _ and -.")


def check_constructor(cls: type, *, first: str | None = None) -> None:
    """Raise a `CheckFailed` for a constructor parameter without default, or one that is not keyword-only.

    ``first`` names the one positional parameter that it must have.
    """
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.name == first or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if parameter.default is parameter.empty:
            raise CheckFailed(f"The setting '{parameter.name}' has no default.")
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise CheckFailed(
                f"The setting '{parameter.name}' is not keyword-only, so no command can set it. Put a `*` before it."
            )


CHECKS = (
    named,
    known_classes_are_named,
    unknown_is_more_uncertain,
    no_known_class_is_taken_for_unknown,
    diagnostics_are_finite,
    posthoc_means_a_plain_network,
)
