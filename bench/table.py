"""The libraries side by side: python -m bench.table [--quick] [--only WORD ...] [--write FILE ...] [--brief FILE ...]

Every workload is checked for equal results, then timed alternately; one Markdown table a family, and one of the rows that
the project's README has.
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


BRIEF = {                                          # what stands before a row's name, and the rows
    "One small operation": ("an operation on", "1 element", "1,024 elements"),
    "Training steps": (
        "training step,", "4-16-3, batch 1, SGD", "64-128-10, batch 32, Adam", "784-256-128-10, batch 64, SGD"),
    "Optimizers": ("a step of", "Adam, 1 million in 20 tensors"),
    "Recurrent networks, parameters' gradients": ("there and back,", "RNN: 20, 1, 32, 32", "LSTM: 35, 20, 128, 128"),
    "Convolutional networks": ("training step,", "1-16-32 channels, batch 64", "LeNet-5, batch 1"),
    "Normalisation, dropout, embedding and attention, with gradients": (
        "there and back,", "BatchNorm1d: 64x256", "LayerNorm: 1,024x1,024", "Attention, heads 16 wide"),
    "Activations, forward + backward": ("a million numbers there and back,", "tanh", "gelu", "softmax"),
    "Functions a scientist differentiates": (
        "", "Rosenbrock, n = 10", "logistic regression, 10,000 x 100", "Lotka-Volterra, 1,000 steps (JAX: a scan)",
        "Gaussian process, n = 200 (Cholesky)"),
    "Loading, shuffled batches": ("loading", "1,797 samples of 64 numbers, batches of 32"),
}
BRIEF_COLUMNS = ("fastad", "PyTorch", "JAX", "autograd", "NumPy")


def brief_table(rows):
    """The Markdown lines of the rows that BRIEF names."""
    chosen = [(w, times) for w, times in rows if w.name in BRIEF.get(w.family, ("",))[1:]]
    columns = [name for name in BRIEF_COLUMNS if any(name in times for _, times in chosen)]
    lines = [f"| | {' | '.join(columns)} | fastad takes |", "|---|" + "---:|" * len(columns) + "---|"]
    for workload, times in chosen:
        cells = [f"{number(workload.shown(times[c]))} {workload.unit.split()[0]}" if c in times else "" for c in columns]
        ratios = [f"{ratio_text(times['fastad'] / times[c])} of {c}" for c in columns[1:] if {"fastad", c} <= times.keys()]
        what = " ".join(filter(None, (BRIEF[workload.family][0], workload.name)))
        lines.append(f"| {' | '.join([what, *cells, ', '.join(ratios[:2])])} |")
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
    parser.add_argument("--only", default=[""], nargs="+", metavar="WORD", help="only workloads with one of these words")
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="FILE",
                        help="put the tables between these files' comments bench:begin and bench:end; with BENCH_THREADS=2, "
                        "bench-2:begin and bench-2:end")
    parser.add_argument("--brief", type=Path, nargs="+", default=[], metavar="FILE",
                        help="put the rows of the README between these files' comments brief:begin and brief:end")
    options = parser.parse_args(argv)
    seconds, least_rounds = (0.3, 3) if options.quick else (3.0, 7)

    rng = np.random.default_rng()                  # fresh data in every run
    rows = []
    for workload in all_workloads():
        if any(word.lower() in f"{workload.family} {workload.name}".lower() for word in options.only):
            print(f"{workload.family}: {workload.name}", file=sys.stderr)
            rows.append((workload, measure(workload, rng, seconds, least_rounds)))
    lines = []
    for family, group in itertools.groupby(rows, key=lambda row: row[0].family):
        lines += family_table(family, list(group))
    table = "\n".join([*lines, conditions()])
    print(table)
    markdown.write(options.write, table, "bench" if THREADS == 1 else f"bench-{THREADS}")
    markdown.write(options.brief, "\n".join([*brief_table(rows), conditions()]), "brief")


if __name__ == "__main__":
    main()
