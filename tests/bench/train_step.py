#!/usr/bin/env python3
"""The peer's training step: timm's network + Linear(512), pytorch-metric-learning's contrastive loss, AdamW.

usage: train_step.py BACKBONE SIZE BATCH THREADS SECONDS eager|compile nchw|nhwc f32|bf16
bf16 is autocast, as PyTorch's users write it. Measures the whole step (forward, loss, backward, optimizer) for SECONDS and at least four
steps, the first two left out, and prints the median of images per second and the peak of memory in MiB.
"""
import resource
import statistics
import sys
import time

import timm
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss

WARM_UP, STEPS_MIN = 2, 4

backbone = sys.argv[1]
size, batch, threads, limit = map(int, sys.argv[2:6])
mode, layout, precision = sys.argv[6:9]
memory_format = torch.channels_last if layout == "nhwc" else torch.contiguous_format
torch.set_num_threads(threads)
torch.manual_seed(0)
trunk = timm.create_model(backbone, num_classes=0)
net = torch.nn.Sequential(trunk, torch.nn.Linear(trunk.num_features, 512)).to(memory_format=memory_format).train()
forward = torch.compile(net) if mode == "compile" else net
loss_of = ContrastiveLoss(pos_margin=1, neg_margin=0.05, distance=CosineSimilarity())
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-5)
images = torch.randn(batch, 3, size, size).to(memory_format=memory_format)
labels = torch.arange(batch) // 4
seconds = []
while len(seconds) < WARM_UP + STEPS_MIN or sum(seconds[WARM_UP:]) < limit:
    start = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        embeddings = forward(images)
    loss = loss_of(embeddings.float(), labels)
    loss.backward()
    optimizer.step()
    loss.item()
    seconds.append(time.perf_counter() - start)
print(f"{batch / statistics.median(seconds[WARM_UP:]):.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")
