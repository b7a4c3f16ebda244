"""A kernel as the grader uses it: started, given cells one by one, interrupted, killed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hmac import compare_digest
from pathlib import Path
from typing import Any

import zmq
import zmq.asyncio
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.session import Session

from autograder.errors import AutograderError
from autograder.kernels.outputs import Outputs, Talk, clean
from autograder.kernels.process import ForkedProcess, can_fork, shared_server
from autograder.kernels.usage import Ceiling, Watch
from autograder.sandbox import Policy

KERNEL_NAME = "warm"
OPTIONS = ("--HistoryManager.enabled=False", "--WarmKernel.is_terse=True")
"""What the grader asks of a kernel besides; one that is not warm makes nothing of the second."""

_START_SECONDS = 60.0
_INTERRUPT_GRACE_SECONDS = 3.0
# Python drops an interrupt that comes while a callback of the garbage collector or a __del__ runs: JAX has one such.
_INTERRUPT_AGAIN_SECONDS = 1.5
_WATCH_SECONDS = 0.25
_IOPUB_RETRY_SECONDS = 0.5
# How soon a socket tries again while the kernel is still starting; ZeroMQ's own 100 ms would be half of the wait.
_RECONNECT_MILLISECONDS = 5
_MAX_MESSAGE_BYTES = 64 * 2**20
_DYING_SECONDS = 2.0
# How many times as much as one cell all cells together may say.
_TALKATIVE_CELLS = 8


class KernelError(AutograderError):
    """A kernel could not be started."""


class End(StrEnum):
    """How the run of a cell ended."""

    OK = "ok"
    ERROR = "error"
    FLOOD = "flood"
    TIMEOUT = "timeout"
    DIED = "died"


@dataclass(frozen=True)
class CellRun:
    """
    What came of running one cell.

    Attributes
    ----------
    end : End
        ``error``: an exception; ``timeout``: stopped at its limit, the kernel lives; ``flood``: stopped for saying too
        much, the kernel lives; ``died``: the kernel is gone.
    outputs : list of dict
        Outputs in the notebook format.
    error_name, error_message : str
        Class and text of the exception, if there was one.
    expressions : dict
        Text of each user expression that was asked for and could be evaluated.
    seconds : float
        Wall-clock time.
    overdue : bool
        The cell had reached its limit of time, whatever came of it then.
    flooding : str
        Of what the cell had said more than it may, whatever came of it then: ``"characters"``, ``"messages"``; else
        empty.
    """

    end: End
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error_name: str = ""
    error_message: str = ""
    expressions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    overdue: bool = False
    flooding: str = ""


class Kernel:
    """
    One kernel and the client that talks to it.

    Made by :meth:`start`; use as an asynchronous context manager, which kills the kernel at the end.
    """

    def __init__(self, manager: AsyncKernelManager, context: zmq.asyncio.Context, talk: Talk) -> None:
        self._manager = manager
        self._talk = talk
        self._context = context
        # Without it the client would make a context of its own, in which our options do not hold.
        self._client = manager.client(context=context)
        # The provisioner lets go of it when it has ended.
        self._process = manager.provisioner.process
        self._is_killed = False
        self._death: asyncio.Task[int | None] | None = None
        self._characters_left = _TALKATIVE_CELLS * talk.characters
        self._watching: asyncio.Task[None] | None = None
        self._cut: asyncio.Task[None] | None = None
        self.exceeded = ""
        """What it used more of than it may, and was killed for: see :meth:`Watch.exceeded`."""

    @classmethod
    async def start(
        cls,
        *,
        connection: Path,
        cwd: Path,
        environment: Mapping[str, str],
        policy: Policy | None = None,
        ceiling: Ceiling = Ceiling(),  # noqa: B008 - frozen
        talk: Talk = Talk(),  # noqa: B008 - frozen
    ) -> Kernel:
        """
        Start a kernel and wait until it answers.

        Parameters
        ----------
        connection : Path
            An empty folder, short of path, for the connection file and the sockets.
        cwd : Path
            Folder in which the kernel runs.
        environment : mapping
            The kernel's whole environment; without an ``IPYTHONDIR`` IPython has its profile beside the sockets.
        policy : Policy, optional
            The sandbox in which it runs.
        ceiling : Ceiling
            What it may use together with all that it starts, before it is killed.
        talk : Talk
            What a cell may say before it is stopped.

        Raises
        ------
        KernelError
            It did not answer in time, or ended at once.
        """
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MILLISECONDS)
        context.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE_BYTES)
        manager = AsyncKernelManager(
            kernel_name=KERNEL_NAME,
            connection_file=str(connection / "kernel.json"),
            context=context,
            **({"transport": "ipc", "ip": str(connection / "s")} if can_fork() else {}),
        )
        with contextlib.ExitStack() as failing:
            failing.callback(context.destroy, linger=0)
            await manager.start_kernel(
                cwd=str(cwd),
                env={"IPYTHONDIR": str(connection), **environment},
                policy=policy,
                extra_arguments=list(OPTIONS),
            )
            failing.pop_all()
        kernel = cls(manager, context, talk)
        async with contextlib.AsyncExitStack() as failing_too:
            failing_too.push_async_callback(kernel.close)
            await kernel._wait_until_ready()
            kernel._watching = asyncio.create_task(kernel._watch(ceiling))
            kernel._cut = asyncio.create_task(kernel._until_cut())
            failing_too.pop_all()
        return kernel

    async def __aenter__(self) -> Kernel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def pid(self) -> int:
        """Process number."""
        pid: int = self._manager.provisioner.pid
        return pid

    @property
    def connection_file(self) -> Path:
        """File with the addresses and the key."""
        return Path(self._manager.connection_file)

    @property
    def death(self) -> asyncio.Task[int | None]:
        """A task that is done when the kernel has ended; its result is the exit code."""
        if self._death is None:
            self._death = asyncio.create_task(self._manager.provisioner.wait())
        return self._death

    async def was_lost(self) -> bool:
        """Tell whether the kernel ended because the fork server did."""
        if not isinstance(self._process, ForkedProcess):
            return False
        if self._process.has_ended():
            await self.death
        return self._process.lost

    async def was_killed(self) -> bool:
        """Tell whether a signal ended the kernel, and not one of ours."""
        if isinstance(self._process, ForkedProcess) and self._process.has_ended():
            await self.death
        return self.death.done() and (self.death.result() or 0) < 0 and not self._is_killed

    async def run(
        self,
        source: str,
        *,
        timeout: float,
        grace: float = _INTERRUPT_GRACE_SECONDS,
        silent: bool = False,
        expressions: Mapping[str, str] | None = None,
    ) -> CellRun:
        """
        Run a cell.

        Parameters
        ----------
        source : str
            The cell.
        timeout : float
            Seconds after which it is interrupted.
        grace : float
            Seconds after which, if it ignores that, it is killed together with the kernel.
        silent : bool
            Leave the kernel's execution count and history as they are.
        expressions : mapping, optional
            Evaluated after the cell if that succeeded.
        """
        begin = time.monotonic()
        outputs = Outputs(min(self._talk.characters, self._characters_left))
        message_id = self._client.execute(
            source,
            silent=silent,
            store_history=not silent,
            user_expressions=dict(expressions or {}),
            allow_stdin=False,
            stop_on_error=False,
        )
        flood: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        cutting = asyncio.create_task(self._flood_when_cut(flood))
        work = asyncio.gather(self._reply(message_id), self._collect(message_id, outputs, begin, flood))
        ended = await self._finish(work, timeout, flood)
        flooding = flood.result() if flood.done() else ""
        overdue = not ended and not flooding
        killed = False
        cutting.cancel()
        if not ended:
            # Of a line that was cut nothing more is to be heard.
            killed = not await self._interrupted(work, grace)
            if killed:
                self.kill()
                await self.death
        seconds = time.monotonic() - begin
        self._characters_left -= min(outputs.weight, self._talk.characters, self._characters_left)
        if killed or not work.done():
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            return CellRun(End.DIED, outputs.items, seconds=seconds, overdue=overdue, flooding=flooding)
        reply = work.result()[0]
        if _asks_to_exit(reply):
            # It ends a moment later by itself; what would run in that moment is lost with it.
            await asyncio.wait({self.death}, timeout=_INTERRUPT_GRACE_SECONDS)
            self.kill()
            await self.death
            return CellRun(End.DIED, outputs.items, seconds=seconds, overdue=overdue)
        if reply.get("status") == "ok":
            values = _texts(reply.get("user_expressions"))
            return CellRun(End.OK, outputs.items, expressions=values, seconds=seconds, overdue=overdue)
        return CellRun(
            End.TIMEOUT if overdue else End.FLOOD if flooding else End.ERROR,
            outputs.items,
            error_name=clean(reply.get("ename")) or clean(reply.get("status")),
            error_message=clean(reply.get("evalue")),
            seconds=seconds,
            overdue=overdue,
            flooding=flooding,
        )

    async def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the running cell."""
        if not self.death.done():
            await self._manager.interrupt_kernel()

    def kill(self) -> None:
        """Kill the process and its group at once."""
        process = self._manager.provisioner.process
        if process is not None:
            self._is_killed = True
            process.kill()

    async def close(self) -> None:
        """Kill the kernel and let go of its sockets."""
        self.kill()
        await self.death
        if self._watching is not None:
            await self._watching
        if self._cut is not None:
            self._cut.cancel()
            await asyncio.wait({self._cut})
        self._client.stop_channels()
        self._manager.cleanup_connection_file()
        self._context.destroy(linger=0)

    async def _finish(
        self, work: asyncio.Future[Any], timeout: float, flood: asyncio.Future[str] | None = None
    ) -> bool:
        """Wait until the cell has ended or the kernel has died; False when neither came in time or before a flood."""
        ends: set[asyncio.Future[Any]] = {work, self.death, *([] if flood is None else [flood])}
        await asyncio.wait(ends, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self.death.done() and not work.done():
            # What it said before it died may still be on its way.
            await asyncio.wait({work}, timeout=0.2)
        return work.done() or self.death.done()

    async def _interrupted(self, work: asyncio.Future[Any], grace: float) -> bool:
        """Interrupt the cell, and again while it goes on; False when it has not ended by then."""
        end = time.monotonic() + grace
        while not self._is_cut() and (left := end - time.monotonic()) > 0:
            await self.interrupt()
            if await self._finish(work, min(left, _INTERRUPT_AGAIN_SECONDS)):
                return True
        return False

    async def _wait_until_ready(self) -> None:
        self._client.start_channels(stdin=False, hb=False)
        heard = asyncio.ensure_future(self._client.iopub_channel.socket.recv_multipart())
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not heard.done():
                    await self._first_answer()
                    # The reply alone is not enough: outputs sent before our subscription arrived would be lost.
                    await asyncio.wait({heard}, timeout=_IOPUB_RETRY_SECONDS)
        except TimeoutError as error:
            msg = f"the kernel did not answer within {_START_SECONDS:.0f} s"
            raise KernelError(msg) from error
        finally:
            heard.cancel()

    async def _first_answer(self) -> None:
        reply = asyncio.create_task(self._reply(self._client.kernel_info()))
        try:
            await asyncio.wait({reply, self.death}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                msg = f"the kernel ended while it started (exit code {self.death.result()})"
                if can_fork():
                    msg = ". ".join([msg, *shared_server().log_tail().splitlines()[-1:]])
                raise KernelError(msg)
        finally:
            reply.cancel()

    async def _reply(self, message_id: str) -> dict[str, Any]:
        _, content = await self._next(self._client.shell_channel.socket, message_id)
        return content

    async def _collect(self, message_id: str, outputs: Outputs, begin: float, flood: asyncio.Future[str]) -> None:
        while True:
            kind, content = await self._next(self._client.iopub_channel.socket, message_id, outputs.pass_over)
            if kind == "status" and content.get("execution_state") == "idle":
                return
            outputs.take(kind, content)
            if not flood.done() and (much := self._too_much(outputs, begin)):
                flood.set_result(much)

    async def _next(
        self, socket: zmq.asyncio.Socket, message_id: str, pass_over: Callable[[], None] = lambda: None
    ) -> tuple[str, dict[str, Any]]:
        """Wait for the next well-formed message that answers ours, and give its type and content."""
        while True:
            message = _read(self._client.session, await socket.recv_multipart())
            if message is not None and message[1] == message_id:
                return message[0], message[2]
            pass_over()

    def _too_much(self, outputs: Outputs, begin: float) -> str:
        if outputs.weight > self._talk.characters:
            return "characters"
        return "messages" if outputs.messages > self._talk.messages * (1 + time.monotonic() - begin) else ""

    async def _until_cut(self) -> None:
        """Wait until a line is cut while the kernel lives: ZeroMQ does that to who sends a message over its limit."""
        channels = (self._client.shell_channel, self._client.iopub_channel)
        monitors = [channel.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED) for channel in channels]
        heard = [asyncio.create_task(_heard(monitor)) for monitor in monitors]
        try:
            await asyncio.wait(heard, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in heard:
                task.cancel()
            for channel in channels:
                channel.socket.disable_monitor()
        # A kernel that dies lets go of its lines as well, a moment before its death is told.
        await asyncio.wait({self.death}, timeout=_DYING_SECONDS)

    def _is_cut(self) -> bool:
        return self._cut is not None and self._cut.done() and not self.death.done()

    async def _flood_when_cut(self, flood: asyncio.Future[str]) -> None:
        if self._cut is not None:
            await asyncio.wait({self._cut})
            if self._is_cut() and not flood.done():
                flood.set_result("characters")

    async def _watch(self, ceiling: Ceiling) -> None:
        """Kill the kernel when it uses more than it may."""
        if not can_fork() or ceiling == Ceiling():
            return
        watch = Watch(self.pid, ceiling, self.connection_file.parent)
        while not self.death.done():
            self.exceeded = await asyncio.to_thread(watch.exceeded)  # of many processes, it takes a while to find out
            if self.exceeded:
                self.kill()
                return
            await asyncio.wait({self.death}, timeout=_WATCH_SECONDS)


async def _heard(monitor: zmq.asyncio.Socket) -> None:
    await monitor.recv_multipart()


def _read(session: Session, frames: list[bytes]) -> tuple[str, str, dict[str, Any]] | None:
    """
    Give a message's type, what it answers, and its content; None where it is malformed.

    Jupyter's own reading takes more than twice as long: it looks for dates in all that there is.
    """
    try:
        _, (signature, header, parent, metadata, content, *_) = session.feed_identities(frames)
        if not compare_digest(signature, session.sign([header, parent, metadata, content])):
            return None
        kind, answered, said = (
            session.unpack(header)["msg_type"],
            session.unpack(parent)["msg_id"],
            session.unpack(content),
        )
    except Exception:  # noqa: BLE001 - a student's code can send anything; what is no message is none
        return None
    return (kind, answered, said) if isinstance(kind, str) and isinstance(said, dict) else None


def _asks_to_exit(reply: dict[str, Any]) -> bool:
    """Tell whether ``exit()`` or ``quit()`` was called in the cell."""
    payload = reply.get("payload")
    return isinstance(payload, list) and any(
        isinstance(part, dict) and part.get("source") == "ask_exit" for part in payload
    )


def _texts(expressions: object) -> dict[str, str]:
    """Give the texts of the user expressions that could be evaluated."""
    if not isinstance(expressions, dict):
        return {}
    texts = {}
    for name, value in expressions.items():
        data = value.get("data") if isinstance(value, dict) and value.get("status") == "ok" else None
        if isinstance(data, dict) and isinstance(data.get("text/plain"), str):
            texts[name] = data["text/plain"]
    return texts
