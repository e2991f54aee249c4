#!/usr/bin/env python3
"""Golden sequences from pytorch-metric-learning's MPerClassSampler.

sampler/cases.txt   label_seed n classes skew m batch length seed  length_of_a_pass  hash of three passes after one np.random.seed
                    batch 0 is batch_size=None; length_of_a_pass 0 means that MPerClassSampler refuses
sampler/full.txt    m batch length seed | labels | indices of the first pass

usage: make_sampler.py (writes beside itself)
"""
import os
import sys

import numpy as np
import pytorch_metric_learning
from pytorch_metric_learning.samplers import MPerClassSampler

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from labels import Lcg, draw_labels, fnv

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sampler")


def passes(y, m, batch, length, seed, n):
    try:
        sampler = MPerClassSampler(y, m, batch_size=batch or None, length_before_new_iter=length)
    except AssertionError:
        return None
    np.random.seed(seed)
    return [[int(i) for i in sampler] for _ in range(n)]


def main():
    os.makedirs(HERE, exist_ok=True)
    head = f"# made by make_sampler.py, pytorch-metric-learning {pytorch_metric_learning.__version__}, numpy {np.__version__}\n"
    lcg = Lcg(77)
    with open(os.path.join(HERE, "cases.txt"), "w") as f:
        f.write(head)
        for i in range(300):
            classes = 1 + lcg.below(50)
            n = 1 + lcg.below(classes * 9)
            skew = lcg.below(3)
            m = 1 + lcg.below(6)
            batch = [0, m * (1 + lcg.below(classes + 3)), 32][lcg.below(3)]
            length = [1 + lcg.below(40), 1 + lcg.below(3000)][lcg.below(2)]
            seed = lcg.below(1 << 31)
            y = draw_labels(i, n, classes, skew)
            out = passes(y, m, batch, length, seed, 3)
            a_pass = 0 if out is None else len(out[0])
            flat = [] if out is None else [v for p in out for v in p]
            f.write(f"{i} {n} {classes} {skew} {m} {batch} {length} {seed} {a_pass} {fnv(flat):016x}\n")
    with open(os.path.join(HERE, "full.txt"), "w") as f:
        f.write(head)
        for y, m, batch, length, seed in [
            (np.repeat(np.arange(5), [5, 3, 6, 4, 2]), 4, 8, 32, 0),
            (np.array([4, 4, 1, 1, 1, 0, 7, 7, 7, 7]), 4, 0, 50, 3),
            (np.array([2, 1, 0]), 2, 0, 5, 1),
        ]:
            out = passes(y, m, batch, length, seed, 1)[0]
            f.write(f"{m} {batch} {length} {seed} | {' '.join(map(str, y))} | {' '.join(map(str, out))}\n")


if __name__ == "__main__":
    main()
