#!/usr/bin/env python3
"""Golden parameters after many steps of torch.optim, schedulefree and timm's Lookahead in float64, on parameters and gradients of net_fill.py.

The COUNT parameters are two tensors, of SHAPES. Ranger has no package of its own any more: it is torch's RAdam with decoupled weight decay on
centred gradients, under a Lookahead whose slow weights begin at the run's start (first_sync: start), or timm's (lazy).

optim/<name>.txt   the configuration of the optimizer
                   clip C: torch.nn.utils.clip_grad_norm_ to C before each step, 0: not
                   grouped 1: the first tensor has a tenth of the learning rate, the second no weight decay
                   ema D: decay of an average of the parameters (timm.utils.ModelEmaV3, which begins at them); 0: none
                   spread: the largest distance of the peer's own float32 from float64 at any of these steps, relative to the largest
                           value of the parameters
                   step p[0] .. p[COUNT-1]                                one line a step of STEPS
                   -1   x[0] .. x[COUNT-1]                                what is evaluated after the last, where it is not p

usage: make_optim.py (writes beside itself)
"""
import os
import sys
from importlib.metadata import version

import numpy as np
import schedulefree
import torch
from timm.optim import Lookahead
from timm.utils import ModelEmaV3

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim")
SHAPES = ((4, 5), (17,))
COUNT, STEPS = 37, (1, 2, 10, 200)


class Ranger(torch.optim.RAdam):
    def __init__(self, params, k, alpha, centralize, **settings):
        super().__init__(params, decoupled_weight_decay=True, **settings)
        self.k, self.alpha, self.centralize, self.taken = k, alpha, centralize, 0

    @torch.no_grad()
    def step(self, closure=None):
        params = [p for group in self.param_groups for p in group["params"]]
        if self.taken == 0:
            self.slow = [p.clone() for p in params]
        for p in params:
            if p.dim() > 1 and self.centralize:
                p.grad -= p.grad.mean(dim=tuple(range(1, p.dim())), keepdim=True)
        super().step()
        self.taken += 1
        if self.k and self.taken % self.k == 0:
            for slow, p in zip(self.slow, params):
                slow += self.alpha * (p - slow)
                p.copy_(slow)


def adam(make):
    return lambda params, beta1, beta2, **o: make(params, betas=(beta1, beta2), **o)


def ranger(params, beta1, beta2, k=6, alpha=0.5, first_sync="start", gradient_centralization="all", **o):
    lazy = first_sync == "lazy"
    inner = Ranger(params, 0 if lazy else k, alpha, gradient_centralization == "all", betas=(beta1, beta2), **o)
    return Lookahead(inner, alpha=alpha, k=k) if lazy else inner


PEERS = {
    "adam": adam(torch.optim.Adam),
    "adamw": adam(torch.optim.AdamW),
    "sgd": torch.optim.SGD,
    "radam": adam(torch.optim.RAdam),
    "ranger": ranger,
    "schedule_free_adamw": adam(schedulefree.AdamWScheduleFree),
    "schedule_free_sgd": schedulefree.SGDScheduleFree,
}
BETAS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
# name: (type, options, clip, grouped, ema)
CASES = {
    "adamw_article": ("adamw", {"lr": 1e-4, "weight_decay": 1e-5, **BETAS}, 0, 0, 0),
    "adamw_decay": ("adamw", {"lr": 1e-2, "weight_decay": 0.1, **BETAS}, 0, 0, 0),
    "adamw_betas": ("adamw", {"lr": 1e-2, "weight_decay": 1e-2, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3}, 0, 0, 0),
    "adamw_grouped": ("adamw", {"lr": 1e-2, "weight_decay": 0.1, **BETAS}, 0, 1, 0.99),
    "adam_plain": ("adam", {"lr": 1e-3, "weight_decay": 0, **BETAS}, 0, 0, 0),
    "adam_decay": ("adam", {"lr": 1e-2, "weight_decay": 1e-2, **BETAS}, 0, 0, 0),
    "sgd_plain": ("sgd", {"lr": 1e-2, "weight_decay": 0, "momentum": 0}, 0, 0, 0),
    "sgd_momentum": ("sgd", {"lr": 1e-2, "weight_decay": 1e-2, "momentum": 0.9, "dampening": 0.3}, 0, 0, 0),
    "sgd_nesterov": ("sgd", {"lr": 1e-2, "weight_decay": 1e-2, "momentum": 0.9, "nesterov": True}, 0, 0, 0),
    "sgd_clipped": ("sgd", {"lr": 1e-1, "weight_decay": 0, "momentum": 0.9}, 0.5, 0, 0.9),
    "sgd_grouped": ("sgd", {"lr": 1e-2, "weight_decay": 1e-2, "momentum": 0.9}, 1.5, 1, 0),
    "radam": ("radam", {"lr": 1e-2, "weight_decay": 0, **BETAS}, 0, 0, 0),
    "radam_decay": ("radam", {"lr": 1e-2, "weight_decay": 1e-2, **BETAS}, 0, 0, 0),
    "radam_decoupled": ("radam", {"lr": 1e-2, "weight_decay": 0.1, "decoupled_weight_decay": True, "beta1": 0.8, "beta2": 0.99, "eps": 1e-8}, 0, 1, 0),
    "ranger": ("ranger", {"lr": 1e-2, "weight_decay": 1e-2, "beta1": 0.95, "beta2": 0.999, "eps": 1e-5}, 0, 0, 0),
    "ranger_lazy": ("ranger", {"lr": 1e-2, "weight_decay": 0, "beta1": 0.95, "beta2": 0.999, "eps": 1e-5, "k": 5, "alpha": 0.8, "first_sync": "lazy"}, 0, 0, 0),
    "ranger_uncentred": ("ranger", {"lr": 1e-2, "weight_decay": 1e-2, **BETAS, "k": 1, "gradient_centralization": "none"}, 0, 0, 0),
    "schedule_free_adamw": ("schedule_free_adamw", {"lr": 1e-2, "weight_decay": 1e-2, "warmup_steps": 4, **BETAS}, 0, 0, 0),
    "schedule_free_adamw_r": ("schedule_free_adamw", {"lr": 2.5e-3, "weight_decay": 0, "r": 1, "weight_lr_power": 1, **BETAS}, 1, 1, 0),
    "schedule_free_sgd": ("schedule_free_sgd", {"lr": 1e-1, "weight_decay": 1e-2, "momentum": 0.9, "warmup_steps": 20}, 0, 0, 0),
}


