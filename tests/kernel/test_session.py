"""Sessions: a paper, two kernels, a verdict; and what a submission may do without harm to the rest of it."""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import pickle
import re
import tempfile
import uuid
from pathlib import Path

import nbformat
import pytest

from autograder.build import release_notebook
from autograder.course import Limits
from autograder.notebook import notebook_text
from autograder.paper import build_paper, parse_submission
from autograder.sealed.session import Conditions, conduct
from autograder.verdict import Outcome, Status
from tests.kernel.conftest import Exercise, paper, told, verdict_on, wait_until_gone

GOOD = Exercise("x = 1", "assert x == 1")
QUICK = Limits(cell_timeout=3, notebook_timeout=120, call_timeout=10)


def outcomes(verdict):
    return [cell.outcome for cell in verdict.cells]


def test_stand_ins_are_drawn_once_for_all_papers_that_load_them():
    count = Exercise("from coursekit import data\nx = data._drawn.cache_info().currsize", "assert x >= 3, x")
    given = "from coursekit import data\nif False:\n    data.load('mnist')"

    pinned = verdict_on(count, given=given, conditions=Conditions(environment={"COURSE_DATA_SOURCE": "standin"}))

    assert outcomes(pinned) == [Outcome.PASSED], pinned.cells


# Scores

ENDINGS = {
    "nothing": ("x = 1", 4.0, Outcome.PASSED),
    "a number": ("2.5", 2.5, Outcome.PARTIAL),
    "the maximum": ("4", 4.0, Outcome.PASSED),
    "zero": ("0", 0.0, Outcome.FAILED),
    "a NumPy scalar": ("np.float64(1.5)", 1.5, Outcome.PARTIAL),
    "a NumPy integer": ("np.int64(3)", 3.0, Outcome.PARTIAL),
    "a TensorFlow scalar": ("import tensorflow as tf; tf.constant(0.5)", 0.5, Outcome.PARTIAL),
    "True": ("True", 4.0, Outcome.PASSED),
    "False": ("False", 4.0, Outcome.PASSED),
    "text": ("'4'", 4.0, Outcome.PASSED),
    "an array of one": ("np.array([1.0])", 4.0, Outcome.PASSED),
    "something negative": ("-1", 0.0, Outcome.ERROR),
    "NaN": ("float('nan')", 0.0, Outcome.ERROR),
    "more than there is": ("4.5", 0.0, Outcome.ERROR),
    "a number beyond all numbers": ("10 ** 400", 0.0, Outcome.ERROR),
    "a number, then an error": ("print(3)\n1 / 0", 0.0, Outcome.ERROR),
    "a number of the student's": ("three", 3.0, Outcome.PARTIAL),
    "words on standard error": ("import sys; print('careful', file=sys.stderr)", 4.0, Outcome.PASSED),
    "a warning": ("import warnings; warnings.warn('careful')", 4.0, Outcome.PASSED),
}


@pytest.fixture(scope="module")
def endings():
    exercises = [Exercise("three = 3", test, points=4) for test, _, _ in ENDINGS.values()]
    return dict(zip(ENDINGS, told(*exercises), strict=True))


@pytest.mark.parametrize("name", ENDINGS)
def test_the_score_of_a_test_that_ends_with(name, endings):
    _, score, outcome = ENDINGS[name]

    assert (endings[name].score, endings[name].outcome) == (score, outcome)
    assert bool(endings[name].staff_note) == (outcome is Outcome.ERROR and name != "a number, then an error")


# What students do to a notebook


def small_master(cells):
    return cells.notebook(
        cells.locked("import numpy as np", "setup"),
        cells.answer("### BEGIN SOLUTION\ndef f(x):\n    return x\n### END SOLUTION", "f"),
        cells.test("assert f(1) == 1, 'one'", "test_f", points=2),
        cells.answer("### BEGIN SOLUTION\ndef g(x):\n    return x\n### END SOLUTION", "g"),
        cells.test("assert g(1) == 1, 'one'", "test_g", points=3),
        cells.text("Why?", "why", grade=True, solution=True, points=4),
    )


