"""Checks of a backbone."""

import io
from typing import Any

import torch

from osarbench.checks import heads
from osarbench.checks.backbone_case import BackboneCase, same_features
from osarbench.checks.check import CheckFailed, CheckSkipped
from osarbench.checks.score_checks import check_constructor, check_name
from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec


def named(case: BackboneCase) -> None:
    """It has a name fit for commands, folders and tables."""
    check_name(case.cls)


def default_construction(case: BackboneCase) -> str:
    """It can be built without arguments; settings are keyword arguments with defaults, for protocols to set."""
    check_constructor(case.cls)
    return f"{sum(parameter.numel() for parameter in case.built.parameters()) / 1e6:.1f} million parameters"


def clip_is_valid(case: BackboneCase) -> str:
    """Its clip is a ClipSpec of positive sizes, with a test crop that fits the short side and a positive std."""
    clip = getattr(case.built, "clip", None)
    if not isinstance(clip, ClipSpec):
        raise CheckFailed(f"clip is {clip!r}, not an osarbench.ClipSpec.")
    for name in ("segments", "frames", "stride", "short_side", "size", "test_size", "test_clips"):
        if not isinstance(getattr(clip, name), int) or getattr(clip, name) < 1:
            raise CheckFailed(f"clip.{name} is {getattr(clip, name)!r}; it must be 1 or more.")
    if clip.test_size > clip.short_side:
        raise CheckFailed(f"A test crop of {clip.test_size} px is cut from a short side of {clip.short_side} px.")
    if min(clip.std) <= 0 or not 0 <= clip.flip <= 1:
        raise CheckFailed(f"clip.std {clip.std} must be above 0, and clip.flip {clip.flip} a probability.")
    return f"{clip.segments} x {clip.frames} frames of {clip.test_size} px, {clip.views} test views"


def features_have_the_sizes_it_states(case: BackboneCase) -> str:
    """Clips [N, 3, T, H, W] become vectors [N, dim] and maps [N, map_dim, T', H', W'] of finite numbers."""
    vector, maps = case.features
    if tuple(vector.shape) != (2, case.built.dim):
        raise CheckFailed(f"The vectors of 2 clips are {tuple(vector.shape)}, not [N, dim] = (2, {case.built.dim}).")
    if maps.dim() != 5 or tuple(maps.shape[:2]) != (2, case.built.map_dim):
        wanted = f"[N, map_dim, T', H', W'] = (2, {case.built.map_dim}, ...)"
        raise CheckFailed(f"The maps of 2 clips are {tuple(maps.shape)}, not {wanted}.")
    if not (torch.isfinite(vector).all() and torch.isfinite(maps).all()):
        raise CheckFailed("Some features are NaN or infinite.")
    return f"vectors {tuple(vector.shape)}, maps {tuple(maps.shape)} of clips {tuple(case.clips.shape)}"


def clips_are_told_apart(case: BackboneCase) -> None:
    """Different clips get different features."""
    if torch.equal(case.features.vector[0], case.features.vector[1]):
        raise CheckFailed("Two clips of noise get the same vector. Is the input used? Are the clips mixed up?")


def each_clip_alone(case: BackboneCase) -> None:
    """In evaluation a clip's features do not depend on the other clips of the batch."""
    alone = case.run(case.built, case.clips[1:])
    if not same_features(alone, type(alone)(*(part[1:] for part in case.features)), tolerance=1e-3):
        raise CheckFailed("A clip alone gets different features than in a batch: are clips and frames mixed up?")


def same_features_each_time(case: BackboneCase) -> None:
    """In evaluation the same clips get the same features, whatever the random state; the clips stay as they are."""
    clips = case.clips.clone()
    with torch.no_grad(), heads.seeded(4):
        again = case.built(clips)
    if not torch.equal(clips, case.clips):
        raise CheckFailed("forward alters the clips in place. Clone them first.")
    if not same_features(case.features, again):
        raise CheckFailed(
            "The same clips get different features the second time: something is random in evaluation mode."
        )


def any_memory_layout(case: BackboneCase) -> None:
    """Clips and weights in the channels-last layout, as in training, give the same features."""
    from osarbench.model import network as networks  # imports torchvision, which takes seconds

    state = {name: value.clone() for name, value in case.built.state_dict().items() if _real(value)}
    with torch.no_grad():
        networks.channels_last(case.built)
        found = case.built(case.first_clip.contiguous(memory_format=torch.channels_last_3d))
    if not same_features(case.first_features, found, tolerance=1e-3):
        raise CheckFailed("Channels-last clips get different features: use reshape or flatten, not view.")
    if any(not torch.equal(value, case.built.state_dict()[name]) for name, value in state.items()):
        raise CheckFailed("Evaluation alters the weights or the running statistics.")


def gradients_reach_every_parameter(case: BackboneCase) -> None:
    """In training every parameter that requires a gradient gets a finite one."""
    backbone = case.spare.train()
    with heads.seeded(6):
        vector, maps = backbone(case.clips.clone())
        torch.autograd.backward(vector.square().mean() + maps.square().mean())
    trained = [(name, parameter) for name, parameter in backbone.named_parameters() if parameter.requires_grad]
    missed = [name for name, parameter in trained if parameter.grad is None]
    if missed:
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        raise CheckFailed(f"No gradient reaches {', '.join(missed[:3])}{more}. Delete what forward does not use.")
    bad = [name for name, parameter in trained if not torch.isfinite(torch.as_tensor(parameter.grad)).all()]
    if bad:
        raise CheckFailed(f"The gradient of '{bad[0]}' is NaN or infinite.")


