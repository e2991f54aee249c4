"""Health of embeddings by numpy -> tests/golden/health/cases.json

Run: python tests/golden/make_health.py
Embeddings are not stored: both sides draw them from splitmix64, with arithmetic that is exact in float32.
"""

import json
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent / "health"


def uniform(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(52)).astype(np.float32) * np.float32(2**-12) - np.float32(0.5)


def draw(seed, n, dim, people, common, directions):
    """Row i: noise of length ~ 1 in the first `directions` dimensions, plus `common` in all."""
    e = uniform(seed, n * dim).reshape(n, dim).copy()
    e[:, directions:] = 0
    e += np.float32(common)
    label = np.arange(n) // max(1, n // people)
    image = np.arange(n)
    image[n // 2] = image[0]  # a repeat
    label[n // 2] = label[0]
    return e.astype(np.float32), label, image


def measure(e, label, image):
    e = e.astype(np.float64)
    norm = np.linalg.norm(e, axis=1)
    unit = e / norm[:, None]
    s = unit @ unit.T
    upper = np.triu(np.ones_like(s, dtype=bool), 1) & (image[:, None] != image[None, :])
    same = label[:, None] == label[None, :]
    p = np.linalg.svd(unit, compute_uv=False)
    p = p / p.sum()
    p = p[p > 0]
    out = {"norm": [len(norm), norm.mean(), norm.std()], "effective_rank": np.exp(-(p * np.log(p)).sum())}
    for name, mask in (("positive", upper & same), ("negative", upper & ~same)):
        v = s[mask]
        out[name] = [len(v), v.mean(), v.std()] if len(v) else [0, None, None]
    return out


CASES = [
    (1, 2, 3, 1, 0, 3),
    (2, 12, 8, 3, 0, 8),
    (3, 40, 16, 10, 0.25, 16),
    (4, 64, 128, 16, 0, 128),
    (5, 128, 512, 32, 0.5, 512),
    (6, 128, 64, 128, 0, 2),  # one photo a person; a plane
    (7, 32, 32, 8, 4096, 32),  # nearly one point
    (8, 9, 5, 1, 0, 5),  # one person
]

OUT.mkdir(exist_ok=True)
rows = []
for seed, n, dim, people, common, directions in CASES:
    rows.append({"seed": seed, "n": n, "dim": dim, "people": people, "common": common, "directions": directions}
                | measure(*draw(seed, n, dim, people, common, directions)))
(OUT / "cases.json").write_text(json.dumps(rows, indent=1) + "\n")
