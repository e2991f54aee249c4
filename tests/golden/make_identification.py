"""Retrieval metrics by pytorch-metric-learning's AccuracyCalculator -> tests/golden/identification/cases.json

Run: python tests/golden/make_identification.py
Coordinates are whole numbers over a power of two, so that both sides see the same dot products and the same ties. The peer leaves ties to
its search; the one here puts the lower row first, as futago does. Where there are no ties, the peer's own search must give the same.
"""

import json
from pathlib import Path

import numpy as np
import torch
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

OUT = Path(__file__).parent / "identification"
METRICS = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_average_precision")
DIM = 12


def ranked(query, k, reference, ref_includes_query):
    """The k most similar rows of each query; of equals the lower row first."""
    score = query.double() @ reference.double().T
    if ref_includes_query:
        score.fill_diagonal_(-np.inf)
    order = torch.from_numpy(np.argsort(-score.numpy(), axis=1, kind="stable")[:, :k].copy())
    return score.gather(1, order), order


def measure(case, search=ranked):
    embedding = torch.tensor(case["coordinate"], dtype=torch.float32) / case["unit"]
    label = torch.tensor(case["label"])
    n = case["n_query"]
    calculator = AccuracyCalculator(include=METRICS, k=None, knn_func=search, device=torch.device("cpu"))
    if n == len(label):
        return calculator.get_accuracy(embedding, label)
    return calculator.get_accuracy(embedding[:n], label[:n], embedding[n:], label[n:])


def people(rng, label, noise, unit=16):
    center = rng.normal(size=(label.max() + 1, DIM))
    x = center[label] + noise * rng.normal(size=(len(label), DIM))
    return np.clip(np.floor(x * unit / 8), -unit // 4, unit // 4).astype(int)


def cases():
    rng = np.random.default_rng(11)
    label = rng.integers(0, 25, 150)
    yield "no ties", label[:100], people(rng, label[:100], 2, 1024), 100
    yield "random", label, people(rng, label, 1), 150
    yield "noisy", label, people(rng, label, 3), 150
    yield "with a reference", label, people(rng, label, 1), 50
    few = people(rng, label, 1)
    few[1::3] = few[0::3]
    yield "duplicates", label, few, 150
    yield "ties", label, rng.integers(-1, 2, (150, DIM)), 150
    yield "collapsed", label, np.ones((150, DIM), int), 150
    lone = np.arange(40)
    lone[30:] = np.repeat(lone[:5], 2)
    yield "mostly one photo a person", lone, people(rng, lone, 1), 40
    yield "one person", np.zeros(30, int), people(rng, np.zeros(30, int), 1), 30
    uneven = np.concatenate([np.zeros(60, int), rng.integers(1, 12, 40)])
    yield "one person has most photos", uneven, people(rng, uneven, 1), 100
    strangers = np.concatenate([rng.integers(0, 10, 30), rng.integers(5, 20, 60)])
    yield "strangers among the queries", strangers, people(rng, strangers, 1), 30


def main():
    out = []
    for name, label, coordinate, n_query in cases():
        unit = 1024 if name == "no ties" else 16
        case = dict(name=name, n_query=n_query, unit=unit, label=label.tolist(), coordinate=coordinate.tolist())
        case.update(measure(case))
        out.append(case)
        own = measure(case, CustomKNN(DotProductSimilarity(normalize_embeddings=False)))
        print(f"{name:30}", *(f"{m} {case[m]:.6f} ({own[m]:.6f})" for m in METRICS))
        assert name != "no ties" or all(own[m] == case[m] for m in METRICS)
    OUT.mkdir(exist_ok=True)
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in out)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")


main()
