#!/usr/bin/env python3
"""Golden values and gradients of every loss, distance and reducer, from pytorch-metric-learning in float64.

loss/contrastive.txt   the contrastive loss on cosine similarity
loss/rows.txt          every loss on several distances, with several reducers
loss/classes.txt       losses of classes, with several reducers
loss/miners.txt        every miner with its strategies, in front of a loss of pairs and of triplets

    case NAME batch dim
    {loss: {its configuration}, miner: {its configuration}}
    loss  active positives  active negatives  positives  negatives           -1: not told by the peer
    label image kinds e[0] .. e[dim-1]  de[0] .. de[dim-1]                    one line a photo; kinds: what its pairs with each photo
                                                                              are, 0 left out, 1 positive, 2 negative; - not told
    ref label image w[0] .. w[dim-1]  dw[0] .. dw[dim-1]                      one line a class, image -1: its weights

Pairs of a photo with itself (the same image twice in the batch) are taken out of what the peer is given, as futago leaves them out.
Where similarities meet a margin, rows have exact unit vectors (one-hot, or all of one size in a power of 4 dimensions), so that no
rounding decides which pairs are active.

usage: make_loss.py (writes beside itself)
"""
import os
import sys

import numpy as np
import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning.distances import CosineSimilarity, DotProductSimilarity, LpDistance
from pytorch_metric_learning.losses import (
    ArcFaceLoss,
    CircleLoss,
    ContrastiveLoss,
    CosFaceLoss,
    MultiSimilarityLoss,
    NTXentLoss,
    SupConLoss,
    TripletMarginLoss,
)
from pytorch_metric_learning.miners import (
    BatchEasyHardMiner,
    BatchHardMiner,
    MultiSimilarityMiner,
    PairMarginMiner,
    TripletMarginMiner,
)
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer, SumReducer, ThresholdReducer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loss")


def random_rows(name, n, dim, pull=0.0, labels=None):
    """f32 values; `pull` moves rows of one label together."""
    e = net_fill.signed_units(name, n * dim).reshape(n, dim)
    if labels is not None:
        e = e + pull * net_fill.signed_units(name + " centres", (max(labels) + 1) * dim).reshape(-1, dim)[labels]
    return e.astype(np.float32).astype(np.float64)


def corners():
    """Exact unit vectors with ties, duplicates of one person and of two, opposites and zeros."""
    rows = np.zeros((14, 4))
    for i, row in enumerate([(1, 0, 0, 0), (1, 0, 0, 0), (0, 2, 0, 0), (0, -2, 0, 0), (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, -1, -1)]):
        rows[i] = row
    for i, row in enumerate([(-3, -3, -3, -3), (0, 0, 0, 0), (0, 0, 0, 0), (4, 0, 0, 0), (0, 0, 0, 8), (1, -1, 1, -1), (0, 0, 1, 0)]):
        rows[7 + i] = row
    return rows, [0, 0, 1, 1, 2, 3, 3, 3, 0, 1, 4, 4, 4, 5]


