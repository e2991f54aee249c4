#!/usr/bin/env python3
"""Golden outputs of the networks beside make_net.py's: EfficientNetV2-B1..B3 and ResNets from timm, IResNets and MobileFaceNet from the
definitions below, which are InsightFace's (arcface_torch, backbones/iresnet.py and mobilefacenet.py at scale 1) written down anew; all in
float64 with the parameters and images of net_fill.py.

backbones/<case>.f32   [train, eval][images][embedding] little-endian float32
backbones/<case>.txt   hash norm projection: of every parameter's gradient and every running statistic after one training batch, in the order
                       of their names. hash: FNV-1a of "name dim dim ..", its low 32 bits. projection: on the signed units of name + "?".

usage: make_backbones.py [case ...] (writes beside itself)
"""
import os
import sys

import numpy as np
import timm
import torch
from torch import nn

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net_fill

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "backbones")
IMAGES, EMBEDDING = 6, 16
# case: backbone, size, batch norm on the embedding that is not the network's own
CASES = {
    "tf_efficientnetv2_b1_48": ("tf_efficientnetv2_b1", 48, False),
    "tf_efficientnetv2_b2_33": ("tf_efficientnetv2_b2", 33, False),
    "tf_efficientnetv2_b3_48": ("tf_efficientnetv2_b3", 48, False),
    "resnet18_33": ("resnet18", 33, False),
    "resnet34_33": ("resnet34", 33, False),
    "resnet50_33_norm": ("resnet50", 33, True),
    "resnet101_33": ("resnet101", 33, False),
    "mobilefacenet_33": ("mobilefacenet", 33, False),
    "mobilefacenet_112": ("mobilefacenet", 112, False),
    "iresnet18_24": ("iresnet18", 24, False),
    "iresnet50_33": ("iresnet50", 33, False),
    "iresnet100_33": ("iresnet100", 33, False),
}


class Embedder(nn.Module):
    """A timm network with a linear layer, and a batch norm where asked."""

    def __init__(self, backbone, norm):
        super().__init__()
        self.backbone = timm.create_model(backbone, num_classes=0)
        self.embedder = nn.Linear(self.backbone.num_features, EMBEDDING)
        self.embedder_norm = nn.BatchNorm1d(EMBEDDING) if norm else nn.Identity()

    def forward(self, x):
        return self.embedder_norm(self.embedder(self.backbone(x)))


def conv(inputs, outputs, kernel, stride=1, padding=None, groups=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, groups=groups, bias=False)


