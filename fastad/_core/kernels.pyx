"""Level 0: compiles csrc/ and holds the table of kernels for this processor.

The environment variable ``FASTAD_CPU`` (v4, v3 or baseline) forces an instruction set, so that every one can
be tested on one machine.
"""
import os
import re

cdef extern from "kernels.h":
    const fad_kernels* fad_select(const char* isa)
    const char* fad_isa_list()


cdef const fad_kernels* _choose() except NULL:
    wanted = os.environ.get("FASTAD_CPU", "")
    cdef bytes name = wanted.encode()
    cdef const char* forced = name
    cdef const fad_kernels* table = fad_select(forced if wanted else NULL)
    if table is NULL:
        raise ImportError(f"FASTAD_CPU={wanted!r}: this processor or this build has no such kernels; "
                          f"choose one of: {fad_isa_list().decode()}")
    return table


K = _choose()


def isa():
    """The instruction set in use: ``'v4'``, ``'v3'`` or ``'baseline'``."""
    return K.isa.decode()


def rule_text(bytes text):
    """A rule of the table as Python evaluates it: ``SHORT(f, text)`` is the text."""
    return re.sub(r"SHORT\(\w+, (.*)\)", r"(\1)", text.decode())


def rows():
    """The elementwise table (csrc/rows.def) as a list of dicts, for the rules, the docs and the tests."""
    out = []
    cdef const fad_row* r
    for i in range(K.n_rows):
        r = &K.rows[i]
        out.append({
            "name": r.name.decode(), "value": r.value.decode(), "arity": r.arity,
            "vjp": tuple(rule_text(r.vjp[j]) for j in range(r.arity)), "n_params": r.n_params,
            "needs": tuple(r.needs[j] for j in range(r.arity)), "domain": (r.lo, r.hi),
        })
    return out
