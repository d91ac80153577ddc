"""The article's program in our own words: Keras `fit` and `predict`, and matplotlib.

It needs TensorFlow 2.10 or newer. Run as `python article.py FOLDER MNIST.npz`; it writes
example0.png ... example9.png and output.gif into FOLDER and prints one JSON line for the benchmark.
On a newer TensorFlow the same lines run on Keras 3.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib

matplotlib.use("Agg")
import numpy as np
import tensorflow as tf
from drawing import save_animation, save_example

folder, data = sys.argv[1], np.load(sys.argv[2])
train, test = (data[part].astype("float32") / 255 for part in ("train", "test"))

encoder = tf.keras.Sequential(
    [
        tf.keras.layers.Flatten(input_shape=(28, 28))
        if tf.__version__ < "2.16"
        else tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(16, activation="relu"),
    ]
)
decoder = tf.keras.Sequential(
    [tf.keras.layers.Dense(784, activation="sigmoid"), tf.keras.layers.Reshape((28, 28))]
)
inputs = tf.keras.Input((28, 28))
model = tf.keras.Model(inputs, decoder(encoder(inputs)))
model.compile(optimizer=tf.keras.optimizers.Adam(), loss="mse")

seconds = []
for epoch in range(10):
    started = time.perf_counter()
    history = model.fit(
        train, train, epochs=1, batch_size=256, shuffle=True, validation_data=(test, test)
    )
    seconds.append(time.perf_counter() - started)
    redrawn = model.predict(test)
    save_example(folder, epoch, test[:10], redrawn[:10])

save_animation(folder, 10)
print(json.dumps({"epoch_seconds": seconds, "val_loss": history.history["val_loss"][-1]}))
