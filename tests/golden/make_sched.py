#!/usr/bin/env python3
"""Golden learning rates of torch.optim.lr_scheduler, stepped once an epoch.

sched/rates.txt   case type base t_max eta_min, then the rate of epoch 0, 1, ... EPOCHS-1, one a line

usage: make_sched.py (writes beside itself)
"""
import os
import warnings

import torch
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sched")
EPOCHS = 105
CASES = [("cosine", 1e-4, 50, 1e-6), ("cosine", 3e-3, 7, 0.0), ("cosine", 1e-3, 1, 1e-5), ("cosine", 1e-5, 30, 1e-3), ("constant", 1e-4, 0, 0.0)]


def rates(kind, base, t_max, eta_min):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=base)
    scheduler = CosineAnnealingLR(optimizer, t_max, eta_min) if kind == "cosine" else ConstantLR(optimizer, factor=1.0)
    for _ in range(EPOCHS):
        yield scheduler.get_last_lr()[0]
        scheduler.step()


def main():
    warnings.simplefilter("ignore")  # there is no optimizer.step() between the epochs
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "rates.txt"), "w") as f:
        f.write(f"# made by make_sched.py, torch {torch.__version__}\n")
        for kind, base, t_max, eta_min in CASES:
            f.write(f"case {kind} {base:g} {t_max} {eta_min:g}\n")
            f.writelines(f"{rate:.17g}\n" for rate in rates(kind, base, t_max, eta_min))


if __name__ == "__main__":
    main()
