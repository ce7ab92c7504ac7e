"""Loading plugins: the built-in folder walk, entry points, single files; a clash of names is an error."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pluggy

from osarbench.errors import OsarbenchError, did_you_mean, unknown_name
from osarbench.interfaces import hookspecs
from osarbench.plugins.guard import guarded
from osarbench.plugins.settings import check_settings
from osarbench.plugins.sources import code_files, installed, source

if TYPE_CHECKING:
    from osarbench.interfaces.backbone import Backbone
    from osarbench.interfaces.dataset import Dataset
    from osarbench.interfaces.method import Method
    from osarbench.interfaces.modality import Modality

__all__ = [
    "Plugins", "builtin_folder", "builtin_modules", "check_settings", "code_files", "installed", "load", "source",
]  # fmt: skip

KINDS = ("datasets", "modalities", "backbones", "methods")
ALL_POSTHOC = "all-posthoc"  #: the name of a group, so no method may have it
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  #: what is allowed in a command, a folder and a table
_SINGULAR = {
    "datasets": "data set", "modalities": "modality", "backbones": "backbone", "methods": "method", "heads": "head",
}  # fmt: skip
_BASES = {
    "datasets": "dataset.Dataset", "modalities": "modality.Modality", "backbones": "backbone.Backbone",
    "methods": "method.Method",
}  # fmt: skip
T = TypeVar("T")


class Plugins(NamedTuple):
    """Every plugin that was found, by kind and name."""

    datasets: Mapping[str, "type[Dataset]"]
    backbones: Mapping[str, "type[Backbone]"]
    methods: Mapping[str, "type[Method]"]
    modalities: Mapping[str, "type[Modality]"] = MappingProxyType({})
    broken: Mapping[str, Exception] = MappingProxyType({})  #: installed plugins that raised when they were imported

    def dataset(self, name: str) -> "type[Dataset]":
        """Return a data set class; an unknown name is an `OsarbenchError` with the nearest one."""
        return self._get("data set", name, self.datasets)

    def backbone(self, name: str) -> "type[Backbone]":
        """Return a backbone class; an unknown name is an `OsarbenchError` with the nearest one."""
        return self._get("backbone", name, self.backbones)

    def method(self, name: str) -> "type[Method]":
        """Return a method class; an unknown name is an `OsarbenchError` with the nearest one."""
        return self._get("method", name, self.methods)

    def modality(self, name: str) -> "type[Modality]":
        """Return a modality class; an unknown name is an `OsarbenchError` with the nearest one."""
        return self._get("modality", name, self.modalities)

    def expand(self, names: Iterable[str]) -> list[str]:
        """Return names of methods, each once, with every post-hoc score in the place of "all-posthoc"."""
        group = [name for name, method in self.methods.items() if method.posthoc]
        return list(dict.fromkeys(name for asked in names for name in (group if asked == ALL_POSTHOC else [asked])))

    def _get(self, kind: str, name: str, known: Mapping[str, T]) -> T:
        if name in known:
            return known[name]
        failed = "".join(
            f"\nThe installed plugin {plugin} could not be loaded ({type(error).__name__}: {error}), so what it offers "
            "is missing."
            for plugin, error in self.broken.items()
        )
        raise OsarbenchError(f"{unknown_name(kind, name, known)}{failed}")


def load(kinds: Sequence[str] = KINDS, files: Sequence[Path] = ()) -> Plugins:
    """Import and collect the plugins of the given kinds; an installed one that fails is put aside.

    What a plugin does to global state when it is imported is undone, and said (`osarbench.plugins.guard`).

    Args:
        kinds: of `KINDS`; data sets and modalities load without torch.
        files: uninstalled plugin files to load as well.

    Raises:
        OsarbenchError: two plugins or two heads share a name, a hook is misspelt, a file offers nothing, or a class
            is no plugin or has no name.
    """
    found: dict[str, dict[str, Any]] = {kind: {} for kind in (*KINDS, "heads")}
    broken: dict[str, Exception] = {}
    for name in builtin_modules(kinds):
        _add(found, _offers(importlib.import_module(name), name, kinds))
    for entry in installed():
        title = f"'{entry.name}' of the package '{entry.dist.name if entry.dist else '?'}'"
        try:
            _add(found, guarded(title, partial(_of_installed, entry, title, kinds)))
        except Exception as error:  # somebody else's bug must not stop those who do not use it
            broken[title] = error
    for file in files:
        loaded = {source(cls) for classes in found.values() for cls in classes.values()}
        if file.resolve() not in loaded:  # as a built-in, an installed one, or the same file named twice
            _add(found, guarded(f"file {file}", partial(_of_file, file, kinds)))
    return Plugins(**{kind: dict(sorted(found[kind].items())) for kind in KINDS}, broken=broken)


def builtin_modules(kinds: Sequence[str] = KINDS) -> Iterator[str]:
    """Yield the import names of the built-in plugin files; a leading underscore marks a helper, not a plugin."""
    for kind in kinds:
        for file in sorted(builtin_folder().joinpath(kind).glob("[!_]*.py")):
            yield f"osarbench_plugins.{kind}.{file.stem}"


def builtin_folder() -> Path:
    """Return the folder of the built-in plugins without importing any."""
    spec = importlib.util.find_spec("osarbench_plugins")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _of_installed(entry: EntryPoint, title: str, kinds: Sequence[str]) -> dict[str, list[type]]:
    return _offers(entry.load(), title, kinds)


def _of_file(file: Path, kinds: Sequence[str]) -> dict[str, list[type]]:
    return _offers(_import_file(file), str(file), kinds)


def _import_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise OsarbenchError(f"There is no plugin file {file}.")
    name = f"osarbench_plugin_{file.stem}"
    while getattr(sys.modules.get(name), "__file__", None) not in (None, str(file.resolve())):
        name += "_"  # two files of one name in two folders are two plugins
    spec = importlib.util.spec_from_file_location(name, file.resolve())
    if spec is None or spec.loader is None:
        raise OsarbenchError(f"{file} is not a Python file; a plugin file ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        error.add_note(f"osarbench: raised while loading the plugin file {file}")
        raise
    return module


def _offers(plugin: Any, title: str, kinds: Sequence[str]) -> dict[str, list[type]]:
    """Return the classes that the hooks of one plugin return, by kind."""
    manager = pluggy.PluginManager("osarbench")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, title)
    except pluggy.PluginValidationError as error:
        raise OsarbenchError(f"A hook of {title} wants arguments, and hooks are given none: {error}") from error
    _check_hooks(plugin, [caller.name for caller in manager.get_hookcallers(plugin) or ()], title)
    offered: dict[str, list[type]] = {}
    for kind in kinds:
        hook = getattr(manager.hook, f"osarbench_{kind}")
        try:
            returned = hook()  # pluggy leaves out None
        except Exception as error:
            error.add_note(f"osarbench: raised by the hook osarbench_{kind} of {title}")
            raise
        if hook.get_hookimpls() and not returned:
            raise OsarbenchError(
                f"The hook osarbench_{kind} of {title} returns None; it must return a list of classes."
            )
        offered[kind] = [cls for its in returned for cls in (its if isinstance(its, list | tuple) else [its])]
        for cls in offered[kind]:
            _check_class(cls, kind)
    heads: list[Any] = [getattr(cls, "head", None) for cls in offered.get("methods", ())]
    offered["heads"] = [head for head in heads if isinstance(getattr(head, "name", None), str)]
    return offered


def _check_hooks(plugin: Any, hooks: Sequence[str], title: str) -> None:
    known = [f"osarbench_{kind}" for kind in KINDS]
    for name in hooks:
        if name not in known:
            raise OsarbenchError(
                f"{title} implements '{name}', a hook that osarbench does not have.{did_you_mean(name, known)} "
                f"There are: {', '.join(known)}."
            )
    if not hooks:
        bare = next((name for name in known if hasattr(plugin, name)), None)
        hint = f"Put @hookimpl (from osarbench) before {bare}." if bare else f"There are: {', '.join(known)}."
        raise OsarbenchError(f"{title} offers nothing: it implements no hook. {hint}")


def _check_class(cls: Any, kind: str) -> None:
    if not isinstance(cls, type):
        raise OsarbenchError(f"The hook osarbench_{kind} returns {cls!r}; it must return a list of classes.")
    module, base = _BASES[kind].split(".")
    if not issubclass(cls, getattr(importlib.import_module(f"osarbench.interfaces.{module}"), base)):
        raise OsarbenchError(f"The hook osarbench_{kind} returns {_label(cls)}, which is no osarbench.{base}.")
    if kind == "modalities":
        _check_modality(cls)
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not name:
        raise OsarbenchError(f"The {_SINGULAR[kind]} {_label(cls)} has no name. Give the class a `name = '...'`.")
    if NAME.fullmatch(name) is None:
        raise OsarbenchError(f"{_label(cls)} is named '{name}'; a name has letters, digits, _ and - alone. Rename it.")
    if name == ALL_POSTHOC:
        raise OsarbenchError(f"{_label(cls)} is named '{name}', which means all post-hoc methods. Rename it.")


def _check_modality(cls: Any) -> None:
    channels, mean, std = (getattr(cls, field, None) for field in ("channels", "mean", "std"))
    if not isinstance(channels, int) or any(not isinstance(its, tuple) or len(its) != channels for its in (mean, std)):
        raise OsarbenchError(
            f"The modality {_label(cls)} must state its number of channels, and mean and std as one number a channel: "
            f"channels = {channels}, mean = {mean}, std = {std}."
        )


def _add(found: Mapping[str, dict[str, Any]], offered: Mapping[str, list[Any]]) -> None:
    """Add the classes of one plugin, all or, if a name is taken, none."""
    for kind, classes in offered.items():
        taken = found[kind] | {}
        for cls in classes:
            if taken.setdefault(cls.name, cls) is not cls:
                raise OsarbenchError(
                    f"Two plugins offer a {_SINGULAR[kind]} named '{cls.name}': {_label(taken[cls.name])} and "
                    f"{_label(cls)}. Rename one."
                )
    for kind, classes in offered.items():
        found[kind].update({cls.name: cls for cls in classes})


def _label(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
