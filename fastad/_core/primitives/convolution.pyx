"""Level 4: convolutions of images, and of sequences as images of one row.

A convolution is linear in the images x and in the weight w; with its two adjoints it makes three products

    forward  y = x * w        adjoint  x = y *^T w        weights  w = x *^T y

of which each has the other two as its derivatives, so raw and traced rules of every order are products again.

No matrix of patches is ever written.  The images are copied into a workspace with their borders, rows and columns sorted
by their remainder by the stride; there each tap of the kernel sees them moved by a constant, and csrc/windows.inc takes it
from there.  The adjoint is the same with the stride on the other side: each remainder is a convolution of its own, with the
taps that reach it.  Kernels of one element, and those as large as the image, are single products of a BLAS.

Next: windows.py, sizes and their checks; pooling.pyx.
"""
cimport cython
from libc.string cimport memcpy, memset

from ..arrays cimport contiguous, reduce_into
from ..blas cimport begin, finish, gemm
from ..kernels cimport K, PART, fad_operand, parts_of, share
from ..storage cimport Array, Layout, dense, empty, give_back, shape_of, zeros
from ..tape cimport Node, Primitive, Walk, deliver, grad_enabled, save, saved, wants
from ..tensor cimport Tensor, as_tensor, ndarray, produced, record2, result_from, unchanged, wrap
from ..tensor import FUNCTIONS
from ..types cimport F32, F64, compiled
from . import windows

include "convolving.pxi"           # the products on memory: Sizes, Product, describe, plan, through

cdef enum:
    GIL_WORK = 1 << 16                    # multiplications above which the GIL is released
    KEPT = 256                            # geometries that are kept


# ---- sizes -------------------------------------------------------------------------------------------
@cython.final
cdef class Geometry:
    """The sizes of one convolution: what does not depend on the numbers, nor on how many images there are."""
    cdef readonly tuple sizes             # of images, outputs, kernel; stride, dilation, padding before: (rows, columns) each
    cdef Sizes s

    def __cinit__(self, Py_ssize_t groups, tuple sizes, Py_ssize_t channels, Py_ssize_t outputs):
        cdef Sizes* s = &self.s
        cdef Axis* axis
        cdef Py_ssize_t t, u
        cdef int i
        self.sizes = sizes
        s.groups, s.channels, s.outputs, s.taps = groups, channels, outputs, 1
        s.work = <double> groups * channels * outputs
        s.pointwise = s.whole = True
        for i in range(2):
            axis = &s.axes[i]
            axis.image, axis.output, axis.kernel, axis.stride, axis.dilation, axis.pad = [size[i] for size in sizes]
            axis.remainder = <Py_ssize_t*> zeros(3 * axis.kernel * sizeof(Py_ssize_t))
            if axis.remainder is NULL:
                raise MemoryError(f"fastad: no memory for a kernel of size {sizes[2]}")
            axis.which, axis.shift = axis.remainder + axis.kernel, axis.remainder + 2 * axis.kernel
            numbers = {}
            for t in range(axis.kernel):
                axis.which[t] = numbers.setdefault(t * axis.dilation % axis.stride, len(numbers))
                axis.shift[t] = t * axis.dilation // axis.stride
            axis.used, axis.reach = len(numbers), axis.shift[axis.kernel - 1]
            for u, remainder in enumerate(numbers):
                axis.remainder[u] = remainder
            s.taps *= axis.kernel
            s.work *= <double> axis.kernel * axis.output
            s.pointwise &= axis.kernel == 1 and axis.stride == 1 and axis.pad == 0 and axis.output == axis.image
            s.whole &= axis.kernel == axis.image and axis.output == 1 and axis.pad == 0 and axis.dilation == 1
        s.whole &= groups == 1

    def __dealloc__(self):
        give_back(self.s.axes[0].remainder)
        give_back(self.s.axes[1].remainder)

    @property
    def groups(self):
        return self.s.groups


# ---- one product of arrays ---------------------------------------------------------------------------
cdef tuple shape_after(Kind kind, Geometry q, Py_ssize_t images):
    cdef Sizes* s = &q.s
    if kind == WEIGHTS:
        return (s.groups * s.outputs, s.channels, *q.sizes[2])
    return (images, s.groups * (s.outputs if kind == FORWARD else s.channels), *q.sizes[1 if kind == FORWARD else 0])


