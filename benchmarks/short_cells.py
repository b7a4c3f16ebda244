"""What a short cell takes of a kernel's processor time: a kernel as the grader has it beside ipykernel's own."""

from __future__ import annotations

import multiprocessing
import subprocess
from concurrent.futures import ProcessPoolExecutor

import psutil
from jupyter_client.manager import start_new_kernel

from autograder.kernels.kernel import KERNEL_NAME, OPTIONS
from benchmarks.measuring import Options, Part, Ratio, Tell

_CELLS = 300


def measure(_options: Options, tell: Tell) -> Part:
    """Run some hundred cells that do nothing on either kernel, one after the other."""
    tell("short cells")
    # In a process of its own, since its fork server lives as long as that.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        ours = pool.submit(_seconds_of_a_cell, KERNEL_NAME).result()
        theirs = pool.submit(_seconds_of_a_cell, "python3").result()
    return Part(
        "Processor time of a short cell",
        ({"the grader's kernel, ms": 1000 * ours, "ipykernel's own, ms": 1000 * theirs},),
        ratios=(Ratio("short cell: processor time / ipykernel's own", f"{_CELLS} cells", (ours / theirs,)),),
    )


def _seconds_of_a_cell(kernel: str) -> float:
    # ipykernel's own says on its standard error that it is made for a person at this machine: it has ports.
    manager, client = start_new_kernel(kernel_name=kernel, extra_arguments=list(OPTIONS), stderr=subprocess.DEVNULL)
    try:
        process = psutil.Process(manager.provisioner.pid)
        before = _processor_seconds(process)
        for _ in range(_CELLS):
            client.execute("pass", reply=True, timeout=60)
        return (_processor_seconds(process) - before) / _CELLS
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _processor_seconds(process: psutil.Process) -> float:
    taken = process.cpu_times()
    return float(taken.user + taken.system)
