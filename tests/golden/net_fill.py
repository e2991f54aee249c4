"""Deterministic parameters and images, so that goldens hold results only: tests/golden/net.c computes the same numbers."""
import math

import numpy as np


def splitmix64(seed, count):
    """The first `count` words of splitmix64 started at `seed`, as np.uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def fnv1a(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def signed_units(name, count):
    """Uniform on [-1, 1)."""
    return (splitmix64(fnv1a(name), count) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def tensor(name, shape):
    """What the tensor `name` holds. Convolutions have timm's variance 2 / fan_out; batch norms are away from 1 and 0 on purpose; a slope of
    prelu is called prelu or, in MobileFaceNet, <scope>.2; residual paths that end in layer*.bn3 are quieter than what they are added to, or
    a hundred layers would be chaos."""
    u = signed_units(name, int(np.prod(shape)))
    leaf = name.rsplit(".", 1)[1]
    if len(shape) == 2:
        u = u / math.sqrt(shape[1])
    elif len(shape) == 4:
        depthwise = shape[1] == 1
        u = u * math.sqrt(6.0 / (shape[2] * shape[3] * (1 if depthwise else shape[0])))
    elif "prelu" in name or name.endswith(".2.weight"):
        u = 0.25 + 0.25 * u
    elif name.startswith("layer") and leaf == "weight" and ".bn3." in name:
        u = 0.25 + 0.0625 * u
    elif leaf == "weight":
        u = 1 + 0.25 * u
    elif leaf == "running_var":
        u = 1 + 0.5 * u
    else:
        u = 0.2 * u
    return u.reshape(shape)


def images(n, size):
    """u8 [n, size, size, 3]: stripes that differ from image to image, and noise."""
    out = np.empty((n, size, size, 3), np.uint8)
    y, x, c = np.meshgrid(np.arange(size), np.arange(size), np.arange(3), indexing="ij")
    for i in range(n):
        noise = (splitmix64(i, size * size * 3) >> np.uint64(58)).astype(np.int64).reshape(size, size, 3)
        out[i] = (noise + (x * (i + 1) * 3 + y * (9 - i) * 2 + c * 40) % 192).astype(np.uint8)
    return out


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalized(n, size):
    """The images as the network sees them: f64 [n, 3, size, size]."""
    return ((images(n, size) / 255.0 - np.array(MEAN)) / np.array(STD)).transpose(0, 3, 1, 2)
