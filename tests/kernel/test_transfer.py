"""
What a test gets when it uses a student's name: every row of the table of copies and references, through two kernels.

Each row is an exercise: what the student's cell says, and the test cell that uses it. The rows of a table are one
paper, so that two kernels serve them all; a test here looks at the verdict on its row.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from autograder.course import Limits
from autograder.verdict import Outcome
from tests.kernel.conftest import Exercise, told, verdict_on

GIVEN = """
import math
import numpy as np
from autograder.sealed.examiner import Reference

def helper():
    return "the instructor's"

def raises(kind, f, *arguments):
    # The text of the exception of exactly this kind that comes of a call.
    try:
        result = f(*arguments)
    except kind as error:
        assert type(error) is kind, type(error)
        return str(error) or "without words"
    raise AssertionError(f"{result} came, and no {kind.__name__}")
"""


@dataclass(frozen=True)
class Row:
    """What the student's cell says, the test cell, and (where that is not to pass) what comes of it."""

    student: str
    test: str
    outcome: Outcome = Outcome.PASSED
    says: str = ""


def conducted(rows, **limits):
    """The verdict on each row, by name."""
    exercises = [Exercise(row.student, row.test) for row in rows.values()]
    return dict(zip(rows, told(*exercises, given=GIVEN, limits=Limits(**limits)), strict=True))


def assert_as_expected(row, verdict):
    assert (verdict.outcome, row.says in verdict.message) == (row.outcome, True), verdict.message
    assert verdict.score == (1.0 if row.outcome is Outcome.PASSED else 0.0)
    assert verdict.staff_note == ""


