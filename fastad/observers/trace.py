"""The recorded tape of one call as a table, the Wengert list: `fastad.trace`.

An observer of this thread keeps what is recorded while the function runs; the walks then give the tangents and adjoints of
every row.  Imports the core and transforms/named.py.  Next: drawing.py, the same as a picture.
"""
from __future__ import annotations

from functools import wraps
from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .._core import make, tape
from .._core.tensor import Tensor
from ..transforms.named import arguments, copied, differentiable, leaves, plain, transformed
from .notation import bar, marked, seed_text, short, text, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import numpy.typing as npt

__all__ = ["Row", "Trace", "trace"]

class Row(NamedTuple):
    """One row of a `Trace`."""

    name: str
    "``v-1``, ``v0`` for the inputs, ``v1``, ... for operations, ``c1``, ... for tensors from outside of the function."
    expression: str
    "How it was computed."
    operation: str
    "The primitive; ``input`` and ``outside`` for what was not computed here."
    inputs: tuple[str | None, ...]
    "The rows that it was computed from, None for a constant."
    value: Any
    "A NumPy array or scalar."
    tangent: Any
    "The derivative of the value along the seed; None for a tensor from outside, which is a constant here."
    adjoint: Any
    "The derivative of the outputs, weighted by their cotangents, by the value; None as above."


class Entry(NamedTuple):
    """What a trace keeps of a row."""

    name: str
    expression: str
    operation: str
    inputs: tuple[str | None, ...]
    value: npt.NDArray[Any]
    tensor: Tensor


