"""What tests share: the folder of real clips, weights and reference values."""

import os
from pathlib import Path

import pytest

# One thread, before torch is imported: tests run side by side, and threads of the small tensors here only wait.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared/ folder next to the project (or $OSARBENCH_SHARED); tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OSARBENCH_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the real clips and reference values of {folder} (set OSARBENCH_SHARED)")
    return folder
