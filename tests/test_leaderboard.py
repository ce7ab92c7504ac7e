"""Leaderboards: pages are what their scores tables say, and a table is the one that was published."""

import gzip
import re
import shutil
from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from test_run import request

from osarbench.errors import OsarbenchError
from osarbench.leaderboard import entries
from osarbench.leaderboard import pages as leaderboard
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import protocol as protocols
from osarbench.run.run import run
from osarbench.scores import table
from osarbench.scores.metrics import evaluate

SHIPPED = Path(__file__).parents[1] / "leaderboards"


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """A leaderboard of two methods, as it was rendered."""
    for file in [*SHIPPED.glob("motion/tsm/dnn-*"), *SHIPPED.glob("motion/tsm/dear-*")]:
        copy = tmp_path / "leaderboards" / file.relative_to(SHIPPED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    leaderboard.mark_stale(tmp_path / "leaderboards", "made by earlier code")  # whether they are is not what is tested
    for page, text in leaderboard.render(tmp_path / "leaderboards").items():
        page.write_text(text)
    return tmp_path / "leaderboards"


def test_the_shipped_pages_are_what_their_tables_say() -> None:
    assert leaderboard.check(SHIPPED) == []


def test_a_page_that_was_edited_by_hand_is_found(boards: Path) -> None:
    page = boards / "motion.md"
    page.write_text(page.read_text().replace("dear", "best", 1))
    assert leaderboard.check(boards) == [f"{page} is not what its scores tables say. Run: osarbench leaderboard"]


def test_a_page_without_entries_is_found(boards: Path) -> None:
    (boards / "moton.md").write_text("# moton")
    assert leaderboard.check(boards) == [f"{boards / 'moton.md'} belongs to no protocol that has entries. Delete it."]


def test_a_table_that_was_edited_by_hand_is_refused(boards: Path) -> None:
    file = next(boards.rglob("*.csv.gz"))
    text = gzip.decompress(file.read_bytes())
    file.write_bytes(gzip.compress(text.replace(b",known,", b",unknown,", 1)))
    with pytest.raises(OsarbenchError, match="are not those it was made with"):
        leaderboard.check(boards)


def state_other_code(boards: Path) -> Path:
    """Let an entry state its code as runs do, with digests that this code does not have."""
    code = {"score": {"digest": "0" * 16, "roots": ["osarbench.scores.metrics.ranking:auroc"], "files": []}}
    return change(boards, code=code)


def test_an_entry_whose_code_has_changed_is_named_with_what_to_run_until_it_is_marked(boards: Path) -> None:
    state_other_code(boards)
    (boards / "motion/stale.toml").unlink()
    problems = [line for line in leaderboard.check(boards) if "the code of" in line]
    assert any(
        "has changed since" in line and "--method dear" in line and "--seed 0 --publish" in line for line in problems
    )
    leaderboard.mark_stale(boards, "a faster ranking")
    for page, text in leaderboard.render(boards).items():
        page.write_text(text)
    assert leaderboard.check(boards) == []
    assert "| dear †" in (boards / "motion.md").read_text()
    assert "† Made by earlier code: a faster ranking." in (boards / "motion.md").read_text()


def test_an_entry_whose_code_is_still_the_same_needs_no_mark(boards: Path) -> None:
    from osarbench.artifacts.code import Code
    from osarbench.scores.metrics import ranking

    change(boards, code={"score": Code.of(ranking.auroc).facts()})
    marked = leaderboard.mark_stale(boards, "made by earlier code")
    assert "motion/tsm/dear-0" not in marked
    assert "motion/tsm/dear-1" in marked


def change(boards: Path, **facts: object) -> Path:
    file = boards / "motion/tsm/dear-0.csv.gz"
    table.write(table.read(file), file, facts={**(table.read_facts(file) or {}), **facts})
    return file


@pytest.mark.parametrize(
    ("facts", "complaint"),
    [
        ({"protocol": {"name": "motion", "sha256": "0"}}, "another version of the protocol 'motion'"),
        ({"seed": 7}, r"is an entry of tsm/dear-7\.csv\.gz: it was moved or renamed"),
        ({"tier": "believed"}, "claims the evidence 'believed'; there are: run, re-scored"),
    ],
)
def test_an_entry_whose_facts_do_not_fit_is_refused(boards: Path, facts: dict[str, object], complaint: str) -> None:
    change(boards, **facts)
    with pytest.raises(OsarbenchError, match=complaint):
        leaderboard.check(boards)


def test_entries_of_other_test_videos_are_refused(boards: Path) -> None:
    file = boards / "motion/tsm/dear-0.csv.gz"
    table.write(table.read(file).iloc[:-1], file, facts=table.read_facts(file))
    with pytest.raises(OsarbenchError, match="do not hold the same test videos: 1 are in one of them only"):
        leaderboard.check(boards)


def test_rows_that_cannot_be_told_apart_share_a_rank(boards: Path) -> None:
    for seed in (0, 1, 2):
        file = boards / f"motion/tsm/dnn-{seed}.csv.gz"
        rows, facts = table.read(file), table.read_facts(file) or {}
        rows["uncertainty"] += 1e-3 * np.random.default_rng(seed).random(len(rows))
        table.write(rows, boards / f"motion/tsm/twin-{seed}.csv.gz", facts={**facts, "method": "twin"})
    page = leaderboard.render(boards)[boards / "motion.md"]
    ranks = {cells[1]: cells[0] for line in page.splitlines() if len(cells := re.findall(r"[^| ]+", line)) > 8}
    assert (ranks["dnn"], ranks["twin"], ranks["dear"]) == ("1", "1", "3")


def test_a_row_of_fewer_seeds_is_not_ranked_and_says_so(boards: Path) -> None:
    (boards / "motion/tsm/dear-1.csv.gz").unlink()
    (boards / "motion/tsm/dear-2.csv.gz").unlink()
    leaderboard.mark_stale(boards, "made by earlier code")
    page = leaderboard.render(boards)[boards / "motion.md"]
    rows = {cells[2].strip(" †"): cells for line in page.splitlines() if len(cells := line.split("|")) > 8}
    assert (rows["dnn"][1].strip(), rows["dnn"][4].strip()) == ("1", "3")
    assert (rows["dear"][1].strip(), rows["dear"][4].strip()) == ("", "1 ‡")
    assert "‡ Not ranked, for the ranked rows have 3 seeds and these have not: dear (1)." in page
    assert "`--seeds 0,1,2`" in page


def test_the_interval_over_videos_does_not_widen_with_the_spread_of_seeds(boards: Path) -> None:
    def interval() -> tuple[str, str]:
        page = leaderboard.render(boards)[boards / "motion.md"]
        cells = next(line for line in page.splitlines() if "| dear" in line).split("|")
        return cells[6].strip(), cells[7].strip()

    before = interval()
    for seed in (1, 2):  # three times the same training: no spread
        file = boards / f"motion/tsm/dear-{seed}.csv.gz"
        first = boards / "motion/tsm/dear-0.csv.gz"
        table.write(table.read(first), file, facts={**(table.read_facts(first) or {}), "seed": seed})
    after = interval()
    assert "±" in before[0]
    assert after[0].endswith("± 0.00")
    low, high = (float(part) for part in after[1].split(" to "))
    once_low, once_high = (float(part) for part in before[1].split(" to "))
    assert high - low == pytest.approx(once_high - once_low, abs=1.0)


def test_a_board_of_draws_is_of_means_over_them_and_not_ranked(tmp_path: Path) -> None:
    text = (Path(__file__).with_name("toy.toml")).read_text().replace('splits = ["unknown"]', 'splits = ["test"]')
    known = ['"red", "green"', '"blue", "green"', '"red", "blue"']
    file, boards = tmp_path / "boards/drawn/drawn.toml", tmp_path / "boards"
    file.parent.mkdir(parents=True)
    file.write_text(text + "".join(f"[[draws]]\nknown = [{names}]\n" for names in known))
    for one in run(request(tmp_path, tmp_path / "cache", protocol=str(file), draws=(0, 1), seeds=(0, 1))):
        assert one.folder.parents[2].name == f"draw-{one.draw}"
        entries.publish_run(one.scores, boards)
    assert (tmp_path / "boards/drawn/toy/dnn-draw1-0.csv.gz").is_file()
    page = leaderboard.render(boards)[tmp_path / "boards/drawn.md"]
    (row,) = [line.split("|") for line in page.splitlines() if line.startswith("| dnn")]
    assert [cell.strip() for cell in row[2:5]] == ["run", "2 ‡", "2"]
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d \(\d+\.\d\d\)", row[6].strip())
    assert "‡ Not of all 3 draws" in page
    first = tmp_path / "boards/drawn/toy/dnn-draw0-0.csv.gz"
    facts = {key: value for key, value in (table.read_facts(first) or {}).items() if key != "draw"}
    table.write(table.read(first), first.with_name("dnn-0.csv.gz"), facts=facts)
    with pytest.raises(OsarbenchError, match="does not say which draw of classes of 'drawn' it is of"):
        leaderboard.render(boards)


def test_a_row_that_was_rescored_is_not_ranked_with_runs(boards: Path) -> None:
    file = boards / "motion/tsm/dear-0.csv.gz"
    facts = {**(table.read_facts(file) or {}), "method": "theirs", "tier": "re-scored", "seed": 0}
    table.write(table.read(file).iloc[:-1], boards / "motion/tsm/theirs-0.csv.gz", facts=facts)
    page = leaderboard.render(boards)[boards / "motion.md"]
    assert re.search(r"\|\s+\| theirs +\| re-scored +\| 1 ", page)


def test_numbers_of_papers_stand_on_their_protocols_page_with_citation() -> None:
    page = (SHIPPED / "ucf101-hmdb51.md").read_text()
    assert "Cen et al." in page
    assert re.search(r"\| tsm +\| fine-tuned from Kinetics-400 +\| psl +\| 94\.052 +\| 86\.549 ", page)
    assert "- *open_macro_f1 ±*: standard deviation over the ten draws, weighted likewise; not over training" in page
    assert re.search(r"\| tsm +\| fine-tuned from Kinetics-400 +\| dear +\| 78\.65 +\| 84\.69 ± 0\.20 ", page)


def test_a_published_table_is_the_runs_own_with_its_facts(tmp_path: Path) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache"))
    file = entries.publish_run(entry.scores, tmp_path / "boards")
    assert file == tmp_path / "boards/toy/toy/dnn-0.csv.gz"
    assert table.read(file).equals(table.read(entry.scores))
    assert (table.read_facts(file) or {})["tier"] == "run"
    assert len(list((tmp_path / "boards").rglob("*.*"))) == 1


def test_a_run_that_deviates_from_its_protocol_is_not_published(tmp_path: Path) -> None:
    (entry,) = run(request(tmp_path, tmp_path / "cache", epochs=1))
    with pytest.raises(OsarbenchError, match=r"deviates from its protocol \(epochs = 1\)"):
        entries.publish_run(entry.scores, tmp_path / "boards")


def test_a_table_without_manifest_is_not_published(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "motion/tsm/dnn-0.csv.gz", tmp_path / "scores.csv.gz")
    with pytest.raises(OsarbenchError, match="has no manifest next to it"):
        entries.publish_run(tmp_path / "scores.csv.gz", tmp_path / "boards")


def rescored(boards: Path, **facts: object) -> Path:
    """Publish an entry as if it came from somebody's file."""
    file = boards / "motion/tsm/dear-0.csv.gz"
    origin = {"files": [{"name": "theirs.npz", "sha256": "0"}], "findings": [{"kind": "ties", "severity": "warning"}]}
    said = {**(table.read_facts(file) or {}), "method": "theirs", "tier": "re-scored", "origin": origin, **facts}
    return entries.publish(table.read(file), said, boards)


def test_a_row_that_was_rescored_has_an_interval_its_file_and_what_is_wrong_with_it(boards: Path) -> None:
    rescored(boards)
    page = leaderboard.render(boards)[boards / "motion.md"]
    assert re.search(r"\|\s+\| theirs +\| re-scored .* \d\d\.\d to \d\d\.\d ", page)
    assert "- *theirs*: re-scored from theirs.npz. The integrity check found: ties (warning)." in page


def test_no_entry_replaces_one_of_other_evidence(boards: Path) -> None:
    rescored(boards)
    rescored(boards)
    with pytest.raises(OsarbenchError, match=r"an entry already: re-scored from theirs\.npz, not re-scored from other"):
        rescored(boards, origin={"files": [{"name": "other.npz", "sha256": "1"}]})
    with pytest.raises(OsarbenchError, match=r"dear-1\.csv\.gz is an entry already: run, not re-scored from theirs"):
        rescored(boards, method="dear", seed=1)


@pytest.mark.parametrize("role", ["known", "unknown"])
def test_an_entry_of_other_data_than_the_protocols_is_refused(boards: Path, role: str) -> None:
    file = boards / "motion/tsm/dear-0.csv.gz"
    rows = table.read(file)
    rows.loc[rows["role"] == role, "source"] = "elsewhere/test1"
    table.write(rows, file, facts=table.read_facts(file))
    with pytest.raises(
        OsarbenchError, match=rf"holds {role} test videos of elsewhere/test1, and the protocol 'motion'"
    ):
        leaderboard.check(boards)


def test_a_protocol_of_ones_own_is_next_to_its_entries(boards: Path) -> None:
    shipped = benchmark_files.shipped()["motion"]
    own, sha256 = shipped.read_text(), protocols.read(str(shipped)).sha256
    facts = {
        **(table.read_facts(boards / "motion/tsm/dear-0.csv.gz") or {}),
        "protocol": {"name": "own", "sha256": sha256},
    }
    entries.publish(table.read(boards / "motion/tsm/dear-0.csv.gz"), facts, boards)
    with pytest.raises(OsarbenchError, match=r"no protocol 'own', .* put its file next to them: .*own/own\.toml"):
        leaderboard.check(boards)
    (boards / "own/own.toml").write_text(own)
    assert "| dear " in leaderboard.render(boards)[boards / "own.md"]


def test_notes_next_to_the_entries_are_on_the_page(boards: Path) -> None:
    assert "## Notes" not in (boards / "motion.md").read_text()
    (boards / "motion/notes.md").write_text("*dear* is odd here.\n")
    page = leaderboard.render(boards)[boards / "motion.md"]
    assert page.index("## tsm") < page.index("## Notes\n\n*dear* is odd here.\n\n**Reading") < page.index("Rendered by")


def test_a_board_shows_unified_open_set_recognition_in_the_order_of_its_auroc(boards: Path) -> None:
    page = leaderboard.render(boards)[boards / "motion.md"]
    lines = page.partition("Unified open-set recognition")[2].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| d")]
    for method, *_ in rows:
        files = sorted((boards / "motion/tsm").glob(f"{method.split()[0]}-[0-9]*.csv.gz"))
        found = [evaluate(table.read(file)).headline["uosr_auroc"] for file in files]
        shown = next(row for row in rows if row[0] == method)[-2]
        assert shown.split(" ±")[0] == f"{100 * mean(value for value in found if value is not None):.2f}"
    order = [float(row[-2].split(" ±")[0]) for row in rows]
    assert order == sorted(order, reverse=True)


def test_a_page_without_entries_speaks_of_none() -> None:
    page = (SHIPPED / "ucf101-mit.md").read_text()
    assert "No entry yet: `osarbench run --protocol ucf101-mit --publish` adds one." in page
    assert "Reading the tables" not in page
    assert "scores tables beside" not in page
    assert re.search(r"\| fpr95 ↓ +\| closed_accuracy ↑ ", page)
