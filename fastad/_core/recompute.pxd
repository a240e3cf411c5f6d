# recompute.pxd (level 2): values that are computed again.
from .tape cimport Node, Walk

cdef int drop(list roots, unsigned long long since, object again) except -1      # let go of what can be computed again
cdef int refill(Walk walk, Node node) except -1                                  # have it back
