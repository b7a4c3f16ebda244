"""The checks: what passes, what fails, and what a failing student reads."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import layers

from coursekit import checks
from coursekit.checks import CheckFailed


def message(check: Callable[..., object], *args: Any, **options: Any) -> str:
    """Return what a check that must fail says."""
    with pytest.raises(CheckFailed) as caught:
        check(*args, **options)
    return str(caught.value)


def every(*strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test on many examples, the same in each run."""
    return lambda test: settings(max_examples=40, deadline=None, derandomize=True)(given(*strategies)(test))


# ---- what a check may be handed


class Recorder:
    """Claims to be and to equal everything, and notes every method that is called on it."""

    called: list[str]

    def __init__(self) -> None:
        object.__setattr__(self, "called", [])

    def __getattribute__(self, name: str) -> Any:
        if name == "called":
            return object.__getattribute__(self, "called")
        self.called.append(name)
        raise RuntimeError("asked for an attribute")


def _noting(name: str, result: object) -> Callable[..., object]:
    def method(self: Recorder, *_: object, **__: object) -> object:
        self.called.append(name)
        return result

    return method


_CLAIMS: dict[str, object] = {
    "__eq__": True,
    "__ne__": False,
    "__le__": True,
    "__lt__": True,
    "__ge__": True,
    "__gt__": True,
    "__sub__": 0,
    "__rsub__": 0,
    "__bool__": True,
    "__len__": 3,
    "__hash__": hash("a"),
    "__int__": 3,
    "__index__": 3,
    "__float__": 3.0,
    "__array__": np.array(3.0),
    "__iter__": iter([]),
    "__getitem__": 3,
    "__repr__": "3",
    "__str__": "3",
    "__format__": "3",
    "__instancecheck__": True,
}


def recorder(name: str = "ndarray", bases: tuple[type, ...] = (Recorder,)) -> Any:
    """Make an object of a class with a well-known name that lies about everything."""
    methods = {method: _noting(method, result) for method, result in _CLAIMS.items()}
    kind = type(name, bases, methods)
    return kind()


def _is_equal(self: object, other: object) -> bool:
    return True


class LyingFloat(float):
    __eq__ = __le__ = __ge__ = _is_equal
    __hash__ = float.__hash__


class LyingInt(int):
    __eq__ = _is_equal
    __hash__ = int.__hash__


class LyingStr(str):
    __slots__ = ()
    __eq__ = _is_equal
    __hash__ = str.__hash__


class LyingList(list):  # type: ignore[type-arg]
    __eq__ = _is_equal
    __hash__ = None


class LyingArray(np.ndarray):
    def __array_ufunc__(self, *_: object, **__: object) -> Any:
        return np.True_


class Shifty(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name for you")


class OfShiftyClass(metaclass=Shifty):
    pass


def array_of_liars() -> Any:
    array = np.empty(3, dtype=object)
    for place in range(3):
        array[place] = recorder()
    return array


RIGHT = np.array([1.0, 2.0, 3.0])
LIARS = {
    "a lying object": recorder,
    "an object named like a function": lambda: recorder("function"),
    "an object named like a model": lambda: recorder("Sequential"),
    "an object named like a number": lambda: recorder("float64"),
    "a subclass of float": lambda: LyingFloat(3.0),
    "a subclass of int": lambda: LyingInt(3),
    "a subclass of str": lambda: LyingStr("a"),
    "a subclass of list": lambda: LyingList([1.0, 2.0, 3.0]),
    "a subclass of ndarray": lambda: RIGHT.view(LyingArray),
    "a matrix": lambda: RIGHT.view(np.matrix),
    "a masked array": lambda: np.ma.masked_array(RIGHT, mask=True),
    "an array of lying objects": array_of_liars,
    "a list of lying objects": lambda: [recorder() for _ in range(3)],
    "an object whose class will not say its name": OfShiftyClass,
    "a class": lambda: OfShiftyClass,
    "a namespace": lambda: SimpleNamespace(history=None, shape=(3,), dtype=np.dtype(float)),
}
ALL_CHECKS: dict[str, Callable[[Any], object]] = {
    "equal": lambda value: checks.equal(value, 3),
    "equal to a list": lambda value: checks.equal(value, [1.0, 2.0, 3.0]),
    "equal to a text": lambda value: checks.equal(value, "a"),
    "equal to a dict": lambda value: checks.equal({"a": value}, {"a": 3}),
    "equal to a set": lambda value: checks.equal(value, {3}),
    "shape": lambda value: checks.shape(value, (4,)),
    "dtype": lambda value: checks.dtype(value, "int8"),
    "close": lambda value: checks.close(value, RIGHT),
    "close to a list": lambda value: checks.close(value, [1.0, 2.0, 3.0]),
    "close to a number": lambda value: checks.close(value, 3.0, mistakes={"half": 1.5}),
    "unchanged": lambda value: checks.unchanged(RIGHT, value),
    "between": lambda value: checks.between(value, 0, 10),
    "model": checks.model,
    "param_count": lambda value: checks.param_count(value, 3),
    "output_shapes": lambda value: checks.output_shapes(value, [(None, 3)]),
    "accuracy": lambda value: checks.accuracy(value, RIGHT, np.array([0, 1, 1]), at_least=0.5),
    "recall": lambda value: checks.recall(value, RIGHT, np.array([0, 1, 1]), at_least=0.5),
    "predicted_classes": lambda value: checks.predicted_classes(value, RIGHT),
    "frozen": checks.frozen,
    "learning_rate": lambda value: checks.learning_rate(value, 3.0),
    "trained": checks.trained,
}


@pytest.mark.parametrize("make", LIARS.values(), ids=LIARS)
def test_an_object_that_lies_fails_every_check_with_a_message(make: Callable[[], Any]) -> None:
    for check in ALL_CHECKS.values():
        assert 20 < len(message(check, make())) < 1000


@pytest.mark.parametrize("check", ALL_CHECKS)
def test_no_method_of_an_unknown_object_runs(check: str) -> None:
    value = recorder()
    message(ALL_CHECKS[check], value)
    # fit's history may come as an object of any class: its one attribute is read.
    assert set(value.called) <= ({"history"} if check == "trained" else set())


def test_an_unknown_object_in_place_of_a_function_is_named_by_its_class() -> None:
    class Box:
        pass

    said = message(checks.function, Box(), "sigmoid")
    assert "an object of class 'Box'" in said
    assert "sigmoid = ..." in said


def test_a_list_that_holds_itself_ends_in_a_message() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for check in ALL_CHECKS.values():
        message(check, endless)


def test_importing_the_checks_loads_no_keras() -> None:
    code = (
        "import sys; from coursekit import checks; import numpy as np\n"
        "checks.close(np.ones(3), [1, 1, 1]); checks.equal((1, 'a'), (1, 'a')); checks.shape(np.ones(3), 3)\n"
        "assert not {'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ---- equal

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, math.inf]) | st.sampled_from("ab"),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.lists(parts, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from("ab") | st.integers(0, 1) | st.booleans(), parts, max_size=2)
    ),
    max_leaves=6,
)


