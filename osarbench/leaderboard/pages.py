"""Markdown pages that are rendered from entries and checked against them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from osarbench import __version__
from osarbench.errors import OsarbenchError
from osarbench.leaderboard import differences, drawn, entries, markdown, reported, staleness
from osarbench.leaderboard.markdown import escape
from osarbench.leaderboard.rows import Row, unranked
from osarbench.leaderboard.rows import ranked as ranked_rows
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import protocol as protocols
from osarbench.protocols.protocol import Protocol
from osarbench.reports import text as terminal
from osarbench.reports.facts import SOURCES
from osarbench.scores import metrics, table
from osarbench.scores.metrics.result import Settings
from osarbench.scores.statistics.align import Rule, Table
from osarbench.scores.statistics.paired import Comparison, compare, tied_ranks

RANKED_BY = "auroc"
DRAWS = 2000
LEGEND = """\
**Reading the tables.** Numbers are percent; ↑ higher and ↓ lower is better. With several seeds: mean ± standard
deviation over them. *95 % over videos* is the interval of that AUROC over other videos, for these very seeds: what the
seeds do is in the ±, not in it. *Rank* is by AUROC and takes both into account: rows share a rank where a paired
comparison on the same videos cannot tell them from the best of their rank (Holm-adjusted over all pairs, 5 %). That is
no proof that they are equal: with few seeds, only large differences stand out. Only rows of equally many seeds are
ranked, for what one training owes to its seed cannot be seen in it. *Evidence*: **run** here from videos by the code
that the entry names, **re-scored** from a scores file that somebody published (not ranked: such files often name no
videos), **reported** in a paper and not checked. *AUPR* takes unknown as positive, trapezoid. *FPR95*: known videos
rejected at the first threshold that rejects 95 % of the unknown ones. *Known accepted*: known test videos under the
threshold that accepts {share:.0f} % of the {source}; how far it is from that is how far any thresholded number can be
trusted. The README says more, and `metrics.json` of a run names every convention."""


def render(folder: Path) -> dict[Path, str]:
    """Return the Markdown page of every protocol that has entries or numbers reported for it, by file.

    Raises:
        OsarbenchError: an entry is not what it says, see `osarbench.leaderboard.entries.read`.
    """
    published = {path.name for path in folder.glob("*") if path.is_dir() and any(path.glob("*/*.csv.gz"))}
    published |= {path.parent.name for path in folder.glob(f"*/{differences.FILE}")}
    names = sorted(published | {name for name in benchmark_files.shipped() if reported.papers(name)})
    return {folder / f"{name}.md": _page(_protocol(name, folder / name), folder / name) for name in names}


def check(folder: Path) -> list[str]:
    """Return what is wrong: a line for each page that is not what its files say, or that has none."""
    pages = render(folder)
    problems = [
        f"{file} is not what its scores tables say. Run: osarbench leaderboard"
        for file, text in pages.items()
        if not file.is_file() or file.read_text(encoding="utf-8") != text
    ]
    problems += stale(folder)
    left = sorted(set(folder.glob("*.md")) - set(pages) - {folder / "README.md"})
    return problems + [f"{file} belongs to no protocol that has entries. Delete it." for file in left]


def stale(folder: Path) -> list[str]:
    """Return a line for each group of entries that the code at hand would not make again and nobody has marked."""
    found: list[str] = []
    for protocol, its in folders(folder):
        marks = staleness.read_marks(its)
        found += staleness.problems(protocol.name, its, entries.read(its, protocol), marks)
    return found


def mark_stale(folder: Path, reason: str) -> list[str]:
    """Mark every stale entry with a reason, unless it is marked already; return the names of those that are marked."""
    marked: list[str] = []
    for protocol, its in folders(folder):
        marks = staleness.updated_marks(entries.read(its, protocol), staleness.read_marks(its), reason)
        staleness.write_marks(its, marks)
        marked += [f"{protocol.name}/{name}" for name in marks]
    return marked


def folders(folder: Path) -> Iterator[tuple[Protocol, Path]]:
    """Yield the protocols that have entries, with the folder of these."""
    for path in sorted(folder.glob("*")):
        if path.is_dir() and any(path.glob("*/*.csv.gz")):
            yield _protocol(path.name, path), path


def _protocol(name: str, folder: Path) -> Protocol:
    """Return a protocol of osarbench, or somebody's own whose file is next to its entries."""
    own = folder / f"{name}.toml"
    if not own.is_file() and name not in benchmark_files.shipped():
        raise OsarbenchError(f"osarbench has no protocol '{name}', of which {folder} holds entries. If it is your own, "
                             f"put its file next to them: {own}. Else delete the folder.")  # fmt: skip
    return protocols.read(str(own) if own.is_file() else name)


