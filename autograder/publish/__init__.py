"""The student edition of a course: what a class gets as a folder or a repository, and nothing that is for staff."""

from autograder.publish.edition import Edition, PublishError, make_edition, write_edition
from autograder.publish.proof import leaks

__all__ = ["Edition", "PublishError", "leaks", "make_edition", "write_edition"]
