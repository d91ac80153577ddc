"""The same model on Keras 3 by its own `fit`; files and JSON line as `article.py`.

KERAS_BACKEND picks the framework. Run as `KERAS_BACKEND=jax python keras_fit.py FOLDER MNIST.npz`.
"""

import json
import sys
import time

import matplotlib

matplotlib.use("Agg")
import keras
import numpy as np
from drawing import save_animation, save_example

folder, data = sys.argv[1], np.load(sys.argv[2])
train, test = (data[part].astype("float32") / 255 for part in ("train", "test"))

encoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(16, activation="relu")])
decoder = keras.Sequential(
    [keras.layers.Dense(784, activation="sigmoid"), keras.layers.Reshape((28, 28))]
)
inputs = keras.Input((28, 28))
model = keras.Model(inputs, decoder(encoder(inputs)))
model.compile(optimizer="adam", loss="mse")

seconds = []
for epoch in range(10):
    started = time.perf_counter()
    history = model.fit(train, train, epochs=1, batch_size=256, validation_data=(test, test))
    seconds.append(time.perf_counter() - started)
    redrawn = model.predict(test)
    save_example(folder, epoch, test[:10], redrawn[:10])

save_animation(folder, 10)
print(json.dumps({"epoch_seconds": seconds, "val_loss": history.history["val_loss"][-1]}))