class Recorder:
    """The observer: every recorded output with copies of what it was computed from that the tape does not name."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, Tensor, npt.NDArray[Any], list[tuple[Tensor, npt.NDArray[Any]]]]] = []
        self.known: set[Any] = set()

    def recorded(self, out: Tensor, inputs: tuple[Tensor, ...], within: tape.Node | None) -> None:
        edges = make.edge_of(out)[0].inputs
        others = [(x, copied(x)) if edge is None or edge not in self.known else (x, _NOTHING)
                  for x, edge in zip(inputs, edges, strict=True)]
        self.seen.append((make.edge_of(out), out, copied(out), others))
        self.known.add(make.edge_of(out))

    def ruled(self, node: Any, given: Any, found: Any, forward: bool) -> None:
        """What walks inside the function do is recorded if it matters."""


_NOTHING = np.empty(0)


def trace(f: Callable[..., Any]) -> Callable[..., Trace]:
    """A function that calls `f` and gives what was recorded, as the table of its elementary operations (Wengert list).

    Parameters
    ----------
    f : callable
        Takes tensors where the result takes arrays, numbers, and nested lists, tuples, dicts, named tuples and dataclasses
        of them; returns tensors, nested likewise.

    Returns
    -------
    callable
        Called with arguments of `f`, it gives a `Trace`.  `f` runs on copies of its own of all floating-point and complex
        arguments and of Python's integers; they are the inputs of the table.  Arrays of integers, and whatever else, are
        passed on.  A tensor with a derivative that `f` takes from outside has a row ``c1``, ..., and counts as a constant.

    Raises
    ------
    TypeError
        If `f` is not a function.

    Examples
    --------
    >>> import fastad
    >>> def f(x1, x2):
    ...     a, b, c = fastad.log(x1), x1 * x2, fastad.sin(x2)
    ...     return a + b - c
    >>> table = fastad.trace(f)(2.0, 5.0)
    >>> print(table)
    primal         value   tangent, with dx1 = 1, dx2 = 0  adjoint, with ybar = 1
    -------------  ------  ------------------------------  ----------------------
    v-1 = x1       2       1                               5.5
    v0 = x2        5       0                               1.716
    v1 = ln v-1    0.693   0.5                             1
    v2 = v-1 * v0  10      5                               1
    v3 = sin v0    -0.959  0                               -1
    v4 = v1 + v2   10.693  5.5                             1
    v5 = v4 - v3   11.652  5.5                             1
    y = v5
    >>> table["v5"].value, table.tangents(0.0, 1.0)["v5"].tangent
    (np.float64(11.652071455223084), np.float64(1.7163378145367738))
    """
    if not callable(f):
        kind = type(f).__name__
        raise TypeError(f"trace: expected a function, got {kind}; the trace of a matrix is fastad.diagonal(x).sum()")

    @wraps(f)
    def traced(*args: Any, **kwargs: Any) -> Trace:
        return Trace._of(f, args, kwargs)

    return traced


class Trace:
    """What one call of a function recorded: made by `trace`.

    It prints as a table (``print(t)``, ``t.markdown()``, and by itself in a notebook), draws its graph (`dot`, `draw`), and
    holds the rows as data: ``t.rows``, ``t["v3"]``, iteration.  `tangents` and `adjoints` choose the seeds.

    Attributes
    ----------
    result
        What the function returned, as arrays.

    Examples
    --------
    >>> import fastad
    >>> t = fastad.trace(lambda x, y: fastad.maximum(x, y) ** 2)(4.0, 2.0)
    >>> [row.expression for row in t]
    ['x', 'y', 'maximum(v-1, v0)', 'v1 ** 2']
    >>> t["v-1"].adjoint, t["v0"].adjoint
    (np.float64(8.0), np.float64(0.0))
    """

    def __init__(self) -> None:
        raise TypeError("Trace: fastad.trace(f)(...) makes it")

    name: str
    result: Any
    _entries: list[Entry]
    _arguments: list[tuple[str, list[Entry]]]         # the argument's name, its inputs
    _outputs: list[tuple[str, Entry | npt.NDArray[Any]]]
    _since: int
    _seeds: list[npt.NDArray[Any]]
    _cotangents: list[npt.NDArray[Any]]
    _cache: list[Row] | None
    _missing: dict[str, str]                          # why there are no tangents, or no adjoints

    @classmethod
    def _of(cls, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Trace:
        """Run f and keep what it records."""
        self = cls.__new__(cls)
        self.name = getattr(f, "__name__", type(f).__name__)
        self._since = make.mark()
        inputs: list[list[tuple[str, Tensor]]] = []

        def own(name: str, value: Any) -> Any:
            if not differentiable(value):
                return value
            x = make.copy_of(np.array(value.detach().numpy()) if isinstance(value, Tensor) else value, self.name, name)
            inputs[-1].append((name, x))
            return x

        names = [*arguments(f, args), *kwargs]
        given = []
        for name, value in zip(names, [*args, *kwargs.values()], strict=True):
            inputs.append([])
            given.append(transformed(value, own, name))
        recorder = Recorder()
        recorder.known.update(make.edge_of(x) for group in inputs for _, x in group)
        copies = [[copied(x) for _, x in group] for group in inputs]
        tape.observe(recorder)
        try:
            result = make.recorded_call(f, tuple(given[:len(args)]), dict(zip(kwargs, given[len(args):], strict=True)))
        finally:
            tape.unobserve(recorder)
        self._keep(names, inputs, copies, recorder, result)
        return self

    def _keep(self, names: list[str], inputs: list[list[tuple[str, Tensor]]], copies: list[list[npt.NDArray[Any]]],
              recorder: Recorder, result: Any) -> None:
        """The rows that the result depends on, with their names."""
        made = {edge: at for at, (edge, *_) in enumerate(recorder.seen)}
        number = 1 - sum(map(len, inputs))
        rows: dict[Any, Entry] = {}
        self._arguments = []
        for name, group, values in zip(names, inputs, copies, strict=True):
            self._arguments.append((name, []))
            for (label, x), value in zip(group, values, strict=True):
                entry = rows[make.edge_of(x)] = Entry(f"v{number}", label, "input", (), value, x)
                self._arguments[-1][1].append(entry)
                number += 1
        found = leaves(result, "y")
        wanted = {at for _, y in found if isinstance(y, Tensor) and (at := made.get(make.edge_of(y))) is not None}
        for at in range(len(recorder.seen) - 1, -1, -1):
            if at in wanted:
                wanted.update(made[edge] for edge in recorder.seen[at][0][0].inputs if edge in made)
        outside: list[Entry] = []
        operations: list[Entry] = []
        for at in sorted(wanted):
            edge, tensor, value, others = recorder.seen[at]
            node = edge[0]
            operands, froms = [], []
            for source, (x, constant) in zip(node.inputs, others, strict=True):
                if source is not None and source not in rows:
                    what = "leaf" if x.is_leaf else f"result of {source[0].name}"
                    name = f"c{len(outside) + 1}"
                    rows[source] = Entry(name, f"{what} outside of {self.name}", "outside", (), constant, x)
                    outside.append(rows[source])
                operands.append(short(constant) if source is None else rows[source].name)
                froms.append(None if source is None else rows[source].name)
            text = written(node, operands, edge[1] if (node, 1) in made else None)
            entry = rows[edge] = Entry(f"v{len(operations) + 1}", text, node.name, tuple(froms), value, tensor)
            operations.append(entry)
        self._entries = [*(entry for _, group in self._arguments for entry in group), *outside, *operations]
        self._outputs = []
        for label, y in found:
            edge = make.edge_of(y) if isinstance(y, Tensor) else None
            if edge is not None and edge not in rows:
                rows[edge] = Entry(f"c{len(outside) + 1}", f"from outside of {self.name}", "outside", (), copied(y), y)
                self._entries.append(rows[edge])
            self._outputs.append((label, rows[edge] if edge is not None else np.asarray(plain(y))))
        self.result = transformed(result, lambda _, y: plain(y))
        self._seeds = [np.full_like(e.value, i == 0) for i, e in enumerate(self._inputs)]
        self._cotangents = [np.ones_like(y.value) for _, y in self._outputs if isinstance(y, Entry)]
        self._cache = None

    # -- seeds
    @property
    def _inputs(self) -> list[Entry]:
        return [entry for _, group in self._arguments for entry in group]

    def _with(self, seeds: list[npt.NDArray[Any]], cotangents: list[npt.NDArray[Any]]) -> Trace:
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__, _seeds=seeds, _cotangents=cotangents, _cache=None)
        return other

    def tangents(self, *seeds: Any, **named: Any) -> Trace:
        """The same table with the tangents for other seeds: one an argument, by position or name, 0 for those left out.

        A seed has the shape of its argument, or is a number for all of its elements; for a nested argument it is nested in
        the same way, or one number.  Raises ValueError for seeds that do not fit.

        Examples
        --------
        >>> import fastad
        >>> t = fastad.trace(lambda x, y: x * y)(4.0, -3.0)
        >>> [float(t.tangents(*seed)["v1"].tangent) for seed in ((1.0, 0.0), (0.0, 1.0))]
        [-3.0, 4.0]
        """
        names = [name for name, _ in self._arguments]
        if len(seeds) > len(names):
            raise ValueError(f"tangents: {len(seeds)} seeds for the {len(names)} arguments of {self.name}")
        given = dict(zip(names, seeds, strict=False))
        for name, seed in named.items():
            if name not in names or name in given:
                raise ValueError(f"tangents: {self.name} has no argument {name!r}" if name not in names else
                                 f"tangents: argument {name!r} has two seeds")
            given[name] = seed
        found = []
        for name, group in self._arguments:
            parts = [seed for _, seed in leaves(given.get(name, 0))]
            if len(parts) == 1 and np.ndim(plain(parts[0])) == 0:
                parts *= len(group)
            if len(parts) != len(group):
                raise ValueError(f"tangents: the seed of {name} has {len(parts)} leaves, the argument {len(group)}")
            found += [fitting("tangents", f"the seed of {entry.expression}", seed, entry.value)
                      for seed, entry in zip(parts, group, strict=True)]
        return self._with(found, self._cotangents)

    def adjoints(self, *cotangents: Any) -> Trace:
        """The same table with the adjoints for other cotangents of the outputs, one an output (at first: ones).

        Raises ValueError for cotangents that do not fit.

        Examples
        --------
        >>> import fastad
        >>> t = fastad.trace(lambda x: (x ** 2, x ** 3))(2.0)
        >>> [float(t.adjoints(*c)["v0"].adjoint) for c in ((1.0, 0.0), (0.0, 1.0))]
        [4.0, 12.0]
        """
        outputs = [(label, y) for label, y in self._outputs if isinstance(y, Entry)]
        if len(cotangents) != len(outputs):
            raise ValueError(f"adjoints: {len(cotangents)} cotangents for the {len(outputs)} outputs of {self.name} that "
                             f"are on the tape: {', '.join(label for label, _ in outputs)}")
        return self._with(self._seeds, [fitting("adjoints", f"the cotangent of {label}", g, y.value)
                                        for (label, y), g in zip(outputs, cotangents, strict=True)])

    # -- rows
    @property
    def rows(self) -> list[Row]:
        """Every row, as data: inputs, then operations in the order in which they ran."""
        if self._cache is None:
            inside = [entry for entry in self._entries if entry.operation != "outside"]
            tensors = [entry.tensor for entry in inside]
            columns = {}
            self._missing = {}
            for what, walk in (("tangent", self._pushed), ("adjoint", self._pulled)):
                try:
                    columns[what] = walk(tensors)
                except NotImplementedError as error:      # a rule of the user's is missing
                    columns[what] = [None] * len(tensors)
                    self._missing[what] = str(error)
            found = {entry.name: pair for entry, *pair in zip(inside, *columns.values(), strict=True)}
            self._cache = [Row(*entry[:4], entry.value[()], *found.get(entry.name, (None, None))) for entry in self._entries]
        return self._cache

    def _pushed(self, tensors: list[Tensor]) -> list[Any]:
        seeds = [make.tensor(seed) for seed in self._seeds]
        found = make.push([entry.tensor for entry in self._inputs], tensors, seeds, 0, False, self._since)
        return [np.zeros(x.shape, x.dtype)[()] if t is None else copied(t)[()] for t, x in zip(found, tensors, strict=True)]

    def _pulled(self, tensors: list[Tensor]) -> list[Any]:
        outputs = [y.tensor for _, y in self._outputs if isinstance(y, Entry)]
        cotangents = [make.tensor(g) for g in self._cotangents]
        found = make.pull(outputs, tensors, cotangents, 0, False, True, self._since)
        return [np.zeros(x.shape, x.dtype)[()] if g is None else copied(g)[()] for g, x in zip(found, tensors, strict=True)]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, name: str | int) -> Row:
        if isinstance(name, str):
            for row in self.rows:
                if row.name == name:
                    return row
            raise KeyError(f"the trace of {self.name} has no row {name}, but {', '.join(row.name for row in self.rows)}")
        return self.rows[name]

    # -- text
    def _cells(self, precision: int) -> tuple[list[list[str]], list[str]]:
        """The table, with its head, and what stands below it."""
        rows = self.rows
        starts = [f"d{entry.expression}" for entry in self._inputs]
        ends = [bar(label) for label, y in self._outputs if isinstance(y, Entry)]
        head = ["primal", "value", "tangent", "adjoint"]
        notes = [f"{label} = " + (y.name if isinstance(y, Entry) else f"{text(y[()], precision)}, which depends on no input")
                 for label, y in self._outputs]
        notes += [f"no {what}s: {why}" for what, why in self._missing.items()]
        for k, names, seeds in ((2, starts, self._seeds), (3, ends, self._cotangents)):
            with_what = ", ".join(f"{name} = {seed_text(seed, precision)}" for name, seed in zip(names, seeds, strict=True))
            if head[k] in self._missing or not with_what:
                continue
            if len(with_what) <= 40:
                head[k] += f", with {with_what}"
            else:
                notes.append(f"{head[k]} with {with_what}")
        cells = [[f"{row.name} = {row.expression}", *(text(v, precision) for v in (row.value, row.tangent, row.adjoint))]
                 for row in rows]
        return [head, *cells], notes

    def text(self, precision: int = 3) -> str:
        """The table as aligned text, numbers to `precision` decimals.

        Examples
        --------
        >>> import fastad
        >>> print(fastad.trace(lambda x: 3 * x)(2.0).text())
        primal       value  tangent, with dx = 1  adjoint, with ybar = 1
        -----------  -----  --------------------  ----------------------
        v0 = x       2      1                     3
        v1 = 3 * v0  6      3                     1
        y = v1
        """
        cells, notes = self._cells(precision)
        widths = [max(len(row[k]) for row in cells) for k in range(4)]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells]
        lines.insert(1, "  ".join("-" * w for w in widths))
        return "\n".join([*lines, *notes])

    __str__ = text

    def __repr__(self) -> str:
        return f"<trace of {self.name}: {len(self._entries)} rows>"

    def markdown(self, precision: int = 3) -> str:
        """The table in Markdown.

        Examples
        --------
        >>> import fastad
        >>> print(fastad.trace(lambda x: 3 * x)(2.0).markdown())
        | primal | value | tangent, with dx = 1 | adjoint, with ybar = 1 |
        |---|---|---|---|
        | v0 = x | 2 | 1 | 3 |
        | v1 = 3 \\* v0 | 6 | 3 | 1 |
        <BLANKLINE>
        y = v1
        """
        cells, notes = self._cells(precision)
        lines = ["| " + " | ".join(map(marked, row)) + " |" for row in cells]
        lines.insert(1, "|---|---|---|---|")
        return "\n".join(lines) + "\n\n" + "  \n".join(map(marked, notes))

    def _repr_html_(self) -> str:
        (head, *cells), notes = self._cells(3)
        lines = ["<table>", "<thead><tr>", *(f"<th>{escape(cell)}</th>" for cell in head), "</tr></thead>", "<tbody>"]
        for row in cells:
            lines.append("<tr>" + "".join(f'<td style="text-align: left">{escape(cell)}</td>' for cell in row) + "</tr>")
        return "\n".join([*lines, "</tbody></table>", *(f"<p>{escape(line)}</p>" for line in notes)])

    # -- pictures
    def dot(self, precision: int = 3) -> str:
        """The graph in Graphviz's language: a box for every row, an arrow from what it was computed from.

        Examples
        --------
        >>> import fastad
        >>> print(fastad.trace(lambda x: 3 * x)(2.0).dot())
        digraph "<lambda>" {
          rankdir=TB;
          node [shape=box, style=rounded, fontname="Helvetica"];
          "v0" [label="v0 = x\\n2", style="filled", fillcolor="#dbe9f6"];
          "v1" [label="v1 = 3 * v0\\n6"];
          "v0" -> "v1";
          "y" [label="y", shape=plaintext];
          "v1" -> "y";
        }
        """
        from .drawing import dot
        return dot(self, precision)

    def draw(self, path: str | None = None, precision: int = 3) -> Any:
        """The graph as a picture, by matplotlib: written to `path` (png, svg, pdf); a figure if that is None.

        Every box has the value below its expression, and beside it the tangent and the adjoint.  Raises ImportError if
        matplotlib is not installed; `dot` needs nothing.

        Examples
        --------
        >>> import fastad
        >>> fastad.trace(lambda x: 3 * x)(2.0).draw("graph.svg")  # doctest: +SKIP
        """
        from .drawing import draw
        return draw(self, path, precision)

    @property
    def outputs(self) -> list[tuple[str, str | None]]:
        """The name of every output, and that of its row; None if it depends on no input.

        Examples: ``[("y", "v5")]``, ``[("y[0]", "v1"), ("y[1]", "v2")]``.
        """
        return [(label, y.name if isinstance(y, Entry) else None) for label, y in self._outputs]


def fitting(name: str, what: str, given: Any, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = np.asarray(plain(given))
    if array.shape not in ((), like.shape):
        raise ValueError(f"{name}: {what} has shape {array.shape}, expected {like.shape}")
    return np.array(np.broadcast_to(array, like.shape), dtype=like.dtype)
