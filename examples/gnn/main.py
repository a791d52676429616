"""Graph convolutions that find the communities of a graph.

python main.py
python main.py --model sage
python main.py --sample 500
python main.py --tiny

The graph is a planted partition: two nodes of one community are more often connected than two of different ones.  The
nodes carry noisy hints of their community, one in ten is labelled, and the others are found out through their edges.
The adjacency matrix is sparse throughout, and is fed at each step: that of the whole graph, or with --sample that of
some of its nodes, drawn anew for each step.
"""

import argparse

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

# --- the graph -------------------------------------------------------------------------------------------------------


class Graph:
    """Edges (2, number) in both directions, features (nodes, width), communities (nodes,), labelled (nodes,)."""

    def __init__(self, edges, features, communities, labelled):
        self.edges, self.features, self.communities, self.labelled = edges, features, communities, labelled
        self.nodes = len(communities)

    def part(self, chosen):
        """The graph of some nodes, in ascending order, and of the edges between them."""
        number = np.full(self.nodes, -1)
        number[chosen] = np.arange(len(chosen))
        edges = number[self.edges]
        inside = edges[:, (edges >= 0).all(0)]
        return Graph(inside, self.features[chosen], self.communities[chosen], self.labelled[chosen])

    def adjacency(self, stored):
        """The matrix D^-1/2 (A + I) D^-1/2, with zeros added until it stores as many values as asked for.

        Where every step stores the same number of values, none is compiled anew.
        """
        loops = np.arange(self.nodes)
        rows, columns = np.concatenate([self.edges, [loops, loops]], axis=1)
        degrees = np.bincount(rows, minlength=self.nodes)
        values = 1 / np.sqrt(degrees[rows] * degrees[columns])
        values, rows, columns = (np.pad(x, (0, stored - len(values))) for x in (values, rows, columns))
        return ht.sparse_array(values, (rows, columns), (self.nodes, self.nodes), form="coo")


def planted_partition(rng, args):
    communities = rng.integers(args.communities, size=args.nodes)
    sources, targets = rng.integers(args.nodes, size=(2, args.nodes * args.degree * args.communities))
    same = communities[sources] == communities[targets]
    kept = (rng.random(len(same)) < np.where(same, args.inside, args.outside) / 2) & (sources < targets)
    pairs = np.unique([sources[kept], targets[kept]], axis=1)
    hints = rng.normal(size=(args.nodes, args.features)).astype(np.float32)
    hints += args.hint * rng.normal(size=(args.communities, args.features))[communities]
    return Graph(np.hstack([pairs, pairs[::-1]]), hints, communities, rng.random(args.nodes) < 0.1)


# --- models ----------------------------------------------------------------------------------------------------------


class GCN:
    """Each node takes the weighted sum over its neighbours of what a linear layer makes of them."""

    def __init__(self, width, out, adjacency, name):
        self.linear, self.adjacency = htl.Linear(width, out, name=name), adjacency

    def __call__(self, x):
        return ht.csrmm_op(self.adjacency, self.linear(x))


class Sage:
    """Two linear layers added up: one of the node itself, one of the weighted sum over its neighbours."""

    def __init__(self, width, out, adjacency, name):
        self.own = htl.Linear(width, out, name=f"{name}_own")
        self.others = htl.Linear(width, out, bias=False, name=f"{name}_others")
        self.adjacency = adjacency

    def __call__(self, x):
        return self.own(x) + self.others(ht.csrmm_op(self.adjacency, x))


CONVOLUTIONS = {"gcn": GCN, "sage": Sage}


def scores(args, features, adjacency):
    convolution = CONVOLUTIONS[args.model]
    layers = htl.Sequence(
        convolution(args.features, args.hidden, adjacency, "first"),
        htl.Relu(),
        htl.DropOut(args.dropout),
        convolution(args.hidden, args.communities, adjacency, "second"),
    )
    return layers(features)


# --- training --------------------------------------------------------------------------------------------------------


def main(arguments=None):
    args = parse(arguments)
    if args.tiny:
        args.nodes, args.hidden, args.steps = 300, 16, 60
    if not 0 <= args.sample <= args.nodes:
        raise SystemExit(f"--sample {args.sample} is not a part of the graph's {args.nodes} nodes")
    rng = np.random.default_rng(args.seed)
    graph = planted_partition(rng, args)
    stored = graph.edges.shape[1] + graph.nodes
    whole = graph.adjacency(stored)
    print(f"{graph.nodes} nodes in {args.communities} communities, {graph.edges.shape[1] // 2} edges: {whole}")

    adjacency, features, mask = (ht.Variable(name) for name in ("adjacency", "features", "mask"))
    labels = ht.Variable("labels", dtype=np.int32)
    y = scores(args, features, adjacency)
    losses = ht.softmaxcrossentropy_sparse_op(y, labels) * mask
    loss = ht.reduce_sum_op(losses, [0]) / (ht.reduce_sum_op(mask, [0]) + 1e-6)
    train = ht.optim.AdamOptimizer(args.learning_rate).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "validate": [y]}, seed=args.seed)

    def accuracy():
        feeds = {adjacency: whole, features: graph.features}
        (found,) = executor.run("validate", feed_dict=feeds, convert_to_numpy_ret_vals=True)
        return np.mean(found.argmax(1)[~graph.labelled] == graph.communities[~graph.labelled])

    history, part, matrix = [], graph, whole
    print(f"before training, {accuracy():.1%} of the nodes without a label are in the right community")
    for step in range(1, args.steps + 1):
        if args.sample:
            part = graph.part(np.sort(rng.choice(graph.nodes, args.sample, replace=False)))
            matrix = part.adjacency(stored)
        feeds = {adjacency: matrix, features: part.features, labels: part.communities, mask: part.labelled}
        history.append(executor.run("train", feed_dict=feeds)[0].asnumpy().item())
        if step % max(args.steps // 5, 1) == 0:
            print(f"step {step}: loss {history[-1]:.4f}, {accuracy():.1%} right", flush=True)
    print(f"loss: {history[0]:.4f} -> {history[-1]:.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=CONVOLUTIONS, default="gcn")
    parser.add_argument("--nodes", type=int, default=5000)
    parser.add_argument("--communities", type=int, default=4)
    parser.add_argument("--degree", type=int, default=20, help="pairs tried for a node and community")
    parser.add_argument("--inside", type=float, default=0.8, help="how likely a pair in one community is an edge")
    parser.add_argument("--outside", type=float, default=0.1, help="how likely another pair is")
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--hint", type=float, default=0.3, help="how clear the features are, against noise of 1")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--sample", type=int, default=0, help="nodes in a step; 0 is all")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="few nodes and few steps, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
