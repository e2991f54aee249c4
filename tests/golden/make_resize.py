#!/usr/bin/env python3
"""Pillow's antialiased bilinear resize of drawn patterns: tests/golden/resize/cases.tsv and cases.bin.

Columns: pattern, width, height, crop x, y, width, height, out width, out height. cases.bin holds the results, RGB, one after the other.
The patterns are the formulas of pattern() in tests/golden/resize.c."""
import pathlib

import numpy as np
from PIL import Image


def pattern(name, w, h):
    y, x, c = np.meshgrid(np.arange(h), np.arange(w), np.arange(3), indexing="ij")
    if name == "noise":
        n = ((y * w + x) * 3 + c + 1) * 2654435761 & 0xFFFFFFFF
        n ^= n >> 15
        n = n * 2246822519 & 0xFFFFFFFF
        return (n >> 24).astype(np.uint8)
    if name == "checker":
        return (((x // 3 + y // 2 + c) % 2) * 255).astype(np.uint8)
    return ((x * (c + 1) + y * (3 - c)) * 255 // (3 * (w + h))).astype(np.uint8)  # ramp


# pattern, width, height, crop, out width, out height
CASES = [
    ("noise", 50, 50, None, 23, 23),
    ("noise", 50, 50, None, 45, 45),
    ("noise", 23, 17, None, 64, 40),
    ("noise", 92, 112, None, 32, 32),
    ("noise", 61, 37, None, 1, 1),
    ("noise", 1, 1, None, 5, 4),
    ("noise", 40, 40, None, 40, 40),
    ("noise", 40, 30, None, 40, 11),
    ("noise", 40, 30, None, 13, 30),
    ("noise", 120, 90, (24, 18, 72, 54), 31, 33),
    ("noise", 33, 35, (7, 7, 20, 21), 48, 48),
    ("checker", 97, 64, None, 28, 28),
    ("checker", 16, 16, None, 50, 50),
    ("ramp", 101, 77, None, 56, 56),
    ("ramp", 31, 29, None, 62, 87),
    ("noise", 300, 4, None, 7, 3),
]


def main():
    out = pathlib.Path(__file__).parent / "resize"
    lines, data = [], b""
    for name, w, h, crop, ow, oh in CASES:
        im = Image.fromarray(pattern(name, w, h))
        x, y, cw, ch = crop or (0, 0, w, h)
        small = im.crop((x, y, x + cw, y + ch)).resize((ow, oh), Image.Resampling.BILINEAR)
        lines.append("\t".join(map(str, (name, w, h, x, y, cw, ch, ow, oh))))
        data += np.asarray(small).tobytes()
    (out / "cases.tsv").write_text("\n".join(lines) + "\n")
    (out / "cases.bin").write_bytes(data)
    print(f"{len(lines)} cases, {len(data)} bytes")


main()
