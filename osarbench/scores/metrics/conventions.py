"""What each number of an evaluation means, in a line, by its name; rendered from the metrics themselves."""

from osarbench.scores.metrics.registry import conventions

CONVENTIONS = conventions()
