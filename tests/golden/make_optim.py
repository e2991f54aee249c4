#!/usr/bin/env python3
"""Golden parameters after many steps of torch.optim in float64, on parameters and gradients of net_fill.py.

optim/<name>.txt   case torch_class learning_rate weight_decay beta1 beta2 eps
                   spread: the largest distance of torch's own float32 from float64 at any of these steps, relative to the largest
                           value of the parameters
                   step p[0] .. p[COUNT-1]                                one line a step of STEPS

usage: make_optim.py (writes beside itself)
"""
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim")
COUNT, STEPS = 37, (1, 2, 10, 200)
CASES = {
    "adamw_article": (torch.optim.AdamW, 1e-4, 1e-5, 0.9, 0.999, 1e-8),
    "adamw_decay": (torch.optim.AdamW, 1e-2, 0.1, 0.9, 0.999, 1e-8),
    "adamw_betas": (torch.optim.AdamW, 1e-2, 1e-2, 0.5, 0.9, 1e-3),
    "adam_plain": (torch.optim.Adam, 1e-3, 0, 0.9, 0.999, 1e-8),
    "adam_decay": (torch.optim.Adam, 1e-2, 1e-2, 0.9, 0.999, 1e-8),
}


def gradient(step):
    """Of step 1, 2, ...: values of different sizes 10^0 .. 10^-8, and every seventh always zero."""
    g = net_fill.signed_units("gradients", STEPS[-1] * COUNT)[(step - 1) * COUNT : step * COUNT]
    i = np.arange(COUNT)
    return np.where(i % 7 == 6, 0, g * 10.0 ** -(i % 9))


def run(make, lr, decay, beta1, beta2, eps, dtype):
    p = torch.from_numpy(net_fill.signed_units("parameters", COUNT)).to(dtype).requires_grad_()
    optimizer = make([p], lr=lr, weight_decay=decay, betas=(beta1, beta2), eps=eps)
    out = {}
    for step in range(1, STEPS[-1] + 1):
        p.grad = torch.from_numpy(gradient(step)).to(dtype)
        optimizer.step()
        if step in STEPS:
            out[step] = p.detach().double().numpy().copy()
    return out


def main():
    os.makedirs(HERE, exist_ok=True)
    for name, (make, *settings) in CASES.items():
        want, single = run(make, *settings, torch.float64), run(make, *settings, torch.float32)
        spread = max(np.abs(single[s] - want[s]).max() / np.abs(want[s]).max() for s in STEPS)
        with open(os.path.join(HERE, f"{name}.txt"), "w") as f:
            f.write(f"# made by make_optim.py, torch {torch.__version__}\n")
            f.write(" ".join(["case", make.__name__, *(f"{v:g}" for v in settings)]) + "\n")
            f.write(f"spread {spread:.3g}\n")
            f.writelines(" ".join([str(s), *(f"{v:.17g}" for v in want[s])]) + "\n" for s in STEPS)


if __name__ == "__main__":
    main()