def same(a: object, b: object) -> bool:
    """Tell by their text whether plain values are the same: it shows True apart from 1, and a list from a tuple."""
    if isinstance(a, dict) and isinstance(b, dict):
        of_b = {repr(key): value for key, value in b.items()}
        return len(a) == len(b) and all(repr(key) in of_b and same(a[key], of_b[repr(key)]) for key in a)
    if isinstance(a, list | tuple) and type(a) is type(b):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


@every(PLAIN, PLAIN)
def test_equal_passes_just_what_is_the_same_in_type_and_value(a: object, b: object) -> None:
    if same(a, b):
        checks.equal(a, b)
    else:
        message(checks.equal, a, b)


@every(PLAIN)
def test_equal_passes_a_value_and_itself(value: object) -> None:
    checks.equal(value, value)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (True, 1),
        (1, True),
        (3.0, 3),
        (3, 3.0),
        ([3, 3], (3, 3)),
        ("3", 3),
        (b"a", "a"),
        ({1}, frozenset({1})),
        ({1}, {True}),
        (0, None),
    ],
)
def test_equal_tells_types_apart(actual: object, expected: object) -> None:
    message(checks.equal, actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.int64(92), 92),
        (np.uint8(3), 3),
        (np.float64(0.5), 0.5),
        (np.True_, True),
        (np.str_("a"), "a"),
        ((np.int32(2), 3), (2, 3)),
    ],
)
def test_equal_takes_a_numpy_scalar_for_the_python_value_it_holds(actual: object, expected: object) -> None:
    checks.equal(actual, expected)


def test_equal_takes_nan_for_nan() -> None:
    checks.equal([math.nan], [math.nan])


def test_equal_compares_sets_and_dicts_in_any_order_and_whole() -> None:
    checks.equal({1, "a"}, {"a", 1})
    checks.equal({"a": 1, "b": [2]}, {"b": [2], "a": 1})
    for actual in ({1}, {1, 2, 3}, {1, 3}):
        message(checks.equal, actual, {1, 2})
    for content in ({"a": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 2}, {"a": 1, "b": 3}):
        message(checks.equal, content, {"a": 1, "b": 2})


def test_equal_hides_the_expected_value_unless_told_to_show_it() -> None:
    assert "77" not in message(checks.equal, 5, 77)
    assert "77 is asked" in message(checks.equal, 5, 77, reveal=True)


def test_equal_says_where_a_list_differs() -> None:
    assert message(checks.equal, [1, [2, 3]], [1, [2, 4]], name="sizes").startswith(
        "sizes[1][1]: the whole number 3 came"
    )


def test_equal_names_a_known_mistake() -> None:
    said = message(checks.equal, 75, 92, mistakes={"the biases are not counted": 75})
    assert said.startswith("the result: the biases are not counted.")


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (None, 3, "return"),
        (len, 3, "call it"),
        (5.0, 5, "'//'"),
        (True, 1, "result of a comparison"),
        ("5", 5, "quotes"),
        ([1, 2], (1, 2), "tuple(...)"),
        (np.array([1, 2]), [1, 2], ".tolist()"),
        ([1, 2, 3], [1, 2], "3 entries; 2 are asked"),
        ("Bottle", "bottle", "capital letters"),
        (7, (7, 7), "A tuple with 2 entries"),
        (..., 7, "placeholder"),
        ((n for n in [1]), [1], "list(...)"),
        pytest.param(10**5000, 7, "5001 digits", id="huge"),
        ("x" * 10_000, "y", "..."),
    ],
)
def test_equal_names_the_likely_mistake(actual: object, expected: object, words: str) -> None:
    said = message(checks.equal, actual, expected)
    assert words in said
    assert len(said) < 700


@pytest.mark.parametrize("came", [525.0, 2100.0, 2100.5, np.float64(2100.5)])
def test_equal_speaks_of_division_where_only_a_fraction_is_too_much(came: object) -> None:
    assert "'//'" in message(checks.equal, came, 2100)


@pytest.mark.parametrize("came", [0.0021, 525.5, math.nan, math.inf])
def test_equal_does_not_speak_of_division_where_the_number_itself_is_wrong(came: object) -> None:
    assert "'//'" not in message(checks.equal, came, 2100)


def test_equal_asks_for_a_return_only_where_nothing_came_back() -> None:
    assert "return" in message(checks.equal, None, [0, 1])
    assert "return" not in message(checks.equal, [0, None], [0, 1])


def test_equal_refuses_an_expected_array_as_the_tests_own_mistake() -> None:
    with pytest.raises(TypeError, match=r"checks\.close"):
        checks.equal(3, np.ones(2))


# ---- close

FLOATS = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e6, 1e6))


@every(FLOATS, st.floats(0, 1e-2), st.floats(0, 1), st.data())
def test_close_passes_what_is_within_the_tolerances(x: Any, rtol: float, atol: float, data: st.DataObject) -> None:
    share = data.draw(hnp.arrays(np.float64, x.shape, elements=st.floats(-0.99, 0.99)))
    checks.close(x + share * (atol + rtol * np.abs(x)), x, rtol=rtol, atol=atol + 1e-9)


@every(FLOATS, st.floats(0, 1e-2), st.floats(0, 1), st.data())
def test_close_fails_a_single_value_beyond_the_tolerances(
    x: Any, rtol: float, atol: float, data: st.DataObject
) -> None:
    index = tuple(data.draw(st.integers(0, side - 1)) for side in x.shape)
    actual = x.copy()
    actual[index] += (1.01 * (atol + rtol * abs(x[index])) + 1e-6) * data.draw(st.sampled_from([1, -1]))
    said = message(checks.close, actual, x, rtol=rtol, atol=atol)
    assert f"1 of {x.size} value" in said
    assert str(list(index)) in said


