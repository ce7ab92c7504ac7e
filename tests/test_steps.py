"""Steps: what is up to date is reused, what is not is made or refused, and several processes share the work."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from osarbench.artifacts import locks, manifest
from osarbench.artifacts.code import Code
from osarbench.artifacts.steps import Failure, Step, execute
from osarbench.errors import OsarbenchError


def step(file: Path, text: str = "numbers", made: list[str] | None = None, **changes: Any) -> Step:
    def make(step: Step, into: Path) -> None:
        into.write_text(text)
        if made is not None:
            made.append(step.name)

    return Step(**{"name": file.name, "output": file, "make": make, "code": Code(()), **changes})


def chain(folder: Path, made: list[str], *, text: str = "a", seed: int = 0, cheap: bool = True) -> list[Step]:
    first = step(folder / "network", text, made, settings={"seed": seed})
    second = step(folder / "features", "b", made, inputs={"network": first}, cheap=cheap)
    return [first, second]


def test_planning_makes_nothing_and_says_what_is_missing(tmp_path: Path) -> None:
    first, second = chain(tmp_path, [])
    assert first.state() == ("missing", [])
    assert second.state() == ("missing", [])
    assert list(tmp_path.iterdir()) == []


def test_what_is_up_to_date_is_not_made_again(tmp_path: Path) -> None:
    made: list[str] = []
    execute(chain(tmp_path, made))
    execute(chain(tmp_path, made))
    assert made == ["network", "features"]
    assert [its.state()[0] for its in chain(tmp_path, [])] == ["fresh", "fresh"]


def test_another_setting_is_refused_with_the_difference_and_redo_replaces_what_follows_too(tmp_path: Path) -> None:
    made: list[str] = []
    execute(chain(tmp_path, made))
    with pytest.raises(OsarbenchError, match=r"settings\.seed: 0 there, 1 here"):
        execute(chain(tmp_path, made, seed=1))
    assert chain(tmp_path, [], seed=1)[0].state() == ("stale", ["settings.seed: 0 there, 1 here"])
    execute(chain(tmp_path, made, text="c", seed=1), redo=True)
    assert made == ["network", "features"] * 2


def test_a_step_follows_the_content_of_its_input_not_its_settings(tmp_path: Path) -> None:
    made: list[str] = []
    execute(chain(tmp_path, made))
    execute(chain(tmp_path, made, seed=1), redo=True)  # another setting, the same bytes
    assert made == ["network", "features", "network"]


def test_a_library_of_another_version_makes_a_step_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    execute([step(tmp_path / "a", packages=("numpy",))])
    monkeypatch.setattr("osarbench.artifacts.steps.version", lambda package: "99.0")
    with pytest.raises(OsarbenchError, match=r'versions\.numpy: ".*" there, "99\.0" here'):
        execute([step(tmp_path / "a", packages=("numpy",))])


@pytest.mark.parametrize("damage", ["flip", "truncate", "manifest", "empty manifest", "no manifest"])
def test_what_is_damaged_is_made_again(tmp_path: Path, damage: str) -> None:
    made: list[str] = []
    execute([step(tmp_path / "a", made=made)])
    file, beside = tmp_path / "a", manifest.manifest_of(tmp_path / "a")
    stat = file.stat()
    if damage == "flip":
        file.write_text("numberz")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        manifest._checked.clear()  # as another process would find it
    elif damage == "truncate":
        file.write_text("numb")
    elif damage == "manifest":
        beside.write_text(beside.read_text().replace("sha256", "sha255"))
    elif damage == "empty manifest":
        beside.write_text("[]")
    else:
        beside.unlink()
    execute([step(tmp_path / "a", made=made)])
    assert made == ["a", "a"]
    assert file.read_text() == "numbers"


def test_a_step_that_fails_takes_those_that_need_it_and_no_others(tmp_path: Path) -> None:
    def fail(step: Step, into: Path) -> None:
        raise ZeroDivisionError

    made: list[str] = []
    broken = step(tmp_path / "broken", make=fail)
    after = step(tmp_path / "after", made=made, inputs={"broken": broken})
    last = step(tmp_path / "last", made=made, inputs={"after": after})
    other = step(tmp_path / "other", made=made)
    failed: list[Failure] = []
    execute([broken, after, last, other], failed=failed)
    assert [failure.step.name for failure in failed] == ["broken", "after", "last"]
    assert made == ["other"]


def _slow(folder: str, name: str) -> None:
    def make(step: Step, into: Path) -> None:
        time.sleep(0.3)
        into.write_text(step.name)
        (Path(folder) / f"{step.name} by {name}").touch()

    execute([step(Path(folder) / f"part{number}", make=make) for number in range(4)])


def test_two_processes_take_different_steps_and_each_is_made_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_slow, args=(str(tmp_path), name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    made = sorted(file.name for file in tmp_path.glob("* by *"))
    assert [name.split(" ")[0] for name in made] == [f"part{number}" for number in range(4)]
    assert {name[-1] for name in made} == {"a", "b"}


def _hold(target: Path) -> None:
    with locks.claim(target) as held:
        assert held
        target.with_name("held").touch()
        time.sleep(600)


def test_a_dead_holder_loses_its_claim_and_a_living_one_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "network.pt"
    holder = multiprocessing.get_context("fork").Process(target=_hold, args=(target,))
    holder.start()
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with locks.claim(target) as held:
        assert not held
    os.kill(int(holder.pid or 0), signal.SIGKILL)
    holder.join()
    with locks.claim(target) as held:
        assert held
    assert not locks.lease_of(target).exists()


def test_a_claim_of_another_machine_ends_when_it_is_not_renewed(tmp_path: Path) -> None:
    target = tmp_path / "network.pt"
    lease = locks.lease_of(target)
    lease.write_text('{"token": "x", "host": "elsewhere", "space": null, "pid": 1, "started": null}')
    with locks.claim(target) as held:
        assert not held
    os.utime(lease, (time.time() - 2 * locks.LAPSE,) * 2)
    with locks.claim(target) as held:
        assert held
