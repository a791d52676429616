"""An encoder and a decoder that learn to translate: the words of a sentence backwards, each in another language.

python main.py
python main.py --tiny

The language has one word for each letter; the sentences are random.  After training, some unseen ones are translated
word by word, each time taking the likeliest next word.
"""

import argparse

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

SOURCE = "abcdefghijklmnop"
TARGET = "ABCDEFGHIJKLMNOP"
WORDS = ["<pad>", "<go>", "<end>", *SOURCE, *TARGET]
NUMBER = {word: i for i, word in enumerate(WORDS)}
PAD, GO, END = range(3)


# --- sentences -------------------------------------------------------------------------------------------------------


def sentences(rng, count, length):
    """Source, decoder input and labels, each (count, length), padded at the end."""
    batch = np.full((3, count, length), PAD, np.int32)
    for i in range(count):
        words = "".join(rng.choice(list(SOURCE), rng.integers(2, length)))
        answer = numbers(words[::-1].upper())
        for row, line in enumerate([numbers(words), [GO, *answer], [*answer, END]]):
            batch[row, i, : len(line)] = line
    return batch


def numbers(words):
    return [NUMBER[word] for word in words]


def text(line):
    """The words up to the end of the sentence."""
    words = [WORDS[i] for i in line if i != PAD]
    return "".join(words[: words.index("<end>")] if "<end>" in words else words)


# --- model -----------------------------------------------------------------------------------------------------------


class Attention:
    """Queries from one sentence, keys and values from the same or another, added to the queries."""

    def __init__(self, args, name, causal=False):
        size = args.hidden
        self.norm = htl.LayerNorm(size, name=f"{name}_norm", eps=1e-5)
        self.query, self.key, self.value, self.out = (
            htl.Linear(size, size, name=f"{name}_{part}") for part in ("query", "key", "value", "out")
        )
        self.attend = htl.MultiHeadAttention(size, args.heads, args.length, args.dropout, causal_mask=causal)
        self.dropout = htl.DropOut(args.dropout)

    def __call__(self, x, mask, memory=None):
        queries = self.norm(x)
        memory = queries if memory is None else memory
        found = self.attend(self.query(queries), self.key(memory), self.value(memory), mask)
        return x + self.dropout(self.out(found))


class Feedforward:
    def __init__(self, args, name):
        self.layers = htl.Sequence(
            htl.LayerNorm(args.hidden, name=f"{name}_norm", eps=1e-5),
            htl.Linear(args.hidden, 4 * args.hidden, activation="relu", name=f"{name}_in"),
            htl.Linear(4 * args.hidden, args.hidden, name=f"{name}_out"),
            htl.DropOut(args.dropout),
        )

    def __call__(self, x):
        return x + self.layers(x)


class Stack:
    """An encoder, or a decoder, which also reads what an encoder made."""

    def __init__(self, args, name, decodes):
        self.words = htl.Embedding(len(WORDS), args.hidden, ht.init.GenNormal(stddev=0.02), name=f"{name}_words")
        self.places = ht.Variable(f"{name}_places", positions(args.length, args.hidden), trainable=False)
        self.args, self.blocks = args, []
        for i in range(args.layers):
            own = Attention(args, f"{name}{i}_self", causal=decodes)
            other = Attention(args, f"{name}{i}_cross") if decodes else None
            self.blocks.append((own, other, Feedforward(args, f"{name}{i}_forward")))
        self.norm = htl.LayerNorm(args.hidden, name=f"{name}_norm", eps=1e-5)

    def __call__(self, ids, mask=None, memory=None, memory_mask=None):
        x = self.words(ids) * self.args.hidden**0.5
        x = ht.array_reshape_op(x + ht.broadcastto_op(self.places, x), [-1, self.args.hidden])
        for own, other, forward in self.blocks:
            x = own(x, mask)
            x = other(x, memory_mask, memory) if other else x
            x = forward(x)
        return self.norm(x)


