"""
Mistakes of this field, as operators that change one place of a program.

Each takes a node of the concrete syntax tree and gives the nodes that may stand in its place, in the manner of
mutmut's operators, with which they are used together (:mod:`autograder.audit.mutation`). Theirs change operators,
numbers, names of truth values and arguments of calls; these know arrays and networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import libcst as cst
import libcst.matchers as m

Operator = tuple[type[cst.CSTNode], Callable[..., Iterable[cst.CSTNode]]]

# Either may be taken for the other.
_WORDS = (
    ("same", "valid"),
    ("relu", "linear"),
    ("relu", "sigmoid"),
    ("softmax", "sigmoid"),
    ("softmax", "linear"),
    ("tanh", "sigmoid"),
    ("categorical_crossentropy", "mse"),
    ("sparse_categorical_crossentropy", "categorical_crossentropy"),
    ("binary_crossentropy", "mse"),
    ("val_loss", "loss"),
    ("val_accuracy", "accuracy"),
    ("min", "max"),
    ("edge", "constant"),
)
_NAMES = (
    ("max", "mean"),
    ("max", "min"),
    ("sum", "mean"),
    ("std", "var"),
    ("argmax", "argmin"),
    ("maximum", "minimum"),
    ("amax", "amin"),
    ("floor", "ceil"),
    ("zeros", "ones"),
    ("zeros_like", "ones_like"),
    ("hstack", "vstack"),
    ("rows", "columns"),
    ("height", "width"),
    ("inputs", "units"),
    ("channels", "filters"),
    ("log", "log10"),
    ("MaxPooling2D", "AveragePooling2D"),
    ("GlobalAveragePooling2D", "Flatten"),
    ("BatchNormalization", "LayerNormalization"),
    ("SeparableConv2D", "Conv2D"),
    ("DepthwiseConv2D", "Conv2D"),
    ("Adam", "SGD"),
    ("x_train", "x_test"),
    ("y_train", "y_test"),
    ("x_train", "x_val"),
    ("y_train", "y_val"),
)
# Calls that a beginner leaves out: f(x, ...) becomes x.
_LEFT_OUT = frozenset(
    (
        "abs",
        "sqrt",
        "exp",
        "log",
        "flip",
        "flipud",
        "fliplr",
        "clip",
        "round",
        "pad",
        "transpose",
        "expand_dims",
        "squeeze",
        "astype",
        "copy",
        "argmax",
        "float",
        "int",
        "BatchNormalization",
        "ReLU",
        "Activation",
        "Dropout",
        "MaxPooling2D",
        "AveragePooling2D",
        "softmax",
        "sigmoid",
        "relu",
        "permutation",
        "shuffle",
        "asarray",
        "array",
    )
)
_WITH_BIAS = frozenset(("Dense", "Conv2D", "SeparableConv2D", "DepthwiseConv2D"))
_AXES: Mapping[str, tuple[str, ...]] = {"0": ("1", "-1"), "1": ("0", "-1"), "-1": ("0", "1"), "2": ("1", "0")}
_PAIR = 2
_DOUBLE_QUOTES = '"'


def words(node: cst.SimpleString) -> Iterator[cst.CSTNode]:
    """Take one word of Keras or NumPy for another: same, valid; relu, linear."""
    value = node.evaluated_value
    for other in _others(value, _WORDS) if isinstance(value, str) else ():
        yield node.with_changes(value=f"{_DOUBLE_QUOTES}{other}{_DOUBLE_QUOTES}")


def attributes(node: cst.Attribute) -> Iterator[cst.CSTNode]:
    """Take one function for another, np.max for np.mean; leave out a transposition."""
    for other in _others(node.attr.value, _NAMES):
        yield node.with_changes(attr=cst.Name(other))
    if node.attr.value == "T":
        yield node.value


def variables(node: cst.Name) -> Iterator[cst.CSTNode]:
    """Take one name for another: rows for columns, the training set for the test set."""
    for other in _others(node.value, _NAMES):
        yield node.with_changes(value=other)


def left_out_calls(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Leave out a call: np.flip(x) becomes x, x.copy() becomes x, layers.ReLU()(x) becomes x."""
    function = node.func
    inner = function.func if isinstance(function, cst.Call) else function
    name = _last_name(inner)
    if name not in _LEFT_OUT:
        return
    if node.args and not node.args[0].star and node.args[0].keyword is None:
        yield node.args[0].value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    is_module = isinstance(inner, cst.Attribute) and m.matches(
        inner.value, m.Name("np") | m.Name("keras") | m.Name("tf")
    )
    if isinstance(inner, cst.Attribute) and inner is function and not is_module:
        yield inner.value


