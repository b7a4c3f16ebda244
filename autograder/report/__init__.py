"""What instructors look at after grading: one page that says how the class did and where a person is needed."""

from autograder.report.page import write_report

__all__ = ["write_report"]