def positions(length, size):
    """Sines and cosines of ever lower frequency, (length, size)."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, size, 2) / size)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(length, -1)[:, :size]


class Transformer:
    def __init__(self, args):
        self.encoder, self.decoder = Stack(args, "encoder", False), Stack(args, "decoder", True)
        self.scores, self.length = htl.Linear(args.hidden, len(WORDS), name="scores"), args.length

    def __call__(self, source, decoder_input):
        """The scores of each next word, (sentences * length, words)."""
        empty = ht.bool_op(source, val=float(PAD), cond=0)
        mask = ht.array_reshape_op(empty * -1e9, [-1, 1, 1, self.length])
        memory = self.encoder(source, mask)
        return self.scores(self.decoder(decoder_input, None, memory, mask))


def smoothed_loss(scores, labels, smoothing):
    """The mean cross-entropy per word, with `smoothing` of each label spread over all words; padding does not count."""
    labels = ht.array_reshape_op(labels, [-1])
    targets = ht.one_hot_op(labels, len(WORDS)) * (1 - smoothing) + smoothing / len(WORDS)
    counts = ht.bool_op(labels, val=float(PAD), cond=2)
    loss = ht.softmaxcrossentropy_op(scores, targets) * counts
    return ht.reduce_sum_op(loss, [0]) / ht.reduce_sum_op(counts, [0])


# --- training and translation ----------------------------------------------------------------------------------------


def translate(executor, source, feeds):
    """The likeliest translation, one word after the other.  feeds: the placeholders of source and decoder input."""
    count, length = source.shape
    made = np.full((count, length + 1), PAD, np.int32)
    made[:, 0] = GO
    for i in range(length):
        (scores,) = executor.run(
            "translate", feed_dict=dict(zip(feeds, (source, made[:, :-1]), strict=True)), convert_to_numpy_ret_vals=True
        )
        made[:, i + 1] = scores.reshape(count, length, -1)[:, i].argmax(-1)
    return made[:, 1:]


def main(arguments=None):
    args = parse(arguments)
    if args.tiny:
        args.layers, args.heads, args.hidden, args.length, args.steps, args.learning_rate = 1, 2, 32, 8, 300, 3e-3
    rng = np.random.default_rng(args.seed)
    source, decoder_input, labels = feeds = [ht.Variable(n, dtype=np.int32) for n in ("source", "input", "labels")]
    scores = Transformer(args)(source, decoder_input)
    loss = smoothed_loss(scores, labels, args.smoothing)
    train = ht.optim.AdamOptimizer(ht.lr.ExponentialScheduler(args.learning_rate, 1 - 1 / args.steps)).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "translate": [scores]}, seed=args.seed)

    history = []
    for step in range(1, args.steps + 1):
        batch = sentences(rng, args.batch_size, args.length)
        history.append(executor.run("train", feed_dict=dict(zip(feeds, batch, strict=True)))[0].asnumpy().item())
        train.optimizer.lr_sched.step()
        if step % max(args.steps // 5, 1) == 0:
            print(f"step {step}: loss {history[-1]:.4f}", flush=True)

    unseen = sentences(rng, 100, args.length)
    found = translate(executor, unseen[0], feeds[:2])
    answers = [
        (text(line), text(made), text(label)) for line, made, label in zip(unseen[0], found, unseen[2], strict=True)
    ]
    for line, made, label in answers[:5]:
        print(f"{line:>{args.length}} -> {made:<{args.length}} {'right' if made == label else 'should be ' + label}")
    print(f"{sum(made == label for _, made, label in answers)} of {len(answers)} unseen sentences are right")
    print(f"loss: {history[0]:.4f} -> {history[-1]:.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--length", type=int, default=12, help="of the longest sentence, with its end")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--smoothing", type=float, default=0.1, help="of the labels")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="one narrow layer and short sentences, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
