"""Which source a number depends on: the functions and classes that are reached from where it is computed.

A digest of whole files would change with every message that is reworded; a digest of one file misses what it calls. So
definitions are followed by name, through imports, from the roots that a step names. What is compared is what the code
does: comments, docstrings, annotations, layout and the words of errors do not count.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

Root = type | Callable[..., Any]

#: Packages whose definitions are followed.
FOLLOWED = ("osarbench", "osarbench_plugins")
#: Modules that carry numbers without changing them, or talk to people.
CARRIERS = ("osarbench.artifacts", "osarbench.console", "osarbench.errors", "osarbench.testing")
_IGNORED_FIELDS = {"ctx", "kind", "type_comment", "type_params", "returns", "annotation"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Definition(NamedTuple):
    """A function, class or constant at the top of a module."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class _Module(NamedTuple):
    definitions: dict[str, list[ast.stmt]]  #: by name; a name may be assigned more than once
    imports: dict[str, tuple[str, str | None]]  #: local name -> module, and the name in it


@dataclass(frozen=True)
class Code:
    """The source that a step uses: definitions from which others are reached, and whole files of an outside plugin."""

    roots: tuple[Definition, ...]
    files: tuple[Path, ...] = ()

    @classmethod
    def of(cls, *roots: Root | Definition, files: Iterable[Path] = ()) -> "Code":
        """Return the code of functions and classes; of a class, its bases count too.

        Args:
            roots: of `FOLLOWED` packages; others are passed over, so name their files.
            files: source files of an outside plugin; what is no Python counts byte for byte.
        """
        named = [definition for root in roots for definition in _all(root)]
        return cls(tuple(sorted({name for name in named if _is_followed(name.module)})), tuple(files))

    @property
    def digest(self) -> str:
        """A short digest of what this code does."""
        digest = hashlib.sha256()
        for definition in reachable(self.roots):
            digest.update(f"{definition}\0{_digest_of(definition)}\0".encode())
        for file in self.files:
            digest.update(f"{file.name}\0{file_digest(file)}\0".encode())
        return digest.hexdigest()[:16]

    def facts(self) -> dict[str, Any]:
        """Return what another checkout needs to compute the digest again (`digest_again`)."""
        return {"digest": self.digest, "roots": [f"{module}:{name}" for module, name in self.roots],
                "files": [file.name for file in self.files]}  # fmt: skip


def digest_again(facts: Mapping[str, Any]) -> str | None:
    """Return the digest that code has in this checkout, from its `Code.facts`; None for an outside plugin's."""
    if facts.get("files"):
        return None
    return Code(tuple(Definition(*root.split(":")) for root in facts["roots"])).digest


def reachable(roots: Iterable[Definition]) -> list[Definition]:
    """Return the definitions of `FOLLOWED` packages that some definitions reach, themselves included, sorted."""
    todo = list(roots)
    found: set[Definition] = set()
    while todo:
        definition = todo.pop()
        resolved = _resolve(definition) if _is_followed(definition.module) else None
        if resolved is not None and resolved not in found:
            found |= {resolved}
            todo += _names_in(resolved)
    return sorted(found)


def file_digest(file: Path) -> str:
    """Return a digest of a source file: what it does if it is Python, else its bytes."""
    if file.suffix != ".py":
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return _hash(ast.parse(file.read_text(encoding="utf-8")).body)


def _all(root: Root | Definition) -> Iterator[Definition]:
    if isinstance(root, Definition):
        yield root
    else:
        for one in inspect.getmro(root) if isinstance(root, type) else (root,):
            yield Definition(one.__module__, one.__qualname__.split(".")[0])


def _is_followed(module: str) -> bool:
    inside = module.split(".")[0] in FOLLOWED
    return inside and not any(module == name or module.startswith(f"{name}.") for name in CARRIERS)


@lru_cache(maxsize=4096)
def _resolve(definition: Definition) -> Definition | None:
    """Return where a name is really defined: a package may import it from a module of its own."""
    parsed = _parse(definition.module)
    if parsed is None:
        return None
    if definition.name in parsed.definitions:
        return definition
    if definition.name in parsed.imports:
        module, name = parsed.imports[definition.name]
        return _resolve(Definition(module, name)) if name and _is_followed(module) else None
    return None


