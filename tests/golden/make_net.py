#!/usr/bin/env python3
"""Golden outputs of the networks, from timm in float64, with the parameters and images of net_fill.py.

net/<backbone>_tensors.txt      name dim ...: timm's whole state_dict, in its order
net/<backbone>_embeddings.f32   [size][train, eval][8 images][embedding] little-endian float32, sizes as in CASES
net/<backbone>_gradients.txt    error: how far PyTorch's own float32 is from these values, measured as the test measures it
                                name norm (index value) x 4: of every parameter, one training batch
                                name norm (index value) x 4: of every running statistic after it

usage: make_net.py (writes beside itself)
"""
import os
import sys
from functools import partial

import numpy as np
import timm
import torch
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import decode_arch_def
from timm.models.efficientnet import EfficientNet

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "net")
IMAGES = 8
# backbone, embedding, sizes of the embeddings, size of the gradients' batch
CASES = [
    ("tf_efficientnetv2_b0", 512, (224, 112, 97), 64),
    ("tf_efficientnet_lite0", 64, (224, 112, 97), 64),
    ("tiny", 32, (64, 48, 33), 33),
]


class Embedder(torch.nn.Module):
    def __init__(self, backbone, embedding):
        super().__init__()
        self.backbone = backbone
        self.embedder = torch.nn.Linear(backbone.num_features, embedding)

    def forward(self, x):
        return self.embedder(self.backbone(x))


def tiny():
    """The twin of core/backbone/tiny.c, put together by timm."""
    return EfficientNet(
        block_args=decode_arch_def([["er_r1_k3_s2_e2_c16"], ["ir_r2_k3_s2_e2_c24_se0.25"]]),
        stem_size=16,
        fix_stem=True,
        num_features=64,
        num_classes=0,
        pad_type="same",
        act_layer=torch.nn.SiLU,
        norm_layer=partial(torch.nn.BatchNorm2d, eps=1e-3),
        se_layer=SqueezeExcite,
    )


def model(backbone, embedding):
    """In float64, filled."""
    net = Embedder(tiny() if backbone == "tiny" else timm.create_model(backbone, num_classes=0), embedding).double()
    state = {}
    for name, value in net.state_dict().items():
        ours = name.removeprefix("backbone.")
        filled = value if ours.endswith("num_batches_tracked") else torch.from_numpy(net_fill.tensor(ours, tuple(value.shape)))
        state[name] = filled
    net.load_state_dict(state)
    return net


def embeddings(backbone, embedding, sizes):
    out = []
    for size in sizes:
        x = torch.from_numpy(net_fill.normalized(IMAGES, size))
        with torch.no_grad():
            for train in (True, False):
                net = model(backbone, embedding).train(train)
                out.append(net(x).numpy())
    return np.stack(out).astype("<f4")


def picks(name, count):
    return [int(w % np.uint64(count)) for w in net_fill.splitmix64(net_fill.fnv1a(name) ^ 1, 4)]


def summary(name, flat):
    pairs = [f"{i} {flat[i]:.12g}" for i in picks(name, flat.size)]
    return " ".join([name, f"{np.linalg.norm(flat):.12g}", *pairs]) + "\n"


def gradients(backbone, embedding, size, dtype):
    """{name: float64 values} of every parameter's gradient and every running statistic after one batch computed in `dtype`."""
    net = model(backbone, embedding).train().to(dtype)
    e = net(torch.from_numpy(net_fill.normalized(IMAGES, size)).to(dtype))
    e.backward(torch.from_numpy(net_fill.signed_units("d_embeddings", e.numel()).reshape(e.shape)).to(dtype))
    out = {name: p.grad for name, p in net.named_parameters()}
    out |= {name: b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked")}
    return {name.removeprefix("backbone."): t.detach().double().reshape(-1).numpy() for name, t in out.items()}


def largest_error(got, want):
    """As in net.c: of norms and picked values, relative to the norm; a bias relative to the weight before it if that is larger."""
    worst = scale = 0.0
    for name, w in want.items():
        norm = np.linalg.norm(w)
        scale = max(scale, norm) if name.endswith(".bias") else norm
        errors = [np.linalg.norm(got[name]) - norm] + [got[name][i] - w[i] for i in picks(name, w.size)]
        worst = max(worst, np.abs(errors).max() / scale)
    return worst


def main():
    os.makedirs(HERE, exist_ok=True)
    head = f"# made by make_net.py, timm {timm.__version__}, torch {torch.__version__}\n"
    for backbone, embedding, sizes, gradient_size in CASES:
        with open(os.path.join(HERE, f"{backbone}_tensors.txt"), "w") as f:
            f.write(head)
            for name, value in model(backbone, embedding).state_dict().items():
                f.write(" ".join([name.removeprefix("backbone."), *map(str, value.shape)]) + "\n")
        embeddings(backbone, embedding, sizes).tofile(os.path.join(HERE, f"{backbone}_embeddings.f32"))
        with open(os.path.join(HERE, f"{backbone}_gradients.txt"), "w") as f:
            f.write(head)
            want = gradients(backbone, embedding, gradient_size, torch.float64)
            got = gradients(backbone, embedding, gradient_size, torch.float32)
            f.write(f"{largest_error(got, want):.3g}\n")
            f.writelines(summary(name, values) for name, values in want.items())


if __name__ == "__main__":
    main()
