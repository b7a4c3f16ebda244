"""Exhausting, outliving, and breaking the line: submissions that want to hold up whoever comes after them."""

from __future__ import annotations

from uuid import uuid4

import pytest

from autograder.course import Limits
from autograder.kernels.process import shared_server
from autograder.sealed.session import Conditions
from autograder.verdict import Outcome, Status
from tests.hostile.conftest import HONEST, Attack, commit, marked

# What is there to be used up is small, so that the tests are no attack themselves.
TIGHT = Limits(cell_timeout=30, notebook_timeout=120, call_timeout=10, memory_limit=512)
SHORT = Limits(cell_timeout=3, notebook_timeout=60, call_timeout=2, memory_limit=1024)

CAME_THROUGH = "assert got"

pytestmark = pytest.mark.usefixtures("nothing_left")


def through(source, *, limit="got = attempt(act)"):
    """An attack whose ``act`` wants more than there is."""
    return Attack(f"import mmap, os, resource, subprocess, sys, threading, time\n{source}\n{limit}", CAME_THROUGH)


# Exhausting

MEMORY = {
    "a NumPy array": "def act():\n    import numpy\n    return numpy.ones(2**27).sum()",
    "bytes": "def act():\n    return len(bytearray(2**30))",
    "a list that grows": "def act():\n    held = []\n    while len(held) < 64:\n        held.append(bytearray(2**24))\n"
    "    return len(held)",
    "a text": "def act():\n    return len('x' * 2**30)",
    "private pages": "def act():\n    return len(mmap.mmap(-1, 2**30, flags=mmap.MAP_PRIVATE))",
    "a child process": "def act():\n"
    "    return subprocess.run([sys.executable, '-SEc', 'bytearray(2**30)'], check=True, stderr=-3)",
    "a higher limit": "def act():\n"
    "    return [resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))]",
    "/dev/shm": "def act():\n    return open('/dev/shm/all', 'wb').write(bytes(2**27))",
}


def test_more_memory_than_the_limit_is_not_to_be_had(confined):
    attacks = {name: through(source) for name, source in MEMORY.items()}

    results = commit(attacks, confined, limits=TIGHT)

    assert {name: results[name].score for name in attacks} == dict.fromkeys(attacks, 0), results.by_name
    assert all("denied: " in results[name].said for name in attacks), results.by_name
    assert results[HONEST].outcome is Outcome.PASSED


# Nothing but a look from outside counts these, four times a second: what is promised is that nobody keeps them.
SHARED_MEMORY = {
    "shared pages": "def act():\n"
    "    pages = mmap.mmap(-1, 768 * 2**20)\n"
    "    for place in range(0, len(pages), mmap.PAGESIZE):\n"
    "        pages[place] = 1\n"
    "    threading.Event().wait(5)\n"
    "    return len(pages)",
    "a file of memory": "def act():\n"
    "    descriptors = [os.memfd_create('held') for _ in range(3)]\n"
    "    written = sum(os.write(each, bytes(250 * 2**20)) for each in descriptors)\n"
    "    threading.Event().wait(5)\n"
    "    return written > 700 * 2**20",
}


@pytest.mark.parametrize("name", SHARED_MEMORY)
def test_shared_memory_beyond_the_limit_is_not_to_be_kept(name, confined):
    results = commit({name: through(SHARED_MEMORY[name])}, confined, limits=TIGHT)

    assert results[name].score == 0