PLAIN = {
    # By value
    "exact_plain_types_are_the_value": Row(
        "value = [None, True, 3, 0.1, 1j, 'ä', b'\\0', (1,), {1: {2}}, frozenset({1}), range(3), slice(1, 2), ...]",
        "assert repr(value) == repr([None, True, 3, 0.1, 1j, 'ä', b'\\0', (1,), {1: {2}}, frozenset({1}), range(3), "
        "slice(1, 2), ...])\nassert type(value[1]) is bool and type(value[2]) is int",
    ),
    "nan_and_infinity_are_the_value": Row(
        "value = [float('nan'), float('inf'), -0.0, 10**400]",
        "assert math.isnan(value[0]) and value[1:] == [math.inf, 0.0, 10**400] and math.copysign(1, value[2]) == -1",
    ),
    "containers_are_the_value_however_nested": Row(
        "value = {'layers': [{'units': (3, {4, 5})}], (1, 2): [[[]]]}",
        "assert value == {'layers': [{'units': (3, {4, 5})}], (1, 2): [[[]]]}",
    ),
    "a_copy_is_the_tests_own": Row(
        "value = [1, np.zeros(2)]", "value[1][0] = 7\nvalue.append(3)\nassert value[1].tolist() == [7, 0]"
    ),
    "and_the_student_keeps_theirs": Row("", "assert len(value) == 2 and value[1].tolist() == [0, 0]"),
    "arrays_of_every_dtype_arrive": Row(
        "value = {d: np.ones((2, 3)).astype(d) for d in '? b B h H i I l L e f d g F D >f4 M8[D] m8[s] S3 U3'.split()}",
        "assert len(value) == 20\n"
        "for name, array in value.items():\n"
        "    expected = np.ones((2, 3)).astype(name)\n"
        "    assert type(array) is np.ndarray and array.dtype == expected.dtype, name\n"
        "    assert np.array_equal(array, expected), name",
    ),
    "a_bfloat16_array_arrives": Row(
        "import ml_dtypes\nvalue = np.array([1.5, 2], ml_dtypes.bfloat16)",
        "assert value.dtype.name == 'bfloat16' and value.astype(float).tolist() == [1.5, 2]",
    ),
    "empty_and_0_d_arrays_arrive": Row(
        "value = [np.zeros((0, 3), 'f4'), np.array(2.5), np.array([])]",
        "assert [each.shape for each in value] == [(0, 3), (), (0,)] and value[1] == 2.5 and value[0].dtype == 'f4'",
    ),
    "a_structured_array_arrives": Row(
        "value = np.array([(1, 2.5)], dtype=[('a', 'i4'), ('b', 'f8')])",
        "assert value['b'].tolist() == [2.5] and value.dtype.names == ('a', 'b')",
    ),
    "numpy_scalars_arrive_as_such": Row(
        "value = [np.float32(1.5), np.int64(2), np.bool_(True), np.str_('a'), np.datetime64('2024-02-29')]",
        "assert [type(v) for v in value] == [np.float32, np.int64, np.bool_, np.str_, np.datetime64]\n"
        "assert value == [1.5, 2, True, 'a', np.datetime64('2024-02-29')]",
    ),
    "a_module_is_the_tests_own_import_of_it": Row(
        "import numpy.linalg as value\nimport numpy as xp\nxp.sin = lambda x: 0",
        "assert value is np.linalg and xp is np and xp.sin(1) > 0.8",
    ),
    # References
    "an_int_subclass_is_no_int": Row(
        "class Three(int):\n    def __eq__(self, other): return True\nvalue = [Three(3)]",
        "assert isinstance(value[0], Reference) and not isinstance(value[0], int)\n"
        "assert type(value[0]).__name__ == 'Three'\n"
        "assert not value[0] == 4 and int(value[0]) == 3",
    ),
    "an_object_array_is_a_reference": Row(
        "value = np.array([1, None, 'a'], dtype=object)",
        "assert isinstance(value, Reference) and type(value).__name__ == 'ndarray'\n"
        "assert len(value) == 3 and value[0] == 1 and list(value) == [1, None, 'a'] and value[::2][1] == 'a'",
    ),
    "array_subclasses_are_references": Row(
        "class Liar(np.ndarray):\n    def __eq__(self, other): return True\n"
        "value = [np.zeros(2).view(Liar), np.asmatrix([[1]]), np.ma.array([1, 2])]",
        "assert all(isinstance(each, Reference) for each in value)\n"
        "assert [type(each).__name__ for each in value] == ['Liar', 'matrix', 'MaskedArray']\n"
        "assert not np.array_equal(value[0], np.ones(2))",
    ),
    "a_function_can_be_called": Row(
        "def f(x, y=1, *more, scale=1, **named):\n    return scale * (x + y + sum(more)) + len(named)",
        "assert f(1) == 2 and f(1, 2, 3, 4, scale=2, a=1, b=2) == 22 and f(x=3) == 4 and callable(f)\n"
        "assert f.__name__ == 'f' and type(f).__name__ == 'function'",
    ),
    "a_lambda_can_be_called": Row("f = lambda x: x[::-1]", "assert f('abc') == 'cba' and f([1, 2]) == [2, 1]"),
    "a_callable_object_can_be_called": Row(
        "class Line:\n    def __init__(self, m): self.m = m\n    def __call__(self, x): return self.m * x\nf = Line(3)",
        "assert f(2) == 6 and f.m == 3 and type(f).__name__ == 'Line'",
    ),
    "a_partial_can_be_called": Row(
        "import functools\nf = functools.partial(pow, 2, mod=7)", "assert f(5) == 4 and type(f).__name__ == 'partial'"
    ),
    "a_function_of_a_function_can_be_called": Row(
        "def scaled(m):\n    return lambda x: m * x", "assert scaled(3)(4) == 12 and scaled(2)(scaled(3)(4)) == 24"
    ),
    "a_generator_can_be_iterated": Row(
        "def f(n):\n    for k in range(n): yield k * k", "assert list(f(4)) == [0, 1, 4, 9] and next(iter(f(2))) == 0"
    ),
    "an_endless_iterator_can_be_begun": Row(
        "import itertools\nvalue = itertools.count(5)",
        "assert [next(value), next(value)] == [5, 6]\nassert [k for k, _ in zip(value, range(3))] == [7, 8, 9]",
    ),
    "a_class_can_be_instantiated_and_its_methods_called": Row(
        "class Neuron:\n    bias = 1\n    def __init__(self, w): self.w = np.asarray(w)\n"
        "    def forward(self, x): return float(self.w @ x) + self.bias\n"
        "    @property\n    def size(self): return len(self.w)\n",
        "_n = Neuron([1.0, 2.0])\n"
        "assert Neuron.bias == 1 and _n.forward(np.array([3.0, 4.0])) == 12.0 and _n.size == 2\n"
        "assert type(_n).__name__ == 'Neuron' and Neuron.__name__ == 'Neuron' and not callable(_n)",
    ),
    "an_object_has_just_the_abilities_that_it_has": Row(
        "class Grid:\n    def __len__(self): return 2\n    def __getitem__(self, key): return key\n"
        "class Number:\n    def __float__(self): return 1.5\n    def __int__(self): return 1\n"
        "    def __index__(self): return 1\n    def __bool__(self): return False\n"
        "grid, number = Grid(), Number()",
        "assert len(grid) == 2 and grid[1] == 1 and grid[1, 'a'] == (1, 'a') and grid[1:5:2] == slice(1, 5, 2)\n"
        "assert grid[..., None] == (..., None)\n"
        "assert (float(number), int(number), bool(number), ['a', 'b'][number]) == (1.5, 1, False, 'b')\n"
        "assert raises(TypeError, float, grid) and raises(TypeError, len, number)\n"
        "assert raises(TypeError, iter, number) and raises(TypeError, lambda: number())",
    ),
    "what_is_not_there_is_an_attribute_error": Row(
        "f = lambda: 1",
        "assert not hasattr(f, 'weights') and not hasattr(f, '__wrapped__') and getattr(f, 'nothing', 7) == 7",
    ),
    # Objects that lie
    "an_object_that_equals_everything_equals_nothing_here": Row(
        "class Liar:\n    def __eq__(self, other): return True\n    def __ge__(self, other): return True\n"
        "    __class__ = float\n    __hash__ = None\nvalue = Liar()",
        "assert not isinstance(value, float) and type(value).__name__ == 'Liar' and not value == 1.0\n"
        "assert raises(TypeError, lambda: value >= 0.9)",
    ),
    "a_length_that_is_none_is_an_error": Row(
        "class Liar:\n    def __init__(self, n): self.n = n\n    def __len__(self): return self.n\n"
        "value = [Liar(n) for n in ('three', -1, 10**30, True)]",
        "for _liar, _error in zip(value, (TypeError, ValueError, OverflowError)):\n"
        "    assert raises(_error, len, _liar)\n"
        "assert len(value[3]) == 1",
    ),
    "a_number_that_is_none_is_an_error": Row(
        "class Liar:\n    def __float__(self): return 'many'\n    def __bool__(self): return 7\nvalue = Liar()",
        "assert raises(TypeError, float, value) and raises(TypeError, bool, value)",
    ),
    "a_class_that_lies_about_its_name_and_bases_is_known_by_its_own": Row(
        "class Meta(type):\n    __name__ = property(lambda self: 1 / 0)\n    __mro__ = property(lambda self: 1 / 0)\n"
        "class Liar(metaclass=Meta):\n    def __len__(self): return 3\nvalue = Liar()",
        "assert type(value).__name__ == 'Liar' and len(value) == 3",
    ),
    "an_object_that_answers_to_every_attribute_does_not_pass_for_an_array": Row(
        "class Liar:\n    def __getattr__(self, name): return lambda *_: 1\nvalue = Liar()",
        "assert value.anything() == 1 and not hasattr(value, '__array__') and not callable(value)",
    ),
    "a_pickle_bomb_is_just_an_object": Row(
        "import os, pathlib\nclass Bomb:\n    def __reduce__(self): return (os._exit, (1,))\nvalue = [Bomb()]",
        "assert type(value[0]).__name__ == 'Bomb'",
    ),
    # Errors
    "an_error_arrives_as_the_same_built_in_class": Row(
        "def f(x):\n    return {'a': 1}[x] if isinstance(x, str) else [1][x] / 0",
        "for x, kind, text in (('b', KeyError, \"'b'\"), (5, IndexError, 'list index out of range'),\n"
        "                      (0, ZeroDivisionError, 'division by zero')):\n"
        "    try:\n        f(x)\n        assert False\n    except kind as error:\n"
        "        assert type(error) is kind and str(error) == text\n"
        "        assert 'in f, line 2: return' in error.__notes__[0]",
    ),
    "an_error_of_the_students_own_arrives_as_the_nearest_built_in_class": Row(
        "class Negative(ValueError): pass\nclass Own(Exception): pass\ndef f(kind): raise kind('no')",
        "assert raises(ValueError, f, Negative) == 'Negative: no' and raises(Exception, f, Own) == 'Own: no'",
    ),
    "errors_that_take_more_than_a_text_arrive_all_the_same": Row(
        "def f(n):\n    if n: b'\\xff'.decode()\n    raise ExceptionGroup('several', [ValueError('one')])",
        "assert raises(UnicodeError, f, 1).startswith('UnicodeDecodeError: ')\n"
        "assert 'several (1 sub-exception)' in raises(Exception, f, 0)",
    ),
    "exit_in_a_function_is_an_error_and_not_the_end": Row(
        "import sys\ndef f(): sys.exit(0)",
        "assert raises(RuntimeError, f) == 'your code called exit()'",
    ),
    "an_error_that_is_no_exception_is_one_here": Row(
        "class Own(BaseException): pass\ndef f(kind): raise kind",
        "for _kind in (Own, KeyboardInterrupt, GeneratorExit):\n"
        "    assert _kind.__name__ in raises(RuntimeError, f, _kind)",
    ),
    "an_error_whose_text_fails_arrives_without_one": Row(
        "class Mute(ValueError):\n    def __str__(self): return 1 / 0\n"
        "    __traceback__ = property(lambda self: 1 / 0)\ndef f(): raise Mute",
        "assert raises(ValueError, f) == 'Mute: '",
    ),
    "a_recursion_without_end_is_an_error": Row(
        "def f(n): return f(n + 1)",
        "try:\n    f(0)\n    assert False\nexcept RecursionError as error:\n    assert len(error.__notes__[0]) < 5000",
    ),
    "an_error_deep_in_a_library_names_the_students_line": Row(
        "def f(x):\n    y = x + 1\n    return np.linalg.inv(y)",
        "f(np.ones((2, 3)))",
        Outcome.ERROR,
        "(in f, line 3: return np.linalg.inv(y))",
    ),
    # What a test may hand to the student's code
    "arguments_and_results_cross_by_value": Row(
        "def f(x):\n    x[:] = 0\n    return x",
        "x = np.arange(3.0)\nassert f(x).tolist() == [0, 0, 0] and x.tolist() == [0, 1, 2]",
    ),
    "functions_of_the_course_s_libraries_and_of_the_student_can_be_handed_over": Row(
        "import tensorflow as tf\ndef square(x): return x * x\ndef f(g, x): return g(x)",
        "assert f(np.sin, 0.0) == 0.0 and f(np.mean, [1, 3]) == 2.0 and f(max, [1, 3]) == 3 and f(math.sqrt, 9) == 3\n"
        "assert f(square, 3) == 9 and f(f.__call__ if False else square, np.arange(3)).tolist() == [0, 1, 4]\n"
        "assert f(np.float32, 2).dtype == 'f4' and f(np.linalg.norm, [3.0, 4.0]) == 5.0",
    ),
    "the_tests_own_lambda_cannot_and_the_message_says_so": Row(
        "def f(g): return g(1)",
        "f(lambda x: x)",
        Outcome.ERROR,
        "a test hands <function <lambda>",
    ),
    "nor_can_its_functions_and_objects": Row(
        "def f(g): return g",
        "def own(x): return x\n"
        "for each in (own, [own], {'a': object()}, np.random.default_rng(0), np.dtype('f4')):\n"
        '    assert "the test\'s own code must stay here" in raises(TypeError, f, each)',
    ),
    "a_students_object_can_be_handed_back_to_them": Row(
        "class Box:\n    def __init__(self, x): self.x = x\ndef opened(box): return box.x",
        "assert opened(Box(7)) == 7 and [opened(b) for b in (Box(1), Box(2))] == [1, 2]",
    ),
    # Names
    "a_name_that_the_student_has_rebound_is_the_instructors_in_a_test": Row(
        'np = math = None\ndef helper(): return "the student\'s"\nlen = lambda x: 7',
        'assert helper() == "the instructor\'s" and np.sin(0) == 0 and math.pi > 3 and len([1]) == 1',
    ),
    "a_name_is_fetched_anew_for_each_test": Row("value = 'first'", "assert value == 'first'"),
    "and_so_is_not_the_one_of_the_test_before": Row("value = 'second'", "assert value == 'second'"),
    "a_name_that_the_student_has_deleted_is_gone": Row("del value", "assert raises(NameError, lambda: value)"),
    "a_test_that_binds_a_name_uses_its_own": Row(
        "expected = 'mine'\nresult = 3", "expected = 3\nassert result == expected"
    ),
    "a_name_used_in_a_tests_inner_function_is_fetched": Row(
        "def f(x): return x + 1", "def _check(x):\n    return [f(k) for k in x]\nassert _check([1, 2]) == [2, 3]"
    ),
    "what_an_earlier_test_has_bound_stays_the_tests_and_finds_the_students_names_again": Row(
        "", "assert _check([5]) == [6]"
    ),
    "a_reference_kept_by_a_test_serves_a_later_one": Row(
        "def f(x): return x + 1\nclass Box: pass", "_kept, _box = f, Box()\nassert _kept(1) == 2"
    ),
    "even_after_others_were_let_go": Row(
        "def f(x): return x + 100\nother = object()", "assert other and _kept(1) == 2 and f(1) == 101 and _box"
    ),
    "a_name_that_is_nowhere_is_the_students_to_define": Row(
        "def sigmiod(x): return x",
        "sigmoid(0)",
        Outcome.ERROR,
        "NameError: name 'sigmoid' is not defined. Is it defined in your answer, under exactly this name?",
    ),
    # Too much
    "a_list_that_holds_itself_is_told": Row(
        "value = []\nvalue.append(value)",
        "value",
        Outcome.ERROR,
        "value: this value is nested more than 32 levels deep: too deep to be checked (does it hold itself?)",
    ),
    "a_list_without_end_is_told": Row(
        "value = [0] * 1_000_001",
        "value",
        Outcome.ERROR,
        "value: this value is more than 1,000,000 parts: too many to be checked",
    ),
    "an_array_larger_than_anything_is_told": Row(
        "value = np.zeros(1) if np else None\nimport numpy\nvalue = numpy.broadcast_to(1.0, (10**9,))",
        "value",
        Outcome.ERROR,
        "value: this value is larger than 512 MiB: too large to be checked",
    ),
    "so_is_a_result_that_is_too_much": Row(
        "def f():\n    value = []\n    value.append(value)\n    return value",
        "f()",
        Outcome.ERROR,
        "ValueError: this value is nested more than 32 levels deep",
    ),
    "a_module_made_up_is_told": Row(
        "import types\nvalue = types.ModuleType('no_such_module')",
        "value",
        Outcome.ERROR,
        "the module 'no_such_module' is not one of the course's environment",
    ),
    # So that the rows above mean something
    "a_wrong_value_fails": Row("value = 1", "assert value == 2, 'one is not two'", Outcome.FAILED, "one is not two"),
    # What a function writes into its arguments
    "a_change_of_an_array_is_seen_and_the_tests_own_stays": Row(
        "def f(x):\n    x[0] = 9\n    return x",
        "from coursekit import checks\n_x = np.arange(3.0)\n_copy = _x.copy()\n_came = f(_x)\n"
        "assert _came[0] == 9 and np.array_equal(_x, _copy)\nchecks.unchanged(_copy, _x, name='x')",
        Outcome.FAILED,
        "x: 1 of its 3 values changed: at [0], 0.0 became 9.0.",
    ),
    "a_change_of_a_list_that_is_named_is_seen": Row(
        "def f(x, sizes):\n    return [sizes.pop() for _ in range(2)]",
        "from coursekit import checks\n_sizes = [4, 3, 2]\nf(np.ones(2), sizes=_sizes)\n"
        "checks.unchanged([4, 3, 2], _sizes, name='sizes')",
        Outcome.FAILED,
        "its shape was (3,) and is now (1,)",
    ),
    "what_is_not_changed_is_not_seen_changed": Row(
        "def f(x, parts, table):\n    x = x + 1\n    return x, parts[0] * 2, sorted(table)",
        "from coursekit import checks\n_x, _parts = np.array([1.0, np.nan]), [np.ones(2), 0.5]\n"
        "f(_x, _parts, {'a': 1})\nchecks.unchanged(np.array([1.0, np.nan]), _x)\n"
        "checks.unchanged(np.ones(2), _parts[0])",
    ),
}


