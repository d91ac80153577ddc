"""pythae's own convolutional autoencoder for MNIST, code 16, trained for a given time.

It is trained with its own loss. Words: the .npz of images, seconds of the whole process, seed.
Prints one line of JSON. Adam at 1e-3 and batches of 128: the library names no recipe for this
model.
"""

import json
import sys
import time

started = time.perf_counter()

import numpy as np
import torch
from pythae.models import AE, AEConfig
from pythae.models.nn.benchmarks.mnist import Decoder_Conv_AE_MNIST, Encoder_Conv_AE_MNIST

path, seconds, seed = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(seed)
arrays = np.load(path)
train, test = (torch.from_numpy(arrays[part]).unsqueeze(1) for part in ("train", "test"))
config = AEConfig(input_dim=(1, 28, 28), latent_dim=16)
model = AE(config, encoder=Encoder_Conv_AE_MNIST(config), decoder=Decoder_Conv_AE_MNIST(config))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def evaluate() -> float:
    model.eval()
    with torch.no_grad():
        total = 0.0
        for batch in test.split(500):
            images = batch.float() / 255
            total += float(((model({"data": images}).recon_x - images) ** 2).sum())
    return total / test.numel()


steps, spent = 0, 0.0
while spent < seconds:
    for rows in torch.randperm(len(train)).split(128):
        model.train()
        optimizer.zero_grad()
        model({"data": train[rows].float() / 255}).loss.backward()
        optimizer.step()
        steps += 1
        spent = time.perf_counter() - started
        if spent >= seconds:
            break
mse = evaluate()
parameters = sum(one.numel() for one in model.parameters())
epochs = steps * 128 / len(train)
print(
    json.dumps(
        {
            "mse": mse,
            "epochs": epochs,
            "parameters": parameters,
            "seconds": time.perf_counter() - started,
        }
    )
)
