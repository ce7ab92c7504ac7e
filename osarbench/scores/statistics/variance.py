"""Where the variance of a number comes from: the training seed, the view of the video, the draw of classes.

A random-effects model of one number, made with one seed s, one view v and one draw of classes c:
mean + seed_s + view_(s, v) + class_c + rest, where the rest is how a seed's or view's merit depends on the classes.
All seeds and views meet the same bootstrap replicates of the classes, so (moment estimates, negative ones set to 0):

* class: the covariance over replicates between tables of different seeds, for what they share is the classes;
* rest: the variance over replicates within a table, less that;
* view: the variance over the views of a seed, less the part of the rest that is the views';
* seed: the variance over seeds of the mean over views, less the seeds' part of the rest and the views' share.

A scores table is the mean over views. Without a table for each view the part of the view cannot be known, and what the
choice of views adds to the variance of a seed counts as the seed's.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from osarbench.errors import OsarbenchError
from osarbench.scores.statistics import resample
from osarbench.scores.statistics.align import DEFAULT_RULE, FloatArray, Rule, Seed, align, by_view, flat
from osarbench.scores.statistics.intervals import check_draws, check_threshold


class Parts(NamedTuple):
    """Standard deviations (shares, not percent) of one number of one seed, one view and one draw of classes."""

    mean: float  #: over seeds and views
    std: float  #: over seeds, as it is usually printed
    seed: float
    view: float | None  #: None: not known, there is one table for each seed
    classes: float
    rest: float
    seeds: int
    views: int

    def shares(self) -> dict[str, float]:
        """Return the share of each known part in the variance; all 0 if nothing varies."""
        parts = {"seed": self.seed, "view": self.view, "classes": self.classes, "rest": self.rest}
        squares = {name: value**2 for name, value in parts.items() if value is not None}
        return {name: square / (sum(squares.values()) or 1) for name, square in squares.items()}


def parts(
    seeds: Sequence[Seed],
    *,
    metrics: Sequence[str] = ("auroc",),
    groups: Mapping[str, str] | None = None,
    draws: int = 2000,
    seed: int = 0,
    rule: Rule = DEFAULT_RULE,
) -> dict[str, Parts]:
    """Return the parts of the variance of each metric of one method.

    Args:
        seeds: two or more; for each the scores table, or the tables of its views, as many for each.
        metrics: names of metrics that can be resampled.
        groups: as for `osarbench.scores.statistics.intervals.interval`; the part ``classes`` is then that of the
            groups.
        draws: bootstrap replicates.
        seed: of the draws.
        rule: how thresholds are learnt, of the tables that come without a rule.

    Raises:
        OsarbenchError: there are fewer than two seeds, or seeds of different numbers of views.
    """
    tables = by_view({"the method": seeds}, rule)
    views = {len(its) for its in tables["the method"]}
    if len(seeds) < 2 or len(views) != 1:
        raise OsarbenchError(
            "The parts of a variance need two seeds or more, each with as many views. There are "
            f"{', '.join(str(len(its)) for its in tables['the method']) or 'no'} tables by seed."
        )
    check_draws(draws, level=0.95)
    named = flat(tables)
    aligned = align(named)
    check_threshold(aligned.scores, metrics, named)
    sides = resample.clusters(aligned, groups)
    values, replicates = resample.replicates(aligned.scores.values(), sides, metrics, draws=draws, seed=seed)
    shape = len(seeds), views.pop()
    return {
        name: _parts(values[:, i].reshape(shape), replicates[:, i].reshape(*shape, -1))
        for i, name in enumerate(metrics)
    }


def _parts(values: FloatArray, replicates: FloatArray) -> Parts:
    """Return the parts from values [S, V] and their replicates [S, V, B]."""
    seeds, views, draws = replicates.shape
    # [S, V, S, V]: covariance over the replicates of any two tables
    covariance = np.cov(replicates.reshape(-1, draws)).reshape(seeds, views, seeds, views)
    same_seed = np.eye(seeds, dtype=bool)[:, None, :, None] & np.ones((1, views, 1, views), bool)
    same = np.eye(seeds * views, dtype=bool).reshape(seeds, views, seeds, views)
    within, classes = covariance[same].mean(), covariance[~same_seed].mean()
    between_views = covariance[same_seed & ~same].mean() if views > 1 else within
    of_views = values.var(axis=1, ddof=1).mean() if views > 1 else 0.0
    of_seeds = values.mean(axis=1).var(ddof=1)
    return Parts(
        mean=float(values.mean()),
        std=float(of_seeds**0.5),
        seed=_root(of_seeds - max(between_views - classes, 0.0) - of_views / views),
        view=_root(of_views - max(within - between_views, 0.0)) if views > 1 else None,
        classes=_root(classes),
        rest=_root(within - classes),
        seeds=seeds,
        views=views,
    )


def _root(variance: float) -> float:
    return float(max(variance, 0.0) ** 0.5)
