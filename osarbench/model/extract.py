"""Stage 4: the features of every view of every video, in pieces that survive a killed run."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from osarbench import console
from osarbench.artifacts import manifest, storage
from osarbench.data.clips import Loading, ViewClips, view_loader
from osarbench.data.windows import WholeVideos
from osarbench.digests import content_digest
from osarbench.model import network as networks
from osarbench.model import whole
from osarbench.model.device import Machine
from osarbench.model.network import Network
from osarbench.model.probe import Frozen
from osarbench.protocols.protocol import Average

PIECE = 256  # videos; what a killed run loses at most


def extract(
    machine: Machine,
    network: Network | Frozen,
    clips: ViewClips | WholeVideos,
    *,
    batch: int,
    file: Path,
    into: Path,
    identity: manifest.Identity,
    average: Average = "logits",
) -> None:
    """Write float32 features [videos, views, D], or what is cached of a frozen backbone, in the order of the clips.

    Pieces are kept in a folder named by the identity until they are put together; the processes of a distributed run
    deal them out, so no video is repeated to fill a batch. A piece that is damaged is extracted again.

    Args:
        machine: the devices, in this process and others.
        network: trained, or a frozen backbone.
        clips: the test views of the videos; of whole videos features and logits are written, [videos, 1, D + K].
        batch: views at a time.
        file: next to which the pieces are kept.
        into: where the first process writes the features, in the end.
        identity: of the features; pieces of another one are not used.
        average: of the windows of a whole video (`osarbench.model.whole.video_outputs`).
    """
    fabric = machine.fabric
    network.eval()
    networks.channels_last(network)
    # Not set up by Fabric: its distributed wrapper would make the processes wait for each other at every batch, and
    # they have different numbers of them.
    fabric.to_device(network)
    folder = file.with_name(f".{file.stem}.{content_digest(identity)[:16]}")
    begins = range(0, len(clips), PIECE)
    pieces = [folder / f"{begin:08d}.npy" for begin in begins]
    dealt = list(zip(begins, pieces, strict=True))[fabric.global_rank :: fabric.world_size]
    mine = [(begin, piece) for begin, piece in dealt if not manifest.is_intact(piece)]
    videos = sum(min(PIECE, len(clips) - begin) for begin, _ in mine)
    with console.bar([], f"extract {file.stem}", videos, "videos", quiet=not fabric.is_global_zero) as progress:
        for begin, piece in mine:
            count, facts = min(PIECE, len(clips) - begin), dict[str, np.ndarray]()
            if isinstance(clips, WholeVideos):
                assert isinstance(network, Network)
                features = whole.video_outputs(fabric, network, clips.part(begin, count), machine.loading, average)
            else:
                features, facts = _features(fabric, network, clips.part(begin, count), machine.loading, batch)
            with storage.atomic_write(_facts_of(piece)) as temporary:  # a piece says that both are there
                _write_facts(temporary, facts)
            with manifest.write_artifact(piece, {"begin": begin}) as temporary:
                np.save(temporary, features)
            progress.update(count)
    fabric.barrier()
    if fabric.is_global_zero:
        _join(pieces, into, len(clips))
        _join_facts(pieces, facts_file(file))
        console.say(f"extract: {file.stem} of {len(clips)} videos")
    fabric.barrier()


def forget_pieces(file: Path) -> None:
    """Delete the pieces of features that are put together, of older identities too."""
    for folder in file.parent.glob(f".{file.stem}.*"):
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def facts_file(file: Path) -> Path:
    """Return where what a backbone says of its clips (`Backbone.diagnostics`) lies, next to features."""
    return file.with_name(f"{file.stem}.facts.npz")


def read_facts(file: Path) -> dict[str, np.ndarray]:
    """Return what a backbone said of the videos of a file of features, means over views [videos]; empty if nothing."""
    if not facts_file(file).is_file():
        return {}
    with np.load(facts_file(file), allow_pickle=False) as opened:
        return {name: opened[name] for name in opened.files}


def _features(
    fabric: Fabric, network: Network | Frozen, clips: ViewClips, loading: Loading, batch: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return features [videos, views, ...] of a piece, and what the backbone says of its videos, [videos] by name."""
    loader: Any = fabric.setup_dataloaders(
        view_loader(clips, max(1, batch // clips.spec.views), loading), use_distributed_sampler=False
    )
    found, facts = [], dict[str, list[np.ndarray]]()
    with torch.inference_mode(), fabric.autocast():
        for views in loader:  # [N, V, 3, T, S, S]
            vectors = network.vectors(views.flatten(0, 1))  # [N * V, ...]
            found.append(vectors.view(*views.shape[:2], *vectors.shape[1:]).cpu().numpy())
            for name, values in network.backbone.diagnostics().items():
                facts.setdefault(name, []).append(values.float().view(*views.shape[:2]).mean(dim=1).cpu().numpy())
    return np.concatenate(found), {name: np.concatenate(parts) for name, parts in facts.items()}


def _facts_of(piece: Path) -> Path:
    return piece.with_suffix(".facts.npz")


def _write_facts(file: Path, facts: Mapping[str, np.ndarray]) -> None:
    with file.open("wb") as opened:
        np.savez(opened, **facts)  # type: ignore[arg-type]


def _join_facts(pieces: list[Path], file: Path) -> None:
    """Put what a backbone says of the videos of all pieces together; no file if it says nothing."""
    parts = []
    for piece in pieces:
        with np.load(_facts_of(piece), allow_pickle=False) as opened:
            parts.append({name: opened[name] for name in opened.files})
    if not parts[0]:
        file.unlink(missing_ok=True)
        return
    with storage.atomic_write(file) as temporary:
        _write_facts(temporary, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _join(pieces: list[Path], file: Path, videos: int) -> None:
    """Put the pieces together without holding them all in memory."""
    first = np.load(pieces[0], mmap_mode="r")
    shape, kind = (videos, *first.shape[1:]), first.dtype.newbyteorder("<")
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, {"descr": kind.str, "fortran_order": False, "shape": shape})
        for piece in pieces:
            opened.write(np.ascontiguousarray(np.load(piece), dtype=kind).data)
