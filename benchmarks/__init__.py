"""Measurements of the grader, beside those of nbgrader on the same submissions."""
