"""Where things lie: the command line before the environment before the config file."""

from pathlib import Path

import pytest

from osarbench.data import locations
from osarbench.errors import OsarbenchError


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATA", "CACHE", "WEIGHTS"):
        monkeypatch.delenv(f"OSARBENCH_{name}", raising=False)
    monkeypatch.setenv("OSARBENCH_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def test_the_command_line_comes_before_the_environment_before_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('data = "/from/file"')
    assert locations.find().data == Path("/from/file")
    monkeypatch.setenv("OSARBENCH_DATA", "/from/environment")
    assert locations.find().data == Path("/from/environment")
    assert locations.find(data=Path("/from/line")).data == Path("/from/line")


def test_each_data_set_can_have_its_own_folder(config: Path) -> None:
    config.write_text('[data]\nucf101 = "/fast/ucf"\n')
    assert locations.find().dataset("ucf101", None, embedded=False) == Path("/fast/ucf")


def test_a_misspelt_key_of_the_config_file_names_the_nearest(config: Path) -> None:
    config.write_text('cash = "/tmp"')
    with pytest.raises(OsarbenchError, match="no key 'cash'. Did you mean 'cache'"):
        locations.find()


def test_weights_are_found_next_to_the_data(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").touch()
    found = locations.find(data=tmp_path / "mini", cache=tmp_path / "cache")
    assert found.weights_file("a.safetensors") == tmp_path / "weights" / "a.safetensors"
    assert found.weights_file("b.safetensors") is None