@every(FLOATS, st.sampled_from([math.nan, math.inf, -math.inf]), st.data())
def test_close_fails_nan_and_infinity_wherever_they_are_not_asked(x: Any, odd: float, data: st.DataObject) -> None:
    index = tuple(data.draw(st.integers(0, side - 1)) for side in x.shape)
    actual = x.copy()
    actual[index] = odd
    assert ("NaN" if math.isnan(odd) else "infinite") in message(checks.close, actual, x, rtol=1e6, atol=1e300)


@every(st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1e308]), st.sampled_from([math.nan, math.inf, -math.inf]))
def test_close_passes_nan_and_infinity_just_where_they_are_asked(actual: float, expected: float) -> None:
    if repr(actual) == repr(expected):
        checks.close(np.array([1.0, actual]), np.array([1.0, expected]))
    else:
        message(checks.close, np.array([1.0, actual]), np.array([1.0, expected]))


@every(st.integers(-(2**70), 2**70), st.integers(-3, 3))
def test_close_with_no_tolerance_tells_whole_numbers_of_any_size_apart(number: int, step: int) -> None:
    if step == 0:
        checks.close(number, number, rtol=0, atol=0)
    else:
        message(checks.close, number + step, number, rtol=0, atol=0)


@every(st.integers(-(2**62), 2**62), st.integers(-3, 3))
def test_close_with_no_tolerance_tells_large_whole_numbers_in_arrays_apart(number: int, step: int) -> None:
    if step == 0:
        checks.close(np.array([number]), np.array([number]), rtol=0, atol=0)
    else:
        message(checks.close, np.array([number + step]), np.array([number]), rtol=0, atol=0)


@every(hnp.array_shapes(max_dims=3, max_side=3), hnp.array_shapes(max_dims=3, max_side=3))
def test_close_never_passes_another_shape(came: tuple[int, ...], asked: tuple[int, ...]) -> None:
    if came == asked:
        checks.close(np.ones(came), np.ones(asked))
    else:
        assert str(asked) in message(checks.close, np.ones(came), np.ones(asked))


@every(hnp.arrays(np.float64, (2, 3)), hnp.arrays(np.float64, (2, 3)))
def test_close_answers_any_two_arrays_with_a_pass_or_a_message(came: Any, asked: Any) -> None:
    with np.errstate(all="ignore"):
        right = np.isclose(came, asked, rtol=1e-6, atol=1e-8, equal_nan=True).all()
    if right:
        checks.close(came, asked)
    else:
        assert message(checks.close, came, asked).startswith("the result: ")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1, 1.0),
        (1.0, 1),
        (np.float32(1), 1.0),
        (np.array(1.0), 1.0),
        (np.ones(2, dtype=np.int8), np.ones(2)),
        ([1, 1.0], [1, 1]),
        ((1, 1), [1, 1]),
        (np.ones(2), [1, 1]),
        ([[1, 2], [3, 4]], ((1, 2), (3, 4))),
        (np.array([True, False]), np.array([True, False])),
        (1j, 1j),
        (np.ones((0, 3)), np.ones((0, 3))),
    ],
)
def test_close_takes_every_plain_form_of_a_right_number(actual: object, expected: object) -> None:
    checks.close(actual, expected)


def test_close_takes_tensors_and_variables_on_either_side() -> None:
    right = np.array([1.0, 2.0], dtype=np.float32)
    for value in (tf.constant(right), tf.Variable(right), keras.Variable(right), tf.constant(right, tf.bfloat16)):
        checks.close(value, right)
        checks.close(right, value)
        message(checks.close, value, right + 1)


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (None, RIGHT, "return"),
        ([1.0, 2.0, 3.0], RIGHT, "np.array(...)"),
        ([np.array([1.0]), np.array([2.0])], RIGHT, "np.array(...) makes an array of a list"),
        ([[1.0], [2.0, 3.0]], RIGHT, "different lengths"),
        (np.array, RIGHT, "call it"),
        (RIGHT > 1, RIGHT, "True and False are no numbers"),
        (True, 1.0, "True and False are no numbers"),
        (RIGHT, RIGHT > 1, "comparison"),
        (RIGHT + 0j, RIGHT, "root of a negative number"),
        (np.array(["a", "b", "c"]), RIGHT, "texts"),
        (np.array([[1], [1, 2], [1, 2, 3]], dtype=object), RIGHT, "different lengths"),
        ("3.0", 3.0, "quotes"),
        ([1.0], 1.0, "not several"),
        (np.array([1.0]), 1.0, ".item()"),
        (RIGHT, 1.0, "sum or mean"),
        (2.0, RIGHT, "along one axis"),
        (RIGHT[:, None], RIGHT, "x.squeeze(axis=1)"),
        (RIGHT, RIGHT[:, None], "x[..., None]"),
        (RIGHT, RIGHT[None], "x[None]"),
        (np.ones((3, 2)), np.ones((2, 3)), "transposed"),
        (np.ones((3, 3)), np.ones((3, 1)), "stretches"),
        (np.ones(6), np.ones((2, 3)), "x.reshape(2, 3)"),
        (np.ones(4), RIGHT, "Too long by one along axis 0"),
        (np.array([0.0, np.nan, 1.0]), RIGHT, "0/0"),
        (np.array([0.0, np.inf, 1.0]), RIGHT, "log(0)"),
        (RIGHT * 0, RIGHT, "All values are 0"),
        (-RIGHT, RIGHT, "sign"),
        (RIGHT[::-1], RIGHT, "mirrored"),
        (np.arange(9.0).reshape(3, 3).T, np.arange(9.0).reshape(3, 3), "transposed"),
        (np.roll(np.arange(9.0), 1), np.arange(9.0), "off by one"),
        (RIGHT, RIGHT[[1, 0, 2]], "other places"),
        (RIGHT + 5, RIGHT, "same amount"),
        (RIGHT * 5, RIGHT, "same factor"),
        (np.array([1, 2, 3]), RIGHT + 0.3, "fractions are cut off"),
        ((RIGHT * 100).astype(np.uint8), RIGHT * 100 + 256, "wrapped round at 256"),
        ((RIGHT + 1e-5).astype(np.float32), RIGHT, "rounding"),
        (np.array([1.0, 2.0, 3.0, 0.0]), np.array([1.0, 2.0, 3.0, 9.0]), "Some values are 0"),
        (~(RIGHT > 1), RIGHT > 1, "wrong way round"),
    ],
)
def test_close_names_the_likely_mistake(actual: object, expected: object, words: str) -> None:
    assert words in message(checks.close, actual, expected)