@pytest.fixture
def graded(cells):
    """Grade a notebook made from the small master's release with right answers, after a change to it."""
    master = small_master(cells)

    def grade(change=lambda _: None, limits=QUICK):
        notebook = release_notebook(master)
        notebook.cells[1].source, notebook.cells[3].source = "f = lambda x: x", "g = lambda x: x"
        notebook.cells[5].source = "Because."
        change(notebook)
        submission = parse_submission(notebook_text(notebook).encode(), "a.ipynb")
        sheet = build_paper(master, submission, student="anna", assignment="01_a", notebook="a")
        return conduct(sheet, limits, Conditions())

    return grade


def test_right_answers_get_full_points_and_a_question_waits_for_a_person(graded):
    verdict = graded()

    assert (verdict.student, verdict.assignment, verdict.notebook) == ("anna", "01_a", "a")
    assert (verdict.status, verdict.message) == (Status.GRADED, "")
    assert outcomes(verdict) == [Outcome.PASSED, Outcome.PASSED, Outcome.MANUAL]
    assert [cell.grade_id for cell in verdict.cells] == ["test_f", "test_g", "why"]
    assert (verdict.score, verdict.max_score) == (5, 9)
    assert 0 < verdict.cell_seconds < verdict.seconds


def test_a_deleted_answer_is_missing_and_the_others_are_graded(graded):
    def delete(notebook):
        del notebook.cells[1]

    verdict = graded(delete)

    assert outcomes(verdict)[:2] == [Outcome.MISSING, Outcome.PASSED]
    assert "The answer cell 'f' is not in the notebook." in verdict.cells[0].message


def test_an_untouched_answer_is_no_answer_yet(graded):
    def leave(notebook):
        notebook.cells[1].source = "# YOUR CODE HERE\nraise NotImplementedError()"

    verdict = graded(leave)

    assert (verdict.cells[0].outcome, verdict.cells[0].message) == (Outcome.FAILED, "There is no answer yet.")
    assert verdict.cells[1].outcome is Outcome.PASSED


def test_of_an_answer_that_is_there_twice_one_counts_and_the_student_is_told(graded):
    def duplicate(notebook):
        copy = nbformat.from_dict(notebook.cells[1])
        copy.source = "f = None"
        notebook.cells.insert(2, copy)

    verdict = graded(duplicate)

    assert verdict.cells[0].outcome is Outcome.PASSED
    assert verdict.message == (
        "The cell 'f' is there 2 times; the one that stands where it belongs (cell 2) was graded."
    )


def test_an_answer_turned_into_text_is_run_all_the_same(graded):
    def turn(notebook):
        notebook.cells[1] = nbformat.v4.new_markdown_cell("f = lambda x: x", metadata=notebook.cells[1].metadata)

    assert graded(turn).cells[0].outcome is Outcome.PASSED


def test_deleted_and_changed_tests_and_points_make_no_difference(graded):
    def cheat(notebook):
        notebook.cells[1].source = "f = None"
        notebook.cells[2].source = "4"
        notebook.cells[2].metadata.nbgrader["points"] = 1000
        del notebook.cells[4]

    verdict = graded(cheat)

    assert [(cell.score, cell.max_score) for cell in verdict.cells] == [(0, 2), (3, 3), (0, 4)]


def test_cells_of_the_students_own_run_where_they_stand(graded):
    def add(notebook):
        notebook.cells[1].source = "f = lambda x: helper(x)"
        notebook.cells[2:2] = [nbformat.v4.new_code_cell(f"helper = lambda x: {number} or x") for number in (7, 0)]
        notebook.cells.append(nbformat.v4.new_code_cell("helper = None"))

    verdict = graded(add)

    assert verdict.cells[0].outcome is Outcome.PASSED
    assert [cell.source for cell in nbformat.reads(verdict.executed, 4).cells[2:4]] == [
        "helper = lambda x: 7 or x",
        "helper = lambda x: 0 or x",
    ]


def test_the_executed_notebook_is_the_masters_with_the_answers_and_their_outputs(graded):
    def add(notebook):
        notebook.cells[1].source = "f = lambda x: x\nprint('said')\nf(21) * 2"
        notebook.cells[3].source = "1 / 0"

    executed = nbformat.reads(graded(add).executed, 4)

    nbformat.validate(executed)
    assert [cell.cell_type for cell in executed.cells] == ["code"] * 5 + ["markdown"]
    assert [output.output_type for output in executed.cells[1].outputs] == ["stream", "execute_result"]
    assert executed.cells[1].execution_count == executed.cells[1].outputs[1].execution_count == 2
    assert executed.cells[3].outputs[0].ename == "ZeroDivisionError"
    assert executed.cells[4].outputs[0].ename == "NameError"
    assert executed.cells[2].metadata.nbgrader.points == 2
    assert executed.cells[5].source == "Because."


