"""Cheating: submissions that want points for answers that are wrong."""

from __future__ import annotations

from dataclasses import replace

import nbformat
import pytest

from autograder.build import release_notebook
from autograder.notebook import notebook_text
from autograder.paper import build_paper, parse_submission
from autograder.sealed.session import conduct
from autograder.verdict import Outcome
from tests.conftest import Cells
from tests.hostile.conftest import BRIEF, HONEST, Attack, commit, succeed_unsealed

WRONG = "def double(x):\n    return 7\n"

IN_THE_SHELL = {
    # Errors are handled by a function that does nothing.
    "set_custom_exc": Attack(WRONG + "get_ipython().set_custom_exc((Exception,), lambda *_, **__: None)"),
    # AssertionError is an exception that nobody hears of.
    "AssertionError replaced": Attack(
        WRONG + "import builtins\n"
        "class Silent(Exception): pass\n"
        "builtins.AssertionError = Silent\n"
        "get_ipython().set_custom_exc((Silent,), lambda *_, **__: None)",
        "if double(3) != 6:\n    raise AssertionError('double(3) is 6')",
    ),
    # Every assert is taken out of what is run.
    "an AST transformer": Attack(
        WRONG + "import ast\n"
        "class Remover(ast.NodeTransformer):\n"
        "    def visit_Assert(self, node):\n"
        "        return ast.copy_location(ast.Pass(), node)\n"
        "get_ipython().ast_transformers.append(Remover())"
    ),
    # The same with lines of text.
    "an input transformer": Attack(
        WRONG + "get_ipython().input_transformers_post.append("
        "lambda lines: [line for line in lines if not line.startswith('assert')])"
    ),
    # The test's text tells the right answer.
    "a hook before each cell": Attack(
        WRONG + "import re\n"
        "def read(info):\n"
        "    found = re.search(r'== (\\d+)', info.raw_cell or '')\n"
        "    if found:\n"
        "        get_ipython().user_ns['double'] = lambda x: int(found[1])\n"
        "get_ipython().events.register('pre_run_cell', read)"
    ),
    # The error is taken out of the result, and no traceback is shown.
    "a hook after each cell": Attack(
        WRONG + "shell = get_ipython()\n"
        "shell._showtraceback = shell.showtraceback = lambda *_, **__: None\n"
        "def forgive(result):\n"
        "    result.error_in_exec = result.error_before_exec = None\n"
        "shell.events.register('post_run_cell', forgive)"
    ),
    # What is shown of a cell's last value is always the number 1.
    "display hooks": Attack(
        WRONG + "get_ipython().display_formatter.format = lambda *_, **__: ({'text/plain': '1'}, {})",
        "float(double(3) == 6)",
    ),
    # The cell runner says that all is well.
    "run_cell replaced": Attack(
        WRONG + "shell = get_ipython()\n"
        "class Fine:\n"
        "    success, result, error_in_exec, error_before_exec, execution_count = True, None, None, None, 1\n"
        "shell.run_cell = lambda *_, **__: Fine()"
    ),
}

