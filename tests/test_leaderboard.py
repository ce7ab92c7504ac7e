"""Leaderboards: pages are what their scores tables say, and a table is the one that was published."""

import shutil
from pathlib import Path

import pytest
from test_run import request

from osarbench import table
from osarbench.errors import OsarbenchError
from osarbench.pipe.run import run
from osarbench.reports import leaderboard

SHIPPED = Path(__file__).parents[1] / "leaderboards"


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    shutil.copytree(SHIPPED, tmp_path / "leaderboards")
    return tmp_path / "leaderboards"


def test_the_shipped_pages_are_what_their_tables_say() -> None:
    assert leaderboard.render(SHIPPED)
    assert leaderboard.check(SHIPPED) == []


def test_a_page_that_was_edited_by_hand_is_found(boards: Path) -> None:
    page = boards / "motion.md"
    page.write_text(page.read_text().replace("dear", "best", 1))
    assert leaderboard.check(boards) == [f"{page} is not what its scores tables say. Run: osarbench leaderboard"]


def test_a_table_that_was_edited_by_hand_is_refused(boards: Path) -> None:
    file = next(boards.rglob("*.csv.gz"))
    rows = table.read(file)
    rows.loc[0, "uncertainty"] += 1e-9
    table.write(rows, file)
    with pytest.raises(OsarbenchError, match=r"is not the scores table that its \.json names"):
        leaderboard.check(boards)


def test_an_entry_of_another_protocol_file_is_refused(boards: Path) -> None:
    facts = next(boards.rglob("tsm/*.json"))
    facts.write_text(facts.read_text().replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(OsarbenchError, match="another version of the protocol 'motion'"):
        leaderboard.check(boards)


def test_a_published_table_is_the_runs_own_with_its_facts_beside_it(tmp_path: Path) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache"))
    file = leaderboard.publish(entry.scores, tmp_path / "boards")
    assert file == tmp_path / "boards/toy/toy/dnn-0.csv.gz"
    assert table.read(file).equals(table.read(entry.scores))
    assert (tmp_path / "boards/toy/toy/dnn-0.json").is_file()


def test_a_run_that_deviates_from_its_protocol_is_not_published(tmp_path: Path) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache", epochs=1))
    with pytest.raises(OsarbenchError, match=r"deviates from its protocol \(epochs = 1\)"):
        leaderboard.publish(entry.scores, tmp_path / "boards")
