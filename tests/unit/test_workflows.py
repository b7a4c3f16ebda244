"""The workflows, ours and the one that students get: what a linter asks of them, and what no linter can know."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner
from packaging.requirements import Requirement
from typer.core import TyperGroup
from typer.main import get_command

from autograder.build import read_master
from autograder.cli import app
from autograder.course import find_course, load_course
from autograder.publish import make_edition

ROOT = find_course(Path(__file__).parent)
COURSE = load_course(ROOT)
CI, GPU = (ROOT / ".github" / "workflows" / name for name in ("ci.yml", "gpu.yml"))
ACTION = ROOT / ".github" / "actions" / "environment" / "action.yml"
CHECK = ".github/workflows/check.yml"

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split())
SETTINGS = set(re.findall(r"^(\w+) [?:]?= ", MAKEFILE, re.M))
WRONG_USAGE = typer.BadParameter.__base__  # of every error of the command line's parser
PINNED = re.compile(r"[\w.-]+(/[\w.-]+)+@(v\d+|[0-9a-f]{40})")


def published():
    """Give the text of the workflow in the student edition."""
    return make_edition(COURSE, COURSE.assignments[:1]).files[CHECK].decode()


EVERY = {
    **{path.name: path.read_text(encoding="utf-8") for path in sorted(CI.parent.iterdir())},
    ACTION.name: ACTION.read_text(encoding="utf-8"),
    "check.yml": published(),
}
every = pytest.mark.parametrize("name", EVERY)


# What the linter says


def lint(text, folder, schema="github-workflows"):
    """Give what the linter complains of; it has its schema with it and asks no network."""
    file = folder / "workflow.yml"
    file.write_text(text, encoding="utf-8")
    outcome = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", str(file)])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome.output if outcome.exit_code else ""


@every
def test_the_linter_finds_nothing(name, tmp_path):
    assert lint(EVERY[name], tmp_path, "github-actions" if name == ACTION.name else "github-workflows") == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("    runs-on: ubuntu-24.04\n", ""),
        ("    runs-on:", "    run-on:"),
        ("    steps:", "    step:"),
        ("  pull_request:", "  pull_requests:"),
        ("  contents: read", "  contents: reed"),
        ("timeout-minutes: 30", "timeout-minutes: half an hour"),
        ("      - run: make grade", "      - run:\n          make: grade"),
        ("jobs:", "    jobs:"),
    ],
)
def test_the_linter_sees_that_a_workflow_is_damaged(right, wrong, tmp_path):
    text = EVERY["ci.yml"]
    assert right in text
    assert lint(text.replace(right, wrong, 1), tmp_path) != ""


# What it cannot know: this repository


def commands(script):
    """Give the commands of a shell script, each as a list of words; what is quoted is one of them."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if set(word) <= set(lexer.punctuation_chars):
                yield words
                words = []
            else:
                words.append(word)


def wrong_call(words):
    """Say what is wrong with a call of make or the grader; nothing, where it is right or calls something else."""
    program, *arguments = words or [""]
    if program == "make":
        unknown = {word for word in arguments if "=" not in word} - TARGETS
        unknown |= {word.partition("=")[0] for word in arguments if "=" in word} - SETTINGS
        return f"make has no {', '.join(sorted(unknown))}" if unknown else ""
    if Path(program).name == "autograder":
        try:
            parse(get_command(app), arguments)
        except WRONG_USAGE as error:
            return error.format_message()
    elif program.startswith(".") and not program.startswith(".venv/") and not (ROOT / program).is_file():
        return f"there is no {program}"
    return ""


def parse(command, arguments, parent=None):
    """Let the command line's own parser read arguments, through all sub-commands; nothing is run."""
    context = command.make_context(command.name, list(arguments), parent=parent)
    if isinstance(command, TyperGroup):
        rest = [*context._protected_args, *context.args]
        _, inner, rest = command.resolve_command(context, rest)
        parse(inner, rest, context)


