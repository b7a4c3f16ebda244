"""Reading: submissions that look for what they are not to see. Whatever one finds is its ``loot``."""

from __future__ import annotations

import os
from uuid import uuid4

import pytest

from autograder.kernels.process import shared_server
from autograder.sealed.session import Conditions
from autograder.verdict import Outcome
from tests.hostile.conftest import HONEST, REPOSITORY, SEED, Attack, commit, succeed_unsealed

FOUND = "assert loot"

OTHERS = """
import os
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (os.getpid(), os.getppid())]
others += [str(os.getppid())]

def of_others(name):
    "What can be read of other processes."
    found = []
    for pid in others:
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                found.append((pid, b"" if name == "mem" else file.read()))
        except OSError:
            continue
    print(f"{len(others)} others, {len(found)} read")
    return found
"""

ELSEWHERE = {
    # Everything that the grader keeps beside this session's own folders.
    "the folders beside one's own": Attack(
        "loot = attempt(lambda: set(os.listdir('..')) - {'candidate', 'candidate-connection', 'line'})"
    ),
    "the examiner's connection file and key": Attack(
        "loot = attempt(lambda: open('../examiner-connection/kernel.json').read())"
    ),
    # With a connection to its sockets it hears what the tests print.
    "the examiner's sockets": Attack(
        "import socket\n"
        "def call(number):\n"
        "    with socket.socket(socket.AF_UNIX) as line:\n"
        "        line.connect(f'../examiner-connection/s-{number}')\n"
        "        return 'connected'\n"
        "loot = [number for number in range(1, 6) if attempt(call, number)]"
    ),
    "the examiner's folder": Attack("loot = attempt(os.listdir, '../examiner')"),
    "other processes' environment": Attack("loot = of_others('environ')"),
    "other processes' memory": Attack("loot = of_others('mem')"),
    "other processes' command lines": Attack(
        "own = open('/proc/self/cmdline', 'rb').read()\nloot = {line for _, line in of_others('cmdline')} - {own, b''}"
    ),
    # What the kernels before this one said on standard error.
    "the server's log, through the descriptor that leads there": Attack(
        "links = [f'/proc/self/fd/{number}' for number in os.listdir('/proc/self/fd')]\n"
        "logs = [link for link in links if os.path.lexists(link) and os.readlink(link).endswith('server.log')]\n"
        "assert logs\n"
        "loot = [link for link in logs if attempt(open, link, 'rb')]"
    ),
}
"""What is to be had without a sandbox."""

NOWHERE = {
    # The seed of the pictures on which models are judged.
    "the seed of the hold-out": Attack(
        "import ctypes\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.getenv.restype = ctypes.c_char_p\n"
        "loot = os.environ.get('COURSE_HOLDOUT_SEED') or libc.getenv(b'COURSE_HOLDOUT_SEED')\n"
        f"loot = loot or [pid for pid, text in of_others('environ') if b'{SEED}' in text]"
    ),
    "a variable of the grader's": Attack(
        "loot = [pid for pid, text in of_others('environ') if b'token-of-the-grader' in text]\n"
        "loot += [name for name, value in os.environ.items() if 'token-of-the-grader' in value]"
    ),
    "a disk as it lies": Attack(
        "import glob\n"
        "loot = [path for path in glob.glob('/dev/[svx]d*') + glob.glob('/dev/nvme*') + ['/dev/mem', '/dev/kmsg']\n"
        "        if attempt(open, path, 'rb')]"
    ),
}
"""What is not even there to be had without one."""


def thefts(target):
    """Attacks that read the course's files, one way or another."""
    ways = {
        "": "open({path!r}).read()",
        " through /proc/1/root": "open('/proc/1/root' + {path!r}).read()",
        " through a link": "(os.symlink({path!r}, {link!r}), open({link!r}).read())",
        " with another program": "subprocess.run(['cat', {path!r}], check=True, capture_output=True).stdout",
    }
    attacks = {}
    for what, path in target.files.items():
        for how, code in ways.items():
            source = code.format(path=str(path), link=f"link-{len(attacks)}")
            attacks[what + how] = Attack(
                f"import os, subprocess\nloot = attempt(lambda: {source})", f"assert {target.secret!r} in str(loot)"
            )
    return attacks


def of_the_grader():
    """Attacks on what the grader itself works with."""
    address = shared_server()._address
    return {
        "the fork server's socket": Attack(
            "import socket\n"
            "def call():\n"
            "    with socket.socket(socket.AF_UNIX) as line:\n"
            f"        line.connect({address!r})\n"
            "        return 'connected'\n"
            "loot = attempt(call)"
        ),
        "the masters of the repository": Attack(f"loot = attempt(os.listdir, {str(REPOSITORY / 'source')!r})"),
        "the tests of the repository": Attack(f"loot = attempt(lambda: open({__file__!r}).read())"),
        "the process of the grader": Attack(f"loot = attempt(lambda: open('/proc/{os.getpid()}/environ').read())"),
        "other papers": Attack(f"loot = 'p-other' in (attempt(os.listdir, {str(shared_server().workplace)!r}) or ())"),
    }


