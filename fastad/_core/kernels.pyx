"""Level 0: compiles csrc/ and holds the table of kernels for this processor.

The environment variable ``FASTAD_CPU`` (v3, baseline, or v4 where that was built) forces an instruction set,
so that every one can be tested on one machine.
"""
import os

cdef extern from "kernels.h":
    const fad_kernels* fad_select(const char* isa)
    const char* fad_isa_list()

cdef extern from "share.h":
    void fad_share(fad_part_fn part, const void* work, Py_ssize_t n, Py_ssize_t least) noexcept nogil
    void fad_share_rows(fad_rows_part_fn run, const void* work, Py_ssize_t rows, Py_ssize_t least, int n,
                        const fad_line* lines) noexcept nogil
    enum:
        FAD_THREADS
    void fad_share_among(int threads) noexcept nogil


def levels():
    """The instruction sets that are compiled, best first, and whether this processor has each."""
    return {name: fad_select(name.encode()) is not NULL for name in fad_isa_list().decode().split()}


cdef const fad_kernels* _choose() except NULL:
    wanted = os.environ.get("FASTAD_CPU", "")
    if wanted and not levels().get(wanted):
        choices = ", ".join([name for name, present in levels().items() if present])
        if wanted in levels():
            reason = "this processor lacks it"
        elif wanted == "v4":
            reason = "it was not built (FASTAD_LEVELS=v3,v4 when fastad is built)"
        else:
            reason = "there is no such instruction set"
        raise ImportError(f"FASTAD_CPU={wanted!r}: {reason}; choose one of: {choices}")
    cdef bytes forced = wanted.encode()
    return fad_select(<const char*> forced if forced else <const char*> NULL)


K = _choose()


cdef const fad_row* row_named(str name) except NULL:
    cdef int i
    cdef bytes wanted = name.encode()
    for i in range(K.n_rows):
        if K.rows[i].name == wanted:
            return &K.rows[i]
    raise ImportError(f"fastad: the kernel table has no row named {name}")


def isa():
    """The instruction set in use: ``'v3'``, ``'baseline'``, or ``'v4'`` if that was built."""
    return K.isa.decode()


def rows():
    """The elementwise table (csrc/rows.def) as a list of dicts, for the rules, the docs and the tests."""
    out = []
    cdef const fad_row* r
    for i in range(K.n_rows):
        r = &K.rows[i]
        out.append({
            "name": r.name.decode(), "value": r.value.decode(), "arity": r.arity,
            "vjp": tuple([r.vjp[j].decode() for j in range(r.arity)]), "n_params": r.n_params,
            "needs": tuple([r.needs[j] for j in range(r.arity)]), "domain": (r.lo, r.hi),
        })
    return out


# ---- threads -----------------------------------------------------------------------------------------
cdef Py_ssize_t threads = 1               # how many there may be


def set_threads(Py_ssize_t n):
    """Let one kernel use at most n threads."""
    global threads
    threads = min(n, FAD_THREADS)
    fad_share_among(threads)


cdef Py_ssize_t parts_of(Py_ssize_t n, double elements) noexcept nogil:
    cdef double worth = elements / PART
    return <Py_ssize_t> max(1.0, min(worth, <double> min(n, threads))) if worth >= 2 and n > 1 else 1


cdef inline Py_ssize_t least(double elements) noexcept nogil:
    """So many rows that a thread is worth it."""
    return <Py_ssize_t> min((PART - 1) / max(elements, 1.0) + 1, <double> PART)


cdef void share(fad_part_fn part, const void* work, Py_ssize_t n, double elements) noexcept nogil:
    fad_share(part, work, n, least(elements))


cdef void share_rows(fad_rows_part_fn run, const void* work, Py_ssize_t rows, double elements, int n,
                     const fad_line* lines) noexcept nogil:
    fad_share_rows(run, work, rows, least(elements), n, lines)
