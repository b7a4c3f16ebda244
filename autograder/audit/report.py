"""The audit's report: one HTML file with what was found of each exercise, and the same figures as JSON."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from autograder.audit.auditing import Audit
from autograder.build import write_file
from autograder.course import Course

PAGE, FIGURES = "audit.html", "audit.json"


def write_audit(course: Course, audit: Audit, *, targets: Collection[Mapping[str, Any]] = ()) -> Path:
    """
    Write what an audit found to ``reports/``.

    Parameters
    ----------
    course : Course
        Whose.
    audit : Audit
        What was found.
    targets : collection of mapping
        Rows of the table of targets.
    """
    figures = total(audit)
    records = [
        {
            "assignment": each.assignment,
            "exercise": each.exercise.grade_id,
            "right": each.right,
            "wrong": each.wrong,
            "findings": [str(finding) for finding in each.findings],
            "mutants": each.mutants,
            "explained": len(each.explained),
            "survivors": [mutant.diff for mutant in each.survivors],
            "score": each.score,
            "seconds": round(each.seconds, 1),
        }
        for each in audit.exercises.values()
    ]
    content = {"figures": figures, "problems": audit.problems, "exercises": records, "targets": list(targets)}
    write_file(course.reports / FIGURES, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    page = template.render(
        title=course.title,
        style=files("autograder.report").joinpath("page.css").read_text(encoding="utf-8"),
        when=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC",
        figures=figures,
        problems=audit.problems,
        exercises=list(audit.exercises.values()),
        targets=list(targets),
    )
    path = course.reports / PAGE
    write_file(path, page.encode())
    return path


def total(audit: Audit) -> dict[str, int]:
    """Add up what was found of all exercises."""
    exercises = audit.exercises.values()
    figures = {
        "answers": sum(each.right + each.wrong for each in exercises),
        "accepts": sum(each.counts[0] for each in exercises),
        "refuses": sum(each.counts[1] for each in exercises),
        "messages": sum(each.counts[2] for each in exercises),
        "mutants": sum(each.mutants for each in exercises),
        "explained": sum(len(each.explained) for each in exercises),
        "survivors": sum(len(each.survivors) for each in exercises),
        "repeated": audit.repeated,
        "unsteady": audit.unsteady,
        "problems": len(audit.problems),
    }
    return {**figures, "killed": figures["mutants"] - figures["explained"] - figures["survivors"]}


def target_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a table of targets, as they stand there."""
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get("target", [])
    return rows