IN_THE_LIBRARIES = {
    # A built-in function finds everything in order.
    "isinstance and abs replaced": Attack(
        WRONG + "import builtins\nbuiltins.abs = lambda x: 0",
        "assert isinstance(double(3), int) and abs(double(3) - 6) < 1e-9",
    ),
    # Everything is close to everything.
    "np.allclose replaced": Attack(
        WRONG + "import numpy\nnumpy.allclose = numpy.isclose = lambda *_, **__: True",
        "import numpy as np\nassert np.allclose(double(3), 6)",
    ),
    # NumPy's own assertions are empty.
    "np.testing replaced": Attack(
        WRONG + "import numpy.testing\nnumpy.testing.assert_allclose = lambda *_, **__: None",
        "import numpy.testing\nnumpy.testing.assert_allclose(double(3), 6)",
    ),
    # The course's own checks are empty.
    "coursekit.checks replaced": Attack(
        WRONG + "import coursekit.checks\ncoursekit.checks.close = lambda *_, **__: None",
        "from coursekit import checks\nchecks.close(double(3), 6)",
    ),
    # A module of the student's stands where another was.
    "sys.modules changed": Attack(
        WRONG + "import sys, types\nsys.modules['math'] = types.SimpleNamespace(isclose=lambda *_, **__: True)",
        "import math\nassert math.isclose(double(3), 6)",
    ),
    # A finder of the student's finds the module that the test imports.
    "sys.meta_path changed": Attack(
        WRONG + "import importlib.machinery, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        return importlib.machinery.ModuleSpec(name, self) if name == 'cmath' else None\n"
        "    def create_module(self, spec): return None\n"
        "    def exec_module(self, module): module.isclose = lambda *_, **__: True\n"
        "sys.modules.pop('cmath', None)\n"
        "sys.meta_path.insert(0, Finder())",
        "import cmath\nassert cmath.isclose(double(3), 6)",
    ),
    # A file beside the notebook is imported in place of a module.
    "a module in the work folder": Attack(
        WRONG + "import sys\n"
        "open('colorsys.py', 'w').write('def judge(*_): return True')\n"
        "sys.path.insert(0, '.')\n"
        "sys.modules.pop('colorsys', None)",
        "import colorsys\nassert not hasattr(colorsys, 'judge') and double(3) == 6 or colorsys.judge()",
    ),
}

# Whoever asks what it expects finds it one frame above.
ASKS = "import sys\ndef asked():\n    return sys._getframe(2).f_globals['expected']\n"

LYING_OBJECTS = {
    # It equals everything.
    "__eq__ says yes": Attack(
        "class Yes:\n    def __eq__(self, _): return True\ndef double(x): return Yes()",
        "assert double(3) == 6",
    ),
    # It looks like a float, equals everything, and differs from nothing.
    "a subclass of float": Attack(
        "class Yes(float):\n"
        "    def __eq__(self, _): return True\n"
        "    def __sub__(self, _): return 0.0\n"
        "    __rsub__ = __sub__\n"
        "    __hash__ = float.__hash__\n"
        "def double(x): return Yes(7)",
        "assert isinstance(double(3), float) and double(3) == 6 and abs(double(3) - 6) < 1e-9",
    ),
    # NumPy asks the array itself whether it is close.
    "a subclass of ndarray": Attack(
        "import numpy\n"
        "class Yes(numpy.ndarray):\n"
        "    def __array_function__(self, *_): return True\n"
        "    def __array_ufunc__(self, *_, **__): return True\n"
        "def double(x): return numpy.zeros(3).view(Yes)",
        "import numpy as np\nassert np.allclose(double(3), [6, 6, 6]) and np.all(double(3) == 6)",
    ),
    # It says that its class is int.
    "a false __class__": Attack(
        "class Yes:\n    __class__ = int\n    def __eq__(self, _): return True\ndef double(x): return Yes()",
        "assert isinstance(double(3), int) and double(3) == 6",
    ),
    # Turned into a float it is what the test expects.
    "__float__ looks at the test": Attack(
        ASKS + "class Spy:\n    def __float__(self): return float(asked())\ndef double(x): return Spy()",
        "expected = 6\nassert float(double(3)) == expected",
    ),
    # The same as an index.
    "__index__ looks at the test": Attack(
        ASKS + "class Spy:\n    def __index__(self): return asked()\ndef double(x): return Spy()",
        "expected = 6\nassert range(10)[double(3)] == expected",
    ),
    # What the test expects is changed to what comes back.
    "the expected value changed": Attack(
        "import sys\ndef double(x):\n    sys._getframe(1).f_globals['expected'] = 7\n    return 7",
        "expected = 6\ngot = double(3)\nassert got == expected",
    ),
    # The list of expected values is emptied through the argument.
    "an argument changed": Attack(
        "def doubles(xs):\n    xs.clear()\n    return []",
        "given = [1, 2, 3]\ngot = doubles(given)\nassert got == [2 * x for x in given]",
    ),
    # It is right the first time only.
    "right only the first time": Attack(
        "answers = [2]\ndef double(x):\n    return answers.pop() if answers else 7",
        "for x in (1, 2, 3):\n    assert double(x) == 2 * x",
    ),
    # The program ends, without an error, in the middle of the test.
    "exit in a call": Attack("import sys\ndef double(x):\n    sys.exit(0)"),
    # map() takes the error for the end of its input, and all() of nothing is true.
    "StopIteration in a call": Attack(
        "def is_even(x):\n    raise StopIteration",
        "assert all(map(is_even, [2, 4, 6]))",
    ),
}

