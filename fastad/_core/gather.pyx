"""Level 3: samples of arrays picked by their numbers, all arrays of a batch in one call: what data.DataLoader runs on.

No derivative is here: batches are constants.  Nothing is checked here, neither that numbers of samples are in bounds:
fastad/data/columns.py does, which comes next.  Imports tensor.
"""
cimport numpy as cnp
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int64_t

from .arrays cimport cast
from .storage cimport GIL_SIZE, Array, Layout, copy_ndarray, dense_dtype, empty
from .tensor cimport Tensor, wrap
from .types cimport MAX_NDIM

cnp.import_array()

cdef extern from *:
    """
    #include <string.h>
    #include <stdint.h>
    #if defined(__GNUC__) || defined(__clang__)
    #define FAD_FETCH(p) __builtin_prefetch(p)
    #else
    #define FAD_FETCH(p) ((void)(p))
    #endif
    /* out[i] = data[which[i]], rows of so many bytes that lie `stride` bytes apart; each row lies anywhere in memory, so
       the first lines of one are asked for while another is copied, and the processor then guesses those that follow */
    enum { FAD_AHEAD = 2, FAD_LINE = 64, FAD_LINES = 8 };
    static void fad_gather(char *out, const char *data, Py_ssize_t stride, size_t row, const int64_t *which, Py_ssize_t n)
    {
        Py_ssize_t i;
        if (row == 8)
            for (i = 0; i < n; i++) memcpy(out + 8 * i, data + which[i] * stride, 8);
        else if (row == 4)
            for (i = 0; i < n; i++) memcpy(out + 4 * i, data + which[i] * stride, 4);
        else
            for (i = 0; i < n; i++, out += row) {
                if (i + FAD_AHEAD < n) {
                    const char *next = data + which[i + FAD_AHEAD] * stride;
                    size_t k, lines = row < FAD_LINES * FAD_LINE ? row : FAD_LINES * FAD_LINE;
                    for (k = 0; k < lines; k += FAD_LINE) FAD_FETCH(next + k);
                }
                memcpy(out, data + which[i] * stride, row);
            }
    }
    """
    void fad_gather(char* out, const char* data, Py_ssize_t stride, size_t row, const int64_t* which,
                    Py_ssize_t n) noexcept nogil


cdef class Column:
    """An array (n, ...) to pick samples of."""
    cdef cnp.ndarray array                # nobody else has this view, so it stays as it is
    cdef readonly Py_ssize_t length       # samples
    cdef object dtype                     # that of a batch
    cdef bint direct                      # samples are stretches of memory, to be copied as they are
    cdef size_t row                       # bytes of a sample
    cdef Layout layout                    # of the last batch

    def __init__(self, cnp.ndarray array not None, dtype):
        cdef Py_ssize_t expected = array.itemsize
        cdef int axis
        self.array = array
        self.length = cnp.PyArray_DIM(array, 0)
        self.dtype = dtype
        self.direct = array.dtype.isnative
        for axis in range(cnp.PyArray_NDIM(array) - 1, 0, -1):
            if cnp.PyArray_DIM(array, axis) != 1 and cnp.PyArray_STRIDE(array, axis) != expected:
                self.direct = False
            expected *= cnp.PyArray_DIM(array, axis)
        self.row = expected

    cdef Tensor pick(self, cnp.ndarray order, Py_ssize_t start, Py_ssize_t n):
        """The samples of the numbers order[start : start + n], which are in bounds."""
        cdef Array out
        cdef const int64_t* which = <const int64_t*> cnp.PyArray_DATA(order) + start
        cdef const char* data
        cdef Py_ssize_t shape[MAX_NDIM]
        cdef Py_ssize_t stride
        cdef int axis
        if not self.direct:
            return wrap(cast(copy_ndarray(self.array[order[start:start + n]]), self.dtype))
        if self.layout is None or self.layout.shape[0] != n:
            shape[0] = n
            for axis in range(1, cnp.PyArray_NDIM(self.array)):
                shape[axis] = cnp.PyArray_DIM(self.array, axis)
            self.layout = dense_dtype(self.array.dtype, cnp.PyArray_NDIM(self.array), shape)
        out = empty(self.layout)
        if self.row:
            data, stride = <const char*> cnp.PyArray_DATA(self.array), cnp.PyArray_STRIDE(self.array, 0)
            if n * self.row < 4 * GIL_SIZE:
                fad_gather(out.data, data, stride, self.row, which, n)
            else:
                with nogil:
                    fad_gather(out.data, data, stride, self.row, which, n)
        return wrap(cast(out, self.dtype) if self.dtype is not out.layout.dtype else out)


def picked(tuple columns not None, cnp.ndarray order not None, Py_ssize_t start, Py_ssize_t n):
    """A tuple of tensors: of each column the samples of the numbers order[start : start + n]."""
    cdef tuple found = PyTuple_New(len(columns))
    cdef Py_ssize_t i
    cdef Tensor t
    for i in range(len(columns)):
        t = (<Column> columns[i]).pick(order, start, n)
        Py_INCREF(t)
        PyTuple_SET_ITEM(found, i, t)
    return found


cdef class Batches:
    """Iterates over batches, tuples of tensors: of batch k the samples order[ends[k - 1]:ends[k]], int64 both."""
    cdef tuple columns
    cdef cnp.ndarray order, ends
    cdef readonly Py_ssize_t position     # batches given out, those before the first one included
    cdef readonly bint done

    def __init__(self, tuple columns not None, cnp.ndarray order not None, cnp.ndarray ends not None, Py_ssize_t position):
        self.columns, self.order, self.ends, self.position = columns, order, ends, position

    def __iter__(self):
        return self

    def __next__(self):
        cdef Py_ssize_t k = self.position, start
        cdef const int64_t* ends = <const int64_t*> cnp.PyArray_DATA(self.ends)
        if k >= cnp.PyArray_DIM(self.ends, 0):
            self.done = True
            raise StopIteration
        self.position = k + 1
        start = ends[k - 1] if k else 0
        return picked(self.columns, self.order, start, ends[k] - start)
