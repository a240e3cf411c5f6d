"""Level 4: recurrent layers.  A whole sequence, forward or back through time, is one compiled call.

    P = x W_ih^T + b                          one product over all steps
    for each step:  P_t += s_(t-1) W_hh^T     one product a step
                    s_t = the cell of P_t     one pass, csrc/recurrent.inc
    and back:       D_t = the cell's derivative of g_t + ds_t
                    ds_(t-1) = D_t W_hh
    dW_ih = D^T x, dW_hh = D^T s shifted, dx = D W_ih        one product each over all steps

Next: sequences.pxi, which rows belong together; unrolled.py, the same as formulas.
"""
cimport cython
from libc.string cimport memcpy, memset

from ..arrays cimport add_into, contiguous, copy, fill, reduce_rows
from ..blas cimport begin, finish, gemm
from ..kernels cimport K, fad_map_fn, row_named
from ..storage cimport Array, Layout, dense, dense_dtype, empty, shape_of
from ..tape cimport FROM_OUTPUT, INTERMEDIATE, Node, Primitive, Walk, deliver, receive, save, saved, wants
from ..tensor cimport Tensor, any_records, as_tensor, produced, record_n, unchanged, wrap
from ..types cimport compiled
from .shape cimport in_layout


include "sequences.pxi"            # Piece, Sequences, sequences()


# ---- one pass: what it reads and writes --------------------------------------------------------------
cdef struct Run:
    int code
    Py_ssize_t hidden, gates, itemsize  # gates: columns of P
    Py_ssize_t line, wide               # bytes of a row of the states, of P
    bint at_rest
    fad_map_fn plus
    char* y
    char* p                             # P, then the activations of the gates
    char* inner                         # LSTM: the cells; GRU: what n's gate takes from the state
    char* states                        # GRU: s W_hh^T + b_hh of one step
    const char* b_hh                    # GRU
    const char* h0
    const char* c0
    const char* w                       # W_hh


cdef enum:
    GIL_WORK = 1 << 16                  # multiplications above which the GIL is released
    PIECE_WORK = 256                    # those that a step's calls take the time of


cdef inline bint is_long(Run* r, Sequences seq) noexcept:
    return <double> seq.rows * r.gates * r.hidden + <double> seq.n * PIECE_WORK > GIL_WORK


cdef inline char* data_of(Array a) noexcept nogil:
    return a.data if a is not None else NULL


cdef inline bint has_shape(Layout x, Py_ssize_t rows, Py_ssize_t columns) noexcept:
    """Whether it is (rows, columns), or (rows,) for columns = -1."""
    return x.ndim == 1 + (columns >= 0) and x.shape[0] == rows and (columns < 0 or x.shape[1] == columns)


cdef Array matrix(int code, Py_ssize_t rows, Py_ssize_t columns):
    cdef Py_ssize_t shape[2]
    shape[0], shape[1] = rows, columns
    return empty(dense(code, 2, shape))


cdef Array zeros(int code, Py_ssize_t rows, Py_ssize_t columns):
    cdef Array out = matrix(code, rows, columns)
    fill(out, 0)
    return out


cdef inline const char* before(Run* r, const char* states, const char* initial, Piece* p) noexcept nogil:
    """The states before a piece."""
    return states + p.before * r.line if p.before >= 0 else initial + p.first * r.line


cdef inline double begin_with(char* to, Py_ssize_t rows, Py_ssize_t nbytes, const char* bias) noexcept nogil:
    """Let every row be the bias, if there is one: the factor of what stands there, for the product that follows."""
    cdef Py_ssize_t i
    if bias is NULL:
        return 0
    for i in range(rows):
        memcpy(to + i * nbytes, bias, nbytes)
    return 1


cdef inline void recur(Run* r, Piece* p, char* to, double beta) noexcept nogil:
    """to := s W_hh^T + beta to, for the states s before a piece."""
    if p.before >= 0 or not r.at_rest:
        gemm(r.code, False, True, p.rows, r.gates, r.hidden, before(r, r.y, r.h0, p), r.hidden, r.w, r.hidden, beta, to,
             r.gates)
    elif beta == 0:
        memset(to, 0, p.rows * r.wide)


cdef inline void add(Run* r, Py_ssize_t n, const char* what, char* to) noexcept nogil:
    cdef const void* both[2]
    both[0], both[1] = to, what
    r.plus(n, both, to, NULL)


