"""TensorBoard opens what the notebook 03_simple_network writes: a real server on loopback, asked over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import urllib.request

import pytest

from tests.course.answers import answers

pytestmark = pytest.mark.slow

PATIENCE = 120  # seconds: a busy machine takes long to import it


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """A folder with the run of a short training."""
    import tensorflow as tf

    cells = ("make_parameters", "logits", "cross_entropy", "sgd_step", "train", "write_log")
    student = answers("03_simple_network", "setup", *cells)
    folder = tmp_path_factory.mktemp("logs")
    weights, bias = student["make_parameters"](6, 2, 1)
    x, y = tf.random.stateless_uniform((8, 6), seed=(1, 1)), tf.one_hot([0, 1] * 4, 2)
    losses = student["train"](weights, bias, x, y, 3, 4, 0.1)
    student["log_losses"](str(folder / "simple_network"), losses)
    student["log_graph"](str(folder / "simple_network"), weights, bias, x, y)
    return folder, losses


@pytest.fixture(scope="module")
def address(logs):
    """Where TensorBoard answers. It reads the folder before it does, and ends with the tests."""
    folder, _ = logs
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


def test_it_sees_the_run(address):
    assert ask(address, "data/runs") == ["simple_network"]


def test_it_shows_the_curve_of_the_losses(address, logs):
    tags = ask(address, "data/plugin/scalars/tags")
    assert list(tags["simple_network"]) == ["loss"]
    points = ask(address, "data/plugin/scalars/scalars?run=simple_network&tag=loss")
    assert [step for _, step, _ in points] == list(range(6))
    assert [value for *_, value in points] == pytest.approx(logs[1])


def test_it_shows_the_graph_of_the_step(address):
    info = ask(address, "data/plugin/graphs/info")
    assert "sgd_step" in info["simple_network"]["tags"]
