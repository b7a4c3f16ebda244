"""TensorBoard opens what 03_simple_network and 09_cifar10 write: a real server on loopback, asked over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request
from urllib.parse import urlencode

import pytest

from tests.course.answers import answers

pytestmark = [
    pytest.mark.slow,
    # Keras 3 asks its variables for arrays in NumPy 1's way when it writes a network into a file.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

PATIENCE = 120  # seconds: a busy machine takes long to import it


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the runs are written."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def losses(folder):
    """A short training of 03, written as its answer does it: the loss of every batch."""
    import tensorflow as tf

    cells = ("make_parameters", "logits", "cross_entropy", "sgd_step", "train", "write_log")
    student = answers("03_simple_network", "setup", *cells)
    weights, bias = student["make_parameters"](6, 2, 1)
    x, y = tf.random.stateless_uniform((8, 6), seed=(1, 1)), tf.one_hot([0, 1] * 4, 2)
    losses = student["train"](weights, bias, x, y, 3, 4, 0.1)
    student["log_losses"](str(folder / "simple_network"), losses)
    student["log_graph"](str(folder / "simple_network"), weights, bias, x, y)
    return losses


@pytest.fixture(scope="module")
def history(folder):
    """A short training of 09, written by its callback: the measures of every epoch."""
    import keras
    import numpy as np

    student = answers("09_cifar10", "setup", "build_cnn", "train")
    rng = np.random.default_rng(1)
    x, y = rng.random((40, 32, 32, 3)).astype("float32"), rng.integers(0, 10, 40)
    optimizer = keras.optimizers.SGD(learning_rate=0.01)
    return student["train"](student["build_cnn"](), x, y, x, y, optimizer, 3, 5, str(folder / "cifar10")).history


@pytest.fixture(scope="module")
def address(folder, losses, history):
    """Where TensorBoard answers. It reads the folder before it does, and ends with the tests."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    command += ["--load_fast", "false", "--reload_interval", "0", "--reload_task", "blocking"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as server:
        # Should it never answer, its end closes the pipe that is read here.
        patience = threading.Timer(PATIENCE, server.kill)
        patience.start()
        try:
            lines = []
            for line in server.stderr:
                lines.append(line)
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    break
            else:
                pytest.fail("TensorBoard ended without an address: " + "".join(lines))
            patience.cancel()
            yield found[0]
        finally:
            patience.cancel()
            server.terminate()
            try:
                server.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.communicate()


def ask(address, path):
    with urllib.request.urlopen(f"{address}/{path}", timeout=60) as answer:
        return json.load(answer)


def scalars(address, run, tag):
    """The steps and the values of a curve, as TensorBoard gives them to the browser."""
    points = ask(address, f"data/plugin/scalars/scalars?{urlencode({'run': run, 'tag': tag})}")
    return [step for _, step, _ in points], [value for *_, value in points]


def test_it_sees_the_runs(address):
    assert sorted(ask(address, "data/runs")) == ["cifar10/train", "cifar10/validation", "simple_network"]


def test_it_shows_the_curve_of_the_losses(address, losses):
    tags = ask(address, "data/plugin/scalars/tags")
    assert list(tags["simple_network"]) == ["loss"]
    steps, values = scalars(address, "simple_network", "loss")
    assert steps == list(range(6))
    assert values == pytest.approx(losses)


@pytest.mark.parametrize("measure", ["loss", "accuracy"])
@pytest.mark.parametrize(("run", "prefix"), [("train", ""), ("validation", "val_")])
def test_it_shows_the_curves_of_the_callback(address, history, run, prefix, measure):
    steps, values = scalars(address, f"cifar10/{run}", f"epoch_{measure}")
    assert steps == [0, 1, 2]
    assert values == pytest.approx(history[prefix + measure], rel=1e-5)


def test_it_shows_the_graph_of_the_step(address):
    info = ask(address, "data/plugin/graphs/info")
    assert "sgd_step" in info["simple_network"]["tags"]


def test_it_shows_the_network_that_the_callback_wrote(address):
    info = ask(address, "data/plugin/graphs/info")
    assert info["cifar10/train"]["tags"]["keras"]["conceptual_graph"]
