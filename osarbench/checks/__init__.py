"""The conformance kit: what every plugin promises, tried on a world of which the answer is known.

In a plugin's own tests, one test a promise::

    @pytest.mark.parametrize("promise", osarbench.checks.promises("method"), ids=str)
    def test_my_method(promise):
        promise(MyMethod)

Or all at once: ``check_method(MyMethod)`` returns a verdict on each. A promise that a plugin breaks on purpose is
excused by its class attribute ``excuses = {"promise_name": "the reason"}``; it is then skipped with that reason, and
fails should it be kept after all. `osarbench check` runs the same promises from the command line.
"""

from osarbench.checks.check import BrokenPromiseError, NotTried, Promise, Verdict
from osarbench.checks.kit import check_backbone, check_dataset, check_method, promises

__all__ = [
    "BrokenPromiseError",
    "NotTried",
    "Promise",
    "Verdict",
    "check_backbone",
    "check_dataset",
    "check_method",
    "promises",
]
