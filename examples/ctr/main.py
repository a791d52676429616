"""Click-through rates and incomes: Wide & Deep, DeepFM and Deep & Cross on data of the formats of Criteo and Adult.

python main.py --model deepfm
python main.py --model wdl --dataset adult --data adult.data
python main.py --model dcn --tiny

Without --data the script makes lines of the format itself, and labels them by a rule with interactions of columns.
Every category becomes a row of one table by hashing its column and its value, so that none is ever unknown.
"""

import argparse
from itertools import islice
from zlib import crc32

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax import metrics

NORMAL = ht.init.GenNormal(stddev=0.01)


# --- data: lines of text, and from them numbers (n, dense), ids (n, fields + crosses) and labels (n, 1) --------------


class Criteo:
    """label, 13 counts and 26 categories, separated by tabs; any but the label may be missing."""

    separator, numeric, positive = "\t", range(1, 14), "1"
    categories, label = range(14, 40), 0
    crosses = ((14, 15), (16, 17))

    @staticmethod
    def make(rng, count):
        counts = rng.geometric(0.2, (count, 13)) - 1
        kinds = rng.zipf(1.5, (count, 26)) % 50
        taste = rng.normal(size=(26, 50))
        score = (
            taste[np.arange(26), kinds].sum(1) / 3 + 2 * taste[0, (kinds[:, 0] + kinds[:, 1]) % 50] - counts[:, 0] / 4
        )
        labels = rng.random(count) < 1 / (1 + np.exp(-score))
        for label, numbers, names in zip(labels, counts, kinds, strict=True):
            hidden = rng.random(39) < 0.05
            columns = [*map(str, numbers), *(f"{name:08x}" for name in names)]
            yield "\t".join([str(int(label)), *np.where(hidden, "", columns)])


class Adult:
    """Age, kind of work, and so on to the native country, then the income, separated by commas."""

    separator, numeric, positive = ",", (0, 4, 10, 11, 12), ">50K"
    categories, label = (1, 3, 5, 6, 7, 8, 9, 13), 14
    crosses = ((3, 6), (6, 13))

    @staticmethod
    def make(rng, count):
        sizes = {1: 8, 3: 16, 5: 7, 6: 14, 7: 6, 8: 5, 9: 2, 13: 40}
        worth = {column: rng.normal(size=size) for column, size in sizes.items()}
        both = rng.normal(size=(sizes[3], sizes[6]))
        for _ in range(count):
            kinds = {column: rng.integers(size) for column, size in sizes.items()}
            age, years, hours = rng.integers(17, 90), rng.integers(1, 17), rng.integers(10, 80)
            score = sum(worth[column][kind] for column, kind in kinds.items()) + 2 * both[kinds[3], kinds[6]]
            rich = score + (years - 8) / 4 + (hours - 45) / 40 + rng.logistic() > 1
            row = {column: f"kind{kind}" for column, kind in kinds.items()}
            row |= {0: age, 2: 0, 4: years, 10: 0, 11: 0, 12: hours, 14: ">50K" if rich else "<=50K"}
            yield ", ".join(str(row[column]) for column in range(15))


def read(layout, lines, rows, least):
    """Numbers on a logarithmic scale and then standardised, ids below `rows`, and labels, of `least` lines or more."""
    width = max(*layout.numeric, *layout.categories, layout.label) + 1
    table = [[value.strip() for value in line.rstrip("\n").split(layout.separator)] for line in lines]
    table = [row for row in table if len(row) == width]  # adult.test begins with another line
    if len(table) < least:
        raise SystemExit(f"{len(table)} lines of {width} columns are too few: it takes {least}, two batches")
    numbers = np.array([[float(row[c] or 0) for c in layout.numeric] for row in table])
    numbers = np.log1p(np.maximum(numbers, 0))
    numbers = (numbers - numbers.mean(0)) / (numbers.std(0) + 1e-6)
    columns = [*((c,) for c in layout.categories), *layout.crosses]
    ids = [[crc32(f"{cs}={[row[c] for c in cs]}".encode()) % rows for cs in columns] for row in table]
    labels = [[row[layout.label].rstrip(".") == layout.positive] for row in table]
    return np.float32(numbers), np.int32(ids), np.float32(labels)


# --- models: from nodes of numbers (N, dense) and of ids (N, all) to a score (N, 1) ----------------------------------


class Model:
    """What the three share: the vectors of the categories, and a network on top.

    dense, fields, crosses: how many columns of each kind there are.
    """

    def __init__(self, args, dense, fields, crosses):
        self.dense, self.fields, self.all = dense, fields, fields + crosses
        self.vectors = htl.Embedding(args.rows, args.width, NORMAL, name="vectors")
        self.flat, self.width = fields * args.width + dense, args.width
        sizes = [self.flat, *args.hidden]
        self.hidden = htl.Sequence(
            *(
                htl.Linear(a, b, activation="relu", name=f"hidden{i}")
                for i, (a, b) in enumerate(zip(sizes[:-1], sizes[1:], strict=True))
            )
        )

    def looked_up(self, ids):
        """The vectors of the single columns, (N, fields, width)."""
        return self.vectors(ht.slice_op(ids, (0, 0), (-1, self.fields)))

    def joined(self, numbers, vectors):
        """Vectors and numbers side by side, (N, flat)."""
        return ht.concat_op(ht.array_reshape_op(vectors, (-1, self.fields * self.width)), numbers, axis=1)


class Linear:
    """A weight for each category and each number, summed."""

    def __init__(self, args, dense):
        self.weights, self.numbers = htl.Embedding(args.rows, 1, NORMAL, name="weights"), htl.Linear(dense, 1)

    def __call__(self, numbers, ids):
        return ht.reduce_sum_op(self.weights(ids), axes=1) + self.numbers(numbers)