def test_close_names_a_known_mistake_before_anything_else() -> None:
    kernel = np.arange(9.0).reshape(3, 3)
    said = message(checks.close, kernel, np.flip(kernel), mistakes={"this is correlation without the flip": kernel})
    assert said.startswith("the result: this is correlation without the flip.")


def test_close_knows_mistakes_of_another_shape_and_with_nan() -> None:
    known = {"the padding is missing": np.ones((2, 2)), "exp overflows": np.full((3, 3), np.nan)}
    assert "the padding is missing" in message(checks.close, np.ones((2, 2)), np.ones((3, 3)), mistakes=known)
    assert "exp overflows" in message(checks.close, np.full((3, 3), np.nan), np.ones((3, 3)), mistakes=known)


def test_close_passes_a_right_answer_even_if_a_mistake_gives_the_same() -> None:
    checks.close(np.ones((3, 3)), np.ones((3, 3)), mistakes={"not flipped": np.ones((3, 3))})


def test_close_shows_the_expected_values_only_if_told_to() -> None:
    asked = np.array([1.0, 777.0])
    assert "777" not in message(checks.close, np.array([1.0, 2.0]), asked)
    assert "777" in message(checks.close, np.array([1.0, 2.0]), asked, reveal=True)
    assert "777" not in message(checks.close, 2.0, 777.0)
    assert "777.0 is asked" in message(checks.close, 2.0, 777.0, reveal=True)


def test_close_keeps_its_message_short_for_a_large_array() -> None:
    assert len(message(checks.close, np.random.default_rng(0).random((50, 60, 70)), np.ones((50, 60, 70)))) < 900


@pytest.mark.parametrize("options", [{"rtol": -1.0}, {"atol": math.nan}, {"rtol": math.inf}])
def test_close_refuses_an_unusable_tolerance_as_the_tests_own_mistake(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        checks.close(1.0, 1.0, **options)


@pytest.mark.parametrize("expected", [None, "a", [None], np.array(["a"]), len])
def test_close_refuses_an_expected_value_that_is_no_number_as_the_tests_own_mistake(expected: Any) -> None:
    with pytest.raises(TypeError, match="expected is"):
        checks.close(1.0, expected)


def test_a_symbolic_tensor_is_told_from_one_with_values() -> None:
    symbol = keras.Input((3,))
    assert "holds no values" in message(checks.close, symbol, RIGHT)
    checks.shape(symbol, (None, 3))


# ---- shape and dtype

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@every(SHAPES, SHAPES)
def test_shape_passes_just_the_asked_shape(came: tuple[int, ...], asked: tuple[int, ...]) -> None:
    if came == asked:
        checks.shape(np.empty(came), asked)
    else:
        assert f"shape {asked} is asked" in message(checks.shape, np.empty(came), asked)


@every(SHAPES, st.data())
def test_shape_leaves_an_axis_open_where_none_is_asked(came: tuple[int, ...], data: st.DataObject) -> None:
    checks.shape(np.empty(came), [data.draw(st.sampled_from([None, side])) for side in came])


def test_shape_takes_a_number_for_one_axis_and_numbers_for_none() -> None:
    checks.shape(np.ones(3), 3)
    checks.shape(2.5, ())
    checks.shape(tf.ones((2, 3)), (2, 3))


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        ([[1, 2]], (1, 2), "np.array(...)"),
        (None, (2,), "return"),
        (np.ones((3, 50, 40)), (50, 40, 3), "np.transpose(x, (1, 2, 0))"),
        (np.ones((2, 3, 4)), (4, 3, 2), "reverse order"),
        (np.ones((46, 46)), (48, 48), "axes 0 and 1"),
        (np.ones((2, 5)), (2, 3), "along axis 1 alone"),
        (np.ones((2, 5, 1)), (2,), "1 axis is asked, but there are 3"),
        (np.ones((2, 4)), (2, 1, 4), "np.expand_dims(x, 1)"),
    ],
)
def test_shape_names_the_likely_mistake(actual: object, expected: tuple[int, ...], words: str) -> None:
    assert words in message(checks.shape, actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.ones(2, np.float32), "float32"),
        (np.ones(2, np.float32), np.float32),
        (np.ones(2, np.float16), "floating"),
        (np.ones(2, np.uint8), "integer"),
        (np.ones(2, np.uint8), "unsignedinteger"),
        (np.int32(2), "int32"),
        (np.array([True]), bool),
        (1.5, "float64"),
        (2, "integer"),
        (tf.constant([1.0], tf.bfloat16), "bfloat16"),
        (keras.Variable([1.0]), "float32"),
    ],
)
def test_dtype_passes_the_asked_dtype_or_kind(actual: object, expected: Any) -> None:
    checks.dtype(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "words"),
    [
        (np.ones(2), "float32", "astype('float32')"),
        (np.ones(2, np.uint8), "floating", "divide them by 255"),
        (np.ones(2, np.int64), "float32", "'//'"),
        (2, "floating", "'//'"),
        (np.ones(2), "integer", "astype('int64')"),
        (np.array([True]), "floating", "comparison"),
        (np.array([None]), "floating", "different lengths"),
        (np.array(["a"]), "floating", "texts"),
        (np.ones(2, np.int8), "bool", "converts it"),
        ([1.0], "floating", "np.array(...)"),
        (None, "floating", "return"),
    ],
)
def test_dtype_names_the_likely_mistake(actual: object, expected: str, words: str) -> None:
    assert words in message(checks.dtype, actual, expected)


def test_dtype_refuses_an_unknown_dtype_as_the_tests_own_mistake() -> None:
    with pytest.raises(TypeError):
        checks.dtype(RIGHT, "float17")


# ---- function, unchanged, between


def test_a_function_passes_whatever_made_it() -> None:
    functions: list[Any] = [len, np.sin, lambda x: x, [].append, keras.activations.relu]
    for f in functions:
        checks.function(f, "f")


def test_a_stand_in_that_can_be_called_passes_for_a_function() -> None:
    stand_in = type("function", (), {"__call__": _is_equal})()
    checks.function(stand_in, "f")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "run the cell"),
        (3, "used again"),
        (SimpleNamespace, "def f(...):"),
        (np, "a module"),
        (RIGHT, "an array"),
    ],
)
def test_what_is_no_function_is_told(value: object, words: str) -> None:
    assert words in message(checks.function, value, "f")


