"""load_csv: numbers, and perhaps names of classes, from text in columns.  Imports NumPy.  Next: text.py."""
from __future__ import annotations

import csv
import os
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, TextIO

    import numpy.typing as npt

    from .._typing import Floats


class Table(NamedTuple):
    """What `load_csv` read.

    Examples
    --------
    >>> from fastad.datasets import Table
    >>> Table._fields
    ('inputs', 'target', 'names', 'classes')
    """

    inputs: Floats                         # (n, columns)
    target: npt.NDArray[Any] | None        # (n,): numbers, or int64 indices of classes
    names: tuple[str, ...]                 # of the columns of `inputs`
    classes: tuple[Any, ...] | None        # what the indices in `target` stand for


def load_csv(path: str | os.PathLike[str], target: str | int | None = None, *, classes: bool | None = None,
             header: bool | None = None, delimiter: str = ",", encoding: str = "utf-8-sig") -> Table:
    """Columns of numbers from a text file, one of them perhaps the target.

    Parameters
    ----------
    path : path-like
    target : str or int, optional
        The name or number of the column that is to be learnt.
    classes : bool, optional
        The target names classes: it becomes their indices, in sorted order.  By default so if it is text.
    header : bool, optional
        The first row holds names; by default so if none of its cells is a number.
    delimiter : str
    encoding : str

    Returns
    -------
    Table
        ``inputs``, float64 of shape (n, columns), ``target``, ``names`` and ``classes``.

    Raises
    ------
    ValueError
        If text stands where a number belongs, a cell is empty, or a row is longer or shorter than the first: row (line of
        the file) and column are named; if there are no rows, or no such target.

    Notes
    -----
    A pandas.DataFrame needs no file: `fastad.data.DataLoader` takes it, or its columns, as arrays.

    Examples
    --------
    >>> import os, tempfile, fastad
    >>> path = os.path.join(tempfile.mkdtemp(), "flowers.csv")
    >>> with open(path, "w") as file:
    ...     _ = file.write("length,width,kind\\n5.1,3.5,setosa\\n6.0,2.9,virginica\\n4.9,3.0,setosa\\n")
    >>> table = fastad.datasets.load_csv(path, target="kind")
    >>> print(table.inputs[0], table.target, table.names, table.classes)
    [5.1 3.5] [0 1 0] ('length', 'width') ('setosa', 'virginica')
    """
    where = f"load_csv: {os.fspath(path)}"
    try:
        with open(path, newline="", encoding=encoding) as file:
            first = next(_rows(file, delimiter), None)
            if first is None:
                raise ValueError(f"{where} is empty")
            if header is None:
                header = not any(_is_number(cell) for cell in first[1])
            names = [cell.strip() for cell in first[1]] if header else [f"column {k}" for k in range(len(first[1]))]
            at = None if target is None else _column(target, names, header, where)
            if not header:
                file.seek(0)
            row = next((line for line in file if line.strip() or delimiter in line), None)
            if row is None:
                raise ValueError(f"{where} has no rows below its header")
            text: list[str] | None = None
            try:
                values = np.loadtxt(chain([row], file), delimiter=delimiter, comments=None, quotechar='"', ndmin=2)
                as_numbers = values.shape[1] == len(names)
            except UnicodeDecodeError:
                raise
            except ValueError:             # there is text, or an error, and `_cells` says where
                as_numbers = False
            if not as_numbers:
                file.seek(0)
                values, text = _cells(_rows(file, delimiter), header, names, at, where)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is no text in {encoding}: {error}") from error
    except csv.Error as error:
        raise ValueError(f"{where} is no text in columns: {error}") from error
    if at is None:
        return Table(values, None, tuple(names), None)
    column: npt.NDArray[Any] = values[:, at] if text is None else np.array(text)
    inputs = np.ascontiguousarray(np.delete(values, at, axis=1))
    rest = tuple(name for k, name in enumerate(names) if k != at)
    if classes or (classes is None and text is not None):
        found, indices = np.unique(column, return_inverse=True)
        return Table(inputs, indices.reshape(-1).astype(np.int64), rest, tuple(found.tolist()))
    if text is not None:
        word = next(cell for cell in text if not _is_number(cell))
        raise ValueError(f"{where}: the target, column {at + 1} ({names[at]!r}), holds text: {word!r}")
    return Table(inputs, column.copy(), rest, None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _column(target: str | int, names: list[str], header: bool, where: str) -> int:
    if isinstance(target, str):
        if not header or names.count(target) != 1:
            raise ValueError(f"{where} has no one column {target!r}; " + (f"its columns are {names}" if header
                             else "it has no header, so the target must be a number"))
        return names.index(target)
    if not -len(names) <= target < len(names):
        raise ValueError(f"{where} has {len(names)} columns, and no column {target}")
    return target % len(names)


def _rows(file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line of the file, cells) of all rows that are not empty."""
    reader = csv.reader(file, delimiter=delimiter)
    return ((reader.line_num, row) for row in reader if len(row) > 1 or "".join(row).strip())


def _cells(rows: Iterator[tuple[int, list[str]]], header: bool, names: Sequence[str], at: int | None,
           where: str) -> tuple[Floats, list[str]]:
    """(numbers, the target as text), cell by cell."""
    values, text = [], []
    for line, row in islice(rows, int(header), None):
        if len(row) != len(names):
            raise ValueError(f"{where}: row {line} has {len(row)} columns, the first has {len(names)}")
        for k, cell in enumerate(row):
            if not cell.strip() or (k != at and not _is_number(cell)):
                what = f"{cell!r} is no number" if cell.strip() else "the cell is empty"
                raise ValueError(f"{where}: row {line}, column {k + 1} ({names[k]!r}): {what}")
        values.append([0.0 if k == at else float(cell) for k, cell in enumerate(row)])
        text.append("" if at is None else row[at].strip())
    return np.array(values, np.float64), text
