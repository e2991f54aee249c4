#!/usr/bin/env python3
"""The peer's training step: timm's network + Linear(512), pytorch-metric-learning's contrastive loss, AdamW, in eager mode.

usage: train_step.py BACKBONE SIZE BATCH THREADS STEPS [nchw|nhwc]
Prints the median images per second of the whole step (forward, loss, backward, optimizer), the first two steps left out.
"""
import statistics
import sys
import time

import timm
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss

backbone, size, batch, threads, steps = sys.argv[1], *map(int, sys.argv[2:6])
layout = torch.channels_last if sys.argv[6:] == ["nhwc"] else torch.contiguous_format
torch.set_num_threads(threads)
torch.manual_seed(0)
trunk = timm.create_model(backbone, num_classes=0)
net = torch.nn.Sequential(trunk, torch.nn.Linear(trunk.num_features, 512)).to(memory_format=layout).train()
loss_of = ContrastiveLoss(pos_margin=1, neg_margin=0.05, distance=CosineSimilarity())
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-5)
images = torch.randn(batch, 3, size, size).to(memory_format=layout)
labels = torch.arange(batch) // 4
seconds = []
for _ in range(steps):
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(net(images), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    seconds.append(time.perf_counter() - start)
print(f"{batch / statistics.median(seconds[2:]):.1f}")