@every(
    hnp.arrays(st.sampled_from([np.float64, np.uint8, np.bool_]), hnp.array_shapes(max_dims=2, max_side=3)), st.data()
)
def test_unchanged_passes_an_equal_copy_and_fails_any_change(x: Any, data: st.DataObject) -> None:
    after = x.copy()
    checks.unchanged(x, after)
    index = tuple(data.draw(st.integers(0, side - 1)) for side in x.shape)
    after[index] = 1 if x[index] != 1 else 0
    assert "work on a copy" in message(checks.unchanged, x, after)


@pytest.mark.parametrize("after", [RIGHT[:2], RIGHT.astype(np.float32), [1.0, 2.0, 3.0], None, RIGHT[None]])
def test_unchanged_sees_a_change_of_type_shape_or_dtype(after: object) -> None:
    assert "work on a copy" in message(checks.unchanged, RIGHT, after)


def test_unchanged_takes_lists_and_numbers() -> None:
    checks.unchanged([[1, 2]], [[1, 2]])
    checks.unchanged(3.5, 3.5)
    assert "2 became 9" in message(checks.unchanged, [[1, 2]], [[1, 9]])


def test_unchanged_looks_at_the_copy_that_a_function_was_called_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coursekit.checks._arrays.became", lambda value: value + 1)
    assert "1.0 became 2.0" in message(checks.unchanged, np.ones(2), np.ones(2))


@every(st.floats(), st.floats(-10, 10), st.floats(-10, 10))
def test_between_passes_just_the_numbers_of_the_range(value: float, a: float, b: float) -> None:
    low, high = sorted((a, b))
    if low <= value <= high:
        checks.between(value, low, high)
    else:
        message(checks.between, value, low, high)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.array(0.5), tf.constant(0.5)])
def test_between_takes_every_plain_form_of_a_number(value: object) -> None:
    checks.between(value, 0, 1)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "truth value"),
        (math.nan, "NaN"),
        (2, "too large"),
        pytest.param(-(10**400), "too small", id="huge"),
        (np.array([0.5]), ".item()"),
        (RIGHT, "sum or mean"),
        ("0.5", "quotes"),
        (None, "return"),
        (0.5j, "0.5j"),
    ],
)
def test_between_names_the_likely_mistake(value: object, words: str) -> None:
    assert words in message(checks.between, value, 0, 1)


def test_between_refuses_an_empty_range_as_the_tests_own_mistake() -> None:
    with pytest.raises(ValueError, match="no number"):
        checks.between(1, 2, 1)


# ---- models


def network(
    *,
    size: int = 20,
    channels: int = 1,
    filters: int = 4,
    kernel: int = 3,
    units: int = 2,
    hidden: bool = False,
    **conv: Any,
) -> Any:
    """Make the small CNN of these tests: two convolutions with pooling, and a dense layer."""
    return keras.Sequential(
        [
            keras.Input((size, size, channels)),
            layers.Conv2D(filters, kernel, activation="relu", name="first", **conv),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(filters, kernel, activation="relu", name="second", **conv),
            layers.Flatten(name="flat"),
            *([layers.Dense(8, name="hidden")] if hidden else []),
            layers.Dense(units, activation="softmax", name="out"),
        ]
    )


# By hand: (3*3*1 + 1) * 4, (3*3*4 + 1) * 4, and 20 -> 18 -> 9 -> 7, so (7*7*4 + 1) * 2.
COUNTS = (40, 148, 394)
OUTPUTS = ((None, 18, 18, 4), (None, 9, 9, 4), (None, 7, 7, 4), (None, 196), (None, 2))


def test_a_right_model_passes() -> None:
    model = network()
    checks.model(model)
    checks.param_count(model, 582)
    checks.param_count(model, by_layer=COUNTS)
    checks.output_shapes(model, OUTPUTS)


def test_a_functional_model_passes_like_a_sequential_one() -> None:
    sequential = network()
    model = keras.Model(sequential.inputs, sequential.outputs)
    checks.param_count(model, 582, by_layer=COUNTS)
    checks.output_shapes(model, OUTPUTS)


def test_parameters_that_are_not_trained_count_too() -> None:
    model = keras.Sequential([keras.Input((5,)), layers.BatchNormalization(), layers.Dense(2)])
    checks.param_count(model, 32, by_layer=(20, 12))  # 4 a value, 2 of them not trained


def test_a_model_in_a_model_counts_as_one_layer_or_as_the_layers_in_it() -> None:
    block = keras.Sequential([keras.Input((5,)), layers.Dense(5), layers.BatchNormalization()])
    model = keras.Sequential([keras.Input((5,)), block, layers.Dense(2)])
    checks.param_count(model, 62, by_layer=(50, 12))
    checks.param_count(model, 62, by_layer=(30, 20, 12))
    assert "2 layers with parameters" in message(checks.param_count, model, by_layer=(30, 12, 20))


class OwnModel(keras.Model):  # type: ignore[misc]
    pass


class OwnLayer(layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


def own_layer_in_a_model_in_a_model() -> Any:
    inner = keras.Sequential([keras.Input((3,)), OwnLayer()])
    return keras.Sequential([keras.Input((3,)), inner, layers.Dense(2)])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, "behind 'model ='"),
        (lambda: network, "call it"),
        (lambda: keras.Sequential, "class, not an instance"),
        (lambda: [layers.Dense(2)], "keras.Sequential([...])"),
        (lambda: layers.Dense(2), "single layer"),
        (lambda: keras.Input((3,)), "keras.Model(inputs, outputs)"),
        (keras.callbacks.History, "history = model.fit"),
        (OwnModel, "your own class 'OwnModel'"),
        (lambda: keras.Sequential([layers.Dense(2)]), "keras.Input"),
        (keras.Sequential, "no layers"),
        (lambda: keras.Sequential([keras.Input((3,)), OwnLayer()]), "'OwnLayer', which cannot be examined"),
        (own_layer_in_a_model_in_a_model, "'OwnLayer', which cannot be examined"),
        (lambda: keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x)]), "no Lambda layers"),
        (lambda: recorder("Sequential"), "calls itself 'Sequential'"),
        (lambda: 3, "a Keras model is asked"),
    ],
)
def test_what_is_no_model_is_told_by_name(make: Callable[[], Any], words: str) -> None:
    assert words in message(checks.model, make())


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "missing biases": (lambda: network(use_bias=False), "The biases are missing in 'first', 'second'"),
    "another padding": (lambda: network(padding="same"), "padding='same' stands in 'first', 'second' where 'valid'"),
    "another kernel": (lambda: network(kernel=5), "kernels have another size than asked in 'first', 'second'"),
    "other filters": (lambda: network(filters=8), "number of filters is another than asked in 'first', 'second'"),
    "other units": (lambda: network(units=10), "number of units is another than asked in 'out'"),
    "an extra layer": (lambda: network(hidden=True), "'hidden' (Dense) is one too many"),
    "colour for grey": (lambda: network(channels=3), "3 channels (colour); 1 is asked"),
    "a stride": (lambda: network(strides=2), "stride is another than asked in 'first', 'second'"),
    "no pooling": (lambda: without("pool"), "A pooling layer is missing after 'first'"),
    "no flatten": (lambda: without("flat"), "Flatten is missing before 'out'"),
    "average for flatten": (
        lambda: swapped("flat", layers.GlobalAveragePooling2D(name="mean")),
        "stands where Flatten is asked",
    ),
    "a wider pooling": (lambda: swapped("pool", layers.MaxPooling2D(3, name="pool")), "window of the pooling"),
}