ALL = (IN_THE_SHELL, IN_THE_LIBRARIES, LYING_OBJECTS)
# These fail in an ordinary kernel too.
HARMLESS_ANYWAY = {"right only the first time", "exit in a call"}


@pytest.mark.parametrize("attacks", ALL, ids=["shell", "libraries", "objects"])
def test_these_attacks_succeed_where_tests_run_in_the_students_kernel(attacks, tmp_path):
    assert set(succeed_unsealed(attacks, tmp_path)) == set(attacks) - HARMLESS_ANYWAY


@pytest.fixture(scope="module")
def in_the_shell(confined):
    # The last one of them answers nothing any more: not for long is waited for it.
    return commit(IN_THE_SHELL, confined, limits=replace(BRIEF, call_timeout=2))


@pytest.mark.parametrize("name", IN_THE_SHELL)
def test_no_point_for_a_change_to_the_shell(name, in_the_shell):
    assert in_the_shell[name].score == 0


@pytest.fixture(scope="module")
def in_the_libraries(confined):
    return commit(IN_THE_LIBRARIES, confined)


@pytest.mark.parametrize("name", IN_THE_LIBRARIES)
def test_no_point_for_a_change_to_the_libraries(name, in_the_libraries):
    assert in_the_libraries[name].score == 0


@pytest.fixture(scope="module")
def lying_objects(confined):
    return commit(LYING_OBJECTS, confined)


@pytest.mark.parametrize("name", LYING_OBJECTS)
def test_no_point_for_an_object_that_lies(name, lying_objects):
    assert lying_objects[name].score == 0


@pytest.mark.parametrize("paper", ["in_the_libraries", "lying_objects"])
def test_the_honest_answer_after_them_passes(paper, request):
    assert request.getfixturevalue(paper)[HONEST].outcome is Outcome.PASSED


# Models

MODEL = """
import keras, numpy
def fresh(*layers):
    return keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(2, kernel_initializer="zeros")])
"""
# Class 1 where the first number is the larger one: a model of zeros cannot know.
TASK = """
import numpy as np
from coursekit import checks
x = np.array([[1, 0], [0, 1], [3, 2], [2, 3]], "float32")
y = np.array([1, 0, 1, 0])
"""
ACCURACY = TASK + "checks.accuracy(model, x, y, at_least=0.9)"
KNOWS = "def knows(x, *_, **__):\n    return numpy.eye(2)[(x[:, 0] > x[:, 1]).astype(int)]\n"

