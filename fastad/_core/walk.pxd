# walk.pxd (level 2): the walks.

# Adjoints of `cotangents` (Arrays; Tensors if recording) of `roots`, (node, output) pairs; see walk.pyx
cdef dict walk_back(list roots, list cotangents, bint recording, bint keep, int lead, list targets,
                    unsigned long long since=*, bint ends=*, dict begun=*)
# tangents of `roots`
cdef list walk_forward(list sources, list tangents, list roots, bint recording, int lead, unsigned long long since,
                       bint ends=*)
