"""Faults of the numerics that the tests must find: `tests/mutate.py` plants each of them and runs the tests it names.

A mutation replaces a snippet that occurs exactly once in its file, so that code may move within it. Where a snippet is
rewritten, its mutation is rewritten with it, or deleted with the code.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple


class Mutation(NamedTuple):
    """One fault, and the tests of which at least one must fail with it."""

    what: str
    file: str
    snippet: str
    mutant: str
    tests: tuple[str, ...]


def _of(file: str, tests: str, mutants: Mapping[str, tuple[str, str]]) -> Iterator[Mutation]:
    """Yield the mutations of a file, each given as name -> (snippet, mutant); ``tests`` are separated by blanks."""
    for what, (snippet, mutant) in mutants.items():
        yield Mutation(what, file, snippet, mutant, tuple(f"tests/{test}.py" for test in tests.split()))


METRICS, STATISTICS = "osarbench/scores/metrics", "osarbench/scores/statistics"
METHODS = "plugins/osarbench_plugins/methods"

MUTATIONS: list[Mutation] = [
    *_of(
        "osarbench/reports/study.py", "test_study", {
            "confused pairs by count": ("(-rates[cell], -counts[cell], cell)", "(-counts[cell], -rates[cell], cell)"),
            "the gain of the first over the second": ("right[1].astype(float) - right[0].astype(float)", "right[0].astype(float) - right[1].astype(float)"),
            "every video is a group of its own": ("groups.astype(str), return_inverse=True", "np.arange(len(groups)).astype(str), return_inverse=True"),
        },
    ),
    *_of(
        "osarbench/data/stores/flow.py", "test_flow", {
            "flow from the later frame to the earlier": ("compute(before, now)", "compute(now, before)"),
            "stored flow with half the bound": ("/ (2 * bound)", "/ bound"),
            "a folder's bound is forgotten": ("frame if bound == BOUND else quantised", "frame if bound >= 0 else quantised"),
        },
    ),
    *_of(
        "plugins/osarbench_plugins/modalities/flow.py", "test_flow", {
            "a mirror leaves the direction of flow": ("255 - turned[..., 0]", "turned[..., 0]"),
        },
    ),
    *_of(
        "osarbench/data/sampling.py", "test_flow", {
            "TSN's validation without its guard": ("if guarded and positions <= segments", "if False"),
            "TSN's snippets at the beginnings of intervals": ("(tick / 2 + tick * np.arange(segments))", "(tick * np.arange(segments))"),
        },
    ),
    *_of(
        "osarbench/data/windows.py", "test_whole_videos", {
            "no window at the end of a video": ("return starts if starts[-1] == last else np.append(starts, last)", "return starts"),
            "short videos wrap around": ("np.minimum(starts[:, None] + steps, self.totals[video] - 1)", "(starts[:, None] + steps) % self.totals[video]"),
        },
    ),
    *_of(
        "osarbench/model/whole.py", "test_whole_videos", {
            "a sum of probabilities for the sum of their logarithms": ("logits.log_softmax(dim=-1)", "logits.softmax(dim=-1)"),
            "the mean of log-probabilities": ('"log-probabilities": logits}', '"log-probabilities": means}'),
        },
    ),
    *_of(
        "osarbench/run/fusion.py", "test_fuse", {
            "weights of the logits are forgotten": ("return (factors * each).sum(dim=0)", "return each.sum(dim=0)"),
            "a mixture of probabilities without weights": ("logs + factors.log()", "logs"),
            "the fused classifier without weights": ("[weight * layer.weight for", "[layer.weight for"),
            "the fused bias without weights": ("weight * _bias(layer)", "_bias(layer)"),
        },
    ),
    *_of(
        f"{METRICS}/calibration.py", "test_metrics test_published_calibration", {
            "ECE bins closed on the left": ('side="left"', 'side="right"'),
            "one ECE bin too few": ("edges = np.arange(1, bins) / bins", "edges = np.arange(1, bins - 1) / (bins - 1)"),
            "ECE bins not weighted by their videos": ("np.sum(gaps * diagram.videos) / total", "np.mean(gaps)"),
            "Brier score without the square of the label": ("- 2 * own + 1", "- 2 * own"),
            "DEAR's open view counts wrong classes as right": ("[right & accepted, rejected]", "[accepted, rejected]"),
            "DEAR's open view counts wrong classes as right, binary view too strict": (
                "[accepted, rejected])", "[right & accepted, rejected])"),
            "DEAR's confidence of 0 kept": ("(confidence > 0) &", "(confidence >= 0) &"),
        },
    ),
    *_of(
        f"{METRICS}/closed.py", "test_metrics", {
            "ties of label ranks go to the higher class": (
                "np.arange(probabilities.shape[1]) < labels", "np.arange(probabilities.shape[1]) > labels"),
            "top-k counts rank k as wrong": ("(ranks <= k)", "(ranks < k)"),
            "classes without videos count as 0": ("float(np.nanmean(recalls))", "float(np.nan_to_num(recalls).mean())"),
        },
    ),
    *_of(
        f"{METRICS}/ranking.py", "test_ranking", {
            "tied uncertainties are wins": ("- below[..., 1:] - below[..., :-1]", "- 2 * below[..., :-1]"),
            "AUPR begins at precision 0": ("out=np.ones_like(found, np.float64)", "out=np.zeros_like(found, np.float64)"),
            "trapezoid and step AUPR exchanged": ('1:] if rule == "step"', '1:] if rule != "step"'),
            "prevalence re-weights the wrong way": ("prevalence / (1 - prevalence)", "(1 - prevalence) / prevalence"),
            "FPR95 first point beyond 95 %": (
                "(tpr * (1 - _SLACK))", "(tpr * (1 + _SLACK))"),
            "nearest FPR95 on all points, not scikit-learn's": ("hits, alarms = hits[kept], alarms[kept]", "pass"),
            "detection accuracy at the worst threshold": ("gain.max(axis=-1)", "gain.mean(axis=-1)"),
            "OSCR counts wrongly classified known videos": (
                "doubled_wins(ranking.unknown, ranking.correct)", "doubled_wins(ranking.unknown, ranking.known)"),
            "open AURC forgets the unknown videos": (
                "_mean_risk(ranking.known + ranking.unknown", "_mean_risk(ranking.known"),
            "AURC from the most uncertain": (
                "sizes = np.diff(accepted)[::-1]", "sizes = np.diff(accepted)"),
        },
    ),
    *_of(
        f"{METRICS}/ranking.py", "test_metrics test_statistics", {
            "ties of win shares count as losses": (
                'np.searchsorted(ordered, uncertainty, "left") + np.searchsorted(ordered, uncertainty, "right")',
                '2 * np.searchsorted(ordered, uncertainty, "left")'),
        },
    ),
    *_of(
        f"{METRICS}/thresholds.py", "test_metrics", {
            "quantile threshold one video too low": ("ordered[max(rank, 1) - 1]", "ordered[max(rank, 2) - 2]"),
            "quantile threshold without slack for rounding": ("len(ordered) - 1e-9)", "len(ordered) + 1e-9)"),
            "DEAR's threshold is the common one": (
                "ordered[min(int(quantile * len(ordered)), len(ordered) - 1)]", "ordered[int(quantile * len(ordered)) - 1]"),
            "a video on the threshold is rejected": ("(uncertainty <= threshold).mean()", "(uncertainty < threshold).mean()"),
            "balanced accuracy of accepted unknown videos": ("(accepted + 1 - passed) / 2", "(accepted + passed) / 2"),
        },
    ),
    *_of(
        f"{METRICS}/openness.py", "test_openness", {
            "openness with one K": ("np.sqrt(twice / (twice +", "np.sqrt(twice / (known_classes +"),
            "openness weights left out": (
                "float(np.sum(weights * means) / weights.sum()), std", "float(np.mean(means)), std"),
            "macro-F1 over all classes, occurring or not": (
                "means: FloatArray = f1 / occurring", "means: FloatArray = f1 / (len(fixed) + 1)"),
            "F1 of unknown counts rejected known videos as hits": (
                "np.divide(2 * rejected, total,", "np.divide(2 * (rejected + counts.decided[-1]), total,"),
            "DEAR's draws do not depend on earlier methods": (
                "range(position * unknown_classes * draws)", "range(0 * position * unknown_classes * draws)"),
            "sample instead of population deviation": ("scores.std(axis=1))", "scores.std(axis=1, ddof=1))"),
        },
    ),
    *_of(
        f"{METRICS}/expectation.py", "test_openness", {
            "expected F1 forgets the decisions on known videos": (
                "float(counts.support[k] + counts.decided[k])", "float(counts.support[k])"),
            "expected F1 without the unknown class in the mean": ("total / (len(present) + 1)", "total / len(present)"),
            "quadrature too coarse": ("STEP = 0.3", "STEP = 1.5"),
        },
    ),
    *_of(
        f"{METRICS}/per_class.py", "test_metrics", {
            "AUROC of a known class turned": ("beaten = 1 - win_shares", "beaten = win_shares"),
            "purity by the least frequent class": ("landed.max(axis=1) /", "landed.min(axis=1) /"),
        },
    ),
    *_of(
        f"{METRICS}/open_f1.py", "test_metrics", {
            "F1 of classes forgets the unknown videos": (
                "decided = counts.decided + counts.unknown.sum(axis=0)", "decided = counts.decided"),
        },
    ),
    *_of(
        f"{METRICS}/outcome.py", "test_metrics", {
            "threshold learnt from all rows": (
                'table.loc[table["role"] == threshold_from, "uncertainty"]', 'table["uncertainty"]'),
        },
    ),
    *_of(
        f"{STATISTICS}/weighted.py", "test_statistics", {
            "weighted pairs count ties as losses": ("(2 * upto - at)", "(2 * upto - 2 * at)"),
            "weighted wins ignore the weights of the unknown": (
                "self.known @ self.table.pairs[correct], self.unknown)", "self.known @ self.table.pairs[correct], self.unknown**0)"),
            "weighted shares of all videos": ("self.table.known, flags) / self.totals[0]", "self.table.known, flags) / self.totals[1]"),
            "weighted OSCR ignores predictions": (
                "self.histogram(self.known, self.scores.correct)]", "self.histogram(self.known)]"),
        },
    ),
    *_of(
        f"{STATISTICS}/resample.py", "test_statistics", {
            "k of k clusters drawn": ("generator.multinomial(size - 1,", "generator.multinomial(size,"),
            "bootstrap weights not rescaled": ("weight[stratum] = len(stratum) / (len(stratum) - 1)", "weight[stratum] = 1"),
            "degrees of freedom of the larger side": (
                "max(min(its.number - len(its.strata)", "max(max(its.number - len(its.strata)"),
        },
    ),
    *_of(
        f"{STATISTICS}/intervals.py", "test_statistics", {
            "intervals not widened by Student's t": ("quantile(level, df) / quantile(level)", "1.0"),
            "one-sided level": ("[(1 - level) / 2, (1 + level) / 2]", "[1 - level, level]"),
            "seeds not resampled": ("math.sqrt(seeds * (seeds - 1))", "1e12"),
        },
    ),
    *_of(
        f"{STATISTICS}/delong.py", "test_statistics", {
            "DeLong's covariance of one side": (
                "_spread(beaten, known_clusters) + _spread(won, unknown_clusters)", "_spread(won, unknown_clusters)"),
            "DeLong's biased covariance": ("count / max(count - 1, 1)", "1"),
        },
    ),
    *_of(
        f"{STATISTICS}/holm.py", "test_statistics", {
            "Bonferroni's factor instead of Holm's": ("(len(p) - np.arange(len(p))) * p[order]", "len(p) * p[order]"),
            "adjusted p-values not monotone": ("np.maximum.accumulate(", "np.asarray("),
        },
    ),
    *_of(
        f"{STATISTICS}/permutation.py", "test_statistics", {
            "permutation test may give p = 0": ("as_large = np.ones(len(metrics))", "as_large = np.zeros(len(metrics))"),
            "one-sided permutation test": ("(np.abs(_differences(both,", "((_differences(both,"),
            "uncertainties not replaced by their ranks": (
                "zip(midranks(first), midranks(second), strict=True)", "zip(first, second, strict=True)"),
        },
    ),
    *_of(
        f"{STATISTICS}/paired.py", "test_statistics", {
            "a rank is shared with the neighbour, not the leader": (
                "position if i == leader else ranks[names[leader]]", "position"),
            "better methods rank last": ("key=lambda i: -sign *", "key=lambda i: sign *"),
            "paired methods drawn apart": (
                "one.replicates - other.replicates", "one.replicates - np.roll(other.replicates, 1)"),
        },
    ),
    *_of(
        f"{STATISTICS}/pairwise_p.py", "test_statistics", {
            "p-values of pairs not corrected": ("adjusted[upper] = holm(p[upper])", "adjusted[upper] = p[upper]"),
        },
    ),
    *_of(
        "osarbench/scores/detection/frame_map.py", "test_actors", {
            "a box takes a second choice": ("return_index=True)[1]]] = True", "return_index=True)[1]]] = True; hits[near] = True"),
            "overlap of exactly the threshold is none": ("np.flatnonzero(overlap >= iou)", "np.flatnonzero(overlap > iou)"),
            "precision is not made monotone": ("np.maximum.accumulate((hits / (ends + 1))[::-1])[::-1]", "hits / (ends + 1)"),
        },
    ),
    *_of(
        "osarbench/scores/detection/tubes.py", "test_tubes", {
            "frames in common alone count": ("shared = len(ours) / (len(first.frames) + len(second.frames) - len(ours))", "shared = 1.0"),
            "a true tube is found twice": ("            del left[detected.video][best]\n", ""),
            "a tube never ends": ("if frame - frames[its[-1]] <= gap", "if frame - frames[its[-1]] <= 10**9"),
            "the lowest near box continues a tube": ("member[near[0]] = number", "near = near[::-1]; member[near[0]] = number"),
        },
    ),
    *_of(
        "osarbench/scores/detection/open_set.py", "test_actors", {
            "closed mAP counts boxes of unknown persons": ('detections[shown != "unknown"]', "detections"),
            "unknown recall of those found alone": ('rejected / int((there["kind"] == "unknown").sum())', "rejected / len(unknown)"),
        },
    ),
    *_of(
        "osarbench/model/averaging.py", "test_averaging", {
            "one epoch too many in the mean": (
                "epoch >= self.recipe.epochs - self.recipe.average_epochs", "epoch + 1 >= self.recipe.epochs - self.recipe.average_epochs"),
            "fading averages count every step alike": (
                'if recipe.average == "ema" else None', 'if recipe.average == "swa" else None'),
            "statistics of the mean are those of the ends": (
                "            _measure_statistics(network, batches)", "            pass"),
            "frozen statistics are measured too": ("and its.training]", "]"),
            "the mean begins anew after a break": (
                "            self.mean.load_state_dict(state)", "            pass"),
            "the mean is not used": ("self.parts.load_state_dict(self.mean.module.state_dict())", "pass"),
        },
    ),
    *_of(
        "osarbench/model/optimize.py", "test_optimize", {
            "warm-up ignored under a cosine": ("return warmup * 0.5 * (1", "return 0.5 * (1"),
            "warm-up ignored under steps": ("return warmup * float(0.1 **", "return float(0.1 **"),
            "warm-up ignored at a constant rate": ("    return warmup\n", "    return 1.0\n"),
            "warm-up begins at 0": (
                "recipe.warmup_from + (1 - recipe.warmup_from) * done", "done"),
            "milestones one epoch late": ("epochs_done >= milestone", "epochs_done > milestone"),
            "cosine over twice the epochs": ("epochs_done / recipe.epochs)))", "epochs_done / recipe.epochs / 2)))"),
            "norms and biases always decay": ("recipe.decay_norms_and_biases or parameter.dim() > 1", "True"),
            "the rate of biases for norms as well": ('removesuffix("bias") not in norms', 'removesuffix("bias") is not norms'),
            "the shortest prefix decides the rate": ("max(fitting, key=len)", "min(fitting, key=len)"),
        },
    ),
    *_of(
        "osarbench/data/sampling.py", "test_sampling", {
            "clips of a short video all start at 0": ("np.arange(clips) * (choices / clips)).astype", "np.zeros(clips)).astype"),
            "training clips at the start of their interval": (
                "np.arange(clips) * interval + _draw(randomness, interval, clips)", "np.arange(clips) * interval"),
            "test clips at the start of their interval": (
                "middles = begins + choices / clips / 2", "middles = begins"),
            "dense windows reach one frame too far": ("max(1, 1 + total - window)", "max(1, 2 + total - window)"),
            "views of segments in reversed order": ("np.arange(spec.test_clips)[::-1] + 0.5", "np.arange(spec.test_clips) + 0.5"),
            "stride of test views ignored": ("np.arange(spec.frames) * spec.stride", "np.arange(spec.frames)"),
            "short videos repeat their first frame": ("np.where(inside, indices, 0).max(", "np.where(inside, indices, 0).min("),
        },
    ),
    *_of(
        "osarbench/data/transforms.py", "test_transforms", {
            "width and height of crops exchanged": ("(snapped[j], snapped[i]) for", "(snapped[i], snapped[j]) for"),
            "three crops along the shorter side": ("if width >= height else", "if width < height else"),
            "order of the three crops": (
                "[(0, down), (2 * across, down), (across, down)]", "[(0, down), (across, down), (2 * across, down)]"),
            "mirror images before their crops": ("(crop, _flipped(crop, flip))", "(_flipped(crop, flip), crop)"),
            "mean subtracted before division by 255": ("mean_ / std_", "mean_ / std_ / 255"),
            "clips always mirrored": ("generator.random() < spec.flip", "generator.random() < 2"),
            "centre crop one pixel off": (
                "return [Box((width - size) // 2, (height", "return [Box((width - size) // 2 + 1, (height"),
            "mirrored frame by frame": ("clip = _flipped(clip, flip)", "clip[1:] = _flipped(clip[1:], flip)"),
        },
    ),
    *_of(
        "osarbench/data/clips.py", "test_clips", {
            "test views ordered by crop, then by time": ("split.permute(2, 0, 1, 3, 4, 5)", "split.permute(0, 2, 1, 3, 4, 5)"),
            "processes train on the same clips": ("order[self.rank :: self.processes]", "order[:: self.processes]"),
            "the same order in every epoch": ("[self.seed, self.epoch]).permutation", "[self.seed, 0]).permutation"),
            "the same augmentation in every epoch": ("[self.seed, epoch, position]", "[self.seed, 0, position]"),
            "incomplete batches are kept": ("videos // (batch * processes) * batch * processes or videos", "videos"),
        },
    ),
    *_of(
        "osarbench/interfaces/method.py", "test_methods", {
            "softmax of mean logits": ("softmax(dim=-1).mean(dim=1)", "mean(dim=1).softmax(dim=-1)"),
            "only the first view": ("return self.view_logits.mean(dim=1)", "return self.view_logits[:, 0]"),
        },
    ),
    *_of(
        f"{METHODS}/_evidential.py", "test_evidential test_evidential_methods", {
            "evidence without the prior": ("offset + F.softplus((logits if", "0.1 + F.softplus((logits if"),
            "vacuity without K": ("math.log(prior * log_alpha.shape[1])", "math.log(prior)"),
            "saturation above the clamp only": ("logits.amax(dim=1) >= clamp", "logits.amax(dim=1) > clamp"),
            "log loss turned": (
                "log_alpha.logsumexp(dim=1) - _of_label(log_alpha, labels)", "_of_label(log_alpha, labels) - log_alpha.logsumexp(dim=1)"),
            "variance over S instead of S + 1": ("(-F.softplus(log_alpha.logsumexp(dim=1))).exp()", "(-log_alpha.logsumexp(dim=1)).exp()"),
            "KL term punishes evidence for the label": ("evidence * (1 - _one_hot(evidence, labels))", "evidence * 1"),
            "KL term without the normaliser of the uniform": (
                "alpha.lgamma().sum(dim=1) + normaliser + spread", "alpha.lgamma().sum(dim=1) + spread"),
            "calibration weights exchanged": ("right = -weight * probability *", "right = -(1 - weight) * probability *"),
            "calibration of wrong videos turned": ("wrong = -(1 - weight) * (1 - probability) * (vacuous", "wrong = -(1 - weight) * (1 - probability) * (certainty"),
            "annealing one epoch ahead": ("float(start ** (1 - epoch", "float(start ** (1 - 1 - epoch"),
            "step annealing without bound": ("min(1.0, epoch / steps)", "epoch / steps"),
        },
    ),
    *_of(
        f"{METHODS}/_openmax.py", "test_openmax", {
            "OpenMax with the survival function": (".exp()).expm1()", ".exp()).exp()"),
            "eucos without cosine": ("1 - unit(features, dim=1) @ unit(means, dim=1).T", "0"),
            "eucos with the published 200 dropped": ("euclidean / 200 + 1", "euclidean + 1"),
            "all logits revised": ("logits.scatter(1, predicted, largest - moved)", "logits - moved"),
            "likeliest scale off": ("excess > scale", "excess > 2 * scale"),
        },
    ),
    *_of(
        f"{METHODS}/openmax.py", "test_openmax", {
            "class means of all training videos": ("usable = right | ~enough[labels]", "usable = right | True"),
            "the tail of the smallest distances": ("distances.topk(max(2, min(self.tail, len(distances) // 3)))", "distances.topk(max(2, min(self.tail, len(distances) // 3)), largest=False)"),
            "tails of half a class": ("len(distances) // 3))", "len(distances) // 2))"),
        },
    ),
    *_of(
        f"{METHODS}/_hsic.py", "test_debias", {
            "HSIC over N instead of N - 1": ("product.sum() / (count - 1) ** 2", "product.sum() / count**2"),
            "kernels of twice the variance": ("(2 * values.shape[1])", "(4 * values.shape[1])"),
            "one kernel not centred": ("(kernel - kernel.mean(dim=0)) *", "kernel *"),
            "unbiased HSIC without its last term": ("2 / (count - 2) *", "0 / (count - 2) *"),
            "diagonal kept in the unbiased estimate": ("1 - torch.eye(count,", "1 - 0 * torch.eye(count,"),
        },
    ),
    *_of(
        f"{METHODS}/_debias.py", "test_debias", {
            "the paper's dependence of f turned": ("unbias = unbias + hsic_unbiased", "unbias = unbias - hsic_unbiased"),
            "biased branches pull on f": ("branch.features.detach())", "branch.features)"),
            "the released dependence turned": ('_hsic"] = -hsic(alpha,', '_hsic"] = hsic(alpha,'),
        },
    ),
    *_of(
        f"{METHODS}/_ced.py", "test_debias", {
            "shuffled frames may keep their order": ("order == sorted(order):", "order != order:"),
            "the same shuffling in every step": ("seed * 1_000_003 + step", "seed * 1_000_003"),
            "debiasing terms not weighted": ("self.loss_factor * term", "term"),
        },
    ),
    *_of(
        f"{METHODS}/_points.py", "test_reciprocal", {
            "distances summed, not averaged": ("vector @ points.T) / vector.shape[1]", "vector @ points.T)"),
            "temperature ignored": ("F.cross_entropy(logits / self.temperature", "F.cross_entropy(logits"),
            "open term not weighted": ("self.open_weight * self.open_term", "self.open_term"),
        },
    ),
    *_of(
        f"{METHODS}/arpl.py", "test_reciprocal", {
            "ARPL without its margin": ("(own - self.radius + 1)", "(own - self.radius)"),
            "ARPL adds the dot product": (" - F.linear(vector, self.points)", " + F.linear(vector, self.points)"),
        },
    ),
    *_of(
        f"{METHODS}/gcpl.py", "test_reciprocal", {
            "GCPL classifies by the farthest prototype": ("return -squared_distances", "return squared_distances"),
            "GCPL's prototype term not halved": ("own.mean() / 2", "own.mean()"),
        },
    ),
    *_of(
        f"{METHODS}/rpl.py", "test_reciprocal", {
            "RPL leaves the own distance alone": ("(own - self.radius).square()", "(own - own).square()"),
        },
    ),
    *_of(
        f"{METHODS}/cac.py", "test_normalised_and_anchored", {
            "CAC without its anchor term": ("self.anchor_weight * own", "0 * own"),
            "CAC's means of all videos": ("(labels == position) & (predicted == position)", "labels == position"),
            "CAC by distance alone": ("-(-away).log_softmax(dim=1).expm1()", "1"),
        },
    ),
    *_of(
        f"{METHODS}/logitnorm.py", "test_normalised_and_anchored", {
            "LogitNorm without temperature": ("F.cross_entropy(directions / self.temperature", "F.cross_entropy(directions"),
        },
    ),
    *_of(
        f"{METHODS}/_similarity.py", "test_psl", {
            "PSL: own prototype without target": ("1 - (similarities - similarity).abs()", "similarities"),
            "PSL: a video is its own neighbour": ("labels.device), -torch.inf)", "labels.device), 0)"),
            "PSL: shuffled clips without target": ("- shuffled_similarity).abs()", ").abs()"),
        },
    ),
    *_of(
        f"{METHODS}/_uncertainty.py", "test_bnn", {
            "entropy of the mean instead of mutual information": ("torch.xlogy(passes, passes) - torch.xlogy(passes, mean)", "-torch.xlogy(passes, mean)"),
            "epistemic uncertainty within passes": ("(passes - passes.mean(dim=0)).square()", "(passes - passes.mean(dim=1, keepdim=True)).square()"),
        },
    ),
    *_of(
        "osarbench/interfaces/method.py", "test_conformance", {
            "settings change after fit": ("if name in vars(self) and name in", "if name in () and name in"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_head.py", "test_score_audit", {
            "fDBD with the length of the feature": ("length(features - self.mean).clamp", "length(features).clamp"),
            "SHE of all training videos": ("self.patterns[logits.argmax(dim=1)]", "self.patterns.mean(dim=0)"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_activation.py", "test_score_audit", {
            "VRA clips low features": ("masked_fill(features < self.floor, 0)", "clamp(min=self.floor)"),
        },
    ),
    *_of(
        f"{METHODS}/_posthoc.py", "test_posthoc_values test_posthoc_distances", {
            "energy turned": ("return -logits.logsumexp(dim=1)", "return logits.logsumexp(dim=1)"),
            "three quarters of the largest class": ("counts[counts > 0].median()", "counts.max()"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_logits.py", "test_posthoc_values", {
            "energy not scaled back by its temperature": (") * self.temperature\n", ")\n"),
            "GEN with another gamma": (".pow(self.gamma)", ".pow(2 * self.gamma)"),
            "entropy in bits": ("return -(log.exp() * log).sum(dim=1)", "return -(log.exp() * log).sum(dim=1) / 0.6931"),
            "Renyi entropy unscaled": ("/ (1 - self.order)", "/ 1"),
            "KL matching with the farthest class": ("self.log_typical.T).amin(dim=1)", "self.log_typical.T).amax(dim=1)"),
            "standardised logits with the sample deviation": ("self.mean[label], self.deviation[label] = own.mean(), own.std(correction=0)", "self.mean[label], self.deviation[label] = own.mean(), own.std(correction=1)"),
            "temperature of the least likely labels": ("expected.mean() > true.mean()", "expected.mean() < true.mean()"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_gaussian.py", "test_posthoc_distances", {
            "Mahalanobis distance to the farthest class": ("self.distances(features, self.classes).amin(dim=1)", "self.distances(features, self.classes).amax(dim=1)"),
            "relative Mahalanobis without frequencies": ("self.roots = shares.sqrt()", "self.roots = shares"),
        },
    ),
    *_of(
        f"{METHODS}/_whitening.py", "test_posthoc_distances", {
            "OAS shrinkage for N instead of N + 1": ("((videos + 1) * spread)", "(videos * spread)"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_neighbours.py", "test_posthoc_distances test_posthoc_values", {
            "the nearest neighbour instead of the k-th": (".indices[:, -1]", ".indices[:, 0]"),
            "relations below the cutoff count": ("relations.mul_(relations > self.cutoff)", "relations.mul_(relations > 0)"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_activation.py", "test_posthoc_values", {
            "ReAct clips from below": ("return features.clamp(max=self.threshold)", "return features.clamp(min=self.threshold)"),
            "SCALE without exponential": ("return features * concentration(features, kept).exp()", "return features * concentration(features, kept)"),
            "DICE keeps the weakest weights": ("contribution > percentile(", "contribution < percentile("),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_head.py", "test_posthoc_values", {
            "fDBD averages over K classes": ("/ (logits.shape[1] - 1)", "/ logits.shape[1]"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_subspace.py", "test_posthoc_values test_posthoc_distances", {
            "ViM's scale by the mean logit": ("outputs.logits.double().amax(dim=1).mean() /", "outputs.logits.double().mean() /"),
            "NECO turned": ("return -share * logits.amax(dim=1)", "return share * logits.amax(dim=1)"),
        },
    ),
    *_of(
        f"{METRICS}/uosr.py", "test_uosr_metrics", {
            "UOSR AUROC without wrongly named videos": ("refused = ranking.known - right + ranking.unknown", "refused = ranking.unknown + 0 * right"),
            "InC/OoD of all known videos": ("_share(sample.wins(correct=True), known * sample.known_share(sample.correct), unknown)", "_share(sample.wins(), known, unknown)"),
            "InC/InW the wrong way round": ("_share(doubled_wins(known - right, right)", "_share(doubled_wins(right, known - right)"),
            "InW/OoD divided by all known videos": ("wrong = tested.totals[0] - tested.rejected_correct[-1]", "wrong = tested.totals[0]"),
        },
    ),
    *_of(
        "osarbench/published/uosr.py", "test_uosr", {
            "ties cut in favour of the unknown": ("np.argsort(-confidence, kind=\"stable\")", "np.argsort(confidence, kind=\"stable\")[::-1]"),
            "confidence in float64 whatever the file": (".astype(precision)", ""),
            "excluded classes are tested": ("~np.isin(scores.unknown.labels, list(excluded))", "np.ones(len(scores.unknown.labels), bool)"),
        },
    ),
    *_of(
        "osarbench/published/few_shot.py", "test_uosr", {
            "SIRC two deviations above the mean": ("draw.train.mean() + 3 *", "draw.train.mean() + 2 *"),
            "FS-KNNS half a deviation above the mean": ("draw.shots.mean() - 0.5", "draw.shots.mean() + 0.5"),
            "scaled without training videos and shots": ("[distance, *learnt] if of_test", "[distance] if of_test"),
            "scaled by test videos in any case": ("if of_test else learnt)", "if of_test else [distance, *learnt])"),
        },
    ),
    *_of(
        "osarbench/model/course.py", "test_multigrid_training", {
            "multigrid rates without the recipe's warm-up": (
                "return rate * rate_factor(self.envelope, epoch + step / steps)", "return rate"),
            "multigrid steps counted as if epochs were equally long": (
                "return sum(len(self._batches(before)) for before in range(epoch))", "return epoch * steps"),
            "multigrid norms of every shape take equally many clips": ("wanted * batch.shape.batch // fewest", "wanted"),
            "multigrid milestones count twice": (
                'over = "constant" if recipe.schedule == "step"', 'over = "step" if recipe.schedule == "step"'),
        },
    ),
    *_of(
        "osarbench/model/split_norms.py", "test_multigrid_training", {
            "split norms' variance without that between parts": (
                "+ count * (means - mean).square().sum(dim=0)", "+ 0 * (means - mean).square().sum(dim=0)"),
            "split norms stay split behind a training": ("            del module.forward", "            pass"),
        },
    ),
    *_of(
        "osarbench/data/clips.py", "test_multigrid_training", {
            "multigrid clips keep the frames of the full shape": (
                "sampled = shaped[0].of(self.spec) if shaped",
                "sampled = shaped[0]._replace(frames=self.spec.frames).of(self.spec) if shaped"),
        },
    ),
    *_of(
        f"{METHODS}/posthoc_sirc.py", "test_sirc", {
            "SIRC a deviation below the mean": ("second.mean() - 3 * deviation", "second.mean() - deviation"),
            "SIRC's second score turned": ("self.slope * (self.floor - self.second(features))", "self.slope * (self.second(features) - self.floor)"),
            "the 2-norm instead of the 1-norm": ("features.abs().sum(dim=1)", "features.square().sum(dim=1).sqrt()"),
        },
    ),
    *_of(
        f"{METHODS}/few_shot.py", "test_few_shot", {
            "distance to the shots instead of nearness": ("return 1 - near + _cosine(direction, self.shots, self.shot_neighbours)", "return 1 - near - _cosine(direction, self.shots, self.shot_neighbours)"),
            "a learnt video is its own neighbour": ("skip = 0 if self.own else 1", "skip = 0"),
            "published distance of training to itself": ("torch.zeros_like(among_training) if self.own else", ""),
            "FS-KNNS at the mean of the shots": ("shots.mean() - 0.5 * shots.std(correction=0)", "shots.mean()"),
            "few-shot SIRC at the mean": ("F.softplus((distance - train.mean() - 3 * deviation) / deviation)\n", "F.softplus((distance - train.mean()) / deviation)\n"),
            "published SIRC without what it adds": ("* factor + 1e-6).log()", "* factor).log()"),
        },
    ),
    *_of(
        "osarbench/data/shots.py", "test_few_shot", {
            "shots stay in the test": ("if _key(its, few) not in {_key(shot, few) for shot in drawn}]", "]"),
            "all shots of one source": ("zip_longest(*(by_source[group] for group in sources))", "[by_source[group] for group in sources]"),
            "the seed is not used": ("\"\\0\".join([str(seed), *names])", "\"\\0\".join(names)"),
        },
    ),
    *_of(
        "osarbench/data/augment.py", "test_augment", {
            "augmentation of other clips than are to be": ("generator.random() >= recipe.clip", "generator.random() < recipe.clip"),
            "augmentation draws noise for each frame": ("size=clip.shape[1:])", "size=clip.shape)"),
            "augmentation's contrast about white": ("127 + float(draw.uniform(*factors)) * (clip.float() - 127)", "255 + float(draw.uniform(*factors)) * (clip.float() - 255)"),
            "augmentation turns hue as far as saturation moves": ("h + 2 * torch.pi * hue", "h + hue"),
            "augmentation moves corners outward": ("corners + towards * inward", "corners - towards * inward"),
        },
    ),
    *_of(
        "osarbench/data/perturbations.py", "test_diagnosis", {
            "a shuffle may keep the order": ("while frames > 1 and np.array_equal(order, np.arange(frames)):", "if frames > 1:"),
            "the first frame is repeated": ("view[:, view.shape[1] // 2]", "view[:, 0]"),
            "background and foreground are exchanged": ("return torch.where(_foreground(view), view, blurred)", "return torch.where(_foreground(view), blurred, view)"),
        },
    ),
    *_of(
        "osarbench/run/diagnosis.py", "test_diagnosis", {
            "a change has the wrong sign": ("sign = pair.difference, -1 if pair.first == original else 1", "sign = pair.difference, 1 if pair.first == original else -1"),
        },
    ),
    *_of(
        "osarbench/model/speed.py", "test_speed", {
            "waiting is counted as reading by the clip": ("waiting / max(total, 1e-9)", "waiting / max(self.clips, 1e-9)"),
        },
    ),
    *_of(
        "osarbench/run/costs.py", "test_costs", {
            "reading and computing always overlap": ("max(1 / computing, 1 / reading) if overlap", "max(1 / computing, 1 / reading) if True"),
            "half precision features on disk": ("4.0 * total * width", "2.0 * total * width"),
        },
    ),
    *_of(
        "osarbench/data/archives.py", "test_hub", {
            "members may climb out": ('".." in path.parts or ', ""),
            "links are unpacked": ("None if info.isreg() else _LINKS", "None"),
        },
    ),
    *_of(
        "osarbench/published/differences.py", "test_differences", {
            "repeated rows are kept": ("    left[rows] = False\n", ""),
            "excluded classes are compared": ("_take(unknown, kept)", "unknown"),
            "the first less the second": ("difference=-100 * its.value", "difference=100 * its.value"),
        },
    ),
]  # fmt: skip
