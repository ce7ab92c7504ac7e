"""Which numbers a setting takes, as annotations: others are refused where they are stated, not scored into nonsense.

Upper bounds are far above what makes sense and far below what exhausts memory.
"""

from typing import Annotated

from pydantic import Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
StartShare = Annotated[float, Field(gt=0, le=1)]  #: what grows to 1 by powers
DropoutRate = Annotated[float, Field(ge=0, lt=1)]
Cosine = Annotated[float, Field(ge=-1, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Width = Annotated[int, Field(ge=1, le=65_536)]  #: of a layer
Passes = Annotated[int, Field(ge=1, le=1_000)]  #: forward passes of one video or batch
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Bins = Annotated[int, Field(ge=1, le=10_000)]  #: of every feature
Trees = Annotated[int, Field(ge=1, le=10_000)]
TailSize = Annotated[int, Field(ge=2, le=1_000_000)]  #: videos that two parameters are fitted to
