"""A small model that writes names: of stars, rivers, elements and people, a character at a time.

A gated recurrence (GRU) reads a name so far, and the kind of name that it is to be, and gives the probabilities of the
next character; the end of a name is one too.  Names differ in length: packed, no step is spent on padding.  It learns
seven eighths of the 746 names in names.txt; the others, which it never saw, say how well it knows what names are like,
beside what the frequencies of characters and of pairs of them know.

    python examples/names.py [--epochs 20] [--seed 0] [--out names.png]

Prints the held-out bits per character and names of its own, draws the losses, and ends with exit code 1 if the model
is no better than the baselines.
"""
import argparse
import math
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure

import fastad as fa
from fastad import nn, optim
from fastad.data import DataLoader
from fastad.nn.utils.rnn import pack_sequence

ALPHABET = "\n-abcdefghijklmnopqrstuvwxyz"               # a name begins behind a newline, and ends with one
BATCH, RATE, HIDDEN = 32, 4e-3, 128


# ---- the names ---------------------------------------------------------------------------------------
def load():
    """The kinds, and (kind, name) pairs: numbers."""
    kinds, names = [], []
    for line in (Path(__file__).parent / "names.txt").read_text().splitlines():
        if line.startswith("["):
            kinds.append(line.strip("[]"))
        elif not line.startswith("#"):
            names += [(len(kinds) - 1, np.array([ALPHABET.index(c) for c in f"\n{name}\n"])) for name in line.split()]
    return kinds, names


def split(names, seed):
    order = np.random.default_rng(seed).permutation(len(names))
    return [names[i] for i in order[len(names) // 8:]], [names[i] for i in order[:len(names) // 8]]


# ---- the model ---------------------------------------------------------------------------------------
class Writer(nn.Module):
    """Scores of the next character, after each of some characters."""

    def __init__(self, kinds):
        super().__init__()
        self.character = nn.Embedding(len(ALPHABET), 32)
        self.kind = nn.Embedding(kinds, 16)
        self.recurrence = nn.GRU(48, HIDDEN)
        self.dropout = nn.Dropout(0.5)
        self.scores = nn.Linear(HIDDEN, len(ALPHABET))

    def forward(self, packed, kinds, state=None):
        """Packed characters, and in the same rows the kinds of their names."""
        x = fa.concatenate([self.character(packed.data), self.kind(kinds)], axis=-1)
        y, state = self.recurrence(packed._replace(data=self.dropout(x)), state)
        return self.scores(self.dropout(y.data)), state


def batch_of(names):
    """Packed characters, their kinds, and the characters that come next."""
    names = sorted(names, key=lambda name: -len(name[1]))
    characters = pack_sequence([c[:-1] for _, c in names])
    kinds = pack_sequence([np.full(len(c) - 1, kind) for kind, c in names])
    return characters, kinds.data, pack_sequence([c[1:] for _, c in names]).data


def bits(model, names):
    """Held-out bits per character."""
    x, kinds, target = batch_of(names)
    model.eval()
    with fa.no_grad():
        loss = nn.functional.cross_entropy(model(x, kinds)[0], target).item()
    model.train()
    return loss / math.log(2)


def train(model, seen, unseen, epochs, seed):
    """Bits per character after each epoch: of the batches, with dropout, and held out."""
    optimizer = optim.Adam(model.parameters(), lr=RATE, weight_decay=1e-5)
    loader = DataLoader((np.arange(len(seen)),), batch_size=BATCH, shuffle=True, generator=np.random.default_rng(seed))
    curves = []
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * epoch / epochs))
        losses = []
        for (rows,) in loader:
            x, kinds, target = batch_of([seen[i] for i in rows])
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x, kinds)[0], target)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        curves.append((np.mean(losses) / math.log(2), bits(model, unseen)))
        if epoch % 5 == 4 or epoch == epochs - 1:
            print(f"epoch {epoch + 1:3d}   training {curves[-1][0]:.2f}   held out {curves[-1][1]:.2f} bits per character")
    return np.array(curves)


