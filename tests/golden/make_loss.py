#!/usr/bin/env python3
"""Golden values and gradients of the contrastive loss on cosine similarity, from pytorch-metric-learning in float64.

loss/contrastive.txt   case NAME batch dim pos_margin neg_margin
                       loss  active positives  active negatives  positives  negatives
                       label image e[0] .. e[dim-1]  de[0] .. de[dim-1]         one line a photo

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
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss

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


def peer(e, labels, images, pos_margin, neg_margin):
    leaf = torch.tensor(e, requires_grad=True)
    loss = ContrastiveLoss(pos_margin=pos_margin, neg_margin=neg_margin, distance=CosineSimilarity())
    y, image = torch.tensor(labels), torch.tensor(images)
    apart = image[:, None] != image[None]
    same = y[:, None] == y[None]
    positives, negatives = torch.where(same & apart), torch.where(~same & apart)
    value = loss(leaf, y, (*positives, *negatives))
    if len(set(images)) == len(images):
        assert value == loss(leaf, y)  # what it does when it chooses the pairs itself
    value.backward()
    h = torch.nn.functional.normalize(leaf.detach())
    s = h @ h.T
    gap = torch.cat([s[positives] - pos_margin, s[negatives] - neg_margin]).abs()
    assert not ((gap > 0) & (gap < 1e-5)).any()  # float32 must find the same pairs active
    active = [int((pos_margin - s[positives] > 0).sum()), int((s[negatives] - neg_margin > 0).sum())]
    return value.item(), active + [len(positives[0]), len(negatives[0])], leaf.grad.numpy()


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "contrastive.txt"), "w") as f:
        f.write(f"# made by make_loss.py, torch {torch.__version__}, pytorch-metric-learning {pml_version}\n")
        for name, e, labels, images, pos_margin, neg_margin in cases():
            images = images or list(range(100, 100 + len(labels)))
            value, counts, de = peer(e, labels, images, pos_margin, neg_margin)
            f.write(f"case {name.replace(' ', '_')} {e.shape[0]} {e.shape[1]} {pos_margin} {neg_margin}\n")
            f.write(" ".join([f"{value:.15g}", *map(str, counts)]) + "\n")
            for i in range(len(labels)):
                numbers = [f"{v:.17g}" for v in e[i]] + [f"{v:.12g}" for v in de[i]]
                f.write(" ".join([str(labels[i]), str(images[i]), *numbers]) + "\n")


if __name__ == "__main__":
    main()
