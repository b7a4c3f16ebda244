"""Warm kernels: how cells end, how kernels end, and what a fork does not inherit."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import psutil
import pytest
from jupyter_client.manager import start_new_kernel

from autograder.kernels import provisioner
from autograder.kernels.kernel import End, Kernel, KernelError
from autograder.kernels.outputs import Talk
from autograder.kernels.process import ForkServer, ForkServerError
from autograder.kernels.server import Request
from tests.kernel.conftest import printed, wait_until_gone


@pytest.fixture
def own_server(monkeypatch):
    """A fork server of this test's own, that has imported next to nothing; kernels are forked from it."""
    with ForkServer(()) as server:
        monkeypatch.setattr(provisioner, "shared_server", lambda: server)
        yield server


@pytest.fixture
def signpost(folder):
    """A pipe in the kernel's folder: a cell that opens and closes it tells the test that it has come that far."""
    (folder / "w").mkdir()
    os.mkfifo(folder / "w" / "signpost")
    return folder / "w" / "signpost"


REACHED = "open('signpost', 'w').close()"


# Cells


def test_a_cell_runs_and_what_it_says_arrives(run_cells):
    (run,) = run_cells("import sys\nprint('out')\nprint('err', file=sys.stderr)\n2 * 21")

    assert run.end is End.OK
    assert [output["output_type"] for output in run.outputs] == ["stream", "stream", "execute_result"]
    assert [output["text"] for output in run.outputs[:2]] == ["out\n", "err\n"]
    assert run.outputs[2]["data"] == {"text/plain": "42"}
    assert 0 < run.seconds < 20


def test_an_error_is_told_and_what_was_said_before_it_is_kept(run_cells):
    run, after = run_cells("print('before')\nraise ValueError('no')", "print('after')")

    assert (run.end, run.error_name, run.error_message) == (End.ERROR, "ValueError", "no")
    assert [output["output_type"] for output in run.outputs] == ["stream", "error"]
    assert printed(after) == "after\n"


def test_a_cell_that_does_not_end_is_interrupted_and_the_kernel_lives_on(with_kernel):
    async def talk(kernel):
        endless = await kernel.run("x = 1\nwhile True: x += 1", timeout=0.5)
        return endless, await kernel.run("print(x > 1)", timeout=20)

    endless, after = with_kernel(talk)

    assert (endless.end, endless.error_name, endless.overdue) == (End.TIMEOUT, "KeyboardInterrupt", True)
    assert 0.5 <= endless.seconds < 4
    assert (after.end, printed(after)) == (End.OK, "True\n")


# What comes while Python runs a __del__, or a callback of the garbage collector as JAX has one, it only prints.
LOSES_AN_INTERRUPT = """
class Busy:
    def __del__(self):
        while True: pass
Busy()
"""


def test_an_interrupt_that_python_drops_is_followed_by_another(with_kernel):
    async def talk(kernel):
        endless = await kernel.run(LOSES_AN_INTERRUPT + "while True: pass", timeout=0.5)
        return endless, await kernel.run("print('on')", timeout=20)

    endless, after = with_kernel(talk)

    assert (endless.end, endless.error_name) == (End.TIMEOUT, "KeyboardInterrupt")
    assert printed(after) == "on\n"


def test_a_cell_that_ignores_the_interrupt_is_killed_with_its_kernel(with_kernel):
    source = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
