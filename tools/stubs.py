"""Writes the type stubs: `make stubs`; with --check it only compares.

The names, parameters and defaults come from the built package itself, the types from stub_types.py.  Every compiled
module gets a stub beside its source, and fastad/__init__.pyi lists the functions that are registered on import.
"""
import argparse
import importlib
import inspect
import pkgutil
import re
import sys
import types
from pathlib import Path

from stub_types import PARAMETERS, PROPERTIES, RESULTS, SETTABLE, SIGNATURES, SPECIAL

import fastad
from fastad._core import tensor

ROOT = Path(fastad.__file__).parent
HEAD = '"""{doc}\n\nWritten by tools/stubs.py: edit tools/stub_types.py and run `make stubs`.\n"""'
TYPING = ["Any", "Callable", "Iterator", "Literal", "Self", "Sequence", "SupportsIndex", "final", "overload"]
ANNOTATED = {"fastad.creation", "fastad._core.make"}          # what is registered from there is typed there
OURS = ["ArrayLike", "Axes", "Casting", "DType", "Function", "Operand", "Order", "Reduction", "Shape", "Size"]
INHERITED = {"__module__", "__doc__", "__new__", "__init__", "__getattribute__", "__setstate__", "__pyx_vtable__",
             "__dict__", "__weakref__", "__delitem__", "__reduce__", "__reduce_cython__", "__setstate_cython__",
             "__buffer__", "__release_buffer__"}
MODULES = {*fastad._LAZY, "transforms"}          # others are in dir(fastad) only once somebody imported them
REFUSED = {f"__{side}{name}__" for side in ("", "r") for name in ("floordiv", "mod", "divmod")} | {"__round__"}  # raise

CLOSED = ["    def __new__(cls, *args: Any, **kwargs: Any) -> Self: ...",
          "    def __init__(self, *args: Any, **kwargs: Any) -> None: ..."]          # it raises: they are not made by hand
IGNORES = {"__eq__": "override", "__ne__": "override", "__ipow__": "misc"}          # as NumPy has them


def type_of(function, parameter, public):
    """The type of a parameter; None as a default must be among its values."""
    kind = PARAMETERS.get(f"{function}.{parameter.name}")
    if kind is None:
        kind = PARAMETERS.get(parameter.name) if public else "Any"
        if kind is None:
            sys.exit(f"stubs: no type is known for {parameter.name!r} of {function}: add it to tools/stub_types.py")
    if parameter.default is None and "None" not in kind and kind not in ("Any", "Axes", "Order"):
        kind += " | None"
    return kind


def literal(default):
    """A default as it stands in a stub."""
    return default.__name__ if isinstance(default, type) else repr(default)


def parameters_of(name, signature, public, method):
    """The text between the brackets of a signature."""
    given = [p for p in signature.parameters.values() if not p.name.startswith("_")]
    parts, star = [], False
    if method:
        first, *given = given
        parts.append(first.name)
        if first.kind is first.POSITIONAL_ONLY and not any(p.kind is p.POSITIONAL_ONLY for p in given):
            parts.append("/")
    for i, p in enumerate(given):
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        text = f"{p.name}: {type_of(name, p, public)}"
        if p.kind is p.VAR_POSITIONAL:
            text, star = f"*{text}", True
        elif p.kind is p.VAR_KEYWORD:
            text = f"**{text}"
        elif p.default is not p.empty:
            text += f" = {literal(p.default)}"
        parts.append(text)
        following = given[i + 1].kind if i + 1 < len(given) else None
        if p.kind is p.POSITIONAL_ONLY and following is not p.POSITIONAL_ONLY:
            parts.append("/")
    return ", ".join(parts)


