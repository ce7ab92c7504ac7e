"""The videos of a run: listed, decoded, and addressed by role."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from osarbench import console
from osarbench.artifacts import storage
from osarbench.data import index, store
from osarbench.digests import content_digest
from osarbench.errors import OsarbenchError
from osarbench.interfaces.frame_store import FrameStore
from osarbench.protocols.protocol import Protocol


@dataclass(frozen=True)
class Samples:
    """The readable videos of a protocol, with their frames."""

    index: index.Index
    frames: FrameStore
    positions: np.ndarray  #: position in the store of each row of the index

    def rows(self, *roles: str) -> pd.DataFrame:
        """Return the rows of some roles; their index is their position in the whole index."""
        return self.index.rows[self.index.rows["role"].isin(roles)]

    def of(self, rows: pd.DataFrame) -> np.ndarray:
        """Return the positions of rows in the store."""
        return np.asarray(self.positions[rows.index])

    def digest(self, *roles: str) -> str:
        """Return a digest of the videos of some roles: names, labels, groups, and the content of their frames."""
        rows = self.rows(*roles)
        frames = [self.frames.digest(int(position)) for position in self.of(rows)]
        return content_digest([index.digest(self.index._replace(rows=rows)), frames])


def listed(found: index.Index) -> list[store.Source]:
    """Return the videos of an index as sources of frames, in its order."""
    columns = found.rows[["source", "video", "path", "start", "end"]].to_numpy()
    return [
        store.Source(f"{source}/{name}", path, _number(start), _number(end))
        for source, name, path, start, end in columns
    ]


def readable(found: index.Index, frames: store.Store, protocol: Protocol, folder: Path | None) -> Samples:
    """Leave out unreadable videos and list them in ``skipped.json``.

    Args:
        found: every video that is there.
        frames: of these, in this order.
        protocol: says how many may be unreadable.
        folder: where ``skipped.json`` is written; None: nowhere (another process does).

    Raises:
        OsarbenchError: more videos are unreadable than the protocol allows.
    """
    bad, rows = dict(frames.unreadable), found.rows
    facts = rows.loc[list(bad), ["source", "video", "role", "path"]].to_dict("records")
    skipped = [{**fact, "reason": reason} for fact, reason in zip(facts, bad.values(), strict=True)]
    if folder is not None:
        storage.write_text(folder / "skipped.json", json.dumps(skipped, indent=1) + "\n")
    if len(bad) > protocol.sections.max_unreadable * len(rows):
        first = "".join(f"\n  {video['path']}: {video['reason']}" for video in skipped[:5])
        where = "" if folder is None else f" All are listed in {folder / 'skipped.json'}, the first:"
        raise OsarbenchError(
            f"{len(bad)} of {len(rows)} videos cannot be read, more than the protocol's max_unreadable = "
            f"{protocol.sections.max_unreadable:g}.{where}{first}"
        )
    if bad and folder is not None:
        console.say(f"decode: {len(bad)} unreadable videos are left out, see {folder / 'skipped.json'}")
    keep = np.array([position not in bad for position in range(len(rows))])
    return Samples(found._replace(rows=rows[keep].reset_index(drop=True)), frames, np.flatnonzero(keep))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
