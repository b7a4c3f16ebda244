"""What a warm kernel leaves out of ipykernel's, and that nothing is lost by it."""

from __future__ import annotations

import asyncio
import threading

import pytest
import zmq
from ipykernel.iostream import IOPubThread
from jupyter_client.manager import start_new_kernel
from jupyter_client.session import Session

from autograder.kernels.application import Stream
from tests.kernel.conftest import printed, wait_until_gone


class SlowSession(Session):
    """Publishes a message only when it is let, and notes it."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[str] = []
        self.begun, self.let = threading.Event(), threading.Event()

    def send(self, _stream, message, *_, **__):
        self.begun.set()
        assert self.let.wait(10)
        self.published.append(message["content"]["text"])
        return message


@pytest.fixture
def publishing():
    """A stream, its session, and the thread that publishes what is written to it."""
    context = zmq.Context()
    thread = IOPubThread(context.socket(zmq.PUB))
    thread.start()
    session, cancelled = SlowSession(), threading.Event()
    stream = Stream(session, thread, "stdout", watchfd=False)
    yield stream, session, thread
    session.let.set()
    thread.schedule(lambda: _cancel(thread._event_pipe_gc_task, cancelled))
    assert cancelled.wait(10)
    thread.stop()
    thread.close()
    context.term()


def _cancel(task: asyncio.Task[None], cancelled: threading.Event) -> None:
    """Cancel what the thread would leave unfinished, and complain of at the end."""
    task.add_done_callback(lambda _: cancelled.set())
    task.cancel()


def test_a_flush_publishes_what_was_written(publishing):
    stream, session, _ = publishing
    session.let.set()

    stream.write("a")
    stream.write("b")
    stream.flush()

    assert session.published == ["ab"]


def test_a_flush_with_nothing_to_publish_waits_for_nobody(publishing, monkeypatch):
    stream, _, thread = publishing
    monkeypatch.setattr(thread, "schedule", lambda _: pytest.fail("it was given something to do"))

    stream.flush()


def test_a_flush_waits_for_what_is_being_published_though_nothing_more_is_written(publishing):
    stream, session, thread = publishing
    stream.write("a")
    thread.schedule(stream._flush)
    assert session.begun.wait(10)  # in the hands of the other thread, not yet in the queue

    flushing = threading.Thread(target=stream.flush)
    flushing.start()
    flushing.join(0.2)
    was_waiting = flushing.is_alive()
    session.let.set()
    flushing.join(10)

    assert was_waiting
    assert not flushing.is_alive()
    assert session.published == ["a"]


def test_every_word_of_many_cells_arrives_with_its_cell(run_cells):
    # Words that were written a fifth of a second before the end of a cell, when the other thread begins to publish.
    source = "import time\nfor word in range(40):\n    print(word)\n    time.sleep(0.0051)"

    runs = run_cells(*[source] * 15)

    assert [printed(run) for run in runs] == ["".join(f"{word}\n" for word in range(40))] * 15


def test_a_warm_kernel_has_no_thread_for_subshells_nor_a_heartbeat_nor_a_list_of_its_modules(run_cells):
    (run,) = run_cells(
        "import sys, threading\nfrom ipykernel import ipkernel\n"
        "print(sorted(type(thread).__name__ for thread in threading.enumerate()))\n"
        "print(get_ipython().kernel._kernel_modules, len(ipkernel.sys.modules) > 500, ipkernel.sys is sys)"
    )

    threads, modules = printed(run).splitlines()
    assert "ControlThread" in threads
    assert "Shell" not in threads
    assert "Heartbeat" not in threads
    assert modules == "[] True True"


@pytest.mark.parametrize(
    ("arguments", "heard"),
    [
        ([], ["status", "execute_input", "execute_result", "status"]),
        (["--WarmKernel.is_terse=True"], ["execute_result", "status"]),
    ],
)
def test_a_terse_kernel_tells_outputs_and_the_end_alone(folder, monkeypatch, arguments, heard):
    monkeypatch.chdir(folder)
    manager, client = start_new_kernel(kernel_name="warm", extra_arguments=arguments)
    try:
        asked = client.execute("6 * 7")
        messages = []
        while not messages or messages[-1]["content"].get("execution_state") != "idle":
            message = client.get_iopub_msg(timeout=20)
            if message["parent_header"].get("msg_id") == asked:
                messages.append(message)
        assert [message["msg_type"] for message in messages] == heard
        pid = manager.provisioner.pid
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    wait_until_gone(pid)


def test_a_warm_kernel_has_all_of_ipythons_syntax_and_the_shell_that_programs_know(run_cells):
    runs = run_cells(
        "import asyncio\nprint(await asyncio.sleep(0, 'waited'))",
        "found = !echo called\nprint(found)",
        "%time print('timed')",
        "print(type(get_ipython()).__name__)",
        "def f():\n    return 1 / 0\n",
        "f()",
    )

    assert [printed(run).splitlines()[:1] for run in runs[:4]] == [
        ["waited"],
        ["['called']"],
        ["timed"],
        ["ZMQInteractiveShell"],
    ]
    # Each line is found again in its own cell.
    (output,) = runs[5].outputs
    trace = "\n".join(output["traceback"])
    assert "In[5]" in trace
    assert "In[6]" in trace
    assert "return" in trace


def test_the_grader_has_its_kernels_terse(run_cells):
    (run,) = run_cells("print(get_ipython().kernel.is_terse)")

    assert printed(run) == "True\n"
