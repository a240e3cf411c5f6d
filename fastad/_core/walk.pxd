# walk.pxd (level 2): the walks.

# Adjoints of `cotangents` (Arrays; Tensors if recording) of `roots`, (node, output) pairs; see walk.pyx
cdef dict walk_back(list roots, list cotangents, bint recording, bint keep, int lead, list targets,
                    unsigned long long since=*)
# tangents of `roots`
cdef list walk_forward(list sources, list tangents, list roots, bint recording, int lead, unsigned long long since)
# let go of saved values that can be computed again
cdef int drop(list roots, unsigned long long since, object again) except -1
# (the sources that are reached, the roots that depend on one, whether a root depends on something older)
cdef tuple survey(list roots, list sources, unsigned long long since)
