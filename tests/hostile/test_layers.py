"""What each layer of the sandbox forbids, and that a kernel has what it needs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import autograder
from autograder.sandbox import LAYERS, Policy, default_readable, probing

REPOSITORY = Path(autograder.__file__).parents[1]
SECONDS = 60
# Confines itself as a forked kernel does; before and after are what the test says.
PROGRAM = """
import json, os, sys
from autograder.sandbox import Policy, confine
policy, before, after = sys.argv[1:]
os.environ["TMPDIR"] = os.getcwd()
exec(before)
confine(Policy.from_json(json.loads(policy)))
exec(after)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux")


@dataclass
class Place:
    """
    A folder as a grader has it, and what the sandbox's layers let a candidate do there.

    Attributes
    ----------
    root : Path
        Holds ``work``, the candidate's folder; ``given``, which it may read; and ``secret``, a file that it may not.
    """

    root: Path

    def policy(self, *layers: str) -> Policy:
        """Small limits, and the layers of these names."""
        return Policy(
            (*default_readable(), str(self.root / "given")),
            (str(self.root / "work"),),
            (str(self.root / "sockets"),),
            memory=256 * 2**20,
            processes=40,
            file_size=2**20,
            folder_size=8 * 2**20,
            open_files=64,
            layers=frozenset(layers),
        )

    @contextlib.contextmanager
    def started(self, policy: Policy, source: str, before: str = "") -> Iterator[subprocess.Popen[str]]:
        """Start a process that confines itself and then runs the source; at the latest it ends with the test."""
        source = "import ctypes, os, signal, socket, threading\nfrom pathlib import Path\n" + source
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(policy.to_json()), before, source],
            cwd=self.root / "work",
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "agg"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, policy: Policy, source: str, before: str = "") -> subprocess.CompletedProcess[str]:
        """Run the source in a confined process to its end, and all that it started."""
        with self.started(policy, source, before) as process:
            stdout, stderr = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess([], process.returncode, stdout, stderr)

    def can(self, source: str, *layers: str) -> bool:
        """Tell whether the source runs without an error under these layers."""
        done = self.run(self.policy(*layers), source + "\nprint('done')")
        assert "SandboxError" not in done.stderr
        return (done.returncode, done.stdout) == (0, "done\n")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a secret."""
    for name in ("work", "given", "sockets"):
        (tmp_path / name).mkdir()
    (tmp_path / "given" / "data").write_text("given", encoding="ascii")
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    return Place(tmp_path)


@pytest.fixture
def listeners(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Somebody outside who listens at a TCP port, at an abstract socket and at a socket that lies in a folder."""
    name = f"autograder-{os.getpid()}"
    monkeypatch.chdir(place.root)  # the path of a socket is short
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as in_folder:
        tcp.bind(("127.0.0.1", 0))
        abstract.bind(f"\0{name}")
        in_folder.bind("socket")
        for each in (tcp, abstract, in_folder):
            each.listen()
        monkeypatch.setenv("TCP_PORT", str(tcp.getsockname()[1]))
        monkeypatch.setenv("ABSTRACT", name)
        monkeypatch.setenv("OUTSIDER", str(os.getpid()))
        yield


def needs_landlock(version: int) -> pytest.MarkDecorator:
    from autograder.sandbox.landlock import abi

    return pytest.mark.skipif(sys.platform == "linux" and abi() < version, reason=f"needs Landlock {version}")


CONNECT = "socket.create_connection(('127.0.0.1', int(os.environ['TCP_PORT'])), timeout=5)"
CONNECT_ABSTRACT = "socket.socket(socket.AF_UNIX).connect('\\0' + os.environ['ABSTRACT'])"
CONNECT_IN_FOLDER = "os.chdir('..'); socket.socket(socket.AF_UNIX).connect('socket')"
SIGNAL = "os.kill(int(os.environ['OUTSIDER']), 0)"
FORK = """
for _ in range(400):
    if os.fork() == 0:
        signal.pause()
        os._exit(0)
"""

FILL = "[Path(f'part{number}').write_bytes(bytes(2**20)) for number in range(9)]"
FILL_UNSEEN = """
held = []
for _ in range(9):
    held.append(open('part', 'wb', buffering=0))
    Path('part').unlink()
    held[-1].write(bytes(2**20))
    assert os.fstat(held[-1].fileno()).st_size == 2**20
"""
MULTIPLY = "[Path(str(number)).touch() for number in range(2100)]"
CALL = "import ctypes; assert ctypes.CDLL(None, use_errno=True).{} != -1"
CLONE = """
import ctypes
number = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
child = ctypes.CDLL(None).syscall(number, 0x08000000 | signal.SIGCHLD, 0, 0, 0, 0)
if child == 0:
    os._exit(0)
assert child > 0
"""

