"""nbgrader's own tools (formgrader, validate, export) work on the same course, with the same limits, as the grader."""

import os
from pathlib import Path

from autograder.course import load_course

c = get_config()  # noqa: F821 - defined by whoever loads this file

course = load_course(Path(__file__).parent)
longest = max((assignment.limits.cell_timeout for assignment in course.assignments), default=120)

c.CourseDirectory.root = str(course.root)
c.CourseDirectory.source_directory = course.source.name
c.CourseDirectory.release_directory = course.release.name
c.CourseDirectory.submitted_directory = course.submitted.name
c.CourseDirectory.autograded_directory = course.autograded.name
c.CourseDirectory.feedback_directory = course.feedback.name
# autograder keeps its verdicts where this says. A PostgreSQL server: "postgresql://db.example.org/course".
c.CourseDirectory.db_url = f"sqlite:///{course.gradebook}"

# One number serves all assignments here; each assignment's own holds where this course's grader runs it.
c.Execute.timeout = int(longest)
# A hidden test that runs into its limit is a failed test, not the end of the whole submission.
c.Execute.interrupt_on_timeout = True

# Formgrader's pages run with the rights of whoever grades: nothing that a student wrote or put out is obeyed there.
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.filters = {"markdown2html": "autograder.report.markdown.to_html"}

# To nbgrader a word on standard error is a failed test, and TensorFlow has many when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
