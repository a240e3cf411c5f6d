"""Level 4: recurrent layers.  A whole sequence, forward or back through time, is one compiled call.

Packed sequences: the rows of time 0 come first, then those of time 1; at each time the sequences that are still running, the
longest first.  So the state before a step is a stretch of the rows of the step before, and nothing is moved.

    P = x W_ih^T + b                          one product over all steps
    for each step:  P_t += s_(t-1) W_hh^T     one product a step
                    s_t = the cell of P_t     one pass, csrc/recurrent.inc
    and back:       D_t = the cell's derivative of g_t + ds_t
                    ds_(t-1) = D_t W_hh
    dW_ih = D^T x, dW_hh = D^T s shifted, dx = D W_ih        one product each over all steps

Next: unrolled.py, the same as formulas.
"""
cimport cython
from libc.string cimport memcpy, memset

from ..arrays cimport add_into, contiguous, copy, fill, reduce_rows
from ..blas cimport begin, finish, gemm
from ..kernels cimport K, fad_map_fn, row_named
from ..make import copy_of, mark, pull, push, recorded_call
from ..storage cimport Array, Layout, dense, dense_dtype, empty, give_back, resize
from ..tape cimport FROM_OUTPUT, INTERMEDIATE, Node, Primitive, Walk, deliver, receive, save, saved, wants
from ..tape import is_grad_enabled
from ..tensor cimport Tensor, any_records, as_tensor, produced, record_n, unchanged, wrap
from ..tensor import FUNCTIONS, register
from ..types cimport compiled
from . import unrolled as formulas
from .shape cimport in_layout


# ---- which rows belong together ----------------------------------------------------------------------
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
    cdef Py_ssize_t steps, rows, batch
    cdef Py_ssize_t window              # -1: none
    cdef bint reverse
    cdef readonly bint at_rest          # the initial state is zero
    cdef readonly tuple sizes           # None: `batch` at every time

    def __dealloc__(self):
        give_back(self.pieces)

    cdef inline Py_ssize_t size(self, Py_ssize_t t):
        return self.batch if self.sizes is None else <Py_ssize_t> self.sizes[t]

    cdef int plan(self) except -1:
        """Fill in the pieces, in the order of the pass."""
        cdef Py_ssize_t s, t, at, size, last = 0, last_at = 0, kept, going
        if self.steps > (<Py_ssize_t> 1 << 57):
            raise MemoryError(f"{self.steps} steps are too many")
        self.pieces = <Piece*> resize(NULL, max(2 * self.steps, 1) * sizeof(Piece))
        if self.pieces is NULL:
            raise MemoryError(f"no memory for the plan of {self.steps} steps")
        at = self.rows if self.reverse else 0
        for s in range(self.steps):
            t = self.steps - 1 - s if self.reverse else s
            size = self.size(t)
            if self.reverse:
                at -= size
            kept = min(last, size)
            going = 0 if s == self.steps - 1 else size if self.reverse else self.size(t + 1)
            if kept:
                self.add(at, kept, 0, last_at, min(going, kept), s)
            if kept < size:
                self.add(at + kept, size - kept, kept, -1, max(going - kept, 0), s)
            last, last_at = size, at
            if not self.reverse:
                at += size
        return 0

    cdef void add(self, Py_ssize_t at, Py_ssize_t rows, Py_ssize_t first, Py_ssize_t before, Py_ssize_t going,
                  Py_ssize_t step) noexcept:
        cdef Piece* p = &self.pieces[self.n]
        p.at, p.rows, p.first, p.before, p.going, p.step = at, rows, first, before, going, step
        self.n += 1


cdef struct Run:
    int code
    Py_ssize_t hidden, gates, itemsize  # gates: columns of P
    bint at_rest
    char* y
    char* p                             # P, then the activations of the gates
    char* c                             # LSTM: its cells
    char* kept                          # GRU: what n's gate takes from the state
    char* states                        # GRU: s W_hh^T of one step
    const char* bias                    # GRU: that of n's part of the state
    const char* h0
    const char* c0
    const char* w                       # W_hh


