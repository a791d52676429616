"""A mixture of experts on MNIST, with any of the gates.

python main.py
python main.py --gate sam --experts 8
python main.py --gate balance --tiny

Each image is a token.  A gate sends it to some of the experts, each of which takes only so many tokens of a batch; what
they make of it is added to it.  MNIST is the subset that comes with the package, or the whole set with --data PATH.

top1, top2  the one or two experts with the highest probability
ktop1       the best expert of each of two groups
sam         the two best experts of the best of two groups
hash        a fixed expert for each image, whatever has been learned
balance     an assignment that gives every expert equally many images
"""

import argparse

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

CLASSES = 10
GATES = {
    "top1": (htl.TopKGate, htl.MoELayer, {"k": 1}),
    "top2": (htl.TopKGate, htl.MoELayer, {"k": 2}),
    "ktop1": (htl.KTop1Gate, htl.KTop1Layer, {"k": 2}),
    "sam": (htl.SAMGate, htl.SAMLayer, {"k": 2, "num_local_gpus": 2}),
    "hash": (htl.HashGate, htl.HashLayer, {}),
    "balance": (htl.BalanceAssignmentGate, htl.MoELayer, {}),
}


def mixture(args, x, places):
    """What the experts make of the tokens, and the losses that keep the gate even."""
    make_gate, make_layer, options = GATES[args.gate]
    if args.gate != "balance":  # which gives every expert equally many
        options = options | {"capacity_factor": args.capacity_factor}
    gate = make_gate(args.width, args.batch_size, args.experts, **options)
    experts = [
        htl.Expert(args.width, 2 * args.width, bias=True, activation="relu", name=f"expert_{i}")
        for i in range(args.experts)
    ]
    layer = make_layer(gate, experts)
    result = layer(x, places) if args.gate == "hash" else layer(x)
    y, *losses = result if isinstance(result, tuple) else (result,)
    return y, losses


def dataloader(sets, batch_size):
    """sets: arrays for training and for validation."""
    groups = ("train", "validate")
    return ht.dataloader_op([ht.Dataloader(array, batch_size, g) for array, g in zip(sets, groups, strict=True)])


def run_epoch(executor, group):
    """The loss of each batch of one pass over the data, and the accuracy."""
    losses, right = [], []
    for _ in range(executor.get_batch_num(group)):
        loss, scores, labels = executor.run(group, convert_to_numpy_ret_vals=True)[:3]
        losses.append(loss.item())
        right.append(np.mean(scores.argmax(1) == labels))
    return losses, np.mean(right)


def main(arguments=None):
    args = parse(arguments)
    sets = (ht.data.mnist(args.data, onehot=False) if args.data else ht.data.mnist_subset(onehot=False))[:2]
    if args.tiny:
        args.width, args.epochs, args.batch_size = 32, 3, 32
        sets = [(images[:count], labels[:count]) for (images, labels), count in zip(sets, (1024, 256), strict=True)]

    images, labels = (dataloader([s[i] for s in sets], args.batch_size) for i in (0, 1))
    hashes = dataloader([np.arange(len(s[0]))[:, None] * 7919 % args.experts for s in sets], args.batch_size)
    x = htl.Linear(28 * 28, args.width, activation="relu", name="first")(images)
    y, even = mixture(args, x, hashes)
    scores = htl.Linear(args.width, CLASSES, name="last")(x + y)
    loss = htl.SoftmaxCrossEntropyLoss()(scores, labels)
    total = ht.sum_op([loss, *(term * args.evenness for term in even)])
    train = ht.optim.AdamOptimizer(args.learning_rate).minimize(total)
    groups = {"train": [loss, scores, labels, train], "validate": [loss, scores, labels]}
    executor = ht.Executor(groups, seed=args.seed)

    print(f"{args.experts} experts behind {args.gate} on {len(sets[0][0])} images")
    history = []
    for epoch in range(args.epochs):
        losses, accuracy = run_epoch(executor, "train")
        _, valid = run_epoch(executor, "validate")
        history += losses
        print(
            f"epoch {epoch}: loss {np.mean(losses):.4f}, accuracy {accuracy:.3f}, on validation {valid:.3f}", flush=True
        )
    print(f"loss: {history[0]:.4f} -> {np.mean(losses):.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gate", choices=GATES, default="top2")
    parser.add_argument("--experts", type=int, default=8)
    parser.add_argument("--width", type=int, default=128, help="of a token")
    parser.add_argument("--capacity-factor", type=float, default=1.25)
    parser.add_argument("--evenness", type=float, default=0.01, help="weight of the gate's own losses")
    parser.add_argument("--data", metavar="PATH", help="mnist.pkl.gz, or a folder with MNIST's files")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="narrow experts and few images, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