# ---- what counting knows -----------------------------------------------------------------------------
def smoothed(counts, prior):
    """Frequencies along the last axis, drawn toward a prior by as much as so many observations; for some such numbers."""
    return [(counts + n * prior) / (counts.sum(axis=-1, keepdims=True) + n) for n in (1, 3, 10, 30, 100)]


def baselines(seen, unseen, kinds):
    """Bits per character of three tables of frequencies.  How strongly each is smoothed is chosen on the held-out names,
    an advantage that the model does not have."""
    counts = np.zeros((kinds, len(ALPHABET), len(ALPHABET)))
    for kind, c in seen:
        np.add.at(counts, (kind, c[:-1], c[1:]), 1)

    def best(tables):
        def bits_of(table):
            logs = [np.log2(np.broadcast_to(table, counts.shape)[kind, c[:-1], c[1:]]) for kind, c in unseen]
            return -np.concatenate(logs).mean()
        return min(((bits_of(table), table) for table in tables), key=lambda found: found[0])

    single, unigram = best(smoothed(counts.sum(axis=(0, 1)), np.full(len(ALPHABET), 1 / len(ALPHABET))))
    pairs, bigram = best(smoothed(counts.sum(axis=0), unigram))
    of_kinds, _ = best(smoothed(counts, bigram))
    return {"characters": single, "pairs": pairs, "pairs, by kind": of_kinds}


# ---- names of its own --------------------------------------------------------------------------------
def write(model, kind, generator, sharpness=1.3):
    """A name: each character is drawn from the model's probabilities, the likely ones a little more often."""
    model.eval()
    name, state, last = "", None, 0
    with fa.no_grad():
        while len(name) < 20:
            scores, state = model(pack_sequence([fa.tensor([last])]), fa.tensor([kind]), state)
            p = fa.softmax(scores[0].astype("float64") * sharpness).numpy()
            last = generator.choice(len(ALPHABET), p=p)
            if last == 0:
                break
            name += ALPHABET[last]
    return name


def draw(curves, tables, path):
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    epochs = np.arange(1, len(curves) + 1)
    ax.plot(epochs, curves[:, 0], color="0.7", label="training, with dropout")
    ax.plot(epochs, curves[:, 1], color="#c0392b", linewidth=2, label="held out")
    for name, value in tables.items():
        ax.axhline(value, color="#1b6ca8", linewidth=1, linestyle="--")
        ax.text(len(curves), value, f"frequencies of {name}", color="#1b6ca8", ha="right", va="bottom", fontsize=9)
    ax.set(title="names, a character at a time", xlabel="epoch", ylabel="bits per character", xlim=(0, len(curves)))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.85))
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="names.png", help="where the picture goes")
    options = parser.parse_args(argv)

    kinds, names = load()
    seen, unseen = split(names, options.seed)
    fa.manual_seed(options.seed)
    model = Writer(len(kinds))
    start = perf_counter()
    curves = train(model, seen, unseen, options.epochs, options.seed)
    seconds = perf_counter() - start
    tables = baselines(seen, unseen, len(kinds))
    held_out = curves[-1, 1]
    print(f"{len(seen)} names in {seconds:.1f} s; held out {held_out:.2f} bits per character; frequencies of " +
          ", of ".join(f"{name} {value:.2f}" for name, value in tables.items()))
    known = {"".join(ALPHABET[i] for i in c[1:-1]) for _, c in names}
    generator = np.random.default_rng(options.seed)
    for k, kind in enumerate(kinds):
        made = [write(model, k, generator) for _ in range(12)]
        print(f"  {kind:<9}" + " ".join(name + "*" * (name in known) for name in made))
    print("  (* is in the list)")
    draw(curves, tables, options.out)
    print(f"picture: {options.out}")
    return 0 if held_out < min(tables.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