FORBIDDEN = [
    # The layer, what else must be there for it to mean something, and what it forbids.
    pytest.param("namespaces", (), CONNECT, id="namespaces-tcp"),
    pytest.param("namespaces", (), CONNECT_ABSTRACT, id="namespaces-abstract-socket"),
    pytest.param("namespaces", (), SIGNAL, id="namespaces-signal"),
    pytest.param("namespaces", (), "Path(f'/proc/{os.environ[\"OUTSIDER\"]}').stat()", id="namespaces-proc"),
    pytest.param("namespaces", (), "assert socket.gethostname() != 'candidate'", id="namespaces-host-name"),
    pytest.param("limits", (), "import mmap; mmap.mmap(-1, 2**29, flags=mmap.MAP_PRIVATE)", id="limits-memory"),
    pytest.param("limits", (), "bytearray(2**29)", id="limits-memory-of-objects"),
    pytest.param("limits", (), "Path('large').write_bytes(bytes(2**20 + 1))", id="limits-file-size"),
    pytest.param("limits", (), "files = [open(os.devnull) for _ in range(100)]", id="limits-open-files"),
    pytest.param("limits", ("namespaces",), FORK, id="limits-processes"),
    pytest.param("view", ("namespaces",), "Path('../secret').stat()", id="view-stat"),
    pytest.param("view", ("namespaces",), "Path('../secret').read_text()", id="view-read"),
    pytest.param("view", ("namespaces",), "Path('../given/data').write_text('x')", id="view-write"),
    pytest.param("view", ("namespaces",), "Path('../new').write_text('x')", id="view-make"),
    pytest.param("view", ("namespaces",), CONNECT_IN_FOLDER, id="view-socket"),
    pytest.param("view", ("namespaces", "landlock"), CONNECT_IN_FOLDER, id="view-socket-that-landlock-leaves"),
    pytest.param("view", ("namespaces",), FILL, id="view-much-in-all-files"),
    pytest.param("view", ("namespaces",), FILL_UNSEEN, id="view-much-in-files-without-a-name"),
    pytest.param("view", ("namespaces",), MULTIPLY, id="view-many-files"),
    pytest.param("landlock", (), "Path('../secret').read_text()", id="landlock-read"),
    pytest.param("landlock", (), "assert 'secret' in os.listdir('..')", id="landlock-list"),
    pytest.param("landlock", (), "Path('../given/data').write_text('x')", id="landlock-write"),
    pytest.param("landlock", (), "Path('../given/data').unlink()", id="landlock-remove"),
    pytest.param("landlock", (), "Path('../sockets/file').touch()", id="landlock-file-among-sockets"),
    pytest.param("landlock", (), "Path('../sockets/folder').mkdir()", id="landlock-folder-among-sockets"),
    pytest.param("landlock", (), "Path('../new').write_text('x')", id="landlock-make"),
    pytest.param("landlock", (), "Path('here').touch(); os.link('here', '../there')", id="landlock-link"),
    pytest.param("landlock", (), "os.truncate('../given/data', 1)", id="landlock-truncate", marks=needs_landlock(3)),
    pytest.param("landlock", (), CONNECT, id="landlock-tcp", marks=needs_landlock(4)),
    pytest.param("landlock", (), CONNECT_ABSTRACT, id="landlock-abstract-socket", marks=needs_landlock(6)),
    pytest.param("landlock", (), SIGNAL, id="landlock-signal", marks=needs_landlock(6)),
    pytest.param("privileges", ("namespaces",), "socket.sethostname('mine')", id="privileges-host-name"),
    pytest.param(
        "privileges",
        ("namespaces",),
        "assert ctypes.CDLL(None).mount(b'x', os.fsencode(os.getcwd()), b'tmpfs', 0, None) == 0",
        id="privileges-mount",
    ),
    pytest.param("calls", (), "os.memfd_create('hidden')", id="calls-file-of-memory"),
    pytest.param("calls", (), CALL.format("shmget(0, 4096, 0o1600)"), id="calls-segment-of-memory"),
    pytest.param("calls", (), CALL.format("msgget(0, 0o1600)"), id="calls-queue"),
    pytest.param("calls", (), CALL.format("ptrace(0, 0, 0, 0)"), id="calls-tracing"),
    pytest.param("calls", ("namespaces",), CALL.format("unshare(0x08000000)"), id="calls-namespace"),
    pytest.param("calls", ("namespaces",), CLONE, id="calls-clone"),
]


