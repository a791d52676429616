"""Recommendations from ratings: matrix factorisation and neural collaborative filtering.

python main.py --model mf --task rating
python main.py --model neumf --task ranking --data ml-1m/ratings.dat
python main.py --tiny

The ratings are lines `user::item::rating::timestamp`, as MovieLens has them; without --data the script makes some.
Of every user the last rating is kept back.  The task `rating` predicts it, measured as root mean squared error; the
task `ranking` learns which items a user has rated at all, against items drawn at random, and looks for the one kept
back among 99 others: the share of users with it in the first ten, and its discounted gain there.
"""

import argparse
from pathlib import Path

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

# --- data ------------------------------------------------------------------------------------------------------------


def make(rng, users, items, each):
    """Lines of ratings: tastes and items are points in a space of three dimensions, near ones please."""
    tastes, places = rng.normal(size=(users, 3)), rng.normal(size=(items, 3))
    liking = tastes @ places.T + rng.normal(size=items) / 2
    for user in range(users):
        weights = np.exp(liking[user])
        chosen = rng.choice(items, min(each, items // 2), replace=False, p=weights / weights.sum())
        stars = np.clip(np.rint(3 + liking[user, chosen] / 2 + rng.normal(size=len(chosen)) / 2), 1, 5).astype(int)
        for time, (item, star) in enumerate(zip(chosen, stars, strict=True)):
            yield f"{user + 1}::{item + 1}::{star}::{978300000 + time}"


class Ratings:
    """Users, items and stars of the ratings to learn from, and those of each user's last one.

    seen: for each user, the set of items rated.
    """

    def __init__(self, lines):
        table = np.array([[int(float(part)) for part in line.split("::")] for line in lines if line.strip()])
        table = table[np.lexsort((table[:, 3], table[:, 0]))]
        last = np.append(table[1:, 0] != table[:-1, 0], True)
        users, items = (np.unique(table[:, column], return_inverse=True)[1].astype(np.int32) for column in (0, 1))
        self.users, self.items = users.max() + 1, items.max() + 1
        self.known, self.kept = ((users[i], items[i], np.float32(table[i, 2])) for i in (~last, last))
        self.seen = [set() for _ in range(self.users)]
        for user, item in zip(users, items, strict=True):
            self.seen[user].add(item)

    def unseen(self, rng, user, count):
        """Some items that the user has not rated."""
        found = []
        while len(found) < count:
            found += [item for item in rng.integers(self.items, size=count) if item not in self.seen[user]]
        return found[:count]


# --- models: from nodes of users and items, (N,) each, to a score (N,) -----------------------------------------------


class Model:
    """Scores of pairs, from what `features` makes of them.

    users, items: how many there are.  width: of the vectors.
    """

    def __init__(self, users, items, width):
        self.users, self.items, self.width = users, items, width
        self.score = htl.Linear(self.prepare(), 1, name="score")

    def tables(self, name, width):
        """A vector for each user and each item."""
        normal = ht.init.GenNormal(stddev=0.05)
        return [
            htl.Embedding(rows, width, normal, name=f"{name}_{kind}")
            for kind, rows in (("users", self.users), ("items", self.items))
        ]

    def __call__(self, user, item):
        return ht.array_reshape_op(self.score(self.features(user, item)), (-1,))


class MF(Model):
    """The product of two vectors, plus a number for the user and one for the item."""

    def prepare(self):
        self.vectors, self.numbers = self.tables("vectors", self.width), self.tables("numbers", 1)
        return 1

    def features(self, user, item):
        of_user, of_item = (table(ids) for table, ids in zip(self.vectors, (user, item), strict=True))
        product = ht.reduce_sum_op(of_user * of_item, axes=1, keepdims=True)
        return product + self.numbers[0](user) + self.numbers[1](item)


class GMF(Model):
    """The elementwise product of two vectors, weighted."""

    def prepare(self):
        self.vectors = self.tables("gmf", self.width)
        return self.width

    def features(self, user, item):
        return self.vectors[0](user) * self.vectors[1](item)


class MLP(Model):
    """A network on two vectors side by side, each layer half as wide as the one below."""

    def prepare(self):
        widths = [self.width * 8, self.width * 4, self.width * 2, self.width]
        self.wide = self.tables("mlp", widths[0] // 2)
        layers = zip(widths[:-1], widths[1:], strict=True)
        self.layers = htl.Sequence(
            *(htl.Linear(a, b, activation="relu", name=f"mlp{i}") for i, (a, b) in enumerate(layers))
        )
        return self.width

    def features(self, user, item):
        return self.layers(ht.concat_op(self.wide[0](user), self.wide[1](item), axis=1))


class NeuMF(Model):
    """The features of GMF and MLP side by side."""

    def prepare(self):
        self.parts = [part(self.users, self.items, self.width) for part in (GMF, MLP)]
        return 2 * self.width

    def features(self, user, item):
        return ht.concatenate_op([part.features(user, item) for part in self.parts], axis=1)


MODELS = {"mf": MF, "gmf": GMF, "mlp": MLP, "neumf": NeuMF}


# --- the two tasks: what is learnt in an epoch, and how well it went -------------------------------------------------


class Rating:
    loss = htl.MSELoss()

    def __init__(self, ratings, args):
        self.ratings, self.middle = ratings, ratings.known[2].mean()

    def samples(self, rng):
        users, items, stars = self.ratings.known
        return users, items, stars - self.middle

    def measure(self, predict, rng):
        users, items, stars = self.ratings.kept
        errors = predict(users, items) + self.middle - stars
        return f"error {np.sqrt(np.mean(errors**2)):.3f}, always the mean: {np.std(stars - self.middle):.3f}"


class Ranking:
    loss = htl.BCEWithLogitsLoss()
    others = 99

    def __init__(self, ratings, args):
        self.ratings, self.negatives = ratings, args.negatives

    def samples(self, rng):
        users, items, _ = self.ratings.known
        strangers = [self.ratings.unseen(rng, user, self.negatives) for user in users]
        labels = np.repeat(np.float32([1, 0]), [len(users), len(users) * self.negatives])
        return (
            np.concatenate([users, np.repeat(users, self.negatives)]),
            np.concatenate([items, np.ravel(strangers).astype(np.int32)]),
            labels,
        )

    def measure(self, predict, rng):
        users, items, _ = self.ratings.kept
        rivals = [[item, *self.ratings.unseen(rng, user, self.others)] for user, item in zip(users, items, strict=True)]
        found = predict(np.repeat(users, self.others + 1), np.int32(rivals).ravel()).reshape(-1, self.others + 1)
        place = (found[:, 1:] >= found[:, :1]).sum(1)
        gain = np.where(place < 10, 1 / np.log2(place + 2), 0)
        return f"hit ratio at 10 {np.mean(place < 10):.3f} (0.1 by chance), discounted gain {gain.mean():.3f}"


TASKS = {"rating": Rating, "ranking": Ranking}


# --- training --------------------------------------------------------------------------------------------------------


def main(arguments=None):
    args = parse(arguments)
    if args.tiny:
        args.users, args.items, args.each, args.epochs, args.width = 100, 250, 20, 4, 4
    rng = np.random.default_rng(args.seed)
    lines = make(rng, args.users, args.items, args.each) if args.data is None else Path(args.data).read_text().split()
    ratings = Ratings(lines)
    task = TASKS[args.task](ratings, args)

    user, item = (ht.Variable(name, dtype=np.int32) for name in ("user", "item"))
    target = ht.Variable("target")
    score = MODELS[args.model](ratings.users, ratings.items, args.width)(user, item)
    loss = task.loss(score, target)
    train = ht.optim.AdamOptimizer(args.learning_rate).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "validate": [score]}, seed=args.seed)

    def predict(users, items):
        return executor.run("validate", feed_dict={user: users, item: items}, convert_to_numpy_ret_vals=True)[0]

    print(f"{args.model}: {len(ratings.known[0])} ratings of {ratings.items} items by {ratings.users} users")
    print(f"before training: {task.measure(predict, rng)}")
    first, mean = None, None
    for epoch in range(args.epochs):
        samples = task.samples(rng)
        order = rng.permutation(len(samples[0]))
        order = order[: len(order) // args.batch_size * args.batch_size].reshape(-1, args.batch_size)
        losses = []
        for rows in order:
            feeds = dict(zip((user, item, target), (column[rows] for column in samples), strict=True))
            losses.append(executor.run("train", feed_dict=feeds)[0])
        losses = [value.asnumpy().item() for value in losses]
        first, mean = losses[0] if first is None else first, np.mean(losses)
        print(f"epoch {epoch}: loss {mean:.4f}, {task.measure(predict, rng)}", flush=True)
    print(f"loss: {first:.4f} -> {mean:.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="neumf")
    parser.add_argument("--task", choices=TASKS, default="ranking")
    parser.add_argument("--data", metavar="PATH", help="MovieLens's ratings.dat")
    parser.add_argument("--users", type=int, default=1000, help="to make without --data")
    parser.add_argument("--items", type=int, default=1000, help="to make without --data, 200 or more")
    parser.add_argument("--each", type=int, default=40, help="ratings to make for a user")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--negatives", type=int, default=4, help="items drawn at random for each rated one")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="few users and items, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
