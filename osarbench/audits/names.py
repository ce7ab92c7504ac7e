"""How alike two class names are: shared word stems, so ride_bike is like Biking. It knows no synonyms.

Names alone miss much (shoot_bow and Archery) and suggest too much (hammering and HammerThrow): what they find is a
candidate for manual review.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FILLERS = frozenset({"a", "an", "and", "in", "not", "of", "on", "or", "the", "to", "with"})


class Match(NamedTuple):
    """The most similar of some names; ``similarity`` is 0 and ``name`` empty where none shares anything."""

    name: str
    similarity: float


def nearest(name: str, others: Iterable[str]) -> Match:
    """Return the most similar of other class names, the first in their order at a draw.

    >>> nearest("ride_bike", ["Archery", "Biking", "HorseRiding"])
    Match(name='Biking', similarity=0.6666666666666666)
    """
    matches = (Match(other, shared) for other in others if (shared := similarity(name, other)))
    return max(matches, key=lambda match: match.similarity, default=Match("", 0.0))


@lru_cache(maxsize=2**17)
def similarity(first: str, second: str) -> float:
    """Return how alike two class names are, from 0 to 1.

    Words are split at underscores, blanks, signs and capitals, and cut to stems; the similarity is twice the number of
    shared stems over the number of all (Dice 1945), and 1 where the names differ only in how they are split. Similar
    letters count for nothing: driving is not Diving.

    >>> similarity("pullup", "PullUps"), similarity("climb", "RopeClimbing"), similarity("shoot_bow", "Archery")
    (1.0, 0.6666666666666666, 0.0)
    """
    ours, theirs = stems(first), stems(second)
    if not ours or not theirs:
        return 0.0
    return 1.0 if _together(first) == _together(second) else 2 * len(ours & theirs) / (len(ours) + len(theirs))


@lru_cache(maxsize=2**14)
def stems(name: str) -> frozenset[str]:
    """Return the stems of the words of a class name, without words that say nothing.

    >>> sorted(stems("RockClimbingIndoor")), sorted(stems("playing+music")), sorted(stems("shake_hands"))
    (['climb', 'indoor', 'rock'], ['music', 'play'], ['hand', 'shak'])
    """
    words = [word.lower() for word in _WORD.findall(name)]
    return frozenset(_stem(word) for word in words if word not in _FILLERS) or frozenset(words)


def _together(name: str) -> str:
    return _stem("".join(_WORD.findall(name)).lower())


def _stem(word: str) -> str:
    """Cut off what English puts behind a verb or noun; a stem need not be a word, it must only be the same one."""
    if word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        word = word[:-1]
    if word.endswith("ing") and len(word) > 5:
        word = word[:-3]
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word