@pytest.mark.parametrize(("layer", "with_it", "source"), FORBIDDEN)
def test_it_is_possible_without_the_layer_and_impossible_with_it(place, listeners, layer, with_it, source):
    if source == FORK and os.getuid() == 0 and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 14):
        pytest.skip("Linux holds root to no number of processes before 6.14")

    assert not place.can(source, *with_it, layer)
    assert not place.can(source, *LAYERS)
    assert place.can(source, *with_it)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("assert ctypes.CDLL(None).unshare(0x10000000) == 0", id="another-user-namespace"),
        pytest.param("Path('/proc/sys/kernel/core_pattern').open('r+')", id="a-setting-of-the-machine"),
        pytest.param("Path('/proc/1/mem').open('rb')", id="memory-of-the-first-process"),
        pytest.param("Path('/proc/1/environ').read_bytes()", id="environment-of-the-first-process"),
        pytest.param("os.kill(1, 0) or os.kill(1, 9) or Path('/proc/1/mem').open()", id="end-of-the-first-process"),
        pytest.param("Path('/new').touch()", id="the-root-folder"),
        pytest.param("os.mknod('disk', 0o60600, os.makedev(254, 0))", id="a-device"),
        pytest.param("Path('/etc/passwd').read_bytes()", id="names-of-users"),
        pytest.param(f"Path({str(REPOSITORY / 'pyproject.toml')!r}).read_bytes()", id="the-repository"),
        pytest.param(
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))", id="a-higher-limit-of-its-own"
        ),
    ],
)
def test_all_layers_together_forbid(place, source):
    assert not place.can(source, *LAYERS)


# Devices that a policy names, for a GPU. None is needed here: the terminal at which a process was started is a device
# as well, which it writes to, and which does what it is told to.

WRITE_TO_DEVICE = "os.write(os.open('/dev/tty', os.O_RDWR), b'x')"
CONTROL_DEVICE = "import fcntl, termios; fcntl.ioctl(os.open('/dev/tty', os.O_RDWR), termios.TIOCSWINSZ, bytes(8))"
AT_A_TERMINAL = "os.close(os.open(os.environ['TERMINAL'], os.O_RDWR))"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal at which processes of this test are started that open it."""
    controller, device = os.openpty()
    monkeypatch.setenv("TERMINAL", os.ttyname(device))
    yield
    os.close(controller)
    os.close(device)


def runs(place: Place, policy: Policy, source: str, before: str = "") -> bool:
    done = place.run(policy, source + "\nprint('done')", before)
    assert "SandboxError" not in done.stderr
    return (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(LAYERS, id="all"),
        pytest.param(("namespaces", "view"), id="view"),
        pytest.param(("landlock",), id="landlock", marks=needs_landlock(5)),
    ],
)
@pytest.mark.parametrize("source", [WRITE_TO_DEVICE, CONTROL_DEVICE], ids=["write", "control"])
def test_a_device_serves_whoever_has_it_in_the_policy_and_nobody_else(place, terminal, source, layers):
    policy = place.policy(*layers)
    only_readable = replace(policy, readable=(*policy.readable, "/dev/tty"))

    assert runs(place, replace(policy, devices=("/dev/tty",)), source, AT_A_TERMINAL)
    assert not runs(place, policy, source, AT_A_TERMINAL)
    assert not runs(place, only_readable, source, AT_A_TERMINAL)


def test_a_device_that_is_not_there_is_told(place):
    done = place.run(replace(place.policy(*LAYERS), devices=("/dev/nvidia99",)), "")

    assert "SandboxError" in done.stderr
    assert "/dev/nvidia99" in done.stderr


NAME_A_THREAD = """
named = threading.Event()
thread = threading.Thread(target=named.wait)
thread.start()
name = Path(f'/proc/self/task/{thread.native_id}/comm')
try:
    name.write_text('cuda00001000001')
    assert name.read_text() == 'cuda00001000001\\n'
finally:
    named.set()
