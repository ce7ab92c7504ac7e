"""All numbers of one scores table; pure functions of it. A metric is a record in a module of this folder."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osarbench.scores.metrics.evaluation import evaluate, headline, settings_of

__all__ = ["evaluate", "headline", "settings_of"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from osarbench.scores.metrics import evaluation  # it imports pandas, which the list of metrics does not need

    return getattr(evaluation, name)