cdef Array product(Kind kind, Geometry q, Array a, Array b, Array bias):
    """kind(a, b) (+ bias), of compiled dtypes: forward(x, w), adjoint(y, w), weights(x, y)."""
    cdef Py_ssize_t shape[4]
    cdef Py_ssize_t images = a.layout.shape[0], nbytes
    cdef int code = a.layout.code
    cdef Array out, memory, one = contiguous(a), two = contiguous(b)
    cdef Product p
    shape[0], shape[1], shape[2], shape[3] = shape_after(kind, q, images)
    out = empty(dense(code, 4, shape))
    if out.layout.size == 0:
        return out
    if bias is not None:
        bias = contiguous(bias)
    p.q, p.kind, p.a, p.b, p.bias, p.out = &q.s, kind, one.data, two.data, NULL if bias is None else bias.data, out.data
    describe(&p.m, &q.s, kind == ADJOINT, code, images)
    nbytes = plan(&p)
    if nbytes:
        shape[0] = nbytes // 8
        memory = empty(dense(F64, 1, shape))      # from the pool, which gives the same again and again
        p.space = memory.data
    if images * q.s.work > GIL_WORK:
        begin()
        with nogil:
            through(&p)
        finish()
    else:
        through(&p)
    return out


# ---- the primitives ----------------------------------------------------------------------------------
@cython.final
cdef class Convolution(Primitive):
    """One of the three products, of inputs a and b; the first two have a bias for each channel as third input."""
    cdef Kind kind

    def __cinit__(self, str name, Kind kind):
        self.name, self.kind = name, kind
        self.raw = self.one_by_one = True

    cdef Tensor apply(self, Tensor a, Tensor b, Tensor bias, Geometry q):
        cdef Array xa = a.arr, xb = b.arr, third = None if bias is None else bias.arr, out
        cdef Node node
        if xa.layout.dtype != xb.layout.dtype or (third is not None and third.layout.dtype != xa.layout.dtype):
            raise TypeError(f"{self.name}: operands of {a.dtype} and {b.dtype}; use astype")
        if compiled(xa.layout.code):
            out = product(self.kind, q, xa, xb, third)
        else:
            y = windows.product(<int> self.kind, q, ndarray(a), ndarray(b))
            out = result_from(y if bias is None else y + ndarray(bias)[:, None, None]).arr
        if not grad_enabled() or (a.node is None and b.node is None and (bias is None or bias.node is None)):
            return wrap(out)
        unchanged(self.name, a, xa)
        unchanged(self.name, b, xb)
        node = record2(self, a, b, q)
        if bias is not None:
            node.n_in = 3
            node.in2, node.out2 = bias.node, bias.out
        if b.node is not None:
            save(node, xa, 0)
        if a.node is not None:
            save(node, xb, 1)
        return produced(out, node)

    cdef int backward(self, Node node, Array g, Walk walk) except -1:
        cdef Array a = node.s0 if node.in1 is not None else None
        cdef Array b = saved(node, node.n_saved - 1) if node.in0 is not None else None
        cdef Geometry q = <Geometry> node.args
        if wants(walk, node, 0):
            if self.kind == FORWARD:
                deliver(walk, node, 0, product(ADJOINT, q, g, b, None))
            elif self.kind == ADJOINT:
                deliver(walk, node, 0, product(FORWARD, q, g, b, None))
            else:
                deliver(walk, node, 0, product(ADJOINT, q, b, g, None))
        if wants(walk, node, 1):
            if self.kind == FORWARD:
                deliver(walk, node, 1, product(WEIGHTS, q, a, g, None))
            elif self.kind == ADJOINT:
                deliver(walk, node, 1, product(WEIGHTS, q, g, a, None))
            else:
                deliver(walk, node, 1, product(FORWARD, q, a, g, None))
        if node.n_in > 2 and wants(walk, node, 2):
            deliver(walk, node, 2, over_images(contiguous(g)))
        return 0

    def vjp(self, node, saved, g):
        cdef Geometry q = <Geometry?> node.args
        cdef Tensor cot = g, a = saved[0] if node.needs(1) else None, b = saved[len(saved) - 1] if node.needs(0) else None
        da = db = None
        if b is not None:
            da = (ADJOINTS.apply(cot, b, None, q) if self.kind == FORWARD else CONV.apply(cot, b, None, q)
                  if self.kind == ADJOINT else ADJOINTS.apply(b, cot, None, q))
        if a is not None:
            db = (CONV_WEIGHTS.apply(a, cot, None, q) if self.kind == FORWARD else CONV_WEIGHTS.apply(cot, a, None, q)
                  if self.kind == ADJOINT else CONV.apply(a, cot, None, q))
        if len(node.inputs) == 2:
            return da, db
        return da, db, FUNCTIONS["sum"](g, axis=(0, 2, 3)) if node.needs(2) else None

    def jvp(self, node, saved, tangents):
        cdef Geometry q = <Geometry?> node.args
        parts = []
        if tangents[0] is not None:
            parts.append(self.apply(tangents[0], saved[len(saved) - 1], None, q))
        if tangents[1] is not None:
            parts.append(self.apply(saved[0], tangents[1], None, q))
        if len(tangents) == 3 and tangents[2] is not None:
            parts.append(FUNCTIONS["broadcast_to"](FUNCTIONS["reshape"](tangents[2], (-1, 1, 1)), node.out_shape))
        y = parts[0]
        for part in parts[1:]:
            y = y + part
        return y

    cdef dict statics_of(self, Node node):
        cdef Geometry q = <Geometry?> node.args
        names = ("stride", "dilation", "padding")
        return dict(zip(names, q.sizes[3:]), groups=q.groups)