def swapped_arguments(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Swap the first two arguments of a call."""
    plain = [arg for arg in node.args if arg.keyword is None and not arg.star]
    if len(plain) >= _PAIR and plain == list(node.args[: len(plain)]):
        first, second = node.args[0], node.args[1]
        swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
        yield node.with_changes(args=[*swapped, *node.args[_PAIR:]])


def no_bias(node: cst.Call) -> Iterator[cst.CSTNode]:
    """Make a layer without biases."""
    if _last_name(node.func) in _WITH_BIAS and not any(
        m.matches(a, m.Arg(keyword=m.Name("use_bias"))) for a in node.args
    ):
        new = cst.Arg(cst.Name("False"), keyword=cst.Name("use_bias"), equal=_tight())
        yield node.with_changes(args=[*node.args, new])


def axes(node: cst.Arg) -> Iterator[cst.CSTNode]:
    """Take another axis."""
    if node.keyword is None or node.keyword.value != "axis":
        return
    for other in _AXES.get(_code(node.value), ()):
        yield node.with_changes(value=cst.parse_expression(other))
    if isinstance(node.value, cst.Tuple):
        for element in node.value.elements:
            yield node.with_changes(value=element.value)


def one_less(node: cst.Integer) -> Iterator[cst.CSTNode]:
    """Take one less; mutmut takes one more."""
    yield cst.parse_expression(
        f"({node.evaluated_value - 1})" if node.evaluated_value < 1 else str(node.evaluated_value - 1)
    )


def parts_of_sums(node: cst.BinaryOperation) -> Iterator[cst.CSTNode]:
    """Leave out one side: x @ w + b becomes x @ w, x / 255 becomes x; swap the sides of a product of matrices."""
    if isinstance(node.operator, cst.MatrixMultiply):
        yield node.with_changes(left=_closed(node.right), right=_closed(node.left))
        return
    yield _closed(node.left)
    if isinstance(node.operator, cst.Add | cst.Subtract | cst.Multiply):
        yield _closed(node.right)
    if isinstance(node.operator, cst.Divide):
        yield node.with_changes(operator=cst.FloorDivide())


def pairs(node: cst.Tuple) -> Iterator[cst.CSTNode]:
    """Swap the first two of a tuple."""
    if len(node.elements) >= _PAIR:
        first, second = node.elements[0], node.elements[1]
        swapped = [first.with_changes(value=second.value), second.with_changes(value=first.value)]
        yield node.with_changes(elements=[*swapped, *node.elements[_PAIR:]])


def indices(node: cst.Subscript) -> Iterator[cst.CSTNode]:
    """Swap the first two indices; forget a step."""
    if len(node.slice) >= _PAIR:
        first, second = node.slice[0], node.slice[1]
        swapped = [first.with_changes(slice=second.slice), second.with_changes(slice=first.slice)]
        yield node.with_changes(slice=[*swapped, *node.slice[_PAIR:]])
    for position, element in enumerate(node.slice):
        if isinstance(element.slice, cst.Slice) and element.slice.step is not None:
            plain = element.with_changes(
                slice=element.slice.with_changes(step=None, second_colon=cst.MaybeSentinel.DEFAULT)
            )
            yield node.with_changes(slice=[*node.slice[:position], plain, *node.slice[position + 1 :]])


def branches(node: cst.If) -> Iterator[cst.CSTNode]:
    """Take a branch always, or never."""
    for always in ("True", "False"):
        yield node.with_changes(test=cst.Name(always))


def left_out_lines(node: cst.SimpleStatementLine) -> Iterator[cst.CSTNode]:
    """Leave out a statement that is there for its effect: a call, an assignment, a change in place."""
    (statement, *more) = node.body
    if more:
        return
    is_text = isinstance(statement, cst.Expr) and isinstance(statement.value, cst.SimpleString | cst.ConcatenatedString)
    if (isinstance(statement, cst.Expr) and not is_text) or isinstance(statement, cst.AugAssign | cst.Assign):
        yield node.with_changes(body=[cst.Pass()])


def comparisons(node: cst.ComparisonTarget) -> Iterator[cst.CSTNode]:
    """Turn a comparison round."""
    turned: Mapping[type, type] = {
        cst.LessThan: cst.GreaterThan,
        cst.GreaterThan: cst.LessThan,
        cst.LessThanEqual: cst.GreaterThanEqual,
        cst.GreaterThanEqual: cst.LessThanEqual,
    }
    kind = turned.get(type(node.operator))
    if kind is not None:
        yield node.with_changes(operator=kind())


OPERATORS: tuple[Operator, ...] = (
    (cst.SimpleString, words),
    (cst.Attribute, attributes),
    (cst.Name, variables),
    (cst.Call, left_out_calls),
    (cst.Call, swapped_arguments),
    (cst.Call, no_bias),
    (cst.Arg, axes),
    (cst.Integer, one_less),
    (cst.BinaryOperation, parts_of_sums),
    (cst.Tuple, pairs),
    (cst.Subscript, indices),
    (cst.If, branches),
    (cst.SimpleStatementLine, left_out_lines),
    (cst.ComparisonTarget, comparisons),
)
"""Type of node, and the operator for it."""


def _others(value: str, pairs_of: Iterable[tuple[str, str]]) -> Iterator[str]:
    for one, other in pairs_of:
        if value in (one, other):
            yield other if value == one else one


def _last_name(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _closed(node: cst.BaseExpression) -> cst.BaseExpression:
    """Put an expression in brackets unless it has some or needs none."""
    if node.lpar or isinstance(node, cst.Name | cst.Attribute | cst.Call | cst.Subscript | cst.BaseNumber):
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _tight() -> cst.AssignEqual:
    return cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)