def without(name: str) -> Any:
    return keras.Sequential(
        [keras.Input((20, 20, 1)), *(new(layer) for layer in network().layers if layer.name != name)]
    )


def swapped(name: str, other: Any) -> Any:
    return keras.Sequential(
        [keras.Input((20, 20, 1)), *(other if layer.name == name else new(layer) for layer in network().layers)]
    )


def new(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_models_plan_is_told_by_name_from_counts_by_layer(mistake: str) -> None:
    make, words = MISTAKES[mistake]
    assert words in message(checks.param_count, make(), by_layer=COUNTS)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_models_plan_is_told_by_name_from_the_total(mistake: str) -> None:
    make, words = MISTAKES[mistake]
    assert words in message(checks.param_count, make(), 582)


@pytest.mark.parametrize("mistake", [m for m in MISTAKES if m not in ("missing biases", "colour for grey")])
def test_a_mistake_in_a_models_plan_is_told_by_name_from_its_shapes(mistake: str) -> None:
    make, words = MISTAKES[mistake]
    assert words in message(checks.output_shapes, make(), OUTPUTS)


def test_biases_where_none_are_asked_are_told_in_a_network_that_is_no_chain() -> None:
    picture = keras.Input((6, 6, 4))
    convolution = layers.Conv2D(4, 3, padding="same", name="main")(picture)
    model = keras.Model(picture, layers.Add()([picture, convolution]))
    said = message(checks.param_count, model, by_layer=[144])
    assert "There are biases in 'main', which are not asked: use_bias=False leaves them out." in said


def test_biases_where_none_are_asked_are_told() -> None:
    assert "There are biases in 'first', 'second', 'out'" in message(
        checks.param_count, network(), by_layer=(36, 144, 392)
    )


def test_a_missing_layer_is_told_by_its_place() -> None:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    said = message(checks.param_count, model, by_layer=(15, 12, 8))
    assert "it has 2 layers with parameters, but 3 are asked" in said
    assert "12 parameters is missing before 'b'" in said


def test_two_mistakes_at_once_still_name_the_first_layer_that_differs() -> None:
    said = message(checks.param_count, network(use_bias=False, kernel=5), by_layer=COUNTS)
    assert "layer 'first' (Conv2D) has 100 parameters, but 40 are asked" in said


def test_a_layer_that_gives_another_shape_is_named() -> None:
    said = message(checks.output_shapes, network(size=21, units=3), OUTPUTS)
    assert "layer 'first' (Conv2D) gives (None, 19, 19, 4), but (None, 18, 18, 4) is asked" in said


def test_a_model_with_branches_is_checked_without_guessing() -> None:
    x = keras.Input((4,))
    model = keras.Model(x, layers.Add()([layers.Dense(3, name="left")(x), layers.Dense(3, name="right")(x)]))
    checks.param_count(model, 30)
    assert "it has 30 parameters, but 27 are asked" in message(checks.param_count, model, 27)


def test_guessing_leaves_the_students_random_numbers_alone() -> None:
    model = network(padding="same")
    random.seed(1)
    before = random.getstate()
    message(checks.param_count, model, by_layer=COUNTS)
    assert random.getstate() == before


def test_unusable_expectations_of_a_model_are_the_tests_own_mistake() -> None:
    with pytest.raises(TypeError, match="total"):
        checks.param_count(network())
    with pytest.raises(ValueError, match="batch axis"):
        checks.output_shapes(network(), [(18, 18, 4)])


# ---- scores

X = np.random.default_rng(3).random((200, 2), dtype=np.float32)
Y = (X[:, 0] > 0.7).astype(int)


def neuron(weight: float, bias: float, *, activation: str | None = "sigmoid", loss: Any = None) -> Any:
    """Make a model of one neuron that looks at the first of two values."""
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, activation=activation)])
    model.layers[0].set_weights([np.array([[weight], [0.0]]), np.array([bias])])
    if loss is not None:
        model.compile(loss=loss)
    return model


def softmax_model(weights: list[list[float]], bias: list[float], activation: str | None = "softmax") -> Any:
    model = keras.Sequential([keras.Input((2,)), layers.Dense(len(bias), activation=activation)])
    model.layers[0].set_weights([np.array(weights), np.array(bias)])
    return model


def test_a_good_model_passes_and_no_number_comes_back_that_would_be_taken_for_points() -> None:
    model = neuron(100, -70)
    assert checks.accuracy(model, X, Y, at_least=1.0) is None
    assert checks.recall(model, X, Y, at_least=1.0) is None
    assert checks.recall(model, X, Y, at_least=1.0, positive=0) is None


def test_scores_are_what_counting_gives() -> None:
    model = neuron(100, -60)  # says 1 above 0.6: finds all, and some too many
    right = [(x > 0.6) == bool(y) for x, y in zip(X[:, 0].tolist(), Y.tolist(), strict=True)]
    share = sum(right) / len(right)
    checks.accuracy(model, X, Y, at_least=share)
    message(checks.accuracy, model, X, Y, at_least=share + 0.001)
    strict = neuron(100, -80)  # says 1 above 0.8 only
    found = sum(1 for x in X[:, 0].tolist() if x > 0.8) / int(Y.sum())
    checks.recall(strict, X, Y, at_least=found)
    message(checks.recall, strict, X, Y, at_least=found + 0.001)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_outputs_for_each_class_are_read_as_probabilities_or_logits_alike(activation: str | None) -> None:
    model = softmax_model([[0.0, 100.0], [0.0, 0.0]], [0.0, -70.0], activation)
    said = checks.predicted_classes(model, X)
    assert said.dtype == np.int64
    assert said.shape == (200,)
    if activation != "sigmoid":  # which saturates at 1 and 0.5
        assert np.array_equal(said, Y)


