"""The two modes of automatic differentiation, by hand and by fastad: the table of elementary operations of

    y = ln(x1) + x1 * x2 - sin(x2)    at (2, 5)

Forward mode carries a tangent down the table, once for every input; reverse mode carries adjoints up, once for all.  The
picture is the graph of the same operations.

    python examples/wengert.py [--out wengert.png]
"""
import argparse
import math
import sys

import fastad as fa

GRADIENT = 1 / 2 + 5, 2 - math.cos(5)                 # 1 / x1 + x2, x1 - cos(x2)


def f(x1, x2):
    logarithm = fa.log(x1)
    product = x1 * x2
    sine = fa.sin(x2)
    return logarithm + product - sine


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="wengert.png", help="where the picture goes")
    options = parser.parse_args(argv)

    table = fa.trace(f)(2.0, 5.0)
    print(f"{table}\n")
    forward = []
    for seed in ((1.0, 0.0), (0.0, 1.0)):
        forward.append(table.tangents(*seed)["v5"].tangent)
        print(f"forward, dx = {seed}: dy = {forward[-1]:.12f}")
    reverse = [table["v-1"].adjoint, table["v0"].adjoint]
    print(f"reverse, once: {reverse[0]:.12f} and {reverse[1]:.12f}")
    table.draw(options.out)
    print(f"picture: {options.out}")
    error = max(abs(found - true) for mode in (forward, reverse) for found, true in zip(mode, GRADIENT, strict=True))
    print(f"largest error {error:.1e}")
    return 0 if error < 1e-14 else 1


if __name__ == "__main__":
    sys.exit(main())