cdef inline const char* before(Run* r, const char* states, const char* initial, Piece* p) noexcept nogil:
    """The states before a piece."""
    return (states + p.before * r.hidden * r.itemsize) if p.before >= 0 else initial + p.first * r.hidden * r.itemsize


cdef inline void recur(Run* r, Piece* p, char* to, double beta) noexcept nogil:
    """to := s W_hh^T + beta to, for the states s before a piece."""
    if p.before < 0 and r.at_rest:
        if beta == 0:
            memset(to, 0, p.rows * r.gates * r.itemsize)
        return
    gemm(r.code, False, True, p.rows, r.gates, r.hidden, before(r, r.y, r.h0, p), r.hidden, r.w, r.hidden, beta, to, r.gates)


# ---- the primitives ----------------------------------------------------------------------------------
cdef class Recurrent(Primitive):
    """Inputs: x, h0, (LSTM: c0,) W_ih, W_hh, (b_ih, b_hh).  Outputs: y, h_n, (c_n)."""
    cdef readonly int states            # how many arrays a state is: 1, with cells 2
    cdef readonly int blocks            # how many gates
    cdef object formula

    def __cinit__(self):
        self.raw = True
        self.states = self.blocks = 1

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        """One step of a piece, whose rows of P hold what the inputs give."""

    cdef void back(self, Run* r, Piece* p, Py_ssize_t skip, Py_ssize_t rows, const char* g, char* dh, char* dc, char* d,
                   char* e) noexcept nogil:
        """From g + dh, and dc, the cotangents of the states after `rows` rows of a piece: d, that of P; e, that of what
        the states give, where it is another.  dh becomes what reaches the states before past the product, dc likewise."""

    cdef bint splits(self) noexcept:
        """Whether d and e differ."""
        return False

    cdef int check(self, list inputs, Sequences seq) except -1:
        cdef Tensor x = inputs[0], w = inputs[1 + self.states], u = inputs[2 + self.states], t
        cdef int i, count = len(inputs)
        cdef Py_ssize_t hidden, features
        if w.arr.layout.ndim != 2 or w.arr.layout.shape[0] % self.blocks:
            raise ValueError(f"{self.name}: W_ih must be ({self.blocks} * hidden, inputs), got shape {w.shape}")
        hidden, features = w.arr.layout.shape[0] // self.blocks, w.arr.layout.shape[1]
        if u.shape != (self.blocks * hidden, hidden):
            raise ValueError(f"{self.name}: W_hh must have shape {(self.blocks * hidden, hidden)} beside W_ih of shape {w.shape}, "
                             f"got {u.shape}")
        if x.arr.layout.shape[x.arr.layout.ndim - 1] != features:
            raise ValueError(f"{self.name}: the input has {x.arr.layout.shape[x.arr.layout.ndim - 1]} features (shape {x.shape}), "
                             f"but W_ih of shape {w.shape} takes {features}")
        for i in range(1, 1 + self.states):
            t = inputs[i]
            if t.shape != (seq.batch, hidden):
                raise ValueError(f"{self.name}: the initial state must have shape {(seq.batch, hidden)} for {seq.batch} sequences "
                                 f"and {hidden} hidden features, got {t.shape}")
        for i in range(3 + self.states, count):
            t = inputs[i]
            if t.shape != (self.blocks * hidden,):
                raise ValueError(f"{self.name}: a bias must have shape {(self.blocks * hidden,)}, got {t.shape}")
        for i in range(count):
            t = inputs[i]
            if t.arr.layout.dtype != w.arr.layout.dtype:
                what = ("the input", *("the initial state",) * self.states, "W_ih", "W_hh", "b_ih", "b_hh")[i]
                raise TypeError(f"{self.name}: {what} is {t.arr.layout.dtype} and W_ih {w.arr.layout.dtype}; use "
                                f"astype({str(w.arr.layout.dtype)!r})")
        return 0

    cdef list apply(self, list inputs, Sequences seq):
        """The outputs, of checked inputs: x (times, batch, features), or packed (rows, features)."""
        cdef Tensor t, x = inputs[0], w = inputs[1 + self.states]
        cdef Run r
        cdef Layout layout
        cdef Py_ssize_t shape[3]
        cdef Py_ssize_t features = w.arr.layout.shape[1], i, k
        cdef list held = [(<Tensor> t).arr for t in inputs], outputs
        cdef Array dense_x, h0, c0 = None, w_ih, w_hh, bias = None, state_bias = None, y, p, c = None, kept = None, scratch = None
        cdef Array h_n, c_n = None
        cdef Node node
        cdef int code = w.arr.layout.code
        if not compiled(code):
            return self.unrolled(inputs, seq)
        r.code, r.itemsize, r.at_rest = code, w.arr.layout.itemsize, seq.at_rest
        r.gates = w.arr.layout.shape[0]
        r.hidden = r.gates // self.blocks
        dense_x, h0 = contiguous(held[0]), contiguous(held[1])
        if self.states == 2:
            c0 = contiguous(held[2])
        w_ih, w_hh = contiguous(held[1 + self.states]), contiguous(held[2 + self.states])
        shape[0], shape[1] = seq.rows, r.gates
        p = empty(dense(code, 2, shape))
        shape[1] = r.hidden
        if self.blocks == 1:
            y = p                             # what the cell makes of P replaces it
        else:
            y = empty(dense(code, 2, shape))
        if self.states == 2:
            c = empty(dense(code, 2, shape))
        if self.splits():
            kept = empty(dense(code, 2, shape))
            shape[0], shape[1] = seq.batch, r.gates
            scratch = empty(dense(code, 2, shape))
            state_bias = empty(dense(code, 1, &r.hidden))
            fill(state_bias, 0)
        if len(inputs) > 3 + self.states:
            bias = self.joined(contiguous(held[3 + self.states]), contiguous(held[4 + self.states]), state_bias)
        shape[0], shape[1] = seq.batch, r.hidden
        h_n = empty(dense(code, 2, shape))
        if self.states == 2:
            c_n = empty(dense(code, 2, shape))
        r.y, r.p, r.h0, r.w = y.data, p.data, h0.data, w_hh.data
        r.c = c.data if c is not None else NULL
        r.c0 = c0.data if c0 is not None else NULL
        r.kept = kept.data if kept is not None else NULL
        r.states = scratch.data if scratch is not None else NULL
        r.bias = state_bias.data if state_bias is not None else NULL
        cdef char* last_h = h_n.data
        cdef char* last_c = c_n.data if c_n is not None else NULL
        cdef const char* x_data = dense_x.data
        cdef const char* w_data = w_ih.data
        cdef const char* bias_data = bias.data if bias is not None else NULL
        cdef Py_ssize_t rows = seq.rows, n = seq.n
        cdef Piece* pieces = seq.pieces
        if n == 0:
            memcpy(last_h, h0.data, seq.batch * r.hidden * r.itemsize)
            if last_c is not NULL:
                memcpy(last_c, c0.data, seq.batch * r.hidden * r.itemsize)
        begin()
        with nogil:
            if bias_data is not NULL:
                for i in range(rows):
                    memcpy(r.p + i * r.gates * r.itemsize, bias_data, r.gates * r.itemsize)
            gemm(code, False, True, rows, r.gates, features, x_data, features, w_data, features, bias_data is not NULL, r.p,
                 r.gates)
            for i in range(n):
                self.forward(&r, &pieces[i])
                if pieces[i].going < pieces[i].rows:
                    k = (pieces[i].rows - pieces[i].going) * r.hidden * r.itemsize
                    memcpy(last_h + (pieces[i].first + pieces[i].going) * r.hidden * r.itemsize,
                           r.y + (pieces[i].at + pieces[i].going) * r.hidden * r.itemsize, k)
                    if last_c is not NULL:
                        memcpy(last_c + (pieces[i].first + pieces[i].going) * r.hidden * r.itemsize,
                               r.c + (pieces[i].at + pieces[i].going) * r.hidden * r.itemsize, k)
        finish()
        if x.arr.layout.ndim == 3:            # the same numbers in its shape
            shape[0], shape[1], shape[2] = seq.steps, seq.batch, r.hidden
            y.layout = dense(code, 3, shape)
        if not any_records(inputs):
            return [wrap(y), wrap(h_n)] + ([wrap(c_n)] if c_n is not None else [])
        for t, a in zip(inputs, held):
            unchanged(self.name, t, a)
        node = record_n(self, inputs, seq)
        for i in range(len(held)):
            save(node, <Array> held[i], <int> i)
        save(node, y, FROM_OUTPUT)
        for a in (p if self.blocks > 1 else None, c, kept):
            if a is not None:
                save(node, <Array> a, INTERMEDIATE)
        return [produced(y, node), produced(h_n, node)] + ([produced(c_n, node)] if c_n is not None else [])

    cdef Array joined(self, Array b_ih, Array b_hh, Array state_bias):
        """The bias that all rows of P begin with."""
        cdef Array out = copy(b_ih)
        add_into(out, b_hh)
        return out

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Sequences seq = <Sequences> node.args
        cdef int k = self.states, n_in = node.n_in, code = node.layout.code, i
        cdef Array x = contiguous(saved(node, 0)), w_ih = contiguous(saved(node, 1 + k)), w_hh = contiguous(saved(node, 2 + k))
        cdef Array h0 = contiguous(saved(node, 1)), c0 = contiguous(saved(node, 2)) if k == 2 else None
        cdef Array y = contiguous(saved(node, n_in)), p, c = None, kept = None, d, e, dh, dc = None, total
        cdef Run r
        cdef Py_ssize_t shape[2]
        cdef Py_ssize_t features = w_ih.layout.shape[1], rows = seq.rows
        cdef bint adds
        cdef double beta
        p = saved(node, n_in + 1) if self.blocks > 1 else y
        if k == 2:
            c = saved(node, n_in + 2)
        elif self.splits():
            kept = saved(node, n_in + 2)
        r.code, r.itemsize, r.at_rest = code, w_ih.layout.itemsize, seq.at_rest
        r.gates = w_ih.layout.shape[0]
        r.hidden = r.gates // self.blocks
        r.y, r.p, r.h0, r.w = y.data, p.data, h0.data, w_hh.data
        r.c = c.data if c is not None else NULL
        r.c0 = c0.data if c0 is not None else NULL
        r.kept = kept.data if kept is not None else NULL
        r.states = NULL
        r.bias = NULL
        shape[0], shape[1] = rows, r.gates
        d = empty(dense(code, 2, shape))
        e = empty(dense(code, 2, shape)) if self.splits() else d
        dh = self.seed(node, walk, 1, h0.layout)
        dc = self.seed(node, walk, 2, h0.layout) if k == 2 else None
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
            beta = adds
            begin()
            with nogil:
                gemm(code, False, False, rows, features, r.gates, d.data, r.gates, w_ih.data, features, beta, total.data, features)
            finish()
            deliver(walk, node, 0, total)
        if wants(walk, node, 1 + k):
            total = receive(walk, node, 1 + k, w_ih.layout, &adds)
            beta = adds
            begin()
            with nogil:
                gemm(code, True, False, r.gates, features, rows, d.data, r.gates, x.data, features, beta, total.data, features)
            finish()
            deliver(walk, node, 1 + k, total)
        if wants(walk, node, 2 + k):
            total = receive(walk, node, 2 + k, w_hh.layout, &adds)
            self.weight_gradient(&r, seq, e, total, adds)
            deliver(walk, node, 2 + k, total)
        for i in range(3 + k, n_in):
            if wants(walk, node, i):
                total = receive(walk, node, i, in_layout(node, i), &adds)
                reduce_rows(K.sum[code], rows, e if i == 4 + k else d, total, adds)
                deliver(walk, node, i, total)
        return 0

    cdef Array seed(self, Node node, Walk walk, int k, Layout layout):
        """A private copy of the cotangent of output k, zeros if there is none."""
        cdef Array out
        if walk.grads[node.slot + k] is not NULL:
            out = copy(<Array> walk.grads[node.slot + k])
            return out if out.layout.contiguous else contiguous(out)
        out = empty(layout)
        fill(out, 0)
        return out

    cdef int through_time(self, Run* r, Sequences seq, Array g, Array dh, Array dc, Array d, Array e, bint to_start) except -1:
        """The cotangents d and e of all steps; dh and dc go from those of the final states to those of the initial ones."""
        cdef Py_ssize_t line = r.hidden * r.itemsize, stride = line, i
        cdef Array zeros
        cdef Piece* p
        cdef char* h
        if g is None:
            g = empty(dh.layout)
            fill(g, 0)
            stride = 0
        g = contiguous(g)
        cdef char* g_data = g.data
        cdef char* h_data = dh.data
        cdef char* c_data = dc.data if dc is not None else NULL
        cdef char* d_data = d.data
        cdef char* e_data = e.data
        cdef Py_ssize_t wide = r.gates * r.itemsize
        cdef double past = self.splits()
        begin()
        with nogil:
            for i in range(seq.n - 1, -1, -1):
                p = &seq.pieces[i]
                h = h_data + p.first * line
                self.back(r, p, 0, p.rows, g_data + p.at * stride, h, c_data + p.first * line if c_data is not NULL else NULL,
                          d_data + p.at * wide, e_data + p.at * wide)
                if p.before >= 0 or to_start:
                    gemm(r.code, False, False, p.rows, r.hidden, r.gates, e_data + p.at * wide, r.gates, r.w, r.hidden, past, h,
                         r.hidden)
        finish()
        return 0

    cdef int through_window(self, Run* r, Sequences seq, Array g, Array dh, Array dc, Array d, Array e) except -1:
        """The same where the error of each output goes back over `seq.window` steps more, and no further."""
        cdef Py_ssize_t line = r.hidden * r.itemsize, wide = r.gates * r.itemsize, i, j, low, high, count
        cdef Py_ssize_t shape[2]
        cdef bint splits = self.splits()
        cdef Piece* p
        cdef Piece* q
        cdef char* h
        cdef char* into
        cdef const void* both[2]
        cdef fad_map_fn plus = row_named("add").forward[r.code]
        shape[0], shape[1] = seq.batch, r.gates
        # the error on its way, what it adds to d and e; the cotangents of the initial states
        cdef Array eh = empty(dh.layout), ec = empty(dh.layout), zeros = empty(dh.layout), more = empty(dense(r.code, 2, shape))
        cdef Array more_e = empty(more.layout) if splits else more, dh0 = empty(dh.layout), dc0 = empty(dh.layout)
        cdef double past = splits
        for a in (zeros, dh0, dc0, d, e):
            fill(a, 0)
        g = contiguous(g) if g is not None else None
        cdef char* g_data = g.data if g is not None else NULL
        cdef char* c_data = dc.data if dc is not None else NULL
        begin()
        with nogil:
            for i in range(seq.n - 1, -1, -1):
                p = &seq.pieces[i]
                h = eh.data + p.first * line
                if g_data is NULL:
                    memset(h, 0, p.rows * line)
                else:
                    memcpy(h, g_data + p.at * line, p.rows * line)
                memset(ec.data + p.first * line, 0, p.rows * line)
                if p.going < p.rows:           # the cotangents of the final states start here
                    low, count = p.first + p.going, p.rows - p.going
                    both[0], both[1] = eh.data + low * line, dh.data + low * line
                    plus(count * r.hidden, both, eh.data + low * line, NULL)
                    if c_data is not NULL:
                        memcpy(ec.data + low * line, c_data + low * line, count * line)
                for j in range(i, -1, -1):
                    q = &seq.pieces[j]
                    if p.step - q.step > seq.window:
                        break
                    low, high = max(p.first, q.first), min(p.first + p.rows, q.first + q.rows)
                    if low >= high:
                        continue
                    count = high - low
                    h = eh.data + low * line
                    self.back(r, q, low - q.first, count, zeros.data, h, ec.data + low * line, more.data, more_e.data)
                    into = d.data + (q.at + low - q.first) * wide
                    both[0], both[1] = into, more.data
                    plus(count * r.gates, both, into, NULL)
                    if splits:
                        into = e.data + (q.at + low - q.first) * wide
                        both[0], both[1] = into, more_e.data
                        plus(count * r.gates, both, into, NULL)
                    gemm(r.code, False, False, count, r.hidden, r.gates, more_e.data, r.gates, r.w, r.hidden, past, h, r.hidden)
                    if q.before < 0:
                        both[0], both[1] = dh0.data + low * line, h
                        plus(count * r.hidden, both, dh0.data + low * line, NULL)
                        both[0], both[1] = dc0.data + low * line, ec.data + low * line
                        plus(count * r.hidden, both, dc0.data + low * line, NULL)
        finish()
        memcpy(dh.data, dh0.data, seq.batch * line)
        if c_data is not NULL:
            memcpy(c_data, dc0.data, seq.batch * line)
        return 0

    cdef int weight_gradient(self, Run* r, Sequences seq, Array e, Array out, bint adds) except -1:
        """out (+)= the sum over the steps of e_t^T s_(t-1): one product for each stretch of pieces that lie in one line."""
        cdef Py_ssize_t i = 0, rows, at, first
        cdef Piece* p
        cdef Piece* q
        cdef const char* states
        cdef double beta = adds
        begin()
        with nogil:
            while i < seq.n:
                p = &seq.pieces[i]
                i += 1
                if p.before < 0:
                    if r.at_rest:
                        continue
                    rows, at, states = p.rows, p.at, before(r, r.y, r.h0, p)
                else:
                    rows, at, first = p.rows, p.at, p.before
                    while i < seq.n:
                        q = &seq.pieces[i]
                        if q.before >= 0 and q.at == at + rows and q.before == first + rows:
                            rows += q.rows
                        elif q.before >= 0 and q.at + q.rows == at and q.before + q.rows == first:
                            rows, at, first = rows + q.rows, q.at, q.before
                        else:
                            break
                        i += 1
                    states = r.y + first * r.hidden * r.itemsize
                gemm(r.code, True, False, r.gates, r.hidden, rows, e.data + at * r.gates * r.itemsize, r.gates, states, r.hidden,
                     beta, out.data, r.hidden)
                beta = 1
        finish()
        if beta == 0:
            fill(out, 0)
        return 0

    # ---- the rules for whatever is recorded, has leading axes or goes forward: those of the formulas ----
    def unrolled(self, list inputs, Sequences seq):
        """The outputs, by recorded operations."""
        x, *rest = inputs
        k = self.states
        flat = x if x.ndim == 2 else FUNCTIONS["reshape"](x, (seq.rows, x.shape[2]))
        biases = rest[k + 2:] or [None, None]
        sizes = (seq.batch,) * seq.steps if seq.sizes is None else seq.sizes
        y, *final = formulas.unrolled(self.formula, flat, tuple(rest[:k]), rest[k], rest[k + 1], *biases, sizes, seq.reverse)
        return [y if x.ndim == 2 else FUNCTIONS["reshape"](y, (seq.steps, seq.batch, y.shape[1])), *final]

    cdef tuple again(self, Node node, tuple values):
        """(mark, copies of the inputs, outputs computed again from them)"""
        if (<Sequences?> node.args).window >= 0:
            raise RuntimeError(f"{self.name}: backpropagation through a window of {(<Sequences> node.args).window} steps is a "
                               f"training rule, not the derivative of anything: it has no tangents and no higher derivatives. "
                               f"Leave out `window` for those")
        since = mark()
        copies = [copy_of(v, self.name, i) for i, v in enumerate(values[:node.n_in])]
        return since, copies, recorded_call(self.unrolled, (copies, node.args), {})

    def vjp(self, Node node not None, saved, g):
        since, copies, outputs = self.again(node, saved)
        pairs = [(o, c) for o, c in zip(outputs, g) if c is not None]
        lead = pairs[0][1].ndim - pairs[0][0].ndim
        inputs = [c for i, c in enumerate(copies) if node.needs(i)]
        recording = is_grad_enabled()         # then what is given refers to what was computed again
        found = iter(pull([o for o, _ in pairs], inputs, [c for _, c in pairs], lead, recording, recording, since))
        return tuple([next(found) if node.needs(i) else None for i in range(node.n_in)])

    def jvp(self, Node node not None, saved, tangents):
        since, copies, outputs = self.again(node, saved)
        pairs = [(c, t) for c, t in zip(copies, tangents) if t is not None]
        lead = pairs[0][1].ndim - pairs[0][0].ndim
        return tuple(push([c for c, _ in pairs], outputs, [t for _, t in pairs], lead, is_grad_enabled(), since))

    cdef dict statics_of(self, Node node):
        cdef Sequences seq = <Sequences?> node.args
        return {"batch_sizes": (seq.batch,) * seq.steps if seq.sizes is None else seq.sizes, "reverse": seq.reverse,
                "window": None if seq.window < 0 else seq.window}


