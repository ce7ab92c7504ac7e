"""The conformance kit under the name that tests of plugins import (`osarbench.checks`)."""

from osarbench.checks import *  # noqa: F403
from osarbench.checks import __all__ as __all__
