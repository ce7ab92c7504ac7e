"""The digest of code: it changes with what a step does, wherever that is written, and with nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from osarbench.artifacts import code
from osarbench.artifacts.code import Code, Definition, digest_again, reachable

FILES = {
    "score.py": '''
"""Scores."""
from planted import helper
from planted.deep import shift as moved
from planted.errors import Problem

SCALE = 2.0

def score(value: float) -> float:
    """Return a score."""
    if value < 0:
        raise Problem(f"{value} is negative")
    return SCALE * moved(value) + helper.offset()

def unused():
    return 1
''',
    "helper.py": "def offset():\n    return 1.0\n\ndef other():\n    return 2\n",
    "deep.py": "def shift(value):\n    from planted.inside import by\n    return value + by()\n",
    "inside.py": "def by():\n    return 3\n",
    "errors.py": "class Problem(Exception):\n    pass\n",
    "__init__.py": "",
}


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of its own whose code is followed."""
    folder = tmp_path / "planted"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(code, "FOLLOWED", ("planted",))
    yield folder
    forget()
    for name in [name for name in sys.modules if name.split(".")[0] == "planted"]:
        del sys.modules[name]


def forget() -> None:
    for cached in (code._parse, code._file_of, code._resolve, code._names_in, code._digest_of):
        cached.cache_clear()


def digest(folder: Path, **changes: str) -> str:
    forget()
    kept = {name: (folder / name).read_text() for name in FILES}
    for name, text in changes.items():
        (folder / f"{name}.py").write_text(text)
    found = Code((Definition("planted.score", "score"),)).digest
    for name, text in kept.items():
        (folder / name).write_text(text)
    return found


def test_what_a_function_calls_counts_through_imports_and_inside_functions(planted: Path) -> None:
    before = digest(planted)
    assert digest(planted, helper=FILES["helper.py"].replace("1.0", "1.5")) != before
    assert digest(planted, deep=FILES["deep.py"].replace("+", "-")) != before
    assert digest(planted, inside=FILES["inside.py"].replace("3", "4")) != before
    assert digest(planted, score=FILES["score.py"].replace("SCALE = 2.0", "SCALE = 3.0")) != before


def test_what_nobody_calls_and_what_is_only_said_does_not_count(planted: Path) -> None:
    before = digest(planted)
    assert digest(planted, helper=FILES["helper.py"].replace("return 2", "return 5")) == before
    assert digest(planted, score=FILES["score.py"].replace("return 1\n", "return 7\n")) == before
    assert digest(planted, score=FILES["score.py"].replace("is negative", "is below zero")) == before
    assert digest(planted, score=FILES["score.py"].replace("Return a score.", "Score.") + "# a comment\n") == before
    assert digest(planted, score=FILES["score.py"].replace("value: float", "value")) == before


def test_a_metric_is_reached_from_the_evaluation() -> None:
    from osarbench.scores.metrics import registry

    reached = {str(definition) for definition in reachable(registry.code().roots)}
    assert "osarbench.scores.metrics.threshold_free._auroc" in reached
    assert "osarbench.scores.metrics.ranking.win_share" in reached


def test_the_core_that_a_plugin_inherits_counts_for_one_from_elsewhere_too(tmp_path: Path) -> None:
    from osarbench.interfaces.method import Method

    class Outside(Method):
        name = "outside"

        def uncertainty(self, outputs):  # type: ignore[no-untyped-def]
            return outputs.logits

    Outside.__module__ = "somebodys"
    assert Definition("osarbench.interfaces.method", "Method") in Code.of(Outside).roots


def test_another_checkout_computes_the_digest_again_from_what_an_entry_states() -> None:
    from osarbench.scores.metrics import registry

    facts = registry.code().facts()
    assert digest_again(facts) == facts["digest"]
    assert digest_again({**facts, "files": ["plugin.py"]}) is None


def test_files_of_an_outside_plugin_count_by_what_they_do(tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    digests = []
    for source in ('def score(x):\n    """Say."""\n    return -x\n', "def score(x):\r\n    return (-x)  # sign\r\n",
                   "def score(x):\n    return x\n"):  # fmt: skip
        file.write_bytes(source.encode())
        digests.append(Code((), (file,)).digest)
    assert digests[0] == digests[1] != digests[2]
