"""Stage 4: the features of every view of every video, in pieces that survive a killed run."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric

from osarbench import console
from osarbench.artifacts import manifest
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
            count = min(PIECE, len(clips) - begin)
            if isinstance(clips, WholeVideos):
                assert isinstance(network, Network)
                features = whole.video_outputs(fabric, network, clips.part(begin, count), machine.loading, average)
            else:
                features = _features(fabric, network, clips.part(begin, count), machine.loading, batch)
            with manifest.write_artifact(piece, {"begin": begin}) as temporary:
                np.save(temporary, features)
            progress.update(count)
    fabric.barrier()
    if fabric.is_global_zero:
        _join(pieces, into, len(clips))
        console.say(f"extract: {file.stem} of {len(clips)} videos")
    fabric.barrier()


def forget_pieces(file: Path) -> None:
    """Delete the pieces of features that are put together, of older identities too."""
    for folder in file.parent.glob(f".{file.stem}.*"):
        if folder.is_dir():
            shutil.rmtree(folder, ignore_errors=True)


def _features(fabric: Fabric, network: Network | Frozen, clips: ViewClips, loading: Loading, batch: int) -> np.ndarray:
    """Return features [videos, views, ...] of a piece."""
    loader: Any = fabric.setup_dataloaders(
        view_loader(clips, max(1, batch // clips.spec.views), loading), use_distributed_sampler=False
    )
    found = []
    with torch.inference_mode(), fabric.autocast():
        for views in loader:  # [N, V, 3, T, S, S]
            vectors = network.vectors(views.flatten(0, 1))  # [N * V, ...]
            found.append(vectors.view(*views.shape[:2], *vectors.shape[1:]).cpu().numpy())
    return np.concatenate(found)


def _join(pieces: list[Path], file: Path, videos: int) -> None:
    """Put the pieces together without holding them all in memory."""
    first = np.load(pieces[0], mmap_mode="r")
    shape, kind = (videos, *first.shape[1:]), first.dtype.newbyteorder("<")
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, {"descr": kind.str, "fortran_order": False, "shape": shape})
        for piece in pieces:
            opened.write(np.ascontiguousarray(np.load(piece), dtype=kind).data)
