"""Eleven image classifiers on MNIST or CIFAR-10.

python main.py --model lenet
python main.py --model resnet18 --opt momentum --learning-rate 0.02
python main.py --model vgg16 --tiny

MNIST is the subset that comes with the package, or the whole set with --data mnist.pkl.gz.  CIFAR-10 is read from
the folder --data (by default CIFAR_10) if its files are there; else a small synthetic set takes its place.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

CLASSES = 10
HE = ht.init.GenHeNormal()
OPTIMIZERS = {
    "sgd": ht.optim.SGDOptimizer,
    "momentum": ht.optim.MomentumOptimizer,
    "nesterov": partial(ht.optim.MomentumOptimizer, nesterov=True),
    "adagrad": partial(ht.optim.AdaGradOptimizer, initial_accumulator_value=0.1),
    "adam": ht.optim.AdamOptimizer,
}


# --- models: from the shape of an image, (channels, side, side), to a layer that gives the scores of the classes -----


def logreg(shape, thin):
    return htl.Sequence(flat(shape), htl.Linear(np.prod(shape), CLASSES, ht.init.GenZeros()))


def mlp(shape, thin):
    hidden = 256 // thin
    return htl.Sequence(
        flat(shape),
        htl.Linear(np.prod(shape), hidden, activation="relu", name="fc1"),
        htl.Linear(hidden, hidden, activation="relu", name="fc2"),
        htl.Linear(hidden, CLASSES, name="fc3"),
    )


def cnn_3_layers(shape, thin):
    channels, side, _ = shape
    wide = 64 // thin
    return htl.Sequence(
        htl.Conv2d(channels, wide // 2, 5, padding=2, initializer=HE, activation="relu", name="conv1"),
        htl.AvgPool2d(2, 2),
        htl.Conv2d(wide // 2, wide, 5, padding=2, initializer=HE, activation="relu", name="conv2"),
        htl.AvgPool2d(2, 2),
        *head(wide * (side // 4) ** 2),
    )


def lenet(shape, thin):
    channels, side, _ = shape
    return htl.Sequence(
        htl.Conv2d(channels, 6, 5, padding=2, initializer=HE, activation="relu", name="conv1"),
        htl.MaxPool2d(2, 2),
        htl.Conv2d(6, 16, 5, padding=2, initializer=HE, activation="relu", name="conv2"),
        htl.MaxPool2d(2, 2),
        *head(16 * (side // 4) ** 2, 120, 84),
    )


def alexnet(shape, thin):
    channels, side, _ = shape
    widths = [w // thin for w in (32, 64, 128, 256, 256)]
    return htl.Sequence(
        conv_bn_relu(channels, widths[0], "conv1"),
        htl.MaxPool2d(2, 2),
        conv_bn_relu(widths[0], widths[1], "conv2"),
        htl.MaxPool2d(2, 2),
        conv_bn_relu(widths[1], widths[2], "conv3"),
        conv_bn_relu(widths[2], widths[3], "conv4"),
        conv_bn_relu(widths[3], widths[4], "conv5"),
        htl.MaxPool2d(2, 2),
        *head(widths[4] * (side // 8) ** 2, 1024 // thin, 512 // thin),
    )


def vgg(shape, thin, depths):
    inner, side, _ = shape
    if side < 32:
        raise SystemExit(
            f"VGG halves its images five times, which {side} pixels a side do not allow: --dataset cifar10"
        )
    layers = []
    for block, (depth, width) in enumerate(zip(depths, (64, 128, 256, 512, 512), strict=True)):
        for i in range(depth):
            layers.append(conv_bn_relu(inner, width // thin, f"block{block}_{i}"))
            inner = width // thin
        layers.append(htl.MaxPool2d(2, 2))
    return htl.Sequence(*layers, *head(inner * (side // 32) ** 2, 4096 // thin, 4096 // thin))


def resnet(shape, thin, depths):
    inner = 16 // min(thin, 4)
    layers = [conv_bn_relu(shape[0], inner, "first")]
    for stage, depth in enumerate(depths):
        for i in range(depth):
            layers.append(residual(inner, outer := 16 // min(thin, 4) << stage, f"stage{stage}_{i}"))
            inner = outer
    return htl.Sequence(*layers, lambda x: ht.reduce_mean_op(x, [2, 3]), htl.Linear(inner, CLASSES, name="last"))


def residual(inner, outer, name):
    """Two convolutions beside a shortcut; where the width doubles, the image shrinks to half."""
    stride = outer // inner
    main = htl.Sequence(
        conv_bn_relu(inner, outer, f"{name}_a", stride),
        htl.Conv2d(outer, outer, 3, padding=1, initializer=HE, bias=False, name=f"{name}_b"),
        htl.BatchNorm(outer, name=f"{name}_b_bn"),
    )
    shortcut = htl.Identity()
    if stride > 1:
        shortcut = htl.Conv2d(inner, outer, 1, stride, initializer=HE, bias=False, name=f"{name}_shortcut")
    return htl.Sequence(htl.SumLayers([main, shortcut]), htl.Relu())


class Recurrent:
    """Reads an image row by row, and classifies the last state."""

    def __init__(self, shape, thin):
        channels, self.rows, side = shape
        self.width, self.hidden = channels * side, 128 // min(thin, 2)
        self.last = htl.Linear(self.hidden, CLASSES, name="last")

    def __call__(self, x):
        rows = ht.array_reshape_op(ht.transpose_op(x, [2, 0, 1, 3]), [self.rows, -1, self.width])
        state = None
        for i in range(self.rows):
            row = ht.array_reshape_op(ht.slice_op(rows, [i, 0, 0], [1, -1, -1]), [-1, self.width])
            state = self.step(row, *(state or self.start(row)))
        return self.last(state[0])

    def start(self, row):
        """Zeros for each image of the batch."""
        zeros = ht.matmul_op(row, ht.init.zeros((self.width, self.hidden), name="start", trainable=False))
        return zeros, zeros


class RNN(Recurrent):
    def __init__(self, shape, thin):
        super().__init__(shape, thin)
        self.next = htl.Linear(self.width + self.hidden, self.hidden, activation="relu", name="next")

    def step(self, row, hidden, cell):
        return self.next(ht.concat_op(row, hidden, axis=1)), cell


class LSTM(Recurrent):
    def __init__(self, shape, thin):
        super().__init__(shape, thin)
        self.gates = htl.Linear(self.width + self.hidden, 4 * self.hidden, name="gates")

    def step(self, row, hidden, cell):
        gates = self.gates(ht.concat_op(row, hidden, axis=1))
        forget, accept, output, content = (ht.split_op(gates, [1], [i], [4]) for i in range(4))
        cell = ht.sigmoid_op(forget) * cell + ht.sigmoid_op(accept) * ht.tanh_op(content)
        return ht.sigmoid_op(output) * ht.tanh_op(cell), cell


def flat(shape):
    return htl.Reshape([-1, np.prod(shape)])


def conv_bn_relu(inner, outer, name, stride=1):
    convolution = htl.Conv2d(inner, outer, 3, stride, 1, initializer=HE, bias=False, name=name)
    return htl.Sequence(convolution, htl.BatchNorm(outer, name=f"{name}_bn"), htl.Relu())


def head(*widths):
    """Fully connected layers down to the classes."""
    pairs = list(zip(widths, [*widths[1:], CLASSES], strict=True))
    activations = ["relu"] * (len(pairs) - 1) + [None]
    linear = [
        htl.Linear(*pair, activation=activation, name=f"fc{i}")
        for i, (pair, activation) in enumerate(zip(pairs, activations, strict=True), 1)
    ]
    return [htl.Reshape([-1, widths[0]]), *linear]


MODELS = {
    "logreg": logreg,
    "mlp": mlp,
    "cnn_3_layers": cnn_3_layers,
    "lenet": lenet,
    "alexnet": alexnet,
    "vgg16": partial(vgg, depths=(2, 2, 3, 3, 3)),
    "vgg19": partial(vgg, depths=(2, 2, 4, 4, 4)),
    "resnet18": partial(resnet, depths=(2, 2, 2, 2)),
    "resnet34": partial(resnet, depths=(3, 4, 6, 3)),
    "rnn": RNN,
    "lstm": LSTM,
}


# --- data: images (N, channels, side, side) and one-hot labels, for training and for validation ----------------------


def mnist(path):
    sets = ht.data.mnist(path) if path else ht.data.mnist_subset()
    return [(images.reshape(-1, 1, 28, 28), labels) for images, labels in sets[:2]]


def cifar10(path):
    folder = Path(path or "CIFAR_10")
    if not (folder / "cifar-10-batches-py").is_dir():
        print(f"No CIFAR-10 in {folder}: training on a synthetic set.")
        return [synthetic(np.random.default_rng(seed), count) for seed, count in ((0, 4096), (1, 1024))]
    train_x, train_y, valid_x, valid_y = ht.data.cifar10(str(folder))
    return [(standardised(x.reshape(-1, 3, 32, 32)), y) for x, y in ((train_x, train_y), (valid_x, valid_y))]


def standardised(images):
    axes = (0, 2, 3)
    return ((images - images.mean(axes, keepdims=True)) / images.std(axes, keepdims=True)).astype(np.float32)


def synthetic(rng, count):
    """Stripes under noise; the class is their direction."""
    labels = rng.integers(0, CLASSES, count)
    angle, phase = labels * np.pi / CLASSES, rng.uniform(0, 2 * np.pi, (count, 1, 1))
    y, x = np.mgrid[:32, :32] / 32
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    stripes = np.sin(2 * np.pi * 3 * along + phase)[:, None]
    return (stripes + 0.5 * rng.standard_normal((count, 3, 32, 32))).astype(np.float32), np.eye(CLASSES)[labels]


# --- training --------------------------------------------------------------------------------------------------------


def run_epoch(executor, group):
    """The loss of each batch of one pass over the data, and the accuracy."""
    losses, right = [], []
    for _ in range(executor.get_batch_num(group)):
        loss, scores, labels = executor.run(group, convert_to_numpy_ret_vals=True)[:3]
        losses.append(loss.item())
        right.append(np.mean(scores.argmax(1) == labels.argmax(1)))
    return losses, np.mean(right)


def main(arguments=None):
    args = parse(arguments)
    dataset = args.dataset or ("cifar10" if args.model.startswith(("vgg", "resnet")) else "mnist")
    sets = {"mnist": mnist, "cifar10": cifar10}[dataset](args.data)
    if args.tiny:
        args.epochs, args.batch_size = 3, 32
        sets = [(images[:count], labels[:count]) for (images, labels), count in zip(sets, (512, 128), strict=True)]

    groups = ("train", "validate")
    x, y_ = (
        ht.dataloader_op([ht.Dataloader(s[i], args.batch_size, g) for s, g in zip(sets, groups, strict=True)])
        for i in (0, 1)
    )
    model = MODELS[args.model](sets[0][0].shape[1:], 8 if args.tiny else 1)
    scores = model(x)
    loss = htl.SoftmaxCrossEntropyLoss(sparse=False)(scores, y_)
    train = OPTIMIZERS[args.opt](learning_rate=args.learning_rate).minimize(loss)
    ctx = None if args.gpu is None else ht.cpu(0) if args.gpu < 0 else ht.gpu(args.gpu)
    executor = ht.Executor(
        {"train": [loss, scores, y_, train], "validate": [loss, scores, y_]}, ctx=ctx, seed=args.seed
    )

    print(f"{args.model} on {dataset}: {len(sets[0][0])} images, {args.opt} with learning rate {args.learning_rate}")
    history = []
    for epoch in range(args.epochs):
        losses, accuracy = run_epoch(executor, "train")
        _, valid = run_epoch(executor, "validate")
        history += losses
        loss = np.mean(losses)
        print(f"epoch {epoch}: loss {loss:.4f}, accuracy {accuracy:.3f}, on validation {valid:.3f}", flush=True)
    print(f"loss: {history[0]:.4f} -> {loss:.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="lenet")
    parser.add_argument("--dataset", choices=["mnist", "cifar10"], help="by default CIFAR-10 for VGG and ResNet only")
    parser.add_argument("--data", metavar="PATH", help="mnist.pkl.gz, or the folder with cifar-10-batches-py")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--opt", choices=OPTIMIZERS, default="adam")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--gpu", type=int, help="its number, or -1 for the CPU; by default what JAX finds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="thin layers and few images, for a look in under a minute")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
