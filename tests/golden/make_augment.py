"""Goldens of data/image_adjust.h and data/resize.c's blur: what torchvision makes of a picture.

    python3 tests/golden/make_augment.py     writes tests/golden/augment/

Light and colours come from transforms.v2.functional on a Pillow image, hue, blur and rotation from the same on a tensor. A .bin file is
height * width * 3 bytes; cases.txt has a line for each: name, operation, arguments.
"""
import os

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

HEIGHT, WIDTH = 37, 45
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "augment")


def picture():
    """Ramps, a gray corner, a saturated corner, noise."""
    rng = np.random.RandomState(5)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    rgb = np.stack([255 * x / (WIDTH - 1), 255 * y / (HEIGHT - 1), 127 + 120 * np.sin(x / 3.0) * np.cos(y / 4.0)], axis=-1)
    rgb = rgb + rng.uniform(-20, 20, rgb.shape)
    rgb[:10, :12] = rng.uniform(0, 255, (10, 12, 1))
    rgb[-8:, -9:] = rng.choice([0, 255], (8, 9, 3))
    return np.clip(rgb, 0, 255).astype(np.uint8)


def on_tensor(function):
    return lambda rgb, *args: function(torch.from_numpy(rgb).permute(2, 0, 1), *args).permute(1, 2, 0).contiguous().numpy()


def on_pillow(function):
    return lambda rgb, *args: np.asarray(function(Image.fromarray(rgb), *args))


def rotate(image, degrees, fill):
    """Blended with `fill` once: the picture less `fill` on an endless sheet of zeros."""
    turned = F.rotate(image.float() - fill, degrees, F.InterpolationMode.BILINEAR, fill=None) + fill
    return turned.round().to(torch.uint8)


OPERATIONS = {
    "grayscale": on_pillow(lambda image: F.rgb_to_grayscale(image, num_output_channels=3)),
    "brightness": on_pillow(F.adjust_brightness),
    "contrast": on_pillow(F.adjust_contrast),
    "saturation": on_pillow(F.adjust_saturation),
    "hue": on_tensor(F.adjust_hue),
    "blur": on_tensor(lambda image, kernel, sigma: F.gaussian_blur(image, [int(kernel)] * 2, [sigma] * 2)),
    "rotate": on_tensor(rotate),
}
CASES = [("grayscale",)]
CASES += [(name, factor) for name in ("brightness", "contrast", "saturation") for factor in (0, 0.35, 0.6, 1, 1.27, 1.4, 3)]
CASES += [("hue", turn) for turn in (-0.5, -0.31, -0.1, 0, 0.05, 0.2, 0.5)]
CASES += [("blur", kernel, sigma) for kernel, sigma in ((3, 0.1), (3, 1), (11, 0.5), (11, 2), (23, 1.7), (61, 9))]
CASES += [("rotate", degrees, fill) for degrees, fill in ((7, 0), (-12.5, 0), (30, 200), (90, 0), (143, 128))]


def main():
    os.makedirs(FOLDER, exist_ok=True)
    rgb = picture()
    rgb.tofile(os.path.join(FOLDER, "picture.bin"))
    with open(os.path.join(FOLDER, "cases.txt"), "w", encoding="ascii") as lines, open(os.path.join(FOLDER, "cases.bin"), "wb") as pixels:
        for name, *args in CASES:
            result = OPERATIONS[name](rgb, *args)
            assert result.shape == rgb.shape and result.dtype == np.uint8
            pixels.write(result.tobytes())
            first, second = (list(args) + [0, 0])[:2]
            lines.write(f"{name} {first:.17g} {second:.17g}\n")


main()
