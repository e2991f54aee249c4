#!/usr/bin/env python3
"""What Pillow makes of every readable file of the image zoo: tests/golden/imgzoo/pillow.tsv.

Columns: file, upright width, height, "exact" or "close", mean of R,G,B, CRC-32 of the pixels, 8 x 8 grid of rounded cell means and 64
sampled pixels (both hex RGB). Lossless kinds must be equal; a JPEG may differ by a level or two, other builds of libjpeg rounding otherwise.
Only statistics are kept, none of the pictures. Run from anywhere: make_imgzoo.py ZOO_FOLDER

Pillow clips 16-bit gray at 255, which makes a picture white; here it is scaled, as Pillow itself does with 16-bit colour."""
import csv
import pathlib
import sys
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

GRID, SAMPLES = 8, 64


def pixels(path):
    im = Image.open(path)
    im.load()
    if im.mode == "I;16":
        gray = (np.asarray(im) >> 8).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if im.mode == "I":
        gray = np.rint(np.asarray(im) / 65535 * 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    return np.asarray(ImageOps.exif_transpose(im).convert("RGB"))


def span(i, n):
    start = min(i * n // GRID, n - 1)
    return slice(start, max(start + 1, (i + 1) * n // GRID))


def row(name, kind, a):
    h, w, _ = a.shape
    mean = ",".join(f"{v:.3f}" for v in a.reshape(-1, 3).mean(axis=0))
    grid = bytearray()
    for i in range(GRID):
        for j in range(GRID):
            grid += bytes(int(v + 0.5) for v in a[span(i, h), span(j, w)].reshape(-1, 3).mean(axis=0))
    flat = a.reshape(-1, 3)
    samples = b"".join(flat[(k * 2654435761 + 12345) % (w * h)].tobytes() for k in range(SAMPLES))
    if kind == "exact":
        grid, samples = b"", b""
    crc = f"{zlib.crc32(np.ascontiguousarray(a).tobytes()):08x}" if kind == "exact" else "-"
    return "\t".join([name, str(w), str(h), kind, mean, crc, grid.hex() or "-", samples.hex() or "-"])


def main():
    zoo = pathlib.Path(sys.argv[1])
    out = pathlib.Path(__file__).parent / "imgzoo" / "pillow.tsv"
    warnings.simplefilter("ignore")
    lines = []
    for entry in csv.DictReader(open(zoo / "MANIFEST.tsv"), delimiter="\t"):
        if entry["valid"] not in ("yes", "recoverable"):
            continue
        try:
            a = pixels(zoo / entry["file"])
        except Exception:
            if entry["valid"] == "yes":
                raise
            continue
        lines.append(row(entry["file"], "close" if entry["kind"].startswith("jpeg") else "exact", a))
    out.write_text("\n".join(lines) + "\n")
    print(f"{out}: {len(lines)} files")


main()
