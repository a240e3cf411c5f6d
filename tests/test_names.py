"""The small character model of the examples: it learns more than frequencies know, and writes names."""
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "names.py"
pytestmark = pytest.mark.skipif(not EXAMPLE.exists(), reason="the examples are not beside these tests")


def test_it_beats_the_frequencies_within_few_epochs(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert runpy.run_path(str(EXAMPLE))["main"](["--epochs", "6", "--out", str(tmp_path / "n.png")]) == 0
    printed = capsys.readouterr().out.split("\n")
    assert [line.split()[0] for line in printed if line.startswith("  ")][:4] == ["elements", "rivers", "stars", "given"]
    assert (tmp_path / "n.png").stat().st_size > 20_000


def test_held_out_names_are_new_and_baselines_are_probabilities():
    pytest.importorskip("matplotlib")
    program = runpy.run_path(str(EXAMPLE))
    kinds, names = program["load"]()
    seen, unseen = program["split"](names, 0)
    assert len(kinds) == 4 and len(seen) + len(unseen) == len(names) == 746
    pairs = {(kind, bytes(c.astype(np.uint8))) for kind, c in seen}
    assert not any((kind, bytes(c.astype(np.uint8))) in pairs for kind, c in unseen)
    for table in program["smoothed"](np.arange(12.0).reshape(3, 4), np.full(4, 0.25)):
        np.testing.assert_allclose(table.sum(axis=-1), 1)
    tables = program["baselines"](seen, unseen, 4)
    assert list(tables.values()) == sorted(tables.values(), reverse=True) and max(tables.values()) < np.log2(28)
