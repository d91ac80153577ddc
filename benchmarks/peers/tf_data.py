"""The article's model on TensorFlow, its images read from the file by tf.data as its guide does it.

Run as `python tf_data.py FILE OFFSET ROWS`; prints one JSON line. Measured over the first 300,000
images after 50,000.
"""

import json
import os
import resource
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

path, offset, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BATCH, WARM, MEASURED = 256, 50_000, 300_000

rest = os.path.getsize(path) - offset - 784 * rows
images = tf.data.FixedLengthRecordDataset(
    path, record_bytes=784, header_bytes=offset, footer_bytes=rest
)
images = images.shuffle(20_000).batch(BATCH)
images = images.map(lambda record: tf.cast(tf.io.decode_raw(record, tf.uint8), tf.float32) / 255)
images = images.map(lambda pixels: (pixels, pixels), num_parallel_calls=tf.data.AUTOTUNE).prefetch(
    tf.data.AUTOTUNE
)

model = tf.keras.Sequential(
    [
        tf.keras.Input((784,)),
        tf.keras.layers.Dense(16, "relu"),
        tf.keras.layers.Dense(784, "sigmoid"),
    ]
)
model.compile("adam", "mse")
model.fit(images.take(WARM // BATCH), verbose=0)
started = time.perf_counter()
model.fit(images.take(MEASURED // BATCH), verbose=0)
rate = MEASURED // BATCH * BATCH / (time.perf_counter() - started)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"images_per_second": rate, "memory_mb": peak}))
