"""The boards show which published differences are more than chance, as the files give it."""

from pathlib import Path

import pytest
from test_differences import papers

from osarbench.leaderboard.differences import FILE, section
from osarbench.published import differences
from osarbench.published.differences import Differences

BOARDS = Path(__file__).parents[1] / "leaderboards"


@pytest.fixture(scope="module")
def found(shared: Path) -> Differences:
    folders = [shared / "data/scores/psl", shared / "data/scores/uosr"]
    (its,) = differences.differences(papers("psl2023", "uosr2023"), folders)
    return its


def test_the_board_shows_what_the_files_give(found: Differences) -> None:
    kept = differences.read(BOARDS / "ucf101-hmdb51" / FILE)
    fine_tuned = [group for group in kept.groups if group.training == "kinetics400"]
    for group, its in zip(found.groups, fine_tuned, strict=True):
        assert [one.method for one in group.methods] == [one.method for one in its.methods]
        assert [one.value for one in group.methods] == pytest.approx([one.value for one in its.methods], abs=1e-3)
        assert [one.sha256 for one in group.methods] == [one.sha256 for one in its.methods]
        assert group.survive == its.survive
    assert kept.twice[0].difference == pytest.approx(found.twice[0].difference, abs=1e-3)


def test_the_page_has_one_table_and_the_finding() -> None:
    page = (BOARDS / "ucf101-hmdb51.md").read_text(encoding="utf-8")
    assert page.count("## Which published differences are more than chance") == 1
    assert "dear, fine-tuned, published twice: 84.16" in page
    assert "They lie 7.33 points apart" in page
    kept = section(BOARDS / "ucf101-hmdb51")
    assert kept is not None
    assert kept in page
    assert section(BOARDS / "motion") is None