def test_a_single_logit_is_read_by_the_loss_it_was_compiled_with() -> None:
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    checks.accuracy(neuron(1, -0.7, activation=None, loss=logits), X, Y, at_least=0.99)
    said = message(checks.accuracy, neuron(1, -0.7, activation=None, loss="binary_crossentropy"), X, Y, at_least=0.99)
    assert "activation='sigmoid'" in said


def test_pixels_of_whole_numbers_and_more_than_one_batch_are_taken() -> None:
    pixels = np.round(X * 255).astype(np.uint8)
    many = np.concatenate([pixels, pixels])
    said = checks.predicted_classes(neuron(100, -70 * 255), many)
    assert np.array_equal(said, np.concatenate([Y, Y]))


def test_too_low_an_accuracy_is_set_beside_the_largest_class() -> None:
    said = message(checks.accuracy, neuron(100, -40), X, Y, at_least=0.95)
    share = float(np.mean(Y == 0))
    assert f"it reaches accuracy {np.mean((X[:, 0] > 0.4) == Y):.2f} on 200 inputs; at least 0.95 is asked" in said
    assert f"Always saying class 0 would reach {share:.2f}" in said


def test_too_low_a_recall_is_told_in_numbers_of_inputs() -> None:
    said = message(checks.recall, neuron(100, -90), X, Y, at_least=0.9)
    assert f"it finds {int(np.sum(X[:, 0] > 0.9))} of the {int(Y.sum())} inputs of class 1" in said
    assert "and find none" in said


@pytest.mark.parametrize(("bias", "says"), [(-1.0, 0), (1.0, 1)])
def test_saying_one_class_for_everything_fails_however_much_it_reaches(bias: float, says: int) -> None:
    model = neuron(0, bias)
    for check in (checks.accuracy, checks.recall):
        assert f"says class {says} for every input" in message(check, model, X, Y, at_least=0.0)


def test_saying_one_class_is_right_where_there_is_but_one() -> None:
    checks.accuracy(neuron(0, -1), X, np.zeros(200, int), at_least=1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: neuron(-100, 70), "seem to be swapped"),
        (lambda: neuron(math.nan, 0), "NaN (not a number) or infinite for 200 of 200 inputs"),
        (lambda: softmax_model(np.eye(2, 5).tolist(), [0.0] * 5), "5 outputs for 2 classes"),
        (network, "it takes inputs of shape (None, 20, 20, 1), but is tried on (200, 2)"),
        (lambda: keras.Sequential([keras.Input((2, 1)), layers.Dense(2)]), "a channel axis or a Flatten layer"),
        (lambda: None, "return"),
    ],
)
def test_a_mistake_behind_a_low_score_is_told_by_name(make: Callable[[], Any], words: str) -> None:
    assert words in message(checks.accuracy, make(), X, Y, at_least=0.95)


def test_guessing_is_told_from_learning() -> None:
    labels = np.random.default_rng(5).integers(0, 4, 200)
    model = softmax_model(np.eye(2, 4).tolist(), [0.0] * 4)
    assert "no better than guessing" in message(checks.accuracy, model, X, labels, at_least=0.95)


def test_outputs_of_a_picture_in_place_of_classes_are_told() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Dense(2)])
    assert "Flatten" in message(checks.accuracy, model, np.ones((3, 4, 4, 1)), np.array([0, 1, 1]), at_least=0.5)


def test_too_few_outputs_for_the_classes_are_told() -> None:
    assert "Dense(3)" in message(checks.accuracy, neuron(1, 0), X, np.arange(200) % 3, at_least=0.5)


def test_a_model_that_breaks_on_the_inputs_is_told_with_kerass_reason_and_without_its_traceback() -> None:
    model = keras.Sequential([keras.Input((None, None, 1)), layers.Conv2D(1, 5), layers.GlobalMaxPooling2D()])
    with pytest.raises(CheckFailed, match=r"cannot be used on inputs of shape \(2, 3, 3, 1\): \S+") as caught:
        checks.predicted_classes(model, np.ones((2, 3, 3, 1)))
    assert caught.value.__suppress_context__


def test_several_inputs_or_outputs_are_told() -> None:
    a, b = keras.Input((2,)), keras.Input((2,))
    two_in = keras.Model([a, b], layers.Add()([a, b]))
    two_out = keras.Model(a, [layers.Dense(1)(a), layers.Dense(1)(a)])
    assert "several inputs" in message(checks.predicted_classes, two_in, X)
    assert "several outputs" in message(checks.predicted_classes, two_out, X)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (None, "return"),
        (X.tolist(), "an array of numbers"),
        (X[:0], "empty"),
        (X * np.nan, "NaN"),
        (np.array([None]), "object"),
    ],
)
def test_inputs_that_are_none_are_told(x: Any, words: str) -> None:
    said = message(checks.accuracy, neuron(1, 0), x, Y, at_least=0.5)
    assert said.startswith("the inputs: ")
    assert words in said


@pytest.mark.parametrize(
    ("y", "at_least"), [(Y, 95), (Y[:9], 0.5), (Y.astype(float), 0.5), (Y[:, None], 0.5), (Y[:0], 0.5)]
)
def test_unusable_labels_and_targets_are_the_tests_own_mistake(y: Any, at_least: float) -> None:
    with pytest.raises((TypeError, ValueError)):
        checks.accuracy(neuron(100, -70), X, y, at_least=at_least)


def test_a_class_that_nothing_belongs_to_is_the_tests_own_mistake() -> None:
    with pytest.raises(ValueError, match="class 7"):
        checks.recall(neuron(1, 0), X, Y, at_least=0.5, positive=7)


def test_a_share_just_below_the_asked_one_is_not_rounded_up_to_it() -> None:
    x = np.linspace(0, 1, 1000, dtype=np.float32)
    truth = (x > 0.5).astype(int)
    truth[:101] = 1  # 899 of 1000 right
    assert "accuracy 0.899" in message(checks.accuracy, neuron(100, -50), np.stack([x, x], 1), truth, at_least=0.9)


