"""
A made-up class for the report: what grading and people could have said of 500 students in 14 assignments.

Students have abilities and exercises have difficulties; whether an answer earns its points is drawn from the two with
a fixed seed. Some notebooks cannot be graded, some were not handed in, some hit a limit, and a person grades
some answers.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbgrader.api import Gradebook as NbgraderGradebook

from autograder.gradebook import Points, Score, open_gradebook
from autograder.report.statistics import Submission
from autograder.verdict import CellVerdict, Outcome, Status, Verdict
from tests.conftest import Cells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nbformat import NotebookNode

    from autograder.course import Course

EXERCISES = {
    "01_images": "crop channel_statistics to_grey downscale standardise split one_hot majority nearest_mean",
    "02_sigmoid_neuron": "sigmoid sigmoid_derivative tanh relu softmax neuron gradient step learn",
    "03_simple_network": "describe prepare make_parameters logits cross_entropy sgd_step train accuracy log",
    "04_mlp": "dense_parameters build_mlp train confusion scores sweep best_rate class_weights early_stopping",
    "05_convolution_by_hand": "by_hand correlate2d convolve2d pad_same stride conv_layer pooling output_size edges",
    "06_parameter_counts": "by_hand formulas output_shape count_parameters colour build_keras receptive_field memory",
    "07_mnist": "negative_log_likelihood build_dense build_cnn train confusion worst_mistakes permute_pixels compare",
    "08_cnn": "prepare build_cnn build_mlp train cnn shifted_cnn scores threshold feature_maps compare",
    "09_cifar10": "prepare build_mlp build_cnn build_helped momentum adam compare early_stopping checkpoints",
    "10_augmentation": "flip_some shift_some rotate brighten mirror_signs mixup balance train test_time",
    "11_transfer_learning": "count_parameters scale add_head counts train thaw fine_tune",
    "12_latent_space": "distance_table nearest vote embed leave_one_out precision_at classify map retrieve",
    "13_architectures": "build_lenet5 vgg_block batch_norm_training batch_norm_inference identity_block "
    "projection_block separable_block mobile shortcut",
    "14_project": "leaked sizes height_shares outline features augment cnn_answer honest report",
}
"""Exercises by assignment. A person grades the last of 14_project."""

BY_A_PERSON = "report"

AT_ODDS = ("05_convolution_by_hand", "test_pad_same")
"""An exercise with a bad test: who is good at the rest fails it more often."""

_FIRST = ("Zoë", "Anna-Lena", "Nguyễn Thị", "O'Neil", "Łukasz", "María José", "陳大文", "محمد", "Þóra", "J.", "Иван")
_LAST = ("van der Berg", "Müller-Lüdenscheidt", "Øst", "D'Angelo", "Smith", "<b>Bobby</b>", "Çelik", "Kowalczyk", "Ng")
_LONGEST = "Wolfeschlegelsteinhausenbergerdorff, Adolph Blaine Charles David Earl Frederick Gerald Hubert Irvin John"

_SAID = (
    "The result has shape ({a}, {b}), and it should have ({b}, {a}).",
    "On a picture of your own the result is 0.{a}{b}, and 0.{b}7 is right.\nLook at what happens at the edges.",
    "NameError: name '{name}' is not defined. Is it defined in your answer, under exactly this name?",
    "There is no answer yet.",
    "ValueError: operands could not be broadcast together with shapes ({a},) ({b},) (cell 'answer', line {a})",
    "It returns its argument changed: work on a copy.",
)


@dataclass(frozen=True)
class MadeUpClass:
    """
    A class as the gradebook would give it.

    Attributes
    ----------
    verdicts : tuple of Verdict
        What grading said, one for each assignment that a student is on record for.
    given : mapping
        Points that a person gave to an answer of 14_project, by student.
    names : mapping
        Each student's first and last name; those who are not in it have none.
    """

    verdicts: tuple[Verdict, ...]
    given: Mapping[str, float]
    names: Mapping[str, tuple[str, str]]

    @property
    def students(self) -> list[str]:
        """Their ids, in order."""
        return sorted({verdict.student for verdict in self.verdicts})

    def submissions(self) -> dict[str, dict[tuple[str, str], Submission]]:
        """Give them with the points that count, by assignment, then by student and notebook."""
        found: dict[str, dict[tuple[str, str], Submission]] = {name: {} for name in EXERCISES}
        for each in self.verdicts:
            points = {cell.grade_id: self._points(each.student, cell) for cell in each.cells}
            found[each.assignment][each.student, each.notebook] = Submission(each, points)
        return found

    def scores(self) -> list[Score]:
        """Give what each student has in each assignment."""
        earned = {
            (verdict.student, verdict.assignment): sum(
                self._points(verdict.student, cell).score for cell in verdict.cells
            )
            for verdict in self.verdicts
        }
        found = []
        for student in self.students:
            first, last = self.names.get(student, (None, None))
            for name in EXERCISES:
                score, maximum = earned.get((student, name), 0.0), float(sum(_points_of(name).values()))
                found.append(Score(name, student, last, first, None, None, None, score, 0.0, maximum, True, False))
        return found

    def _points(self, student: str, cell: CellVerdict) -> Points:
        is_manual = cell.outcome is Outcome.MANUAL
        given = self.given.get(student) if is_manual else None
        return Points(given or cell.score, cell.max_score, given is not None, is_manual and given is None)


def made_up_class(students: int = 500, *, seed: int = 4) -> MadeUpClass:
    """Draw a class; the same seed gives the same class."""
    drawn = random.Random(seed)
    difficulty = {(name, cell): drawn.gauss(-0.9, 0.9) for name in EXERCISES for cell in _points_of(name)}
    verdicts, names, given = [], {}, {}
    for number in range(students):
        student = f"st{number:04}"
        ability = drawn.gauss(0, 1)
        if number == 0:
            names[student] = tuple(reversed(_LONGEST.split(", ")))
        elif number % 10:
            names[student] = (drawn.choice(_FIRST), drawn.choice(_LAST))
        for week, name in enumerate(EXERCISES):
            if drawn.random() < 0.002:
                continue  # nothing on record
            verdict = _verdict(drawn, student, name, ability, week, difficulty)
            verdicts.append(verdict)
            waits = any(cell.outcome is Outcome.MANUAL for cell in verdict.cells)
            if waits and drawn.random() < 0.6:
                given[student] = min(4.0, max(0.5, round(2 * (2.5 + ability)) / 2))
    return MadeUpClass(tuple(verdicts), given, names)


def masters() -> dict[str, NotebookNode]:
    """Give notebooks that the class could have answered, by path below ``source/``."""
    found = {}
    for name in EXERCISES:
        cells = [Cells.text(f"# {name}", "title")]
        for grade_id, points in _points_of(name).items():
            if grade_id == BY_A_PERSON:
                cells.append(Cells.text("", grade_id, grade=True, solution=True, points=points))
            else:
                cells.append(Cells.answer(grade_id=grade_id.removeprefix("test_")))
                cells.append(Cells.test(grade_id=grade_id, points=points))
        found[f"{name}/{_notebook(name)}.ipynb"] = Cells.notebook(*cells)
    return found


def record(course: Course, class_: MadeUpClass) -> None:
    """Write the class into the gradebook of a course with :func:`masters`, as grading and people do."""
    with open_gradebook(course) as gradebook:
        gradebook.sync(course.assignments)
        for verdict in class_.verdicts:
            gradebook.record(verdict, "made up")
    with NbgraderGradebook(f"sqlite:///{course.gradebook}") as gradebook:
        for student, (first, last) in class_.names.items():
            gradebook.update_or_create_student(student, first_name=first, last_name=last)
        for student, points in class_.given.items():
            grade = gradebook.find_grade(BY_A_PERSON, "project", "14_project", student)
            grade.manual_score, grade.needs_manual_grade = points, False
        gradebook.db.commit()


def _points_of(name: str) -> dict[str, float]:
    words = EXERCISES[name].split()
    found = {word if word == BY_A_PERSON else f"test_{word}": 2.0 for word in words}
    last = list(found)[-1]
    return {**found, last: 20.0 - 2 * (len(found) - 1)}


def _notebook(name: str) -> str:
    return name.partition("_")[2]


def _verdict(
    drawn: random.Random,
    student: str,
    name: str,
    ability: float,
    week: int,
    difficulty: Mapping[tuple[str, str], float],
) -> Verdict:
    points = _points_of(name)
    place = (student, name, _notebook(name))
    if drawn.random() < 0.02 + 0.01 * week * (1 - math.tanh(ability)):
        absent = tuple(CellVerdict(cell, 0, most, Outcome.MISSING, "Not handed in.") for cell, most in points.items())
        return Verdict(*place, Status.GRADED, "The notebook was not handed in.", absent)
    if drawn.random() < 0.006:
        why = f"{_notebook(name)}.ipynb is not a notebook: it stops being JSON in line {drawn.randrange(900)}."
        broken = tuple(CellVerdict(cell, 0, most, Outcome.NOT_REACHED, why) for cell, most in points.items())
        return Verdict(*place, Status.FAILED, why, broken)
    cells = [_cell(drawn, name, cell, most, ability - difficulty[name, cell]) for cell, most in points.items()]
    if drawn.random() < 0.012:
        cells = _stopped(cells, drawn.randrange(1, len(cells)))
    seconds = sum(cell.seconds for cell in cells)
    return Verdict(*place, Status.GRADED, "", tuple(cells), seconds + 0.5, seconds)


def _cell(drawn: random.Random, name: str, grade_id: str, most: float, margin: float) -> CellVerdict:
    seconds = drawn.lognormvariate(2.2 if grade_id == "test_train" else -2.5, 0.5)
    if grade_id == BY_A_PERSON:
        return CellVerdict(grade_id, 0, most, Outcome.MANUAL, seconds=0)
    if (name, grade_id) == AT_ODDS:
        margin = -margin
    if drawn.random() < 1 / (1 + math.exp(-1.6 * margin)):
        note = "it ended with 2.5, which is no score between 0 and 2" if drawn.random() < 0.0005 else ""
        return CellVerdict(grade_id, most, most, Outcome.PASSED, seconds=seconds, staff_note=note)
    if drawn.random() < 0.15:
        score = most * drawn.choice((0.25, 0.5, 0.75))
        return CellVerdict(grade_id, score, most, Outcome.PARTIAL, f"{score:g} of {most:g} points.", seconds)
    said = _SAID[min(int(drawn.expovariate(0.7)), len(_SAID) - 1)]
    text = said.format(a=drawn.randrange(2, 30), b=drawn.randrange(2, 30), name=grade_id.removeprefix("test_"))
    outcome = Outcome.ERROR if "Error:" in text else Outcome.FAILED
    return CellVerdict(grade_id, 0, most, outcome, text, seconds)


def _stopped(cells: Sequence[CellVerdict], at: int) -> list[CellVerdict]:
    """A limit was hit in one of the cells, and the rest was not reached."""
    late = cells[at]
    after = "Not reached: the kernel died in cell 17: its memory was used up"
    return [
        *cells[:at],
        CellVerdict(late.grade_id, 0, late.max_score, Outcome.TIMEOUT, "The test was stopped after 120 s.", 120),
        *(CellVerdict(each.grade_id, 0, each.max_score, Outcome.NOT_REACHED, after) for each in cells[at + 1 :]),
    ]
