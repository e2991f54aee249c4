#!/usr/bin/env python3
"""Golden values and gradients of losses with a memory, from pytorch-metric-learning's CrossBatchMemory in float64: batches one after the
other, which go round the ring.

xbm/cases.txt, for each case

    case NAME memory dim steps
    {loss: {its configuration}, miner: {its configuration}}
    step photos loss
    label image e[0] .. e[dim-1]  de[0] .. de[dim-1]       one line a photo of the step's batch

futago leaves a photo's own copies out before a miner looks; the peer drops the batch's own after its miner has chosen, and does not know
older ones. So the values are the peer's loss of pairs that the peer's miner chose anchor by anchor among what is not a copy of the anchor;
where no choice can fall on a copy they are those of CrossBatchMemory itself, and where it can, they must not be.

usage: make_xbm.py (writes beside itself)
"""
import os
import sys

import numpy as np
import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import (
    CircleLoss,
    ContrastiveLoss,
    CrossBatchMemory,
    MultiSimilarityLoss,
    NTXentLoss,
    SupConLoss,
    TripletMarginLoss,
)
from pytorch_metric_learning.miners import BatchEasyHardMiner, BatchHardMiner, MultiSimilarityMiner, PairMarginMiner, TripletMarginMiner
from pytorch_metric_learning.reducers import SumReducer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from make_loss import random_rows

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "xbm")
DIM, BATCHES = 4, (8, 8, 5, 8)  # the third is an epoch's last


class AllPairs(torch.nn.Module):
    def forward(self, e, labels, refs, ref_labels):
        same = labels[:, None] == ref_labels[None]
        return (*torch.where(same), *torch.where(~same))


CONTRASTIVE = ("type: contrastive", ContrastiveLoss(1, 0.05, distance=CosineSimilarity()))
TRIPLET = ("type: triplet, margin: 0.3", TripletMarginLoss(0.3))

# loss: configuration, peer; miner: configuration, peer; memory; photos there are; does the peer's choice never fall on a copy?
CASES = [
    (*CONTRASTIVE, "none", None, 13, 40, True),
    (*CONTRASTIVE, "none", None, 8, 40, True),
    (*CONTRASTIVE, "none", None, 40, 40, True),
    (*CONTRASTIVE, "none", None, 13, 11, False),
    ("type: contrastive, distance: l2, pos_margin: 0.1, neg_margin: 1", ContrastiveLoss(0.1, 1), "none", None, 13, 40, True),
    ("type: contrastive, reducer: sum", ContrastiveLoss(1, 0.05, distance=CosineSimilarity(), reducer=SumReducer()), "none", None, 13, 40, True),
    (*TRIPLET, "none", None, 13, 40, True),
    (*TRIPLET, "none", None, 13, 11, False),
    ("type: triplet, distance: cosine, smooth: true", TripletMarginLoss(smooth_loss=True, distance=CosineSimilarity()), "none", None, 13, 40, True),
    ("type: multi_similarity", MultiSimilarityLoss(), "none", None, 13, 40, True),
    ("type: supcon", SupConLoss(), "none", None, 13, 40, True),
    ("type: ntxent", NTXentLoss(), "none", None, 13, 40, True),
    ("type: circle", CircleLoss(), "none", None, 13, 40, True),
    (*TRIPLET, "batch_hard", BatchHardMiner(), 13, 40, True),
    (*TRIPLET, "batch_hard", BatchHardMiner(), 13, 11, False),
    (*TRIPLET, "triplet_margin, type_of_triplets: semihard", TripletMarginMiner(type_of_triplets="semihard"), 13, 40, True),
    (*CONTRASTIVE, "multi_similarity", MultiSimilarityMiner(), 13, 40, True),
    (*CONTRASTIVE, "pair_margin", PairMarginMiner(), 13, 40, True),
    (*CONTRASTIVE, "batch_easy_hard, pos_strategy: easy, neg_strategy: hard", BatchEasyHardMiner("easy", "hard"), 13, 40, False),
]


def batches(photos):
    """embeddings, labels, images of each step; photo i is of person i // 2 mod 5"""
    first = 0
    for step, n in enumerate(BATCHES):
        images = [(first + i) % photos for i in range(n)]
        labels = [image // 2 % 5 for image in images]
        yield np.round(random_rows(f"step {step}", n, DIM, 0.7, labels), 4), labels, images
        first += n


def chosen(miner, e, labels, images, refs, ref_labels, ref_images):
    """Indices of pairs or triplets, the miner seeing one anchor at a time and no copy of it."""
    found = []
    for i in range(len(e)):
        keep = torch.where(ref_images != images[i])[0]
        indices = miner(e[i : i + 1], labels[i : i + 1], refs[keep], ref_labels[keep])
        anchors = (0, 2) if len(indices) == 4 else (0,)
        found.append([torch.full_like(x, i) if k in anchors else keep[x] for k, x in enumerate(indices)])
    return tuple(torch.cat(parts) for parts in zip(*found))


def main():
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "cases.txt"), "w") as f:
        f.write(f"# made by make_xbm.py, torch {torch.__version__}, pytorch-metric-learning {pml_version}\n")
        for loss_words, loss, miner_words, miner, memory, photos, is_peer in CASES:
            name = f"{loss_words[6:]} {miner_words} {memory} of {photos}".replace(",", "").replace(" ", "_")
            f.write(f"case {name} {memory} {DIM} {len(BATCHES)}\n{{loss: {{{loss_words}}}, miner: {{type: {miner_words}}}}}\n")
            peer = CrossBatchMemory(loss, DIM, memory, miner)
            seen = []  # the last `memory` of (embedding, label, image)
            differs = False
            for rows, labels, images in batches(photos):
                e = torch.tensor(rows, requires_grad=True)
                y, image = torch.tensor(labels), torch.tensor(images)
                seen = (seen + list(zip(rows, labels, images)))[-memory:]
                refs, ref_labels, ref_images = (torch.tensor(np.array(column)) for column in zip(*seen))
                value = loss(e, y, chosen(miner or AllPairs(), e.detach(), y, image, refs, ref_labels, ref_images), refs, ref_labels)
                value.backward()
                differs |= abs(value.item() - peer(torch.tensor(rows), y).item()) > 1e-12
                f.write(f"step {len(rows)} {value.item():.15g}\n")
                for i in range(len(rows)):
                    numbers = [f"{v:.4f}" for v in rows[i]] + [f"{v:.12g}" for v in e.grad[i]]
                    f.write(" ".join([str(labels[i]), str(images[i]), *numbers]) + "\n")
            assert differs != is_peer, name


if __name__ == "__main__":
    main()
