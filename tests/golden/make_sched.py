#!/usr/bin/env python3
"""Golden learning rates of torch.optim.lr_scheduler, stepped once an epoch.

sched/rates.txt     case base, a line with the configuration, then the rate of epoch 0, 1, ... EPOCHS-1, one a line
sched/plateau.txt   the same for ReduceLROnPlateau, each line: the rate of the epoch, and what its evaluation says

usage: make_sched.py (writes beside itself)
"""
import math
import os
import warnings

import torch
from torch.optim import lr_scheduler as peer

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sched")
EPOCHS = 105
TYPES = {
    "cosine": lambda o, t_max, eta_min: peer.CosineAnnealingLR(o, t_max, eta_min),
    "constant": lambda o: peer.ConstantLR(o, factor=1.0),
    "step": peer.StepLR,
    "multi_step": peer.MultiStepLR,
    "exponential": peer.ExponentialLR,
    "polynomial": peer.PolynomialLR,
}
CASES = [
    ("cosine", 1e-4, {"t_max": 50, "eta_min": 1e-6}),
    ("cosine", 3e-3, {"t_max": 7, "eta_min": 0.0}),
    ("cosine", 1e-3, {"t_max": 1, "eta_min": 1e-5}),
    ("cosine", 1e-5, {"t_max": 30, "eta_min": 1e-3}),
    ("cosine", 1e-3, {"t_max": 40, "eta_min": 1e-5, "warmup": 10, "warmup_from": 0.1}),
    ("constant", 1e-4, {}),
    ("constant", 1e-2, {"warmup": 5, "warmup_from": 1e-3}),
    ("step", 1e-1, {"step_size": 30, "gamma": 0.1}),
    ("step", 1e-2, {"step_size": 7, "gamma": 0.5, "warmup": 3, "warmup_from": 0.25}),
    ("multi_step", 1e-1, {"milestones": [30, 40], "gamma": 0.1}),
    ("multi_step", 1e-2, {"milestones": [60, 10, 60, 1], "gamma": 0.3, "warmup": 4, "warmup_from": 0.5}),
    ("exponential", 1e-3, {"gamma": 0.95}),
    ("exponential", 1e-3, {"gamma": 0.8, "warmup": 20, "warmup_from": 0.05}),
    ("polynomial", 1e-3, {"total_iters": 50, "power": 1.0}),
    ("polynomial", 1e-2, {"total_iters": 77, "power": 2.5, "warmup": 8, "warmup_from": 0.1}),
]
# What every seventh epoch makes a little better, then worse, then a new best long after.
VALUES = [1 / (1 + e // 7) + 0.01 * math.sin(e) + (0.3 if 40 <= e < 70 else 0) for e in range(EPOCHS)]
PLATEAU = [
    (1e-4, {"monitor": "loss", "factor": 0.5, "patience": 2}, [1] + [0.9] * 7 + [0.8] * 4),
    (1e-3, {"monitor": "eer", "factor": 0.1, "patience": 10}, VALUES),
    (1e-2, {"monitor": "loss", "factor": 0.7, "patience": 1, "cooldown": 3, "min_lr": 1e-4}, VALUES),
    (1e-2, {"monitor": "loss", "factor": 0.7, "patience": 0, "threshold": 0.05, "threshold_mode": "abs", "eps": 2e-3}, VALUES),
    (1e-2, {"monitor": "auc", "factor": 0.5, "patience": 3, "threshold": 0.01}, [-v + 2 for v in VALUES]),
    (1e-2, {"monitor": "auc", "factor": 0.5, "patience": 3, "threshold": 0.02, "threshold_mode": "abs"}, [-v + 2 for v in VALUES]),
]


def sgd(base):
    return torch.optim.SGD([torch.zeros(1)], lr=base)


def rates(kind, base, options):
    options, optimizer = dict(options), sgd(base)
    warmup, start = options.pop("warmup", 0), options.pop("warmup_from", 0.1)
    scheduler = TYPES[kind](optimizer, **options)
    if warmup:
        optimizer = sgd(base)
        first = peer.LinearLR(optimizer, start_factor=start, total_iters=warmup)
        scheduler = peer.SequentialLR(optimizer, [first, TYPES[kind](optimizer, **options)], milestones=[warmup])
    for _ in range(EPOCHS):
        yield optimizer.param_groups[0]["lr"]
        scheduler.step()


def plateau_rates(base, options, values):
    options, optimizer = dict(options), sgd(base)
    mode = "max" if options.pop("monitor") == "auc" else "min"
    scheduler = peer.ReduceLROnPlateau(optimizer, mode=mode, **options)
    for value in values:
        yield optimizer.param_groups[0]["lr"], value
        scheduler.step(value)


def text(kind, options):
    return ", ".join([f"scheduler: {{type: {kind}", *(f"{k}: {v}" for k, v in options.items())]) + "}"


def main():
    warnings.simplefilter("ignore")  # there is no optimizer.step() between the epochs
    os.makedirs(HERE, exist_ok=True)
    with open(os.path.join(HERE, "rates.txt"), "w") as f:
        f.write(f"# made by make_sched.py, torch {torch.__version__}\n")
        for kind, base, options in CASES:
            f.write(f"case {base:g}\n{text(kind, options)}\n")
            f.writelines(f"{rate:.17g}\n" for rate in rates(kind, base, options))
    with open(os.path.join(HERE, "plateau.txt"), "w") as f:
        f.write(f"# made by make_sched.py, torch {torch.__version__}\n")
        for base, options, values in PLATEAU:
            f.write(f"case {base:g} {len(values)}\n{text('plateau', options)}\n")
            f.writelines(f"{rate:.17g} {value:.17g}\n" for rate, value in plateau_rates(base, options, values))


if __name__ == "__main__":
    main()
