/* fastad.h: fastad's C interface.  It is reached through one table of functions, which the compiled core hands over in a
   capsule; what a Tensor looks like inside is not part of it.

   From Cython: `cimport fastad`, and `fastad.import_fastad()` once at the top of the module (docs/extending.md). */
#ifndef FASTAD_H
#define FASTAD_H

#include <Python.h>

/* Goes up with every change of what stands below, but for members added at the end of fastad_api. */
#define FASTAD_ABI 1

/* dtypes that have kernels; FASTAD_OTHER is any other of NumPy's */
enum { FASTAD_FLOAT32 = 0, FASTAD_FLOAT64 = 1, FASTAD_OTHER = -1 };
enum { FASTAD_MAX_NDIM = 64, FASTAD_MAX_INPUTS = 32 };

/* contiguous numbers of the dtype of the call; `data` is NULL for what is not there or not asked for */
typedef struct {
    void *data;
    Py_ssize_t size;
    const Py_ssize_t *shape;
    int ndim;
} fastad_buffer;

/* Kernels run without the interpreter's lock and return 0; anything else becomes a ValueError that tells the number. */

/* the shape of the result: fill ndim and shape, which has room for FASTAD_MAX_NDIM */
typedef int (*fastad_shape_fn)(const fastad_buffer *x, const double *params, int *ndim, Py_ssize_t *shape);
/* y = f(x) */
typedef int (*fastad_forward_fn)(int dtype, const fastad_buffer *x, const double *params, fastad_buffer *y);
/* dx[i] = g dy/dx[i], written where dx[i].data is not NULL */
typedef int (*fastad_backward_fn)(int dtype, const fastad_buffer *x, const double *params, const fastad_buffer *y,
                                  const fastad_buffer *g, fastad_buffer *dx);
/* dy = sum of dy/dx[i] dx[i], over those whose dx[i].data is not NULL */
typedef int (*fastad_jvp_fn)(int dtype, const fastad_buffer *x, const double *params, const fastad_buffer *y,
                             const fastad_buffer *dx, fastad_buffer *dy);

typedef struct {
    const char *name;
    int n_inputs;                   /* tensors, the first arguments of the call */
    int n_params;                   /* numbers, its last ones */
    fastad_shape_fn shape;          /* NULL: all inputs have one shape, and the result has it too */
    fastad_forward_fn forward;
    fastad_backward_fn backward;    /* NULL: no kernel for it; fastad.extend.defvjp may give a rule */
    fastad_jvp_fn jvp;              /* NULL: the same with defjvp */
} fastad_kernel;

/* a tensor's numbers, to read; strides are in bytes.  Valid while the tensor lives and keeps its dtype. */
typedef struct {
    const void *data;
    Py_ssize_t size;
    const Py_ssize_t *shape;
    const Py_ssize_t *strides;
    int ndim;
    int dtype;
    int contiguous;
} fastad_view;

typedef struct {
    int abi;                        /* these two stay where they are */
    int size;
    PyTypeObject *tensor_type;
    PyObject *(*new_tensor)(int dtype, int ndim, const Py_ssize_t *shape);
    int (*view)(PyObject *tensor, fastad_view *view);
    void *(*write)(PyObject *tensor);
    PyObject *(*kernel)(const fastad_kernel *kernel);
} fastad_api;

static const fastad_api *fastad_table = NULL;

/* Once for every module, when it is imported.  0, or -1 with an ImportError: also if the installed fastad has another table
   than the one this module was compiled for. */
static inline int fastad_import(void)
{
    PyObject *module = PyImport_ImportModule("fastad._core.custom");
    PyObject *capsule = module ? PyObject_GetAttrString(module, "C_API") : NULL;
    const fastad_api *table = capsule ? (const fastad_api *)PyCapsule_GetPointer(capsule, "fastad.C_API") : NULL;
    Py_XDECREF(module);
    Py_XDECREF(capsule);                          /* the module lives on, and its table is static */
    if (table == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
            PyErr_Clear();
            PyErr_SetString(PyExc_ImportError, "fastad: the installed fastad has no C interface; install a newer one");
        }
        return -1;
    }
    if (table->abi != FASTAD_ABI || table->size < (int)sizeof(fastad_api)) {
        PyErr_Format(PyExc_ImportError,
                     "fastad: this module was compiled for fastad's C interface %d (%d bytes), the installed fastad has "
                     "%d (%d bytes); compile it again with the headers of the installed fastad",
                     FASTAD_ABI, (int)sizeof(fastad_api), table->abi, table->size);
        return -1;
    }
    fastad_table = table;
    return 0;
}

/* A forgotten import is made up for. */
static inline int fastad_ready(void) { return fastad_table != NULL ? 0 : fastad_import(); }

/* A new tensor, its numbers not set; NULL with an exception. */
static inline PyObject *fastad_new_tensor(int dtype, int ndim, const Py_ssize_t *shape)
{
    return fastad_ready() < 0 ? NULL : fastad_table->new_tensor(dtype, ndim, shape);
}

/* 0, or -1 with a TypeError if it is no tensor. */
static inline int fastad_view_of(PyObject *tensor, fastad_view *view)
{
    return fastad_ready() < 0 ? -1 : fastad_table->view(tensor, view);
}

/* The numbers of a tensor to write to, by its strides: counted as a change in place, refused where an operation of
   fastad's would refuse it.  NULL with an exception. */
static inline void *fastad_write(PyObject *tensor)
{
    return fastad_ready() < 0 ? NULL : fastad_table->write(tensor);
}

/* The differentiable function of a kernel, a Python object; the kernel is copied, its name too. */
static inline PyObject *fastad_register(const fastad_kernel *kernel)
{
    PyObject *held = fastad_ready() < 0 ? NULL : fastad_table->kernel(kernel);
    PyObject *module = held ? PyImport_ImportModule("fastad.extend") : NULL;
    PyObject *function = module ? PyObject_CallMethod(module, "primitive", "O", held) : NULL;
    Py_XDECREF(held);
    Py_XDECREF(module);
    return function;
}

#endif
