"""Makes tests/data/onnx_models/tf_cnn.onnx: the documentation's CNN, by TensorFlow and tf2onnx, and what TensorFlow
itself computes with it.

In an environment of its own: `pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx onnxruntime`, then
`python benchmarks/onnx_tensorflow.py` from the root of the checkout.
"""

from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf
import tf2onnx

FOLDER = Path(__file__).parents[1] / "tests" / "data" / "onnx_models"
IMAGES = np.random.RandomState(seed=123).normal(scale=0.1, size=(20, 784)).astype(np.float32)
WEIGHTS = np.random.RandomState(seed=0)


def weight(*shape):
    return tf.Variable(WEIGHTS.normal(scale=0.1, size=shape).astype(np.float32))


def filters(*shape):
    """Filters drawn as (O, C, H, W), in TensorFlow's order."""
    return tf.Variable(WEIGHTS.normal(scale=0.1, size=shape).transpose(2, 3, 1, 0).astype(np.float32))


def stage(x, weights):
    x = tf.nn.relu(tf.nn.conv2d(x, weights, padding="SAME", strides=[1, 1, 1, 1]))
    return tf.nn.avg_pool(x, ksize=[1, 2, 2, 1], padding="VALID", strides=[1, 2, 2, 1])


def cnn():
    x = tf.placeholder(tf.float32, (None, 784), name="input")
    maps = stage(stage(tf.reshape(x, [-1, 28, 28, 1]), filters(32, 1, 5, 5)), filters(64, 32, 5, 5))
    rows = tf.reshape(tf.transpose(maps, [0, 3, 1, 2]), (-1, 7 * 7 * 64))
    return x, tf.identity(tf.matmul(rows, weight(7 * 7 * 64, 10)), name="output")


def main():
    with tf.Graph().as_default(), tf.Session() as session:
        x, y = cnn()
        session.run(tf.global_variables_initializer())
        np.save(FOLDER / "tf_cnn.npy", session.run(y, feed_dict={x: IMAGES}))
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["output"])
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(frozen, name="")
        graph = tf2onnx.tfonnx.process_tf_graph(session.graph, input_names=["input:0"], output_names=["output:0"])
        (FOLDER / "tf_cnn.onnx").write_bytes(graph.make_model("cnn_model").SerializeToString())


if __name__ == "__main__":
    main()
