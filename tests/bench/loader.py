"""PyTorch's DataLoader on the photos of loader.sh.

usage: loader.py raw|folder PATH WORKERS BATCH BATCHES

raw: uint8 images of an HDF5 file, flipped at random. folder: torchvision's ImageFolder, resized to 224 and flipped. Pixels stay bytes, as
futago hands them to its network. Prints photos a second by the clock, and milliseconds of the processor a photo, of all processes.
"""
import resource
import sys
import time

import h5py
import torch
from torchvision import datasets, transforms


class Packed(torch.utils.data.Dataset):
    def __init__(self, path):
        self.path, self.file = path, None
        with h5py.File(path) as file:
            self.count = len(file["images"])

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if self.file is None:
            self.file = h5py.File(self.path)
        image = torch.from_numpy(self.file["images"][i])
        return image.flip(1) if torch.rand(()) < 0.5 else image


def processor_seconds():
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main():
    kind, path, workers, batch, batches = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    torch.set_num_threads(1)
    if kind == "raw":
        photos = Packed(path)
    else:
        steps = [transforms.Resize((224, 224)), transforms.RandomHorizontalFlip(), transforms.PILToTensor()]
        photos = datasets.ImageFolder(path, transforms.Compose(steps))
    sampler = torch.utils.data.RandomSampler(photos, replacement=True, num_samples=batch * batches)
    loader = torch.utils.data.DataLoader(photos, batch, sampler=sampler, num_workers=workers)
    started, used, seen = time.perf_counter(), processor_seconds(), 0
    for images in loader:
        images = images if kind == "raw" else images[0]
        seen += int(images.reshape(-1)[0])
    del loader
    count = batch * batches
    print(f"{count / (time.perf_counter() - started):.1f} {1e3 * (processor_seconds() - used) / count:.4f}")


main()
