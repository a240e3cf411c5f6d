# walk.pxd (level 2): the backward walk.

# Adjoints of `cotangents` (Arrays; Tensors if recording) of `roots`, (node, output) pairs; see walk.pyx
cdef dict walk_back(list roots, list cotangents, bint recording, bint keep, int lead, list targets)
