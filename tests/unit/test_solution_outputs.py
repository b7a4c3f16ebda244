from __future__ import annotations

import copy
import time

import nbformat

from autograder.solve import attach_outputs


def executed(master, *outputs):
    run = copy.deepcopy(master)
    run.cells[1].outputs = list(outputs)
    run.cells[1].execution_count = 1
    run.cells[1].metadata["execution"] = {"iopub.status.busy": "2024-01-01T00:00:00Z"}
    run.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    run.metadata["widgets"] = {}
    return run


def test_a_solution_is_its_master_with_outputs_and_nothing_else_of_the_run(master):
    output = nbformat.v4.new_output("stream", text="42\n")

    solution = attach_outputs(master, executed(master, output))

    assert solution.cells[1].outputs == [output]
    assert solution.cells[1].execution_count == 1
    solution.cells[1].outputs, solution.cells[1].execution_count = [], None
    assert solution == master


def test_what_differs_from_machine_to_machine_is_taken_out_of_texts(master):
    stream = nbformat.v4.new_output(
        "stream",
        name="stderr",
        text="/tmp/ipykernel_4711/123.py:3: UserWarning\n"
        "/home/ada/.venv/lib/python3.11/site-packages/keras/layer.py:9: UserWarning\n"
        "<module 'keras' from '/home/ada/.venv/lib/python3.11/site-packages/keras/__init__.py'>\n",
    )
    shown = nbformat.v4.new_output(
        "execute_result", {"text/plain": "<object at 0x7f0c4d2f1b50>", "image/png": "0x7f0c4d2f1b50"}
    )

    solution = attach_outputs(master, executed(master, stream, shown))

    first, second = solution.cells[1].outputs
    assert first.text == (
        "<cell>:3: UserWarning\nkeras/layer.py:9: UserWarning\n<module 'keras' from 'keras/__init__.py'>\n"
    )
    assert second.data == {"text/plain": "<object at 0x...>", "image/png": "0x7f0c4d2f1b50"}


def test_numbers_that_tell_something_stay(master):
    output = nbformat.v4.new_output("stream", text="0xff 7,394 parameters, accuracy 0.8123, 1.25 s\n")

    assert attach_outputs(master, executed(master, output)).cells[1].outputs == [output]


def test_a_long_line_without_a_space_takes_no_time_to_speak_of(master):
    output = nbformat.v4.new_output("stream", text="x" * 1_000_000)
    begin = time.perf_counter()

    attach_outputs(master, executed(master, output))

    assert time.perf_counter() - begin < 5
