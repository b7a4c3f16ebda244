"""
The examiner's side: fetches from the candidate what a test cell needs, and notes what the cell's run came to.

Runs inside the examiner kernel as ``__examiner__``. It believes nothing that the candidate sends: answers are read with
:mod:`autograder.sealed.values`, are of bounded size, and every question has a time limit.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import math
import numbers
import socket
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import zmq
from jupyter_client.client import KernelClient

from autograder.sealed import values
from autograder.sealed.line import EXAMINER, Line, NoLineError
from coursekit.checks import _arrays

_INTERRUPT_GRACE_SECONDS = 2.0
# Python drops an interrupt that comes while a callback of the garbage collector or a __del__ runs.
_INTERRUPTS = 2
_ABOUT_TO_END_SECONDS = 0.5
_ENDLESS = "your code does not end, and cannot be interrupted"
# Attribute of an exception that came from the candidate: the student's line.
_WHERE = "_where_in_the_students_code"
_SMALL_FLOATS = (np.dtype(ml_dtypes.bfloat16),)
# Where functions come from that a test may hand to a student's function: both kernels have the same ones.
_SHARED_MODULES = ("numpy", "math", "operator", "builtins", "keras", "tensorflow", "jax", "coursekit")


class CandidateSilentError(Exception):
    """The candidate gave no answer, or one that is none."""


class CallTimeoutError(TimeoutError):
    """A call of the student's code did not end in time."""


