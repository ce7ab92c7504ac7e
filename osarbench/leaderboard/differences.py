"""The section of a board on the differences between published methods, from what `osarbench differences` kept."""

from pathlib import Path

from osarbench.leaderboard import markdown
from osarbench.leaderboard.markdown import escape
from osarbench.published import differences, differences_text

FILE = "published-differences.json"


def section(folder: Path) -> str | None:
    """Return the Markdown section of a protocol's folder; None if nothing is kept there.

    Raises:
        OsarbenchError: the file is damaged.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    found = differences.read(file)
    listed = "\n".join(f"- {escape(line)}" for line in differences_text.findings(found))
    table = markdown.table(differences_text.rows(found), differences_text.HEADERS)
    told = "\n\n".join(escape(line) for line in differences_text.remarks(found))
    return (
        "## Which published differences are more than chance\n\nFrom published score files alone: `osarbench "
        f"differences FOLDER ...` computes them again.\n\n{listed}\n\n{table}\n\n{told}\n"
    )
