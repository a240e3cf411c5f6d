"""Learn to write like Milton: a character model of Paradise Lost, in a few minutes on one core.

An LSTM reads Books I to XI one character after the other and learns to foretell the next; Book XII, which it never
sees, says how well.  The text runs in parallel strands, cut into chunks of 64 steps: the state goes on from chunk to
chunk, the derivative does not (truncated backpropagation through time), and gradients are clipped by their global norm.

    python examples/char_rnn.py [--epochs 12] [--hidden 256] [--seed 0] [--out char_rnn.png]

Prints for each epoch the bits that a character of Book XII costs, beside two models that only count: single characters,
and triples of them.  Then it writes, draws a picture, and ends with exit code 1 if counting was about as good.

The text: John Milton, Paradise Lost (1667; twelve books, 1674), in the public domain; from the electronic text that
Joseph Raben made in 1964-65 (Project Gutenberg, 1992), without its preface, page numbers and stray marks.
"""
import argparse
import math
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from matplotlib.figure import Figure  # without pyplot: draws into a file, needs no screen
from tqdm import tqdm

import fastad as fa
from fastad import nn, optim

TEXT = Path(__file__).parent / "paradise_lost.txt"
STRANDS, CHUNK = 32, 64
RATE = 4e-3
CLEARLY = 0.9                                      # of the bits of the better counting model, to pass


class CharacterModel(nn.Module):
    """The logits of the next character: embedding, LSTM, linear."""

    def __init__(self, characters, hidden, dropout=0.2):
        super().__init__()
        self.embedding = nn.Embedding(characters, 64)
        self.lstm = nn.LSTM(64, hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden, characters)

    def forward(self, indices, state=None):
        """indices (times, strands) -> logits (times, strands, characters), state"""
        y, state = self.lstm(self.embedding(indices), state)
        return self.output(self.dropout(y)), state


# ---- the text ----------------------------------------------------------------------------------------
def read_text():
    """(indices to learn, indices to test, the characters)"""
    text = TEXT.read_text()
    characters = sorted(set(text))
    indices = np.array([characters.index(c) for c in text])
    last_book = text.index("Book XII\n")
    return indices[:last_book], indices[last_book:], characters


