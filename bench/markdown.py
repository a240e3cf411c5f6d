"""Writing a table into a file that has a place for it, between two comments."""


def splice(text, table, name):
    """`text` with everything between the comments of that name replaced by the table.

    >>> splice("a <!-- bench:begin --> old <!-- bench:end --> b", "new", "bench")
    'a <!-- bench:begin -->\\nnew\\n<!-- bench:end --> b'
    """
    start, stop = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, begin, rest = text.partition(start)
    _, end, after = rest.partition(stop)
    if not begin or not end:
        raise SystemExit(f"no place for the table: the file needs the lines {start} and {stop}")
    return f"{before}{start}\n{table}\n{stop}{after}"


def write(files, table, name):
    for path in files:
        path.write_text(splice(path.read_text(), table, name))
