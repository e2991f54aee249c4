"""Verification metrics by scikit-learn, numpy and the protocol of insightface's verification.py -> tests/golden/metric/*.json

Run: python tests/golden/make_metric.py
Large sets are not stored: both sides draw them from splitmix64, with arithmetic that is exact in float32.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.model_selection import KFold

OUT = Path(__file__).parent / "metric"


def splitmix64(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(seed, n):
    return (splitmix64(seed, n) >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def drawn(seed, n, one_in, levels):
    """Pairs, one in `one_in` the same person. levels > 0 rounds scores to that many values, so that there are ties."""
    same = splitmix64(seed, n) % np.uint64(one_in) == 0
    a, b = uniform(seed + 1, n), uniform(seed + 2, n)
    score = np.where(same, np.maximum(a, b), a * b).astype(np.float32)
    if levels:
        score = np.floor(score * np.float32(levels)) / np.float32(levels)
    return score.astype(np.float32), same.astype(np.uint8)


def equal_error_rate(fpr, tpr):
    """Where the polyline (fpr, tpr) meets fpr = 1 - tpr."""
    gap = fpr - (1 - tpr)
    i = int(np.argmax(gap >= 0))
    if i == 0 or gap[i] == 0:
        return fpr[i]
    t = -gap[i - 1] / (gap[i] - gap[i - 1])
    return fpr[i - 1] + t * (fpr[i] - fpr[i - 1])


def best_accuracy(score, same):
    thresholds = np.concatenate([[np.inf], np.unique(score)[::-1]])
    order = np.sort(score[same == 1]), np.sort(score[same == 0])
    accepted = [len(o) - np.searchsorted(o, thresholds, side="left") for o in order]
    right = accepted[0] + len(order[1]) - accepted[1]
    return right.max() / len(score)


def balanced_error(fpr, tpr):
    """The least |FAR - FRR| of any threshold."""
    return np.abs(fpr - (1 - tpr)).min()


def folds(score, same, n_folds=10):
    """calculate_roc and calculate_val of arcface_torch/eval/verification.py, numpy.interp for scipy's interp1d."""
    dist = 2.0 - 2.0 * score.astype(np.float64)
    actual = same == 1
    accuracy, threshold, val, far = [], [], [], []
    coarse, fine = np.arange(0, 4, 0.01), np.arange(0, 4, 0.001)

    def rates(limit, d, a):
        accept = np.less(d, limit)
        return accept, np.sum(accept & a), np.sum(accept & ~a)

    for train, test in KFold(n_folds, shuffle=False).split(np.arange(len(dist))):
        right = [np.mean(np.less(dist[train], t) == actual[train]) for t in coarse]
        best = int(np.argmax(right))
        threshold.append(1 - coarse[best] / 2)
        accuracy.append(np.mean(np.less(dist[test], coarse[best]) == actual[test]))
        far_train = np.array([rates(t, dist[train], actual[train])[2] for t in fine]) / np.sum(~actual[train])
        limit = np.interp(1e-3, far_train, fine) if far_train.max() >= 1e-3 else 0.0
        _, ta, fa = rates(limit, dist[test], actual[test])
        val.append(ta / np.sum(actual[test]))
        far.append(fa / np.sum(~actual[test]))
    return dict(accuracy=accuracy, threshold=threshold, accuracy_mean=np.mean(accuracy), accuracy_std=np.std(accuracy), val_mean=np.mean(val),
                val_std=np.std(val), val_far_mean=np.mean(far))


def evaluate(score, same, with_folds=False):
    fpr, tpr, thresholds = roc_curve(same, score, drop_intermediate=False)
    every = max(1, len(fpr) // 200)
    kept = sorted(set(range(1, len(fpr), every)) | {len(fpr) - 1})
    tar = [float(tpr[fpr <= target].max()) for target in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)]
    result = dict(auc=roc_auc_score(same, score), eer=equal_error_rate(fpr, tpr), imbalance=balanced_error(fpr, tpr), tar=tar,
                  accuracy=best_accuracy(score, same), mean_same=score[same == 1].astype(np.float64).mean(),
                  mean_different=score[same == 0].astype(np.float64).mean(),
                  roc=[[float(fpr[i]), float(tpr[i]), float(thresholds[i])] for i in kept])
    if with_folds:
        result["folds"] = folds(score, same)
    return result


