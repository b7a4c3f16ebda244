"""
The examiner's side: fetches from the candidate what a test cell needs, and notes what the cell's run came to.

Runs inside the examiner kernel as ``__examiner__``. It believes nothing that the candidate sends: answers are read with
:mod:`autograder.sealed.values`, from regular files of bounded size, and every question has a time limit.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import math
import numbers
import os
import socket
import stat
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import zmq
from jupyter_client.client import KernelClient

from autograder.sealed import values

NAME = "__examiner__"

_INTERRUPT_GRACE_SECONDS = 2.0
_ABOUT_TO_END_SECONDS = 0.5
_LONGEST_LINE = 4096
# Attribute of an exception that came from the candidate: the student's line.
_WHERE = "_where_in_the_students_code"
_SMALL_FLOATS = (np.dtype(ml_dtypes.bfloat16),)
# Where functions come from that a test may hand to a student's function: both kernels have the same ones.
_SHARED_MODULES = ("numpy", "math", "operator", "builtins", "keras", "tensorflow", "coursekit")


class CandidateSilentError(Exception):
    """The candidate gave no answer, or one that is none."""


class CallTimeoutError(TimeoutError):
    """A call of the student's code did not end in time."""


class Link:
    """
    The line to the candidate.

    Opened with the first question of a test cell: the candidate kernel then answers question after question until the
    line is closed, which costs it a twentieth of what a request to a Jupyter kernel for each question would. Over
    the line go the numbers of questions and answers; what they say lies in files.

    Parameters
    ----------
    connection_file : str
        The candidate kernel's connection file.
    exchange : str
        Folder in which questions and answers lie; the candidate can write there, so its files are opened with care.
    call_timeout : float
        Seconds for each question.
    """

    def __init__(self, connection_file: str, exchange: str, call_timeout: float) -> None:
        # Plain sockets: an interrupt in the middle of jupyter_client's blocking client loses the message after it.
        client = KernelClient(connection_file=connection_file, context=zmq.Context())
        client.load_connection_file()
        self._session = client.session
        self._shell, self._control = client.connect_shell(), client.connect_control()
        self._exchange = exchange
        self._folder = os.open(exchange, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._call_timeout = call_timeout
        self._line: socket.socket | None = None
        self._heard = b""
        self._count = 0
        self._is_stuck = False
        self._references: weakref.WeakSet[Reference] = weakref.WeakSet()

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
        """
        self._count += 1
        number = str(self._count)
        self._write(f"{number}.question", values.encode((operation, arguments), self._refer))
        line = self._line or self._open()
        with contextlib.suppress(OSError):  # it has hung up: there will be no answer
            line.sendall(f"{number}\n".encode())
        self._wait(line, number)
        content = self._read(f"{number}.answer")
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
        """Hang up, so that the candidate goes on to its next cell; another question opens the line again."""
        if self._line is not None:
            self._line.close()
        self._line = None
        self._heard = b""

    def _open(self) -> socket.socket:
        """
        Let the candidate call, and take the call.

        The address is used once: a candidate that was busy until after we hung up finds nobody there, and goes on.
        """
        name = f"{self._count}.line"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{self._exchange}/{name}")
            try:
                listener.listen(1)
                code = (
                    "__import__('autograder.sealed.candidate', fromlist=['serve'])"
                    f".serve({self._exchange!r}, {name!r}, get_ipython().user_ns)"
                )
                asked = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
                self._session.send(self._shell, "execute_request", {**asked, "stop_on_error": False})
                listener.settimeout(_INTERRUPT_GRACE_SECONDS if self._is_stuck else self._call_timeout)
                self._line, _ = listener.accept()
            except TimeoutError:
                raise CallTimeoutError("your code does not end, and cannot be interrupted") from None
            finally:
                with contextlib.suppress(OSError):  # the candidate may have removed it itself
                    os.unlink(name, dir_fd=self._folder)
        return self._line

    def _wait(self, line: socket.socket, number: str) -> None:
        seconds = _INTERRUPT_GRACE_SECONDS if self._is_stuck else self._call_timeout
        try:
            if self._answered(line, number, seconds):
                self._is_stuck = False
                return
        except KeyboardInterrupt:
            # The test's own time is up; an endless call must not go on for the next test to wait for. One that is about
            # to end is left alone: an interrupt between two messages can harm a kernel.
            if not self._answered(line, number, _ABOUT_TO_END_SECONDS):
                self._interrupt()
            raise
        if self._is_stuck:
            raise CallTimeoutError("your code does not end, and cannot be interrupted")
        self._interrupt()
        self._is_stuck = not self._answered(line, number, _INTERRUPT_GRACE_SECONDS)
        msg = f"your code did not end within {self._call_timeout:g} seconds"
        raise CallTimeoutError(msg)

    def _interrupt(self) -> None:
        self._is_stuck = True
        self._session.send(self._control, "interrupt_request", {})

    def _answered(self, line: socket.socket, number: str, seconds: float) -> bool:
        """Wait for the number of an answer; True also when the candidate has hung up and none can come."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            line.settimeout(left)
            try:
                chunk = line.recv(_LONGEST_LINE)
            except TimeoutError:
                return False
            except OSError:
                chunk = b""
            *numbers, rest = (self._heard + chunk).split(b"\n")
            self._heard = rest[-_LONGEST_LINE:]
            if not chunk:
                self.close()
            if not chunk or number.encode() in numbers:
                return True
        return False

    def _write(self, name: str, content: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(name, flags, 0o600, dir_fd=self._folder), "wb") as file:  # noqa: PTH123 - by descriptor
            file.write(content)

    def _read(self, name: str) -> bytes:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError:
            raise CandidateSilentError("no answer came back") from None
        with open(descriptor, "rb") as file:  # noqa: PTH123 - by descriptor
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size > values.BOUNDS.size:
                raise CandidateSilentError("the answer is no ordinary file, or too large")
            content = file.read(facts.st_size)
        with contextlib.suppress(OSError):  # the candidate may have removed it itself
            os.unlink(name, dir_fd=self._folder)
        return content

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
        return self._link.ask("attribute", self, name)

    def __repr__(self) -> str:
        return f"<the student's {type(self).__name__} {self._name}>".replace(" >", ">")

    def ___call__(self, *args: object, **kwargs: object) -> Any:
        return self._link.ask("call", self, args, kwargs)

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


def install(shell: Any, connection_file: str, exchange: str, call_timeout: float) -> None:
    """Make this kernel an examiner."""
    shell.user_ns[NAME] = Examiner(shell, Link(connection_file, exchange, call_timeout))
