"""Post-hoc scores beside OpenOOD's, pytorch-ood's and oodeel's: the same, or the difference is explained on a page."""

from functools import cache
from pathlib import Path

import audit_oodeel
import audit_pytorch_ood
import numpy as np
import pytest
import score_audit
from audit_case import SCORES, drawn, real
from score_audit import BY_WAY_OF, LIBRARIES, PAGE, WHY, Relation, relation

needs_all = pytest.mark.skipif(
    audit_pytorch_ood.detectors is None or audit_oodeel.methods is None,
    reason="needs pytorch-ood, oodeel and faiss-cpu, the dependency groups test and audit",
)


@cache
def relations() -> dict[tuple[str, str], Relation]:
    return score_audit.relations(drawn())


@needs_all
@pytest.mark.parametrize(("library", "name"), [(library, name) for library in LIBRARIES for name in LIBRARIES[library]])
def test_a_score_is_that_of_another_library_or_the_difference_is_explained(library: str, name: str) -> None:
    found = relations()[library, name]
    assert (found.kind == "differs") == ((library, name) in WHY), found


@needs_all
def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == score_audit.render(relations()), f"run python {score_audit.__file__}"


@needs_all
@pytest.mark.slow
def test_the_same_holds_on_features_of_real_video(shared: Path) -> None:
    data = real(shared, Path(__file__).parents[1] / "build" / "score-audit" / "features.npz")
    found = score_audit.relations(data)
    assert {pair for pair, each in found.items() if each.kind == "differs"} == set(WHY)


def test_what_is_explained_or_compared_is_a_score() -> None:
    assert {name for scores in LIBRARIES.values() for name in scores} <= set(SCORES)
    assert {(library, name) for library, name in WHY if name not in LIBRARIES[library]} == set()
    assert set(BY_WAY_OF) <= set(SCORES)


def test_relations_of_scores_are_told_apart() -> None:
    scores = np.linspace(1, 2, 40)
    swapped = scores.copy()
    swapped[[10, 11]] = swapped[[11, 10]]
    assert relation(scores, scores + 1e-7).kind == "equal"
    assert relation(scores, np.exp(scores)) == Relation("same order", 1.0)
    assert relation(scores, swapped).kind == "differs"
    assert relation(scores, -scores) == Relation("differs", -1.0)
    assert relation(scores, np.where(scores > 1.1, 1.0, scores)).kind == "differs"  # nearly all are tied


def test_a_score_that_is_not_finite_is_no_score() -> None:
    with pytest.raises(AssertionError, match="not finite"):
        relation(np.arange(3.0), np.array([0, np.nan, 1]))
