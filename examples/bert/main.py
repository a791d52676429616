"""BERT: pre-training on a small text, then fine-tuning.

python main.py
python main.py --tiny
python main.py --text my.txt --layers 6 --hidden 256 --heads 8

Pre-training hides words and has them guessed (MLM), and asks whether one sentence follows another (NSP).  Fine-tuning
asks which text a sentence is from, on half of the sentences, and is tested on the others; it starts from what
pre-training left in the encoder, because both graphs hold the same Variables.
A text file has one sentence in a line, and an empty line between texts.
"""

import argparse
import re
from pathlib import Path

import numpy as np

import hetu_jax as ht
from hetu_jax import layers as htl

TEXT = """
The harbour wakes before the sun is up.
Fishing boats come home with nets full of herring.
Gulls cry above the quay and wait for their share.
A boy sells warm bread to the tired crews.
The tide turns, and the mud begins to shine.
Old ropes dry on the wall in the salt wind.
The ferry blows its horn and leaves for the island.
Its wake rocks the small boats at their moorings.
In the evening the lighthouse sends its beam over the bay.
The keeper counts the ships that pass in the dark.
At night the waves beat against the stone pier.
Far out a buoy rings its bell in the swell.

The kitchen smells of onions in hot butter.
A cook cuts carrots on a wooden board.
She adds the carrots to the pan and stirs.
The soup must simmer for an hour with the lid on.
Fresh herbs wait in a glass of cold water.
The baker kneads the dough until it is smooth.
He leaves the dough to rise in a warm corner.
Then he shapes the loaves and dusts them with flour.
The oven is hot, and the crust turns brown.
A pinch of salt brings out the taste of the soup.
The waiter carries the plates through the swinging door.
After the meal the pots are washed and hung on their hooks.

The path climbs from the valley through a forest of pines.
Above the trees the hikers cross a field of stones.
A marmot whistles and hides below a rock.
Clouds gather around the summit after noon.
The guide checks the ropes before the glacier.
Snow bridges cover the deep cracks in the ice.
One after the other the climbers reach the ridge.
From the summit they see a hundred peaks.
The descent is steep and hard on the knees.
A stream of melted snow runs beside the path.
In the hut the hikers hang their wet boots by the stove.
At dawn the first light touches the peaks.
"""
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
IGNORED = -1


# --- text ------------------------------------------------------------------------------------------------------------


class Corpus:
    """Texts as lists of sentences, which are lists of word numbers."""

    def __init__(self, text):
        texts = [[words(line) for line in part.splitlines()] for part in re.split(r"\n\s*\n", text.strip())]
        known = sorted({word for sentences in texts for sentence in sentences for word in sentence})
        number = {word: i for i, word in enumerate(SPECIAL + known)}
        self.vocabulary = SPECIAL + known
        self.texts = [[[number[word] for word in sentence] for sentence in sentences] for sentences in texts]

    def pair(self, rng):
        """A sentence, another one, and whether the other one follows it; if not, it is from another text."""
        here, there = rng.choice(len(self.texts), 2, replace=False)
        at = rng.integers(len(self.texts[here]) - 1)
        if rng.random() < 0.5:
            return self.texts[here][at], self.texts[here][at + 1], 1
        return self.texts[here][at], self.texts[there][rng.integers(len(self.texts[there]))], 0


def words(line):
    return re.findall(r"\w+|[^\w\s]", line.lower())


def joined(sentences, length):
    """The ids of one or two sentences with their marks, the sentence that each is of, and whether it is one at all."""
    ids, kinds = [CLS], [0]
    for kind, sentence in enumerate(sentences):
        room = (length - len(ids)) // (len(sentences) - kind) - 1
        ids += [*sentence[:room], SEP]
        kinds += [kind] * (len(ids) - len(kinds))
    blank = [0] * (length - len(ids))
    return ids + blank, kinds + blank, [1] * len(ids) + blank


def hidden(rng, ids, vocabulary, rate=0.15):
    """`ids` with some words masked, and the labels: the word where one was chosen, else IGNORED."""
    ids = np.array(ids)
    chosen = (ids >= len(SPECIAL)) & (rng.random(len(ids)) < rate)
    chosen[rng.choice(np.flatnonzero(ids >= len(SPECIAL)))] = True
    labels, fate = np.where(chosen, ids, IGNORED), rng.random(len(ids))
    ids = np.where(chosen & (fate < 0.8), MASK, ids)
    return np.where(chosen & (fate > 0.9), rng.integers(len(SPECIAL), vocabulary, len(ids)), ids), labels


