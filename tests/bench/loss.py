#!/usr/bin/env python3
"""The peer's side of bench_loss: milliseconds of pytorch-metric-learning's losses, forward and backward.

usage: loss.py [THREADS [BATCH [DIM]]], default 2 1024 512"""
import resource
import sys
import time

import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import CosineSimilarity

threads, n, dim = ([int(a) for a in sys.argv[1:]] + [2, 1024, 512][len(sys.argv) - 1 :])[:3]
torch.set_num_threads(threads)
torch.manual_seed(1)
e = (torch.rand(n, dim) - 0.5).requires_grad_()
y = torch.arange(n) // 4
cases = [
    ("contrastive cosine", losses.ContrastiveLoss(1, 0.05, distance=CosineSimilarity()), None),
    ("contrastive l2", losses.ContrastiveLoss(), None),
    ("triplet", losses.TripletMarginLoss(), None),
    ("triplet swap", losses.TripletMarginLoss(swap=True), None),
    ("multi_similarity", losses.MultiSimilarityLoss(), None),
    ("supcon", losses.SupConLoss(), None),
    ("ntxent", losses.NTXentLoss(), None),
    ("circle", losses.CircleLoss(), None),
    ("triplet after batch_hard", losses.TripletMarginLoss(), miners.BatchHardMiner()),
    ("multi_similarity after multi_similarity", losses.MultiSimilarityLoss(), miners.MultiSimilarityMiner()),
]
for name, loss, miner in cases:
    best = 1e9
    for _ in range(4):
        start = time.perf_counter()
        loss(e, y, miner(e, y) if miner else None).backward()
        best = min(best, time.perf_counter() - start)
    print(f"{name:40} {1e3 * best:8.1f} ms   peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MiB", flush=True)
