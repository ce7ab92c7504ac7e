"""What a plugin may not do when it is imported: end the program, or change what other code computes."""

import os
import random
import signal
import sys
import threading
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import torch

from osarbench.errors import OsarbenchError
from osarbench.plugins import loading as plugins

PLUGIN = """
{code}
from osarbench import Method, hookimpl

class Mine(Method):
    name = "mine"
    def uncertainty(self, outputs):
        return outputs.logits.sum(dim=1)

@hookimpl
def osarbench_methods():
    {hook}
    return [Mine]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that installs a plugin whose module, or hook, runs some code."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(code: str = "", hook: str = "") -> None:
        (tmp_path / "rude_plugin.py").write_text(PLUGIN.format(code=code, hook=hook))
        monkeypatch.setattr(plugins, "installed", lambda: [EntryPoint("rude", "rude_plugin", "osarbench")])

    yield install
    sys.modules.pop("rude_plugin", None)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("import sys; sys.exit(0)", "tries to end the program when it is loaded (sys.exit(0))"),
        ("raise SystemExit", "tries to end the program when it is loaded (sys.exit())"),
        ("exit('bye')", "tries to end the program when it is loaded (sys.exit('bye'))"),
        ("raise KeyboardInterrupt", "raises KeyboardInterrupt when it is loaded"),
        ("raise GeneratorExit", "raises GeneratorExit when it is loaded"),
    ],
)
@pytest.mark.parametrize("where", ["code", "hook"])
def test_an_installed_plugin_that_ends_the_program_is_put_aside(install, code: str, complaint: str, where: str) -> None:  # type: ignore[no-untyped-def]
    install(**{where: code})
    loaded = plugins.load(("methods",))
    assert loaded.method("dnn")
    with pytest.raises(OsarbenchError) as raised:
        loaded.method("mine")
    assert complaint in str(raised.value)
    assert "'rude'" in str(raised.value)


def test_a_plugin_file_that_ends_the_program_is_named(tmp_path: Path) -> None:
    (tmp_path / "rude.py").write_text("import sys; sys.exit(0)")
    with pytest.raises(OsarbenchError, match=r"plugin file .*rude.py tries to end the program"):
        plugins.load(("methods",), [tmp_path / "rude.py"])


def test_ctrl_c_while_a_plugin_is_imported_is_the_users(install) -> None:  # type: ignore[no-untyped-def]
    install("import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)")
    with pytest.raises(KeyboardInterrupt):
        plugins.load(("methods",))


def test_keyboard_interrupt_is_no_ones_in_a_thread(install) -> None:  # type: ignore[no-untyped-def]
    install("raise KeyboardInterrupt")
    found: list[plugins.Plugins] = []
    thread = threading.Thread(target=lambda: found.append(plugins.load(("methods",))))
    thread.start()
    thread.join()
    assert found[0].broken


def everything() -> list[object]:
    return [
        torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state().tolist(), torch.is_grad_enabled(),
        torch.are_deterministic_algorithms_enabled(), torch.get_default_device(), torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark, random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2],
        np.geterr(), list(warnings.filters), os.getcwd(), os.environ.get("OMP_NUM_THREADS"),
        signal.getsignal(signal.SIGINT), sys.stdout,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("import torch; torch.set_default_dtype(torch.float64)", "torch's default dtype"),
        ("import torch; torch.set_num_threads(torch.get_num_threads() + 1)", "torch's number of threads"),
        ("import torch; torch.manual_seed(7)", "torch's random generator"),
        ("import torch; torch.set_grad_enabled(False)", "whether torch computes gradients"),
        ("import torch; torch.use_deterministic_algorithms(True)", "torch's deterministic algorithms"),
        ("import torch; torch.set_default_device('meta')", "torch's default device"),
        ("import torch; torch.set_float32_matmul_precision('medium')", "torch's precision of products"),
        ("import torch; torch.backends.cudnn.benchmark = True", "cuDNN's settings"),
        ("import random; random.seed(7)", "Python's random generator"),
        ("import numpy; numpy.random.seed(7)", "NumPy's random generator"),
        ("import numpy; numpy.seterr(all='ignore')", "NumPy's handling of floating-point errors"),
        ("import warnings; warnings.simplefilter('ignore')", "warnings filters"),
        ("import warnings; warnings.resetwarnings()", "warnings filters"),
        ("import os; os.chdir('/')", "the working directory"),
        ("import os; os.environ['OMP_NUM_THREADS'] = '77'", "environment variables"),
        ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)", None),
        ("import sys, io; sys.stdout = io.StringIO()", "sys.stdout"),
        ("import torch; torch.set_default_dtype(torch.float64); torch.set_default_device('meta'); 1 / 0", "dtype"),
    ],
)
def test_global_state_that_a_plugin_changes_is_put_back_and_said(
    install,
    code: str,
    named: str | None,
    capfd: pytest.CaptureFixture[str],  # type: ignore[no-untyped-def]
) -> None:
    install(code)
    before = everything()
    loaded = plugins.load(("methods",))
    assert everything() == before
    assert bool(loaded.broken) == ("1 / 0" in code)
    if named is not None:
        shown = capfd.readouterr().err
        assert "'rude' of the package '?' changes" in shown
        assert named in shown
        assert "That is undone." in shown


def test_a_hook_is_held_to_the_same(install, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    install(hook="import torch; torch.set_default_dtype(torch.float64)")
    plugins.load(("methods",))
    assert torch.get_default_dtype() == torch.float32
    assert "torch's default dtype" in capfd.readouterr().err


def test_a_plugin_may_silence_a_single_library(install, capfd: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    install("import warnings; warnings.filterwarnings('ignore', module='their_library')")
    with warnings.catch_warnings():
        plugins.load(("methods",))
        assert any(its[3] is not None and "their_library" in its[3].pattern for its in warnings.filters)
    assert capfd.readouterr().err == ""
