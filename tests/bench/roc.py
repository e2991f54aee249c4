#!/usr/bin/env python3
"""scikit-learn's side of bench_roc: roc.py FILE N DIM PHOTOS_A_PERSON"""
import resource, sys, time
import numpy as np
from sklearn.metrics import roc_auc_score, roc_curve

path, n, dim, photos = sys.argv[1], *map(int, sys.argv[2:5])
e = np.fromfile(path, np.float32).reshape(n, dim)
label = np.arange(n) // photos
started = time.time()
i, j = np.triu_indices(n, 1)
score = (e @ e.T)[i, j]
same = label[i] == label[j]
fpr, tpr, _ = roc_curve(same, score, drop_intermediate=False)
k = np.argmax(fpr >= 1 - tpr)
part = ((1 - tpr[k - 1]) - fpr[k - 1]) / ((tpr[k] - tpr[k - 1]) + (fpr[k] - fpr[k - 1]))
eer = fpr[k - 1] + part * (fpr[k] - fpr[k - 1])
auc = roc_auc_score(same, score)
print(f"{len(score)} pairs, {same.sum()} same: {time.time() - started:.2f} s, AUC {auc:.9f}, EER {eer:.9f}, TAR at 1e-6 {tpr[fpr <= 1e-6].max():.9f}")
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
