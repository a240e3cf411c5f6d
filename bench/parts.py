"""Where the instructions of one small operation go: forward and backward of `h * w` or `h + x`, one element.

Every function counts with its own instructions, not those of what it calls; what the compiler has inlined counts with
the function that it was inlined into.  contract.py --parts prints the table.
"""
import collections
import re

WORKLOAD = "add-mul chain, 1 element, an operation"
PARTS = (                                              # the first pattern found in "library:function" decides
    ("kernel: the loops and their driver", r"^kernels|^arrays:"),
    ("freeing", r"dealloc|Dealloc|Trash|GC_UnTrack|_Free|int_free"),
    ("allocation: objects from the free lists, memory",
     r"^libc|^storage:|tp_new|Tpnew|Object_Init|NewReference|GC_Track|Malloc"),
    ("node: edges, what is saved, the result as a Tensor", r"record|produced|_keep$"),
    ("dispatch: which operation, which kernel", r"_apply$|elementwise_(binary|add|multiply)$|grad_enabled|^ld-|tls"),
    ("walk: the order, and the check of what was saved", r"walk_(order|walk_back)|check_|_saved$"),
    ("walk: backward, delivering gradients", r"^walk:|_backward$|deliver|receive|edge_out"),
    ("interpreter: bytecode of the loop, the number slots", r"^libpython"),
)
SHOWN = 4                                              # functions named in a row


def part_of(library, function):
    text = f"{library.partition('.')[0].partition('3')[0]}:{function}"
    return next((part for part, pattern in PARTS if re.search(pattern, text)), "other")


def short(function):
    """Binary_backward for __pyx_f_6fastad_5_core_10primitives_11elementwise_6Binary_backward."""
    plain = re.sub(r"^__pyx_(?:\w+?_)?(?=\d)|(?<=_)\d+(?=[A-Za-z_])|'\d+$|\..*$", "", function)
    return re.sub(r"^\d*fastad__core_(?:primitives_)?[a-z]+_", "", plain) if "fastad" in function else plain


def table(once, twice, operations):
    counts = twice.functions()
    counts.subtract(once.functions())
    rows = collections.defaultdict(collections.Counter)
    for (library, function), count in counts.items():
        rows[part_of(library, function)][short(function)] += count
    total = sum(counts.values())
    lines = ["| part | instructions | share | most of it |", "|---|---:|---:|---|"]
    for part in [*(part for part, _ in PARTS), "other"]:
        own = sum(rows[part].values())
        names = ", ".join(f"`{name}` {n / operations:.0f}" for name, n in rows[part].most_common(SHOWN)
                          if n >= operations)
        if own >= operations or part != "other":
            lines.append(f"| {part} | {own / operations:,.0f} | {own / total:.1%} | {names} |")
    return "\n".join([*lines, f"| **one operation** | **{total / operations:,.0f}** | | |"])
