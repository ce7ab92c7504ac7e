"""References: every built-in plugin has one or is said to have none, and they agree with what others say."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from osarbench.cli import cli
from osarbench.plugins import citations, loading
from osarbench.plugins.catalogue import catalogue

BUILT_IN = [
    item for item in catalogue() if item.origin == "built-in" and item.kind in ("methods", "backbones", "datasets")
]
#: Built-in plugins without a reference, and why.
NONE = {
    "methods/entropy": "textbook", "methods/gmm": "textbook", "methods/gmm_diag": "textbook",
    "methods/cosine_prototype": "textbook", "methods/nearest_mean": "textbook",
    "methods/view_angle": "ours", "methods/view_jsd": "ours",
    "backbones/frame": "any image network", "datasets/motion": "ours", "datasets/folder": "your own videos",
    "datasets/frames_csv": "a format", "datasets/mmaction": "a format",
}  # fmt: skip


def plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())


@pytest.mark.parametrize("plugin", [f"{item.kind}/{item.name}" for item in BUILT_IN])
def test_a_plugin_has_a_reference_or_is_said_to_have_none(plugin: str) -> None:
    assert bool(citations.of_plugin(*plugin.split("/"))) != (plugin in NONE)


@pytest.mark.parametrize("item", BUILT_IN, ids=lambda item: item.name)
def test_a_reference_is_the_paper_that_the_description_names(item: Any) -> None:
    stated = re.findall(r"arXiv:(\d{4}\.\d{5})", item.summary)
    cited = citations.of_plugin(item.kind, item.name)
    assert set(stated) <= {entry.fields.get("eprint") for entry in cited}
    for venue, year in re.findall(
        r"\b(ICLR|ICML|NeurIPS|CVPR|ICCV|ECCV|WACV|EMNLP|ICDM|SIGMOD|IJCNN) (\d{4})\b", item.summary
    ):
        assert (venue, year) in {(entry.fields.get("booktitle"), entry.fields["year"]) for entry in cited}


def test_entries_are_whole_and_of_one_key_each() -> None:
    entries = citations.built_in()
    assert len({entry.key for entry in entries}) == len(entries)
    text = (Path(loading.builtin_folder()) / citations.FILE).read_text(encoding="utf-8")
    assert len(entries) == text.count("\n@")
    for entry in entries:
        assert {"author", "title", "year"} <= set(entry.fields), entry.key
        assert (
            entry.key.startswith(plain(entry.fields["author"].partition(",")[0])[:4]) or "{" in entry.fields["author"]
        )
        assert entry.fields["year"] in entry.key
        assert entry.text.count("{") == entry.text.count("}")


def test_titles_venues_and_years_are_those_that_pytorch_ood_states() -> None:
    detectors = pytest.importorskip("pytorch_ood.detector")
    stated = [getattr(getattr(cls, "info", None), "paper", None) for cls in vars(detectors).values()]
    ours = {plain(entry.fields["title"]): entry for entry in citations.built_in()}
    both = [(ours[plain(paper.title)], paper) for paper in stated if paper is not None and plain(paper.title) in ours]
    assert len({entry.key for entry, _ in both}) >= 25
    for entry, paper in both:
        if paper.venue not in ("arXiv", "Machine Vision and Applications"):  # where ours is the preprint, too
            assert (entry.fields["booktitle"], entry.fields["year"]) == (paper.venue, str(paper.year))


def test_a_result_is_cited_by_method_backbone_and_data_sets() -> None:
    entry = next((Path(__file__).parents[1] / "leaderboards" / "motion" / "tsm").glob("energy-0.csv.gz"))
    done = CliRunner().invoke(cli, ["cite", str(entry)])
    assert re.findall(r"@\w+\{(\w+),", done.stdout) == ["lin2019tsm", "liu2020energy"]
    assert "the data set motion states no reference" in done.stderr
    assert "osarbench =" not in done.stdout


def test_plugins_are_cited_by_name_each_paper_once() -> None:
    done = CliRunner().invoke(cli, ["cite", "dear", "edl", "ucf101"])
    assert re.findall(r"@\w+\{(\w+),", done.stdout) == ["bao2021dear", "sensoy2018edl", "soomro2012ucf101"]