MANY = {
    # Programs that start programs; a shell, because each is small.
    "processes": "def act():\n"
    "    script = 'i=0; while [ $i -lt 2000 ]; do sleep 600 >/dev/null 2>&1 & i=$((i+1)); done; echo all'\n"
    "    run = subprocess.run(['sh', '-c', script], capture_output=True, text=True, timeout=25)\n"
    "    print(run.stderr[-60:])\n"
    "    if 'all' not in run.stdout:\n"
    "        raise BlockingIOError",
    "threads": "def act():\n"
    "    over = threading.Event()\n"
    "    threading.stack_size(2**16)\n"
    "    threads = [threading.Thread(target=over.wait, daemon=True) for _ in range(2000)]\n"
    "    try:\n"
    "        return [thread.start() for thread in threads]\n"
    "    finally:\n"
    "        over.set()",
    "open files": "def act():\n    held = [open('/dev/null') for _ in range(5000)]\n    return len(held)",
    "a huge file": "def act():\n    return [open('huge', 'wb').truncate(2**40)]",
    "a large file, really written": "def act():\n"
    "    with open('large', 'wb') as file:\n"
    "        os.posix_fallocate(file.fileno(), 0, 300 * 2**20)\n"
    "    return True",
}


def test_there_are_only_so_many_processes_threads_and_files(confined):
    # The processes come last: with them there, nothing else would find room.
    attacks = {name: through(source) for name, source in reversed(MANY.items())}

    results = commit(attacks, confined, limits=TIGHT)

    assert {name: results[name].score for name in attacks} == dict.fromkeys(attacks, 0), results.by_name
    assert all("denied: " in results[name].said for name in attacks), results.by_name
    assert results[HONEST].outcome is Outcome.PASSED
    assert list(shared_server().workplace.iterdir()) == []


def test_thousands_of_small_files_are_gone_with_the_session(confined):
    files = through(
        "def act():\n"
        "    for number in range(5000):\n"
        "        os.makedirs(f'{number % 50}/deep', exist_ok=True)\n"
        "        open(f'{number % 50}/deep/{number}', 'w').close()\n"
        "    os.chmod('0', 0)"
    )

    results = commit({"files": files}, confined, limits=TIGHT)

    assert results[HONEST].outcome is Outcome.PASSED
    assert list(shared_server().workplace.iterdir()) == []


def test_the_disk_is_not_filled_with_files_of_the_size_allowed(confined):
    files = through(
        "def act():\n"
        "    for number in range(5):\n"
        "        with open(f'part{number}', 'wb') as file:\n"
        "            os.posix_fallocate(file.fileno(), 0, 255 * 2**20)\n"
        "    return True"
    )

    results = commit({"the disk": files}, confined, limits=TIGHT)

    assert results["the disk"].score == 0


TALK = {
    "to standard output": "while True:\n    print('x' * 1000)",
    "to the terminal": "import os\nwhile True:\n    os.write(1, b'x' * 1000)",
    "with pictures": "from IPython.display import display, HTML\nwhile True:\n    display(HTML('x' * 100_000))",
}


def test_endless_talk_is_cut_off_and_the_next_exercise_is_graded(confined):
    attacks = {name: Attack(source) for name, source in TALK.items()}

    results = commit(attacks, confined, limits=TIGHT)

    assert {name: results[name].score for name in attacks} == dict.fromkeys(attacks, 0)
    assert results[HONEST].outcome is Outcome.PASSED
    assert len(results.verdict.executed) < 32 * 2**20
    assert results.verdict.seconds < 90


STUBBORN = """
def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
"""


def test_a_cell_that_ignores_interrupts_ends_with_its_kernel(confined):
    attacks = {"before": Attack("x = 1", "assert x == 1"), "stubborn": Attack(STUBBORN + "stubborn()")}

    results = commit(attacks, confined, limits=SHORT)

    assert results.verdict.status is Status.GRADED
    assert [cell.outcome for cell in results.verdict.cells] == [
        Outcome.PASSED,
        Outcome.NOT_REACHED,
        Outcome.NOT_REACHED,
    ]
    assert "could not be interrupted" in results.verdict.message
    assert results.verdict.seconds < 30


def test_a_call_that_ignores_interrupts_gets_no_point_and_holds_nobody_up(confined):
    attacks = {"before": Attack("x = 1", "assert x == 1"), "stubborn": Attack(STUBBORN, "stubborn()")}

    results = commit(attacks, confined, limits=SHORT)

    assert (results["before"].score, results["stubborn"].score) == (1, 0)
    assert results["stubborn"].outcome is Outcome.TIMEOUT
    assert results.verdict.seconds < 40