# Cells that go wrong


def test_a_cell_that_fails_does_not_stop_the_notebook_and_explains_what_follows(graded):
    def fail(notebook):
        notebook.cells[1].source = "1 / 0\nf = lambda x: x"

    verdict = graded(fail)

    assert outcomes(verdict)[:2] == [Outcome.ERROR, Outcome.PASSED]
    assert verdict.cells[0].message == (
        "NameError: name 'f' is not defined. Cell 2 ('f') ended with ZeroDivisionError: division by zero."
    )


def test_a_cell_that_never_ends_is_stopped_and_the_notebook_goes_on(graded):
    def loop(notebook):
        notebook.cells[1].source = "f = lambda x: x\nwhile True: pass"
        notebook.cells[3].source = "while True: pass"

    verdict = graded(loop)

    assert outcomes(verdict)[:2] == [Outcome.PASSED, Outcome.ERROR]
    assert re.search(r"Cell 4 \('g'\) was stopped after \d s\.$", verdict.cells[1].message)


def test_asking_for_input_does_not_hang(graded):
    def ask(notebook):
        notebook.cells[1].source = "f = lambda x: int(input('How many? '))"
        notebook.cells[3].source = "name = input('Your name? ')\ng = lambda x: x"

    verdict = graded(ask)

    assert "does not support input requests" in verdict.cells[0].message
    assert "Cell 4 ('g') ended with StdinNotImplementedError" in verdict.cells[1].message
    assert verdict.seconds < 20


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import os; os._exit(0)", "it was ended by the notebook itself (exit or quit)"),
        ("exit()", "it was ended by the notebook itself (exit or quit)"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "it was killed by the system, most likely because the memory was used up",
        ),
        ("import os; os.abort()", "it crashed (signal 6)"),
        (
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
            "it did not end within 3 s and could not be interrupted",
        ),
    ],
    ids=["ended", "exit", "killed", "crashed", "stubborn"],
)
def test_a_kernel_that_dies_loses_only_the_cells_after_it(graded, source, cause):
    def die(notebook):
        notebook.cells[3].source = source

    verdict = graded(die)

    assert outcomes(verdict) == [Outcome.PASSED, Outcome.NOT_REACHED, Outcome.MANUAL]
    assert verdict.message.startswith("The kernel died ")
    assert verdict.message.endswith(f": {cause}.")
    assert verdict.cells[1].message == f"Not reached: {verdict.message}"
    assert (verdict.status, verdict.score) == (Status.GRADED, 2)


def test_a_kernel_that_dies_in_a_call_fails_that_test_and_loses_the_ones_after_it(graded):
    def die(notebook):
        notebook.cells[1].source = "import os\ndef f(x): os.kill(os.getpid(), 9)"

    verdict = graded(die)

    assert outcomes(verdict) == [Outcome.ERROR, Outcome.NOT_REACHED, Outcome.MANUAL]
    assert verdict.cells[0].message == (
        "The kernel died when cell 3 ('test_f') called your code: it was killed by the system, most likely because "
        "the memory was used up."
    )
    assert verdict.seconds < 20


def test_the_notebooks_own_limit_ends_it_and_earlier_points_stand(graded):
    def dawdle(notebook):
        notebook.cells[3].source = "import time\ng = lambda x: x\ntime.sleep(30)"

    verdict = graded(dawdle, Limits(cell_timeout=60, notebook_timeout=4))

    assert outcomes(verdict) == [Outcome.PASSED, Outcome.NOT_REACHED, Outcome.MANUAL]
    assert verdict.message == "The notebook was stopped in cell 4: it did not end within 4 s."


def test_a_test_that_takes_too_long_is_stopped_and_the_next_one_runs():
    slow = Exercise("def f(x): return x", "while True: f(1)")

    first, second = told(slow, GOOD, limits=QUICK)

    assert (first.outcome, second.outcome) == (Outcome.TIMEOUT, Outcome.PASSED)
    assert re.fullmatch(r"The test was stopped after \d s: your code takes too long\.", first.message)


def test_a_test_stopped_in_the_middle_of_a_call_stops_the_call_as_well():
    endless = Exercise("def f():\n    while True: pass", "f()")

    verdict = verdict_on(endless, GOOD, limits=Limits(cell_timeout=2, call_timeout=600))

    assert outcomes(verdict) == [Outcome.TIMEOUT, Outcome.PASSED]
    assert verdict.seconds < 20