cdef Array over_images(Array g):
    """The sum over images and places: (N, C, H, W) to (C,)."""
    cdef Layout layout = g.layout
    cdef Py_ssize_t shape[2]
    cdef Array sums, out
    shape[0], shape[1] = layout.shape[0], layout.shape[1]
    sums = empty(dense(layout.code, 2, shape))
    out = empty(dense(layout.code, 1, &shape[1]))
    reduce_into(K.sum[layout.code], shape[0] * shape[1], layout.shape[2] * layout.shape[3], 1, g, sums, 1, False)
    reduce_into(K.sum[layout.code], 1, shape[0], shape[1], sums, out, shape[1], False)
    return out


cdef Convolution CONV = Convolution("conv", FORWARD)
cdef Convolution ADJOINTS = Convolution("conv_transpose", ADJOINT), CONV_WEIGHTS = Convolution("conv_weight", WEIGHTS)
PRIMITIVES = {"conv": CONV, "conv_transpose": ADJOINTS, "conv_weight": CONV_WEIGHTS}


# ---- what users call ---------------------------------------------------------------------------------
cdef dict known = {}                      # what a call was given -> its Geometry


cdef Geometry geometry(str name, bint back, int axes, Tensor x, Tensor w, Tensor b, tuple settings):
    """The geometry of a call: checked when it is new, and kept."""
    cdef tuple key = (name, shape_of(x.arr.layout), shape_of(w.arr.layout), None if b is None else shape_of(b.arr.layout),
                      settings)
    cdef Geometry q
    try:
        q = known.get(key)
    except TypeError:                     # a list cannot be looked up
        key, q = None, None
    if q is None:
        if back:
            groups, sizes = windows.transposed(name, axes, *key_parts(x, w, b), *settings)
        else:
            groups, sizes = windows.convolution(name, axes, *key_parts(x, w, b), *settings)
        q = Geometry(groups, sizes, w.arr.layout.shape[1], w.arr.layout.shape[0] // groups)
        if key is not None:
            if len(known) >= KEPT:
                known.clear()
            known[key] = q
    return q


cdef tuple key_parts(Tensor x, Tensor w, Tensor b):
    return shape_of(x.arr.layout), shape_of(w.arr.layout), None if b is None else shape_of(b.arr.layout)


cdef Tensor of_dtype(str name, Tensor x, Tensor w, str what):
    """x, in the weight's dtype if it holds integers."""
    if x is None or x.arr.layout.code == w.arr.layout.code and (compiled(x.arr.layout.code) or
                                                                x.arr.layout.dtype == w.arr.layout.dtype):
        return x
    if x.arr.layout.dtype.kind in "fc":
        raise TypeError(f"{name}: {what} is {x.dtype} and the weight {w.dtype}; use astype({str(w.dtype)!r}), or give the layer "
                        f"dtype={str(x.dtype)!r}")
    return FUNCTIONS["astype"](x, w.dtype)


cdef object called(str name, Convolution prim, int axes, object input, object weight, object bias, tuple settings):
    cdef Tensor x = as_tensor(input), w = as_tensor(weight), b = None if bias is None else as_tensor(bias), y
    cdef Geometry q
    if w.arr.layout.dtype.kind not in "fc":
        w = FUNCTIONS["astype"](w, x.dtype if x.arr.layout.dtype.kind in "fc" else "float64")
    x, b = of_dtype(name, x, w, "the input"), of_dtype(name, b, w, "the bias")
    q = geometry(name, prim.kind == ADJOINT, axes, x, w, b, settings)
    cdef bint batched = x.arr.layout.ndim == axes + 2
    if axes == 1:
        x, w = as_images(x, batched), as_images(w, True)
    elif not batched:
        x = FUNCTIONS["reshape"](x, (1, *shape_of(x.arr.layout)))
    y = prim.apply(x, w, b, q)
    if axes == 2 and batched:
        return y
    n, c, h, length = y.shape
    return FUNCTIONS["reshape"](y, ((n,) if batched else ()) + ((c, h, length) if axes == 2 else (c, length)))


cdef Tensor as_images(Tensor x, bint batched):
    """Sequences as images of one row."""
    cdef Py_ssize_t* shape = x.arr.layout.shape
    return FUNCTIONS["reshape"](x, (shape[0] if batched else 1, shape[batched], 1, shape[batched + 1]))


def conv_weight(x, y, groups, sizes):
    """The adjoint of a convolution in its weight, for images x and outputs y; sizes as in `Geometry`."""
    cdef Tensor a = as_tensor(x), b = as_tensor(y)
    return CONV_WEIGHTS.apply(a, b, None, Geometry(groups, sizes, a.shape[1] // groups, b.shape[1] // groups))


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The convolution of images, as networks use the word: y[n, o, r, s] = b[o] + sum over c, i, j of
    w[o, c, i, j] x[n, c, stride r + dilation i - padding, stride s + dilation j - padding], zero outside.

    With g the cotangent of y, db is its sum over images and places; dx and dw are the two adjoints of this product, which
    are convolutions as well, so derivatives of every order are exact.

    Parameters
    ----------
    input : Tensor or array_like, (batch, channels, height, width), or without the batch
    weight : (outputs, channels / groups, kernel height, kernel width)
    bias : (outputs,), optional
    stride, dilation : int, or a tuple of two
    padding : int, tuple of two, 'valid' (none) or 'same' (the output is as large as the input; for stride 1)
    groups : int
        Channels and outputs fall into so many groups; an output sees the channels of its own.

    Returns
    -------
    Tensor (batch, outputs, height', width'), height' = (height + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    Raises
    ------
    ValueError
        If shapes or groups do not fit, or the kernel covers more than the padded input.
    TypeError
        If dtypes differ: layers do not promote silently.

    Notes
    -----
    Y. LeCun et al., Gradient-based learning applied to document recognition, 1998; names and defaults are PyTorch's.

    Examples
    --------
    >>> import fastad
    >>> x = fastad.reshape(fastad.arange(9.0), (1, 1, 3, 3))
    >>> fastad.conv2d(x, fastad.ones((1, 1, 2, 2)))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return called("conv2d", CONV, 2, input, weight, bias, (stride, padding, dilation, groups))


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """The convolution of sequences (batch, channels, length) with a weight (outputs, channels / groups, kernel); see `conv2d`.

    Raises
    ------
    ValueError
        If shapes or groups do not fit, or the kernel covers more than the padded input.
    TypeError
        If dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv1d([[1.0, 2.0, 4.0]], [[[-1.0, 1.0]]])
    tensor([[1., 2.]])
    """
    return called("conv1d", CONV, 1, input, weight, bias, (stride, padding, dilation, groups))


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The adjoint of `conv2d` in its images: each number of the input is spread over the output by the kernel.

    y[n, o, stride r + dilation i - padding, ...] sums x[n, c, r, s] w[c, o, i, j].

    Parameters
    ----------
    input : Tensor or array_like, (batch, channels, height, width), or without the batch
    weight : (channels, outputs / groups, kernel height, kernel width)
    bias : (outputs,), optional
    stride, padding, dilation, groups : as in `conv2d`; no names for padding
    output_padding : int, or a tuple of two
        So many rows and columns more at the end; smaller than the stride or the dilation.

    Returns
    -------
    Tensor (batch, outputs, height', width'), height' = (height - 1) stride - 2 padding + dilation (kernel - 1) +
    output_padding + 1.

    Raises
    ------
    ValueError
        If shapes, groups or output_padding do not fit, or nothing would be left.
    TypeError
        If dtypes differ.

    Notes
    -----
    M. D. Zeiler et al., Deconvolutional networks, 2010.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv_transpose2d(fastad.ones((1, 1, 2, 2)), fastad.ones((1, 1, 2, 2)))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return called("conv_transpose2d", ADJOINTS, 2, input, weight, bias, (stride, padding, output_padding, groups, dilation))


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """The adjoint of `conv1d` in its sequences; see `conv_transpose2d`.

    Raises
    ------
    ValueError
        If shapes, groups or output_padding do not fit, or nothing would be left.
    TypeError
        If dtypes differ.

    Examples
    --------
    >>> import fastad
    >>> fastad.conv_transpose1d([[1.0, 2.0]], [[[1.0, 10.0]]], stride=2)
    tensor([[ 1., 10.,  2., 20.]])
    """
    return called("conv_transpose1d", ADJOINTS, 1, input, weight, bias, (stride, padding, output_padding, groups, dilation))