class Link:
    """
    The way to the candidate.

    A line is opened with the first question of a test cell: the candidate kernel then answers question after question
    until we hang up, which costs it a twentieth of what a request to a Jupyter kernel for each question would.

    Parameters
    ----------
    connection_file : str
        The candidate kernel's connection file.
    folder : str
        Where the sockets of lines are to be; the candidate finds them there and can change nothing.
    call_timeout : float
        Seconds for each question.
    """

    def __init__(self, connection_file: str, folder: str, call_timeout: float) -> None:
        # Plain sockets: an interrupt in the middle of jupyter_client's blocking client loses the message after it.
        client = KernelClient(connection_file=connection_file, context=zmq.Context())
        client.load_connection_file()
        self._session = client.session
        self._shell, self._control = client.connect_shell(), client.connect_control()
        self._folder = folder
        self._call_timeout = call_timeout
        self._connection: socket.socket | None = None
        self._line: Line | None = None
        self._count = 0
        self._is_stuck = False
        self._references: weakref.WeakSet[Reference] = weakref.WeakSet()
        self._changed: list[tuple[object, object]] = []

    def call(self, target: Reference, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
        """
        Call a function of the student's, and note which of its arguments it has changed.

        It is called with copies: what it writes into them is told by the candidate. The test's own values stay as they
        are, so that a made-up change can do nothing but cost points.
        """
        answer = self.ask("call", target, args, kwargs)
        given = [*args, *kwargs.values()]
        match answer:
            case (result, [*changes]) if all(_is_change(change, len(given)) for change in changes):
                self._changed += [(given[place], value) for place, value in changes]
                return result
        raise CandidateSilentError("what came back is no result of a call")

    def became(self, value: object) -> object:
        """Give what the student's code has made of its copy of a value; the value itself where it made nothing."""
        return next((now for given, now in reversed(self._changed) if given is value), value)

    def ask(self, operation: str, *arguments: object) -> Any:
        """
        Ask the candidate, and return its answer as a copy by value or a reference.

        Raises
        ------
        Exception
            What the student's code raised, as the nearest built-in exception.
        CallTimeoutError
            The student's code did not end in time.
        CandidateSilentError
            There is no answer, or none that can be read.
        NoLineError
            The machine fails.
        """
        self._count += 1
        question = values.encode((operation, arguments), self._refer)
        content = self._answer(self._line or self._open(), question)
        try:
            status, result = values.decode(content, values.no_references({"reference": self._reference}))
        except (values.ValueTransferError, TypeError, ValueError) as error:
            raise CandidateSilentError(f"what came back cannot be read: {error}") from None
        if status == "ok":
            return result
        if status == "too-much":
            raise ValueError(f"this value is {result}")
        raised = _as_exception(result)
        if operation != "next" and isinstance(raised, StopIteration | StopAsyncIteration):
            # It would end a map() or a loop of the test, which then has looked at nothing.
            raise RuntimeError(f"your code raised {type(raised).__name__}") from raised
        raise raised

    def tidy(self) -> None:
        """Let the candidate go of the objects to which no reference is left."""
        self.ask("keep", [object.__getattribute__(reference, "_handle") for reference in self._references])

    def close(self) -> None:
        """Hang up, so that the candidate goes on to its next cell; another question opens a line again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._line = None
        self._changed.clear()

    def _open(self) -> Line:
        """
        Let the candidate call, and take the call.

        The address is used once: a candidate that was busy until after we hung up finds nobody there, and goes on.
        """
        address = f"{self._folder}/{self._count}"
        with socket.socket(socket.AF_UNIX) as listener:
            try:
                listener.bind(address)
            except OSError as error:
                raise NoLineError(str(error)) from None
            try:
                listener.listen(1)
                code = (
                    "__import__('autograder.sealed.candidate', fromlist=['serve'])"
                    f".serve({address!r}, get_ipython().user_ns)"
                )
                asked = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
                self._session.send(self._shell, "execute_request", {**asked, "stop_on_error": False})
                listener.settimeout(_INTERRUPT_GRACE_SECONDS if self._is_stuck else self._call_timeout)
                self._connection, _ = listener.accept()
            except TimeoutError:
                raise CallTimeoutError(_ENDLESS) from None
            finally:
                Path(address).unlink()
        self._line = Line(self._connection, largest=values.BOUNDS.size)
        return self._line

    def _answer(self, line: Line, question: bytes) -> bytes:
        try:
            line.send(self._count, question)
            content = self._receive(line, _INTERRUPT_GRACE_SECONDS if self._is_stuck else self._call_timeout)
            if content is None and self._is_stuck:
                raise CallTimeoutError(_ENDLESS)
            if content is None:
                self._stop(line)
                raise CallTimeoutError(f"your code did not end within {self._call_timeout:g} seconds")
        except KeyboardInterrupt:
            # The test's own time is up; an endless call must not go on for the next test to wait for. One that is about
            # to end is left alone: an interrupt between two messages can harm a kernel.
            with contextlib.suppress(ConnectionError):
                if self._receive(line, _ABOUT_TO_END_SECONDS) is None:
                    self._interrupt()
            raise
        except ConnectionError as error:
            self.close()
            raise CandidateSilentError(f"no answer came back: {error}") from None
        self._is_stuck = False
        return content

    def _receive(self, line: Line, seconds: float) -> bytes | None:
        """Wait for the answer to the last question; None when it does not come in time."""
        deadline = time.monotonic() + seconds
        try:
            while True:
                number, content = line.receive(deadline - time.monotonic())
                if number == self._count:  # others come late, or are made up
                    return content
        except TimeoutError:
            return None

    def _stop(self, line: Line) -> None:
        """End a call that has had its time; it is stuck when it ignores that."""
        try:
            for _ in range(_INTERRUPTS):
                self._interrupt()
                if self._receive(line, _INTERRUPT_GRACE_SECONDS / _INTERRUPTS) is not None:
                    self._is_stuck = False
                    return
        except ConnectionError:
            self._is_stuck = False
            self.close()

    def _interrupt(self) -> None:
        self._is_stuck = True
        self._session.send(self._control, "interrupt_request", {})

    def _refer(self, value: object) -> values.Node:
        if isinstance(value, Reference):
            return {"t": "reference", "h": object.__getattribute__(value, "_handle")}
        module, name = _importable(value)
        if not name:
            msg = (
                f"a test hands {value!r} to the student's code. Only values, the student's own objects and functions "
                f"of {', '.join(_SHARED_MODULES)} can cross: the test's own code must stay here"
            )
            raise TypeError(msg)
        return {"t": "global", "m": module, "q": name}

    def _reference(self, node: values.Node) -> object:
        handle, kind, name, abilities = node["h"], node["k"], node["n"], node["a"]
        if type(handle) is not int or type(kind) is not str or type(name) is not str or type(abilities) is not list:
            raise values.ValueTransferError("a malformed reference")
        methods = {method: getattr(Reference, "_" + method) for method in _METHODS if _METHODS[method] in abilities}
        label = kind if kind.isidentifier() else "object"
        reference = type(label, (Reference,), {"__slots__": (), **methods})(self, handle, name)
        self._references.add(reference)
        return reference


def _is_change(change: object, count: int) -> bool:
    return type(change) is tuple and len(change) == 2 and type(change[0]) is int and 0 <= change[0] < count


def _as_exception(facts: dict[str, Any]) -> Exception:
    """Make the student's exception one of ours, which knows where in the student's code it came up."""
    error = _nearest_builtin(facts["kinds"], facts["type"], str(facts["message"]))
    error.add_note(f"in the student's code:\n{facts['traceback']}")
    setattr(error, _WHERE, str(facts["where"]))
    return error


def _nearest_builtin(kinds: list[str], name: str, text: str) -> Exception:
    """Find the first of the built-in classes that takes a text."""
    if name == "SystemExit":
        return RuntimeError("your code called exit()")
    for kind in kinds:
        found = getattr(builtins, kind, None)
        if not (isinstance(found, type) and issubclass(found, Exception)):
            continue
        with contextlib.suppress(TypeError):  # UnicodeDecodeError and its like want more than a text
            return found(text if kind == name else f"{name}: {text}")
    return RuntimeError(f"{name}: {text}")


def _importable(value: object) -> tuple[str, str]:
    """Find the module and name under which the candidate finds the same function; empty when there is none."""
    name = str(getattr(value, "__qualname__", getattr(value, "__name__", "")))
    homes = [str(getattr(value, "__module__", None)), "numpy", "builtins"]
    for module in homes:
        if module.partition(".")[0] in _SHARED_MODULES and module in sys.modules and _lookup(module, name) is value:
            return module, name
    return "", ""


def _lookup(module: str, name: str) -> object:
    found: object = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


# What a Keras model says of itself; of a class of the student's, it would be the student who says it.
_MEASURES = frozenset({"count_params", "evaluate", "get_metrics_result", "metrics", "test_on_batch"})
_METHODS = {
    "__call__": "call",
    "__len__": "len",
    "__getitem__": "item",
    "__iter__": "iter",
    "__next__": "next",
    "__float__": "float",
    "__int__": "int",
    "__index__": "index",
    "__bool__": "bool",
}


class Reference:
    """
    Stands for an object that stays with the candidate: a function, an instance, an iterator.

    Its class is named like the object's, and has just the abilities that the object has: it can be called, indexed,
    iterated, measured, turned into a number, and its attributes read. Every result comes back by value or as a
    reference.
    """

    __slots__ = ("__weakref__", "_handle", "_link", "_name")

    def __init__(self, link: Link, handle: int, name: str) -> None:
        self._link = link
        self._handle = handle
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name == "__name__":
            return self._name
        # What NumPy, IPython and copy ask every object for is answered here: it has none of it.
        if name.startswith(("__", "_repr_", "_ipython_")):
            raise AttributeError(name)
        if name in _MEASURES:
            raise TypeError(
                f"a {type(self).__name__} cannot be judged: build the model of Keras' own classes and layers, without "
                "a class or a Lambda of your own"
            )
        return self._link.ask("attribute", self, name)

    def __repr__(self) -> str:
        return f"<the student's {type(self).__name__} {self._name}>".replace(" >", ">")

    def ___call__(self, *args: object, **kwargs: object) -> Any:
        return self._link.call(self, args, kwargs)

    def ___len__(self) -> int:
        return _whole(self._link.ask("len", self))

    def ___getitem__(self, key: object) -> Any:
        return self._link.ask("item", self, key)

    def ___iter__(self) -> Iterator[Any]:
        iterator: Iterator[Any] = self._link.ask("iter", self)
        return iterator

    def ___next__(self) -> Any:
        return self._link.ask("next", self)

    def ___float__(self) -> float:
        return float(self._link.ask("float", self))

    def ___int__(self) -> int:
        return _whole(self._link.ask("int", self))

    def ___index__(self) -> int:
        return _whole(self._link.ask("index", self))

    def ___bool__(self) -> bool:
        return self._link.ask("bool", self) is True


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a whole number expected")
    return value


class Examiner:
    """
    Prepares the names of each test cell and reports what its run came to.

    Parameters
    ----------
    shell : InteractiveShell
        The examiner kernel's shell.
    link : Link
        The line to the candidate.
    """

    def __init__(self, shell: Any, link: Link) -> None:
        self._shell = shell
        self._link = link
        self._fetched: dict[str, object] = {}
        self._result: object = None
        self._where = ""
        shell.events.register("post_run_cell", self._note)

    def prepare(self, names: Sequence[str]) -> None:
        """
        Fetch from the candidate those of ``names`` that are not the examiner's own.

        Names fetched for an earlier cell are forgotten first, unless a cell has bound them anew since.
        """
        namespace = self._shell.user_ns
        for name, value in self._fetched.items():
            if namespace.get(name) is value:
                del namespace[name]
        self._fetched.clear()
        missing = [name for name in names if name not in namespace and not hasattr(builtins, name)]
        if not missing:
            return
        try:
            self._fetch(missing)
        except BaseException:
            self._link.close()  # the cell will not run, at whose end this is done otherwise
            raise

    def _fetch(self, names: Sequence[str]) -> None:
        self._link.tidy()
        for name in names:
            try:
                self._fetched[name] = self._shell.user_ns[name] = self._link.ask("get", name)
            except NameError:
                # Not there: the cell itself says so when it comes to use it.
                continue
            except (ValueError, CandidateSilentError) as error:
                raise type(error)(f"{name}: {error}") from None

    def report(self) -> str:
        """Tell, as JSON, with which number the last cell ended (null if none) and where the student's code failed."""
        return _Verbatim(json.dumps({"number": _real_number(self._result), "where": self._where}))

    def _note(self, result: Any) -> None:
        if result.info is None or not result.info.silent:
            self._link.close()
            self._result = result.result
            self._where = getattr(result.error_in_exec, _WHERE, "")


class _Verbatim(str):
    """A text that a kernel shows as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _real_number(value: object) -> float | None:
    """Read a real number; True, False, text and everything else are none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, numbers.Real):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if not hasattr(type(value), "__array__"):
        return None
    # TensorFlow's __array__ fails on a single bfloat16.
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    is_number = array.dtype.kind in "iuf" or array.dtype in _SMALL_FLOATS
    return float(array) if array.shape == () and is_number else None


def install(shell: Any, connection_file: str, folder: str, call_timeout: float) -> None:
    """Make this kernel an examiner."""
    link = Link(connection_file, folder, call_timeout)
    _arrays.became = link.became
    shell.user_ns[EXAMINER] = Examiner(shell, link)