print('here', flush=True)
while True: pass
"""

    async def talk(kernel):
        run = await kernel.run(source, timeout=0.5)
        return run, await kernel.death, await kernel.run("1", timeout=5)

    run, code, after = with_kernel(talk)

    assert (run.end, run.overdue, code) == (End.DIED, True, -signal.SIGKILL)
    assert printed(run) == "here\n"
    assert after.end is End.DIED


def test_a_kernel_that_ends_itself_is_noticed_at_once_with_its_exit_code(with_kernel):
    async def talk(kernel):
        return await kernel.run(
            "import os\nprint('last words', flush=True)\nos._exit(3)", timeout=20
        ), await kernel.death

    run, code = with_kernel(talk)

    assert (run.end, run.overdue, code) == (End.DIED, False, 3)
    assert run.seconds < 10


@pytest.mark.parametrize("source", ["exit()", "quit"])
def test_a_kernel_that_was_asked_to_exit_has_ended_when_the_cell_has(with_kernel, source):
    async def talk(kernel):
        return await kernel.run(source, timeout=20), await kernel.death

    run, code = with_kernel(talk)

    assert (run.end, code) == (End.DIED, 0)


def test_a_kernel_can_be_killed_in_the_middle_of_a_cell(signpost, with_kernel):
    async def talk(kernel):
        work = asyncio.create_task(kernel.run(f"{REACHED}\nwhile True: pass", timeout=20))
        await asyncio.to_thread(signpost.read_bytes)
        kernel.kill()
        return await work, await kernel.death

    run, code = with_kernel(talk)

    assert (run.end, code) == (End.DIED, -signal.SIGKILL)


def test_input_does_not_hang(run_cells):
    (run,) = run_cells("input('Your name? ')")

    assert (run.end, run.error_name) == (End.ERROR, "StdinNotImplementedError")


def test_expressions_are_evaluated_after_a_cell_that_succeeded(with_kernel):
    async def talk(kernel):
        asked = {"sum": "1 + 1", "wrong": "nothing"}
        return [await kernel.run(source, timeout=20, expressions=asked) for source in ("x = 1", "1 / 0")]

    good, bad = with_kernel(talk)

    assert good.expressions == {"sum": "2"}
    assert bad.expressions == {}


def test_a_silent_run_leaves_no_trace(with_kernel):
    async def talk(kernel):
        await kernel.run("x = 1", timeout=20, silent=True)
        return await kernel.run("print(x, len(In))", timeout=20)

    assert printed(with_kernel(talk)) == "1 2\n"


def test_figures_arrive_inline_without_a_word_about_how_to_draw(run_cells):
    run, again = run_cells("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", "plt.plot([2, 1]);")

    for each in (run, again):
        (figure,) = each.outputs
        assert figure["output_type"] == "display_data"
        assert figure["data"]["image/png"].startswith("iVBORw0KGgo")


def test_progress_that_is_cleared_and_updated_leaves_its_last_state(run_cells):
    (run,) = run_cells("""
from IPython.display import clear_output, display
handle = display('one', display_id=True)
handle.update('two')
for n in range(3):
    print(n)
    if n < 2:
        clear_output(wait=True)
""")

    assert [output.get("text") for output in run.outputs] == ["2\n"]


def test_a_cell_that_says_too_much_is_stopped_and_the_kernel_goes_on(run_cells):
    source = "import time\nwhile True:\n    print('x' * 500_000, flush=True)\n    time.sleep(0.05)"

    flood, after = run_cells(source, "print('after')", timeout=60)

    assert (flood.end, flood.flooding, flood.overdue) == (End.FLOOD, "characters", False)
    assert sum(len(output["text"]) for output in flood.outputs if "text" in output) < Talk.characters + 200
    assert any("left out" in output.get("text", "") for output in flood.outputs)
    assert printed(after) == "after\n"


def test_a_cell_that_says_it_faster_than_it_can_be_read_is_stopped_all_the_same(run_cells):
    (flood,) = run_cells("while True: print('x' * 100_000)", timeout=60)

    assert flood.end in (End.FLOOD, End.DIED)
    assert flood.flooding
    assert flood.seconds < 30


@pytest.mark.parametrize(
    "source",
    ["print('x' * 100_000_000)", "get_ipython().display_pub.publish({'text/plain': 'x' * 100_000_000})"],
)
def test_a_message_that_is_too_large_to_be_read_ends_the_kernel_at_once_and_is_told_as_too_much(run_cells, source):
    (flood,) = run_cells(source, timeout=60)
    assert (flood.end, flood.flooding, flood.overdue) == (End.DIED, "characters", False)
    assert flood.seconds < 30


FORGE = """
kernel = get_ipython().kernel
session, socket, parent = kernel.session, kernel.iopub_socket, kernel.get_parent()['header']

def send(kind, content=b'{}', parent=session.pack(parent)):
    parts = [session.pack(session.msg_header(kind)), parent, b'{}', content]
    socket.send_multipart([b'x', b'<IDS|MSG>', session.sign(parts), *parts])

