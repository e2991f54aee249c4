#!/usr/bin/env python3
"""The peer's side of bench_loss: milliseconds, processor milliseconds and peak memory of pytorch-metric-learning's losses and miners.

usage: loss.py THREADS BATCH DIM REPEATS 'TripletMarginLoss()|BatchHardMiner()'...   A case that memory does not suffice for: -"""
import ctypes
import gc
import resource
import statistics
import sys
import time

import torch
from pytorch_metric_learning import losses, miners
from pytorch_metric_learning.distances import CosineSimilarity

threads, n, dim, repeats = map(int, sys.argv[1:5])
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))  # rather than the machine's end
torch.set_num_threads(threads)
torch.manual_seed(1)
e = (torch.rand(n, dim) - 0.5).requires_grad_()
y = torch.arange(n) // 4


def status_mib(name):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith(name)) / 1024


for case in sys.argv[5:]:
    loss, _, miner = case.partition("|")
    loss = eval(loss, {**vars(losses), "CosineSimilarity": CosineSimilarity})
    miner = eval(miner, vars(miners)) if miner else None
    e.grad = None
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    before, wall, processor = status_mib("VmRSS:"), [], []
    try:
        for _ in range(repeats + 1):
            start, processor_start = time.perf_counter(), time.process_time()
            loss(e, y, miner(e, y) if miner else None).backward()
            wall.append(time.perf_counter() - start)
            processor.append(time.process_time() - processor_start)
        peak = status_mib("VmHWM:") - before
        print(f"{1e3 * statistics.median(wall[1:]):.2f} {1e3 * statistics.median(processor[1:]):.2f} {peak:.1f}", flush=True)
    except (RuntimeError, MemoryError):
        print("- - -", flush=True)
