"""Protocols are read strictly, and say what is wrong."""

from pathlib import Path

import pytest

from osarbench.errors import OsarbenchError
from osarbench.interfaces.clip import ClipSpec
from osarbench.protocols import files as benchmark_files
from osarbench.protocols import protocol
from osarbench.protocols.clips import clip_spec

SMALL = """
title = "small"
[known]
dataset = "motion"
train = ["train"]
test = ["test"]
[[unknown]]
dataset = "motion"
splits = ["near"]
[training]
epochs = 2
batch_size = 4
learning_rate = 0.1
"""


def write(folder: Path, text: str) -> str:
    file = folder / "small.toml"
    file.write_text(text)
    return str(file)


@pytest.mark.parametrize("name", sorted(benchmark_files.shipped()))
def test_every_protocol_that_comes_with_osarbench_is_read(name: str) -> None:
    assert protocol.read(name).sections.title


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(OsarbenchError, match="Did you mean 'motion'"):
        protocol.read("motoin")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 2", "epoch = 2", r"\[training\] has no key 'epoch'. Did you mean 'epochs'"),
        ("epochs = 2", "epochs = 0", r"\[training\] epochs = 0 is wrong"),
        ('dataset = "motion"\nsplits', "splits", r"\[unknown.0\] needs a key 'dataset'"),
        ('title = "small"', 'title = "small"\nopeness = 3', "has no key 'openess'. Did you mean 'openness'"),
        ("[known]", "[clips]\nsise = 32\n[known]", r"\[clips\] has no key 'sise'. Did you mean 'size'"),
        ("[known]", "[clips]\nsize = 'big'\n[known]", "size = 'big' is wrong"),
        ("[known]", "[backbones.tsm.training]\nrate = 1\n[known]", "has no key 'rate'"),
        ('title = "small"', "title = ", "is not TOML"),
    ],
)
def test_a_wrong_protocol_says_what_and_where(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(OsarbenchError, match=message):
        protocol.read(write(tmp_path, SMALL.replace(old, new, 1)))


def test_a_class_cannot_be_excluded_and_contested(tmp_path: Path) -> None:
    both = '[unknown.exclude]\ngolf = "a"\n[unknown.contested]\ngolf = "b"\n[training]'
    with pytest.raises(OsarbenchError, match="golf cannot be both"):
        protocol.read(write(tmp_path, SMALL.replace("[training]", both)))


def test_a_backbone_section_overrides_the_recipe_for_that_backbone_alone(tmp_path: Path) -> None:
    text = SMALL + "[backbones.tsm.training]\nlearning_rate = 0.5\n[backbones.tsm.clips]\nsize = 96\n"
    read = protocol.read(write(tmp_path, text))
    assert read.recipe("tsm").training.learning_rate == 0.5
    assert read.recipe("i3d").training.learning_rate == 0.1
    assert clip_spec(ClipSpec(), read.recipe("tsm").clips, "").size == 96


def test_the_hash_is_that_of_what_the_file_says_not_of_its_comments(tmp_path: Path) -> None:
    first = protocol.read(write(tmp_path, SMALL)).sha256
    assert protocol.read(write(tmp_path, SMALL)).sha256 == first
    assert protocol.read(write(tmp_path, SMALL + "# a comment\n")).sha256 == first
    assert protocol.read(write(tmp_path, SMALL.replace("epochs = 2", "epochs = 3"))).sha256 != first


def test_one_head_of_one_backbone_can_have_a_rate_and_settings_of_its_own(tmp_path: Path) -> None:
    heads = "[backbones.tpn.heads.linear]\ntraining = { learning_rate = 0.5 }\nsettings = { dropout = 0.1 }\n"
    read = protocol.read(write(tmp_path, SMALL + heads))
    assert read.recipe("tpn", "linear").training.learning_rate == 0.5
    assert read.recipe("tpn", "linear").head_settings == {"dropout": 0.1}
    assert read.recipe("tpn", "dear").training.learning_rate == 0.1


def test_a_misspelt_key_of_a_head_is_named(tmp_path: Path) -> None:
    heads = "[backbones.tpn.heads.linear.training]\nlerning_rate = 0.5\n"
    with pytest.raises(OsarbenchError, match=r"heads\.linear.* no key 'lerning_rate'. Did you mean 'learning_rate'"):
        protocol.read(write(tmp_path, SMALL + heads))
