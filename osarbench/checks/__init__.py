"""The conformance kit: the checks that every plugin must pass, run on synthetic data with a known answer.

In a plugin's own tests, one test a check::

    @pytest.mark.parametrize("check", osarbench.testing.checks("method"), ids=str)
    def test_my_method(check):
        check(MyMethod)

Or all at once: ``check_method(MyMethod)`` returns one result a check. A plugin that fails a check on purpose lists it
in its class attribute ``expected_failures = {"check_name": "the reason"}``. The check is then skipped with that reason,
and fails if the plugin passes it after all. `osarbench check` runs the same checks from the command line.
"""

from osarbench.checks.check import Check, CheckFailed, CheckResult, CheckSkipped
from osarbench.checks.kit import check_backbone, check_dataset, check_method, checks

__all__ = [
    "Check",
    "CheckFailed",
    "CheckResult",
    "CheckSkipped",
    "check_backbone",
    "check_dataset",
    "check_method",
    "checks",
]
