"""Where a number comes from, beyond its identity: the commit, and the code of each step in a form others can check."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import osarbench


@cache
def commit() -> dict[str, Any]:
    """Return the commit that this code is of and whether it was changed; only the version for an installed package.

    >>> sorted(commit())
    ['changed', 'commit', 'version']
    """
    folder = Path(osarbench.__file__).parents[1]
    found = _git(folder, "rev-parse", "HEAD")
    if found is None or _git(folder, "ls-files", "--error-unmatch", "osarbench/__init__.py") is None:
        return {"commit": None, "changed": None, "version": osarbench.__version__}
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "osarbench", "plugins", "benchmarks")
    return {"commit": found, "changed": bool(changed), "version": osarbench.__version__}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
