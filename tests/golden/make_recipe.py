#!/usr/bin/env python3
"""Twenty training steps of the whole recipe in PyTorch: timm's network and a linear head, pytorch-metric-learning's contrastive loss on
cosine similarity, torch's AdamW, batch norm in training mode. Parameters are net_fill.py's, photos and batches those of this script:
tests/golden/recipe.c computes the same numbers.

Rounding grows from step to step, so one float32 run is a poor measure of how far float32 may go: where its error happens to cross zero
it looks exact. PyTorch's own spread is therefore the largest error over several float32 runs that differ in the order of their sums
only (VARIANTS), against one run in float64.

recipe/<backbone>.txt   step  loss in float64  spread of float32, relative to it            20 lines, "loss"
                        spread of the running statistics after the last step, as below      1 line, "spread"
                        name  norm  projection: of every running statistic in float64,      the rest, "statistic"
                            projected on signed_units(name); errors of it are relative to the norm

usage: make_recipe.py [backbone ...] (writes beside itself)
"""
import os
import sys

import numpy as np
import timm
import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_net
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "recipe")
EMBEDDING, SIZE, STEPS = 512, 64, 20
PEOPLE, PHOTOS = 8, 6  # there are
BATCH_PEOPLE, BATCH_PHOTOS = 4, 4  # of them in a batch
LR, WEIGHT_DECAY = 1e-4, 1e-5
BACKBONES = ("tf_efficientnetv2_b0", "tf_efficientnet_lite0")
VARIANTS = [(1, False), (2, False), (1, True), (2, True)]  # threads, channels last


def photos():
    """u8 [PEOPLE * PHOTOS, SIZE, SIZE, 3]: stripes of the person, moved in each photo, and noise."""
    out = np.empty((PEOPLE * PHOTOS, SIZE, SIZE, 3), np.uint8)
    y, x, c = np.meshgrid(np.arange(SIZE), np.arange(SIZE), np.arange(3), indexing="ij")
    for i in range(PEOPLE * PHOTOS):
        person, photo = divmod(i, PHOTOS)
        noise = (net_fill.splitmix64(i, SIZE * SIZE * 3) >> np.uint64(57)).astype(np.int64).reshape(SIZE, SIZE, 3)
        stripes = (x * (person + 1) + y * (PEOPLE - person) * 2 + c * 40 + photo * 23) % 128
        out[i] = (noise + stripes).astype(np.uint8)
    return out


def batch(step):
    """Places in photos() of the batch of step 0, 1, ...; nobody and nothing twice."""
    people = [(step + k) % PEOPLE for k in range(BATCH_PEOPLE)]
    return np.array([p * PHOTOS + (step + k) % PHOTOS for p in people for k in range(BATCH_PHOTOS)])


conv2d = torch.nn.functional.conv2d


def fast_conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv2d with depthwise convolutions in float64 as sums of shifted products: torch's own takes minutes for them."""
    if groups == 1 or x.dtype != torch.float64:
        return conv2d(x, weight, bias, stride, padding, dilation, groups)
    (sy, sx), (py, px) = (v if isinstance(v, tuple) else (v, v) for v in (stride, padding))
    x = torch.nn.functional.pad(x, (px, px, py, py))
    kh, kw = weight.shape[2:]
    h, w = (x.shape[2] - kh) // sy + 1, (x.shape[3] - kw) // sx + 1
    taps = ((i, j) for i in range(kh) for j in range(kw))
    return sum(x[:, :, i : i + sy * h : sy, j : j + sx * w : sx][:, :, :h, :w] * weight[:, 0, i, j].view(1, -1, 1, 1) for i, j in taps)


def train(backbone, dtype, channels_last=False):
    """(losses [STEPS], {name: running statistic as float64})"""
    net = make_net.model(backbone, EMBEDDING).train().to(dtype)
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    x = ((photos() / 255.0 - np.array(net_fill.MEAN)) / np.array(net_fill.STD)).transpose(0, 3, 1, 2)
    contrastive = ContrastiveLoss(pos_margin=1, neg_margin=0.05, distance=CosineSimilarity())
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    losses = []
    for step in range(STEPS):
        places = batch(step)
        images = torch.from_numpy(x[places]).to(dtype)
        if channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        loss = contrastive(net(images), torch.from_numpy(places // PHOTOS))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    buffers = {name.removeprefix("backbone."): b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked")}
    return np.array(losses), {name: b.double().numpy() for name, b in buffers.items()}


def projection(name, values):
    return float(values @ net_fill.signed_units(name, values.size))


def golden(backbone):
    torch.nn.functional.conv2d = fast_conv2d
    want, statistics = train(backbone, torch.float64)
    torch.nn.functional.conv2d = conv2d
    spread, statistics_spread = np.zeros(STEPS), 0.0
    for threads, channels_last in VARIANTS:
        torch.set_num_threads(threads)
        losses, got = train(backbone, torch.float32, channels_last)
        errors = np.abs(losses - want) / want
        spread = np.maximum(spread, errors)
        off = max(abs(projection(n, got[n]) - projection(n, w)) / np.linalg.norm(w) for n, w in statistics.items())
        statistics_spread = max(statistics_spread, off)
        print(backbone, threads, channels_last, " ".join(f"{e:.1e}" for e in errors), f"statistics {off:.1e}", flush=True)
    yield from (f"loss {step + 1} {want[step]:.12g} {spread[step]:.3g}\n" for step in range(STEPS))
    yield f"spread {statistics_spread:.3g}\n"
    yield from (f"statistic {n} {np.linalg.norm(w):.12g} {projection(n, w):.12g}\n" for n, w in statistics.items())


def main():
    os.makedirs(HERE, exist_ok=True)
    for backbone in sys.argv[1:] or BACKBONES:
        lines = list(golden(backbone))
        with open(os.path.join(HERE, f"{backbone}.txt"), "w") as f:
            f.write(f"# made by make_recipe.py, torch {torch.__version__}, timm {timm.__version__}, pytorch-metric-learning {pml_version}\n")
            f.writelines(lines)


if __name__ == "__main__":
    main()