@pytest.fixture(scope="module")
def plain_verdicts():
    return conducted(PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_plain(name, plain_verdicts):
    assert_as_expected(PLAIN[name], plain_verdicts[name])


MODEL = "model = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation='tanh'), layers.Dense(2)])\n"
SAME = "\n_x = np.linspace(-1, 1, 12).reshape(3, 4)\nassert np.array_equal(model.predict(_x, verbose=0), predict(_x))"
PREDICT = "def predict(x): return model.predict(x, verbose=0)\n"

KERAS = {
    "a_sequential_model_is_rebuilt": Row(
        "import keras\nimport numpy as np\nimport tensorflow as tf\nfrom keras import layers\n" + MODEL + PREDICT,
        "import keras\nimport tensorflow as tf\nfrom coursekit import checks\n"
        "checks.model(model)\nchecks.param_count(model, 23)\nassert type(model) is keras.Sequential" + SAME,
    ),
    "the_copy_is_the_tests_own": Row(
        "",
        "model.layers[0].kernel.assign(np.zeros((4, 3)))\n"
        "_x = np.ones((1, 4))\nassert np.any(predict(_x) != model(_x))",
    ),
    "a_functional_model_is_rebuilt": Row(
        "inputs = keras.Input((4,))\nhidden = layers.Dense(3)(inputs)\n"
        "model = keras.Model(inputs, layers.Dense(2)(layers.Add()([hidden, hidden * 2.0])))",
        "assert type(model).__name__ == 'Functional' and not isinstance(model, Reference)" + SAME,
    ),
    "a_nested_model_with_statistics_and_adapted_normalization_is_rebuilt": Row(
        "scale = layers.Normalization()\nscale.adapt(np.random.default_rng(0).normal(3, 2, (50, 4)))\n"
        "inner = keras.Sequential([keras.Input((4,)), scale, layers.BatchNormalization(), layers.Dropout(0.5)])\n"
        "inner.layers[1].moving_mean.assign([1, 2, 3, 4])\n"
        "model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(2)])",
        "assert model.layers[0].layers[1].moving_mean.numpy().tolist() == [1, 2, 3, 4]\n"
        "assert 2 < float(model.layers[0].layers[0].mean[0, 0]) < 4" + SAME,
    ),
    "frozen_layers_are_frozen": Row(
        MODEL + "model.layers[0].trainable = False",
        "assert [layer.trainable for layer in model.layers] == [False, True] and len(model.trainable_weights) == 2",
    ),
    "compile_settings_are_kept_and_so_is_a_learning_rate_changed_later": Row(
        MODEL + "model.compile(optimizer=keras.optimizers.SGD(0.5, momentum=0.9), "
        "loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=['accuracy'])\n"
        "model.optimizer.learning_rate = 0.25",
        "assert type(model.optimizer) is keras.optimizers.SGD and model.optimizer.momentum == 0.9\n"
        "checks.learning_rate(model, 0.25)\n"
        "assert model.loss.from_logits if hasattr(model.loss, 'from_logits') else model.loss\n"
        "assert len(model.evaluate(np.ones((2, 4)), np.array([0, 1]), verbose=0)) == 2",
    ),
    "a_loss_of_the_students_own_stays_behind": Row(
        MODEL + "model.compile(optimizer=keras.optimizers.Adam(0.3), loss=lambda y, p: tf.reduce_mean((y - p) ** 2))",
        "assert model.compiled and model.loss is None\nchecks.learning_rate(model, 0.3)",
    ),
    "a_history_is_one": Row(
        "model.compile(loss='mse')\nhistory = model.fit(np.ones((8, 4)), np.ones((8, 2)), epochs=3, verbose=0)",
        "assert type(history) is keras.callbacks.History and history.epoch == [0, 1, 2]\n"
        "assert len(history.history['loss']) == 3 and history.params['epochs'] == 3\nchecks.trained(history, epochs=3)",
    ),
    "tensors_and_variables_are_such": Row(
        "value = [tf.constant([[1.0, 2.0]]), tf.Variable([1, 2], trainable=False), keras.Variable([1.0], name='w'), "
        "tf.constant(1.5, tf.bfloat16)]",
        "assert [type(v).__name__ for v in value] == ['EagerTensor', 'ResourceVariable', 'Variable', 'EagerTensor']\n"
        "assert tf.is_tensor(value[0]) and value[0].numpy().tolist() == [[1, 2]] and not value[1].trainable\n"
        "assert value[2].name == 'w' and value[3].dtype == tf.bfloat16 and float(value[3]) == 1.5",
    ),
    "a_ragged_tensor_is_a_reference": Row(
        "value = tf.ragged.constant([[1], [2, 3]])",
        "assert isinstance(value, Reference) and value.to_list() == [[1], [2, 3]]",
    ),
    "a_model_with_a_lambda_is_a_reference_that_can_be_called": Row(
        "model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2)])",
        "assert isinstance(model, Reference) and type(model).__name__ == 'Sequential'\n"
        "assert model(np.ones((1, 4))).numpy().tolist() == [[2, 2, 2, 2]]\n"
        "assert 'class or a Lambda of your own' in raises(TypeError, lambda: model.count_params())\n"
        "assert raises(checks.CheckFailed, checks.model, model)",
    ),
    "a_model_with_a_layer_of_the_students_own_is_a_reference": Row(
        "class Twice(layers.Layer):\n    def call(self, x): return x * 2\n"
        "model = keras.Sequential([keras.Input((4,)), Twice()])",
        "assert isinstance(model, Reference) and model.predict(np.ones((1, 4)), verbose=0).tolist() == [[2, 2, 2, 2]]",
    ),
    "a_subclassed_model_is_a_reference": Row(
        "class Own(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.only = layers.Dense(2)\n    def call(self, x): return self.only(x)\nmodel = Own()",
        "assert isinstance(model, Reference) and model(np.ones((3, 4))).shape == (3, 2) and model.only.units == 2\n"
        "assert len(model.get_weights()) == 2 and type(model.get_weights()[0]) is np.ndarray",
    ),
    "a_tf_function_can_be_called": Row(
        "@tf.function\ndef f(x): return x * 2.0", "assert f(tf.constant([1.0, 2.0])).numpy().tolist() == [2, 4]"
    ),
    "a_function_that_builds_a_model_gives_one": Row(
        "def build(units):\n    return keras.Sequential([keras.Input((4,)), layers.Dense(units)])",
        "checks.param_count(build(5), 25)\nchecks.output_shapes(build(2), [(None, 2)])",
    ),
    "a_students_function_can_be_handed_a_model_and_tensors": Row(
        "def outputs(model, x): return model(x) + 1",
        "_model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer='ones')])\n"
        "assert outputs(_model, tf.constant([[1.0, 2.0]])).numpy().tolist() == [[4.0]]",
    ),
    "and_functions_of_keras": Row(
        "def f(g, x): return np.asarray(g(x))",
        "assert f(keras.activations.relu, np.array([-1.0, 2.0])).tolist() == [0, 2]\n"
        "assert f(keras.ops.abs, np.array([-1.0])).tolist() == [1]",
    ),
}


@pytest.fixture(scope="module")
def keras_verdicts():
    return conducted(KERAS)


@pytest.mark.parametrize("name", KERAS)
def test_keras(name, keras_verdicts):
    assert_as_expected(KERAS[name], keras_verdicts[name])


ENDLESS = {
    "a_function_that_does_not_end_is_a_timeout": Row(
        "def f():\n    while True: pass", "f()", Outcome.TIMEOUT, "Your code did not end within 1 seconds."
    ),
    "and_the_notebook_goes_on": Row("value = 1", "assert value == 1"),
    "a_test_can_catch_it": Row(
        "import time\ndef f(x):\n    time.sleep(600 if x else 0)\n    return x",
        "try:\n    f(1)\nexcept TimeoutError:\n    assert f(0) == 0\nelse:\n    assert False",
    ),
    "an_attribute_a_length_and_a_text_that_do_not_end_are_timeouts_as_well": Row(
        "class Endless(Exception):\n    def spin(self):\n        while True: pass\n"
        "    slow = property(spin)\n    __len__ = __str__ = spin\nvalue = [Endless()]\ndef f(): raise Endless",
        "from autograder.sealed.examiner import CallTimeoutError\n"
        "assert raises(CallTimeoutError, lambda: value[0].slow) and raises(CallTimeoutError, len, value[0])\n"
        "assert raises(CallTimeoutError, f)",
    ),
    "so_is_an_iterator_that_does_not_come_to_its_next_item": Row(
        "def f():\n    yield 1\n    while True: pass",
        "for _item in f(): pass",
        Outcome.TIMEOUT,
        "Your code did not end",
    ),
    "after_all_that_the_student_is_still_there": Row("value = 2", "assert value == 2"),
}


@pytest.fixture(scope="module")
def endless_verdicts():
    return conducted(ENDLESS, call_timeout=1)


@pytest.mark.parametrize("name", ENDLESS)
def test_endless(name, endless_verdicts):
    assert_as_expected(ENDLESS[name], endless_verdicts[name])


def test_a_call_whose_interrupt_python_drops_is_interrupted_again_and_costs_its_own_points_alone():
    busy = """
class Busy:
    def __del__(self):
        while True: pass
def f():
    Busy()
    while True: pass
"""
    verdict = verdict_on(
        Exercise(busy, "f()"), Exercise("def g(): return 1", "assert g() == 1"), limits=Limits(call_timeout=0.5)
    )

    assert [cell.outcome for cell in verdict.cells] == [Outcome.TIMEOUT, Outcome.PASSED]
    assert verdict.cells[0].message == "Your code did not end within 0.5 seconds."


def test_a_call_that_cannot_be_interrupted_costs_its_cell_and_then_the_kernel():
    stubborn = """
import time
def f():
    while True:
        try:
            time.sleep(600)
        except KeyboardInterrupt:
            pass
"""
    verdict = verdict_on(
        Exercise(stubborn, "f()"),
        Exercise("x = 1", "assert x == 1"),
        limits=Limits(call_timeout=0.5, cell_timeout=3),
    )

    assert [cell.outcome for cell in verdict.cells] == [Outcome.TIMEOUT, Outcome.NOT_REACHED]
    assert "could not be interrupted" in verdict.message
    assert verdict.seconds < 30