VALUES = {
    "a list in a list, a hundred thousand times": Attack(
        "value = []\nfor _ in range(100_000):\n    value = [value]", "assert value"
    ),
    "a dictionary that holds itself": Attack("value = {}\nvalue['me'] = value", "assert value"),
    "millions of parts": Attack("value = [0] * 3_000_000", "assert value"),
    "an array beyond what may cross": Attack(
        "import numpy\nvalue = numpy.zeros(600 * 2**20, 'int8')", "assert len(value)"
    ),
    "a text beyond what may cross": Attack("value = 'x' * (200 * 2**20)", "assert value"),
    "endless recursion": Attack("def value():\n    return value()", "assert value()"),
    "an error that describes itself without end": Attack(
        "class Endless(Exception):\n    def __str__(self): return str(self)\ndef value():\n    raise Endless",
        "assert value()",
    ),
    "an object that goes on giving": Attack(
        "class Endless:\n    def __getattr__(self, _): return Endless()\n"
        "    def __iter__(self): return self\n    def __next__(self): return 1\nvalue = Endless()",
        "assert sum(value)",
    ),
}


def test_values_without_end_get_no_point_and_harm_no_other(confined):
    limits = Limits(cell_timeout=5, notebook_timeout=120, call_timeout=5, memory_limit=4096)

    results = commit(VALUES, confined, limits=limits)

    scores = {name: results[name].score for name in VALUES}
    assert scores == dict.fromkeys(VALUES, 0), results.by_name
    assert results[HONEST].outcome is Outcome.PASSED


# Outliving

OUTLIVERS = {
    "a daemon": Attack(
        "import os, signal, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "    for number in (1, 2, 15):\n"
        "        signal.signal(number, signal.SIG_IGN)\n"
        "    time.sleep(600)\n"
        "    os._exit(0)"
    ),
    "a program": Attack(
        "import subprocess\nprogram = subprocess.Popen(['nohup', 'sleep', '600'], start_new_session=True, stderr=-3)"
    ),
    "a program's orphan": Attack("import os\nos.system('setsid sh -c \"sleep 600 & sleep 600 &\" >/dev/null 2>&1')"),
    "at the end": Attack("import atexit, subprocess\natexit.register(subprocess.run, ['sleep', '600'])"),
    "a thread": Attack("import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()"),
    "signals ignored": Attack(
        "import signal\nfor number in (signal.SIGTERM, signal.SIGHUP):\n    signal.signal(number, signal.SIG_IGN)"
    ),
}


def with_marker(confined, marker):
    return Conditions(
        environment={"MARKER": marker}, examiner_environment=confined.examiner_environment, readable=confined.readable
    )


def test_what_a_submission_starts_ends_with_its_session(confined):
    marker = f"outliving-{uuid4().hex}"
    running = Attack(
        "import os\nrunning = sum(pid.isdigit() for pid in os.listdir('/proc'))", "assert running > 6, running"
    )

    results = commit(OUTLIVERS | {"they run": running}, with_marker(confined, marker))

    assert results["they run"].score == 1, results["they run"].message
    assert results[HONEST].outcome is Outcome.PASSED
    assert marked(marker) == []
    assert list(shared_server().workplace.iterdir()) == []


def test_what_a_submission_starts_ends_with_a_kernel_that_leaves(confined):
    marker = f"outliving-{uuid4().hex}"
    leave = Attack("import os\nos._exit(0)")

    results = commit(OUTLIVERS | {"leave": leave}, with_marker(confined, marker))

    assert results["leave"].outcome is Outcome.NOT_REACHED
    assert marked(marker) == []


# The line between the kernels

LINE = """
import os, socket, struct, time
from autograder.sealed import candidate, values

honest = getattr(candidate, "honest", candidate.serve)
candidate.honest = honest
value = 1
HEADER = struct.Struct("!QQ")

def once(forge):
    "Let another function answer, once."
    def serve(address, namespace):
        candidate.serve = honest
        print("forging")
        forge(address, namespace)
    candidate.serve = serve

def call(address):
    line = socket.socket(socket.AF_UNIX)
    line.connect(address)
    return line

def message(number, content):
    return HEADER.pack(number, len(content)) + content

RIGHT = values.encode(("ok", 1), None)
"""

