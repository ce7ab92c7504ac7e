"""A hook of MkDocs: files of the repository that are pages of the site, and their links as the site has them.

The README and its like are written for whoever reads the repository, so their links are paths in it. On the site a link
to such a file leads to its page; a link to what is no page (a folder, a source file) is shown as its text.
"""

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)\)")
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.DOTALL)
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")


def pages() -> dict[str, str]:
    """Return path in the repository -> path of its page in the site, of every Markdown file that is a page."""
    top = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
    boards = {name: name for name in _markdown("leaderboards") if name.count("/") == 1}
    return top | boards | {name: name.removeprefix("docs/") for name in _markdown("docs")}


def relinked(text: str, source: str, found: dict[str, str]) -> str:
    """Return Markdown with the relative links of a file of the repository as those of its page.

    Args:
        text: of the file.
        source: path of the file in the repository.
        found: what `pages` returns.
    """

    def link(match: re.Match[str]) -> str:
        shown, target = match.groups()
        path, _, anchor = target.partition("#")
        if not path or SCHEME.match(target):
            return match[0]
        full = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if full not in found:
            return shown
        there = posixpath.relpath(found[full], posixpath.dirname(found[source]) or ".")
        return f"[{shown}]({there}{'#' + anchor if anchor else ''})"

    parts = CODE.split(text)
    return "".join(part if position % 2 else LINK.sub(link, part) for position, part in enumerate(parts))


def on_files(files: "Files", config: Any) -> "Files":
    """Add the files outside of docs/ to the site."""
    from mkdocs.structure.files import File

    for source, page in pages().items():
        if not source.startswith("docs/"):
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Rewrite the links of a page."""
    found = pages()
    sources = {its: source for source, its in found.items()}
    return relinked(markdown, sources[page.file.src_uri], found)


def _markdown(folder: str) -> list[str]:
    return sorted(file.relative_to(ROOT).as_posix() for file in (ROOT / folder).rglob("*.md"))
