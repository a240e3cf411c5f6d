"""Writes docs/names.md: which names of the public surface there are, and what each is.  `make names`; --check only compares.

The names are those of surface.toml; whether they exist, and their first lines, come from the library itself.
"""
import importlib
import inspect
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
TARGET = HERE.parent / "docs" / "names.md"
HEAD = """# Names

Written by `make names` from the names in `tools/surface.toml` and from what the library has.

| module | names | there |
|---|---:|---:|
"""


def surface():
    """module -> group -> names"""
    found = tomllib.loads((HERE / "surface.toml").read_text())
    return {module: {group: names.split() for group, names in groups.items()} for module, groups in found.items()}


def find(module, name):
    """What stands behind a name, or None."""
    for place in (f"{module}.{name}", module):            # the name of a module is not an attribute until it is imported
        parts = place.split(".")
        for end in range(len(parts), 0, -1):
            try:
                value = importlib.import_module(".".join(parts[:end]))
            except ModuleNotFoundError:
                continue
            for part in (parts[end:] if place != module else parts[end:] + name.split(".")):
                value = getattr(value, part, None)
            if value is not None:
                return value
            break
    return None


def missing(module):
    """The names of a module that are not there."""
    return [name for names in surface()[module].values() for name in names if find(module, name) is None]


def summary(value):
    """The first paragraph of a docstring up to its first full stop, in one line."""
    text = inspect.getdoc(value) or ""
    if not callable(value) and not inspect.ismodule(value):
        return ""
    line = " ".join(text.partition("\n\n")[0].split())
    for stop in (".  ", ". "):
        line = line.partition(stop)[0]
    line = line.removesuffix(".").removesuffix("::").removesuffix(":")
    return (line if "`" in line else line.replace("*", "\\*")).replace("|", "\\|")


def document():
    """The text of docs/names.md."""
    found = {module: {group: {name: find(module, name) for name in names} for group, names in groups.items()}
             for module, groups in surface().items()}
    lines = []
    for module, groups in found.items():
        values = [v for names in groups.values() for v in names.values()]
        there = sum(v is not None for v in values)
        anchor = module.lower().replace(".", "")
        lines.append(f"| [{module}](#{anchor}) | {len(values)} | {'all' if there == len(values) else there} |")
    for module, groups in found.items():
        lines += ["", f"## {module}"]
        for group, names in groups.items():
            lines += ["", *([f"### {group}", ""] if group else [])]
            there = {name: v for name, v in names.items() if v is not None}
            if there:
                lines += ["| name | what it is |", "|---|---|"]
                lines += [f"| `{name}` | {summary(v)} |" for name, v in there.items()]
            absent = [f"`{name}`" for name in names if name not in there]
            if absent:
                lines += [*([""] if there else []), f"Not there: {', '.join(absent)}."]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = document()
    if TARGET.exists() and TARGET.read_text() == text:
        print("docs/names.md is up to date")
    elif "--check" in sys.argv:
        sys.exit("docs/names.md is not up to date: run `make names`")
    else:
        TARGET.write_text(text)
        print("docs/names.md is written")
