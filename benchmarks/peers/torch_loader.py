"""The article's model on PyTorch, its images read from the file by a DataLoader.

One worker reads, as in its guide. Run as `python torch_loader.py FILE OFFSET ROWS`; prints one JSON
line. Measured over 100,000 images after 20,000.
"""

import json
import resource
import sys
import time

import numpy as np
import torch

path, offset, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BATCH, WARM, MEASURED = 256, 20_000, 100_000


class Rows(torch.utils.data.Dataset):
    def __init__(self):
        self.rows = np.memmap(path, np.uint8, "r", offset, (rows, 784))

    def __len__(self):
        return rows

    def __getitem__(self, index):
        return torch.from_numpy(np.array(self.rows[index]))


def main():
    loader = torch.utils.data.DataLoader(Rows(), BATCH, shuffle=True, num_workers=1)
    model = torch.nn.Sequential(
        torch.nn.Linear(784, 16), torch.nn.ReLU(), torch.nn.Linear(16, 784), torch.nn.Sigmoid()
    )
    optimizer = torch.optim.Adam(model.parameters(), eps=1e-7)
    for number, batch in enumerate(loader):
        if number == WARM // BATCH:
            started = time.perf_counter()
        if number == (WARM + MEASURED) // BATCH:
            break
        images = batch.float().div_(255)
        loss = torch.nn.functional.mse_loss(model(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    rate = ((WARM + MEASURED) // BATCH - WARM // BATCH) * BATCH / (time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"images_per_second": rate, "memory_mb": peak}))


if __name__ == "__main__":
    main()