def all_of(target):
    attacks = {**thefts(target), **ELSEWHERE, **NOWHERE, **of_the_grader()}
    return {name: Attack(OTHERS + attack.source, _test(attack)) for name, attack in attacks.items()}


def _test(attack):
    return attack.test if "loot" in attack.test else FOUND


@pytest.fixture
def another_paper():
    """A folder as that of a session which is under way at the same time."""
    folder = shared_server().workplace / "p-other"
    folder.mkdir()
    yield
    folder.rmdir()


@pytest.mark.usefixtures("another_paper")
def test_nothing_is_found_by_a_confined_submission(target, confined, monkeypatch):
    monkeypatch.setenv("TOKEN", "token-of-the-grader")

    results = commit(all_of(target), confined)

    outcomes = {name: came.outcome for name, came in results.by_name.items()}
    assert outcomes == dict.fromkeys(outcomes, Outcome.FAILED) | {HONEST: Outcome.PASSED}, results.by_name
    assert target.secret not in "".join(came.said for came in results.by_name.values())


@pytest.mark.usefixtures("another_paper")
def test_all_of_it_would_be_found_by_a_free_one_but_what_is_not_there(target, monkeypatch):
    monkeypatch.setenv("TOKEN", "token-of-the-grader")
    attacks = all_of(target)
    # What is found on the machine itself depends on whose it is.
    attacks = {name: attack for name, attack in attacks.items() if "/proc/1/root" not in name and "a disk" not in name}
    conditions = Conditions(examiner_environment={"COURSE_HOLDOUT_SEED": SEED})

    results = commit(attacks, conditions)

    found = {name for name, came in results.by_name.items() if came.score and name != HONEST}
    expected = attacks.keys() - NOWHERE.keys()
    assert found >= expected, expected - found
    assert "the seed of the hold-out" not in found


# Hidden tests

SEARCH = """
import gc, linecache, sys
PREFIX = "hidden-" + "token-"

def tokens(value, depth=0):
    "The tokens in a value, and in what it holds."
    if type(value) is str and PREFIX in value:
        start = value.index(PREFIX)
        return {value[start : start + len(PREFIX) + 32]}
    if type(value) in (list, tuple, set, frozenset) and depth < 3:
        return {token for item in value for token in tokens(item, depth + 1)}
    if type(value) is dict and depth < 3:
        return {token for pair in list(value.items()) for token in tokens(pair, depth + 1)}
    return set()

def by_frames():
    "In the constants, names and lines of everything that is running."
    found = set()
    for frame in sys._current_frames().values():
        while frame:
            found |= tokens(frame.f_code.co_consts) | tokens(dict(frame.f_locals)) | tokens(dict(frame.f_globals))
            frame = frame.f_back
    return " ".join(found)

def by_objects():
    "In everything that the garbage collector knows."
    found = set()
    for value in gc.get_objects():
        found |= tokens(value, 2)
    return " ".join(found)

def by_source():
    "In what is kept of cells that ran."
    return " ".join(tokens([list(entry[2]) for entry in linecache.cache.values() if len(entry) > 2]))

def by_history():
    "In the history of inputs, and in the message that asked for this."
    shell = get_ipython()
    parent = getattr(getattr(shell, "kernel", None), "get_parent", dict)()
    return " ".join(tokens([shell.user_ns["In"], parent.get("content", {}), shell.history_manager.input_hist_raw]))
"""

SEARCHES = ("by_frames", "by_objects", "by_source", "by_history")


def searches():
    """For each way to search: a test that is passed by whoever finds its token."""
    return {
        name: Attack(SEARCH, f"token = 'hidden-token-{uuid4().hex}'\nassert token in {name}()\ntoken = None")
        for name in SEARCHES
    }


def test_a_hidden_test_is_found_in_no_way_that_python_has(confined):
    results = commit(searches(), confined)

    outcomes = {name: came.outcome for name, came in results.by_name.items()}
    assert outcomes == dict.fromkeys(SEARCHES, Outcome.FAILED) | {HONEST: Outcome.PASSED}, results.by_name


@pytest.mark.parametrize("name", SEARCHES)
def test_a_test_in_the_students_own_kernel_would_be_found(name, tmp_path):
    attacks = {name: searches()[name]}

    assert succeed_unsealed(attacks, tmp_path) == [name]
