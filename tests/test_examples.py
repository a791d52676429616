"""Every script in examples/ runs with --tiny, from another folder, and its loss falls."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"

# What each script is run with besides --tiny, once for each entry; a script without a row is run once with nothing.
# Those with an empty row have tests of their own below.
OPTIONS = {
    "cnn": [f"--model {model}" for model in "logreg mlp cnn_3_layers lenet alexnet vgg16 resnet18 rnn lstm".split()]
    + ["--model mlp --dataset cifar10 --opt nesterov", "--model logreg --opt adagrad --learning-rate 0.05 --gpu -1"],
    "bert": [],
    "transformer": [],
    "moe": [f"--gate {gate}" for gate in "top1 top2 ktop1 sam hash balance".split()],
    "ctr": ["--model wdl", "--model wdl --dataset adult", "--model deepfm", "--model dcn"],
    "gnn": ["", "--model sage --sample 150"],
    "rec": ["--model mf --task rating", "--model gmf", "--model neumf"],
}
RUNS = [
    pytest.param(script, options, id=f"{script.parent.name} {options}".strip())
    for script in sorted(EXAMPLES.glob("*/main.py"))
    for options in OPTIONS.get(script.parent.name, [""])
]


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs a script in an empty folder; returns what it printed."""

    def run(script, options):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [str(script), "--tiny", *options.split()])
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_there_is_a_script_for_each_row():
    assert set(OPTIONS) <= {script.parent.name for script in EXAMPLES.glob("*/main.py")}


def check_that_it_falls(printed):
    first, last = re.fullmatch(r"loss: ([\d.]+) -> ([\d.]+)", printed.strip().splitlines()[-1]).groups()
    assert float(last) < 0.9 * float(first)


@pytest.mark.parametrize("script, options", RUNS)
def test_the_loss_falls(run, script, options):
    check_that_it_falls(run(script, options))


def test_the_transformer_translates_sentences_that_it_has_not_seen(run):
    printed = run(EXAMPLES / "transformer" / "main.py", "")
    right, of = re.search(r"(\d+) of (\d+) unseen sentences are right", printed).groups()
    assert int(right) >= 0.8 * int(of)
    check_that_it_falls(printed)


def test_bert_trains_and_saves(run, tmp_path):
    printed = run(EXAMPLES / "bert" / "main.py", "--save kept")
    before, after = re.search(r"fine-tuning loss: ([\d.]+) -> ([\d.]+)", printed).groups()
    assert float(after) < float(before)
    assert (tmp_path / "kept" / "bert.pkl").stat().st_size > 1000
    check_that_it_falls(printed)


def test_bert_s_texts_are_apart():
    corpus = runpy.run_path(str(EXAMPLES / "bert" / "main.py"))["Corpus"]("The cat sits.\nIt runs!\n\nThe dog sits.\n")
    known = corpus.vocabulary
    texts = [[[known[i] for i in sentence] for sentence in sentences] for sentences in corpus.texts]
    assert texts == [["the cat sits .".split(), "it runs !".split()], ["the dog sits .".split()]]


@pytest.mark.parametrize("model, count", [("vgg16", 16), ("vgg19", 19), ("resnet18", 18), ("resnet34", 34)])
def test_the_depth_of_a_network_is_in_its_name(model, count):
    """Convolutions and fully connected layers, but for the shortcuts of a ResNet; the two deepest are not trained."""
    import hetu_jax as ht

    build = runpy.run_path(str(EXAMPLES / "cnn" / "main.py"))["MODELS"][model]
    scores = build((3, 32, 32), 8)(ht.Variable("x"))
    names = [v.name for v in ht.optim.SGDOptimizer.get_var_list(scores)]
    assert sum("_bn" not in name and "shortcut" not in name for name in names if name.endswith("_weight")) == count


@pytest.mark.parametrize("model", ["vgg19", "resnet34"])
def test_the_deepest_networks_take_a_step(model):
    import hetu_jax as ht

    build = runpy.run_path(str(EXAMPLES / "cnn" / "main.py"))["MODELS"][model]
    x, labels = ht.Variable("x"), ht.Variable("labels")
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(build((3, 32, 32), 8)(x), labels), [0])
    executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.01).minimize(loss)]}, seed=0)
    feeds = {x: np.random.default_rng(0).normal(size=(2, 3, 32, 32)), labels: np.eye(10)[:2]}
    first, second = (executor.run("train", feed_dict=feeds)[0].asnumpy().item() for _ in range(2))
    assert np.isfinite([first, second]).all() and first != second


@pytest.mark.parametrize("text", ["One text.\nIt has two sentences.\n", "One text.\nTwo.\n\nAnother.\n", ""])
def test_bert_says_what_a_text_must_have(run, tmp_path, text):
    (tmp_path / "my.txt").write_text(text)
    with pytest.raises(SystemExit, match="at least two texts .* my.txt has"):
        run(EXAMPLES / "bert" / "main.py", "--text my.txt")


def test_a_sample_larger_than_the_graph_is_refused(run):
    with pytest.raises(SystemExit, match="--sample 500 is not a part of the graph's 300 nodes"):
        run(EXAMPLES / "gnn" / "main.py", "--sample 500")


def test_lines_of_adult_with_other_columns_are_left_out(run, tmp_path):
    script = EXAMPLES / "ctr" / "main.py"
    lines = list(runpy.run_path(str(script))["Adult"].make(np.random.default_rng(0), 300))
    (tmp_path / "adult.test").write_text("\n".join(["|1x3 Cross validator", *(f"{line}." for line in lines), "."]))
    printed = run(script, "--dataset adult --data adult.test --epochs 1")
    assert "wdl on 300 lines of adult" in printed and " 0.0% of them" not in printed
    with pytest.raises(SystemExit, match="300 lines of 15 columns are too few: it takes 1000"):
        run(script, "--dataset adult --data adult.test --batch-size 500")


def test_the_hash_gate_minds_the_capacity(run):
    script = EXAMPLES / "moe" / "main.py"
    last = [run(script, f"--gate hash --capacity-factor {factor}").splitlines()[-1] for factor in (0.25, 4)]
    assert last[0] != last[1]


def test_vgg_says_which_images_it_can_take(run):
    with pytest.raises(SystemExit, match="--dataset cifar10"):
        run(EXAMPLES / "cnn" / "main.py", "--model vgg16 --dataset mnist")
