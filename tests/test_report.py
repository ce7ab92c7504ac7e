"""Reports: pages that need nothing else, whose numbers are those of the metrics, and that no name can break."""

import itertools
import json
import os
import re
import shutil
from collections.abc import Sequence
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hostile_names import HOSTILE as NAMES
from matplotlib.text import Text
from sklearn.metrics import confusion_matrix, roc_auc_score

from osarbench.commands.report import report
from osarbench.data import locations
from osarbench.errors import OsarbenchError
from osarbench.reports import (
    confusion,
    disagreements,
    figures,
    page,
    plots,
    rendering,
    results,
    style,
    tables,
    thumbnails,
)
from osarbench.reports.bins import bin_edges
from osarbench.reports.build import build
from osarbench.reports.formats import visible
from osarbench.scores import metrics, table
from osarbench.scores.metrics.outcome import FloatArray

HOSTILE = "<script>alert('&\")</script>$x^2$"
SECTIONS = ["summary", "ranking", "uncertainty", "threshold", "calibration", "confusion", "classes", "disagreements",
            "sources"]  # fmt: skip
HOSTILE_NAMES = list(NAMES)
VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.cells: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells and {"td", "th"} & set(self.open):
            self.cells[-1][-1] += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def rows(seed: int = 0, *, classes: Sequence[str] = ("Run", "Sit", HOSTILE), calibration: bool = True) -> pd.DataFrame:
    """Return a scores table of two unknown sources, whose uncertainty says something but not all."""
    generator = np.random.default_rng(seed)
    found = []
    for role, source, labels, shift in (
        ("calibration", "set/train", classes, 0.0),
        ("known", "set/test", classes, 0.0),
        ("unknown", "far/all", ("Fly", "Swim"), 0.3),
        ("unknown", "near/all", (f"Not {HOSTILE}",), 0.1),
    ):
        if role == "calibration" and not calibration:
            continue
        for label in labels:
            for number in range(20):
                right = role != "unknown" and generator.random() < 0.7
                found.append({
                    "video": f"{label}/{number}.avi", "role": role, "source": source, "label": label,
                    "predicted": label if right else classes[generator.integers(len(classes))],  # type: ignore[call-overload]
                    "confidence": generator.random(), "uncertainty": generator.random() * 0.6 + shift,
                })  # fmt: skip
    return pd.DataFrame(found)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scores tables of the same videos; one of them is named in the manner of an attacker."""
    folder = tmp_path_factory.mktemp("two")
    files = [folder / "good.csv", folder / "a&b<i>.csv.gz"]
    for seed, file in enumerate(files):
        table.write(rows(seed), file)
    return files


@pytest.fixture(scope="module")
def text(two: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page on these two."""
    return rendered(two, tmp_path_factory.mktemp("page"))


def nowhere(tmp_path: Path) -> locations.Locations:
    return locations.Locations(data=None, datasets={}, cache=tmp_path / "cache", weights=None)


def rendered(paths: Sequence[Path], tmp_path: Path) -> str:
    return page.render(build(paths, nowhere(tmp_path)))


def test_a_page_has_all_sections_and_loads_nothing(text: str) -> None:
    seen = Page(text)
    assert [attributes["id"] for tag, attributes in seen.tags if tag == "section"] == SECTIONS
    assert all(link.startswith("#") for link in seen.values("href"))
    assert all(source.startswith("data:") for source in seen.values("src"))
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in seen.tags}


def test_a_page_can_be_read_by_a_screen_reader(text: str) -> None:
    seen = Page(text)
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all("aria-label" in attributes for tag, attributes in seen.tags if tag in ("svg", "table", "nav"))
    ids = seen.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in seen.values("href")} <= set(ids)


def test_names_are_text_wherever_they_appear(text: str) -> None:
    assert "<script" not in text
    assert "a&b<i>" not in text
    seen = Page(text)
    assert HOSTILE in seen.text
    assert "a&b<i>" in seen.text
    assert any(HOSTILE in title for title in seen.values("title"))


