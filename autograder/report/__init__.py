"""What people look at after grading: the instructors' page about the class, and each student's own."""

from autograder.report.page import write_report

__all__ = ["write_report"]
