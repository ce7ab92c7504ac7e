"""Whatever a name holds, a row of a board or a terminal table stays one row and says what it would have said."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hostile_names import HOSTILE
from test_leaderboard import SHIPPED

from osarbench.commands.compare import compare
from osarbench.commands.scores import print_metrics
from osarbench.leaderboard import markdown, pages
from osarbench.leaderboard.entries import Entry, Tier
from osarbench.protocols import protocol as protocols
from osarbench.reports import latex
from osarbench.reports.formats import visible
from osarbench.scores import metrics, table

#: A bar that no backslash takes away.
BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
#: What Markdown would take for markup.
MARKUP = re.compile(r"(?<!\\)(?:\\\\)*[`*\[\]]|<(?!br)")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_cell_of_a_markdown_table_is_one_cell_without_markup(name: str) -> None:
    lines = markdown.table([[name, "1.00"], ["b", "2.00"]], ["method", "AUROC ↑"]).splitlines()
    assert len(lines) == 4
    assert [len(BAR.findall(line)) for line in lines] == [3] * 4
    assert not MARKUP.search(lines[2])
    assert lines[2].isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_of_a_latex_table_is_one_row_of_plain_text(name: str) -> None:
    lines = latex.table([name, "AUROC ↑"], [[name, "1.00"], ["b", "2.00"]], numeric=[False, True]).splitlines()
    body = lines[lines.index(r"\toprule") + 1 : lines.index(r"\bottomrule")]
    assert [line.endswith(r" \\") for line in body] == [True, False, True, True]
    cell, ampersand, rest = body[2].partition(" & 1.00")
    assert (ampersand, rest) == (" & 1.00", r" \\")
    plain = re.sub(r"\\(textbackslash|text[a-z]+)\{\}|\\[{}$&#%_]|\{[\[\]*-]\}", "", cell)
    assert not re.search(r"[\\{}$&#%_~^]", plain)


def shown(text: str) -> str:
    """Return what Markdown shows of escaped text."""
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_shows_a_name_as_it_is_written(name: str) -> None:
    assert shown(markdown.escape(name)) == visible(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_forges_a_row_of_a_board(name: str) -> None:
    file = SHIPPED / "motion/tsm/dear-0.csv.gz"
    origin = {"files": [{"name": name, "sha256": "0"}], "findings": [{"kind": name, "severity": "warning"}]}
    tiers: list[tuple[str, Tier]] = [(name, "run"), ("plain", "run"), (name, "re-scored")]
    entries = [
        Entry("tsm", method, 0, tier, file, {**(table.read_facts(file) or {}), "origin": origin})
        for method, tier in tiers
    ]
    board = pages._board(protocols.read("motion"), entries, {})
    rows = [line for line in board.splitlines() if line.startswith("|")]
    assert len(rows) == 2 * (2 + 3)  # the board, and that of unified open-set recognition
    for part in (rows[:5], rows[5:]):
        assert len({len(BAR.findall(line)) for line in part}) == 1
    told = ("|", "Resampled", "Re-scored", "Unified open-set recognition (UOSR):", "- *")
    assert all(line.startswith(told) or not line for line in board.splitlines())


@pytest.mark.parametrize("name", HOSTILE)
def test_a_terminal_table_has_a_line_for_each_name_and_shows_it_unchanged(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table.read(SHIPPED / "motion/tsm/dear-0.csv.gz")
    print_metrics({name: metrics.evaluate(rows)})
    first = capsys.readouterr().out.splitlines()
    print_metrics({"plain": metrics.evaluate(rows)})
    assert len(first) == len(capsys.readouterr().out.splitlines())
    assert first[2].startswith(visible(name))
    assert all(line.isprintable() for line in first)


@pytest.mark.parametrize("name", HOSTILE)
def test_compare_prints_each_name_on_one_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for file in ("a.csv", "b.csv"):
        known = np.arange(60) < 40
        label = [f"c{n % 4}" if n < 40 else f"u{n % 4}" for n in range(60)]
        columns = {
            "video": [str(n) for n in range(60)], "role": np.where(known, "known", "unknown"), "source": "s/t",
            "label": label, "predicted": "c0", "confidence": 0.5, "uncertainty": generator.normal(size=60),
        }  # fmt: skip
        table.write(pd.DataFrame(columns), Path(file))
    stated = ["--entry", f"{name}=a.csv", "--entry", "b=b.csv", "--draws", "100", "--permutations", "10"]
    result = CliRunner().invoke(compare, stated)
    assert result.exception is None
    assert f"\n{visible(name)}  " in result.output
    assert all(line.isprintable() for line in result.output.split("\n"))
