"""PyOD's AutoEncoder at its defaults: FILE.npz SEED; prints one AUROC a digit.

Every option but the seed is PyOD's default. FILE holds `train` and `test`, float32 (N, 784) in [0,
1], and their labels.
"""

import contextlib
import json
import os
import sys

import numpy as np
from pyod.models.auto_encoder import AutoEncoder
from sklearn.metrics import roc_auc_score

file, seed = sys.argv[1], int(sys.argv[2])
with np.load(file) as arrays:
    train, test, train_labels, test_labels = (
        arrays[key] for key in ("train", "test", "train_labels", "test_labels")
    )
areas = []
for digit in range(10):
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        model = AutoEncoder(random_state=seed, verbose=0).fit(train[train_labels == digit])
        scores = model.decision_function(test)
    areas.append(roc_auc_score(test_labels != digit, scores))
print(json.dumps(areas))
