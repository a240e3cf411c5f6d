# sequences.pxi (level 4): which rows of packed sequences belong together.  Part of recurrent.pyx.
#
# Packed sequences: the rows of time 0 come first, then those of time 1; at each time the sequences that are still running,
# the longest first.  So the state before a step is a stretch of the rows of the step before, and nothing is moved.
from operator import index

from ..storage cimport give_back, resize


cdef struct Piece:
    Py_ssize_t at, rows                 # rows of the packed arrays, which one call of the cell makes
    Py_ssize_t first                    # the first of their sequences
    Py_ssize_t before                   # the first row of their states before; -1: the initial states
    Py_ssize_t going                    # so many of them go on, the others end here
    Py_ssize_t step


@cython.final
cdef class Sequences:
    """How many sequences run at each time, as the pieces in which a pass takes them: the static argument of a node."""
    cdef Piece* pieces
    cdef Py_ssize_t n                   # pieces
    cdef readonly Py_ssize_t steps, rows, batch
    cdef readonly Py_ssize_t window     # -1: none
    cdef readonly bint reverse
    cdef bint at_rest                   # the initial state is zero
    cdef readonly tuple sizes           # None: `batch` at every time

    def __dealloc__(self):
        give_back(self.pieces)

    cdef int plan(self) except -1:
        """Fill in the pieces in the order of the pass, at most two a step: sequences that go on, and those that begin."""
        cdef Py_ssize_t s, t, size, following, kept, last = 0, last_at = 0, at = self.rows if self.reverse else 0
        if self.rows == 0:
            return 0
        self.pieces = <Piece*> resize(NULL, 2 * self.steps * sizeof(Piece))
        if self.pieces is NULL:
            raise MemoryError(f"fastad: no memory for the plan of {self.steps} steps")
        for s in range(self.steps):
            t = self.steps - 1 - s if self.reverse else s
            size = self.size(t)
            following = 0 if s == self.steps - 1 else self.size(t - 1 if self.reverse else t + 1)
            if self.reverse:
                at -= size
            kept = min(last, size)
            if kept:
                self.add(at, kept, 0, last_at, min(following, kept), s)
            if kept < size:
                self.add(at + kept, size - kept, kept, -1, min(max(following - kept, 0), size - kept), s)
            last, last_at = size, at
            if not self.reverse:
                at += size
        return 0

    cdef inline Py_ssize_t size(self, Py_ssize_t t):
        return self.batch if self.sizes is None else <Py_ssize_t> self.sizes[t]

    cdef void add(self, Py_ssize_t at, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t before, Py_ssize_t going,
                  Py_ssize_t step) noexcept:
        cdef Piece* p = &self.pieces[self.n]
        p.at, p.rows, p.first, p.before, p.going, p.step = at, rows, first, before, going, step
        self.n += 1


cdef Sequences sequences(str cell, Layout x, batch_sizes, bint reverse, window):
    """The sequences in an input of this layout."""
    cdef Sequences seq = Sequences.__new__(Sequences)
    cdef object last = x.shape[0]
    cdef bint fits = True
    seq.reverse, seq.window = reverse, -1
    try:
        if window is not None:
            window = index(window)
            if window < 0:
                raise ValueError(f"{cell}: window must be at least 0, the number of steps that an error goes back; got "
                                 f"{window}")
            seq.window = min(window, 1 << 62)
        sizes = None if batch_sizes is None else tuple([index(size) for size in batch_sizes])
    except TypeError as error:
        raise TypeError(f"{cell}: window and batch_sizes are integers ({error})") from None
    if x.ndim != (3 if sizes is None else 2):
        raise ValueError(f"{cell}: the input must have shape (times, batch, features), or be packed with shape (rows, "
                         f"features) and have batch_sizes; got shape {shape_of(x)} {'without' if sizes is None else 'with'} "
                         f"batch_sizes")
    if sizes is None:
        seq.steps, seq.batch = x.shape[0], x.shape[1]
        seq.rows = seq.steps * seq.batch
        return seq
    seq.rows = x.shape[0]
    for size in sizes:
        fits = fits and 0 < size <= last
        last = size
    if not fits or sum(sizes) != seq.rows:
        raise ValueError(f"{cell}: batch_sizes must be positive, never rise and add up to the {seq.rows} rows of the input, "
                         f"got {sizes[:8]}{'...' if len(sizes) > 8 else ''} with sum {sum(sizes)}")
    seq.sizes, seq.steps, seq.batch = sizes, len(sizes), sizes[0] if sizes else 0
    return seq