class IResNetBlock(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.prelu = nn.PReLU(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn3 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential(conv(inputs, width, 1, stride), nn.BatchNorm2d(width)) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.bn3(self.conv2(y)) + self.downsample(x)


class IResNet(nn.Module):
    def __init__(self, blocks, size):
        super().__init__()
        self.conv1 = conv(3, 64, 3)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        inputs, side = 64, size
        for layer, count in enumerate(blocks, 1):
            width = 32 << layer
            stack = [IResNetBlock(inputs if i == 0 else width, width, 2 if i == 0 else 1) for i in range(count)]
            setattr(self, f"layer{layer}", nn.Sequential(*stack))
            inputs, side = width, (side + 1) // 2
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * side * side, EMBEDDING)
        self.features = nn.BatchNorm1d(EMBEDDING)
        self.features.weight.requires_grad = False

    def forward(self, x):
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.bn2(self.layer4(self.layer3(self.layer2(self.layer1(x)))))
        return self.features(self.fc(torch.flatten(x, 1)))


class Layers(nn.Module):
    """Modules in a row, called layers.0, layers.1 ..; with the input added at the end where `residual`."""

    def __init__(self, *modules, residual=False):
        super().__init__()
        self.layers = nn.Sequential(*modules)
        self.residual = residual

    def forward(self, x):
        return self.layers(x) + x if self.residual else self.layers(x)


def norm_prelu(inputs, outputs, kernel, stride=1, groups=1):
    return Layers(conv(inputs, outputs, kernel, stride, groups=groups), nn.BatchNorm2d(outputs), nn.PReLU(outputs))


def widened(inputs, mid, outputs, stride=1, residual=False):
    narrow = Layers(conv(mid, outputs, 1), nn.BatchNorm2d(outputs))
    return Layers(norm_prelu(inputs, mid, 1), norm_prelu(mid, mid, 3, stride, mid), narrow, residual=residual)


def repeated(count, width, mid):
    return Layers(*[widened(width, mid, width, residual=True) for _ in range(count)])


class MobileFaceNet(Layers):
    def __init__(self, size):
        super().__init__(
            norm_prelu(3, 64, 3, 2),
            norm_prelu(64, 64, 3, 1, 64),
            widened(64, 128, 64, 2),
            repeated(4, 64, 128),
            widened(64, 256, 128, 2),
            repeated(6, 128, 256),
            widened(128, 512, 128, 2),
            repeated(2, 128, 256),
        )
        side = (size + 15) // 16
        self.conv_sep = norm_prelu(128, 512, 1)
        whole = Layers(conv(512, 512, side, padding=0, groups=512), nn.BatchNorm2d(512))
        self.features = Layers(whole, nn.Flatten(), nn.Linear(512, EMBEDDING, bias=False), nn.BatchNorm1d(EMBEDDING))

    def forward(self, x):
        return self.features(self.conv_sep(super().forward(x)))


def unfilled(backbone, size, norm):
    if backbone == "mobilefacenet":
        return MobileFaceNet(size)
    if backbone.startswith("iresnet"):
        return IResNet({"iresnet18": (2, 2, 2, 2), "iresnet50": (3, 4, 14, 3), "iresnet100": (3, 13, 30, 3)}[backbone], size)
    return Embedder(backbone, norm)


def model(case):
    """In float64, filled."""
    net = unfilled(*CASES[case]).double()
    state = {}
    for name, value in net.state_dict().items():
        ours = name.removeprefix("backbone.")
        filled = value if ours.endswith("num_batches_tracked") else torch.from_numpy(net_fill.tensor(ours, tuple(value.shape)))
        state[name] = filled
    net.load_state_dict(state)
    return net


def embeddings(case):
    x = torch.from_numpy(net_fill.normalized(IMAGES, CASES[case][1]))
    with torch.no_grad():
        return np.stack([model(case).train(train)(x).numpy() for train in (True, False)]).astype("<f4")


def gradients(case):
    """{name: tensor} of every parameter's gradient and every running statistic after one batch."""
    net = model(case).train()
    e = net(torch.from_numpy(net_fill.normalized(IMAGES, CASES[case][1])))
    e.backward(torch.from_numpy(net_fill.signed_units("d_embeddings", e.numel()).reshape(e.shape)))
    out = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in net.named_parameters()}
    out |= {name: b for name, b in net.named_buffers() if not name.endswith("num_batches_tracked")}
    return {name.removeprefix("backbone."): out[name].detach() for name in out}


def digest(name, tensor):
    """norm, projection"""
    flat = tensor.reshape(-1).numpy()
    return np.linalg.norm(flat), flat @ net_fill.signed_units(name + "?", flat.size)


def main():
    os.makedirs(HERE, exist_ok=True)
    for case in sys.argv[1:] or CASES:
        embeddings(case).tofile(os.path.join(HERE, f"{case}.f32"))
        want = gradients(case)
        with open(os.path.join(HERE, f"{case}.txt"), "w") as f:
            f.write(f"# made by make_backbones.py, timm {timm.__version__}, torch {torch.__version__}\n")
            for name in sorted(want):
                shape = " ".join([name, *map(str, want[name].shape)])
                norm, projection = digest(name, want[name])
                f.write(f"{net_fill.fnv1a(shape) & 0xFFFFFFFF:08x} {norm:.9g} {projection:.9g}\n")
        print(case, flush=True)


if __name__ == "__main__":
    main()