@cython.final
cdef class Vanilla(Recurrent):
    """s_t = act(x_t W_ih^T + b_ih + s_(t-1) W_hh^T + b_hh); its derivative reads the result."""
    cdef fad_map_fn* act
    cdef fad_map_fn slope[2]
    cdef fad_map_fn* plus

    def __cinit__(self, str activation):
        self.name = f"rnn_{activation}"
        self.formula = formulas.vanilla(activation)
        self.act = <fad_map_fn*> row_named(activation).forward
        self.slope[0] = row_named(activation).backward[0][0][0]
        self.slope[1] = row_named(activation).backward[1][0][0]
        self.plus = <fad_map_fn*> row_named("add").forward

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        cdef char* to = r.y + p.at * r.hidden * r.itemsize
        cdef const void* x = to
        recur(r, p, to, 1)
        self.act[r.code](p.rows * r.hidden, &x, to, NULL)

    cdef void back(self, Run* r, Piece* p, Py_ssize_t skip, Py_ssize_t rows, const char* g, char* dh, char* dc, char* d,
                   char* e) noexcept nogil:
        cdef const void* both[2]
        cdef const void* args[4]
        both[0], both[1] = g, dh
        self.plus[r.code](rows * r.hidden, both, dh, NULL)
        args[0], args[1], args[2], args[3] = dh, NULL, NULL, r.y + (p.at + skip) * r.hidden * r.itemsize
        self.slope[r.code](rows * r.hidden, args, d, NULL)


