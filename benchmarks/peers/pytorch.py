"""The same job in PyTorch as its users write it: data on the device and a plain loop.

It runs eagerly or under `torch.compile`. Run as `python pytorch.py FOLDER MNIST.npz eager|compile`;
files and the JSON line are those of `article.py`.
"""

import json
import sys
import time

import matplotlib

matplotlib.use("Agg")
import numpy as np
import torch
from drawing import save_animation, save_example

folder, data, mode = sys.argv[1], np.load(sys.argv[2]), sys.argv[3]
train, test = (
    torch.from_numpy(data[part]).float().div_(255).flatten(1) for part in ("train", "test")
)


class Autoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = torch.nn.Linear(784, 16), torch.nn.Linear(16, 784)
        for layer in (self.encoder, self.decoder):
            torch.nn.init.xavier_uniform_(layer.weight)
            torch.nn.init.zeros_(layer.bias)

    def forward(self, images):
        return torch.sigmoid(self.decoder(torch.relu(self.encoder(images))))


model = Autoencoder()
forward = torch.compile(model) if mode == "compile" else model
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
mean_squared_error = torch.nn.functional.mse_loss

seconds = []
for epoch in range(10):
    started = time.perf_counter()
    for rows in torch.randperm(len(train)).split(256):
        images = train[rows]
        loss = mean_squared_error(forward(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        redrawn = model(test)
        val_loss = mean_squared_error(redrawn, test).item()
    seconds.append(time.perf_counter() - started)
    print(f"epoch {epoch + 1}: loss {loss.item():.4f} val_loss {val_loss:.4f}")
    save_example(
        folder, epoch, test[:10].view(-1, 28, 28).numpy(), redrawn[:10].view(-1, 28, 28).numpy()
    )

save_animation(folder, 10)
print(json.dumps({"epoch_seconds": seconds, "val_loss": val_loss}))
