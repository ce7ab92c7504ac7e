"""The clips that a protocol asks for: a backbone's specification with the protocol's changes, within stated limits."""

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from osarbench.errors import OsarbenchError, did_you_mean
from osarbench.interfaces.clip import ClipSpec
from osarbench.protocols import strict_toml

MAX_FRAMES, MAX_VIEWS, MAX_SIDE = 10_000, 1_000, 10_000


def clip_spec(default: ClipSpec, overrides: Mapping[str, Any], where: str) -> ClipSpec:
    """Return a backbone's clip specification with a protocol's overrides, checked.

    Raises:
        OsarbenchError: an unknown key, a wrong value, or more frames, views or pixels than any computer serves.
    """
    known = [field.name for field in fields(ClipSpec)]
    for key in overrides:
        if key not in known:
            raise OsarbenchError(f"{where}: [clips] has no key '{key}'.{did_you_mean(key, known)}")
    merged = asdict(default) | dict(overrides)
    checked = strict_toml.build(ClipSpec, merged, f"{where}: [clips]")
    spec = replace(default, **{field: getattr(checked, field) for field in known})
    for what, count, most in (
        ("frames in a view", max(spec.length, spec.test_length), MAX_FRAMES), ("test views", spec.views, MAX_VIEWS),
        ("pixels along a side", max(spec.short_side, spec.size, spec.test_size), MAX_SIDE),
    ):  # fmt: skip
        if count > most:
            raise OsarbenchError(f"{where}: [clips] asks for {count:,} {what}, and {most:,} are the most.")
    return spec
