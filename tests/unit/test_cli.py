"""The command line as a whole: help with examples, errors in a line, tracebacks for who asks, files for programs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from autograder import cli
from tests.downloads import answered, master, saved, zipped


def every_command(group=None, above=()):
    group = group or typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        yield (*above, name), command
        if hasattr(command, "commands"):
            yield from every_command(command, (*above, name))


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["autograder", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code, capsys.readouterr()


@pytest.fixture(autouse=True)
def _not_debugged(monkeypatch):
    monkeypatch.setenv("AUTOGRADER_DEBUG", "")


@pytest.mark.parametrize(("name", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in every_command()])
def test_the_help_of_every_command_says_what_it_is_for_and_what_it_ends_with(name, command):
    shown = CliRunner().invoke(cli.app, [*name, "--help"])
    assert shown.exit_code == 0
    assert command.help
    assert command.help[0].isupper()
    assert command.epilog
    assert "Example" in command.epilog
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(name)}: {parameter.name} is not explained"


def test_what_went_wrong_is_told_in_a_line_and_with_debug_where_as_well(capsys, monkeypatch, tmp_path):
    code, short = run(capsys, monkeypatch, "--course", tmp_path, "grade")
    assert code == 2
    assert short.err.count("\n") == 1
    assert str(tmp_path) in short.err
    code, long = run(capsys, monkeypatch, "--debug", "--course", tmp_path, "grade")
    assert code == 2
    assert long.err.startswith("Traceback (most recent call last)")
    assert long.err.endswith(short.err)


def test_a_fault_of_the_program_is_no_traceback_either(capsys, monkeypatch, tmp_path):
    def fail(_root):
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(cli, "load_course", fail)
    code, said = run(capsys, monkeypatch, "--course", tmp_path, "grade")
    assert code == 70
    assert "ZeroDivisionError: by nothing" in said.err
    assert "--debug" in said.err
    assert "Traceback" not in said.err


def test_what_was_collected_is_written_for_a_program(capsys, monkeypatch, make_course, tmp_path):
    course = make_course({"01_a/a.ipynb": master("a")})
    archive = saved(tmp_path, zipped({"ada_LATE_1_2_a.ipynb": answered("a"), "ben_3_4_a.pdf": b""}))
    code, _ = run(
        capsys, monkeypatch, "--course", course.root, "collect", archive, "--from", "canvas", "--json", tmp_path / "j"
    )
    assert code == 1
    written = json.loads((tmp_path / "j").read_text(encoding="utf-8"))
    assert [(each["student"], each["assignment"], each["late"]) for each in written["collected"]] == [
        ("ada", "01_a", True)
    ]
    assert [problem["origin"] for problem in written["problems"]] == ["ben_3_4_a.pdf"]


def test_what_the_doctor_found_is_written_for_a_program(capsys, monkeypatch, tmp_path):
    code, _ = run(capsys, monkeypatch, "doctor", "--json", tmp_path / "layers.json")
    layers = json.loads((tmp_path / "layers.json").read_text(encoding="utf-8"))
    assert code == (0 if all(layer["works"] for layer in layers) else 1)
    assert {"name", "works", "tried", "reason", "remedy"} <= set(layers[0])


def test_what_takes_long_to_import_and_serves_no_command_is_left_out():
    names = (
        "import sys, autograder.cli, autograder.grading; print(*(name for name in sys.modules if sys.modules[name]))"
    )
    loaded = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True).stdout.split()
    assert "nbgrader.api" in loaded
    left_out = {
        "rfc3987_syntax",
        "rfc3986_validator",
        "isoduration",
        "jupyter_server",
        "nbgrader.apps",
        "setuptools",
        "requests",
        "alembic",
    }
    assert (left_out | {"numpy", "IPython"}) & set(loaded) == set()


def test_a_courses_settings_may_still_speak_of_what_is_left_out(tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(
        "from nbgrader.auth import JupyterHubAuthPlugin\n"
        "class Ours(JupyterHubAuthPlugin):\n"
        "    pass\n"
        "c = get_config()\n"
        "c.Authenticator.plugin_class = Ours\n"
        "c.CourseDirectory.course_id = 'dl'\n"
    )
    read = (
        "import pathlib, sys, autograder.cli\nfrom autograder.nbgrader_settings import load_settings\n"
        "print(load_settings(pathlib.Path(sys.argv[1])).CourseDirectory.course_id)"
    )

    done = subprocess.run([sys.executable, "-c", read, tmp_path], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr) == ("dl\n", "")