def test_the_numbers_are_those_of_the_metrics(two: list[Path], text: str) -> None:
    seen = Page(text)
    for file, name in zip(two, ("good", "a&b<i>"), strict=True):
        shown = next(cells for cells in seen.cells if cells[0] == name)
        scores = table.read(file)
        numbers = metrics.evaluate(scores)
        keys = ("closed_accuracy", "auroc", "aupr_unknown", "fpr95_unknown_first", "oscr", "known_accepted")
        values = [numbers["headline"][key] for key in keys]
        assert shown[1:7] == [f"{100 * value:.2f}" for value in values]
        tested = scores[scores["role"] != "calibration"]
        assert shown[2] == f"{100 * roc_auc_score(tested['role'] == 'unknown', tested['uncertainty']):.2f}"
        assert shown[-1] == f"{100 * numbers['thresholded']['open_macro_f1']:.2f}"


def test_the_gap_is_shown_next_to_thresholded_numbers(two: list[Path], text: str) -> None:
    seen = Page(text)
    gap = 100 * metrics.evaluate(table.read(two[0]))["headline"]["transfer_gap"]
    heads = next(cells for cells in seen.cells if cells[:2] == ["Result", "Closed accuracy\u00a0↑"])
    shown = dict(zip(heads, next(cells for cells in seen.cells if cells[0] == "good"), strict=True))
    assert shown["Gap"].removeprefix("⚠ ").replace("−", "-") == f"{gap:+.2f}"
    assert ("⚠" in shown["Gap"]) == (abs(gap) > 5)


def test_the_same_tables_give_the_same_bytes(two: list[Path], text: str, tmp_path: Path) -> None:
    assert rendered(two, tmp_path) == text
    found = figures.figures(results.gather(two))[:3]
    for form in ("png", "svg", "pdf"):
        once, again = (figures.write(found, tmp_path / name, form=form) for name in "ab")
        assert [file.read_bytes() for file in once] == [file.read_bytes() for file in again]


@pytest.mark.parametrize(("width", "inches"), [("column", 3.25), ("text", 6.875)])
def test_a_figure_for_a_paper_is_as_wide_as_its_column(
    two: list[Path], tmp_path: Path, width: str, inches: float
) -> None:
    [file] = figures.write(figures.figures(results.gather(two))[:1], tmp_path, form="pdf", width=width)
    content = file.read_bytes()
    found = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", content)
    assert found is not None
    assert float(found[1]) == pytest.approx(72 * inches)
    assert b"/Type3" not in content


def test_one_result_without_calibration_rows_is_shown_without_thresholded_numbers(tmp_path: Path) -> None:
    table.write(rows(calibration=False).assign(confidence=np.nan), tmp_path / "alone.csv")
    seen = Page(rendered([tmp_path / "alone.csv"], tmp_path))
    assert "all that needs a threshold is left out" in seen.text
    assert "no confusion matrix" in seen.text
    assert "no reliability diagram" in seen.text
    assert "There is one result only" in seen.text
    assert "Known accepted" not in {cell for cells in seen.cells for cell in cells}


def test_results_on_other_videos_are_shown_with_a_warning_that_they_do_not_compare(tmp_path: Path) -> None:
    table.write(rows(), tmp_path / "all.csv")
    table.write(rows(1).query("source != 'near/all'"), tmp_path / "far.csv")
    seen = Page(rendered([tmp_path / "all.csv", tmp_path / "far.csv"], tmp_path))
    assert "do not compare" in seen.text
    assert "20 are in all only, 0 in far only" in seen.text
    assert "strong" not in {tag for tag, _ in seen.tags}