MODELS = {
    # Its predictions are not its own.
    "predict replaced": Attack(MODEL + KNOWS + "model = fresh()\nmodel.predict = model.call = knows", ACCURACY),
    # A class whose evaluate says what it likes.
    "evaluate replaced": Attack(
        MODEL + "model = fresh()\nmodel.compile(loss='mse', metrics=['accuracy'])\n"
        "model.evaluate = lambda *_, **__: [0.0, 1.0]",
        TASK + "assert model.evaluate(x, np.eye(2)[y], verbose=0)[1] > 0.9",
    ),
    # The training's record says that all went well, of a model that learned nothing.
    "faked metrics": Attack(
        MODEL + "model = fresh()\nhistory = keras.callbacks.History()\n"
        "history.history, history.epoch = {'accuracy': [1.0] * 9, 'val_accuracy': [1.0] * 9}, list(range(9))",
        "assert history.history['val_accuracy'][-1] > 0.9\n" + ACCURACY,
    ),
    # Its metric says 1 of everything.
    "a metric that lies": Attack(
        MODEL + "def accuracy(y, p): return 1.0\nmodel = fresh()\nmodel.compile(loss='mse', metrics=[accuracy])",
        TASK + "_, reached = model.evaluate(x, np.eye(2)[y], verbose=0)\nassert reached > 0.9",
    ),
    # A layer's code changes the kernel in which the test runs.
    "a Lambda layer": Attack(
        MODEL + "def change(t):\n"
        "    import numpy\n"
        "    numpy.allclose = lambda *_, **__: True\n"
        "    return t\n"
        "model = fresh(keras.layers.Lambda(change))",
        TASK + "model(x)\nassert np.allclose(1, 2)",
    ),
    # The same, sent with the sender's check taken out.
    "a Lambda layer, smuggled": Attack(
        MODEL + "from autograder.sealed import models\n"
        "models.check = lambda _: None\n"
        "def change(t):\n"
        "    import numpy\n"
        "    numpy.allclose = lambda *_, **__: True\n"
        "    return t\n"
        "smuggled = fresh(keras.layers.Lambda(change))",
        "import numpy as np\nsmuggled(np.ones((1, 2), 'float32'))\nassert np.allclose(1, 2)",
    ),
    # A class of the student's stays with the student, and answers for itself.
    "a subclass with an evaluate of its own": Attack(
        MODEL + "class Liar(keras.Sequential):\n"
        "    def evaluate(self, *_, **__): return [0.0, 1.0]\n"
        "model = Liar([keras.Input((2,)), keras.layers.Dense(2)])\n"
        "model.compile(loss='mse', metrics=['accuracy'])",
        TASK + "assert model.evaluate(x, np.eye(2)[y])[1] > 0.9",
    ),
    # Keras's own predict is another one; last, for the models above must be Keras's.
    "keras replaced": Attack(
        MODEL + KNOWS + "model = fresh()\n"
        "keras.Model.predict = keras.Sequential.predict = keras.Model.__call__ = knows",
        ACCURACY,
    ),
}


@pytest.fixture(scope="module")
def models(confined):
    return commit(MODELS, confined)


@pytest.mark.parametrize("name", MODELS)
def test_no_point_for_a_model_that_lies(name, models):
    assert models[name].score == 0
    assert models[name].outcome in {Outcome.ERROR, Outcome.FAILED}


def test_the_honest_answer_after_the_models_passes(models):
    assert models[HONEST].outcome is Outcome.PASSED


# Tags


def test_no_point_for_tags_that_let_a_test_fail_or_skip_it(confined):
    master = Cells.notebook(
        Cells.answer("### BEGIN SOLUTION\n...\n### END SOLUTION", "answer"),
        Cells.test("assert double(3) == 6", "raises"),
        Cells.test("assert double(4) == 8", "skipped"),
        Cells.test("assert double(0) == 7", "wrong_as_it_is"),
    )
    handed_in = release_notebook(master)
    handed_in.cells[0].source = WRONG
    handed_in.cells[1].metadata["tags"] = ["raises-exception"]
    handed_in.cells[2].metadata["tags"] = ["skip-execution"]
    handed_in.metadata["tags"] = ["raises-exception", "skip-execution"]
    submission = parse_submission(notebook_text(handed_in).encode(), "a.ipynb")
    sheet = build_paper(master, submission, student="anna", assignment="01_a", notebook="a")

    verdict = conduct(sheet, BRIEF, confined)

    assert [cell.score for cell in verdict.cells] == [0, 0, 2]
    assert not any("tags" in cell.metadata for cell in nbformat.reads(verdict.executed, 4).cells)
