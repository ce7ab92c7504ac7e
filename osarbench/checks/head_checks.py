"""Checks of a method's head: settings, logits, files, devices."""

import inspect
import io
import json
from typing import Any

import torch
from torch import Tensor

from osarbench.checks import heads, synthetic
from osarbench.checks.check import CheckFailed
from osarbench.checks.method_case import MethodCase
from osarbench.interfaces.method import Head


def head_is_built_from_its_settings(case: MethodCase) -> str:
    """head_settings names keyword arguments of the head that differ from its defaults, and the head can be built."""
    method = case.new()
    if not (isinstance(method.head, type) and issubclass(method.head, Head)):
        raise CheckFailed(f"head is {method.head!r}; it must be a subclass of osarbench.Head.")
    if not isinstance(getattr(method.head, "name", None), str):
        raise CheckFailed(f"The head {method.head.__name__} has no name, which its folder needs. Give it one.")
    settings, parameters = method.head_settings(), inspect.signature(method.head).parameters
    for name, value in settings.items():
        if name in parameters and parameters[name].default == value:
            raise CheckFailed(
                f"head_settings names {name} = {value!r}, the default. Name only what differs: methods with the same "
                "settings share one trained network."
            )
    try:
        json.dumps(dict(settings))
    except TypeError as error:
        raise CheckFailed(f"head_settings {dict(settings)} cannot be written to a manifest: {error}.") from error
    heads.build(method)
    return f"{method.head.name} {dict(settings) or ''}".strip()


def head_starts_from_the_seed(case: MethodCase) -> None:
    """The initial weights of the head depend on torch's seed alone."""
    first, second = (heads.build(case.new()).state_dict() for _ in range(2))
    for name, value in first.items():
        if not torch.equal(torch.as_tensor(value), torch.as_tensor(second[name])):
            raise CheckFailed(f"With one seed '{name}' is drawn differently twice. Draw it with torch's functions.")


def head_gives_each_video_its_logits(case: MethodCase) -> None:
    """In evaluation the head maps vectors [N, D] to logits [N, K], each vector by itself, the same each time."""
    head, vectors = case.head(), case.data.test[:, 0].clone()
    logits = _logits(head, vectors)
    if not torch.equal(vectors, case.data.test[:, 0]):
        raise CheckFailed("The head alters its input in place.")
    if tuple(logits.shape) != (len(vectors), synthetic.CLASSES) or not torch.isfinite(logits).all():
        raise CheckFailed(f"The logits are {tuple(logits.shape)} or not finite, not [N, K] of finite numbers.")
    if not torch.equal(logits, _logits(head, vectors)):
        raise CheckFailed(
            "The same vectors get different logits the second time: something is random in evaluation mode."
        )
    if not torch.allclose(logits[:3], _logits(head, vectors[:3]), atol=1e-4, rtol=1e-4):
        raise CheckFailed("The logits of a vector depend on the other vectors of the batch.")


def head_learns_the_classes(case: MethodCase) -> str:
    """A few steps on synthetic data lower the loss, and the head is right on most known videos."""
    _, before, after = heads.trained(case.new())
    logits = _logits(case.head(), case.data.known[:, 0])
    accuracy = float((logits.argmax(dim=1) == case.data.known_labels).double().mean())
    measured = f"loss {before:.3g} to {after:.3g}, accuracy {accuracy:.2f}"
    if not after < before or accuracy < 0.8:
        raise CheckFailed(f"After {heads.STEPS} steps: {measured}. The classes are easy to tell apart.")
    return measured


def head_is_saved_and_loaded(case: MethodCase) -> None:
    """The state dict, read into a new head, gives the same logits; nothing in it needs code to be read."""
    head, method = case.head(), case.new()
    fresh = heads.build(method, seed=9)
    fresh.strip()
    _round_trip(head, fresh)
    vectors = case.data.test[:, 0]
    if not torch.equal(_logits(head, vectors), _logits(fresh.eval(), vectors)):
        raise CheckFailed(
            "A head that was saved and loaded gives different logits: register what it needs as a buffer."
        )


def training_is_resumed(case: MethodCase) -> None:
    """Training that is saved, loaded and resumed has the loss of uninterrupted training."""
    method = case.new()
    head, fresh = heads.build(method), heads.build(method, seed=9)
    heads.train(head, steps=4)
    _round_trip(head, fresh.train())
    losses = []
    for each in (head, fresh):
        with heads.seeded(5):
            losses.append(float(heads.objective(each.loss(*heads.batch(4))[1]).detach()))
    if abs(losses[0] - losses[1]) > 1e-4 * abs(losses[0]) + 1e-6:
        raise CheckFailed(
            f"The next loss is {losses[0]:.6g} uninterrupted and {losses[1]:.6g} resumed: training keeps something "
            "that is not in the state dict. Register it as a parameter or buffer, or use get_extra_state."
        )


def head_moves_to_a_device(case: MethodCase) -> str:
    """The head works wherever .to() puts it; it keeps no tensors other than parameters and buffers."""
    for name, module in case.head().named_modules():
        loose = [key for key, value in vars(module).items() if isinstance(value, Tensor)]
        if loose:
            where = f"{name}.{loose[0]}".lstrip(".")
            raise CheckFailed(
                f"The head keeps the tensor '{where}', which .to() does not move. Register it as a buffer."
            )
    devices = ["cuda"] if torch.cuda.is_available() else []
    for device in devices:
        found = case.head().to(device)(torch.zeros(2, synthetic.DIM, device=device))
        if found.device.type != device:
            raise CheckFailed(f"On '{device}' the head gives logits on '{found.device.type}'.")
    return ", ".join(["cpu", *devices])


def _logits(head: Head, vectors: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = head(vectors.clone())
    return found


def _round_trip(head: Head, fresh: Head) -> None:
    file = io.BytesIO()
    torch.save(head.state_dict(), file)
    file.seek(0)
    try:
        state: Any = torch.load(file, weights_only=True)
        fresh.load_state_dict(state)
    except Exception as error:
        raise CheckFailed(f"The state dict of the head cannot be read back: {str(error).splitlines()[0]}") from error


CHECKS = (
    head_starts_from_the_seed,
    head_learns_the_classes,
    head_is_saved_and_loaded,
    training_is_resumed,
    head_moves_to_a_device,
)