def summary(function):
    """The first paragraph of a docstring, without the signature that Cython puts before it."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    if paragraphs[0].startswith(f"{function.__name__}(") and paragraphs[0].endswith(")"):
        paragraphs = paragraphs[1:]
    return " ".join(" ".join(paragraphs[:1]).split()).replace("\\", "\\\\")


def definition(name, function, *, public, method=False):
    """The lines of one function, indented for a class if it is a method."""
    indent = "    " if method else ""
    if name in SIGNATURES:
        heads = SIGNATURES[name]
        if method:
            heads = [re.sub(r"^\(a: ArrayLike(, )?", r"(self\1", head) for head in heads]
    else:
        result = RESULTS.get(name, "Tensor" if public else "Any")
        if result == "Self" and not method:
            result = "Tensor"
        heads = [f"({parameters_of(name, inspect.signature(function), public, method)}) -> {result}"]
    doc = summary(function) if public else ""
    body = f'\n{indent}    """{doc}"""' if doc else " ..."
    lines = []
    for i, head in enumerate(heads):
        if len(heads) > 1:
            lines.append(f"{indent}@overload")
        lines.append(f"{indent}def {name}{head}:{body if i == 0 else ' ...'}")
    return lines


def tensor_methods():
    """Every method, property and operator that Tensor has by now."""
    lines = list(CLOSED)
    for name, member in sorted(vars(tensor.Tensor).items(), key=lambda item: (item[0].startswith("__"), item[0])):
        if name in PROPERTIES:
            lines += ["    @property", f"    def {name}(self) -> {PROPERTIES[name]}:"]
            lines.append(f'        """{inspect.getdoc(member)}"""')
            if name in SETTABLE:
                lines += [f"    @{name}.setter\n    def {name}(self, value: {SETTABLE[name]}) -> None: ..."]
        elif name in SPECIAL:
            ignore = f"  # type: ignore[{IGNORES[name]}]" if name in IGNORES else ""
            lines.append(f"    def {name}{SPECIAL[name]}: ...{ignore}")
        elif isinstance(member, int):
            lines.append(f"    {name}: int")
        elif name.startswith("__"):
            if name not in INHERITED | REFUSED:
                sys.exit(f"stubs: the type of Tensor.{name} is not known: add it to tools/stub_types.py")
        else:
            lines += definition(name, member, public=True, method=True)
    return [*lines, f"    def __buffer__{SPECIAL['__buffer__']}: ..."]     # before Python 3.12 a slot without a name


def class_lines(cls):
    bases = [b.__name__ for b in cls.__bases__ if b is not object]
    lines = [] if is_base(cls) else ["@final"]
    lines.append(f"class {cls.__name__}{'(' + ', '.join(bases) + ')' if bases else ''}:")
    if cls is tensor.Tensor:
        return [*lines, f'    """{inspect.getdoc(cls).splitlines()[0]}"""', *tensor_methods()]
    body = list(CLOSED) if "__init__" in vars(cls) and cls.__module__ == "fastad._core.tape" else []
    for name, member in sorted(vars(cls).items()):
        if f"{cls.__name__}.{name}" in SPECIAL:
            body.append(f"    def {name}{SPECIAL[f'{cls.__name__}.{name}']}: ...")
            continue
        if name.startswith("_") and name not in ("__repr__", "__call__", "__enter__", "__exit__"):
            continue
        if isinstance(member, types.GetSetDescriptorType | types.MemberDescriptorType):
            body.append(f"    @property\n    def {name}(self) -> {PROPERTIES.get(name, 'Any')}: ...")
            if name in SETTABLE:
                body.append(f"    @{name}.setter\n    def {name}(self, value: {SETTABLE[name]}) -> None: ...")
        elif name in SPECIAL:
            body.append(f"    def {name}{SPECIAL[name]}: ...")
        else:
            body += definition(name, member, public=False, method=True)
    if len(body) == 0:
        lines[-1] += " ..."
    return lines + body


def is_base(cls):
    """Whether Python may derive from a class."""
    return bool(cls.__flags__ & (1 << 10))


def constant(value):
    kinds = {dict: "dict[Any, Any]", frozenset: "frozenset[str]", tuple: "tuple[Any, ...]", list: "list[Any]", str: "str"}
    return kinds.get(type(value), "Any")


def head(doc, lines, package, local=()):
    """The docstring and the imports that the lines need."""
    text, imports = "\n".join(lines), []
    code = re.sub(r'"""(.|\n)*?"""', "", text)

    def used(names):
        return [n for n in names if re.search(rf"(?<![.\w\"']){n}\b", code)]

    abstract = {"Callable", "Iterator", "Sequence"}
    typing = used(TYPING)
    if set(typing) & abstract:
        imports.append(f"from collections.abc import {', '.join(n for n in typing if n in abstract)}")
    if set(typing) - abstract:
        imports.append(f"from typing import {', '.join(n for n in typing if n not in abstract)}")
    if "np." in text:
        imports.append("\nimport numpy as np")
    if "npt." in text:
        imports.append("import numpy.typing as npt")
    ours = [f"from {package}_typing import {', '.join(names)}"] if (names := used(OURS)) else []
    core = {"Tensor": "tensor", "Node": "tape", "Primitive": "tape", "HookHandle": "hooks"}
    for name in used([n for n in core if n not in local]):
        ours.append(f"from {package}_core.{core[name]} import {name}")
    return [HEAD.format(doc=doc), *imports, *([""] if ours else []), *ours, ""]


def module_stub(module):
    """The text of the stub of a compiled module."""
    lines, classes, borrowed = [], [], []
    for name, value in sorted(vars(module).items()):
        if name.startswith("_") or isinstance(value, types.ModuleType):
            continue
        if isinstance(value, type):
            if value.__module__ == module.__name__:
                classes.append(value)
        elif callable(value):
            if getattr(value, "__module__", None) == module.__name__ and value.__name__ == name:
                public = fastad.__dict__.get(name) is value
                lines += definition(name, value, public=public)
            elif getattr(value, "__module__", None) == module.__name__:
                lines.append(f"{name}: Any")
        else:
            lines.append(f"{name}: {constant(value)}")
    classes.sort(key=lambda c: (len(c.__mro__), c.__name__))
    outside = {b for c in classes for b in c.__bases__ if b is not object and b.__module__ != module.__name__}
    borrowed = [f"from {b.__module__} import {b.__name__}" for b in sorted(outside, key=lambda b: b.__name__)
                if b.__name__ not in ("Primitive", "Tensor")]
    body = [line for c in classes for line in class_lines(c)] + lines
    doc = (module.__doc__ or module.__name__).split("\n")[0].rstrip(".") + "."
    return "\n".join([*head(doc, body, "fastad.", [c.__name__ for c in classes]), *borrowed, *body, ""])


def public_stub():
    """The text of fastad/__init__.pyi."""
    imports, lines = [], []
    names = [n for n in dir(fastad) if not n.startswith("_") and n.isidentifier()]
    for name in names:
        value = getattr(fastad, name)
        if isinstance(value, types.ModuleType):
            if name in MODULES:
                imports.append(f"from . import {name} as {name}")
        elif value.__name__ == name and (name not in tensor.FUNCTIONS or value.__module__ in ANNOTATED):
            imports.append(f"from {value.__module__.removeprefix('fastad')} import {name} as {name}")
        elif value.__name__ != name and value.__name__ in names:
            lines.append(f"{name} = {value.__name__}")
        else:
            lines += definition(name, value, public=True)
    aliases = [line for line in lines if re.match(r"\w+ = ", line)]
    body = ["__version__: str", "", *[line for line in lines if line not in aliases], "", *aliases]
    return "\n".join([*head(fastad.__doc__.rstrip(), body, ".", ["Tensor"]), *imports, "", *body, ""])


def numpy_stub():
    """The text of fastad/numpy.pyi: arrays give arrays there, and tensors tensors, so what a function gives is not known."""
    from fastad import numpy as namespace
    from fastad._numpy import CONSTANTS

    lines, aliases = [], []
    names = [n for n in namespace.__all__ if n not in CONSTANTS]
    for name in names:
        function = tensor.FUNCTIONS.get(name)
        if function is None:
            lines.append(f"{name}: Any")  # a module inside
        elif function.__name__ != name and function.__name__ in names:
            aliases.append(f"{name} = {function.__name__}")
        else:
            lines += [re.sub(r"-> [^:]*Tensor[^:]*:", "-> Any:", line) for line in definition(name, function, public=True)]
    constants = [f"from numpy import {name} as {name}" for name in CONSTANTS]
    doc = namespace.__doc__.split("\n")[0]
    listed = f"__all__ = {namespace.__all__!r}".replace("'", '"')
    return "\n".join([*head(doc, lines, "."), *constants, "", listed, "", *lines, "", *aliases, ""])


def stubs():
    """{path: text} of every stub."""
    found = {ROOT / "__init__.pyi": public_stub(), ROOT / "numpy.pyi": numpy_stub()}
    for info in pkgutil.walk_packages(fastad._core.__path__, "fastad._core."):
        module = importlib.import_module(info.name)
        if Path(module.__file__).suffix not in (".py", ".pyc") and info.name != "fastad._core.shared":     # that is Cython's
            found[ROOT.parent.joinpath(*info.name.split(".")).with_suffix(".pyi")] = module_stub(module)
    return found


def stale(written):
    """The paths whose files are not what would be written, or should not be there."""
    return [path for path, text in written.items() if not path.exists() or path.read_text() != text] + \
        [path for path in ROOT.rglob("*.pyi") if path not in written]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail if a stub is not what would be written")
    check = parser.parse_args().check
    written = stubs()
    paths = stale(written)
    if check and paths:
        sys.exit("stubs: not up to date, run `make stubs`: " + ", ".join(str(p.relative_to(ROOT.parent)) for p in paths))
    for path in paths:
        path.write_text(written[path]) if path in written else path.unlink()
    print(f"{len(written)} stubs, {len(paths)} written")


if __name__ == "__main__":
    main()
