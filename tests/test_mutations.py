"""The faults of `mutate.py` still fit the code that they are planted in."""

from mutate import misplaced
from mutations import MUTATIONS


def test_every_fault_replaces_a_snippet_that_occurs_once() -> None:
    assert [(fault.what, why) for fault in MUTATIONS for why in misplaced(fault)] == []


def test_faults_have_names_of_their_own_and_change_something() -> None:
    assert len({fault.what for fault in MUTATIONS}) == len(MUTATIONS)
    assert all(fault.snippet != fault.mutant for fault in MUTATIONS)
