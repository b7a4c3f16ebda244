"""Writing and reaching out: submissions that change what is not theirs, or call somebody."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest

from autograder.kernels.process import shared_server
from autograder.sealed.session import Conditions
from autograder.verdict import Outcome
from tests.hostile.conftest import HONEST, REPOSITORY, Attack, commit

# Each attack says in ``got`` whether it came through.
CAME_THROUGH = "assert got"


def came_through(attacks, results):
    """The attacks that did, by their own account."""
    return {name for name in attacks if results[name].score}


# Writing


def writing_attacks(target):
    """Ways to change one file of the course, and to make a new one beside it."""
    master = str(target.files["the master"])
    folder = str(target.root / "source")
    ways = {
        "a file outside": f"open({folder + '/new'!r}, 'w').write('x')",
        "a file outside, changed": f"open({master!r}, 'r+').write('x')",
        "a file outside, cut off": f"os.truncate({master!r}, 0)",
        "a file outside, removed": f"os.remove({master!r})",
        "a file outside, renamed": f"os.rename({master!r}, 'stolen')",
        "a folder outside": f"os.mkdir({folder + '/new-folder'!r})",
        "rights": f"os.chmod({master!r}, 0o777)",
        "an owner": f"os.chown({master!r}, 1, 1)",
        "times": f"os.utime({master!r}, (0, 0))",
        "through a link": f"(os.symlink({master!r}, 'link'), open('link', 'r+').write('x'))",
        "through a link to the folder": f"(os.symlink({folder!r}, 'links'), open('links/new', 'w').write('x'))",
        "through a hard link": f"(os.link({master!r}, 'hard'), open('hard', 'r+').write('x'))",
        "through /proc/1/root": f"open('/proc/1/root' + {master!r}, 'r+').write('x')",
        "with another program": f"subprocess.run(['cp', '/dev/null', {master!r}], check=True, stderr=-3)",
    }
    return {
        f"{name}": Attack(f"import os, subprocess\ngot = attempt(lambda: [{code}])", CAME_THROUGH)
        for name, code in ways.items()
    }


OF_THE_MACHINE = {
    "the grader's code": f"open({str(REPOSITORY / 'autograder' / 'verdict.py')!r}, 'r+')",
    "Python's library": "open(os.__file__, 'r+')",
    "the system's programs": "open('/usr/bin/env', 'r+b')",
    "the system's settings": "open('/etc/hosts', 'a')",
    "the machine's settings": "open('/proc/sys/kernel/core_pattern', 'w')",
    "the root folder": "open('/new', 'w')",
    "the temporary folder": "open('/tmp/new', 'w')",
    "the folder of all papers": "open('../new', 'w')",
    "the examiner's folder": "open('../examiner/new', 'w')",
    "a mount": "subprocess.run(['mount', '-t', 'tmpfs', 'none', '/usr'], check=True, stderr=-3)",
    "another root": "os.chroot('/usr')",
    "a device": "os.mknod('disk', 0o60600, os.makedev(254, 0))",
}


def test_nothing_outside_is_written(target, confined):
    attacks = writing_attacks(target)
    attacks |= {
        name: Attack(f"import os, subprocess\ngot = attempt(lambda: [{code}])", CAME_THROUGH)
        for name, code in OF_THE_MACHINE.items()
    }
    before = state(target.root)

    results = commit(attacks, confined)

    assert came_through(attacks, results) == set()
    assert all("denied: " in results[name].said for name in attacks), results.by_name
    assert results[HONEST].outcome is Outcome.PASSED
    assert state(target.root) == before


def state(root):
    """What is in a folder, with contents, rights, owners and times."""
    facts = {}
    for path in sorted(root.rglob("*")):
        about = path.stat()
        content = path.read_bytes() if path.is_file() else b""
        facts[path] = (content, about.st_mode, about.st_uid, about.st_nlink, about.st_mtime_ns)
    return facts


@pytest.fixture
def victim(tmp_path):
    """A course of its own for whoever may change it."""
    (tmp_path / "source").mkdir()
    master = tmp_path / "source" / "a.ipynb"
    master.write_text("master")
    return type("Victim", (), {"root": tmp_path, "files": {"the master": master}})


@pytest.mark.parametrize("name", ["a file outside", "a file outside, changed", "through a link", "rights", "times"])
def test_without_a_sandbox_it_would_be_written(name, victim):
    attacks = {name: writing_attacks(victim)[name]}
    before = state(victim.root)

    assert came_through(attacks, commit(attacks, Conditions())) == {name}
    assert state(victim.root) != before


def test_the_servers_log_is_not_written(confined):
    line = f"forged {uuid4().hex}"
    forgery = Attack(
        "import os\n"
        "got = 0\n"
        "for number in os.listdir('/proc/self/fd'):\n"
        "    link = f'/proc/self/fd/{number}'\n"
        "    if os.path.lexists(link) and os.readlink(link).endswith('server.log'):\n"
        f"        got += attempt(os.write, int(number), b'{line}\\n') or 0",
        CAME_THROUGH,
    )

    results = commit({"the log": forgery}, confined)

    assert results["the log"].score == 0
    assert line not in shared_server().log_tail()


# Reaching out


@dataclass
class Listeners:
    """
    Where a submission might call: what listens on this machine.

    Attributes
    ----------
    attacks : dict
        For each listener an attack that calls it.
    sockets : dict
        The listeners.
    """

    attacks: dict[str, Attack] = field(default_factory=dict)
    sockets: dict[str, socket.socket] = field(default_factory=dict)

    def add(self, name: str, listener: socket.socket, kind: str, address: object) -> None:
        listener.setblocking(False)
        self.sockets[name] = listener
        self.attacks[name] = Attack(
            "import socket\n"
            "def call():\n"
            f"    with socket.socket({kind}) as line:\n"
            "        line.settimeout(2)\n"
            f"        line.connect({address!r})\n"
            "        return line.send(b'loot')\n"
            "got = attempt(call)",
            CAME_THROUGH,
        )

    def called(self) -> set[str]:
        """The listeners that somebody has called."""
        names = set()
        for name, listener in self.sockets.items():
            with contextlib.suppress(BlockingIOError):
                if listener.type == socket.SOCK_DGRAM:
                    listener.recv(16)
                else:
                    listener.accept()[0].close()
                names.add(name)
        return names


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """One listener of each kind."""
    found = Listeners()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="l-")))
        kinds = {
            "TCP": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            "UDP": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            "a socket in a folder": (socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "stream")),
            "a datagram socket in a folder": (socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "datagram")),
            "an abstract socket": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0hostile-{uuid4().hex}"),
            "an abstract datagram socket": (socket.AF_UNIX, socket.SOCK_DGRAM, f"\0hostile-{uuid4().hex}"),
        }
        for name, (family, kind, address) in kinds.items():
            listener = stack.enter_context(socket.socket(family, kind))
            listener.bind(address)
            if kind == socket.SOCK_STREAM:
                listener.listen(8)
            where = listener.getsockname()
            if isinstance(where, bytes):
                where = where.decode()
            found.add(name, listener, f"{int(family)}, {int(kind)}", where)
        yield found


# These call nobody who is there: they must fail at the first step, not in waiting for an answer.
TO_THE_WORLD = {
    "the name of a machine": "socket.getaddrinfo('localhost.localdomain.example', 80)",
    "a name server, by UDP": "socket.socket(2, 2).sendto(bytes(12), ('192.0.2.53', 53))",
    "a machine, by IPv6": "socket.socket(10, 1).connect(('2001:db8::1', 80))",
    "raw packets": "socket.socket(2, 3, 1)",
    "frames": "socket.socket(17, 3, 768)",
    "an address of the cloud": "urllib.request.urlopen('http://169.254.169.254/', timeout=5)",
    "signals to every process": "os.kill(1, 9)",
}


def test_nobody_is_called(listeners, confined):
    world = {
        name: Attack(f"import os, socket, urllib.request\ngot = attempt(lambda: [{code}])", CAME_THROUGH)
        for name, code in TO_THE_WORLD.items()
    }

    results = commit(listeners.attacks | world, confined)

    assert came_through(listeners.attacks | world, results) == set()
    assert all("denied: " in results[name].said for name in listeners.attacks | world), results.by_name
    assert results[HONEST].outcome is Outcome.PASSED
    assert listeners.called() == set()


def test_without_a_sandbox_everybody_here_would_be_called(listeners):
    results = commit(listeners.attacks, Conditions())

    assert came_through(listeners.attacks, results) == set(listeners.attacks)
    assert listeners.called() == set(listeners.attacks)