def test_a_run_is_found_by_its_folders_and_evaluated_with_its_own_settings(tmp_path: Path) -> None:
    for head in ("linear-0", "linear-1"):
        (tmp_path / head / "dnn").mkdir(parents=True)
        table.write(rows(), tmp_path / head / "dnn/scores.csv")
    settings = metrics.evaluate(rows(), quantile=0.5, contested=["Fly"])["settings"]
    (tmp_path / "linear-1/dnn/metrics.json").write_text(json.dumps({"settings": settings}))
    first, second = results.gather([tmp_path, tmp_path / "linear-0/dnn"])
    assert (first.name, second.name) == ("linear-0/dnn", "linear-1/dnn")
    assert first.metrics["settings"]["quantile"] == 0.95
    assert second.metrics == metrics.evaluate(rows(), quantile=0.5, contested=["Fly"])


def test_what_cannot_be_shown_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08")
    (tmp_path / "odd.csv").write_text("video,role\n")
    with pytest.raises(OsarbenchError, match=r"There is no run and no scores table at .*missing"):
        results.gather([tmp_path / "missing"])
    with pytest.raises(OsarbenchError, match=r"runs holds no scores table .*; it holds nothing"):
        results.gather([tmp_path / "runs"])
    for name in ("cut.csv.gz", "odd.csv"):
        with pytest.raises(OsarbenchError, match=name):
            results.gather([tmp_path / name])


def test_an_unsound_table_is_named_with_its_fault(tmp_path: Path) -> None:
    table.write(rows().assign(uncertainty=np.nan), tmp_path / "nan.csv")
    with pytest.raises(OsarbenchError, match=r"nan\.csv: The scores table has 180 rows whose uncertainty is NaN"):
        results.gather([tmp_path / "nan.csv"])


def test_disagreements_are_counted_as_pandas_counts_them(two: list[Path]) -> None:
    first, second = results.gather(two)
    found = disagreements.compare(first, second)
    right = []
    for one in (first, second):
        rejected = one.rows["uncertainty"] > one.metrics["thresholded"]["threshold"]
        named = one.rows["label"] == one.rows["predicted"]
        right.append(np.where(one.rows["role"] == "unknown", rejected, named & ~rejected))
    is_known = (first.rows["role"] == "known").to_numpy()
    ours, theirs = (values[is_known].astype(bool) for values in right)
    expected = [ours & theirs, ours & ~theirs, ~ours & theirs, ~ours & ~theirs]
    assert found.right is not None
    assert found.right["known"] == tuple(int(mask.sum()) for mask in expected)
    assert [chosen.videos for chosen in found.lists[2:4]] == [expected[1].sum(), expected[2].sum()]
    shifts = [abs(case.sides[0].rank - case.sides[1].rank) for case in found.lists[-1].cases]
    assert shifts == sorted(shifts, reverse=True)


def test_rows_of_one_name_and_other_classes_are_not_compared(tmp_path: Path) -> None:
    table.write(rows(), tmp_path / "one.csv")
    table.write(rows().assign(label=rows()["label"].replace({"Fly": "Swim", "Swim": "Fly"})), tmp_path / "swapped.csv")
    seen = Page(rendered([tmp_path / "one.csv", tmp_path / "swapped.csv"], tmp_path))
    assert "swapped and one disagree about what 40 videos of one name show, such as far/all/Fly/0.avi" in seen.text
    assert "so no video is compared" in seen.text
    assert "Largest differences of rank" not in seen.text


def test_without_a_threshold_an_unknown_video_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    for seed in (0, 1):
        table.write(rows(seed, calibration=False), tmp_path / f"{seed}.csv")
    found = disagreements.compare(*results.gather([tmp_path / "0.csv", tmp_path / "1.csv"]), limit=200)
    assert found.right is None
    said = {(case.role, side.right) for case in found.lists[-1].cases for side in case.sides}
    assert said == {("known", True), ("known", False), ("unknown", None)}


