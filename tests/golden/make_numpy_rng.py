"""Golden values of numpy's legacy RandomState for tests/unit/base_rng.c.

    python tests/golden/make_numpy_rng.py

Lines: name, seed, arguments, a colon, then the values. Each line starts from a fresh seed.
"""
import pathlib

import numpy as np

out = pathlib.Path(__file__).parent / "numpy_rng" / "legacy.txt"
lines = []


def line(head, values):
    lines.append(head + " : " + " ".join(str(int(v)) for v in values))


for seed in (0, 1, 42, 4294967295):
    line(f"words {seed} 8", np.random.RandomState(seed).randint(0, 2**32, size=8, dtype=np.uint32))
    for top in (1, 2, 9, 255, 256, 1000000, 4294967295, 4294967296, 10**15):
        # randint masks and rejects like random_interval: one word up to 2^32 - 1, two above.
        line(f"interval {seed} {top}", np.random.RandomState(seed).randint(0, top + 1, size=12, dtype=np.int64))
    for n in (0, 1, 2, 10, 1000):
        line(f"permutation {seed} {n}", np.random.RandomState(seed).permutation(n))
    for n, size, replace in ((10, 4, 0), (10, 10, 0), (1, 1, 0), (700, 5, 0), (3, 7, 1), (1, 4, 1), (1000, 20, 1)):
        line(f"choice {seed} {n} {size} {replace}", np.random.RandomState(seed).choice(n, size, replace=bool(replace)))
    # Several calls on one generator: shuffles of one list, cumulative, as a sampler does.
    rng, values = np.random.RandomState(seed), list(range(5))
    for _ in range(200):
        rng.shuffle(values)
    line(f"shuffles {seed} 5 200", values)

out.write_text("\n".join(lines) + "\n")
print(f"{out}: {len(lines)} lines, numpy {np.__version__}")