cdef int product(int code, bint trans_a, Py_ssize_t m, Py_ssize_t n, Py_ssize_t k, Array a, Array b, Array out,
                 bint adds) except -1:
    """out (+)= op(a) b, of dense matrices, whatever their shapes say."""
    cdef Py_ssize_t lda = m if trans_a else k
    if <double> m * n * k <= GIL_WORK:
        gemm(code, trans_a, False, m, n, k, a.data, lda, b.data, n, adds, out.data, n)
        return 0
    begin()
    with nogil:
        gemm(code, trans_a, False, m, n, k, a.data, lda, b.data, n, adds, out.data, n)
    finish()
    return 0


# ---- the primitives ----------------------------------------------------------------------------------
def formulas():
    """unrolled.py, which few need."""
    from . import unrolled
    return unrolled


cdef class Recurrent(Primitive):
    """Inputs: x, h0, (LSTM: c0,) W_ih, W_hh, (b_ih, b_hh).  Outputs: y, h_n, (c_n)."""
    cdef readonly int states            # how many arrays a state is: 1, with cells 2
    cdef int blocks                     # how many gates
    cdef bint splits                    # GRU: the sums of inputs and states stay apart, and so do their cotangents d and e

    def __cinit__(self):
        self.raw = True
        self.states = self.blocks = 1

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        """One step of a piece, whose rows of P hold what the inputs give."""

    cdef void back(self, Run* r, Piece* p, const char* g, char* dh, char* dc, char* d, char* e) noexcept nogil:
        """From g + dh, and dc, the cotangents of the states after a piece: d, that of P; e, that of what the states give,
        where it is another.  dh becomes what reaches the states before past the product, dc likewise."""

    cdef int check(self, list held, Sequences seq) except -1:
        """Whether the arrays fit.  Between this and `apply` no other thread runs, which may give a tensor another array."""
        cdef Array x = held[0], w = held[1 + self.states], a
        cdef Py_ssize_t hidden, features, rows, columns
        cdef object dtype = w.layout.dtype
        cdef int i
        if w.layout.ndim != 2 or w.layout.shape[0] % self.blocks:
            raise ValueError(f"{self.name}: W_ih must be ({self.blocks} * hidden, inputs), got shape {shape_of(w.layout)}")
        hidden, features = w.layout.shape[0] // self.blocks, w.layout.shape[1]
        if x.layout.shape[x.layout.ndim - 1] != features:
            raise ValueError(f"{self.name}: the input has {x.layout.shape[x.layout.ndim - 1]} features (shape "
                             f"{shape_of(x.layout)}), but W_ih of shape {shape_of(w.layout)} takes {features}")
        for i in range(len(held)):
            a = held[i]
            rows = seq.batch if i <= self.states else self.blocks * hidden
            columns = hidden if i <= self.states + 2 else -1
            if i != 0 and i != 1 + self.states and not has_shape(a.layout, rows, columns):
                raise ValueError(f"{self.name}: {self.input_name(i)} must have shape {(rows, columns)[:1 + (columns >= 0)]} "
                                 f"for {seq.batch} sequences and W_ih of shape {shape_of(w.layout)}, got "
                                 f"{shape_of(a.layout)}")
            if a.layout.dtype is not dtype and a.layout.dtype != dtype:
                raise TypeError(f"{self.name}: {self.input_name(i)} is {a.layout.dtype} and W_ih {dtype}; use "
                                f"astype({str(dtype)!r})")
        if not compiled(w.layout.code):
            if dtype.kind not in "fc":
                raise TypeError(f"{self.name}: the weights are {dtype}; use floats")
            if seq.window >= 0:
                raise TypeError(f"{self.name}: backpropagation through a window is for float32 or float64, got {dtype}")
        return 0

    cdef str input_name(self, int i):
        return ("the input", *("the initial state",) * self.states, "W_ih", "W_hh", "b_ih", "b_hh")[i]

    cdef void describe(self, Run* r, Sequences seq, Array w, Array y, Array p, Array inner, Array h0, Array c0) noexcept:
        r.code, r.itemsize, r.at_rest = w.layout.code, w.layout.itemsize, seq.at_rest
        r.gates, r.hidden = w.layout.shape[0], w.layout.shape[1]
        r.line, r.wide = r.hidden * r.itemsize, r.gates * r.itemsize
        r.plus = PLUS[r.code]
        r.y, r.p, r.w, r.h0 = y.data, p.data, w.data, h0.data
        r.inner, r.c0 = data_of(inner), data_of(c0)
        r.states = NULL
        r.b_hh = NULL

    cdef list apply(self, list inputs, list held, Sequences seq):
        """The outputs, of checked inputs: x (times, batch, features), or packed (rows, features)."""
        cdef int k = self.states, i
        cdef Array x = contiguous(held[0]), h0 = contiguous(held[1]), c0 = contiguous(held[2]) if k == 2 else None, y, p, a
        cdef Array w_ih = contiguous(held[1 + k]), w_hh = contiguous(held[2 + k])
        cdef Array inner = None, scratch = None, b = None, b_hh = None, h_n, c_n = None
        cdef int code = w_hh.layout.code
        cdef Py_ssize_t gates = w_hh.layout.shape[0], hidden = w_hh.layout.shape[1]
        cdef Py_ssize_t shape[3]
        cdef Run r
        cdef Node node
        p = matrix(code, seq.rows, gates)
        y = p if self.blocks == 1 else matrix(code, seq.rows, hidden)       # what a plain cell makes of P replaces it
        if self.blocks > 1:
            inner = matrix(code, seq.rows, hidden)
        if len(held) > 3 + k:
            if self.splits:
                b, b_hh = contiguous(held[3 + k]), contiguous(held[4 + k])
            else:
                b = copy(held[3 + k])
                add_into(b, held[4 + k])
        h_n = copy(h0)
        if k == 2:
            c_n = copy(c0)
        self.describe(&r, seq, w_hh, y, p, inner, h0, c0)
        if self.splits:
            scratch = matrix(code, seq.batch, gates)
            r.states, r.b_hh = scratch.data, data_of(b_hh)
        if is_long(&r, seq) or <double> x.layout.size * gates > GIL_WORK:
            begin()
            with nogil:
                self.through_sequence(&r, seq, x, w_ih, b, h_n, c_n)
            finish()
        else:
            self.through_sequence(&r, seq, x, w_ih, b, h_n, c_n)
        if x.layout.ndim == 3:                # the same numbers in its shape
            shape[0], shape[1], shape[2] = seq.steps, seq.batch, hidden
            y.layout = dense(code, 3, shape)
        if not any_records(inputs):
            return [wrap(a) for a in (y, h_n, c_n) if a is not None]
        for i in range(len(held)):
            unchanged(self.name, <Tensor> inputs[i], <Array> held[i])
        node = record_n(self, inputs, seq)
        for i in range(len(held)):
            save(node, <Array> held[i], i)
        save(node, y, FROM_OUTPUT)
        if self.blocks > 1:
            save(node, p, INTERMEDIATE)
            save(node, inner, INTERMEDIATE)
        return [produced(a, node) for a in (y, h_n, c_n) if a is not None]

    cdef void through_sequence(self, Run* r, Sequences seq, Array x, Array w_ih, Array b, Array h_n,
                               Array c_n) noexcept nogil:
        """All steps forward; the final states where the sequences end."""
        cdef Py_ssize_t i, ending, at, features = w_ih.layout.shape[1]
        cdef Piece* p
        gemm(r.code, False, True, seq.rows, r.gates, features, x.data, features, w_ih.data, features,
             begin_with(r.p, seq.rows, r.wide, data_of(b)), r.p, r.gates)
        for i in range(seq.n):
            p = &seq.pieces[i]
            self.forward(r, p)
            ending, at = (p.rows - p.going) * r.line, (p.at + p.going) * r.line
            memcpy(h_n.data + (p.first + p.going) * r.line, r.y + at, ending)
            if c_n is not None:
                memcpy(c_n.data + (p.first + p.going) * r.line, r.inner + at, ending)

    # ---- back through time ---------------------------------------------------------------------------
    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Sequences seq = <Sequences> node.args
        cdef int k = self.states, n = node.n_in, code = node.layout.code, i
        cdef Array x = contiguous(saved(node, 0))
        cdef Array w_ih = contiguous(saved(node, 1 + k)), w_hh = contiguous(saved(node, 2 + k))
        cdef Array h0 = contiguous(saved(node, 1)), c0 = contiguous(saved(node, 2)) if k == 2 else None, y = saved(node, n)
        cdef Array p = saved(node, n + 1) if self.blocks > 1 else y, inner = saved(node, n + 2) if self.blocks > 1 else None
        cdef Py_ssize_t features = w_ih.layout.shape[1], rows = seq.rows
        cdef Array d = matrix(code, rows, w_ih.layout.shape[0])
        cdef Array e = matrix(code, rows, w_ih.layout.shape[0]) if self.splits else d
        cdef Array dh = self.seed(node, walk, 1, h0), dc = self.seed(node, walk, 2, h0) if k == 2 else None, total
        cdef bint adds
        cdef Run r
        self.describe(&r, seq, w_hh, y, p, inner, h0, c0)
        if seq.window < 0:
            self.through_time(&r, seq, g, dh, dc, d, e, wants(walk, node, 1) or (k == 2 and wants(walk, node, 2)))
        else:
            self.through_window(&r, seq, g, dh, dc, d, e)
        if wants(walk, node, 1):
            deliver(walk, node, 1, dh)
        if k == 2 and wants(walk, node, 2):
            deliver(walk, node, 2, dc)
        if wants(walk, node, 0):
            total = receive(walk, node, 0, in_layout(node, 0), &adds)
            product(code, False, rows, features, r.gates, d, w_ih, total, adds)
            deliver(walk, node, 0, total)
        if wants(walk, node, 1 + k):
            total = receive(walk, node, 1 + k, in_layout(node, 1 + k), &adds)
            product(code, True, r.gates, features, rows, d, x, total, adds)
            deliver(walk, node, 1 + k, total)
        if wants(walk, node, 2 + k):
            total = receive(walk, node, 2 + k, in_layout(node, 2 + k), &adds)
            self.weight_gradient(&r, seq, e, total, adds)
            deliver(walk, node, 2 + k, total)
        for i in range(3 + k, n):
            if wants(walk, node, i):
                total = receive(walk, node, i, in_layout(node, i), &adds)
                reduce_rows(K.sum[code], rows, e if i == 4 + k else d, total, adds)
                deliver(walk, node, i, total)
        return 0

    cdef Array seed(self, Node node, Walk walk, int k, Array like):
        """A private copy of the cotangent of output k, zeros if there is none."""
        cdef Array g
        if walk.grads[node.slot + k] is NULL:
            return zeros(like.layout.code, like.layout.shape[0], like.layout.shape[1])
        g = <Array> walk.grads[node.slot + k]
        return contiguous(copy(g))

    cdef int through_time(self, Run* r, Sequences seq, Array g, Array dh, Array dc, Array d, Array e,
                          bint to_start) except -1:
        """The cotangents d and e of all steps; dh and dc go from those of the final states to those of the initial ones."""
        cdef Py_ssize_t stride = r.line if g is not None else 0
        g = contiguous(g) if g is not None else zeros(r.code, seq.batch, r.hidden)
        if is_long(r, seq):
            begin()
            with nogil:
                self.steps_back(r, seq, g, stride, dh, dc, d, e, to_start)
            finish()
        else:
            self.steps_back(r, seq, g, stride, dh, dc, d, e, to_start)
        return 0

    cdef void steps_back(self, Run* r, Sequences seq, Array g, Py_ssize_t stride, Array dh, Array dc, Array d, Array e,
                         bint to_start) noexcept nogil:
        cdef Py_ssize_t i
        cdef Piece* p
        cdef char* h
        cdef char* c
        for i in range(seq.n - 1, -1, -1):
            p = &seq.pieces[i]
            h = dh.data + p.first * r.line
            c = dc.data + p.first * r.line if dc is not None else NULL
            self.back(r, p, g.data + p.at * stride, h, c, d.data + p.at * r.wide, e.data + p.at * r.wide)
            if p.before >= 0 or to_start:
                self.to_before(r, p, e.data + p.at * r.wide, h)

    cdef void to_before(self, Run* r, Piece* p, const char* e, char* dh) noexcept nogil:
        """dh, of the states after a piece, becomes that of the states before."""
        gemm(r.code, False, False, p.rows, r.hidden, r.gates, e, r.gates, r.w, r.hidden, self.splits, dh, r.hidden)

    cdef int through_window(self, Run* r, Sequences seq, Array g, Array dh, Array dc, Array d, Array e) except -1:
        """The same where the error of each output goes back over `seq.window` steps more, and no further."""
        cdef Py_ssize_t i, j, low, high, n
        cdef Py_ssize_t line = r.line
        cdef Piece* p
        cdef Piece q
        cdef char* h
        cdef char* c
        cdef Py_ssize_t stride = line if g is not None else 0
        # the error of one output on its way, and what it adds to d and e; then the cotangents of the initial states
        cdef Array on_h = zeros(r.code, seq.batch, r.hidden), on_c = zeros(r.code, seq.batch, r.hidden)
        cdef Array more_d = matrix(r.code, seq.batch, r.gates)
        cdef Array more_e = matrix(r.code, seq.batch, r.gates) if self.splits else more_d
        cdef Array dh0 = zeros(r.code, seq.batch, r.hidden), dc0 = zeros(r.code, seq.batch, r.hidden)
        cdef Array nothing = zeros(r.code, seq.batch, r.hidden)
        fill(d, 0)
        fill(e, 0)
        g = contiguous(g) if g is not None else nothing
        begin()
        with nogil:
            for i in range(seq.n - 1, -1, -1):
                p = &seq.pieces[i]
                low = p.first * line
                memcpy(on_h.data + low, g.data + p.at * stride, p.rows * line)
                memset(on_c.data + low, 0, p.rows * line)
                low, n = (p.first + p.going) * line, (p.rows - p.going) * r.hidden      # the sequences that end here
                add(r, n, dh.data + low, on_h.data + low)
                if dc is not None:
                    add(r, n, dc.data + low, on_c.data + low)
                for j in range(i, -1, -1):
                    q = seq.pieces[j]
                    if p.step - q.step > seq.window:
                        break
                    low, high = max(p.first, q.first), min(p.first + p.rows, q.first + q.rows)
                    if low >= high:
                        continue
                    q.at += low - q.first      # the part of it that goes on to p
                    q.before += low - q.first if q.before >= 0 else 0
                    q.first, q.rows = low, high - low
                    h, c = on_h.data + low * line, on_c.data + low * line
                    self.back(r, &q, nothing.data, h, c, more_d.data, more_e.data)
                    add(r, q.rows * r.gates, more_d.data, d.data + q.at * r.wide)
                    if self.splits:
                        add(r, q.rows * r.gates, more_e.data, e.data + q.at * r.wide)
                    self.to_before(r, &q, more_e.data, h)
                    if q.before < 0:
                        add(r, q.rows * r.hidden, h, dh0.data + low * line)
                        add(r, q.rows * r.hidden, c, dc0.data + low * line)
        finish()
        memcpy(dh.data, dh0.data, seq.batch * line)
        if dc is not None:
            memcpy(dc.data, dc0.data, seq.batch * line)
        return 0

    cdef int weight_gradient(self, Run* r, Sequences seq, Array e, Array out, bint adds) except -1:
        """out (+)= the sum over the steps of e_t^T s_(t-1)."""
        cdef Array states = matrix(r.code, seq.rows, r.hidden) if seq.sizes is not None else None
        if is_long(r, seq):
            begin()
            with nogil:
                self.sum_of_products(r, seq, e, states, out, adds)
            finish()
        else:
            self.sum_of_products(r, seq, e, states, out, adds)
        return 0

    cdef void sum_of_products(self, Run* r, Sequences seq, Array e, Array states, Array out, double beta) noexcept nogil:
        """One product over all steps.  Of packed sequences the states before are gathered for it, into `states`; those of
        others lie in one line, but for the initial ones."""
        cdef Py_ssize_t i, begun = min(seq.batch, seq.rows), later = seq.rows - begun, at = 0 if seq.reverse else begun
        cdef Piece* p
        if states is None:
            gemm(r.code, True, False, r.gates, r.hidden, later, e.data + at * r.wide, r.gates, r.y + (begun - at) * r.line,
                 r.hidden, beta, out.data, r.hidden)
            if not r.at_rest:
                gemm(r.code, True, False, r.gates, r.hidden, begun, e.data + (later if seq.reverse else 0) * r.wide, r.gates,
                     r.h0, r.hidden, 1, out.data, r.hidden)
            return
        for i in range(seq.n):
            p = &seq.pieces[i]
            if p.before < 0 and r.at_rest:
                memset(states.data + p.at * r.line, 0, p.rows * r.line)
            else:
                memcpy(states.data + p.at * r.line, before(r, r.y, r.h0, p), p.rows * r.line)
        gemm(r.code, True, False, r.gates, r.hidden, seq.rows, e.data, r.gates, states.data, r.hidden, beta, out.data, r.hidden)

    # ---- the rules for whatever is recorded, has leading axes or goes forward: those of the formulas ----
    def vjp(self, node, saved, g):
        return formulas().vjp(self, node, saved, g)

    def jvp(self, node, saved, tangents):
        return formulas().jvp(self, node, saved, tangents)

    cdef dict statics_of(self, Node node):
        cdef Sequences seq = <Sequences?> node.args
        cdef dict given = {"reverse": seq.reverse}
        if seq.sizes is not None:
            given["batch_sizes"] = seq.sizes
        if seq.window >= 0:
            given["window"] = seq.window
        return given


