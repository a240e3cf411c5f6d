# types.pxd (level 0): dtype codes and limits, shared by every compiled module.

cdef enum:
    F32 = 0             # the two dtypes that have kernels
    F64 = 1
    BOOL = 2            # three more that are known without asking NumPy
    I64 = 3
    OTHER = 4           # everything else goes through NumPy
    MAX_NDIM = 64       # NumPy's limit

cdef inline bint compiled(int code) noexcept nogil:
    return code <= F64

cdef extern from *:
    """
    #ifndef FASTAD_DEBUG
    #define FASTAD_DEBUG 0
    #endif
    """
    bint FASTAD_DEBUG   # 1 in the debug build (setup.py); what it guards is not in the others