def problems(text):
    """Say what is wrong with a workflow or an action, apart from its form."""
    workflow = yaml.safe_load(text)
    jobs = workflow.get("jobs", {})
    if jobs and set(workflow.get("permissions", {"": "all"}).values()) - {"read", "none"}:
        yield "permissions are not declared, or more than reading"
    for name, job in jobs.items():
        if "timeout-minutes" not in job:
            yield f"{name} has no timeout"
    for step in [step for job in (*jobs.values(), workflow.get("runs", {})) for step in job.get("steps", ())]:
        uses, script = step.get("uses"), step.get("run", "")
        if uses and uses.startswith("./"):
            if not (ROOT / uses / "action.yml").is_file():
                yield f"there is no action {uses}"
        elif uses and not PINNED.fullmatch(uses):
            yield f"{uses} is not pinned"
        if "python" in step.get("shell", ""):
            ast.parse(script)
        else:
            yield from filter(None, map(wrong_call, commands(script)))


@every
def test_what_a_workflow_calls_is_there_and_it_may_do_and_take_no_more_than_it_needs(name):
    assert list(problems(EVERY[name])) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        ("ci.yml", "make grade", "make grades", "make has no grades"),
        ("ci.yml", "TESTS=tests/unit", "TEST=tests/unit", "make has no TEST"),
        ("ci.yml", ".ci/run", ".ci/runs", "there is no .ci/runs"),
        ("ci.yml", "autograder doctor", "autograder doctors", "No such command 'doctors'."),
        ("ci.yml", "checkout@v6", "checkout@main", "actions/checkout@main is not pinned"),
        ("ci.yml", "checkout@v6", "checkout", "actions/checkout is not pinned"),
        (
            "ci.yml",
            "./.github/actions/environment",
            "./.github/actions/env",
            "there is no action ./.github/actions/env",
        ),
        ("ci.yml", "contents: read", "contents: write", "permissions are not declared, or more than reading"),
        ("ci.yml", "permissions:", "env:", "permissions are not declared, or more than reading"),
        ("ci.yml", "    timeout-minutes: 60\n", "", "whole has no timeout"),
        (
            "gpu.yml",
            "--profile gpu",
            "--profile tpu",
            "'tpu' is not one of 'cpu', 'gpu'",
        ),
        ("gpu.yml", "--json", "--jsn", "No such option: --jsn"),
        ("gpu.yml", "--course build/full-size report", "--courses build/full-size report", "No such option: --courses"),
        ("action.yml", "make environment", "make environments", "make has no environments"),
        ("check.yml", "setup-python@v6", "setup-python@latest", "actions/setup-python@latest is not pinned"),
    ],
)
def test_a_workflow_that_calls_what_is_not_there_or_takes_too_much_is_told(name, right, wrong, said):
    assert right in EVERY[name]

    (problem, *_) = problems(EVERY[name].replace(right, wrong, 1))

    assert said in problem


def test_an_action_has_one_version_everywhere():
    used = {use for text in EVERY.values() for use in re.findall(r"uses: ([\w-]+/\S+)", text)}

    assert len({use.partition("@")[0] for use in used}) == len(used)


def test_ci_tries_every_python_that_is_promised_and_all_tests_with_the_oldest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    allowed = Requirement(f"python{project['requires-python']}").specifier
    promised = [f"3.{minor}" for minor in range(20) if f"3.{minor}.0" in allowed]
    jobs = yaml.safe_load(EVERY["ci.yml"])["jobs"]

    assert jobs["quick"]["strategy"]["matrix"]["python"] == promised
    assert [step["with"]["python"] for step in jobs["whole"]["steps"] if "python" in step.get("with", {})] == promised[
        :1
    ]
    assert ".ci/run" in [step.get("run") for step in jobs["whole"]["steps"]]


@pytest.mark.parametrize("name", ["ci.yml", "gpu.yml"])
def test_a_newer_run_takes_the_place_of_an_older_one(name):
    assert yaml.safe_load(EVERY[name])["concurrency"]["cancel-in-progress"] is True


# References at full size


def full_size():
    return yaml.safe_load(EVERY["gpu.yml"])["jobs"]["full-size"]


