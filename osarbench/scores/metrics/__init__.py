"""All numbers of one scores table; pure functions of it."""

from osarbench.scores.metrics.evaluation import evaluate, settings_of

__all__ = ["evaluate", "settings_of"]
