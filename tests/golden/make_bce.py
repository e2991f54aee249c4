#!/usr/bin/env python3
"""Golden values and gradients of the loss bce, by torch's binary_cross_entropy_with_logits and autograd in float64.

bce/cases.txt, for each case

    case NAME photos dim parameters
    {loss: {its configuration}, miner: {its configuration}}
    value
    parameters, then their gradients
    label image e[0] .. e[dim-1]  de[0] .. de[dim-1]       one line a photo

usage: make_bce.py (writes beside itself)
"""
import os
import sys

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce, normalize

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_loss import masks, random_rows, row_batches
from pytorch_metric_learning.miners import BatchHardMiner

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bce")


def logits_of(e, params, head, distance):
    h = e if distance == "dot" else normalize(e)
    difference = h[:, None] - h[None]
    if head == "difference":
        return difference.abs() @ params[:-1] + params[-1]
    s = -(difference.square().sum(-1) + torch.eye(len(e))).sqrt() if distance == "l2" else h @ h.T
    return params[0] * s + params[1]


def loss_of(logits, positives, negatives, pairs):
    of = lambda mask, target: bce(logits[mask], torch.full_like(logits[mask], target), reduction="sum")
    pos, neg = of(positives, 1.0), of(negatives, 0.0)
    n_pos, n_neg = int(positives.sum()), int(negatives.sum())
    if pairs == "all":
        return (pos + neg) / max(n_pos + n_neg, 1)
    return 0.5 * (pos / max(n_pos, 1) + neg / max(n_neg, 1))


def cases():
    """name, head, distance, pairs, miner, e, labels, images"""
    for batch, e, labels, images in row_batches():
        if batch == "corners":
            continue  # two embeddings that agree: the peer's root has no derivative there
        for head, distance in (("similarity", "cosine"), ("similarity", "l2"), ("similarity", "dot"), ("difference", "cosine"), ("difference", "dot")):
            if images and distance == "l2":
                continue
            for pairs in ("all", "balanced"):
                for miner in ("none", "batch_hard") if batch in ("random", "learnt") else ("none",):
                    yield f"{head}_{distance}_{pairs}_{miner}_{batch.replace(' ', '_')}", head, distance, pairs, miner, np.round(e, 4), labels, images


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "cases.txt"), "w") as f:
        f.write(f"# made by make_bce.py, torch {torch.__version__}\n")
        for name, head, distance, pairs, miner, rows, labels, images in cases():
            images = images or list(range(100, 100 + len(labels)))
            n, dim = rows.shape
            e = torch.tensor(rows, requires_grad=True)
            start = [-1.3, *random_rows("w", 1, dim - 1)[0], 0.4] if head == "difference" else [3.7, -0.8]
            params = torch.tensor(np.round(start, 4), dtype=torch.float64, requires_grad=True)
            positives, negatives = masks(labels, images)
            if miner == "batch_hard":
                anchor, p, q = BatchHardMiner()(e.detach(), torch.tensor(labels))
                positives, negatives = torch.zeros(n, n, dtype=bool), torch.zeros(n, n, dtype=bool)
                positives[anchor, p] = True
                negatives[anchor, q] = True
            value = loss_of(logits_of(e, params, head, distance), positives, negatives, pairs)
            value.backward()
            f.write(f"case {name} {n} {dim} {len(params)}\n")
            f.write(f"{{loss: {{type: bce, head: {head}, distance: {distance}, pairs: {pairs}}}, miner: {{type: {miner}}}}}\n{value.item():.15g}\n")
            numbers = lambda values, digits: " ".join(f"{v:.{digits}g}" for v in values)
            f.write(numbers(params.tolist(), 8) + "\n" + numbers(params.grad.tolist(), 12) + "\n")
            for i in range(n):
                f.write(f"{labels[i]} {images[i]} " + " ".join(f"{v:.4f}" for v in rows[i]) + " " + numbers(e.grad[i].tolist(), 12) + "\n")


if __name__ == "__main__":
    main()