def listed(name, score, same):
    score, same = np.float32(score), np.uint8(same)
    return dict(name=name, score=[float(s) for s in score], same=[int(s) for s in same], **evaluate(score, same))


def drawn_set(name, seed, n, one_in, levels, with_folds):
    return dict(name=name, draw=[seed, n, one_in, levels], **evaluate(*drawn(seed, n, one_in, levels), with_folds=with_folds))


def embeddings(name, seed, n, dim, people, from_row):
    """Rows of length 1; rows from `from_row` on are queries against those before it, or all pairs where it is 0."""
    rng = np.random.RandomState(seed)
    label = rng.randint(people, size=n)
    x = rng.randn(people, dim)[label] + 1.3 * rng.randn(n, dim)
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    s = np.zeros((n, n), np.float32)
    for d in range(dim):  # f32, in the order of the dimensions
        s += x[:, d : d + 1] * x[None, :, d]
    i, j = np.triu_indices(n, 1) if from_row == 0 else (k.ravel() for k in np.mgrid[from_row:n, 0:from_row])
    score, same = s[i, j], (label[i] == label[j]).astype(np.uint8)
    a, b = (i, j) if from_row == 0 else (i - from_row, j)
    worst = {}
    for kind, sign in (("hard_same", 1), ("hard_different", -1)):
        of_kind = np.flatnonzero(same == (kind == "hard_same"))
        order = of_kind[np.lexsort((b[of_kind], a[of_kind], sign * score[of_kind].astype(np.float64)))][:12]
        worst[kind] = [[int(a[k]), int(b[k]), float(score[k])] for k in order]
    x.tofile(OUT / f"{name}.f32")
    return dict(name=name, dim=dim, from_row=from_row, label=[int(k) for k in label], **worst, **evaluate(score, same))


def main():
    OUT.mkdir(exist_ok=True)
    sets = [
        listed("one of each, right", [0.9, 0.1], [1, 0]),
        listed("one of each, wrong", [0.1, 0.9], [1, 0]),
        listed("one of each, equal", [0.5, 0.5], [1, 0]),
        listed("all equal", [0.25] * 7, [1, 0, 0, 1, 1, 0, 0]),
        listed("separated", [0.9, 0.8, 0.7, 0.3, 0.2, 0.1, -0.4], [1, 1, 1, 0, 0, 0, 0]),
        listed("two zeros", [0.0, -0.0, 0.5, -0.5, 0.0], [1, 0, 1, 0, 0]),
        listed("negative scores", [-0.9, -0.1, -0.5, -0.3, -0.7, -0.2], [0, 1, 1, 0, 0, 1]),
        listed("ties across", [0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.1, 0.8, 0.2], [0, 0, 1, 1, 1, 0, 1, 0, 0]),
        listed("one same among many", [0.55] + [i / 32 for i in range(32)], [1] + [0] * 32),
        listed("one different among many", [0.55] + [i / 32 for i in range(32)], [0] + [1] * 32),
        listed("beyond 1", [12.5, -30.0, 4.0, 4.0, 100.0, -7.0], [1, 0, 1, 0, 1, 0]),
        drawn_set("half and half", 11, 6000, 2, 0, True),
        drawn_set("coarse", 23, 6007, 3, 20, True),
        drawn_set("100k pairs", 37, 100000, 50, 0, True),
        drawn_set("100k pairs, ties", 41, 100000, 200, 1000, True),
    ]
    (OUT / "pairs.json").write_text(json.dumps(sets) + "\n")
    groups = [embeddings("all_pairs", 5, 301, 37, 40, 0), embeddings("against", 6, 180, 64, 25, 150)]
    (OUT / "embeddings.json").write_text(json.dumps(groups) + "\n")


if __name__ == "__main__":
    main()