send('stream')
send('stream', b'{"name": "stdout", "text": 7}')
send('display_data', b'{"data": 7}')
send('display_data', b'{"data": {"text/plain": 7, "text/html": ["a"]}, "metadata": 7}')
send('execute_result', b'{"data": {"text/plain": "\\ud800"}}')
send('error', b'{"traceback": 7, "evalue": "\\ud800"}')
send('update_display_data', b'{"data": {}, "transient": 7}')
send('clear_output', b'7')
send('status')
send('status', b'[]')
send('stream', b'[' * 100_000)
send('stream', b'no json')
send('stream', parent=b'7')
send('stream', parent=b'{"msg_id": ["x"]}')
send(['stream'])
socket.send_multipart([b'garbage'])
socket.send_multipart([b'x', b'<IDS|MSG>', b'no signature', b'{}', b'{}', b'{}', b'{}'])
print('fine')
"""


def test_messages_that_are_none_do_no_harm(run_cells):
    forge, after = run_cells(FORGE, "print('after')")

    assert forge.end is End.OK
    assert printed(forge) == "fine\n"
    assert printed(after) == "after\n"
    cell = nbformat.v4.new_code_cell(outputs=nbformat.from_dict(forge.outputs))
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))


def test_a_forged_end_of_a_cell_is_the_forgers_own_loss(run_cells):
    forge, after = run_cells(
        FORGE + "send('status', b'{\"execution_state\": \"idle\"}')\nprint('late')", "print('after')"
    )

    assert forge.end is End.OK
    assert printed(after) == "after\n"


def test_two_kernels_work_at_the_same_time(folder):
    async def both():
        for name in "abcd":
            (folder / name).mkdir()
        starts = [
            Kernel.start(connection=folder / connection, cwd=folder / work, environment={})
            for connection, work in ("ab", "cd")
        ]
        one, two = await asyncio.gather(*starts)
        async with one, two:
            await asyncio.gather(one.run("x = 1", timeout=20), two.run("x = 2", timeout=20))
            return await asyncio.gather(*(kernel.run("print(x)", timeout=20) for kernel in (one, two)))

    assert [printed(run) for run in asyncio.run(both())] == ["1\n", "2\n"]


# Where a kernel works


def test_a_kernel_works_in_its_folder_and_finds_the_modules_there_and_none_of_the_graders(with_kernel, folder):
    (folder / "w").mkdir()
    (folder / "w" / "beside_the_notebook.py").write_text("value = 7")

    async def talk(kernel):
        source = "import os, sys, beside_the_notebook\nprint(beside_the_notebook.value, os.getcwd(), '' in sys.path)"
        return await kernel.run(source, timeout=20)

    assert printed(with_kernel(talk)) == f"7 {folder / 'w'} True\n"


def test_the_folder_in_which_the_server_was_started_is_not_searched_for_modules(folder, monkeypatch, run_cells):
    (folder / "of_the_grader.py").write_text("")
    monkeypatch.chdir(folder)
    with ForkServer(()) as server:
        monkeypatch.setattr(provisioner, "shared_server", lambda: server)
        (run,) = run_cells("import of_the_grader")

    assert run.error_name == "ModuleNotFoundError"


def test_the_server_keeps_the_bytecode_of_what_it_imports_and_a_kernel_keeps_none(folder, monkeypatch, run_cells):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    for name in ("of_the_server", "of_a_kernel"):
        (folder / f"{name}.py").write_text("")
    with ForkServer(("of_the_server",)) as server:
        monkeypatch.setattr(provisioner, "shared_server", lambda: server)
        (run,) = run_cells("import of_the_server, of_a_kernel\nprint(of_a_kernel.__file__)")

    assert printed(run) == f"{folder / 'of_a_kernel.py'}\n"
    assert [path.name.split(".")[0] for path in folder.glob("__pycache__/*")] == ["of_the_server"]


def test_a_kernel_looks_for_garbage_as_any_python_does(run_cells):
    source = "import gc\nprint(gc.isenabled(), gc.get_threshold())"
    (run,) = run_cells(source)

    usual = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout
    assert printed(run) == usual


HOW_MANY_ARE_DRAWN = "from coursekit import data\nprint(data._drawn.cache_info().currsize)"


def test_what_the_server_has_drawn_its_kernels_need_not_draw(folder, monkeypatch, run_cells):
    with ForkServer(("coursekit.data",)) as server:
        monkeypatch.setattr(provisioner, "shared_server", lambda: server)
        (before,) = run_cells(HOW_MANY_ARE_DRAWN)
        (folder / "c").rename(folder / "of-the-first")
        server.prepare(["mnist", "a set that nobody knows"])
        server.prepare(["mnist"])
        after = run_cells(HOW_MANY_ARE_DRAWN, "data.load('mnist')", HOW_MANY_ARE_DRAWN, COURSE_DATA_SOURCE="standin")

    # Training, validation and test; the hold-out pictures are for each examiner to draw.
    assert [printed(run) for run in (before, after[0], after[2])] == ["0\n", "3\n", "3\n"]
    assert "6000 training" in printed(after[1])


# What a fork does not inherit


def test_two_kernels_draw_different_random_numbers(folder, run_cells, with_kernel):
    source = """