def pretraining_batch(rng, corpus, args):
    rows = []
    for _ in range(args.batch_size):
        first, second, follows = corpus.pair(rng)
        ids, kinds, there = joined([first, second], args.length)
        rows.append((*hidden(rng, ids, len(corpus.vocabulary)), kinds, there, follows))
    ids, labels, kinds, there, follows = map(np.array, zip(*rows, strict=True))
    return {"ids": ids, "kinds": kinds, "there": there, "words": labels, "follows": follows}


# --- model -----------------------------------------------------------------------------------------------------------


class Block:
    """Attention and a feedforward network, each added to its input and normalised."""

    def __init__(self, args, name):
        size = args.hidden
        self.query, self.key, self.value, self.out = (
            linear(size, size, f"{name}_{part}") for part in ("query", "key", "value", "out")
        )
        self.attend = htl.MultiHeadAttention(size, args.heads, args.length, args.dropout)
        self.forward = htl.Sequence(
            linear(size, 4 * size, f"{name}_in", "gelu"),
            linear(4 * size, size, f"{name}_back"),
            htl.DropOut(args.dropout),
        )
        self.dropout = htl.DropOut(args.dropout)
        self.norms = [htl.LayerNorm(size, name=f"{name}_norm{i}") for i in (1, 2)]

    def __call__(self, x, mask):
        found = self.out(self.attend(self.query(x), self.key(x), self.value(x), mask))
        x = self.norms[0](x + self.dropout(found))
        return self.norms[1](x + self.forward(x))


class Bert:
    """From what `joined` gives, to a vector for each word, (rows * length, hidden), and one for each row."""

    def __init__(self, args, vocabulary):
        size, start = args.hidden, ht.init.GenTruncatedNormal(stddev=0.02)
        self.args = args
        self.words = htl.Embedding(vocabulary, size, start, name="bert_words")
        self.kinds = htl.Embedding(2, size, start, name="bert_kinds")
        self.places = ht.init.truncated_normal((args.length, size), stddev=0.02, name="bert_places")
        self.finish = htl.Sequence(htl.LayerNorm(size, name="bert_norm"), htl.DropOut(args.dropout))
        self.blocks = [Block(args, f"bert_{i}") for i in range(args.layers)]
        self.pool = linear(size, size, "bert_pool", "tanh")

    def __call__(self, ids, kinds, there):
        size, length = self.args.hidden, self.args.length
        x = self.words(ids) + self.kinds(kinds)
        x = ht.array_reshape_op(self.finish(x + ht.broadcastto_op(self.places, x)), [-1, size])
        mask = ht.array_reshape_op((there + -1.0) * 1e4, [-1, 1, 1, length])
        for block in self.blocks:
            x = block(x, mask)
        first = ht.slice_op(ht.array_reshape_op(x, [-1, length, size]), [0, 0, 0], [-1, 1, -1])
        return x, self.pool(ht.array_reshape_op(first, [-1, size]))


def linear(inner, outer, name, activation=None):
    return htl.Linear(inner, outer, ht.init.GenTruncatedNormal(stddev=0.02), activation=activation, name=name)


def pretraining_losses(bert, args, vocabulary, feeds):
    """The losses of the hidden words and of the order of sentences."""
    sequence, pooled = bert(feeds["ids"], feeds["kinds"], feeds["there"])
    transform = htl.Sequence(
        linear(args.hidden, args.hidden, "mlm_transform", "gelu"), htl.LayerNorm(args.hidden, name="mlm_norm")
    )
    table = bert.words.embedding_table
    guess = htl.Linear(args.hidden, vocabulary, initializer=table, weight_transpose=True, name="mlm")
    labels = ht.array_reshape_op(feeds["words"], [-1])
    losses = ht.softmaxcrossentropy_sparse_op(guess(transform(sequence)), labels, ignored_index=IGNORED)
    count = ht.reduce_sum_op(ht.bool_op(labels, val=float(IGNORED), cond=2), [0])
    order = htl.SoftmaxCrossEntropyLoss()(linear(args.hidden, 2, "nsp")(pooled), feeds["follows"])
    return ht.reduce_sum_op(losses, [0]) / count, order