def training_mode_and_back(case: BackboneCase) -> None:
    """train() and eval() without a forward pass between them change nothing."""
    found = case.run(case.built.train().eval(), case.first_clip)
    if not same_features(case.first_features, found, tolerance=1e-3):
        raise CheckFailed("After train() and eval() the features are different.")
    if any(module.training for module in case.built.modules()):
        raise CheckFailed("After eval() a part is still in training mode: is it not a registered module?")


def weights_are_saved_and_loaded(case: BackboneCase) -> None:
    """The state dict, read into another backbone, gives the same features; nothing in it needs code to be read."""
    file = io.BytesIO()
    torch.save(case.built.state_dict(), file)
    file.seek(0)
    fresh = case.spare.eval()
    for value in [*fresh.parameters(), *fresh.buffers()]:
        value.data = value.data / 2 if value.is_floating_point() else value.data
    try:
        state: Any = torch.load(file, weights_only=True)
        fresh.load_state_dict(state)
    except Exception as error:
        raise CheckFailed(f"The state dict cannot be read back: {str(error).splitlines()[0]}") from error
    if not same_features(case.first_features, case.run(fresh, case.first_clip), tolerance=1e-3):
        raise CheckFailed(
            "A backbone that was saved and loaded gives different features: register its state as buffers."
        )


def weights_are_real(case: BackboneCase) -> None:
    """A new backbone has finite float32 weights on the CPU that depend on torch's seed alone."""
    for name, parameter in case.built.named_parameters():
        if parameter.device.type != "cpu" or parameter.dtype != torch.float32 or not torch.isfinite(parameter).all():
            raise CheckFailed(
                f"The parameter '{name}' is {parameter.dtype} on '{parameter.device.type}', or not finite."
            )
    second = case.spare.state_dict()
    for name, value in case.built.state_dict().items():
        if _real(value) and not torch.equal(value, second[name]):
            raise CheckFailed(f"With one seed '{name}' is drawn differently twice. Draw it with torch's functions.")


def half_precision_is_finite(case: BackboneCase) -> None:
    """Under bfloat16 autocast, as GPUs run it, the features are finite."""
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        vector, maps = case.built(case.first_clip.clone())
    if not (torch.isfinite(vector).all() and torch.isfinite(maps).all()):
        raise CheckFailed("In bfloat16 some features are NaN or infinite.")


def other_clip_lengths_work_or_are_refused(case: BackboneCase) -> str:
    """A clip of a different length gives features of one clip, or an error that says what is wrong."""
    length = case.built.clip.length + 1
    clip = torch.zeros(1, case.channels, length, case.side, case.side)
    try:
        vector = case.run(case.built, clip).vector
    except (OsarbenchError, RuntimeError, ValueError, AssertionError) as error:
        if not str(error):
            raise CheckFailed(f"{length} frames raise a bare {type(error).__name__}. Say what is wrong.") from error
        return f"{length} frames: {str(error).splitlines()[0]}"
    if tuple(vector.shape) != (1, case.built.dim):
        raise CheckFailed(
            f"One clip of {length} frames becomes {tuple(vector.shape)}, silently. Raise an OsarbenchError instead."
        )
    return f"{length} frames work"


def missing_weights_are_refused(case: BackboneCase) -> str:
    """A weights file that does not exist is an OsarbenchError that names it."""
    try:
        case.built.load_weights("no_such_folder/no_such_file.pth")
    except OsarbenchError as refusal:
        return str(refusal).splitlines()[0]
    raise CheckFailed("load_weights accepts a file that does not exist.")


def auxiliary_branch_has_scalar_terms(case: BackboneCase) -> str:
    """An auxiliary branch, if there is one, makes finite scalar loss terms of features and labels."""
    with heads.seeded(5):
        branch = case.built.auxiliary(5)
    if branch is None:
        raise CheckSkipped("it has no auxiliary branch")
    with heads.seeded(6):
        terms = branch(case.features, torch.tensor([0, 3]))
    for name, term in terms.items():
        if term.shape != () or not torch.isfinite(term):
            raise CheckFailed(f"The term '{name}' is {term}, not a finite scalar tensor.")
    return ", ".join(f"{name} {float(term.detach()):.3g}" for name, term in terms.items())


def _real(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type != "meta"


BASIC = (
    default_construction,
    clip_is_valid,
    features_have_the_sizes_it_states,
    same_features_each_time,
    each_clip_alone,
)
CHECKS = (
    named,
    clips_are_told_apart,
    weights_are_real,
    any_memory_layout,
    training_mode_and_back,
    weights_are_saved_and_loaded,
    half_precision_is_finite,
    other_clip_lengths_work_or_are_refused,
    missing_weights_are_refused,
    gradients_reach_every_parameter,
    auxiliary_branch_has_scalar_terms,
)