@lru_cache(maxsize=4096)
def _names_in(definition: Definition) -> tuple[Definition, ...]:
    """Return the definitions of followed packages that a definition names."""
    parsed = _parse(definition.module)
    assert parsed is not None
    return tuple(dict.fromkeys(_mentioned(definition.module, parsed)(parsed.definitions[definition.name])))


def _mentioned(module: str, parsed: _Module) -> Callable[[list[ast.stmt]], Iterator[Definition]]:
    def walk(statements: list[ast.stmt]) -> Iterator[Definition]:
        imports = {**parsed.imports}
        for statement in statements:
            for node in ast.walk(statement):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    imports.update(_imported(module, node))
        for statement in statements:
            for node in _values(statement):
                if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    source = imports.get(node.value.id)
                    if source is not None and (inner := _module_of(source)) is not None:
                        yield Definition(inner, node.attr)
                elif isinstance(node, ast.Name):
                    if node.id in parsed.definitions:
                        yield Definition(module, node.id)
                    elif node.id in imports and imports[node.id][1] is not None:
                        yield Definition(imports[node.id][0], str(imports[node.id][1]))

    return walk


def _values(statement: ast.stmt) -> Iterator[ast.AST]:
    """Yield the nodes of a statement, those of annotations left out."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns"):
                todo += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, ast.AST)]


def _module_of(source: tuple[str, str | None]) -> str | None:
    """Return the module that an imported name refers to, None if it stands for something in a module."""
    module, name = source
    full = module if name is None else f"{module}.{name}"
    return full if _is_followed(full) and _file_of(full) is not None else None


@cache
def _parse(module: str) -> _Module | None:
    file = _file_of(module)
    if file is None:
        return None
    definitions: dict[str, list[ast.stmt]] = {}
    imports: dict[str, tuple[str, str | None]] = {}
    for node in _top(ast.parse(file.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.update(_imported(module, node))
        for name in _defined(node):
            definitions.setdefault(name, []).append(node)
    return _Module(definitions, imports)


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under a condition too."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _top(node.body)
            yield from _top(node.orelse)
        else:
            yield node


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, _DEFINITIONS):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]


def _imported(module: str, node: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        return {alias.asname or alias.name.split(".")[0]: (alias.name, None) for alias in node.names}
    source = node.module or ""
    if node.level:
        above = module.split(".")[: -node.level]
        source = ".".join([*above, *([source] if source else [])])
    return {alias.asname or alias.name: (source, alias.name) for alias in node.names}


@cache
def _file_of(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    try:
        file = inspect.getsourcefile(loaded) if loaded is not None else None
        spec = None if file else importlib.util.find_spec(module)
    except (ImportError, ValueError, TypeError, AttributeError):
        return None
    origin = file or (spec.origin if spec is not None else None)
    return Path(origin) if origin and origin.endswith(".py") else None


@lru_cache(maxsize=8192)
def _digest_of(definition: Definition) -> str:
    parsed = _parse(definition.module)
    assert parsed is not None
    return _hash(parsed.definitions[definition.name])


def _hash(statements: list[ast.stmt]) -> str:
    return hashlib.sha256(repr([_canonical(statement) for statement in _bare(statements)]).encode()).hexdigest()


def _canonical(node: Any) -> Any:
    """Return a syntax tree as nested tuples, alike in every version of Python; without annotations of functions."""
    if isinstance(node, list):
        return [_canonical(item) for item in _bare(node)]
    if isinstance(node, ast.Raise):
        return ("Raise", _canonical(node.exc.func) if isinstance(node.exc, ast.Call) else _canonical(node.exc))
    if isinstance(node, ast.AnnAssign) and node.value is not None:
        return ("Assign", [_canonical(node.target)], _canonical(node.value))
    if isinstance(node, ast.AST):
        fields = [(name, getattr(node, name, None)) for name in node._fields if name not in _IGNORED_FIELDS]
        return (type(node).__name__, *[_canonical(value) for _, value in fields])
    return node


def _bare(statements: list[Any]) -> Iterator[Any]:
    """Yield statements without docstrings, `pass`, and what is only said to the user."""
    for node in statements:
        if isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and _only_speaks(node.value)):
            continue
        yield node


def _only_speaks(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return True
    function = value.func if isinstance(value, ast.Call) else None
    if not isinstance(function, ast.Attribute) or not isinstance(function.value, ast.Name):
        return False
    return function.value.id == "console"