# ---- training


def test_frozen_layers_pass_and_thawed_ones_are_named() -> None:
    model = network()
    checks.frozen(model, trainable=True)
    assert "3 of 3 layers with weights are not frozen: 'first', 'second', 'out'" in message(checks.frozen, model)
    model.layers[0].trainable = False
    checks.frozen(model.layers[0])
    checks.frozen(model.layers[:2])
    assert "1 of 3 layers with weights is frozen: 'first'" in message(checks.frozen, model, trainable=True)


def test_a_layer_in_a_frozen_model_is_frozen_whatever_it_says() -> None:
    inner = network()
    outer = keras.Sequential([keras.Input((20, 20, 1)), inner])
    inner.trainable = False
    inner.layers[0].trainable = True
    checks.frozen(inner)
    checks.frozen(outer)
    assert "'first'" in message(checks.frozen, inner.layers)


@pytest.mark.parametrize("value", [[], [layers.Flatten()], layers.Dense(2)])
def test_frozen_fails_where_there_is_no_layer_with_weights(value: object) -> None:
    assert "no layer with weights" in message(checks.frozen, value)


@pytest.mark.parametrize("value", [None, 3, [3], OwnLayer()])
def test_frozen_fails_what_is_no_layer(value: object) -> None:
    assert "Keras layers are asked" in message(checks.frozen, value)


def test_the_learning_rate_of_a_compiled_model_is_checked() -> None:
    model = neuron(1, 0)
    assert "not compiled" in message(checks.learning_rate, model, 0.01)
    model.compile(optimizer=keras.optimizers.SGD(0.01))
    checks.learning_rate(model, 0.01)
    assert "its learning rate is 0.01, but 0.02 is asked" in message(checks.learning_rate, model, 0.02)
    model.compile(optimizer="adam")
    assert "told nothing" in message(checks.learning_rate, model, 0.01)
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)))
    checks.learning_rate(model, 0.1)
    assert "schedule" in message(checks.learning_rate, model, 0.01)


def test_a_real_training_passes() -> None:
    keras.utils.set_random_seed(1)
    model = neuron(0, 0)
    model.compile(optimizer=keras.optimizers.Adam(0.1), loss="binary_crossentropy")
    history = model.fit(X, Y, epochs=3, verbose=0)
    checks.trained(history)
    checks.trained(history, epochs=3)
    checks.trained(SimpleNamespace(history=history.history, epoch=history.epoch, params=history.params))
    assert "3 epochs ran, but 5 are asked" in message(checks.trained, history, epochs=5)


@pytest.mark.parametrize(
    ("history", "words"),
    [
        (None, "history = model.fit(...)"),
        (network, "a function"),
        ({}, "no record of the loss"),
        ({"loss": []}, "Did fit run"),
        ({"loss": ["a"]}, "no numbers"),
        ({"loss": [True]}, "no numbers"),
        ({"loss": [0.5, math.nan, math.nan]}, "NaN (not a number) from epoch 2"),
        ({"loss": [0.5, math.inf]}, "infinite from epoch 2"),
        ({"loss": [0.5, 0.4, 0.5]}, "did not fall"),
        (keras.Sequential(), "This is the model itself"),
    ],
)
def test_a_training_that_failed_is_told_by_name(history: object, words: str) -> None:
    assert words in message(checks.trained, history)


def test_a_training_of_one_epoch_cannot_fall_and_passes() -> None:
    checks.trained({"loss": [0.7]}, epochs=1)


# ---- messages


def test_a_message_names_what_was_looked_at_first_and_hints_below() -> None:
    first, *others = message(checks.close, None, RIGHT, name="softmax(x)").splitlines()
    assert first == "softmax(x): None came, but an array of shape (3,) is asked."
    assert all(line.startswith("  ") for line in others)


def test_in_a_notebook_a_failure_shows_its_message_and_line_and_no_code() -> None:
    cell = compile("secret = 5\nchecks.equal(4, secret)", "/tmp/ipykernel_1/2.py", "exec")
    with pytest.raises(CheckFailed) as caught:
        exec(cell, {"checks": checks})
    shown = "\n".join(caught.value._render_traceback_())
    assert shown.startswith("CheckFailed (line 2 of this cell)")
    assert str(caught.value) in shown
    assert "secret" not in shown


def test_a_failed_check_is_an_assertion_error() -> None:
    assert issubclass(CheckFailed, AssertionError)


@pytest.mark.parametrize(
    ("value", "asked", "words"),
    [
        (np.zeros(2), dict, "but a dict is asked"),
        ([("a", 1)], dict, "but a dict is asked"),
        ("text", list, "but a list is asked"),
        (True, int, "but a whole number is asked"),
    ],
)
def test_kind_tells_what_came_and_what_is_asked(value, asked, words):
    with pytest.raises(checks.CheckFailed) as failed:
        checks.kind(value, asked, name="what it returns")

    assert words in str(failed.value)
    assert "quotes" not in str(failed.value) or asked is not dict


@pytest.mark.parametrize("value", [{}, {"a": 1}])
def test_kind_lets_pass_what_is_asked(value):
    checks.kind(value, dict)


def test_a_wrong_text_is_not_told_to_lose_its_quotes():
    with pytest.raises(checks.CheckFailed) as failed:
        checks.equal(["F1"], ["recall"])

    assert "quotes" not in str(failed.value)


@pytest.mark.parametrize(
    ("asked", "named"),
    [("uint8", "uint8"), ("integer", "int64"), ("unsignedinteger", "uint8"), ("complexfloating", "complex128")],
)
def test_what_is_asked_of_a_dtype_is_what_the_remedy_names(asked, named):
    with pytest.raises(checks.CheckFailed) as failed:
        checks.dtype(np.zeros(2), asked)

    assert f".astype('{named}')" in str(failed.value)
    remedied = np.zeros(2).astype(named)
    checks.dtype(remedied, asked)


def test_a_mirrored_picture_is_told_along_which_axis():
    picture = np.arange(12.0).reshape(3, 4) ** 2
    with pytest.raises(checks.CheckFailed, match="along axis 0 "):
        checks.close(picture[::-1], picture)
    with pytest.raises(checks.CheckFailed, match="several axes"):
        checks.close(picture[::-1, ::-1], picture)