def _page(protocol: Protocol, folder: Path) -> str:
    by_backbone: dict[str, list[entries.Entry]] = defaultdict(list)
    for entry in entries.read(folder, protocol):
        by_backbone[entry.backbone].append(entry)
    parts = [f"# {escape(protocol.name)}\n\n{escape(protocol.sections.title)}.\n"]
    for backbone, members in sorted(by_backbone.items()):
        parts.append(f"## {escape(backbone)}\n\n{_board(protocol, members, staleness.read_marks(folder))}\n")
    if not by_backbone:
        parts.append(f"No entry yet: `osarbench run --protocol {protocol.name} --publish` adds one.\n")
    told = differences.section(folder)
    if told is not None:
        parts.append(told)
    papers = reported.papers(protocol.name)
    if papers:
        parts.append(reported.section(papers, protocol.name))
    notes = folder / "notes.md"
    if by_backbone and notes.is_file():
        parts.insert(len(by_backbone) + 1, f"## Notes\n\n{notes.read_text(encoding='utf-8').strip()}\n")
    if by_backbone:
        threshold = protocol.sections.threshold
        parts.append(LEGEND.format(share=100 * threshold.quantile, source=SOURCES[threshold.source]) + "\n")
    made = "the scores tables next to this page" if by_backbone else "the published tables that osarbench holds"
    parts.append(
        f"Rendered by `osarbench leaderboard` from {made}; do not edit. Protocol `{protocol.sha256[:12]}`, osarbench "
        f"{__version__}.\n"
    )
    return "\n".join(parts)


def _board(protocol: Protocol, members: Sequence[entries.Entry], marks: Mapping[str, str]) -> str:
    rows = sorted(_rows(protocol, members), key=lambda row: (-mean(block[RANKED_BY] for block in row.blocks), row.name))
    if protocol.sections.draws:
        names = [_method(row, marks) for row in rows]
        return "\n\n".join([*drawn.board(rows, names, len(protocol.sections.draws)), *_marked(members, marks)])
    ranked = ranked_rows([row for row in rows if row.tier == "run"])
    comparison = _compare(protocol, ranked)
    ranks = tied_ranks(comparison, RANKED_BY) if comparison else {}
    lines = []
    alone = {row.name: _compare(protocol, [row]) for row in rows if row not in ranked}
    for row in rows:
        interval = _interval(alone.get(row.name, comparison), row.name)
        cells = dict(zip(terminal.SHOWN, _cells(row.blocks), strict=True))
        shown = [cell for name, text in cells.items() for cell in ((text, interval) if name == RANKED_BY else (text,))]
        seeds = f"{len(row.members)}{' ‡' * (row.tier == 'run' and row not in ranked)}"
        lines.append([ranks.get(row.name, ""), _method(row, marks), row.tier, seeds, *shown])
    titles = {metric.name: metric.title for metric in terminal.columns()}
    headers = [
        cell
        for name, title in titles.items()
        for cell in ((title, "95 % over videos") if name == RANKED_BY else (title,))
    ]
    text = markdown.table(lines, ["rank", "method", "evidence", "seeds", *headers])
    text += f"\n\n{_unified(rows, marks)}"
    remarks = [*_marked(members, marks), *unranked(rows, ranked)]
    if comparison:
        ranking = " ".join(["Of ranks:", *comparison.notes]) if comparison.notes else ""
        remarks.append(escape(f"{comparison.resampled} {ranking}".strip()))
    if any(row.tier != "run" for row in rows):
        resampled = " ".join(dict.fromkeys(found.resampled for row in rows if (found := alone.get(row.name))))
        remarks += [f"Re-scored rows, each alone: {resampled}", "\n".join(_rescored(rows))]
    return "\n\n".join([text, *remarks])


