"""The documentation is true: links lead somewhere, on the site as in the repository; its tables of rooms hold."""

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from test_layering import CORE, LAYERS

ROOT = Path(__file__).parents[1]
FILES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("leaderboards/**/*.md")})
FENCED = re.compile(r"```.*?```", re.DOTALL)
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")


def prose(file: Path) -> str:
    return re.sub(r"`[^`\n]+`", "", FENCED.sub("", file.read_text(encoding="utf-8")))


def anchors(file: Path) -> set[str]:
    """Return the anchors of a Markdown file's headings, as GitHub and MkDocs both make them of plain words."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """The hook that brings files of the repository to the site."""
    spec = importlib.util.spec_from_file_location("repository_pages", ROOT / "docs" / "repository_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file_and_a_heading(file: Path) -> None:
    for target in LINK.findall(prose(file)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = file.parent / path if path else file
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def test_a_link_of_the_readme_leads_to_a_page_of_the_site(site: ModuleType) -> None:
    text = "[guide](docs/writing-a-plugin.md#a-method) [board](leaderboards/motion.md) [code](osarbench/)"
    assert site.relinked(text, "README.md", site.pages()) == (
        "[guide](writing-a-plugin.md#a-method) [board](leaderboards/motion.md) code"
    )


def test_links_between_pages_of_different_folders_are_relative_to_the_page(site: ModuleType) -> None:
    found = {"README.md": "index.md", "leaderboards/motion.md": "leaderboards/motion.md"}
    assert site.relinked("[home](../README.md)", "leaderboards/motion.md", found) == "[home](../index.md)"


def test_links_in_code_and_to_other_sites_stay_as_they_are(site: ModuleType) -> None:
    text = "`[a](b.md)` [c](https://example.org/d.md) [e](#f)\n```\n[g](h.md)\n```\n"
    assert site.relinked(text, "README.md", site.pages()) == text


def test_every_page_is_in_the_navigation(site: ModuleType) -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page for page in site.pages().values() if f": {page}" not in navigation] == []


def test_every_room_is_in_the_walk_through_them() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {folder.name for folder in CORE.iterdir() if (folder / "__init__.py").is_file()}
    assert {room for room in rooms if f"| `{room}/` |" not in text} == set()


def test_every_file_that_the_walk_names_is_there() -> None:
    rows = re.findall(r"^\| `(\w+)/` \|.*\| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    named = [CORE / room / file for room, files in rows for file in re.findall(r"`([\w/]+\.py)`", files)]
    assert len(named) > len(rows)
    assert [file for file in named if not file.is_file()] == []


def test_the_order_of_the_rooms_is_that_of_the_layers() -> None:
    (shown,) = re.findall(r"```\n(cli >.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    order = [set(re.findall(r"\w+", layer)) for layer in shown.split(">")]
    assert order == [layer - {"testing"} for layer in LAYERS if layer != {"__main__"}]


def test_new_names_of_the_changelog_can_be_imported() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(osarbench(?:\.\w+)+)`", "\n".join(re.findall(r"^  \|[^|]+\|([^|]+)\|$", text, re.M))))
    assert len(named) > 10
    assert {name for name in named if importlib.util.find_spec(name) is None} == set()


def test_no_file_names_where_packages_are_downloaded_from() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no clone")
    hosts = re.compile("|".join(["py" + r"pi\.org", "python" + r"hosted\.org"]).encode())
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert [file for file in files if file.is_file() and hosts.search(file.read_bytes())] == []
