"""The performance contract: python -m bench.contract [--update] [--write FILE ...] [--parts]

Counts the instructions of the workloads in counted.py and compares them with the budgets in contract.toml.  Ends with
1, naming them, if a workload takes more than 3 % more than its budget; with 2 if the budgets were made under other
conditions (versions of Python, NumPy, Cython, the C compiler, ...), when nothing can be said; with 0 else.

--update     makes what is counted the budgets; a commit of its own says why one was raised
--write      puts the table of budgets between the files' comments contract:begin and contract:end
--parts      instead: where the instructions of one small operation go (--write: parts:begin and parts:end)
--pins       instead: what pip must install for the budgets to apply, one requirement a line
"""
import argparse
import importlib.util
import json
import sys
import tomllib
from pathlib import Path

from bench import callgrind, markdown

HERE = Path(__file__).parent
BUDGETS = HERE / "contract.toml"
TOLERANCE = 0.03
INTERPRETER = "interpreter"                            # the workload without fastad, by which Python is known again


def folder_of(package):
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise SystemExit(f"bench.contract: {package} is not installed")
    return Path(spec.origin).parent


def count(*names):
    """Run counted.py, whole or only these workloads: its conditions, and {name: instructions in one operation}; the
    parts of the last workload, of N and of 2 N runs, for whoever wants to see where they go."""
    output, parts = callgrind.run(HERE / "counted.py", [folder_of("fastad"), folder_of("numpy"), HERE], *names)
    found = json.loads(output)
    counts, segments = {}, iter(parts[1::2])           # every second part lies between two marks of a pair
    for name, runs, operations in found["measured"]:
        once = next(segments)
        twice = next(segments) if runs else None       # an import happens once
        counts[name] = (twice.instructions - once.instructions) / (runs * operations) if runs else once.instructions
    conditions = found["conditions"] | {"valgrind": callgrind.version(), INTERPRETER: round(counts.pop(INTERPRETER))}
    return conditions, counts, (once, twice, runs * operations)


def differences(conditions, wanted):
    """What differs from the conditions of the budgets, one text each."""
    texts = [f"{name} {conditions.get(name)}, the budgets are for {value}"
             for name, value in wanted.items() if name != INTERPRETER and conditions.get(name) != value]
    ratio = conditions[INTERPRETER] / wanted[INTERPRETER]
    if abs(ratio - 1) > 0.001:
        texts.append(f"the interpreter takes {ratio:.3f} of its instructions for plain Python: built otherwise")
    return texts


def verdict(counts, budgets):
    """(what breaks the contract, what has become cheaper), each a list of texts."""
    broken = [f"{name}: has a budget and was not counted" for name in budgets.keys() - counts.keys()]
    broken += [f"{name}: has no budget" for name in counts.keys() - budgets.keys()]
    cheaper = []
    for name in counts.keys() & budgets.keys():
        change = counts[name] / budgets[name] - 1
        if abs(change) > TOLERANCE:
            text = f"{name}: {counts[name]:,.1f} instructions, budget {budgets[name]:,.1f}, {change:+.1%}"
            (broken if change > 0 else cheaper).append(text)
    return sorted(broken), sorted(cheaper)


def table(counts, budgets):
    """What was counted beside what is allowed."""
    lines = ["| workload | instructions | budget | change |", "|---|---:|---:|---:|"]
    for name, counted in counts.items():
        budget = budgets.get(name)
        compared = f"{budget:,.1f} | {round(counted / budget - 1, 4) + 0:+.2%}" if budget else "none | "
        lines.append(f"| {name} | {counted:,.1f} | {compared} |")
    return "\n".join(lines)


def budgets_table(wanted, budgets):
    """What docs/performance.md publishes."""
    lines = ["| workload | instructions |", "|---|---:|", *[f"| {name} | {n:,.1f} |" for name, n in budgets.items()]]
    return "\n".join([*lines, "", ", ".join(f"{k} {v}" for k, v in wanted.items() if k != INTERPRETER) + "."])


def budgets_text(conditions, counts):
    """contract.toml; JSON's strings and numbers are TOML's too."""
    lines = ["# Budgets of `python -m bench.contract`: instructions of one run of each workload, under these conditions.",
             "# Written by --update.  A commit that raises one does nothing else, and says why.", "", "[conditions]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in conditions.items()]
    lines += ["", "[budgets]"] + [f"{json.dumps(name)} = {counted:.1f}" for name, counted in counts.items()]
    return "\n".join(lines) + "\n"


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.contract", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--update", "--parts", "--pins"):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, nargs="+", default=[], metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    wanted, budgets = (tomllib.loads(BUDGETS.read_text())[key] for key in ("conditions", "budgets"))

    if options.pins:
        print(f"numpy=={wanted['numpy']}\ncython=={wanted['cython']}")
        return 0
    if options.parts:
        from bench import parts
        text = parts.table(*count(INTERPRETER, parts.WORKLOAD)[2])
        print(text)
        markdown.write(options.write, text, "parts")
        return 0

    print(f"counting the instructions of {folder_of('fastad')}", file=sys.stderr)
    conditions, counts, _ = count()
    if options.update:
        BUDGETS.write_text(budgets_text(conditions, counts))
        wanted, before, budgets = conditions, budgets, counts
        print(table(counts, before))
    else:
        print(table(counts, budgets))
    markdown.write(options.write, budgets_table(wanted, budgets), "contract")

    others = differences(conditions, wanted)
    if others:
        print("the budgets do not apply here, and nothing was compared:", *others, sep="\n  ")
        return 2
    broken, cheaper = verdict(counts, budgets)
    if cheaper:
        print(f"cheaper than the budget by more than {TOLERANCE:.0%}; lower it (--update):", *cheaper, sep="\n  ")
    if broken:
        print(f"the contract is broken, more than {TOLERANCE:.0%} above the budget:", *broken, sep="\n  ")
        return 1
    print("the contract holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