def test_a_test_that_kills_its_own_kernel_is_the_instructors_to_look_at():
    verdict = verdict_on(GOOD, Exercise("y = 1", "import os; y; os._exit(1)"), GOOD)

    assert outcomes(verdict) == [Outcome.PASSED, Outcome.ERROR, Outcome.NOT_REACHED]
    assert verdict.cells[1].staff_note == "the test: its kernel died"
    assert verdict.cells[1].score == 0
    assert verdict.message == "The kernel of the tests died before cell 6."


def test_an_instructors_cell_that_fails_for_the_tests_is_told_to_the_instructor():
    given = "import os\nif 'ONLY_HERE' in os.environ: raise ValueError('broken')\nhelper = 1"

    (cell,) = told(
        Exercise("x = 1", "assert x + helper == 3"),
        given=given,
        conditions=Conditions(examiner_environment={"ONLY_HERE": "1"}),
    )

    assert (cell.outcome, cell.staff_note) == (
        Outcome.FAILED,
        "cell 1 ('given') failed in the examiner: error: ValueError: broken",
    )


def test_a_paper_with_nothing_in_it_is_graded(cells):
    sheet = build_paper(small_master(cells), (), student="anna", assignment="01_a", notebook="a")

    verdict = conduct(sheet, QUICK, Conditions())

    assert outcomes(verdict) == [Outcome.MISSING] * 3
    assert verdict.score == 0


# Sources and values meant to break the grader

BREAKERS = [
    "x = '\ud800'",
    "-" * 100_000 + "1",
    "raise ValueError('\\ud800')",
    "print('\\ud800')",
    "a\0b",
    "class E(Exception):\n    def __str__(self): return 7\nraise E",
    "kernel = get_ipython().kernel\nkernel.session.send(kernel.iopub_socket, 'stream', {}, parent=kernel.get_parent())",
    "get_ipython().events.register('pre_execute', lambda: 1 / 0)",
]


def test_nothing_that_a_cell_says_breaks_the_grader():
    exercises = [Exercise(source, "what_it_should_have_bound") for source in BREAKERS]

    verdict = verdict_on(*exercises, GOOD)

    assert outcomes(verdict) == [Outcome.ERROR] * len(BREAKERS) + [Outcome.PASSED]
    json.loads(verdict.executed.encode("utf-8"))
    pickle.dumps(verdict)


FORGER = """
from autograder.sealed import candidate, values

honest = candidate.answer
ANSWERS = {
    'nothing': b'',
    'garbage': b'garbage',
    'no_pair': values.encode(1, None),
    'odd_error': values.encode(('error', {'type': [], 'kinds': [7], 'message': 1}), None),
    'odd_reference': values.encode(('ok', object()), lambda _: {'t': 'reference', 'h': 'x', 'k': 7}),
    'cut_off': values.encode(('ok', 'a text'), None)[:-3],
}

def answer(question, namespace):
    operation, arguments = values.decode(question, None)
    kind = arguments[0] if operation == 'get' else ''
    return ANSWERS[kind] if kind in ANSWERS else honest(question, namespace)

candidate.answer = answer
honest_value = 1
"""
FORGED = ["nothing", "garbage", "no_pair", "odd_error", "odd_reference", "cut_off"]


def test_answers_that_are_no_answers_are_refused_at_once_and_the_next_question_is_asked():
    exercises = [Exercise(FORGER, f"{FORGED[0]}"), *[Exercise("", kind) for kind in FORGED[1:]]]

    verdict = verdict_on(*exercises, Exercise("", "assert honest_value == 1"), limits=QUICK)

    assert outcomes(verdict) == [Outcome.ERROR] * len(FORGED) + [Outcome.PASSED]
    assert verdict.seconds < 30


def test_a_made_up_result_of_a_call_is_refused():
    source = "from autograder.sealed import candidate\ndef f(x): return x\ncandidate._OPERATIONS['call'] = lambda *_: 7"
    changes = ["7", "[(1, 2)]", "[(0, 1, 2)]", "[(True, 1)]"]
    lies = [f"candidate._OPERATIONS['call'] = lambda *_: (1, {change})" for change in changes]

    verdict = verdict_on(*[Exercise(each, "f(1)") for each in (source, *lies)], limits=QUICK)

    assert outcomes(verdict) == [Outcome.ERROR] * (1 + len(lies))


