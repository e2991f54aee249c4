#!/usr/bin/env python3
"""The weights of pytorch-metric-learning's DistanceWeightedMiner, what it draws, and losses of what it drew, in float64.

distance_weighted/cases.txt, for each case

    case NAME photos dim cutoff nonzero_loss_cutoff
    labels
    distances [photos, photos]
    weights [photos, photos]: each row's sum is 1, or 0 where the peer draws nothing for the anchor
    draws of each anchor
    N, then N draws of the peer: anchor positive negative
    for each loss: {its configuration} value, then d value / d distances [photos, photos]

In float32 the peer loses anchors: it divides all weights by the largest of the whole batch, and most rows become 0 once a pair is near.
The script shows it, and the test has the rows that float64 keeps.

usage: make_distance_weighted.py (writes beside itself)
"""
import os
import sys

import numpy as np
import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import ContrastiveLoss, NTXentLoss, TripletMarginLoss
from pytorch_metric_learning.miners import DistanceWeightedMiner
from pytorch_metric_learning.utils import loss_and_miner_utils as lmu

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_loss import random_rows, corners

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "distance_weighted")


class Given(LpDistance):
    """The distances are a leaf."""

    def forward(self, query_emb, ref_emb=None):
        return self.mat


def cases():
    """name, embeddings, labels, cutoff, nonzero_loss_cutoff"""
    mixed = [0, 3, 1, 1, 0, 2, 3, 3, 2, 0, 1, 4]
    corner_rows, corner_labels = corners()
    fours = [i // 4 for i in range(16)]
    yield "random", random_rows("random", 12, 5), mixed, 0.5, 1.4
    yield "wide", random_rows("random", 12, 5), mixed, 0.2, 2
    yield "corners", corner_rows, corner_labels, 0.5, 1.4
    yield "no_cutoff", corner_rows, corner_labels, 0, 2
    yield "two_dimensions", random_rows("two dimensions", 10, 2), [i % 3 for i in range(10)], 0.1, 1.9
    yield "three_dimensions", random_rows("three dimensions", 10, 3), [i % 3 for i in range(10)], 0.1, 1.9
    yield "learnt", random_rows("learnt", 16, 64, 1.5, fours), fours, 0.5, 1.4
    near = random_rows("near and far", 8, 512)
    near[2] = near[0] + 0.3 * near[1]  # of two people, and near; all others are far apart
    yield "near_and_far", near, [0, 0, 1, 1, 2, 2, 3, 3], 0.5, 1.5
    yield "one_person", random_rows("one person", 5, 4), [5] * 5, 0.5, 1.4
    yield "nobody_twice", random_rows("nobody twice", 5, 4), list(range(5)), 0.5, 1.4


LOSSES = [
    ("{type: triplet, margin: 0.3}", lambda d: TripletMarginLoss(0.3, distance=d)),
    ("{type: triplet, margin: 0.3, smooth: true}", lambda d: TripletMarginLoss(0.3, smooth_loss=True, distance=d)),
    ("{type: contrastive, distance: l2, pos_margin: 0.1, neg_margin: 1.2}", lambda d: ContrastiveLoss(0.1, 1.2, distance=d)),
    ("{type: ntxent, distance: l2, temperature: 0.3}", lambda d: NTXentLoss(0.3, distance=d)),
]


def mine(e, labels, cutoff, nonzero, dtype=torch.float64):
    """The peer's weights (rows of 0 where it draws nothing) and its triplets."""
    kept = {}
    draw = lmu.get_random_triplet_indices

    def spy(labels, ref_labels=None, t_per_anchor=None, weights=None):
        kept["weights"] = weights
        return draw(labels, ref_labels=ref_labels, t_per_anchor=t_per_anchor, weights=weights)

    lmu.get_random_triplet_indices = spy
    torch.manual_seed(1)
    triplets = DistanceWeightedMiner(cutoff, nonzero)(torch.tensor(e, dtype=dtype), torch.tensor(labels))
    lmu.get_random_triplet_indices = draw
    return torch.nan_to_num(kept["weights"], nan=0.0), triplets


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "cases.txt"), "w") as f:
        f.write(f"# made by make_distance_weighted.py, torch {torch.__version__}, pytorch-metric-learning {pml_version}\n")
        for name, e, labels, cutoff, nonzero in cases():
            n = len(labels)
            mat = LpDistance()(torch.tensor(e)).numpy()
            weights, (a, p, q) = mine(e, labels, cutoff, nonzero)
            anchors = np.bincount(a.numpy(), minlength=n)
            in_f32 = np.bincount(mine(e, labels, cutoff, nonzero, torch.float32)[1][0].numpy(), minlength=n)
            print(f"{name}: {(anchors > 0).sum()} anchors, {(in_f32 > 0).sum()} in float32")
            numbers = lambda rows, digits: "".join(" ".join(f"{x:.{digits}g}" for x in row) + "\n" for row in rows)
            f.write(f"case {name} {n} {e.shape[1]} {cutoff} {nonzero}\n{' '.join(map(str, labels))}\n")
            f.write(numbers(mat, 17) + numbers(weights.numpy(), 12) + " ".join(map(str, anchors)) + "\n")
            f.write(f"{len(a)}\n" + "".join(f"{int(x)} {int(y)} {int(z)}\n" for x, y, z in sorted(zip(a, p, q))))
            for config, make in LOSSES:
                distance = Given()
                distance.mat = torch.tensor(mat, requires_grad=True)
                value = make(distance)(torch.tensor(e), torch.tensor(labels), (a, p, q))
                if value.requires_grad:  # not where nothing was drawn
                    value.backward()
                grad = distance.mat.grad if distance.mat.grad is not None else torch.zeros(n, n)
                f.write(f"{config}\n{value.item():.15g}\n" + numbers(grad.numpy(), 12))


if __name__ == "__main__":
    main()