def strands_of(indices, n):
    """The text as n strands side by side: (times, n)."""
    return indices[:len(indices) // n * n].reshape(n, -1).T


def chunks_of(strands):
    """Inputs and targets, chunk after chunk: the target of a character is the next one."""
    for start in range(0, len(strands) - 1, CHUNK):
        stop = min(start + CHUNK, len(strands) - 1)
        yield strands[start:stop], strands[start + 1:stop + 1]


# ---- models that count -------------------------------------------------------------------------------
def unigram_bits(train, test, n):
    """Bits a character if each is drawn by its frequency."""
    p = (np.bincount(train, minlength=n) + 1) / (len(train) + n)
    return float(-np.log2(p[test[1:]]).mean())


def trigram_bits(train, test, n):
    """Bits a character from the two before it: the frequencies of triples, pairs and single characters, mixed.

    Each order is smoothed by the one below (Witten and Bell, 1991: a context that was followed by d kinds of characters
    gives the shorter context a weight of d)."""
    p = np.broadcast_to((np.bincount(train, minlength=n) + 1) / (len(train) + n), (n, n, n))
    for order in (1, 2):
        before = [train[2 - k:len(train) - k] for k in range(order, -1, -1)]
        counts = np.zeros((n,) * (order + 1))
        np.add.at(counts, tuple(before), 1)
        kinds, total = (counts > 0).sum(-1, keepdims=True), counts.sum(-1, keepdims=True)
        p = (counts + kinds * p) / np.maximum(total + kinds, 1) + p * (total == 0)
    return float(-np.log2(p[test[:-2], test[1:-1], test[2:]]).mean())


# ---- training ----------------------------------------------------------------------------------------
def train_epoch(model, optimizer, strands, progress):
    """One pass over the text; the mean loss of its characters, in bits."""
    model.train()
    state, total, count = None, 0.0, 0
    for x, y in chunks_of(strands):
        optimizer.zero_grad()
        logits, state = model(x, state)
        loss = nn.functional.cross_entropy(logits.reshape(y.size, -1), y.ravel())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = tuple(s.detach() for s in state)
        total, count = total + loss.item() * y.size, count + y.size
        progress.update(y.size)
    return total / count / math.log(2)


def bits(model, indices):
    """Bits a character of a text that is read as one strand."""
    model.eval()
    state, total = None, 0.0
    with fa.no_grad():
        for x, y in chunks_of(strands_of(indices, 1)):
            logits, state = model(x, state)
            total += nn.functional.cross_entropy(logits.reshape(y.size, -1), y.ravel(), reduction="sum").item()
    return total / (len(indices) - 1) / math.log(2)


def sample(model, characters, start, length, temperature, generator):
    """What the model writes after `start`: each character drawn by its softmax at that temperature."""
    model.eval()
    written, state = start, None
    x = np.array([[characters.index(c)] for c in start])
    with fa.no_grad():
        for _ in range(length):
            logits, state = model(x, state)
            p = fa.softmax(logits[-1, 0] / temperature).numpy().astype(float)
            i = generator.choice(len(characters), p=p / p.sum())
            written += characters[i]
            x = np.array([[i]])
    return written


def draw(history, baselines, path):
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    ax = figure.subplots()
    epochs = np.arange(1, len(history) + 1)
    ax.plot(epochs, [h[0] for h in history], color="0.6", label="LSTM on Books I to XI, while it learns")
    ax.plot(epochs, [h[1] for h in history], "o-", color="C0", markersize=4, label="LSTM on Book XII, which it never sees")
    for name, value in baselines.items():
        ax.axhline(value, color="C3", linestyle="--", linewidth=1)
        ax.annotate(f"counting {name}, on Book XII: {value:.2f}", (epochs[-1], value), (0, 3), textcoords="offset points",
                    ha="right", fontsize=9, color="C3")
    ax.set(title="bits a character of Paradise Lost", xlabel="epoch", xticks=epochs[::max(1, len(epochs) // 12)])
    ax.set_ylim(1.5, 5)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9, loc="center right", bbox_to_anchor=(1, 0.68))
    figure.savefig(path, dpi=150)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", default="char_rnn.png", help="where the picture goes")
    options = parser.parse_args(argv)

    train, test, characters = read_text()
    n = len(characters)
    baselines = {"single characters": unigram_bits(train, test, n), "triples": trigram_bits(train, test, n)}
    print(f"{len(train):,} characters to learn, {len(test):,} to test, {n} kinds")
    for name, value in baselines.items():
        print(f"counting {name}: {value:.3f} bits a character")

    fa.manual_seed(options.seed)
    model = CharacterModel(n, options.hidden)
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    strands = strands_of(train, STRANDS)
    history, start = [], perf_counter()
    for epoch in range(options.epochs):
        for group in optimizer.param_groups:           # half a cosine, from RATE to almost nothing
            group["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * epoch / options.epochs))
        with tqdm(total=strands.size - STRANDS, unit="char", unit_scale=True, leave=False) as progress:
            learned = train_epoch(model, optimizer, strands, progress)
        history.append((learned, bits(model, test)))
        print(f"epoch {epoch + 1:2d}: {learned:.3f} bits while learning, {history[-1][1]:.3f} on Book XII, "
              f"{perf_counter() - start:.0f} s", flush=True)

    generator = np.random.default_rng(options.seed)
    for temperature in (0.5, 0.8):
        print(f"\n---- temperature {temperature}\n{sample(model, characters, 'Of Man', 400, temperature, generator)}")
    draw(history, baselines, options.out)
    print(f"\npicture: {options.out}")
    best = min(baselines.values())
    print(f"{history[-1][1]:.3f} bits against {best:.3f} of the better counting model: {history[-1][1] / best:.0%}")
    return 0 if history[-1][1] <= CLEARLY * best else 1


if __name__ == "__main__":
    sys.exit(main())
