"""The script that people pack photos with: Pillow decodes and resizes, h5py stores raw pixels. Run by pack.sh.

usage: pack.py FOLDER OUTPUT SIZE PROCESSES
"""
import multiprocessing
import os
import sys

import h5py
import numpy
from PIL import Image


def read(task):
    path, size = task
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB").resize((size, size), Image.BILINEAR))


def photos(folder):
    for label, person in enumerate(sorted(os.listdir(folder))):
        for name in sorted(os.listdir(os.path.join(folder, person))):
            yield os.path.join(folder, person, name), label


def main():
    folder, output, size, processes = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    paths, labels = zip(*photos(folder))
    tasks = [(path, size) for path in paths]
    with h5py.File(output, "w") as file:
        images = file.create_dataset("images", (len(tasks), size, size, 3), "u1")
        file["labels"] = numpy.array(labels)
        if processes == 1:
            for i, task in enumerate(tasks):
                images[i] = read(task)
        else:
            with multiprocessing.Pool(processes) as pool:
                for i, image in enumerate(pool.imap(read, tasks, chunksize=16)):
                    images[i] = image
        file.flush()
        os.fsync(file.id.get_vfd_handle())


main()
