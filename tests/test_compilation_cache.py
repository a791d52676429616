"""The persistent compilation cache."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import jax, numpy as np, hetu_jax as ht
from hetu_jax import compilation_cache
compilation_cache.WORTH_KEEPING = 0.0
w = ht.Variable("w", np.eye(8))
node = w
for _ in range(20):
    node = ht.tanh_op(ht.matmul_op(node, w))
ht.Executor([node]).run()[0].asnumpy()
print(jax.config.jax_compilation_cache_dir)
"""


def run(tmp_path, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HETU_JAX", "JAX_"))} | variables
    environment["XDG_CACHE_HOME"] = str(tmp_path / "home")
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_it_is_on_in_the_users_cache_folder(tmp_path):
    folder = run(tmp_path)
    assert folder == str(tmp_path / "home" / "hetu_jax" / "xla")
    assert any((tmp_path / "home" / "hetu_jax" / "xla").iterdir())


def test_the_folder_can_be_named(tmp_path):
    assert run(tmp_path, HETU_JAX_CACHE_DIR=str(tmp_path / "mine")) == str(tmp_path / "mine")


@pytest.mark.parametrize("variables", [{"HETU_JAX_CACHE": "0"}, {"HETU_JAX_CACHE_DIR": "/dev/null/x"}])
def test_it_can_be_switched_off_and_a_bad_folder_is_no_error(tmp_path, variables):
    assert run(tmp_path, **variables) == "None"
    assert not (tmp_path / "home").exists()


def test_a_cache_that_the_user_set_is_left_alone(tmp_path):
    assert run(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "theirs")) == str(tmp_path / "theirs")