cdef fad_map_fn* PLUS = <fad_map_fn*> row_named("add").forward


@cython.final
cdef class Vanilla(Recurrent):
    """s_t = act(x_t W_ih^T + b_ih + s_(t-1) W_hh^T + b_hh); its derivative reads the result."""
    cdef fad_map_fn* act
    cdef fad_map_fn slope[2]

    def __cinit__(self, str activation):
        self.name = f"rnn_{activation}"
        self.act = <fad_map_fn*> row_named(activation).forward
        self.slope[0] = row_named(activation).backward[0][0][0]
        self.slope[1] = row_named(activation).backward[1][0][0]

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        cdef char* to = r.y + p.at * r.line
        cdef const void* x = to
        recur(r, p, to, 1)
        self.act[r.code](p.rows * r.hidden, &x, to, NULL)

    cdef void back(self, Run* r, Piece* p, const char* g, char* dh, char* dc, char* d, char* e) noexcept nogil:
        cdef const void* args[4]
        add(r, p.rows * r.hidden, g, dh)
        args[0], args[1], args[2], args[3] = dh, NULL, NULL, r.y + p.at * r.line
        self.slope[r.code](p.rows * r.hidden, args, d, NULL)


@cython.final
cdef class Lstm(Recurrent):
    """i, f, o = sigmoid, g = tanh of P_t's parts; c_t = f c_(t-1) + i g, h_t = o tanh(c_t)"""
    def __cinit__(self):
        self.name, self.states, self.blocks = "lstm", 2, 4

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        cdef char* gates = r.p + p.at * r.wide
        recur(r, p, gates, 1)
        K.lstm[r.code](p.rows, r.hidden, gates, before(r, r.inner, r.c0, p), r.inner + p.at * r.line, r.y + p.at * r.line)

    cdef void back(self, Run* r, Piece* p, const char* g, char* dh, char* dc, char* d, char* e) noexcept nogil:
        K.lstm_back[r.code](p.rows, r.hidden, r.p + p.at * r.wide, before(r, r.inner, r.c0, p), r.inner + p.at * r.line,
                            g, dh, dc, d)


