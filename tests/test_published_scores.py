"""Published numbers of DEAR (ICCV 2021) and PSL (CVPR 2023), recomputed from the score files they are of."""

from pathlib import Path

import numpy as np
import pytest

from osarbench.metrics import calibration, closed, openness, ranking, thresholds

# AUROC, AUPR, FPR95 (nearest), closed accuracy of the PSL paper's tables (CVPR 2023), for the files
# beside it; HMDB-51 without the eight classes that PSL removes, MiT-v2 as the mean over ten consecutive chunks.
PSL_EIGHT = [15, 26, 29, 30, 31, 34, 35, 43]
PSL_HMDB = {
    "results/TSM_DNN_BALD_HMDB_result": (88.234, 67.618, 38.118, 95.057),
    "results/TSM_BNN_BALD_HMDB_result": (91.812, 79.651, 31.430, 94.713),
    "results/TSM_EDLNoKLAvUCDebias_EDL_HMDB_result": (84.164, 75.538, 89.400, 94.475),
    "results_baselines/rpl/TSM_RPL_HMDB_result": (90.528, 77.856, 37.087, 95.586),
    "results_ft_hmdb/TSM_PSL_80_n_s_shu_ft_score": (94.052, 86.549, 23.180, 95.622),
    "results_ft_hmdb/TSM_openmax_ft": (90.888, 73.158, 38.768, 95.322),
    "results_scratch_hmdb/TSM_PSL_80_n_s_shu_score": (86.427, 65.538, 41.667, 76.530),
    "results_scratch_hmdb/TSM_bnn": (80.102, 53.429, 52.326, 71.512),
    "results_scratch_hmdb/TSM_dear": (79.996, 49.226, 53.277, 71.327),
    "results_scratch_hmdb/TSM_dropout": (75.750, 41.208, 54.783, 73.626),
    "results_scratch_hmdb/TSM_openmax": (82.275, 54.585, 50.687, 73.916),
    "results_scratch_hmdb/TSM_rpl": (79.666, 51.848, 56.395, 71.459),
    "results_scratch_hmdb/TSM_softmax": (79.721, 52.127, 53.224, 73.916),
}
PSL_MIT = {
    "results/TSM_DNN_BALD_MiT_result": (88.711, 83.359, 39.463, 95.057),
    "results/TSM_BNN_BALD_MiT_result": (91.860, 90.122, 36.212, 94.713),
    "results/TSM_EDLNoKLAvUCDebias_EDL_MiT_result": (86.036, 87.384, 87.404, 94.475),
    "results_ft_mit/TSM_PSL_80_n_s_shu_ft_mit_score": (95.751, 94.961, 18.958, 95.904),
    "results_ft_mit/TSM_openmax_ft_MiT": (93.335, 88.140, 28.945, 95.322),
    "results_scratch_mit/TSM_PSL_80_n_s_shu_mit_score": (86.529, 79.952, 40.988, 77.193),
    "results_scratch_mit/TSM_bnn_mit": (79.480, 71.730, 52.523, 71.195),
    "results_scratch_mit/TSM_dear_mit": (79.070, 67.222, 52.441, 71.624),
    "results_scratch_mit/TSM_dropout_mit": (75.661, 62.201, 51.574, 73.679),
    "results_scratch_mit/TSM_openmax_mit": (84.423, 76.694, 47.741, 74.101),
    "results_scratch_mit/TSM_rpl_mit": (80.203, 72.042, 52.830, 71.327),
    "results_scratch_mit/TSM_softmax_mit": (80.546, 73.168, 50.490, 74.101),
}


def published(shared: Path, name: str) -> dict[str, np.ndarray]:
    """Uncertainty, prediction and label of known and unknown videos of one of the files beside the PSL paper."""
    with np.load(shared / "data/scores/psl" / f"{name}.npz") as file:
        read = {}
        for prefix, role in (("ind", "known"), ("ood", "unknown")):
            if f"{prefix}_softmax" in file:
                softmax = file[f"{prefix}_softmax"]
                read[f"{role}_uncertainty"], read[f"{role}_predicted"] = 1 - softmax.max(axis=1), softmax.argmax(axis=1)
            else:
                uncertainty = file[f"{prefix}_unctt"]
                read[f"{role}_uncertainty"] = uncertainty.reshape(len(uncertainty), -1)[:, 0]
                read[f"{role}_predicted"] = file[f"{prefix}_pred"]
            read[f"{role}_label"] = file[f"{prefix}_label"]
        return read