@cython.final
cdef class Lstm(Recurrent):
    """i, f, o = sigmoid, g = tanh of P_t's parts; c_t = f c_(t-1) + i g, h_t = o tanh(c_t)"""
    def __cinit__(self):
        self.name, self.states, self.blocks = "lstm", 2, 4
        self.formula = formulas.lstm

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        cdef Py_ssize_t at = p.at * r.hidden * r.itemsize
        recur(r, p, r.p + 4 * at, 1)
        K.lstm[r.code](p.rows, r.hidden, r.p + 4 * at, before(r, r.c, r.c0, p), r.c + at, r.y + at)

    cdef void back(self, Run* r, Piece* p, Py_ssize_t skip, Py_ssize_t rows, const char* g, char* dh, char* dc, char* d,
                   char* e) noexcept nogil:
        cdef Py_ssize_t more = skip * r.hidden * r.itemsize, at = p.at * r.hidden * r.itemsize + more
        K.lstm_back[r.code](rows, r.hidden, r.p + 4 * at, before(r, r.c, r.c0, p) + more, r.c + at, g, dh, dc, d)


@cython.final
cdef class Gru(Recurrent):
    """r, z = sigmoid of the sums, n = tanh(what the inputs give + r what the state gives); h_t = n + z (h_(t-1) - n)"""
    def __cinit__(self):
        self.name, self.blocks = "gru", 3
        self.formula = formulas.gru

    cdef bint splits(self) noexcept:
        return True

    cdef Array joined(self, Array b_ih, Array b_hh, Array state_bias):
        """That of r and z belongs to P, that of n to what the state gives."""
        cdef Array out = copy(b_ih)
        cdef Py_ssize_t hidden = state_bias.layout.size
        cdef const void* both[2]
        both[0], both[1] = out.data, b_hh.data
        row_named("add").forward[out.layout.code](2 * hidden, both, out.data, NULL)
        memcpy(state_bias.data, b_hh.data + 2 * hidden * out.layout.itemsize, hidden * out.layout.itemsize)
        return out

    cdef void forward(self, Run* r, Piece* p) noexcept nogil:
        cdef Py_ssize_t at = p.at * r.hidden * r.itemsize
        recur(r, p, r.states, 0)
        K.gru[r.code](p.rows, r.hidden, r.p + 3 * at, r.states, r.bias, before(r, r.y, r.h0, p), r.kept + at, r.y + at)

    cdef void back(self, Run* r, Piece* p, Py_ssize_t skip, Py_ssize_t rows, const char* g, char* dh, char* dc, char* d,
                   char* e) noexcept nogil:
        cdef Py_ssize_t more = skip * r.hidden * r.itemsize, at = p.at * r.hidden * r.itemsize + more
        K.gru_back[r.code](rows, r.hidden, r.p + 3 * at, r.kept + at, before(r, r.y, r.h0, p) + more, g, dh, d, e)


