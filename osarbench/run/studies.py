"""A study: the networks that a protocol has sections for, run one after the other and fused."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

from osarbench.errors import OsarbenchError
from osarbench.protocols import protocol as protocols
from osarbench.run.config import RunConfig
from osarbench.run.fuse import FuseConfig, fuse
from osarbench.run.run import Entry, run


def run_study(config: RunConfig, weights: Sequence[float] | Literal["fit"]) -> Mapping[str, Entry]:
    """Return the entries of both networks and of their fusion ("fused"), by name.

    Args:
        config: of both runs; its backbone does not count, and it has one method.
        weights: of the fusion of log-probabilities, which is the naive-Bayes sum of whole videos.

    Raises:
        OsarbenchError: the protocol has not two sections of backbones.
    """
    backbones = list(protocols.read(config.protocol).sections.backbones)
    if len(backbones) != 2:
        raise OsarbenchError(
            f"{config.protocol} has sections for {len(backbones)} backbones, and a study is of two: "
            "[backbones.frame] and [backbones.resnet3d50], for example."
        )
    found: dict[str, Entry] = {}
    for name in backbones:
        (found[name],) = run(dataclasses.replace(config, backbone=name))
    folders = [entry.folder.parent for entry in found.values()]
    fused = FuseConfig(
        runs=folders, weights=weights, of="log-probabilities", methods=config.methods, settings=config.settings,
        plugin_files=config.plugin_files, redo=config.redo,
    )  # fmt: skip
    (found["fused"],) = fuse(fused)
    return found