def _unified(rows: Sequence[Row], marks: Mapping[str, str]) -> str:
    """Return the table of unified open-set recognition, where wrongly named videos are to be refused as well."""
    names = terminal.GROUPS["uosr"]
    order = sorted(rows, key=lambda row: (-mean(block["uosr_auroc"] or 0.0 for block in row.blocks), row.name))
    lines = [[_method(row, marks), row.tier, str(len(row.members)), *_cells(row.blocks, names)] for row in order]
    titles = [metric.title for metric in terminal.columns(names)]
    told = (
        "Unified open-set recognition (UOSR): a known video that is named wrongly (InW) is to be refused as an unknown "
    )
    told += (
        "one (OoD) is, and only what is named rightly (InC) to be accepted. In the order of the UOSR AUROC, not ranked."
    )
    return f"{told}\n\n{markdown.table(lines, ['method', 'evidence', 'seeds', *titles])}"


def _method(row: Row, marks: Mapping[str, str]) -> str:
    return row.method + " †" * any(staleness.name_of(entry) in marks for entry in row.members)


def _marked(members: Sequence[entries.Entry], marks: Mapping[str, str]) -> list[str]:
    reasons = dict.fromkeys(marks[name] for entry in members if (name := staleness.name_of(entry)) in marks)
    return [f"† Made by earlier code: {escape('; '.join(reasons))}."] if reasons else []


def _rescored(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a line for each entry that was made from a published file: which one, and what is wrong with it."""
    for row in rows:
        for entry in row.members if row.tier == "re-scored" else ():
            found = [f"{one['kind']} ({one['severity']})" for one in entry.facts.get("origin", {}).get("findings", [])]
            files = ", ".join(entries.origins(entry.facts)) or "a file that it does not name"
            checked = ", ".join(dict.fromkeys(found)) or "nothing"
            yield (
                f"- *{escape(row.method)}*: re-scored from {escape(files)}. The integrity check found: "
                f"{escape(checked)}."
            )


def _rows(protocol: Protocol, members: Sequence[entries.Entry]) -> Iterator[Row]:
    grouped: dict[tuple[str, entries.Tier], list[entries.Entry]] = defaultdict(list)
    for entry in members:
        grouped[entry.method, entry.tier].append(entry)
    stated = metrics.settings_of(protocol)
    settings = Settings(**{**stated, "contested": tuple(stated["contested"])})
    for (method, tier), seeds in grouped.items():
        blocks, groups = [], []
        for entry in seeds:  # one table at a time: a board of a thousand entries does not fit in memory
            rows = entry.rows()
            blocks.append(metrics.headline(rows, settings))
            groups.append(table.groups(rows))
        yield Row(method, tier, blocks, seeds, _merged(groups))


def _merged(groups: Sequence[Mapping[str, str] | None]) -> dict[str, str] | None:
    """Return the groups of several tables together, None if one does not know its own."""
    merged: dict[str, str] = {}
    for found in groups:
        if found is None:
            return None
        merged.update(found)
    return merged


def _compare(protocol: Protocol, rows: Sequence[Row]) -> Comparison | None:
    """Compare the rows in pairs: by groups of clips where the tables know them, else by classes."""
    if not rows:
        return None
    threshold = protocol.sections.threshold
    rule = Rule(threshold.quantile, threshold.source, threshold.rule)
    tables = {row.name: [Table(entry.rows, rule, sound=True) for entry in row.members] for row in rows}
    # scores after one training share its network, and seeds of one number share what they start from
    together = len({tuple(entry.seed for entry in row.members) for row in rows}) == 1
    return compare(
        tables,
        metrics=[RANKED_BY],
        groups=_merged([row.groups for row in rows]),
        draws=DRAWS,
        paired_seeds=together,
        pairs=False,
    )


def _interval(comparison: Comparison | None, name: str) -> str:
    if comparison is None or name not in comparison.entries:
        return "-"
    found = comparison.videos[name][RANKED_BY]
    return f"{100 * found.low:.1f} to {100 * found.high:.1f}"


def _cells(blocks: Sequence[Mapping[str, Any]], names: Sequence[str] = terminal.SHOWN) -> Iterator[str]:
    for key in names:
        values = [100 * block[key] for block in blocks if block[key] is not None]
        if not values:
            yield "-"
        else:
            yield f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
