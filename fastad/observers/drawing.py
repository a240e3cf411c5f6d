"""The graph of a trace: as text for Graphviz, and as a picture by matplotlib.

The picture stands in layers: a row one below the last of those that it was computed from.  Imports
notation.py.  Next: anomaly.py, another observer.
"""
from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .notation import text

if TYPE_CHECKING:
    from typing import Any

    from .trace import Row, Trace

COLOURS = {"input": "#dbe9f6", "outside": "#eeeeee"}      # of boxes; operations are white
SWEEPS = 12


def dot(trace: Trace, precision: int) -> str:
    lines = [f"digraph {quoted(trace.name)} {{", "  rankdir=TB;", '  node [shape=box, style=rounded, fontname="Helvetica"];']
    for row in trace.rows:
        label = f"{row.name} = {row.expression}\n{text(row.value, precision)}"
        colour = COLOURS.get(row.operation)
        style = f', style="filled", fillcolor="{colour}"' if colour else ""
        lines.append(f"  {quoted(row.name)} [label={quoted(label)}{style}];")
        lines += [f"  {quoted(source)} -> {quoted(row.name)};" for source in row.inputs if source is not None]
    for label, name in trace.outputs:
        if name is not None:
            end = quoted(label)
            lines += [f"  {end} [label={end}, shape=plaintext];", f"  {quoted(name)} -> {end};"]
    return "\n".join([*lines, "}"])


def quoted(name: str) -> str:
    """A string of Graphviz's language."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# ---- the picture -------------------------------------------------------------------------------------
def layers(rows: list[Row]) -> tuple[list[list[str]], list[list[str]]]:
    """Names of boxes in layers, each in the order in which it stands, and the ways of the arrows through them.

    An arrow that passes layers has a place of its own in each, so that it meets no box."""
    depth: dict[str, int] = {}
    for row in rows:
        depth[row.name] = 1 + max((depth[s] for s in row.inputs if s is not None), default=-1)
    below: dict[str, int] = {}
    for row in rows:
        for source in row.inputs:
            if source is not None:
                below[source] = min(below.get(source, depth[row.name]), depth[row.name])
    for row in rows:                                  # what is not computed stands right above its first use
        if not any(row.inputs) and row.name in below:
            depth[row.name] = below[row.name] - 1
    found: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=0))]
    for row in rows:
        found[depth[row.name]].append(row.name)
    ways = []
    for row in rows:
        for k, source in enumerate(row.inputs):
            if source is None:
                continue
            passed = [f"{source} to {row.name} {k} {at}" for at in range(depth[source] + 1, depth[row.name])]
            way = [source, *passed, row.name]
            for at, place in enumerate(passed, depth[source] + 1):
                found[at].append(place)
            ways.append(way)
    uncross(found, [(a, b) for way in ways for a, b in pairwise(way)])
    return found, ways


def uncross(found: list[list[str]], steps: list[tuple[str, str]]) -> None:
    """Order each layer by the mean place of the neighbours in the layer before, downward and upward in turn."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for a, b in steps:
        above.setdefault(b, []).append(a)
        below.setdefault(a, []).append(b)
    for sweep in range(SWEEPS):
        near = below if sweep % 2 else above
        place = {name: at / len(layer) for layer in found for at, name in enumerate(layer, 1)}
        for layer in reversed(found) if sweep % 2 else found:
            mean = {n: sum(place[m] for m in near[n]) / len(near[n]) if n in near else place[n] for n in layer}
            layer.sort(key=mean.__getitem__)
            place.update((name, at / len(layer)) for at, name in enumerate(layer, 1))