def cases():
    """name, embeddings, labels, images or None, pos_margin, neg_margin"""
    design = np.array([(1, 0, 0), (0.8, 0.6, 0), (0, 1, 0), (0, 0.6, 0.8), (0, 0, 1), (0.6, 0, 0.8)])
    corner_rows, corner_labels = corners()
    fours = [i // 4 for i in range(32)]
    mixed = [0, 3, 1, 1, 0, 2, 3, 3, 2, 0, 1, 4]
    for pos, neg in ((1, 0.05), (0.05, 1), (1, 0), (0.7, 0.3)):
        yield f"six {pos} {neg}", design, [0, 0, 1, 1, 2, 2], None, pos, neg
        yield f"random {pos} {neg}", random_rows("random", 12, 5), mixed, None, pos, neg
        yield f"corners {pos} {neg}", corner_rows, corner_labels, None, pos, neg
    yield "batch of the article", random_rows("m per class", 32, 24, 0.7, fours), fours, None, 1, 0.05
    yield "learnt", random_rows("learnt", 32, 24, 9, fours), fours, None, 0.9, 0.05
    yield "more columns than a register", random_rows("odd", 37, 19), [i % 7 for i in range(37)], None, 1, 0.05
    yield "one person", random_rows("one person", 7, 6), [5] * 7, None, 1, 0.05
    yield "nobody twice", random_rows("nobody twice", 7, 6), list(range(7)), None, 1, 0.05
    yield "two photos of one", random_rows("two", 2, 6), [3, 3], None, 1, 0.05
    yield "two people", random_rows("two", 2, 6), [3, 4], None, 1, -1
    yield "one photo", random_rows("two", 1, 6), [3], None, 1, 0.05
    yield "nothing active", random_rows("nothing", 8, 6), [i // 2 for i in range(8)], None, -1, 2
    scale = np.array([1e-9, 1e9, 1, 1e-15, 1e6, 1e-6, 1, 3e-13, 7e-13, 1, 1, 1])[:, None]
    yield "lengths from 1e-15 to 1e9", (random_rows("lengths", 12, 5) * scale).astype(np.float32).astype(float), mixed, None, 1, 0.05
    again = random_rows("again", 12, 5)
    again[4], again[9], again[7] = again[0], again[0], again[6]
    yield "a photo three times and another twice", again, mixed, [0, 1, 2, 3, 0, 5, 6, 6, 8, 0, 10, 11], 1, 0.05
    yield "positives only of a photo with itself", np.repeat(random_rows("two", 2, 6), 2, 0), [0, 0, 1, 1], [4, 4, 7, 7], 1, 0.05


DISTANCES = {"cosine": CosineSimilarity, "l2": LpDistance, "dot": DotProductSimilarity}


class CheckedThreshold(ThresholdReducer):
    """Refuses cases where float32 could find an item on the other side."""

    def element_reduction_helper(self, losses, embeddings):
        assert ((losses - self.low).abs() > 1e-4).all() and ((losses - self.high).abs() > 1e-4).all()
        return super().element_reduction_helper(losses, embeddings)


REDUCERS = {
    "mean": MeanReducer,
    "sum": SumReducer,
    "avg_non_zero": AvgNonZeroReducer,
    "threshold": lambda: CheckedThreshold(low=0.17, high=1.9),
}


def masks(labels, images):
    y, image = torch.tensor(labels), torch.tensor(images)
    apart = image[:, None] != image[None]
    same = y[:, None] == y[None]
    return same & apart, ~same & apart


def pair_indices(labels, images):
    positives, negatives = masks(labels, images)
    return (*torch.where(positives), *torch.where(negatives))


def triplet_indices(labels, images):
    positives, negatives = masks(labels, images)
    return torch.where(positives[:, :, None] & negatives[:, None, :])


def peer(loss, e, labels, images, indices=None):
    """Value and gradient, of the pairs or triplets a miner chose; the peer chooses all itself where no photo is there twice."""
    leaf = torch.tensor(e, requires_grad=True)
    if indices is not None:
        value = loss(leaf, torch.tensor(labels), indices)
        value.backward()
        return value.item(), leaf.grad.numpy()
    chosen = triplet_indices if isinstance(loss, TripletMarginLoss) else pair_indices
    value = loss(leaf, torch.tensor(labels), chosen(labels, images))
    if len(set(images)) == len(images):
        assert value == loss(leaf, torch.tensor(labels))
    value.backward()
    return value.item(), leaf.grad.numpy()


def contrastive_counts(e, labels, images, pos_margin, neg_margin):
    positives, negatives = masks(labels, images)
    h = torch.nn.functional.normalize(torch.tensor(e))
    s = h @ h.T
    gap = torch.cat([s[positives] - pos_margin, s[negatives] - neg_margin]).abs()
    assert not ((gap > 0) & (gap < 1e-5)).any()  # float32 must find the same pairs active
    active = [int((pos_margin - s[positives] > 0).sum()), int((s[negatives] - neg_margin > 0).sum())]
    return active + [int(positives.sum()), int(negatives.sum())]


def write_case(f, name, config, loss, e, labels, images, counts, exact, indices=None, kinds=None):
    images = images or list(range(100, 100 + len(labels)))
    value, de = peer(loss, e, labels, images, indices)
    f.write(f"case {name.replace(' ', '_')} {e.shape[0]} {e.shape[1]}\n{config}\n")
    f.write(" ".join([f"{value:.15g}", *map(str, counts)]) + "\n")
    for i in range(len(labels)):
        numbers = [f"{v:.17g}" if exact else f"{v:.4f}" for v in e[i]] + [f"{v:.12g}" for v in de[i]]
        f.write(" ".join([str(labels[i]), str(images[i]), kinds[i] if kinds else "-", *numbers]) + "\n")


# name in a configuration, class of the peer, the peer's own distance and reducer, more options: ours and the peer's
LOSSES = [
    ("contrastive", ContrastiveLoss, "l2", "avg_non_zero", "pos_margin: 0.1, neg_margin: 1", {"pos_margin": 0.1, "neg_margin": 1}),
    ("contrastive", ContrastiveLoss, "dot", "avg_non_zero", "pos_margin: 0.9, neg_margin: 0.1", {"pos_margin": 0.9, "neg_margin": 0.1}),
    ("triplet", TripletMarginLoss, "l2", "avg_non_zero", "", {}),
    ("triplet", TripletMarginLoss, "l2", "avg_non_zero", "margin: 0.2, smooth: true", {"margin": 0.2, "smooth_loss": True}),
    ("triplet", TripletMarginLoss, "l2", "avg_non_zero", "margin: 0.2, swap: true", {"margin": 0.2, "swap": True}),
    ("triplet", TripletMarginLoss, "l2", "avg_non_zero", "swap: true, smooth: true", {"swap": True, "smooth_loss": True}),
    ("multi_similarity", MultiSimilarityLoss, "cosine", "mean", "", {}),
    ("multi_similarity", MultiSimilarityLoss, "cosine", "mean", "alpha: 5, beta: 12, base: 0.3", {"alpha": 5, "beta": 12, "base": 0.3}),
    ("supcon", SupConLoss, "cosine", "avg_non_zero", "", {}),
    ("supcon", SupConLoss, "cosine", "avg_non_zero", "temperature: 0.5", {"temperature": 0.5}),
    ("ntxent", NTXentLoss, "cosine", "mean", "", {}),
    ("ntxent", NTXentLoss, "cosine", "mean", "temperature: 0.5", {"temperature": 0.5}),
    ("circle", CircleLoss, "cosine", "avg_non_zero", "", {}),
    ("circle", CircleLoss, "cosine", "avg_non_zero", "m: 0.25, gamma: 16", {"m": 0.25, "gamma": 16}),
]


def row_batches():
    corner_rows, corner_labels = corners()
    mixed = [0, 3, 1, 1, 0, 2, 3, 3, 2, 0, 1, 4]
    fours = [i // 4 for i in range(20)]
    again = random_rows("again", 12, 5)
    again[4], again[9], again[7] = again[0], again[0], again[6]
    yield "random", random_rows("random", 12, 5), mixed, None
    yield "corners", corner_rows, corner_labels, None
    yield "learnt", random_rows("learnt", 20, 6, 3, fours), fours, None
    yield "one person", random_rows("one person", 5, 4), [5] * 5, None
    yield "nobody twice", random_rows("nobody twice", 5, 4), list(range(5)), None
    yield "again", again, mixed, [0, 1, 2, 3, 0, 5, 6, 6, 8, 0, 10, 11]


def row_cases():
    """name, configuration, the peer's loss, batch"""
    for name, cls, distance, reducer, ours, theirs in LOSSES:
        distances = ["cosine"] if cls is CircleLoss else [distance] if cls is ContrastiveLoss else list(DISTANCES)
        for batch in row_batches():
            for d in distances:
                for r in REDUCERS if batch[0] == "random" else [reducer]:
                    options = ", ".join(x for x in (f"type: {name}", f"distance: {d}", f"reducer: {r}", ours) if x)
                    if r == "threshold":
                        options += ", low: 0.17, high: 1.9"
                    loss = cls(distance=DISTANCES[d](**({"normalize_embeddings": False} if d == "dot" else {})), reducer=REDUCERS[r](), **theirs)
                    yield f"{name} {d} {r} {batch[0]}", f"{{loss: {{{options}}}}}", loss, (np.round(batch[1], 4), *batch[2:])


CLASS_LOSSES = [
    ("arcface", ArcFaceLoss, {}),
    ("arcface", ArcFaceLoss, {"margin": 60, "scale": 5}),
    ("cosface", CosFaceLoss, {}),
    ("cosface", CosFaceLoss, {"margin": 0.1, "scale": 5}),
]
CLASSES = 7


def class_batches():
    for name, e, labels, images in row_batches():
        yield name, np.round(e, 4), labels, np.round(random_rows(name + " classes", CLASSES, e.shape[1]), 4)
    labels = [i % 5 for i in range(20)]
    w = np.round(random_rows("weights", CLASSES, 6), 4)
    w[5] = 0
    for name, factor in (("learnt classes", 1), ("turned away", -1)):
        e = factor * w[labels] + 0.1 * random_rows(name, 20, 6)
        e[3] = 0
        yield name, np.round(e, 4), labels, w


def class_cases():
    """name, configuration, the peer's loss with its weights, embeddings, labels"""
    for name, cls, options in CLASS_LOSSES:
        for batch, e, labels, w in class_batches():
            for r in REDUCERS if batch == "random" else ["mean"]:
                words = [f"type: {name}", f"reducer: {r}", *(f"{k}: {v}" for k, v in options.items())]
                if r == "threshold":
                    words.append("low: 0.17, high: 1.9")
                loss = cls(num_classes=CLASSES, embedding_size=e.shape[1], reducer=REDUCERS[r](), **options).double()
                loss.W.data = torch.tensor(w.T)
                yield f"{name} {'other ' if options else ''}{r} {batch}", f"{{loss: {{{', '.join(words)}}}}}", loss, e, labels


def write_class_case(f, name, config, loss, e, labels):
    leaf = torch.tensor(e, requires_grad=True)
    value = loss(leaf, torch.tensor(labels))
    value.backward()
    f.write(f"case {name.replace(' ', '_')} {e.shape[0]} {e.shape[1]}\n{config}\n{value.item():.15g} -1 -1 -1 -1\n")
    dw = torch.zeros_like(loss.W) if loss.W.grad is None else loss.W.grad  # no item past the reducer
    rows = [(f"{label} {100 + i} -", x, dx) for i, (label, x, dx) in enumerate(zip(labels, e, leaf.grad.numpy()))]
    rows += [(f"ref {c} -1", x, dx) for c, (x, dx) in enumerate(zip(loss.W.data.numpy().T, dw.numpy().T))]
    for words, x, dx in rows:
        f.write(" ".join([words, *(f"{v:.4f}" for v in x), *(f"{v:.12g}" for v in dx)]) + "\n")


STRATEGIES = [("easy", "semihard"), ("hard", "easy"), ("semihard", "hard"), ("semihard", "easy"), ("all", "hard"), ("easy", "all")]

# configuration, and the peer
MINERS = [
    ("type: pair_margin", PairMarginMiner()),
    ("type: pair_margin, distance: cosine, pos_margin: 0.8, neg_margin: 0.2", PairMarginMiner(0.8, 0.2, distance=CosineSimilarity())),
    ("type: batch_hard", BatchHardMiner()),
    ("type: batch_hard, distance: cosine", BatchHardMiner(distance=CosineSimilarity())),
    ("type: multi_similarity", MultiSimilarityMiner()),
    ("type: multi_similarity, distance: l2, epsilon: 0.3", MultiSimilarityMiner(epsilon=0.3, distance=LpDistance())),
    *(
        (f"type: batch_easy_hard, distance: {d}, pos_strategy: {p}, neg_strategy: {n}", BatchEasyHardMiner(p, n, distance=DISTANCES[d]()))
        for d in ("l2", "cosine")
        for p, n in STRATEGIES
    ),
]
TRIPLET_MINERS = [
    (d, f"type: triplet_margin, distance: {d}, type_of_triplets: {t}", TripletMarginMiner(type_of_triplets=t, distance=DISTANCES[d]()))
    for d in ("l2", "cosine")
    for t in ("all", "hard", "semihard", "easy")
]


def kinds_of(indices, n):
    a1, p, a2, q = (indices[0], indices[1], indices[0], indices[2]) if len(indices) == 3 else indices
    kinds = np.zeros((n, n), int)
    kinds[a1, p] = 1
    kinds[a2, q] = 2
    return ["".join(map(str, row)) for row in kinds]


def miner_cases():
    """arguments of write_case after the file"""
    pairs = ("type: contrastive, distance: l2, pos_margin: 0.1, neg_margin: 1", ContrastiveLoss(0.1, 1))
    for batch, e, labels, images in row_batches():
        if images:
            continue  # the peer's miners do not know that a photo is there twice
        e = np.round(e, 4)
        x, y = torch.tensor(e), torch.tensor(labels)
        for config, miner in MINERS:
            losses = [pairs]
            if "batch_hard" in config or "multi" in config:
                losses.append(("type: triplet, margin: 0.3", TripletMarginLoss(0.3)))
            for ours, loss in losses:
                indices = miner(x, y)
                if all(len(i) <= 1 for i in indices):
                    continue  # the peer makes the loss of a single pair 0
                yield (config.replace(",", "") + " " + batch)[:60], f"{{loss: {{{ours}}}, miner: {{{config}}}}}", loss, e, labels, None, [
                    -1
                ] * 4, False, indices, kinds_of(indices, len(labels))
        for d, config, miner in TRIPLET_MINERS:
            loss = TripletMarginLoss(0.3, distance=DISTANCES[d]())
            ours = f"type: triplet, margin: 0.3, distance: {d}"
            yield (config.replace(",", "") + " " + batch)[:60], f"{{loss: {{{ours}}}, miner: {{{config}}}}}", loss, e, labels, None, [
                -1
            ] * 4, False, miner(x, y)


def main():
    os.makedirs(HERE, exist_ok=True)
    made = f"# made by make_loss.py, torch {torch.__version__}, pytorch-metric-learning {pml_version}\n"
    with open(os.path.join(HERE, "contrastive.txt"), "w") as f:
        f.write(made)
        for name, e, labels, images, pos, neg in cases():
            loss = ContrastiveLoss(pos_margin=pos, neg_margin=neg, distance=CosineSimilarity())
            counts = contrastive_counts(e, labels, images or list(range(len(labels))), pos, neg)
            write_case(f, name, f"{{loss: {{type: contrastive, pos_margin: {pos}, neg_margin: {neg}}}}}", loss, e, labels, images, counts, True)
    with open(os.path.join(HERE, "rows.txt"), "w") as f:
        f.write(made)
        for name, config, loss, (e, labels, images) in row_cases():
            write_case(f, name, config, loss, e, labels, images, [-1] * 4, False)
    with open(os.path.join(HERE, "classes.txt"), "w") as f:
        f.write(made)
        for case in class_cases():
            write_class_case(f, *case)
    with open(os.path.join(HERE, "miners.txt"), "w") as f:
        f.write(made)
        for case in miner_cases():
            write_case(f, *case)


if __name__ == "__main__":
    main()