def test_full_size_is_for_every_assignment_that_trains_unless_a_target_is_still_to_be_measured():
    rows = tomllib.loads((ROOT / "coursekit" / "targets.toml").read_text(encoding="utf-8"))["target"]
    measured = {row["exercise"] for row in rows if (row["source"], row["profile"]) == ("stand-in", "gpu")}
    expected = []
    for assignment in COURSE.assignments:
        sources = [cell.source for each in assignment.notebooks for cell in read_master(each.path).cells]
        needed = {
            exercise
            for source in sources
            if "in targets" not in source
            for exercise in re.findall(r"""targets\[["']([^"'{]+)["']\]""", source)
        }
        trains = any("runtime.budget(" in source or "targets[" in source for source in sources)
        if trains and needed <= measured:
            expected.append(assignment.name)

    assert full_size()["env"]["ASSIGNMENTS"].split() == expected


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["passed", "manual"], ""),
        (["passed", "partial", "failed"], "08_cnn test_1: below the target\n08_cnn test_2: below the target\n"),
        (["error"], "08_cnn test_0: below the target\n"),
    ],
)
def test_a_reference_that_loses_points_at_full_size_ends_the_workflow(outcomes, said, tmp_path):
    (step,) = [step for step in full_size()["steps"] if step.get("name") == "Each reference has full points"]
    cells = [
        {"grade_id": f"test_{position}", "outcome": outcome, "message": "below the target"}
        for position, outcome in enumerate(outcomes)
    ]
    folder = tmp_path / "build" / "full-size"
    folder.mkdir(parents=True)
    (folder / "verdicts.json").write_text(json.dumps([{"assignment": "08_cnn", "cells": cells}]))

    done = subprocess.run(
        [sys.executable, "-c", step["run"]], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (1 if said else 0, said)


# The notebooks that students push

VALIDATE = """#!/bin/sh
echo "$3" >> "$ASKED"
case $3 in *wrong*) echo "Validation failed on 1 cell";; *) echo "Success! Your notebook passes all the tests.";; esac
"""


class Push:
    """A student's repository, and what the workflow makes of a push to it."""

    def __init__(self, folder):
        self.folder, self.tools = folder / "repository", folder / "tools"
        self.folder.mkdir()
        self.tools.mkdir()
        (self.tools / "nbgrader").write_text(VALIDATE)
        (self.tools / "nbgrader").chmod(0o755)
        (self.tools / "python").symlink_to(sys.executable)
        self.git("init", "--quiet")

    def git(self, *arguments):
        who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, name, text):
        """Commit a file; gives the commit."""
        (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        return self.git("rev-parse", "HEAD")

    def run(self, event):
        """Run the workflow's script; gives its exit code, the notebooks it validated, and the summary."""
        (script,) = [step["run"] for step in yaml.safe_load(published())["jobs"]["check"]["steps"] if "env" in step]
        place = self.tools.parent
        (place / "event.json").write_text(json.dumps(event))
        (place / "asked").touch()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{self.tools}:{os.environ['PATH']}",
                "GITHUB_EVENT_PATH": str(place / "event.json"),
                "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
                "ASKED": str(place / "asked"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        summary = (place / "summary.md").read_text() if (place / "summary.md").exists() else done.stderr
        return done.returncode, (place / "asked").read_text().splitlines(), summary


@pytest.fixture
def push(tmp_path):
    push = Push(tmp_path)
    push.commit("a.ipynb", "{}")
    push.commit("notes.md", "")
    return push


def test_all_notebooks_of_a_push_are_checked_and_no_others(push):
    before = push.git("rev-parse", "HEAD")
    push.commit("b.ipynb", "{}")
    push.commit("Übung 3.ipynb", "{}")

    assert push.run({"before": before})[:2] == (0, ["b.ipynb", "Übung 3.ipynb"])


@pytest.mark.parametrize("event", [{"before": "0" * 40}, {}, {"before": "1234" * 10}])
def test_all_there_are_on_a_new_branch_by_hand_or_when_history_was_rewritten(push, event):
    push.commit("b.ipynb", "{}")

    assert push.run(event)[:2] == (0, ["a.ipynb", "b.ipynb"])


def test_one_that_does_not_pass_fails_the_push_and_the_summary_says_what_it_said(push):
    before = push.git("rev-parse", "HEAD")
    push.commit("wrong.ipynb", "{}")
    push.commit("z.ipynb", "{}")

    code, asked, summary = push.run({"before": before})

    assert (code, asked) == (1, ["wrong.ipynb", "z.ipynb"])
    assert "### wrong.ipynb\n```\nValidation failed on 1 cell" in summary
    assert "### z.ipynb\n```\nSuccess!" in summary