def positions(found: list[list[str]], ways: list[list[str]], widths: dict[str, float]) -> dict[str, float]:
    """Where everything stands from left to right: near its neighbours, as far apart as the boxes need."""
    near: dict[str, list[str]] = {}
    for way in ways:
        for a, b in pairwise(way):
            near.setdefault(a, []).append(b)
            near.setdefault(b, []).append(a)
    x: dict[str, float] = {}
    for layer in found:
        left = 0.0
        for name in layer:
            x[name] = left + widths.get(name, 0.2) / 2
            left += widths.get(name, 0.2) + 0.25
        for name in layer:
            x[name] -= left / 2
    for sweep in range(SWEEPS):
        for layer in reversed(found) if sweep % 2 else found:
            want = [sum(x[m] for m in near[n]) / len(near[n]) if n in near else x[n] for n in layer]
            apart = [(widths.get(a, 0.2) + widths.get(b, 0.2)) / 2 + 0.25 for a, b in pairwise(layer)]
            to_right, to_left = list(want), list(want)
            for i, gap in enumerate(apart):
                to_right[i + 1] = max(want[i + 1], to_right[i] + gap)
            for i in range(len(apart) - 1, -1, -1):
                to_left[i] = min(want[i], to_left[i + 1] - apart[i])
            x.update((name, (a + b) / 2) for name, a, b in zip(layer, to_right, to_left, strict=True))
    return x


def draw(trace: Trace, path: str | None, precision: int) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyArrowPatch
        from matplotlib.path import Path
    except ImportError as error:
        raise ImportError("draw: pictures need matplotlib (pip install fastad[plot]); dot() gives the graph as text for "
                          "Graphviz without it") from error
    rows = trace.rows
    ends: dict[str, list[str]] = {}
    for label, name in trace.outputs:
        if name is not None:
            ends.setdefault(name, []).append(label)
    captions = {}
    for row in rows:
        lines = [f"{row.name} = {row.expression}" + "".join(f" = {label}" for label in ends.get(row.name, ())),
                 text(row.value, precision)]
        slopes = [f"{what} {text(value, precision)}" for what, value in (("tangent", row.tangent), ("adjoint", row.adjoint))
                  if value is not None]
        lines += [", ".join(slopes)] if slopes and np.ndim(row.value) == 0 else slopes
        captions[row.name] = "\n".join(lines)
    widths = {name: 0.25 + 0.075 * max(map(len, caption.split("\n"))) for name, caption in captions.items()}
    found, ways = layers(rows)
    x = positions(found, ways, widths)
    half = {name: 0.08 * (caption.count("\n") + 1) + 0.05 for name, caption in captions.items()}
    tallest = max(half.values())
    step = 0.5 + 2 * tallest
    y = {name: -step * at for at, layer in enumerate(found) for name in layer}
    left, right = min(x[n] - widths[n] / 2 for n in widths), max(x[n] + widths[n] / 2 for n in widths)
    left, right = min(left, *x.values()) - 0.2, max(right, *x.values()) + 0.2
    bottom, top = min(y.values()) - 0.6, 0.6
    figure = Figure(figsize=(right - left, top - bottom))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.axis("off")
    for first, *passed, last in ways:
        between = [(x[n], y[n] + side * tallest) for n in passed for side in (1, -1)]      # straight down beside the boxes
        points = [(x[first], y[first] - half[first]), *between, (x[last], y[last] + half[last])]
        codes = [Path.MOVETO] + [Path.LINETO] * (len(points) - 1)
        axes.add_patch(FancyArrowPatch(path=Path(points, codes), arrowstyle="-|>", mutation_scale=10, shrinkA=0, shrinkB=1,
                                       color="#555555", linewidth=0.9))
    for row in rows:
        box = {"boxstyle": "round,pad=0.4", "facecolor": COLOURS.get(row.operation, "white"),
               "edgecolor": "#c0392b" if row.name in ends else "#555555",
               "linestyle": "--" if row.operation == "outside" else "-"}
        axes.text(x[row.name], y[row.name], captions[row.name].replace("$", r"\$"), ha="center", va="center", fontsize=8,
                  family="monospace", linespacing=1.3, bbox=box)
    if path is None:
        return figure
    figure.savefig(path, dpi=150)
    return None
