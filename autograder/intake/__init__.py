"""From what a learning platform or a folder gives to ``submitted/``: who handed in what, and what nobody can place."""

from autograder.intake.collect import Change, Collected, Problem, Summary, collect
from autograder.intake.naming import Scheme
from autograder.intake.roster import Roster, RosterError, Student, read_roster

__all__ = [
    "Change",
    "Collected",
    "Problem",
    "Roster",
    "RosterError",
    "Scheme",
    "Student",
    "Summary",
    "collect",
    "read_roster",
]