import random, secrets, tempfile, uuid
import keras, numpy as np, tensorflow as tf
print(random.random())
print(np.random.random())
print(np.random.default_rng().random())
print(float(keras.random.uniform(())))
print(float(tf.random.uniform(())))
print(float(keras.layers.Dense(1).build((1, 1)) or keras.initializers.GlorotUniform()((1, 1))[0, 0]))
print(uuid.uuid4(), secrets.token_hex(8), next(tempfile._get_candidate_names()))
"""
    (first,) = run_cells(source)
    (folder / "c").rename(folder / "of-the-first")
    (second,) = run_cells(source)

    lines = [printed(run).splitlines() for run in (first, second)]
    assert [len(each) for each in lines] == [7, 7]
    assert all(one != two for one, two in zip(*lines, strict=True))


def test_nothing_of_the_graders_environment_is_left(monkeypatch, run_cells):
    monkeypatch.setenv("SEED_OF_THE_GRADER", "cannot-guess-this")
    with ForkServer((), {"OF_THE_SERVER": "nor-this"}) as server:
        monkeypatch.setattr(provisioner, "shared_server", lambda: server)
        runs = run_cells(
            "import os, pathlib\nprint(sorted(os.environ))",
            "print(pathlib.Path('/proc/self/environ').read_bytes())",
            OF_THE_KERNEL="1",
        )

    names = printed(runs[0])
    assert "OF_THE_KERNEL" in names
    assert "OF_THE_SERVER" not in names
    assert "GRADER" not in names
    assert "cannot-guess-this" not in printed(runs[1])


def test_temporary_files_lie_where_the_kernels_own_environment_says(run_cells, tmp_path):
    # Something that the server has imported may have asked for the folder already, and Python remembers the answer.
    (run,) = run_cells("import tempfile\nprint(tempfile.mkdtemp())", TMPDIR=str(tmp_path))

    assert Path(printed(run).strip()).parent == tmp_path


def test_a_kernel_holds_no_socket_of_the_server(own_server, with_kernel):
    def sockets(pid):
        places = (str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
        return {place for place in places if place.startswith(("socket:", "pipe:"))}

    async def talk(kernel):
        return sockets(kernel.pid), sockets(psutil.Process(kernel.pid).ppid())

    of_the_kernel, of_the_server = with_kernel(talk)

    assert of_the_kernel
    assert of_the_server
    assert not of_the_kernel & of_the_server


# How kernels end

CHILDREN = """
import os, subprocess, sys
sleep = [sys.executable, '-c', 'import time; time.sleep(600)']
in_the_group = subprocess.Popen(sleep).pid
in_a_session_of_its_own = subprocess.Popen(sleep, start_new_session=True).pid
code = 'import subprocess as s, sys; print(s.Popen(sys.argv[1:], start_new_session=True, stdout=s.DEVNULL).pid)'
its_parent_is_gone = int(subprocess.run([sys.executable, '-c', code, *sleep], stdout=subprocess.PIPE).stdout)
print(in_the_group, in_a_session_of_its_own, its_parent_is_gone)
"""


def children_of(run):
    pids = [int(pid) for pid in printed(run).split()]
    assert len(pids) == 3
    return pids


def test_a_kernels_whole_process_tree_ends_with_it(own_server, with_kernel):
    async def talk(kernel):
        run = await kernel.run(CHILDREN, timeout=20)
        return [kernel.pid, *children_of(run)], [psutil.pid_exists(pid) for pid in children_of(run)]

    pids, alive = with_kernel(talk)

    assert alive == [True] * 3
    for pid in pids:
        wait_until_gone(pid)


def test_a_kernel_that_ends_leaves_the_processes_of_another_alone(own_server, folder):
    async def two():
        for name in "abcd":
            (folder / name).mkdir()
        start = {"environment": {}}
        async with await Kernel.start(connection=folder / "a", cwd=folder / "b", **start) as staying:
            pids = children_of(await staying.run(CHILDREN, timeout=20))
            async with await Kernel.start(connection=folder / "c", cwd=folder / "d", **start) as leaving:
                (orphan, *_) = children_of(await leaving.run(CHILDREN, timeout=20))
            wait_until_gone(orphan)
            return [psutil.pid_exists(pid) for pid in pids]

    assert asyncio.run(two()) == [True] * 3


def test_when_the_client_hangs_up_the_kernel_ends(own_server, folder):
    process = own_server.fork(Request(arguments=["-f", str(folder / "kernel.json")], cwd=str(folder), environment={}))
    pid = process.pid

    process.kill()

    assert process.wait(timeout=10) == -signal.SIGKILL
    assert process.poll() == -signal.SIGKILL
    wait_until_gone(pid)


def test_when_the_server_is_killed_its_kernels_end_and_the_cell_is_told_so(own_server, signpost, with_kernel):
    async def talk(kernel):
        server = psutil.Process(kernel.pid).parent()
        work = asyncio.create_task(kernel.run(f"{REACHED}\nwhile True: pass", timeout=20))
        await asyncio.to_thread(signpost.read_bytes)
        server.kill()
        return kernel.pid, await work, await kernel.death

    pid, run, code = with_kernel(talk)

    assert (run.end, code) == (End.DIED, -signal.SIGKILL)
    wait_until_gone(pid)


def test_when_the_server_is_closed_nothing_of_its_kernels_stays(own_server, with_kernel):
    async def talk(kernel):
        pids = [kernel.pid, *children_of(await kernel.run(CHILDREN, timeout=20))]
        own_server.close()
        return [pid for pid in pids if psutil.pid_exists(pid)]

    for pid in with_kernel(talk):
        wait_until_gone(pid)


def test_a_forked_process_has_the_face_that_jupyter_expects(own_server, signpost, folder):
    arguments = ["-f", str(folder / "kernel.json"), f"--IPKernelApp.exec_lines={REACHED}"]
    process = own_server.fork(Request(arguments=arguments, cwd=str(signpost.parent), environment={}))

    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0)
    signpost.read_bytes()
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=10) == -signal.SIGTERM
    process.terminate()
    process.kill()


# What cannot be started


def test_a_kernel_that_ends_while_it_starts_is_an_error_that_says_so(own_server, folder):
    async def start():
        await Kernel.start(connection=folder, cwd=folder / "not-there", environment={})

    with pytest.raises(KernelError, match=r"the kernel ended while it started \(exit code 1\)"):
        asyncio.run(start())

    assert "FileNotFoundError" in own_server.log_tail()


def test_a_server_that_cannot_import_its_modules_is_an_error_that_says_why(folder):
    with ForkServer(("no_such_module",)) as server, pytest.raises(ForkServerError, match="no_such_module"):
        server.fork(Request(arguments=[], cwd=str(folder), environment={}))


# Other clients


def test_any_jupyter_client_gets_a_warm_kernel_by_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    manager, client = start_new_kernel(kernel_name="warm")
    try:
        said = []
        client.execute_interactive(
            "import sys, os\nprint('tensorflow' in sys.modules, os.getcwd())",
            timeout=20,
            output_hook=lambda message: said.append(message["content"].get("text")),
        )
        assert f"True {folder}\n" in said
        pid = manager.provisioner.pid
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    wait_until_gone(pid)


def test_nbclient_runs_a_notebook_on_a_warm_kernel_and_interrupts_it(folder):
    sources = ["import sys\n'keras' in sys.modules", "while True: pass", "6 * 7"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="warm",
        timeout=1,
        interrupt_on_timeout=True,
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )

    client.execute()

    first, endless, last = (cell.outputs[0] for cell in notebook.cells)
    assert first.data["text/plain"] == "True"
    assert endless.ename == "KeyboardInterrupt"
    assert last.data["text/plain"] == "42"