# --- training --------------------------------------------------------------------------------------------------------


def placeholders(*names):
    return {name: ht.Variable(name, dtype=np.float32 if name == "there" else np.int32) for name in names}


def step(executor, group, feeds, values):
    values = {node: values[name] for name, node in feeds.items()}
    return executor.run(group, feed_dict=values, convert_to_numpy_ret_vals=True)


def pretrain(bert, corpus, args, rng):
    """Trains the encoder; returns the loss of each step."""
    feeds = placeholders("ids", "kinds", "there", "words", "follows")
    mlm, nsp = pretraining_losses(bert, args, len(corpus.vocabulary), feeds)
    train = ht.optim.AdamWOptimizer(args.learning_rate, weight_decay=0.01).minimize(mlm + nsp)
    executor = ht.Executor({"pretrain": [mlm, nsp, train]}, seed=args.seed)
    history = []
    for i in range(1, args.steps + 1):
        words_loss, order_loss, _ = step(executor, "pretrain", feeds, pretraining_batch(rng, corpus, args))
        history.append(words_loss.item() + order_loss.item())
        if i % max(args.steps // 5, 1) == 0:
            print(f"step {i}: words {words_loss.item():.4f}, order {order_loss.item():.4f}", flush=True)
    if args.save:
        print(f"saved: {executor.save(args.save, 'bert.pkl')}")
    return history


def finetune(bert, corpus, args, rng):
    """Has the encoder say which text a sentence is from; returns the loss of each step."""
    labelled = [(*joined([s], args.length), label) for label, text in enumerate(corpus.texts) for s in text]
    labelled = [labelled[i] for i in rng.permutation(len(labelled))]
    data = dict(zip(("ids", "kinds", "there", "label"), map(np.array, zip(*labelled, strict=True)), strict=True))
    few = len(labelled) // 2
    seen, unseen = ({name: a[part] for name, a in data.items()} for part in (slice(few), slice(few, None)))

    feeds = placeholders("ids", "kinds", "there", "label")
    _, pooled = bert(feeds["ids"], feeds["kinds"], feeds["there"])
    scores = linear(args.hidden, len(corpus.texts), "label")(pooled)
    loss = htl.SoftmaxCrossEntropyLoss()(scores, feeds["label"])
    train = ht.optim.AdamWOptimizer(args.learning_rate / 5, weight_decay=0.01).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "test": [loss, scores]}, seed=args.seed)
    history = [step(executor, "train", feeds, seen)[0].item() for _ in range(args.finetuning_steps)]
    _, found = step(executor, "test", feeds, unseen)
    right = np.mean(found.argmax(1) == unseen["label"])
    print(f"fine-tuned on {few} sentences: {right:.2f} of {len(labelled) - few} others are put to the right text")
    return history


def main(arguments=None):
    args = parse(arguments)
    if args.tiny:
        args.layers, args.hidden, args.heads, args.steps, args.batch_size = 1, 32, 2, 100, 16
        args.learning_rate, args.finetuning_steps = 3e-3, 40
    rng = np.random.default_rng(args.seed)
    corpus = Corpus(Path(args.text).read_text() if args.text else TEXT)
    least = min(map(len, corpus.texts))
    if len(corpus.texts) < 2 or least < 2:
        raise SystemExit(
            "--text needs at least two texts with an empty line between them, each of at least two lines of one "
            f"sentence: {args.text} has {len(corpus.texts)}, the shortest of {least}"
        )
    bert = Bert(args, len(corpus.vocabulary))
    print(f"{len(corpus.texts)} texts, {len(corpus.vocabulary)} words")
    history = pretrain(bert, corpus, args, rng)
    tuning = finetune(bert, corpus, args, rng)
    print(f"fine-tuning loss: {tuning[0]:.4f} -> {tuning[-1]:.4f}")
    print(f"loss: {history[0]:.4f} -> {np.mean(history[-10:]):.4f}")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", metavar="FILE", help="a text of your own")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--length", type=int, default=32, help="of two sentences with their marks")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=2000, help="of pre-training")
    parser.add_argument("--finetuning-steps", type=int, default=60)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--save", metavar="DIR", help="where to leave the pre-trained parameters")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="one narrow layer and few steps, for a quick look")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
