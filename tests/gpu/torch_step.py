#!/usr/bin/env python3
"""PyTorch's training step as its users write it for speed: timm's network + Linear(512), contrastive loss on cosine similarity, fused
AdamW, autocast, channels_last, photos uploaded as uint8 from pinned memory and normalised on the device.

usage: torch_step.py BACKBONE SIZE BATCH bf16|f32 eager|compile STEPS
Prints one JSON object: images per second (median of steps after the first ones) and peak memory. On the CPU where there is no GPU.
"""
import json
import statistics
import sys
import time

import timm
import torch

WARM_UP = 5

backbone, size, batch, precision, mode, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5], int(sys.argv[6])
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(0)
torch.backends.cudnn.benchmark = True
trunk = timm.create_model(backbone, num_classes=0)
net = torch.nn.Sequential(trunk, torch.nn.Linear(trunk.num_features, 512)).to(device, memory_format=torch.channels_last).train()
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=1e-5, fused=device.type == "cuda")
photos = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
if device.type == "cuda":
    photos = photos.pin_memory()
labels = (torch.arange(batch) // 4).to(device)
same = (labels[:, None] == labels[None, :]).float() - torch.eye(batch, device=device)
other = (labels[:, None] != labels[None, :]).float()
mean = torch.tensor([0.485, 0.456, 0.406], device=device)
std = torch.tensor([0.229, 0.224, 0.225], device=device)


def mean_of_active(hinge):
    return hinge.sum() / (hinge > 0).sum().clamp(min=1)


def loss_of(images):
    x = ((images.float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
        embedding = net(x)
    h = torch.nn.functional.normalize(embedding.float())
    s = h @ h.t()
    return mean_of_active(same * (1 - s).clamp(min=0)) + mean_of_active(other * (s - 0.05).clamp(min=0))


if mode == "compile":
    loss_of = torch.compile(loss_of, mode="max-autotune")


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(photos.to(device, non_blocking=True))
    loss.backward()
    optimizer.step()


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


for _ in range(WARM_UP):
    step()
wait()
seconds = []
for _ in range(5):
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    wait()
    seconds.append((time.perf_counter() - begun) / steps)
print(json.dumps({
    "program": "PyTorch " + torch.__version__, "mode": mode, "backbone": backbone, "size": size, "batch": batch, "precision": precision,
    "result": {"img_per_s": round(batch / statistics.median(seconds), 1),
               "device_bytes": torch.cuda.max_memory_reserved() if device.type == "cuda" else None,
               "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"}}))
