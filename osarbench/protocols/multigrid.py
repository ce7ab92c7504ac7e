"""What a protocol may say of multigrid training."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from osarbench.protocols.strict_toml import STRICT


@dataclass(frozen=True, kw_only=True, config=STRICT)
class Multigrid:
    """``[training.multigrid]``: smaller clips in larger batches, in cycles (`osarbench.data.multigrid`)."""

    variant: Literal["wu2020", "srtg"] = "wu2020"
    long: bool = True  #: whether the shape of batches changes between spans of epochs, or quarters of one
    short: bool = True  #: whether the size of clips changes from batch to batch
    epoch_factor: Annotated[float, Field(gt=0)] | None = (
        None  #: of "wu2020": how many times as many epochs; None: as published, 1.5
    )
    #: How many clips of a device a batch norm takes its statistics from; 0: all of a batch. None: as published, 8 in
    #: "wu2020", all in "srtg".
    norm_clips: Annotated[int, Field(ge=0, le=2**20)] | None = None
