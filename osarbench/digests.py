"""Digests of plain values: the same for the same content, whatever the order of its keys."""

import hashlib
import json
from typing import Any


def plain(value: Any) -> Any:
    """Return values as JSON has them: tuples as lists, keys as text, anything else as its text."""
    return json.loads(json.dumps(value, sort_keys=True, default=str))


def content_digest(value: Any) -> str:
    """Return the sha256 of plain values (numbers, text, lists, mappings)."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()


def text_digest(value: Any) -> str:
    """Return a short digest of plain values, for a folder's name."""
    return content_digest(value)[:8]