def gradient(step):
    """Of step 1, 2, ...: values of different sizes 10^0 .. 10^-8, and every seventh always zero."""
    g = net_fill.signed_units("gradients", STEPS[-1] * COUNT)[(step - 1) * COUNT : step * COUNT]
    i = np.arange(COUNT)
    return np.where(i % 7 == 6, 0, g * 10.0 ** -(i % 9))


def cut(values, dtype):
    """Of COUNT values, the two tensors."""
    values, out = torch.from_numpy(values).to(dtype), []
    for shape in SHAPES:
        n = int(np.prod(shape))
        out.append(values[:n].reshape(shape).clone())
        values = values[n:]
    return out


def joined(params):
    return torch.cat([p.detach().double().flatten() for p in params]).numpy().copy()


def run(kind, options, clip, grouped, ema, dtype):
    model = torch.nn.ParameterList(cut(net_fill.signed_units("parameters", COUNT), dtype))
    params = list(model.parameters())
    groups = [{"params": [params[0]], "lr": options["lr"] / 10}, {"params": [params[1]], "weight_decay": 0}] if grouped else params
    optimizer = PEERS[kind](groups, **options)
    average = ModelEmaV3(model, decay=ema) if ema else None
    free = kind.startswith("schedule_free")
    out = {}
    if free:
        optimizer.train()
    for step in range(1, STEPS[-1] + 1):
        for p, g in zip(params, cut(gradient(step), dtype)):
            p.grad = g
        if clip:
            torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        if average:
            average.update(model)
        if step in STEPS:
            out[step] = joined(params)
    if free:
        optimizer.eval()
    if free or average:
        out[-1] = joined(average.module.parameters() if average else params)
    return out


def main():
    os.makedirs(HERE, exist_ok=True)
    for name, (kind, options, clip, grouped, ema) in CASES.items():
        want, single = (run(kind, options, clip, grouped, ema, dtype) for dtype in (torch.float64, torch.float32))
        spread = max(np.abs(single[s] - want[s]).max() / np.abs(want[s]).max() for s in want)
        settings = ", ".join(f"{k}: {str(v).lower() if isinstance(v, bool) else v if isinstance(v, str) else format(v, 'g')}" for k, v in options.items())
        with open(os.path.join(HERE, f"{name}.txt"), "w") as f:
            f.write(f"# made by make_optim.py, torch {torch.__version__}, schedulefree {version('schedulefree')}\n")
            f.write(f"optimizer: {{type: {kind}, {settings}}}\n")
            f.write(f"clip {clip} grouped {grouped} ema {ema} spread {spread:.3g}\n")
            f.writelines(" ".join([str(s), *(f"{v:.17g}" for v in want[s])]) + "\n" for s in want)


if __name__ == "__main__":
    main()