@cython.final
cdef class Gru(Recurrent):
    """r, z = sigmoid of the sums, n = tanh(what the inputs give + r what the state gives); h_t = n + z (h_(t-1) - n)"""
    def __cinit__(self):
        self.name, self.blocks, self.splits = "gru", 3, True

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        recur(r, p, r.states, begin_with(r.states, p.rows, r.wide, r.b_hh))
        K.gru[r.code](p.rows, r.hidden, r.p + p.at * r.wide, r.states, before(r, r.y, r.h0, p), r.inner + p.at * r.line,
                      r.y + p.at * r.line)

    cdef void back(self, Run* r, Piece* p, const char* g, char* dh, char* dc, char* d, char* e) noexcept nogil:
        K.gru_back[r.code](p.rows, r.hidden, r.p + p.at * r.wide, r.inner + p.at * r.line, before(r, r.y, r.h0, p),
                           g, dh, d, e)


PRIMITIVES = {p.name: p for p in (Vanilla("tanh"), Vanilla("relu"), Vanilla("sigmoid"), Lstm(), Gru())}


# ---- what users call ---------------------------------------------------------------------------------
def recurrent(str cell, x, state, w_ih, w_hh, b_ih=None, b_hh=None, batch_sizes=None, bint reverse=False, window=None):
    """One layer of a recurrent network in one direction: the whole sequence in one compiled call.

    With P_t = x_t W_ih^T + b_ih + s_(t-1) W_hh^T + b_hh: ``rnn_tanh``, ``rnn_relu`` and ``rnn_sigmoid`` are
    s_t = act(P_t); ``lstm`` has P = (i, f, g, o), c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g) and
    h_t = sigmoid(o) tanh(c_t); ``gru`` has P = (r, z, n) with n = tanh(x W_in^T + b_in + sigmoid(r) (h W_hn^T + b_hn)) and
    h_t = n + sigmoid(z) (h_(t-1) - n).

    Parameters
    ----------
    cell : 'rnn_tanh', 'rnn_relu', 'rnn_sigmoid', 'lstm' or 'gru'
    x : Tensor or array_like, shape (times, batch, inputs), or packed (rows, inputs)
        Packed: the rows of time 0, then those of time 1, and so on; the longest sequences first.
    state : tuple of Tensor, each (batch, hidden), or None for zeros
        (h0,), with 'lstm' (h0, c0).
    w_ih, w_hh : Tensor, shapes (gates * hidden, inputs) and (gates * hidden, hidden)
    b_ih, b_hh : Tensor, shape (gates * hidden,), optional
    batch_sizes : sequence of int, optional
        Of packed sequences: how many run at each time; never rising.
    reverse : bool
        From the last time to the first.
    window : int, optional
        Carry the error of each output back over so many steps more and no further (truncated backpropagation through
        time): a training rule without tangents or higher derivatives.

    Returns
    -------
    list of Tensor: y, as x with `hidden` features, and the final state: h_n (and c_n), each (batch, hidden).

    Raises
    ------
    ValueError
        If shapes do not fit, or batch_sizes do not fall to the number of rows.
    TypeError
        If dtypes differ: layers do not promote silently.

    Notes
    -----
    P. J. Werbos, Backpropagation through time, 1990; S. Hochreiter and J. Schmidhuber, Long short-term memory, 1997;
    K. Cho et al., 2014, in the form of PyTorch.

    Examples
    --------
    >>> import numpy, fastad
    >>> y, h = fastad.recurrent("rnn_tanh", numpy.ones((3, 1, 1)), None, numpy.ones((1, 1)), numpy.zeros((1, 1)))
    >>> y.shape, h.shape
    ((3, 1, 1), (1, 1))
    """
    cdef Recurrent prim
    cdef Tensor t, given, w
    cdef Sequences seq
    cdef Py_ssize_t shape[2]
    cdef Array rest
    cdef list inputs
    if cell not in PRIMITIVES:
        raise ValueError(f"recurrent: there is no cell {cell!r}; choose one of {', '.join(PRIMITIVES)}")
    prim = <Recurrent> PRIMITIVES[cell]
    given, w = as_tensor(x), as_tensor(w_ih)
    seq = sequences(cell, given.arr.layout, batch_sizes, reverse, window)
    if state is None:
        seq.at_rest = True
        if w.arr.layout.ndim != 2:
            raise ValueError(f"{cell}: W_ih must be ({prim.blocks} * hidden, inputs), got shape {w.shape}")
        shape[0], shape[1] = seq.batch, w.arr.layout.shape[0] // prim.blocks
        rest = empty(dense(w.arr.layout.code, 2, shape) if compiled(w.arr.layout.code) else dense_dtype(w.dtype, 2, shape))
        fill(rest, 0)
        state = (wrap(rest),) * prim.states
    elif not isinstance(state, (tuple, list)) or len(state) != prim.states:
        got = f"{len(state)} of them" if isinstance(state, (tuple, list)) else type(state).__name__
        raise ValueError(f"{cell}: its state is a tuple of {prim.states} tensor{'s' * (prim.states > 1)}, (h0, c0) of "
                         f"'lstm' and (h0,) of the others; got {got}")
    if (b_ih is None) != (b_hh is None):
        raise ValueError(f"{cell}: give both biases or none")
    inputs = [given, *[as_tensor(s) for s in state], w, as_tensor(w_hh)]
    if b_ih is not None:
        inputs += [as_tensor(b_ih), as_tensor(b_hh)]
    held = [t.arr for t in inputs]
    prim.check(held, seq)
    if not compiled((<Array> held[0]).layout.code):
        return formulas().outputs(prim, inputs, seq)
    seq.plan()
    return prim.apply(inputs, held, seq)
