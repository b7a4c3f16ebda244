"""
With KERAS_BACKEND=jax the whole grader works as it does with TensorFlow: training, transfer of models, tests, points.

A network that is trained in a moment stands for the course's; those are trained in a long run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_notebook

from autograder.build import read_master
from autograder.sample import cases, expected_scores, write_class
from tests.kernel.test_grade_command import KERNEL, code

from .conftest import COURSE, SHORT

pytest.importorskip("jax")

ROOT = COURSE.root
AUTOGRADER = str(Path(sys.executable).with_name("autograder"))
ON_JAX = [
    "04_mlp",
    "05_convolution_by_hand",
    "07_mnist",
    "08_cnn",
    "10_augmentation",
    "11_transfer_learning",
    "12_latent_space",
    "14_project",
]
"""The assignments with Keras that teach nothing of TensorFlow itself."""
WITH_TENSORFLOW = ["03_simple_network", "06_parameter_counts", "09_cifar10", "13_architectures"]

ANSWER = """\
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, LABELS, batch_size=50, epochs=6, verbose=0)
"""
MASTER = new_notebook(
    metadata=KERNEL,
    cells=[
        code(
            "setup",
            "import keras\nimport numpy as np\nfrom coursekit import checks, runtime\n\nruntime.seed_everything(1)\n"
            "x = np.random.normal(size=(400, 4)).astype('float32')\ny = (x[:, 0] > 0).astype('int32')",
        ),
        code("answer", f"### BEGIN SOLUTION\n{ANSWER.replace('LABELS', 'y')}### END SOLUTION", solution=True),
        code(
            "test_model",
            "checks.param_count(model, 58)\nchecks.trained(history, epochs=6)\n### BEGIN HIDDEN TESTS\n"
            "checks.accuracy(model, x, y, at_least=0.9)\n### END HIDDEN TESTS",
            points=3,
        ),
        code("words", "### BEGIN SOLUTION\nbackend = keras.config.backend()\n### END SOLUTION", solution=True),
        code("test_words", "assert (backend, keras.config.backend()) == ('jax', 'jax')", points=1),
    ],
)


def grade(root: Path, *options: str, **variables: str) -> tuple[dict[str, dict], str]:
    """Run the command on JAX; the records by student, and what was printed."""
    file = root / "verdicts.json"
    done = subprocess.run(
        # JAX compiles what is called for the first time: on a busy machine no test is to fail for that.
        [AUTOGRADER, "--course", str(root), "grade", "--json", str(file), "--call-timeout", "120", *options],
        env={**os.environ, "KERAS_BACKEND": "jax", "COURSE_DATA_SOURCE": "standin", **variables},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {each["student"]: each for each in json.loads(file.read_text())}, done.stdout + done.stderr


def missed(record: dict) -> dict[str, str]:
    """What a record says of the cells that did not get all their points."""
    return {cell["grade_id"]: cell["message"] for cell in record["cells"] if cell["score"] < cell["max_score"]}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A course of one network, and two who trained it, one with the labels the wrong way round."""
    (tmp_path / "source" / "01_net").mkdir(parents=True)
    nbformat.write(MASTER, tmp_path / "source" / "01_net" / "net.ipynb")
    (tmp_path / "course.toml").write_text(
        'preload = ["keras", "coursekit.checks", "autograder.sealed.candidate", "autograder.sealed.examiner"]\n'
        "[limits]\ncell_timeout = 400\n[assignments]\n01_net.gpu = true\n"
    )
    for student, labels in (("right", "y"), ("wrong", "1 - y")):
        notebook = nbformat.from_dict(MASTER)
        notebook.cells[1].source = ANSWER.replace("LABELS", labels)
        path = tmp_path / "submitted" / student / "01_net" / "net.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return tmp_path


@pytest.mark.slow
def test_a_network_trained_on_jax_gets_its_points_and_one_that_learnt_the_opposite_does_not(small):
    records, printed = grade(small)

    assert missed(records["right"]) == {}, printed
    assert set(missed(records["wrong"])) == {"test_model"}, printed
    assert "the two classes seem to be swapped" in missed(records["wrong"])["test_model"]


@pytest.mark.slow
def test_where_jax_cannot_use_the_gpu_it_is_told_and_it_trains_on_the_processor(small, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho '0, GPU-aaaa, 16000'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)

    path = f"{tmp_path}:{os.environ['PATH']}"
    records, printed = grade(small, "--student", "right", "--profile", "gpu", PATH=path)

    assert "GPU 0 is not used: RuntimeError: JAX sees no GPU (" in printed
    assert records["right"]["score"] == 4, printed


def test_the_assignments_for_jax_are_those_with_keras_that_do_not_name_tensorflow():
    keras, tensorflow = (
        [
            assignment.name
            for assignment in COURSE.assignments
            if any(
                re.search(rf"^\s*(import|from) {module}\b", cell.source, re.MULTILINE)
                for cell in read_master(assignment.notebooks[0].path).cells
            )
        ]
        for module in ("keras", "tensorflow")
    )

    assert tensorflow == WITH_TENSORFLOW
    assert [name for name in keras if name not in tensorflow] == ON_JAX
    told = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    assert f"`{'`, `'.join(ON_JAX[:-1])}` and `{ON_JAX[-1]}`" in " ".join(told.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=() if COURSE.assignment(each) in SHORT else pytest.mark.long) for each in ON_JAX],
)
def test_the_reference_has_full_points_on_jax_and_a_typical_mistake_has_not(name, tmp_path):
    assignment = COURSE.assignment(name)
    master = read_master(assignment.notebooks[0].path)
    write_class(COURSE, [assignment], tmp_path)
    mistaken = next(case for case in cases(COURSE, assignment) if case.scores and case.base == "reference")

    records, printed = grade(tmp_path, "--student", "reference")
    assert missed(records["reference"]).keys() <= {
        cell["grade_id"] for cell in records["reference"]["cells"] if cell["outcome"] == "manual"
    }, printed

    records, printed = grade(tmp_path, "--student", mistaken.student)
    expected = expected_scores(mistaken, master)
    given = {cell["grade_id"]: cell["score"] for cell in records[mistaken.student]["cells"]}
    assert {grade_id: given[grade_id] for grade_id in expected} == pytest.approx(expected), printed