def three(known: np.ndarray, unknown: np.ndarray) -> list[float]:
    order = ranking.rank(known=known, unknown=unknown)
    return [ranking.auroc(order), ranking.aupr(order), ranking.fpr_at_tpr(order, rule="nearest")]


@pytest.mark.parametrize("name", PSL_HMDB)
def test_published_hmdb_numbers_of_psl(shared: Path, name: str) -> None:
    read = published(shared, name)
    kept = ~np.isin(read["unknown_label"], PSL_EIGHT)
    accuracy = closed.accuracy(read["known_label"], read["known_predicted"])
    values = [*three(read["known_uncertainty"], read["unknown_uncertainty"][kept]), accuracy]
    assert 100 * np.array(values) == pytest.approx(PSL_HMDB[name], abs=6e-4)


@pytest.mark.parametrize("name", PSL_MIT)
def test_published_mit_numbers_of_psl(shared: Path, name: str) -> None:
    """Ten chunks of all that follows row 3,783, where padded known videos (still known) open the first chunk."""
    read = published(shared, name)
    padded = len(read["known_uncertainty"]) - 3783
    rest = np.r_[read["known_uncertainty"][3783:], read["unknown_uncertainty"]]
    chunks = rest[: len(rest) // 10 * 10].reshape(10, -1)
    values = []
    for number, chunk in enumerate(chunks):
        leaked = padded if number == 0 else 0
        values.append(three(np.r_[read["known_uncertainty"][:3783], chunk[:leaked]], chunk[leaked:]))
    accuracy = closed.accuracy(read["known_label"], read["known_predicted"])
    assert 100 * np.array([*np.mean(values, axis=0), accuracy]) == pytest.approx(PSL_MIT[name], abs=6e-4)


@pytest.mark.parametrize(
    ("name", "threshold", "position", "auc", "open_f1", "std"),
    [  # DEAR table 1 (ICCV 2021), thresholds and order of its experiments/tsm/run_openness.sh
        ("TSM_DNN_BALD_HMDB", 0.000022, 0, 73.85, 71.52, 0.18),
        ("TSM_BNN_BALD_HMDB", 0.000003, 1, 73.42, 69.11, 0.16),
        ("TSM_EDLNoKLAvUCDebias_EDL_HMDB", 0.004549, 2, 78.65, 84.69, 0.20),
        ("TSM_DNN_BALD_MiT", 0.000022, 0, 78.35, 65.32, 0.25),
        ("TSM_BNN_BALD_MiT", 0.000003, 1, 77.39, 64.28, 0.23),
        ("TSM_EDLNoKLAvUCDebias_EDL_MiT", 0.004549, 2, 83.92, 70.15, 0.30),
    ],
)
def test_published_thresholded_numbers_of_dear(
    shared: Path, name: str, threshold: float, position: int, auc: float, open_f1: float, std: float
) -> None:
    read = published(shared, f"results/{name}_result")
    known, unknown = read["known_uncertainty"], read["unknown_uncertainty"]
    balanced = thresholds.balanced_accuracy(known=known, unknown=unknown, threshold=threshold)
    counts = openness.open_counts(
        known_labels=read["known_label"],
        known_decisions=np.where(known > threshold, 101, read["known_predicted"]),
        unknown_labels=read["unknown_label"],
        unknown_decisions=np.where(unknown > threshold, 101, read["unknown_predicted"]),
        known_classes=101,
        unknown_classes=305 if name.endswith("MiT") else 51,
    )
    result = openness.dear_open_macro_f1(counts, position=position)
    assert 100 * balanced == pytest.approx(auc, abs=0.006)
    assert 100 * result.value == pytest.approx(open_f1, abs=0.025)
    assert 100 * result.std == pytest.approx(std, abs=0.015)


@pytest.mark.parametrize(
    ("name", "threshold", "expected"),
    [
        ("TSM_DNN_BALD_HMDB", 0.000022, (0.049, 0.312, 0.310)),
        ("TSM_BNN_BALD_HMDB", 0.000003, (0.053, 0.329, 0.329)),
        ("TSM_EDLNoKLAvUCDebias_EDL_HMDB", 0.004549, (0.043, 0.200, 0.185)),
    ],
)
def test_ece_in_dears_three_variants(shared: Path, name: str, threshold: float, expected: tuple[float, ...]) -> None:
    read = published(shared, f"results/{name}_result")
    views = calibration.dear_decisions(
        known=read["known_uncertainty"],
        unknown=read["unknown_uncertainty"],
        known_correct=read["known_label"] == read["known_predicted"],
        threshold=threshold,
    )
    values = [calibration.ece(*views[name]) for name in ("closed", "open", "binary")]
    assert values == pytest.approx(expected, abs=6e-4)
