#!/usr/bin/env python3
"""Golden splits from scikit-learn's StratifiedShuffleSplit: single calls and the article's two calls.

split/calls.txt     label_seed n classes skew test_size seed  outcome  hash_of_train hash_of_test
split/article.txt   label_seed n classes skew train val test seed  outcome call  hash_of_train hash_of_val hash_of_test
split/full.txt      test_size seed | labels | train | test

outcome: 0 split, 1 a class has fewer than 2 members, 2 the train part and 3 the test part is smaller than the number of classes.
usage: make_split.py (writes beside itself)
"""
import os
import re
import sys

import numpy as np
import sklearn
from sklearn.model_selection import StratifiedShuffleSplit

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from labels import Lcg, draw_labels, fnv

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "split")


def call(y, test_size, seed):
    """(outcome, train, test)"""
    try:
        train, test = next(StratifiedShuffleSplit(1, test_size=test_size, random_state=seed).split(np.zeros(len(y)), y))
        return 0, train, test
    except ValueError as error:
        text = str(error)
        if re.search("least populated class", text):
            return 1, [], []
        if re.search("train_size = .* should be greater or equal", text):
            return 2, [], []
        if re.search("test_size = .* should be greater or equal", text):
            return 3, [], []
        raise


def article(y, train, val, test, seed):
    """(outcome, call, train, val, test)"""
    outcome, first, rest = call(y, val + test, seed)
    if outcome:
        return outcome, 1, [], [], []
    outcome, a, b = call(y[rest], test / (val + test), seed)
    if outcome:
        return outcome, 2, [], [], []
    return 0, 2, first, rest[a], rest[b]


def main():
    os.makedirs(HERE, exist_ok=True)
    head = f"# made by make_split.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}\n"
    lcg = Lcg(2024)
    with open(os.path.join(HERE, "calls.txt"), "w") as f:
        f.write(head)
        for i in range(600):
            classes = 2 + lcg.below(60)
            n = classes * (1 + lcg.below(14)) + lcg.below(40)
            skew = lcg.below(3)
            test_size = [0.1, 0.2, 0.25, 0.3, 0.5, 1 / 3, 0.37, 0.9][lcg.below(8)]
            seed = [0, 42, lcg.below(1 << 31), (1 << 32) - 1][lcg.below(4)]
            y = np.array(draw_labels(i, n, classes, skew))
            outcome, train, test = call(y, test_size, seed)
            f.write(f"{i} {n} {classes} {skew} {test_size!r} {seed} {outcome} {fnv(train):016x} {fnv(test):016x}\n")
    with open(os.path.join(HERE, "article.txt"), "w") as f:
        f.write(head)
        for i in range(300):
            classes = 2 + lcg.below(40)
            n = classes * (6 + lcg.below(20)) + lcg.below(30)
            skew = lcg.below(2)
            train, val, test = [(0.8, 0.1, 0.1), (0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.5, 0.2, 0.3)][lcg.below(4)]
            seed = [0, 42, lcg.below(1 << 31)][lcg.below(3)]
            y = np.array(draw_labels(1000 + i, n, classes, skew))
            outcome, at, a, b, c = article(y, train, val, test, seed)
            f.write(
                f"{1000 + i} {n} {classes} {skew} {train!r} {val!r} {test!r} {seed} {outcome} {at} "
                f"{fnv(a):016x} {fnv(b):016x} {fnv(c):016x}\n"
            )
    with open(os.path.join(HERE, "full.txt"), "w") as f:
        f.write(head)
        for y, test_size, seed in [
            (np.repeat([0, 1, 2, 3], [7, 5, 4, 9]), 0.2, 42),
            (np.repeat(np.arange(6), 10), 0.2, 0),
            (np.array([3, 3, 0, 0, 9, 9, 3, 0, 9, 9]), 0.5, 7),
        ]:
            _, train, test = call(y, test_size, seed)
            f.write(" | ".join([f"{test_size!r} {seed}"] + [" ".join(map(str, part)) for part in (y, train, test)]) + "\n")


if __name__ == "__main__":
    main()
