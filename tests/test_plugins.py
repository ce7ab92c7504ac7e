"""Finding plugins, and what is said when two clash or one is misspelt."""

import importlib
import inspect
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.plugins import catalogue
from osarbench.plugins import loading as plugins

TOY = Path(__file__).with_name("toy.py")
METHOD = """
from osarbench import Method, hookimpl

class Other(Method):
    name = "{name}"
    def uncertainty(self, outputs):
        return outputs.logits.sum(dim=1)

@hookimpl
def {hook}():
    return [Other]
"""


def write(folder: Path, name: str, hook: str = "osarbench_methods") -> Path:
    file = folder / f"{name or 'nameless'}_file.py"
    file.write_text(METHOD.format(name=name, hook=hook))
    return file


def test_a_plugin_file_is_loaded_beside_the_built_in_ones() -> None:
    loaded = plugins.load(files=[TOY])
    assert loaded.method("toy_nearest").name == "toy_nearest"
    assert loaded.method("dnn")


def test_a_misspelt_method_names_the_nearest() -> None:
    with pytest.raises(OsarbenchError, match="There is no method 'deer'. Did you mean 'dear'"):
        plugins.load().method("deer")


def test_two_methods_of_one_name_are_both_named(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"Two plugins offer a method named 'dnn': .*Dnn.* and .*Other"):
        plugins.load(files=[write(tmp_path, "dnn")])


def test_a_misspelt_hook_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match="osarbench_method"):
        plugins.load(files=[write(tmp_path, "fine", hook="osarbench_method")])


def test_a_class_without_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OsarbenchError, match=r"Other has no name"):
        plugins.load(files=[write(tmp_path, "")])


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(OsarbenchError, match=r"There is no plugin file nowhere\.py"):
        plugins.load(files=[Path("nowhere.py")])