def test_results_without_a_common_video_are_not_an_error(tmp_path: Path) -> None:
    table.write(rows(), tmp_path / "one.csv")
    table.write(rows().assign(source=rows()["source"] + "2"), tmp_path / "other.csv")
    seen = Page(rendered([tmp_path / "one.csv", tmp_path / "other.csv"], tmp_path))
    assert "no common video" in seen.text


def test_the_confusion_matrix_is_scikit_learns() -> None:
    scores = rows()
    numbers = metrics.evaluate(scores)
    whole = confusion.matrix(numbers)
    assert whole is not None
    tested = scores[scores["role"] != "calibration"]
    rejected = tested["uncertainty"] > numbers["thresholded"]["threshold"]
    truth = tested["label"].where(tested["role"] == "known", "(unknown)")
    decided = tested["predicted"].where(~rejected, "(unknown)")
    assert np.array_equal(whole.counts, confusion_matrix(truth, decided, labels=whole.names))


def test_the_most_confused_part_keeps_all_decisions_of_its_rows() -> None:
    counts = np.array([[9, 0, 0, 1], [0, 2, 7, 1], [0, 5, 5, 0], [1, 1, 1, 9]])
    part = confusion.most_confused(confusion.Matrix(["a", "b", "c", "(unknown)"], counts), 2)
    assert part.names == ["b", "c", "(unknown)"]
    assert part.counts.tolist() == [[2, 7, 1, 0], [5, 5, 0, 0], [1, 1, 9, 1]]
    pairs = confusion.confused_pairs(confusion.Matrix(["a", "b", "c", "(unknown)"], counts), 9)
    assert pairs == [("b", "c", 7, 10), ("c", "b", 5, 10)]


def test_known_and_unknown_share_their_bins_whatever_the_scale() -> None:
    generator = np.random.default_rng(0)
    usual = bin_edges(generator.random(100), generator.random(100) + 1)
    assert np.allclose(np.diff(usual), np.diff(usual)[0])
    tiny = bin_edges(10 ** generator.uniform(-12, -6, 200), 10 ** generator.uniform(-5, -1, 100))
    assert np.allclose(np.diff(np.log(tiny)), np.diff(np.log(tiny))[0])
    constant = bin_edges(np.ones(5), np.ones(5))
    assert (constant[0], constant[-1]) == (0.5, 1.5)


def test_a_figure_on_a_page_takes_its_colours_and_fonts_from_it() -> None:
    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], **style.line(1))
        axes.text(0.5, 0.5, "$x$ #c25100", color=style.colour("ink"))

    drawn = style.inline(draw, name="a", label="<b>")
    assert "stroke: var(--series1)" in drawn
    assert "$x$ #c25100</text>" in drawn
    assert 'aria-label="&lt;b&gt;"' in drawn
    assert "font-family" not in drawn
    assert len({light for light, _ in style.COLOURS.values()}) == len(style.COLOURS)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_the_page(mode: int) -> None:
    card = luminance(style.COLOURS["card"][mode])
    for role, colours in style.COLOURS.items():
        low, high = sorted([card, luminance(colours[mode])])
        least = {"ink": 7, "known": 3, "card": 1, "grid": 1}.get(role, 4.5)  # of WCAG 2 for text, and for areas
        assert (high + 0.05) / (low + 0.05) >= least, role


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_lines_of_equal_dashes_can_be_told_apart_without_green_or_red(mode: int) -> None:
    """After Machado et al., IEEE TVCG 2009: what is left of a colour without one kind of cones, in linear RGB."""
    deutan = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    protan = np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]])
    for one, other in itertools.combinations(range(style.SERIES), 2):
        if style.line(one)["linestyle"] == style.line(other)["linestyle"]:
            first, second = (linear(style.COLOURS[style.series(position)][mode]) for position in (one, other))
            for seen in (deutan, protan):
                assert np.abs(np.sqrt(np.clip(seen @ first, 0, 1)) - np.sqrt(np.clip(seen @ second, 0, 1))).max() > 0.15


