"""All numbers of one scores table; pure functions of it."""

from osarbench.metrics.evaluation import evaluate

__all__ = ["evaluate"]