class WideAndDeep(Model):
    """A linear model of columns and of pairs of columns, plus a network."""

    def __init__(self, args, *columns):
        super().__init__(args, *columns)
        self.wide, self.deep = Linear(args, self.dense), htl.Linear(args.hidden[-1], 1, name="deep")

    def __call__(self, numbers, ids):
        x = self.joined(numbers, self.looked_up(ids))
        return self.wide(numbers, ids) + self.deep(self.hidden(x))


class DeepFM(Model):
    """A linear model, plus the products of all pairs of vectors, plus a network."""

    def __init__(self, args, *columns):
        super().__init__(args, *columns)
        self.linear, self.deep = Linear(args, self.dense), htl.Linear(args.hidden[-1], 1, name="deep")

    def __call__(self, numbers, ids):
        vectors = self.looked_up(ids)
        total = ht.reduce_sum_op(vectors, axes=1)
        squares = ht.reduce_sum_op(vectors * vectors, axes=1)
        pairs = ht.reduce_sum_op(total * total - squares, axes=1, keepdims=True) * 0.5
        linear = self.linear(numbers, ht.slice_op(ids, (0, 0), (-1, self.fields)))
        return linear + pairs + self.deep(self.hidden(self.joined(numbers, vectors)))


class DeepAndCross(Model):
    """Layers that multiply what comes in with a linear form of what they have so far, beside a network."""

    def __init__(self, args, *columns):
        super().__init__(args, *columns)
        self.forms = [htl.Linear(self.flat, 1, NORMAL, bias=False, name=f"cross{i}") for i in range(args.crosses)]
        self.biases = [ht.init.zeros((self.flat,), name=f"cross{i}_bias") for i in range(args.crosses)]
        self.score = htl.Linear(self.flat + args.hidden[-1], 1, name="score")

    def __call__(self, numbers, ids):
        x = crossed = self.joined(numbers, self.looked_up(ids))
        for form, bias in zip(self.forms, self.biases, strict=True):
            crossed = x * ht.broadcastto_op(form(crossed), x) + crossed + ht.broadcastto_op(bias, x)
        return self.score(ht.concat_op(crossed, self.hidden(x), axis=1))


MODELS = {"wdl": WideAndDeep, "deepfm": DeepFM, "dcn": DeepAndCross}
DATASETS = {"criteo": Criteo, "adult": Adult}


# --- training --------------------------------------------------------------------------------------------------------


def batches(args, data):
    """A node for the training part and the validation part, which is the last tenth."""
    cut = len(data) - max(len(data) // 10, args.batch_size)
    parts = [("train", data[:cut]), ("validate", data[cut:])]
    loaders = [ht.Dataloader(part, args.batch_size, name, dtype=data.dtype) for name, part in parts]
    return ht.dataloader_op(loaders)


def lines(args, layout):
    if args.data is None:
        return layout.make(np.random.default_rng(args.seed), args.lines)
    with open(args.data) as file:
        return list(islice(file, args.lines))


def run_epoch(executor, group):
    """The losses of the batches, and the area under the ROC curve of all of them together."""
    runs = [executor.run(group)[:3] for _ in range(executor.get_batch_num(group))]
    losses, scores, labels = (
        np.concatenate([value.asnumpy() for value in column]) for column in zip(*runs, strict=True)
    )
    return losses, metrics.auc(labels, scores)


def main(arguments=None):
    args = parse(arguments)
    if args.tiny:
        args.lines, args.rows, args.width, args.hidden, args.epochs = 2000, 2000, 4, [16], 4
        args.learning_rate = 0.01
    layout = DATASETS[args.dataset]
    columns = read(layout, lines(args, layout), args.rows, 2 * args.batch_size)

    numbers, ids, labels = (batches(args, column) for column in columns)
    model = MODELS[args.model](args, columns[0].shape[1], len(layout.categories), len(layout.crosses))
    score = model(numbers, ids)
    loss = htl.BCEWithLogitsLoss()(score, labels)
    train = ht.optim.AdamOptimizer(args.learning_rate).minimize(loss)
    shown = [loss, ht.sigmoid_op(score), labels]
    executor = ht.Executor({"train": [*shown, train], "validate": shown}, seed=args.seed)

    print(f"{args.model} on {len(columns[2])} lines of {args.dataset}, {columns[2].mean():.1%} of them positive")
    first, mean = None, None
    for epoch in range(args.epochs):
        losses, auc = run_epoch(executor, "train")
        valid, valid_auc = run_epoch(executor, "validate")
        first, mean = losses[0] if first is None else first, losses.mean()
        print(f"epoch {epoch}: loss {mean:.4f}, AUC {auc:.3f}, on validation {valid.mean():.4f} and {valid_auc:.3f}")
    print(f"loss: {first:.4f} -> {mean:.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="wdl")
    parser.add_argument("--dataset", choices=DATASETS, default="criteo", help="the format of the lines")
    parser.add_argument("--data", metavar="PATH", help="a file of such lines, without a heading")
    parser.add_argument("--lines", type=int, default=50000, help="how many to read, or without --data to make")
    parser.add_argument("--rows", type=int, default=100000, help="of the table that the categories are hashed into")
    parser.add_argument("--width", type=int, default=16, help="of the vector of a category")
    parser.add_argument("--hidden", type=int, nargs="+", default=[256, 128], help="sizes of the network's layers")
    parser.add_argument("--crosses", type=int, default=3, help="cross layers of dcn")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=0.001)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="few lines and a small network, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