def test_a_cell_stopped_for_saying_too_much_is_named_where_its_answer_is_missed():
    source = "import time\nwhile True:\n    print('x' * 500_000, flush=True)\n    time.sleep(0.05)"

    first, second = told(Exercise(f"{source}\nvalue = 1", "assert value"), GOOD)

    assert (first.score, second.outcome) == (0, Outcome.PASSED)
    assert "was stopped: it printed or showed more than 4,000,000 characters" in first.message


def test_a_value_that_cannot_cross_does_not_keep_the_candidate_from_its_next_cell():
    source = "value = []\nfor _ in range(100):\n    value = [value]"

    first, second = told(Exercise(source, "assert value"), GOOD, limits=QUICK)

    assert (first.outcome, second.outcome) == (Outcome.ERROR, Outcome.PASSED)
    assert "too deep" in first.message


# Where kernels work


def test_each_kernel_has_the_files_beside_the_master_for_itself_and_no_notebook(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "numbers.txt").write_text("7")
    (tmp_path / "master.ipynb").write_text("{}")
    (tmp_path / ".hidden").write_text("no")
    look = "sorted(str(p) for p in pathlib.Path('.').rglob('*') if not str(p).startswith('.'))"

    verdict = verdict_on(
        Exercise(
            "import pathlib\npathlib.Path('data/numbers.txt').write_text('8')\npathlib.Path('mine').touch()",
            "import pathlib\nassert pathlib.Path('data/numbers.txt').read_text() == '7'\n"
            f"assert {look} == ['data', 'data/numbers.txt'], {look}",
        ),
        Exercise(f"found = {look}", "assert found == ['data', 'data/numbers.txt', 'mine'], found"),
        conditions=Conditions(files=str(tmp_path)),
    )

    assert outcomes(verdict) == [Outcome.PASSED] * 2
    assert (tmp_path / "data" / "numbers.txt").read_text() == "7"


def test_what_is_for_the_examiner_alone_is_not_in_the_candidates_environment(monkeypatch):
    monkeypatch.setenv("TOKEN_OF_THE_GRADER", "secret")
    conditions = Conditions({"FOR_BOTH": "1"}, examiner_environment={"FOR_THE_EXAMINER": "2"})

    (cell,) = told(
        Exercise(
            "import os\nfound = dict(os.environ)",
            "import os\n"
            "assert os.environ['FOR_BOTH'] == found['FOR_BOTH'] == '1' and os.environ['FOR_THE_EXAMINER'] == '2'\n"
            "assert 'FOR_THE_EXAMINER' not in found and 'TOKEN_OF_THE_GRADER' not in {*found, *os.environ}\n"
            "assert found['HOME'] != os.environ['HOME']",
        ),
        conditions=conditions,
    )

    assert (cell.outcome, cell.message) == (Outcome.PASSED, "")