def test_an_installed_plugin_that_raises_stops_nobody_and_is_named_where_it_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = EntryPoint("sparkling", "no_such_module", "osarbench")
    monkeypatch.setattr(plugins, "installed", lambda: [entry])
    loaded = plugins.load()
    assert loaded.method("dnn")
    with pytest.raises(OsarbenchError, match=r"installed plugin 'sparkling' .*ModuleNotFoundError"):
        loaded.method("sparkle")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (METHOD.format(name="dnn", hook="osarbench_methods"), "Two plugins offer a method named 'dnn'"),
        (METHOD.format(name="fine", hook="osarbench_method"), "a hook that osarbench does not have"),
        (METHOD.format(name="fine", hook="osarbench_methods").replace("[Other]", "None"), "returns None"),
        (METHOD.format(name="fine", hook="osarbench_methods").replace("[Other]", "1 / 0"), "division by zero"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_with_an_installed_plugin_is_its_own_affair(
    source: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strangers.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strangers", raising=False)
    monkeypatch.setattr(plugins, "installed", lambda: [EntryPoint("theirs", "strangers", "osarbench")])
    loaded = plugins.load(kinds=("methods",))
    assert loaded.method("dnn").__module__ == "osarbench_plugins.methods.dnn"
    (error,) = loaded.broken.values()
    assert complaint in str(error)


def test_a_hook_that_returns_no_class_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text(METHOD.format(name="fine", hook="osarbench_methods").replace("[Other]", "['Other']"))
    with pytest.raises(OsarbenchError, match=r"returns 'Other'; it must return a list of classes"):
        plugins.load(files=[file])


def test_an_unknown_setting_names_the_nearest() -> None:
    backbone = plugins.load(files=[TOY]).backbone("toy")
    with pytest.raises(OsarbenchError, match=r"the backbone 'toy' has no setting 'with'. Did you mean 'width'"):
        plugins.check_settings("backbone", backbone, {"with": 3}, "--set")


@pytest.mark.parametrize("module", list(plugins.builtin_modules()))
def test_a_built_in_plugin_file_has_the_name_of_what_it_offers(module: str) -> None:
    _, kind, stem = module.split(".")
    offered = getattr(importlib.import_module(module), f"osarbench_{kind}")()
    assert stem in [cls.name for cls in offered] or len(offered) > 1  # a family may share a file


def test_the_list_read_from_source_is_what_loading_finds() -> None:
    loaded = plugins.load()
    for kind in plugins.KINDS:
        listed = [item.name for item in catalogue.catalogue() if item.kind == kind and item.origin == "built-in"]
        assert listed == sorted(listed)
        assert set(listed) <= set(getattr(loaded, kind))


def test_every_listing_has_a_line_that_says_what_it_is() -> None:
    assert [item for item in catalogue.catalogue() if not 10 < len(item.summary) < 140] == []


def test_the_code_of_a_plugin_includes_its_helpers() -> None:
    files = plugins.code_files(plugins.load().method("dear"))
    assert {"dear.py", "_evidential.py", "_debias.py"} <= {file.name for file in files}
    assert Path(inspect.getfile(plugins)) not in files


SOUND = METHOD.format(name="fine", hook="osarbench_methods")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (SOUND.replace('"fine"', '"../fine"'), "named '../fine'; a name has letters, digits, _ and - alone"),
        (SOUND.replace("(Method)", ""), "returns .*Other, which is no osarbench.Method"),
        (SOUND.replace("@hookimpl", ""), "it implements no hook. Put @hookimpl .* before osarbench_methods"),
        (SOUND.replace("methods()", "methods(folder)"), "wants arguments, and hooks are given none"),
        (SOUND.replace("osarbench_methods", "osarbench_method"), "Did you mean 'osarbench_methods'"),
        (
            SOUND.replace("class Other", "class H(LinearHead):\n    name = 'linear'\nclass Other").replace(
                "def unc", "head = H\n    def unc"
            ).replace("import ", "import LinearHead, "),
            "offer a head named 'linear': osarbench.interfaces.method.LinearHead and .*H. Rename one",
        ),
    ],
)  # fmt: skip
def test_a_plugin_file_that_is_none_says_what_to_mend(source: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(source)
    with pytest.raises(OsarbenchError, match=complaint):
        plugins.load(("methods",), [tmp_path / "wrong.py"])


def test_a_hook_that_raises_is_named_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(SOUND.replace("[Other]", "1 / 0"))
    with pytest.raises(ZeroDivisionError) as raised:
        plugins.load(("methods",), [tmp_path / "wrong.py"])
    assert raised.value.__notes__ == [f"osarbench: raised by the hook osarbench_methods of {tmp_path / 'wrong.py'}"]


def test_a_file_named_twice_or_built_in_is_loaded_once() -> None:
    built_in = plugins.builtin_folder() / "methods" / "edl.py"
    loaded = plugins.load(files=[TOY, TOY.parent / "." / "toy.py", built_in])
    assert loaded.method("edl").__module__ == "osarbench_plugins.methods.edl"
    assert plugins.source(loaded.method("toy_nearest")) == TOY


def test_two_files_of_one_name_are_two_plugins_with_code_of_their_own(tmp_path: Path) -> None:
    files = [tmp_path / folder / "same.py" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_text(METHOD.format(name=f"of_{file.parent.name}", hook="osarbench_methods"))
    loaded = plugins.load(("methods",), files)
    assert [plugins.code_files(loaded.method(name)) for name in ("of_a", "of_b")] == [[file] for file in files]


@pytest.mark.parametrize(
    ("method", "setting", "value", "complaint"),
    [
        ("vim", "components", "abc", "'vim' is a whole number or none, not 'abc'"),
        ("vim", "components", 2.5, "a whole number or none, not 2.5"),
        ("knn", "neighbours", True, "a whole number, not True"),
        ("energy", "temperature", "1/2", "a number, not '1/2'"),
        ("dear", "evidence", "softmax", "'exp' or 'relu' or 'softplus', not 'softmax'"),
        ("dear", "euc", 1, "true or false, not 1"),
        ("knn", "neighbours", "50", "a whole number, not '50'"),
        ("knn", "neighbours", 50.0, "a whole number, not 50.0"),
        ("knn", "neighbours", 2**63, "1,000,000 below 2.63 in size, not one of 64 bits"),
        ("energy", "temperature", 0, "a number above 0, not 0"),
        ("psl", "hidden", 10**9, "a whole number from 1 to 65,536, not 1000000000"),
        ("mds", "shrinkage", -0.1, "a number from 0 to 1 or none, not -0.1"),
    ],
)
def test_a_setting_of_a_wrong_type_is_refused(method: str, setting: str, value: object, complaint: str) -> None:
    with pytest.raises(OsarbenchError, match=complaint):
        plugins.check_settings("method", plugins.load(("methods",)).method(method), {setting: value}, "--set")


def test_the_word_none_is_none_where_no_text_is_wanted() -> None:
    edl = plugins.load(("methods",)).method("edl")
    found = plugins.check_settings("method", edl, {"clamp": "none", "kl": "none", "dropout": 0}, "--set")
    assert found == {"clamp": None, "kl": "none", "dropout": 0}


STRANGER = """
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from osarbench import Method, hookimpl

class Shape(Enum):
    ROUND = "round"
    SQUARE = "square"

class Plain:
    pass

class Stranger(Method):
    name = "stranger"
    def __init__(self, *, few: Annotated[int, Field(ge=1, le=5)] = 1, sizes: tuple[float, ...] = (),
                 file: Path = Path(), shape: Shape = Shape.ROUND, layers: Literal[2, 4] = 2, plain: Plain = Plain(),
                 either: int | Sequence[int] = 1, untyped=None):
        pass
    def uncertainty(self, outputs):
        return outputs.logits.sum(dim=1)

@hookimpl
def osarbench_methods():
    return [Stranger]
"""


def stranger(folder: Path, **settings: object) -> dict[str, object]:
    (folder / "stranger.py").write_text(STRANGER)
    kind = plugins.load(("methods",), [folder / "stranger.py"]).method("stranger")
    return plugins.check_settings("method", kind, settings, "--set")


def test_settings_are_read_as_whatever_they_are_annotated_with(tmp_path: Path) -> None:
    found = stranger(tmp_path, sizes=[1, 2.5], file="a.csv", shape="square", either=[1, 2], untyped={"a": [1]}, few=5)
    shape = found.pop("shape")
    assert getattr(shape, "name", None) == "SQUARE"
    assert found == {"sizes": (1.0, 2.5), "file": Path("a.csv"), "either": [1, 2], "untyped": {"a": [1]}, "few": 5}


def test_what_no_annotation_can_judge_is_left_to_the_plugin(tmp_path: Path) -> None:
    assert stranger(tmp_path, plain="anything") == {"plain": "anything"}


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("few", 6, "a whole number from 1 to 5, not 6"),
        ("shape", "oval", "'round' or 'square', not 'oval'"),
        ("layers", 3, "2 or 4, not 3"),
        ("layers", True, "2 or 4, not True"),
        ("sizes", ["1"], "a list, not ['1']"),
        ("either", "many", "a whole number or a list, not 'many'"),
        ("file", 3, "text, not 3"),
        ("few", "x" * 1000, "a whole number, not 'xxxxxxxx"),
    ],
)
def test_a_setting_of_a_stranger_is_held_to_its_annotation(
    setting: str, value: object, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(OsarbenchError) as raised:
        stranger(tmp_path, **{setting: value})
    assert complaint in str(raised.value)
    assert len(str(raised.value)) < 200


def test_rgb_is_a_modality_of_three_channels_that_a_mirror_reverses() -> None:
    rgb = plugins.load(("modalities",)).modality("rgb")()
    frames = np.arange(2 * 2 * 4 * 3, dtype=np.uint8).reshape(2, 2, 4, 3)
    assert (rgb.channels, rgb.stack, len(rgb.mean), len(rgb.std)) == (3, 1, 3, 3)
    assert np.array_equal(rgb.flip(frames)[0, 0, :, 0], [9, 6, 3, 0])
    assert rgb.flip(frames).flags["C_CONTIGUOUS"]


def test_a_clip_is_rgb_and_normalised_like_it_unless_a_backbone_says_otherwise() -> None:
    rgb = plugins.load(("modalities",)).modality("rgb")
    assert (ClipSpec().mean, ClipSpec().std) == (rgb.mean, rgb.std)


MODALITY = """
from osarbench import Modality, hookimpl

class Events(Modality):
    name, channels, mean, std, stack = "events", 2, (0.5, 0.5), (0.5, 0.5), 5
    def flip(self, frames):
        return frames[:, :, ::-1]

@hookimpl
def osarbench_modalities():
    return [Events]
"""


def test_a_modality_is_a_plugin_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(MODALITY)
    loaded = plugins.load(files=[tmp_path / "events.py"])
    assert {"events", "rgb"} <= set(loaded.modalities)
    with pytest.raises(OsarbenchError, match="There is no modality 'event'. Did you mean 'events'"):
        loaded.modality("event")


def test_a_modality_states_mean_and_std_for_every_channel(tmp_path: Path) -> None:
    (tmp_path / "events.py").write_text(MODALITY.replace("(0.5, 0.5), 5", "(0.5,), 5"))
    with pytest.raises(OsarbenchError, match="mean and std as one number a channel: channels = 2, .* std = .0.5,."):
        plugins.load(files=[tmp_path / "events.py"])