def linear(colour: str) -> FloatArray:
    """Return a colour in linear RGB."""
    parts = np.array([int(colour[position : position + 2], 16) / 255 for position in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2."""
    return float(np.dot(linear(colour), [0.2126, 0.7152, 0.0722]))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A page whose classes, videos and one method bear hostile names, and the names as they are to be shown."""
    classes, folder = HOSTILE_NAMES, tmp_path_factory.mktemp("hostile")
    for seed, name in enumerate(("plain.csv", "<b>|`[x](y)`\n$x^2$.csv")):
        table.write(rows(seed, classes=classes), folder / name)
    return rendered([folder / "plain.csv", folder / "<b>|`[x](y)`\n$x^2$.csv"], folder), [*map(visible, classes)]


def test_hostile_names_are_text_on_one_line_and_add_no_element(hostile: tuple[str, list[str]]) -> None:
    text, names = hostile
    seen = Page(text)
    assert not {"script", "b>"} & {tag for tag, _ in seen.tags}
    assert "\u202e" not in text
    assert all(character.isprintable() or character in "\n\u00a0" for character in text)
    assert "<b>|`[x](y)`␊$x^2$" in seen.text
    shown = {cells[0] for cells in seen.cells}
    assert len(shown & set(names)) >= 10  # of each table of many classes, the best and the worst
    assert all(f"{name} → " in seen.text for name in names)


def test_a_figure_file_of_hostile_names_is_well_formed(tmp_path: Path) -> None:
    file = tmp_path / "\x1b[31m<b>&\n\u202e.csv"
    table.write(rows(classes=HOSTILE_NAMES), file)
    for path in figures.write(figures.figures(results.gather([file])), tmp_path / "figures", form="svg"):
        ElementTree.fromstring(path.read_text(encoding="utf-8"))


def test_a_file_name_that_is_not_utf8_becomes_a_page(tmp_path: Path) -> None:
    table.write(rows(), tmp_path / "plain.csv")
    (tmp_path / "plain.csv").rename(tmp_path / os.fsdecode(b"caf\xe9.csv"))
    (page_text := rendered([tmp_path / os.fsdecode(b"caf\xe9.csv")], tmp_path)).encode("utf-8")
    assert "caf\ufffd" in Page(page_text).text


def test_a_page_of_forty_results_is_drawn_without_a_warning_and_names_them_all(tmp_path: Path) -> None:
    files = [tmp_path / f"a-method-with-a-name-{number}.csv" for number in range(40)]
    table.write(rows(classes=("Run", "Sit")), files[0])
    for file in files[1:]:
        shutil.copy(files[0], file)
    gathered = results.gather(files)
    seen = [figure for figure in figures.figures(gathered) if figure.position is None]
    assert {figure.name for figure in seen} == {"roc", "precision-recall", "openness", "reliability"}
    for figure in seen:
        drawn = style.inline(figure.draw, name=figure.name, label=figure.label, size=figure.inches)
        assert all(f"{file.stem}" in drawn for file in files)


def test_a_table_escapes_text_and_attributes_alike() -> None:
    shown = tables.Table(HOSTILE, [tables.Column(HOSTILE, hint=HOSTILE)], [[tables.Cell(HOSTILE, position=0)]])
    written = rendering.environment().from_string('{% from "macros.html" import table %}{{ table(shown) }}')
    seen = Page(written.render(shown=shown))
    assert "script" not in {tag for tag, _ in seen.tags}
    assert seen.cells == [[HOSTILE], [HOSTILE]]
    assert seen.values("aria-label") == [HOSTILE, HOSTILE]
    assert seen.values("title") == [HOSTILE]


def video(file: Path, shade: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            image = np.full((48, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_pictures_are_middle_frames_of_the_videos_at_hand(tmp_path: Path) -> None:
    video(tmp_path / "far/videos/Fly/1.avi", 200)
    (tmp_path / "far/videos/Fly/2.avi").write_bytes(b"no video")
    keys = [("far/all", f"Fly/{number}.avi") for number in (1, 2, 3)]
    located = {key: thumbnails.Located(tmp_path / "far/videos" / key[1]) for key in keys}
    found = thumbnails.thumbnails(keys, located)
    assert list(found) == keys[:1]
    assert found == thumbnails.thumbnails(keys, located)
    assert found[keys[0]].startswith("data:image/jpeg;base64,/9j/")
    assert len(found[keys[0]]) < 5000


def test_pictures_come_into_the_page_and_no_name_leads_out_of_the_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label in ("Fly", "Swim"):
        for number in range(20):
            video(data / f"far/videos/{label}/{number}.avi", 100 + number)
    video(tmp_path / "secret.avi", 9)
    for seed in (0, 1):
        scores = rows(seed)
        scores.loc[scores["role"] == "known", "video"] = [f"../../../secret.avi#{n}" for n in range(60)]
        scores.loc[scores["source"] == "near/all", "video"] = [f"{tmp_path}/secret.avi", *map(str, range(19))]
        table.write(scores, tmp_path / f"{seed}.csv")
    where = locations.Locations(data=data, datasets={}, cache=tmp_path / "cache", weights=None)
    built = build([tmp_path / "0.csv", tmp_path / "1.csv"], where)
    assert built.pictures
    assert {source for source, _ in built.pictures} == {"far/all"}
    seen = Page(page.render(built))
    images = [attributes for tag, attributes in seen.tags if tag == "img"]
    assert images
    assert all(attributes["alt"] for attributes in images)
    assert "Without pictures" not in seen.text


def test_a_report_of_many_results_and_classes_stays_small(tmp_path: Path) -> None:
    files = [tmp_path / f"m{seed}.csv" for seed in range(6)]
    for seed, file in enumerate(files):
        table.write(rows(seed, classes=[f"class {number}" for number in range(40)]), file)
    text = rendered(files, tmp_path)
    assert len(text) < 3_000_000
    assert "The 10 most confused of 40 known classes" in Page(text).text


def test_the_command_writes_the_page_and_the_figures(two: list[Path], tmp_path: Path) -> None:
    page_file, folder = tmp_path / "out/report.html", tmp_path / "figures"
    arguments = [*map(str, two), "-o", str(page_file), "--figures", str(folder), "--format", "svg", "--cache",
                 str(tmp_path / "cache")]  # fmt: skip
    done = CliRunner().invoke(report, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert Page(page_file.read_text()).tags
    names = {file.name for file in folder.iterdir()}
    assert {"roc.svg", "precision-recall.svg", "openness.svg", "reliability.svg", "uncertainty-1-good.svg"} <= names
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)


def test_a_title_is_above_the_key_of_its_figure(two: list[Path]) -> None:
    histogram = next(one for one in figures.figures(results.gather(two)) if one.name.startswith("uncertainty"))
    with style.styled():
        figure = style.panel(histogram.draw, title="a title")
        figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.findobj(Text)}
    assert boxes["a title"].y0 > boxes["known"].y1


def test_a_long_name_keeps_its_ends_and_its_number_in_a_key(two: list[Path]) -> None:
    with style.styled():
        figure = style.panel(partial(plots.roc, results=[results.gather(two)[0]._replace(name="long_" * 20)]))
    shown = [text.get_text() for text in figure.findobj(Text) if "…" in text.get_text()]
    assert len(shown) == 1
    assert re.fullmatch(r"long_long.*….*long_  \d\d\.\d\d", shown[0])
    assert len(shown[0]) <= 46


def test_names_in_other_scripts_are_drawn_without_a_warning(tmp_path: Path) -> None:
    table.write(rows(classes=("走る", "_座る")), tmp_path / "方法.csv")
    found = figures.figures(results.gather([tmp_path / "方法.csv"]))
    assert [file.name for file in figures.write(found, tmp_path / "figures", form="png")][2] == "uncertainty-1.png"
