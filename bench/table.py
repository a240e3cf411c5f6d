"""The table of the project's README: python -m bench.table [--quick] [--only WORD] [--write FILE ...]

Every workload is checked for equal results, then timed alternately; one Markdown table a family.
"""
import argparse
import itertools
import platform
import sys
from math import exp, fsum, log
from pathlib import Path

import numpy as np

from bench import THREADS, markdown, peers
from bench.timing import alternate, check
from bench.workloads import all_workloads, mean_targets


def measure(workload, rng, seconds, least_rounds):
    """{library: seconds a run} of one workload, after its results have been compared."""
    members = workload.members(rng)
    check(workload, members)
    return alternate(members, seconds, least_rounds)


def ratio_text(ratio):
    """0.02 as 1/50, and what is not much below one as a decimal."""
    return f"{ratio:.2f}" if ratio > 0.67 else f"1/{1 / ratio:.3g}"


def verdicts(workload, times):
    """Two cells: fastad's ratio to each peer that a target names, and whether the target is met."""
    ratios, met = [], []
    for peer, limit in workload.targets:
        if "fastad" in times and peer in times:
            ratio = times["fastad"] / times[peer]
            ratios.append(f"{ratio_text(ratio)} of {peer}")
            met.append(f"{ratio_text(limit)}: {'yes' if ratio <= limit else '**no**'}")
        else:
            ratios.append(f"? of {peer}")
            met.append(f"{ratio_text(limit)}: not measured")
    return ", ".join(ratios), ", ".join(met)


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def family_table(family, rows):
    """The Markdown lines of one family; `rows` holds (workload, times)."""
    columns = [name for name in peers.ORDER if any(name in times for _, times in rows)]
    unit = rows[0][0].unit
    lines = [f"**{family}** ({unit})", "",
             f"| | {' | '.join(columns)} | fastad takes | target, met |",
             "|---|" + "---:|" * len(columns) + "---|---|"]
    for workload, times in rows:
        cells = [number(workload.shown(times[c])) if c in times else "" for c in columns]
        lines.append(f"| {' | '.join([workload.name, *cells, *verdicts(workload, times)])} |")
    for peer, limit in mean_targets(family):
        logs = [log(times["fastad"] / times[peer]) for _, times in rows if {"fastad", peer} <= times.keys()]
        if logs:
            mean = exp(fsum(logs) / len(logs))
            verdict = "yes" if mean <= limit else "**no**"
            empty = " |" * (len(columns) + 1)
            lines.append(f"| geometric mean{empty} {ratio_text(mean)} of {peer} | {ratio_text(limit)}: {verdict} |")
    return [*lines, ""]


def conditions():
    """One line that says on what the figures were taken."""
    versions = [f"{name} {peers.load(name).__version__}" for name in ("NumPy", "PyTorch", "JAX")
                if peers.load(name)]
    threads = "One thread" if THREADS == 1 else f"{THREADS} threads"
    return (f"{threads} on every side, timed alternately in one run, medians; {platform.machine()}, "
            f"Python {platform.python_version()}, {', '.join(versions)}.")


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.table", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the time, for a first look")
    parser.add_argument("--only", default="", metavar="WORD", help="only these workloads")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="FILE",
                        help="put the table between these files' comments bench:begin and bench:end")
    options = parser.parse_args(argv)
    seconds, least_rounds = (0.3, 3) if options.quick else (3.0, 7)

    rng = np.random.default_rng()                  # fresh data in every run
    rows = []
    for workload in all_workloads():
        if options.only.lower() in f"{workload.family} {workload.name}".lower():
            print(f"{workload.family}: {workload.name}", file=sys.stderr)
            rows.append((workload, measure(workload, rng, seconds, least_rounds)))
    lines = []
    for family, group in itertools.groupby(rows, key=lambda row: row[0].family):
        lines += family_table(family, list(group))
    table = "\n".join([*lines, conditions()])
    print(table)
    markdown.write(options.write, table, "bench")


if __name__ == "__main__":
    main()