"""


@pytest.mark.parametrize(
    "source", ["os.memfd_create('hidden')", NAME_A_THREAD], ids=["a-file-of-memory", "a-threads-name"]
)
def test_what_nvidias_driver_needs_is_for_whoever_has_a_gpu(place, source):
    assert runs(place, replace(place.policy(*LAYERS), cuda=True), source)
    assert not runs(place, place.policy(*LAYERS), source)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("Path('/proc/sys/kernel/core_pattern').open('r+')", id="a-setting-of-the-machine"),
        pytest.param("Path('/proc/self/oom_score_adj').open('r+')", id="who-is-killed-first"),
        pytest.param("Path('/proc/1/task/1/comm').open('r+')", id="the-name-of-another-process"),
        pytest.param("Path('/proc/self/task/new').touch()", id="a-file-in-proc"),
        pytest.param(CALL.format("shmget(0, 4096, 0o1600)"), id="a-segment-of-memory"),
    ],
)
def test_and_nothing_else_is_open_then(place, source):
    assert not runs(place, replace(place.policy(*LAYERS), cuda=True), source)


# A figure needs a list of fonts that a warm kernel has read before it is confined. The threads of NumPy's library are
# left behind in a fork.
WARM = """
import matplotlib.pyplot, warnings
warnings.simplefilter("ignore")
if os.fork():
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
WORKS = {
    "a figure": "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.title('$x$'); plt.savefig('figure.png')",
    "temporary files": "import tempfile; assert Path(tempfile.mkstemp()[1]).parent == Path.cwd()",
    "files of its own": "Path('d').mkdir(); Path('f').write_text('x'); os.rename('f', 'd/f'); os.truncate('d/f', 0)",
    "what is given": "assert Path('../given/data').read_text() == 'given'",
    "threads": "threads = [threading.Thread(target=print, args=('',), kwargs={'end': ''}) for _ in range(8)]\n"
    "for each in threads: each.start()\nfor each in threads: each.join()",
    "devices": "Path('/dev/null').write_text('x'); assert Path('/dev/urandom').open('rb').read(1)",
    "a shell": "import subprocess; assert subprocess.check_output('echo a | cat > /dev/null; echo b', shell=True)",
    "a terminal": "import pty\nif (one := pty.fork())[0] == 0: os.execv('/bin/echo', ['echo', 'a'])\n"
    "assert os.read(one[1], 100) == b'a\\r\\n'",
    "another Python": "import subprocess, sys\n"
    "subprocess.run([sys.executable, '-c', 'import numpy, coursekit, sqlite3; numpy.ones(3)'], check=True)",
    "itself in /proc": "assert Path('/proc/self/exe').resolve() and os.listdir('/proc/self/fd')\n"
    "import psutil; assert psutil.Process().memory_info().rss and os.cpu_count()",
    "locks between processes": "import multiprocessing\nwith multiprocessing.Lock(): pass",
    "sockets in its folder": "one = socket.socket(socket.AF_UNIX); one.bind('s'); one.listen()\n"
    "socket.socket(socket.AF_UNIX).connect('s')",
    "a signal to itself": "signal.signal(signal.SIGUSR1, lambda *_: None); os.kill(os.getpid(), signal.SIGUSR1)",
    "the time here": "import time; time.localtime()",
}


@pytest.mark.parametrize("source", WORKS.values(), ids=WORKS)
def test_what_a_kernel_needs_works(place, source):
    before = WARM if "matplotlib" in source else ""

    done = place.run(place.policy(*LAYERS), source, before)

    assert done.returncode == 0, done.stderr