@pytest.fixture
def short_folder():
    """A folder of its own with a short path: a socket's path may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="t-") as folder:
        yield Path(folder)


def test_a_session_leaves_no_process_and_no_folder_behind(monkeypatch, short_folder):
    monkeypatch.setattr(tempfile, "tempdir", str(short_folder))
    source = (
        "import os, subprocess\npids = [os.getpid(), subprocess.Popen(['sleep', '600'], start_new_session=True).pid]"
    )

    verdict = verdict_on(Exercise(source, "import os\nassert pids\n(lambda: print(*pids, os.getpid()))()"), GOOD)

    assert outcomes(verdict) == [Outcome.PASSED] * 2
    (said,) = nbformat.reads(verdict.executed, 4).cells[2].outputs
    for pid in map(int, said.text.split()):
        wait_until_gone(pid)
    assert list(short_folder.iterdir()) == []


def test_sessions_in_threads_do_not_disturb_each_other():
    papers = [paper(Exercise(f"x = {number}", f"assert x == {number}")) for number in range(3)]

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as executor:
        verdicts = list(executor.map(lambda sheet: conduct(sheet, QUICK, Conditions()), papers))

    assert [outcomes(verdict) for verdict in verdicts] == [[Outcome.PASSED]] * 3


# The seal

SEARCH = '''
import hashlib, os, pathlib, sys

DIGEST = {digest!r}
PREFIX = b"sealed-" + b"token-"
LENGTH = 32
CHUNK = 1 << 24


def hits_in(data):
    """How often the token stands in some bytes. The searcher knows its digest alone."""
    found, start = 0, data.find(PREFIX)
    while start >= 0:
        token = data[start + len(PREFIX) : start + len(PREFIX) + LENGTH]
        found += hashlib.sha256(token).hexdigest() == DIGEST
        start = data.find(PREFIX, start + 1)
    return found


def search_memory():
    found = read = 0
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in open("/proc/self/maps").read().splitlines():
            span, rights, *_ = line.split()
            start, end = (int(edge, 16) for edge in span.split("-"))
            if "r" not in rights or start >= 1 << 63:
                continue
            for place in range(start, end, CHUNK):
                # Each piece reaches into the next one, so that no token is cut in two.
                try:
                    piece = os.pread(memory.fileno(), min(CHUNK + 64, end - place), place)
                except OSError:
                    continue
                read += len(piece)
                found += hits_in(piece)
    return found, read


def search_files(folders):
    found = read = 0
    for folder in folders:
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file():
                read += 1
                found += hits_in(path.read_bytes())
    return found, read


def search_messages():
    kernel = get_ipython().kernel
    messages = [repr(kernel.get_parent()), repr(kernel.get_parent("control")), repr(get_ipython().user_ns["In"])]
    messages += [repr(get_ipython().history_manager.input_hist_raw), repr(get_ipython().user_ns.get("_ih"))]
    return sum(hits_in(message.encode()) for message in messages), len(messages)


def search():
    """Where the token stands, and how much was searched."""
    from ipykernel import get_connection_file

    frame = sys._getframe()
    while "address" not in frame.f_locals:
        frame = frame.f_back
    line = pathlib.Path(frame.f_locals["address"]).parent
    connection = pathlib.Path(get_connection_file()).parent
    pathlib.Path("a file").touch()
    environment = repr(dict(os.environ)).encode() + pathlib.Path("/proc/self/environ").read_bytes()
    return {{
        "environment": (hits_in(environment + pathlib.Path("/proc/self/cmdline").read_bytes()), len(environment)),
        "files": search_files([os.getcwd(), os.environ["HOME"], line, connection]),
        "messages": search_messages(),
        "memory": search_memory(),
    }}
'''
HIDDEN = """
assert callable(search)
### BEGIN HIDDEN TESTS
_token = "{token}"
_found = search()
print({{place: hits for place, (hits, _) in _found.items()}})
assert _found["memory"][1] > 100 * 2**20, "the memory was not searched"
assert _found["files"][1] > 2 and _found["messages"][1] and _found["environment"][1]
### END HIDDEN TESTS
"""
UNHURRIED = Limits(cell_timeout=300, call_timeout=300)


def found_by_the_student(token, before="", **environment):
    """Let a student search for a token that stands in a hidden test while that test is under way."""
    digest = hashlib.sha256(token.removeprefix("sealed-token-").encode()).hexdigest()
    exercise = Exercise(SEARCH.format(digest=digest), HIDDEN.format(token=token))

    verdict = verdict_on(exercise, before=before, limits=UNHURRIED, conditions=Conditions(environment=environment))

    assert outcomes(verdict) == [Outcome.PASSED], verdict.cells[0].message
    test = nbformat.reads(verdict.executed, 4).cells[-1]
    assert token in test.source
    return json.loads(test.outputs[0].text.replace("'", '"'))


def test_a_hidden_test_is_nowhere_in_the_candidate_while_it_runs():
    token = f"sealed-token-{uuid.uuid4().hex}"

    assert found_by_the_student(token) == {"environment": 0, "files": 0, "messages": 0, "memory": 0}


def test_the_search_would_find_it_if_it_were_there():
    token = f"sealed-token-{uuid.uuid4().hex}"
    before = f"planted = {token!r}\nopen('planted', 'w').write(planted);"

    found = found_by_the_student(token, before, PLANTED=token)

    assert all(found.values()), found


def test_the_search_finds_it_in_the_memory_alone():
    token = f"sealed-token-{uuid.uuid4().hex}"
    hidden = [byte ^ 0xFF for byte in token.encode()]

    found = found_by_the_student(token, f"planted = bytes(byte ^ 0xFF for byte in {hidden!r})")

    assert found["memory"] > 0
    assert found == {"environment": 0, "files": 0, "messages": 0, "memory": found["memory"]}
