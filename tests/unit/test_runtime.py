"""Seeds and the size of a run."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest

from coursekit import runtime


def test_the_same_seed_gives_the_same_random_numbers() -> None:
    runtime.seed_everything(7)
    first = random.random(), np.random.random()
    runtime.seed_everything(7)
    assert (random.random(), np.random.random()) == first


def test_another_seed_gives_other_random_numbers() -> None:
    runtime.seed_everything(7)
    first = random.random(), np.random.random()
    runtime.seed_everything(8)
    assert (random.random(), np.random.random()) != first


def test_without_a_seed_it_is_1() -> None:
    runtime.seed_everything()
    first = random.random()
    random.seed(1)
    assert random.random() == first


def test_seeding_loads_no_keras_for_a_notebook_that_uses_none() -> None:
    code = "import sys; from coursekit import runtime; runtime.seed_everything(); sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_where_keras_is_imported_initial_weights_and_tensorflows_random_numbers_repeat() -> None:
    import keras
    import tensorflow as tf

    def draw() -> tuple[list[list[float]], list[float]]:
        runtime.seed_everything(3)
        layer = keras.layers.Dense(4)
        layer.build((None, 4))
        return layer.kernel.numpy().tolist(), tf.random.uniform((3,)).numpy().tolist()

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True, None])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="whole number from 0"):
        runtime.seed_everything(seed)  # type: ignore[arg-type]


def test_the_profile_is_cpu_unless_the_variable_says_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert runtime.profile() == "cpu"
    monkeypatch.setenv("COURSE_PROFILE", "gpu")
    assert runtime.profile() == "gpu"
    monkeypatch.setenv("COURSE_PROFILE", "cpu")
    assert runtime.profile() == "cpu"


@pytest.mark.parametrize("value", ["", "GPU", "tpu", " cpu"])
def test_any_other_profile_is_an_error_that_says_what_is_allowed(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("COURSE_PROFILE", value)
    with pytest.raises(ValueError, match=r"COURSE_PROFILE.*allowed is cpu or gpu"):
        runtime.profile()


def test_the_budget_follows_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_PROFILE", "cpu")
    assert runtime.budget(cpu=12, gpu=30) == 12
    monkeypatch.setenv("COURSE_PROFILE", "gpu")
    assert runtime.budget(cpu=12, gpu=30) == 30