def test_the_whole_policy_travels_as_json(place):
    policy = replace(place.policy("landlock", "limits"), devices=("/dev/full",), cuda=True)

    assert Policy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layers": frozenset({"magic"})}, "magic"),
        ({"layers": frozenset({"view"})}, "needs 'namespaces'"),
        ({"readable": ("usr",)}, "not absolute: usr"),
        ({"devices": ("nvidia0",)}, "not absolute: nvidia0"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Policy(**{"readable": (), "writable": (), **wrong})


def test_a_kernel_may_read_the_packages_of_the_repository_and_nothing_else_of_it(monkeypatch, tmp_path):
    course, other = tmp_path / "course", tmp_path / "other"
    for folder in (course, other):
        folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(course), str(other), str(REPOSITORY), str(tmp_path), *sys.path])

    readable = [Path(each) for each in default_readable(course)]

    assert {REPOSITORY / "autograder", REPOSITORY / "coursekit", other} <= set(readable)
    closed = [REPOSITORY / "source", REPOSITORY / "tests", REPOSITORY / "gradebook.db", course, Path.home() / "a"]
    assert [(path, each) for path in closed for each in readable if path.is_relative_to(each)] == []


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("raise SystemExit(7)", 7),
        ("os._exit(0)", 0),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("os.abort()", -signal.SIGABRT),
        ("ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_the_guardian_ends_as_the_candidate_ends(place, source, status):
    assert place.run(place.policy(*LAYERS), source).returncode == status


def test_what_the_candidate_left_running_ends_with_it(place):
    # The output has its end when the last process that could write to it is gone: else this waits for long.
    source = "if os.fork() == 0:\n    os.setsid(); signal.pause()\nprint('left', flush=True)"

    assert place.run(place.policy(*LAYERS), source).stdout == "left\n"


def test_everything_ends_with_the_guardian(place):
    # The candidate does what it can to outlive it: another session, no signal at its parent's death.
    source = "os.fork() or os.setsid(); ctypes.CDLL(None).prctl(1, 0); os.write(1, b'here\\n'); signal.pause()"
    with place.started(place.policy(*LAYERS), source) as process:
        assert process.stdout.readline() + process.stdout.readline() == "here\nhere\n"
        process.kill()

        assert process.communicate(timeout=SECONDS) == ("", "")


def test_an_interrupt_of_the_group_reaches_the_candidate_and_leaves_the_guardian(place):
    # Held back until it is waited for: it may come before.
    source = """
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print('here', flush=True)
signal.sigwait([signal.SIGINT])
print('interrupted')
"""
    with place.started(place.policy(*LAYERS), source) as process:
        assert process.stdout.readline() == "here\n"
        os.killpg(process.pid, signal.SIGINT)

        assert process.communicate(timeout=SECONDS)[0] == "interrupted\n"
        assert process.returncode == 0


def test_orphans_leave_no_zombies(place):
    source = """
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.write(write, str(os.getpid()).encode())
    os._exit(0)
os.wait()
orphan = Path('/proc', os.read(read, 10).decode())
signal.alarm(20)
while orphan.exists():
    os.sched_yield()
"""
    assert place.run(place.policy(*LAYERS), source).returncode == 0


def test_where_namespaces_are_forbidden_the_refusal_says_what_to_do(place):
    before = """
from pathlib import Path
from autograder.sandbox import system
user = os.getuid()
system.unshare(0x10000000)
Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
Path("/proc/sys/user/max_user_namespaces").write_text("0")
"""
    done = place.run(place.policy(*LAYERS), "print('free')", before)

    assert (done.returncode, done.stdout) == (1, "")
    assert "SandboxError: The sandbox's layer 'namespaces' cannot be applied" in done.stderr
    assert "user.max_user_namespaces" in done.stderr


def test_where_landlock_is_missing_the_refusal_says_what_to_do(place):
    before = """
import errno
from autograder.sandbox import system
asked = system.syscall
def without_landlock(number, *arguments):
    if number in (444, 445, 446):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return asked(number, *arguments)
system.syscall = without_landlock
"""
    done = place.run(place.policy(*LAYERS), "print('free')", before)

    assert (done.returncode, done.stdout) == (1, "")
    assert "SandboxError: The sandbox's layer 'landlock' cannot be applied" in done.stderr
    assert "CONFIG_SECURITY_LANDLOCK" in done.stderr


@pytest.mark.parametrize(
    ("layers", "who"), [(LAYERS, "view"), (("namespaces", "landlock"), "landlock")], ids=["view", "landlock"]
)
def test_a_path_that_is_not_there_is_named(place, layers, who):
    plain = place.policy(*layers).to_json()
    policy = Policy.from_json({**plain, "readable": [*plain["readable"], "/nowhere/at/all"]})

    done = place.run(policy, "print('free')")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"layer '{who}'" in done.stderr
    assert "/nowhere/at/all" in done.stderr


def test_a_process_with_threads_is_refused(place):
    before = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"

    done = place.run(place.policy("landlock"), "print('free')", before)

    assert (done.returncode, done.stdout) == (1, "")
    assert "more than one thread" in done.stderr


def test_the_doctor_finds_every_layer_working():
    # In a process of its own, for it to have one thread whatever runs these tests.
    program = "from autograder.sandbox import probe\nfor each in probe(): print(each.name, each.works, each.reason)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=SECONDS, check=True
    )

    told = [line.split(maxsplit=2) for line in done.stdout.splitlines()]

    assert [(line[0], line[1]) for line in told] == [(name, "True") for name in LAYERS], done.stdout


def test_a_trial_that_does_not_end_says_that_the_machine_is_busy(monkeypatch):
    monkeypatch.setattr(probing, "_SECONDS", 1)

    works, reason, remedy = probing._in_fork(signal.pause)

    assert not works
    assert reason == "trying it took longer than 1 s: this machine is very busy"
    assert remedy == "Try again later."
