# order.pxd (level 2): the tape in order.
from .tape cimport Walk

# what `needed` says of a node
cdef enum:
    GRADIENT = 1                        # its adjoint is asked for, by the caller or on the way to a target
    ON_PATH = 2                         # it lies between the roots and a target: its rule runs

# fills walk.order; then begin, and leave at last
cdef int order(Walk walk, list roots, unsigned long long since, list frontier=*) except -1
cdef int begin(Walk walk) noexcept
cdef int leave(Walk walk) except -1
cdef Walk holder(unsigned long long stamp)                                    # the walk under way that left this stamp, or None
cdef list listed(list roots, unsigned long long since)
cdef int mark_needed(Walk walk, list targets) except -1
# (the sources that are reached, the roots that depend on one, whether a root depends on something older)
cdef tuple survey(list roots, list sources, unsigned long long since)
# whether a transform's argument made at `since` or before is reached
cdef bint reaches_argument(list roots, unsigned long long since) except -1
