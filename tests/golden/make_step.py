#!/usr/bin/env python3
"""Golden gradients of whole steps, from timm's modules, pytorch-metric-learning and PyTorch's autograd in one process and float64.

step/<case>.txt   loss
                  name norm (index value) x 4: of every parameter's gradient, then of every running statistic after the step

Ten photos, dealt in the order ROW to four shards of 3, 3, 2, 2; the loss sees the sampler's order. Batch norm over a shard: the network sees
each shard by itself, and running statistics take the mean of the shards'. Over the global batch: it sees all photos at once.

usage: make_step.py (writes beside itself)
"""
import os
import sys

import timm
import torch
from pytorch_metric_learning import __version__ as pml_version
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import ContrastiveLoss, TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_net
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "step")
EMBEDDING, SIZE = 32, 33
SHARDS = (3, 3, 2, 2)
ROW = [7, 0, 4, 9, 2, 5, 1, 8, 3, 6]  # where in the batch each dealt photo stands
LABEL = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0]  # in the batch's order


def pairs():
    return ContrastiveLoss(pos_margin=1, neg_margin=0.05, distance=CosineSimilarity()), None


def triplets():
    miner = TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=CosineSimilarity())
    return TripletMarginLoss(margin=0.3, distance=CosineSimilarity()), miner


def statistics(net):
    return {name: b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked")}


def embed_shards(net, photos):
    """Every shard by itself; the running statistics take one step, towards the mean of what each shard alone would make of them."""
    parts, after = [], []
    for x in photos.split(SHARDS):
        buffers = {name: b.clone() for name, b in net.named_buffers()}
        parts.append(torch.func.functional_call(net, buffers, (x,)))
        after.append(buffers)
    for name, b in statistics(net).items():
        b.copy_(torch.stack([a[name] for a in after]).mean(0))
    return torch.cat(parts)


def step(over, make_loss):
    net = make_net.model("tiny", EMBEDDING).train()
    photos = torch.from_numpy(net_fill.normalized(len(ROW), SIZE))
    dealt = net(photos) if over == "global" else embed_shards(net, photos)
    e = torch.empty_like(dealt).index_copy(0, torch.tensor(ROW), dealt)
    loss, miner = make_loss()
    labels = torch.tensor(LABEL)
    chosen = miner(e, labels) if miner else None
    assert chosen is None or 0 < len(chosen[0]) < 156, len(chosen[0])  # some of all triplets
    value = loss(e, labels, chosen)
    value.backward()
    out = {name: p.grad for name, p in net.named_parameters()} | statistics(net)
    return value.item(), {name.removeprefix("backbone."): t.detach().reshape(-1).numpy() for name, t in out.items()}


def main():
    os.makedirs(HERE, exist_ok=True)
    for over in ("shard", "global"):
        for make_loss in (pairs, triplets):
            value, tensors = step(over, make_loss)
            with open(os.path.join(HERE, f"{make_loss.__name__}_{over}.txt"), "w") as f:
                f.write(f"# made by make_step.py, timm {timm.__version__}, pytorch-metric-learning {pml_version}, torch {torch.__version__}\n")
                f.write(f"{value:.15g}\n")
                f.writelines(make_net.summary(name, values) for name, values in tensors.items())


if __name__ == "__main__":
    main()
