#!/usr/bin/env python3
"""Weights of the tiny network as the safetensors package writes them, with the values of net_fill.py: what tests/golden/weights.c loads.

weights/tiny_f32.safetensors    with a classifier, with num_batches_tracked 7, without an embedder
weights/tiny_f16.safetensors, weights/tiny_bf16.safetensors    without num_batches_tracked, with an embedder of 8; f16 with a classifier
                               that is called as ResNets' are, fc

usage: make_weights.py (writes beside itself)
       make_weights.py check FILE   loads a file that futago wrote for `tiny` and prints the largest difference from net_fill.py's values
"""
import os
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import make_net
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights")


def tiny(dtype):
    state = make_net.model("tiny", 8).state_dict()
    return {
        name.removeprefix("backbone."): value.to(dtype) if value.is_floating_point() else torch.tensor(7)
        for name, value in state.items()
    }


def check(path):
    worst = 0.0
    for name, value in load_file(path).items():
        if not name.endswith("num_batches_tracked"):
            want = torch.from_numpy(net_fill.tensor(name, tuple(value.shape)))
            worst = max(worst, (value.double() - want).abs().max().item())
    print(path, "largest difference", worst)


def main():
    if sys.argv[1:2] == ["check"]:
        return check(sys.argv[2])
    os.makedirs(HERE, exist_ok=True)
    full = tiny(torch.float32)
    full = {name: value for name, value in full.items() if not name.startswith("embedder.")}
    full |= {"classifier.weight": torch.ones(10, 64), "classifier.bias": torch.zeros(10)}
    save_file(full, os.path.join(HERE, "tiny_f32.safetensors"))
    for dtype, name in [(torch.float16, "tiny_f16"), (torch.bfloat16, "tiny_bf16")]:
        half = {n: v for n, v in tiny(dtype).items() if not n.endswith("num_batches_tracked")}
        if dtype == torch.float16:
            half |= {"fc.weight": torch.ones(2, 64), "fc.bias": torch.zeros(2)}
        save_file(half, os.path.join(HERE, f"{name}.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main()