FORGERIES = {
    # Another waits in the examiner's place: it cannot be had.
    "another socket at the line's address": (
        "def forge(address, namespace):\n"
        "    try:\n"
        "        os.unlink(address)\n"
        "    except OSError:\n"
        "        return honest(address, namespace)\n"
        "    global value\n"
        "    value = 2\n",
        Outcome.PASSED,
    ),
    # The examiner takes the first call, and the answers come with the second.
    "two calls": (
        "def forge(address, namespace):\n"
        "    global silent\n"
        "    silent = call(address)\n"
        "    honest(address, namespace)\n",
        Outcome.TIMEOUT,
    ),
    "answers to questions that were not asked": (
        "def forge(address, namespace):\n"
        "    with call(address) as line:\n"
        "        line.recv(16)\n"
        "        for number in (0, 2**63, 999999):\n"
        "            line.sendall(message(number, RIGHT))\n"
        "        time.sleep(60)\n",
        Outcome.TIMEOUT,
    ),
    "such answers without end": (
        "def forge(address, namespace):\n"
        "    with call(address) as line:\n"
        "        line.recv(16)\n"
        "        while True:\n"
        "            line.sendall(1000 * message(999999, RIGHT))\n",
        Outcome.TIMEOUT,
    ),
    "half a message": (
        "def forge(address, namespace):\n"
        "    with call(address) as line:\n"
        "        number, _ = HEADER.unpack(line.recv(16))\n"
        "        line.sendall(message(number, RIGHT)[:-1])\n"
        "        time.sleep(60)\n",
        Outcome.TIMEOUT,
    ),
    "a message larger than there can be": (
        "def forge(address, namespace):\n"
        "    with call(address) as line:\n"
        "        number, _ = HEADER.unpack(line.recv(16))\n"
        "        line.sendall(HEADER.pack(number, 2**60))\n"
        "        while True:\n"
        "            line.sendall(bytes(2**20))\n",
        Outcome.ERROR,
    ),
    "an empty answer": (
        "def forge(address, namespace):\n"
        "    with call(address) as line:\n"
        "        number, _ = HEADER.unpack(line.recv(16))\n"
        "        line.sendall(message(number, b''))\n"
        "        time.sleep(60)\n",
        Outcome.ERROR,
    ),
    "hanging up at once": (
        "def forge(address, namespace):\n    call(address).close()\n",
        Outcome.ERROR,
    ),
    # The candidate reads nothing, and says nothing.
    "no answer at all": (
        "def forge(address, namespace):\n    with call(address):\n        time.sleep(60)\n",
        Outcome.TIMEOUT,
    ),
    # Only answers to the question count: what else is said on the line is passed over.
    "wrong numbers, then the right ones": (
        "def forge(address, namespace):\n"
        "    connect = socket.socket.connect\n"
        "    def and_shout(line, where):\n"
        "        connect(line, where)\n"
        "        line.sendall(message(999999, b'') + message(0, RIGHT))\n"
        "    socket.socket.connect = and_shout\n"
        "    try:\n"
        "        honest(address, namespace)\n"
        "    finally:\n"
        "        socket.socket.connect = connect\n",
        Outcome.PASSED,
    ),
}


def test_a_broken_line_breaks_one_exercise_and_no_other(confined):
    attacks = {name: Attack(LINE + code + "once(forge)", "assert value == 1") for name, (code, _) in FORGERIES.items()}

    results = commit(attacks, confined, limits=SHORT)

    outcomes = {name: results[name].outcome for name in attacks}
    assert outcomes == {name: outcome for name, (_, outcome) in FORGERIES.items()}, results.by_name
    assert results[HONEST].outcome is Outcome.PASSED
    assert results.verdict.seconds < 60