PRIMITIVES = {p.name: p for p in (Vanilla("tanh"), Vanilla("relu"), Vanilla("sigmoid"), Lstm(), Gru())}


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
    cdef Recurrent prim = <Recurrent?> PRIMITIVES.get(cell)
    cdef Tensor first = as_tensor(x), w = as_tensor(w_ih)
    cdef Sequences seq = Sequences.__new__(Sequences)
    cdef Layout layout = first.arr.layout
    cdef Py_ssize_t shape[2]
    cdef list inputs
    cdef Array zeros
    seq.reverse, seq.window = reverse, -1
    if window is not None:
        if window < 0:
            raise ValueError(f"{cell}: window must be at least 0, the number of steps that an error goes back; got {window}")
        seq.window = min(window, <object> ((<Py_ssize_t> 1) << 62))
    if batch_sizes is None:
        if layout.ndim != 3:
            raise ValueError(f"{cell}: the input must have shape (times, batch, features), got {first.shape}; packed sequences "
                             f"need batch_sizes")
        seq.steps, seq.batch = layout.shape[0], layout.shape[1]
        seq.rows = seq.steps * seq.batch
    else:
        if layout.ndim != 2:
            raise ValueError(f"{cell}: packed sequences have shape (rows, features), got {first.shape}")
        seq.sizes = tuple([int(s) for s in batch_sizes])
        seq.steps, seq.rows, seq.batch = len(seq.sizes), layout.shape[0], seq.sizes[0] if seq.sizes else 0
        if sum(seq.sizes) != seq.rows or list(seq.sizes) != sorted(seq.sizes, reverse=True) or min(seq.sizes, default=1) < 1:
            raise ValueError(f"{cell}: batch_sizes must be positive, never rise and add up to the {seq.rows} rows of the input, got "
                             f"{seq.sizes[:8]}{'...' if seq.steps > 8 else ''} with sum {sum(seq.sizes)}")
    seq.at_rest = state is None
    if state is None:
        if w.arr.layout.ndim != 2:
            raise ValueError(f"{cell}: W_ih must be 2-D, got shape {w.shape}")
        shape[0], shape[1] = seq.batch, w.arr.layout.shape[0] // prim.blocks
        zeros = empty(dense_as_shape(w.arr.layout, shape))
        fill(zeros, 0)
        state = (wrap(zeros),) * prim.states
    elif len(state) != prim.states:
        raise ValueError(f"{cell}: its state is {prim.states} tensors, got {len(state)}")
    if (b_ih is None) != (b_hh is None):
        raise ValueError(f"{cell}: give both biases or none")
    inputs = [first, *[as_tensor(s) for s in state], w, as_tensor(w_hh)]
    if b_ih is not None:
        inputs += [as_tensor(b_ih), as_tensor(b_hh)]
    prim.check(inputs, seq)
    if compiled(w.arr.layout.code):
        seq.plan()
    return prim.apply(inputs, seq)


cdef Layout dense_as_shape(Layout like, const Py_ssize_t* shape):
    """(shape[0], shape[1]) with the dtype of `like`."""
    return dense(like.code, 2, shape) if compiled(like.code) else dense_dtype(like.dtype, 2, shape)


register("recurrent", recurrent)
