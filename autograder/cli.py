"""The command line: thin, because each command is a function elsewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from autograder import quick  # noqa: F401 - before what it makes quicker
from autograder.course import Course, find_course, load_course
from autograder.errors import AutograderError

app = typer.Typer(
    help="Build the notebooks of a course, mark what students hand in, and look at what came of it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Names, messages and paths go out as they are: no brackets taken for markup, no numbers coloured.
console = Console(highlight=False, markup=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

# How the last run graded, for the report.
_RUN_FILE = "run.json"
_WRONG_USAGE = 2
_SANDBOXES = {True: "strict", False: "off: submissions ran with the rights of whoever graded"}
_SCHEMES = {"moodle": "a Moodle download", "canvas": "a Canvas download", "plain": "plain folders"}
_INTERRUPTED = 130
_OUR_FAULT = 70  # EX_SOFTWARE of sysexits.h
_DEBUG = "AUTOGRADER_DEBUG"
_GOES_ON = "What is graded is kept; the same command goes on where this one stopped."
_SHOW_CURSOR = b"\x1b[?25h"


class Profile(StrEnum):
    """How large trainings are."""

    CPU = "cpu"
    GPU = "gpu"


class Sandbox(StrEnum):
    """What submissions may touch."""

    STRICT = "strict"
    OFF = "off"


class Source(StrEnum):
    """Where data come from."""

    REAL = "real"
    STANDIN = "standin"


class Platform(StrEnum):
    """Where a download comes from."""

    MOODLE = "moodle"
    CANVAS = "canvas"
    PLAIN = "plain"


class System(StrEnum):
    """Batch systems that Dask can ask for workers."""

    HTCONDOR = "htcondor"
    LSF = "lsf"
    MOAB = "moab"
    OAR = "oar"
    PBS = "pbs"
    SGE = "sge"
    SLURM = "slurm"


class Format(StrEnum):
    """What grades are written as."""

    CSV = "csv"
    MOODLE = "moodle"
    CANVAS = "canvas"


def _limit(unit: str, text: str) -> Any:
    panel = "Limits, in place of those in course.toml"
    return typer.Option(metavar=unit, min=0.1, help=text, rich_help_panel=panel)


JsonFile = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write what came of it there, for a program.")
]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[ASSIGNMENT]...", help="Which assignments; all when none is named.")
]


audits = typer.Typer(
    help="Judge the judges: right and wrong answers, mutants of the references, targets, steadiness.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)
app.add_typer(audits, name="audit")


@app.callback()
def _course_option(
    context: typer.Context,
    course: Annotated[
        Path | None,
        typer.Option(help="The course's folder; else the nearest one with a course.toml, from here upwards."),
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", envvar=_DEBUG, help="Show where in the program an error came up.")
    ] = False,
) -> None:
    context.obj = course
    if debug:
        os.environ[_DEBUG] = "1"


def _course(context: typer.Context) -> Course:
    return load_course(context.obj if context.obj is not None else find_course(Path.cwd()))


@app.command(epilog="Example: `autograder build 08_cnn`")
def build(
    context: typer.Context,
    names: Names = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if something is out of date.")
    ] = False,
) -> None:
    """Make `release/` from `source/`."""
    from autograder.build import build as build_release

    course = _course(context)
    changes = build_release(course, course.select(names or ()), check=check)
    for change in changes:
        console.print(f"{change.kind.value:8} {change.path.relative_to(course.root)}")
    if not changes:
        console.print("release/ is up to date.")
    elif check:
        errors.print("release/ is out of date: run 'autograder build'.")
        raise typer.Exit(1)


@app.command(epilog="Example: `autograder solve 05_convolution_by_hand`")
def solve(context: typer.Context, names: Names = None) -> None:
    """Run the masters and write `solutions/`, with outputs and pictures."""
    from autograder.solve import solve as solve_masters

    course = _course(context)
    for path in solve_masters(course, course.select(names or ()), progress=console.print):
        console.print(f"wrote {path.relative_to(course.root)}")


@app.command(epilog="Example: `autograder check cnn.ipynb`")
def check(
    notebook: Annotated[Path, typer.Argument(help="A notebook that was handed out, with your answers.")],
    timeout: Annotated[float, typer.Option(help="Seconds that a cell may take.")] = 120.0,
) -> None:
    """Run a notebook's visible tests, as a student does before handing in."""
    from autograder.notebook import NotebookError
    from autograder.selfcheck import check as check_notebook
    from autograder.selfcheck import render

    try:
        with console.status("starting") as status:
            report = check_notebook(notebook, timeout=timeout, progress=lambda line: status.update(escape(line)))
    except NotebookError as error:
        errors.print(str(error), style="red")
        raise typer.Exit(1) from None
    console.print(render(report))
    raise typer.Exit(0 if report.passed else 1)


@app.command(epilog="Example: `autograder sample --to /tmp/try && autograder --course /tmp/try grade`")
def sample(
    context: typer.Context,
    names: Names = None,
    to: Annotated[
        Path | None, typer.Option(help="Make a course folder of its own there; else the course's own.")
    ] = None,
) -> None:
    """Write a class of made-up students, each a described case, into `submitted/`."""
    from autograder.sample import write_class

    course = _course(context)
    written = write_class(course, course.select(names or ()), to or course.root)
    students = {path.parent.parent.name for path in written}
    console.print(f"{len(written)} submissions of {len(students)} students in {(to or course.root) / 'submitted'}")


@app.command(
    epilog="Examples: `autograder collect 'Deep learning-CNN-1234.zip' --roster 'Grades-CNN.csv'`, "
    "`autograder collect submissions.zip --from canvas --assignment 08_cnn`, `autograder collect ~/from-email`. "
    "Exit code 0: everything was collected; 1: something was not (each is named, the rest is collected); "
    "2: wrong usage."
)
def collect(
    context: typer.Context,
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="ARCHIVE|FOLDER...",
            exists=True,
            help="Moodle's 'Download all submissions', Canvas's 'Download submissions', or any zip, tar or folder with "
            "`<student>/<assignment>/<notebook>.ipynb`. Of several the last one counts as the newest.",
        ),
    ],
    platform: Annotated[
        Platform | None, typer.Option("--from", help="How files are named; else it is seen from their names.")
    ] = None,
    roster: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="The class as CSV, which gives students' folders their names: Moodle's grading worksheet (Identifier, "
            "Full name, Email address) or Canvas's gradebook (Student, ID, SIS Login ID).",
        ),
    ] = None,
    assignment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only notebooks of this assignment; may be repeated.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what is there and differs; else it is left and told of.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Bring what students handed in to `submitted/`, and say who handed in what."""
    from autograder.intake import Scheme, read_roster
    from autograder.intake import collect as collect_from

    summary = collect_from(
        _course(context),
        sources,
        scheme=Scheme(platform.value) if platform else None,
        roster=read_roster(roster) if roster else None,
        assignments=assignment or (),
        force=force,
    )
    _show_collected(summary)
    if json_file is not None:
        _write_json(json_file, dataclasses.asdict(summary))
    raise typer.Exit(1 if summary.problems else 0)


@app.command(
    epilog="Examples: `autograder grade`, `autograder grade 08_cnn --student 'a*' --jobs 4`, "
    "`autograder grade --force --json verdicts.json`. Exit code 0: every submission was graded; 1: some could not be "
    "(each is named, the others are graded); 2: wrong usage."
)
def grade(
    context: typer.Context,
    names: Names = None,
    student: Annotated[str, typer.Option(metavar="GLOB", help="Only students whose name fits this pattern.")] = "*",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Submissions at the same time; else one for each core.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How large trainings are.")] = Profile.CPU,
    data: Annotated[
        Source | None, typer.Option(help="Pin where data come from; else real data if they are there.")
    ] = None,
    cell_timeout: Annotated[float | None, _limit("S", "Seconds for one cell.")] = None,
    notebook_timeout: Annotated[float | None, _limit("S", "Seconds for one notebook, with all its tests.")] = None,
    call_timeout: Annotated[float | None, _limit("S", "Seconds for a test's call of a student's function.")] = None,
    memory_limit: Annotated[float | None, _limit("MIB", "Memory of a kernel, beyond what all share.")] = None,
    process_limit: Annotated[float | None, _limit("N", "Processes and threads of a kernel.")] = None,
    file_limit: Annotated[float | None, _limit("MIB", "Size of one file.")] = None,
    folder_limit: Annotated[float | None, _limit("MIB", "Size of all files in a kernel's folder.")] = None,
    output_limit: Annotated[float | None, _limit("N", "Characters that a cell may print or show.")] = None,
    message_limit: Annotated[float | None, _limit("N", "Outputs of a cell in a second.")] = None,
    sandbox: Annotated[
        Sandbox, typer.Option(help="strict: confine submissions, or refuse; off: for submissions that you trust.")
    ] = Sandbox.STRICT,
    pictures: Annotated[
        bool,
        typer.Option("--pictures", help="Draw all pictures; else only where a person has cells to grade."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Grade again what has not changed since it was graded.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Grade on a Dask cluster that is running: tcp://host:8786.")
    ] = None,
    cluster: Annotated[
        System | None,
        typer.Option(help="Ask this batch system for as many Dask workers as --jobs says, and grade there."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Mark what is in `submitted/`; a second call goes on where the first one stopped."""
    from autograder.kernels.process import shared_server
    from autograder.submitted import find_submissions, preload
    from autograder.temporary import sweep

    limits = {
        "cell_timeout": cell_timeout,
        "notebook_timeout": notebook_timeout,
        "call_timeout": call_timeout,
        "memory_limit": memory_limit,
        "process_limit": process_limit,
        "file_limit": file_limit,
        "folder_limit": folder_limit,
        "output_limit": output_limit,
        "message_limit": message_limit,
    }
    _leave_at_once_when_interrupted()
    sweep()
    course = _course(context)
    submissions = find_submissions(course, course.select(names or ()), student)
    if not submissions:
        errors.print(f"Nothing to grade in {course.submitted} for this choice.")
        raise typer.Exit(_WRONG_USAGE)
    if scheduler and cluster:
        errors.print("--scheduler names a cluster that is running, --cluster asks for a new one: give one of them.")
        raise typer.Exit(_WRONG_USAGE)
    workers = jobs or os.cpu_count() or 1
    modules = preload(course, submissions)
    is_here = not (scheduler or cluster)
    if is_here:
        # The server imports what kernels need while this process sees to the rest.
        shared_server(modules)
        if sandbox is Sandbox.STRICT:
            _require_sandbox()
    environment = _environment(profile, data)
    train_long = [each for each in submissions if each.assignment.gpu] if profile is Profile.GPU else []
    try:
        # First, since a cluster's workers, too, take their time to start.
        with _cluster(workers, course.gpu_memory if train_long else 0, modules, scheduler, cluster) as there:
            from autograder.crew import Crew
            from autograder.grading import Settings
            from autograder.grading import grade as grade_submissions

            settings = Settings(
                environment=environment,
                examiner_environment=(("COURSE_HOLDOUT_SEED", str(course.holdout_seed)),),
                threads=max(1, (os.cpu_count() or 1) // workers) if is_here else 1,
                limits=tuple((name, value) for name, value in limits.items() if value is not None),
                sandbox=sandbox is Sandbox.STRICT,
                pictures=pictures,
                gpu_users=course.gpu_users if train_long else (),
            )
            slots = _slots(course, min(workers, len(train_long)), settings) if is_here and train_long else ()
            executor = there or Crew(workers, slots)
            with _progress(len(submissions)) as tell:
                verdicts = grade_submissions(
                    course, submissions, settings, executor, force=force, tell=tell, warn=errors.print
                )
            executor.shutdown()
    except AutograderError as error:
        # At once: the papers that are being run would be run to their end for nothing.
        _show_traceback()
        errors.print(f"{error}\n{_GOES_ON}", style="red")
        sys.stdout.flush()
        os._exit(_WRONG_USAGE)
    if is_here:
        lent = f", {len(slots)} of them on {len({slot.gpu for slot in slots})} GPU(s)" if slots else ""
        ran = f"{workers} at a time, {settings.threads} thread(s) each{lent}"
    else:
        ran = f"on the cluster of {scheduler}" if scheduler else f"on {workers} workers of {cluster}"
    _close_run(course, settings, ran, verdicts, json_file)


@app.command(
    epilog="Examples: `autograder export`, `autograder export 08_cnn --to moodle --roster 'Grades-CNN.csv'`, "
    "`autograder export --to canvas --roster gradebook.csv --output back.csv`. The roster is the file that the "
    "platform gives (Moodle's grading worksheet of one assignment, Canvas's gradebook); what is written is the same "
    "file, row by row, with the grades in it."
)
def export(
    context: typer.Context,
    names: Names = None,
    to: Annotated[Format, typer.Option(help="What to write.")] = Format.CSV,
    roster: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="The platform's file, for moodle and canvas."),
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Where; else grades-*.csv in the course.")] = None,
) -> None:
    """Write the gradebook's scores for other programs."""
    from autograder.export import export_csv, export_to_platform

    course = _course(context)
    chosen = [assignment.name for assignment in course.select(names or ())]
    if to is Format.CSV:
        path = output or course.root / "grades.csv"
        console.print(f"{export_csv(course, path, names=chosen if names else None)} rows in {path}", soft_wrap=True)
        return
    if roster is None:
        raise typer.BadParameter(f"--to {to.value} needs --roster FILE: the file that {to.value.title()} gives.")
    if to is Format.MOODLE and len(chosen) != 1:
        raise typer.BadParameter("a worksheet of Moodle's is about one assignment: name it.")
    path = output or course.root / f"grades-{chosen[0] if to is Format.MOODLE else 'canvas'}.csv"
    filled = export_to_platform(course, to.value, roster, chosen, path)
    console.print(f"{filled.grades} grades in {path}", soft_wrap=True)
    for remark in filled.remarks:
        console.print(remark, soft_wrap=True)
    if filled.waiting:
        console.print(f"Points may still change, for a person has to give some: {', '.join(filled.waiting)}")
    if filled.strangers:
        errors.print(f"Not in {roster.name}, so without a grade there: {', '.join(filled.strangers)}", style="yellow")


@app.command(epilog="Example: `autograder report`")
def report(context: typer.Context) -> None:
    """Write the report that instructors look at: one HTML file."""
    from autograder.report import write_report

    course = _course(context)
    facts = course.reports / _RUN_FILE
    run = json.loads(facts.read_text(encoding="utf-8")) if facts.exists() else {}
    console.print(f"Report: {write_report(course, run=run)}", soft_wrap=True)


@app.command(
    epilog="Examples: `autograder feedback`, `autograder feedback 08_cnn --student 'a*'`. Points and comments that "
    "people gave in formgrader are in it; call it again when they change."
)
def feedback(
    context: typer.Context,
    names: Names = None,
    student: Annotated[str, typer.Option(metavar="GLOB", help="Only students whose name fits this pattern.")] = "*",
) -> None:
    """Write each student's notebook with points and messages: `feedback/<student>/<assignment>/<notebook>.html`."""
    from autograder.report.feedback import write_feedback

    course = _course(context)
    with console.status("writing") as status:
        written = write_feedback(
            course,
            course.select(names or ()),
            students=student,
            tell=lambda path: status.update(escape(str(path.relative_to(course.feedback)))),
        )
    if not written:
        errors.print("Nothing that was graded fits this choice: run 'autograder grade' first.")
        raise typer.Exit(_WRONG_USAGE)
    students = {path.parents[1].name for path in written}
    console.print(f"{len(written)} page(s) for {len(students)} student(s) in {course.feedback}", soft_wrap=True)


@app.command(
    epilog="Examples: `autograder publish ../students`, `autograder publish ../students 01_images 02_sigmoid_neuron "
    "--repository university/deep-learning`. The folder may be a clone of the repository: commit and push it yourself. "
    "Exit code 2: something would be given away, or the folder holds something else; nothing is written then."
)
def publish(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or that of an earlier edition.")],
    names: Names = None,
    repository: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME", help="Where it will be on GitHub: makes links that open notebooks in Colab."
        ),
    ] = None,
    branch: Annotated[str, typer.Option(help="The repository's branch, for the links.")] = "main",
) -> None:
    """Write the student edition, `release/` with all it needs, and prove that no solution or hidden test is in it."""
    from autograder.publish import make_edition, write_edition

    course = _course(context)
    with console.status("reading the masters, and looking for secrets in what is given away"):
        edition = make_edition(course, course.select(names or ()), repository=repository, branch=branch)
    write_edition(edition, folder, tell=console.print)
    count = len(edition.notebooks)
    console.print(f"{count} notebooks in {folder}; no line of a solution or hidden test is in it.", soft_wrap=True)


@app.command(
    epilog="Example: `autograder doctor`. Exit code 0: every layer of the sandbox works; 1: one does not. GPUs are for "
    "`autograder grade --profile gpu` alone."
)
def doctor(json_file: JsonFile = None) -> None:
    """Try every layer of the sandbox for real, and every GPU, and say what works on this machine."""
    from autograder.sandbox import probe

    reports = probe()
    works = all(report.works for report in reports)
    reports += _gpus_tried(is_confined=works)
    table = Table("layer", "works", "what was tried, and what came of it")
    for report in reports:
        answer = Text("yes", style="green") if report.works else Text("no", style="red")
        told = ". ".join(filter(None, [report.tried, report.reason]))
        table.add_row(report.name, answer, " ".join(filter(None, [told, report.remedy])))
    console.print(table)
    if json_file is not None:
        _write_json(json_file, [dataclasses.asdict(report) for report in reports])
    raise typer.Exit(0 if works else 1)


def _gpus_tried(*, is_confined: bool) -> list[Any]:
    """Tell of each GPU whether papers could have it; of none where there is none."""
    from autograder.kernels.gpus import find_gpus

    gpus = find_gpus()
    if not gpus:
        return []
    from autograder.crew import tried
    from autograder.kernels.process import shared_server
    from autograder.sandbox import LayerReport, default_readable
    from autograder.sealed.session import Conditions

    shared_server()
    under = Conditions(readable=default_readable() if is_confined else None)
    what = f"compute on it, {'in' if is_confined else 'without'} the sandbox"
    return [
        LayerReport(f"GPU {gpu.index}", not reason, f"{what} ({gpu.memory:,} MiB)", reason)
        for gpu, reason in tried(gpus, under, Course.gpu_memory)
    ]


Jobs = Annotated[int | None, typer.Option(min=1, help="Papers at the same time; else one for each core.")]
Times = Annotated[
    int | None,
    typer.Option(
        min=2, help="How often a reference is judged, a right answer a tenth of that; else 100 or, if dear, 10."
    ),
]
_EXIT_CODES = "Exit code 0: nothing is to be mended; 1: something is, and each is named; 2: wrong usage."


@audits.callback(
    epilog="Examples: `autograder audit`, `autograder audit bank 02_sigmoid_neuron --jobs 2`. A second call goes on "
    f"where the first one stopped. {_EXIT_CODES}"
)
def _audit_all(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        _audit(context, None, None, ("bank", "mutants", "targets", "flaky"))


@audits.command("bank", epilog=f"Example: `autograder audit bank 02_sigmoid_neuron --jobs 2`. {_EXIT_CODES}")
def audit_bank_command(
    context: typer.Context, names: Names = None, jobs: Jobs = None, json_file: JsonFile = None
) -> None:
    """Judge the right and wrong answers in `tests/answers/`, and read the messages."""
    _audit(context, names, jobs, ("bank",), json_file=json_file)


@audits.command(
    "mutants", epilog=f"Example: `autograder audit mutants 05_convolution_by_hand --json mutants.json`. {_EXIT_CODES}"
)
def audit_mutants_command(
    context: typer.Context, names: Names = None, jobs: Jobs = None, json_file: JsonFile = None
) -> None:
    """Judge the references with one mistake each: the tests must find it."""
    _audit(context, names, jobs, ("mutants",), json_file=json_file)


@audits.command("flaky", epilog=f"Example: `autograder audit flaky 02_sigmoid_neuron --times 20`. {_EXIT_CODES}")
def audit_flaky_command(
    context: typer.Context, names: Names = None, jobs: Jobs = None, times: Times = None, json_file: JsonFile = None
) -> None:
    """Judge references and right answers many times: no score may change."""
    _audit(context, names, jobs, ("flaky",), times=times, json_file=json_file)


@audits.command(
    "calibrate",
    epilog="Examples: `autograder audit calibrate 08_cnn --seeds 8`, `COURSE_DATA=<folder> autograder audit calibrate "
    f"--write`. A target that a wrong answer reaches is refused. {_EXIT_CODES}",
)
def audit_calibrate_command(
    context: typer.Context,
    names: Names = None,
    jobs: Jobs = None,
    seeds: Annotated[
        int, typer.Option(min=3, help="Runs of the reference; wrong answers have a quarter of that.")
    ] = 20,
    profile: Annotated[Profile, typer.Option(help="How large trainings are.")] = Profile.CPU,
    data: Annotated[Source | None, typer.Option(help="Pin where data come from.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Put the rows into coursekit/targets.toml.")] = False,
) -> None:
    """
    Measure what honest and wrong solutions reach, and give the targets between them.

    What a notebook that is the same for every profile reaches is written for all of them.
    """
    from autograder.audit.bank import read_bank
    from autograder.audit.calibration import as_toml, measure, profiles_alike, write_targets
    from autograder.audit.judging import Bench
    from autograder.grading import Settings
    from autograder.kernels.process import shared_server
    from autograder.temporary import sweep

    _leave_at_once_when_interrupted()
    sweep()
    course = _course(context)
    shared_server(course.preload)
    # Nothing is run but the course's own answers, and a GPU is not to be had in the sandbox.
    settings = Settings(environment=(*_environment(profile, data), *_accelerator(profile)), sandbox=False)
    bench = Bench(course, jobs=jobs or os.cpu_count() or 1)
    source, _ = _kind(settings)
    refused = []
    for assignment in course.select(names or ()):
        bank = read_bank(course, assignment)
        with _telling() as tell:
            found = measure(bench, bank, settings, seeds, tell)
        console.print(as_toml([each.entry(source, profile.value) for each in found]), soft_wrap=True)
        for each in found:
            for name in each.too_good:
                errors.print(f"{each.exercise}: REFUSED: '{name}' reaches all that its test could ask", style="red")
                refused.append(each.exercise)
            if each.asks_nothing:
                errors.print(
                    f"{each.exercise}: no row: its runs spread so far that nothing can be asked", style="yellow"
                )
        if write:
            table = course.root / "coursekit" / "targets.toml"
            for holds_for in Profile if profiles_alike(bank.reference) else (profile,):
                write_targets(table, found, source=source, profile=holds_for.value)
    raise typer.Exit(1 if refused else 0)


@audits.command("report", epilog=f"Example: `autograder audit report 02_sigmoid_neuron`. {_EXIT_CODES}")
def audit_report_command(
    context: typer.Context, names: Names = None, jobs: Jobs = None, json_file: JsonFile = None
) -> None:
    """Write the report on answers and mutants: one HTML file. What has been judged before is not judged again."""
    _audit(context, names, jobs, ("bank", "mutants"), json_file=json_file)


def _audit(
    context: typer.Context,
    names: list[str] | None,
    jobs: int | None,
    parts: tuple[str, ...],
    *,
    times: int | None = None,
    json_file: Path | None = None,
) -> None:
    from autograder.audit import auditing
    from autograder.audit.bank import read_bank, shortcomings
    from autograder.audit.judging import Bench
    from autograder.audit.report import target_rows, total, write_audit
    from autograder.grading import Settings
    from autograder.kernels.process import shared_server
    from autograder.temporary import sweep

    _leave_at_once_when_interrupted()
    sweep()
    course = _course(context)
    shared_server(course.preload)
    _require_sandbox()
    banks = [read_bank(course, assignment) for assignment in course.select(names or ())]
    settings = Settings(
        environment=_environment(Profile.CPU, None),
        examiner_environment=(("COURSE_HOLDOUT_SEED", str(course.holdout_seed)),),
    )
    bench = Bench(course, jobs=jobs or os.cpu_count() or 1)
    table = course.root / "coursekit" / "targets.toml"
    rows = target_rows(table) if table.is_file() else []
    found = auditing.Audit()
    with _telling() as tell:
        if "bank" in parts:
            found.problems += shortcomings(course, banks)
            auditing.audit_bank(found, bench, banks, settings, tell)
        if "mutants" in parts:
            auditing.audit_mutants(found, bench, banks, settings, tell)
        if "targets" in parts:
            asked = {
                row["exercise"]: row["target"] for row in rows if (row["source"], row["profile"]) == _kind(settings)
            }
            auditing.audit_targets(found, bench, banks, settings, asked, tell)
        if "flaky" in parts:
            auditing.audit_steadiness(found, bench, banks, settings, times, tell)
    for entry in found.exercises.values():
        for finding in entry.findings:
            console.print(str(finding), style="red", soft_wrap=True)
        for mutant in entry.survivors:
            console.print(f"{entry.assignment} {entry.exercise.grade_id}: a mutant that the tests accept", style="red")
            console.print(mutant.diff, soft_wrap=True)
    for problem in found.problems:
        console.print(problem, style="red", soft_wrap=True)
    figures = total(found)
    for line in _came_of_it(parts, figures):
        console.print(line, soft_wrap=True)
    console.print(f"Report: {write_audit(course, found, targets=rows)}", soft_wrap=True)
    if json_file is not None:
        _write_json(json_file, _audit_record(found, figures))
    raise typer.Exit(0 if found.is_clean else 1)


def _came_of_it(parts: tuple[str, ...], figures: Mapping[str, int]) -> Iterator[str]:
    """Say in a line what came of each part of an audit."""
    if "bank" in parts:
        yield (
            f"{figures['answers']} answers: {figures['accepts']} false accepts, {figures['refuses']} false rejects, "
            f"{figures['messages']} messages to be mended."
        )
    if "mutants" in parts:
        yield (
            f"{figures['mutants']} mutants: {figures['killed']} killed, {figures['explained']} explained, "
            f"{figures['survivors']} survived."
        )
    if "flaky" in parts:
        scores = "score" if figures["unsteady"] == 1 else "scores"
        yield f"{figures['repeated']} judgements of the same papers: {figures['unsteady']} {scores} changed."


def _audit_record(found: Any, figures: Any) -> dict[str, Any]:
    """Give an audit as ``--json`` writes it."""
    entries = found.exercises.values()
    return {
        "figures": dict(figures),
        "findings": [dataclasses.asdict(finding) for entry in entries for finding in entry.findings],
        "survivors": [
            {"assignment": entry.assignment, "exercise": entry.exercise.grade_id, "diff": mutant.diff}
            for entry in entries
            for mutant in entry.survivors
        ],
        "problems": list(found.problems),
    }


def _kind(settings: Any) -> tuple[str, str]:
    """Give data source and profile of a run, as the table of targets calls them."""
    given = dict(settings.environment)
    is_drawn = given.get("COURSE_DATA_SOURCE") == "standin" or "COURSE_DATA" not in given
    return "stand-in" if is_drawn else "folder", given["COURSE_PROFILE"]


@contextlib.contextmanager
def _telling() -> Iterator[Any]:
    """Show what goes on: in one line on a terminal, in many elsewhere."""
    if not console.is_terminal:
        yield lambda line: print(line, flush=True)
        return
    with console.status("starting") as status:
        yield lambda line: status.update(escape(line))


def _show_collected(summary: Any) -> None:
    """Show who handed in what, as a table on a terminal and in plain lines elsewhere; then what was not collected."""
    for name, scheme in summary.schemes.items():
        console.print(f"{name}: read as {_SCHEMES[scheme.value]}", soft_wrap=True)
    rows = [
        (
            each.change.value,
            each.student,
            f"{each.assignment}/{each.notebook}",
            "; ".join(["late"] * each.late + list(each.remarks)),
        )
        for each in summary.collected
    ]
    if console.is_terminal and rows:
        table = Table("", "student", "notebook", "remarks", title="Collected")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for change, student, notebook, remarks in rows:
            console.print(f"{change:8} {student} {notebook}{remarks and f' ({remarks})'}", soft_wrap=True)
    for problem in summary.problems:
        errors.print("not collected", style="red", end=" ")
        errors.print(f"{problem.origin}: {problem.reason} {problem.remedy}")
    if summary.absent:
        console.print(f"Nothing from {len(summary.absent)}: {', '.join(summary.absent)}", soft_wrap=True)
    students = {each.student for each in summary.collected}
    late = sum(each.late for each in summary.collected)
    console.print(
        f"{len(rows)} notebooks of {len(students)} students, {late} late; {len(summary.problems)} not collected."
    )


def _require_sandbox() -> None:
    from autograder.sandbox import SandboxError, probe

    for report in probe():
        if not report.works:
            remedy = f"{report.remedy} With --sandbox off submissions run with your rights: only for those you trust."
            raise SandboxError(report.name, report.reason, remedy)


def _environment(profile: Profile, data: Source | None) -> tuple[tuple[str, str], ...]:
    from coursekit.download import cache_folder

    folder = os.environ.get("COURSE_DATA")
    source = data.value if data else os.environ.get("COURSE_DATA_SOURCE")
    # Candidate and examiner must have the same pictures, but only the examiner could read what somebody has downloaded:
    # it serves as the data folder where real data are asked for, and not at all where nobody says so.
    if not folder and source == "real" and cache_folder().is_dir():
        folder = str(cache_folder())
    elif not folder and not source:
        source = "standin"
    pairs = {
        "COURSE_PROFILE": profile.value,
        "COURSE_DATA_SOURCE": source,
        "COURSE_DATA": str(Path(folder).resolve()) if folder else None,
    }
    return tuple((name, value) for name, value in pairs.items() if value)


def _accelerator(profile: Profile) -> tuple[tuple[str, str], ...]:
    """Give what lets kernels have the GPUs that this process may use: several share each, none takes it all."""
    if profile is not Profile.GPU or "CUDA_VISIBLE_DEVICES" not in os.environ:
        return ()
    shared = {
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "JAX_PLATFORMS": "",  # what there is
    }
    return (("CUDA_VISIBLE_DEVICES", os.environ["CUDA_VISIBLE_DEVICES"]), *shared.items())


def _run_facts(settings: Any, jobs: str) -> dict[str, str]:
    """Tell how a run graded, for people."""
    from platform import python_version

    from autograder.sandbox import LAYERS
    from autograder.versions import versions

    given = dict(settings.environment)
    pinned = {"real": "real data alone", "standin": "the embedded stand-ins"}
    source = pinned.get(given.get("COURSE_DATA_SOURCE", ""))
    return {
        "Profile": given["COURSE_PROFILE"],
        "Data": source or ("the course's data folder" if "COURSE_DATA" in given else "the embedded stand-ins"),
        "Sandbox": _SANDBOXES[settings.sandbox],
        **({"Layers of the sandbox": ", ".join(LAYERS)} if settings.sandbox else {}),
        "Targets": _targets(given),
        "Pictures": "all drawn" if settings.pictures else "drawn where a person has cells to grade",
        "Jobs": jobs,
        "Python": python_version(),
        **versions("nbgrader"),
    }


def _targets(environment: Mapping[str, str]) -> str:
    """Name what models must reach under these variables, and where it was measured: as the examiner looks it up."""
    from coursekit.targets import TABLE, Targets

    folder = Path(environment["COURSE_DATA"]) if "COURSE_DATA" in environment else None

    def source(name: str) -> str:
        is_real = environment.get("COURSE_DATA_SOURCE") != "standin" and folder and (folder / f"{name}.npz").is_file()
        return "folder" if is_real else "stand-in"

    found = Targets(TABLE, source=source, profile=lambda: environment["COURSE_PROFILE"])
    return ", ".join(f"{exercise} {target:g}" for exercise, target in found.items()) or "none"


def _leave_at_once_when_interrupted() -> None:
    """
    On Ctrl-C: leave at once, from here to the end of the process; the fork server and its kernels end with it.

    A thread of our own waits for it. Python's exception is lost when it comes up in a callback or a destructor, and its
    handlers are run by the main thread alone, which may wait for a lock or be in the middle of a long call.
    """
    grader = os.getpid()
    read, write = os.pipe()
    os.set_blocking(write, False)

    def leave() -> None:
        while int(signal.SIGINT) not in os.read(read, 16):
            continue
        # Past Python's buffers, which may be in the middle of something.
        with contextlib.suppress(OSError):
            os.write(2, f"\nInterrupted. {_GOES_ON}\n".encode())
        if console.is_terminal:
            os.write(1, _SHOW_CURSOR)
        os._exit(_INTERRUPTED)

    def leave_fork(_signal: int, _frame: object) -> None:
        if os.getpid() != grader:
            os._exit(_INTERRUPTED)  # in it a layer of the sandbox is tried

    threading.Thread(target=leave, daemon=True).start()
    signal.signal(signal.SIGINT, leave_fork)
    signal.set_wakeup_fd(write)


def _write_json(file: Path, content: Any) -> None:
    from autograder.build import write_file

    text = json.dumps(content, indent=1, ensure_ascii=False)
    if file.exists() and not file.is_file():
        file.write_text(text, encoding="utf-8")  # a terminal, or a pipe to another program
    else:
        write_file(file.resolve(), text.encode())


def _close_run(course: Course, settings: Any, ran: str, verdicts: list[Any], json_file: Path | None) -> None:
    """Tell what came of a run, write what is kept of it, and end with its exit code."""
    from autograder.build import write_file
    from autograder.verdict import Status

    console.print(_summary(verdicts))
    write_file(course.reports / _RUN_FILE, json.dumps(_run_facts(settings, ran), indent=1).encode())
    if json_file is not None:
        _write_json(json_file, [_record(verdict) for verdict in verdicts])
    failed = [verdict for verdict in verdicts if verdict.status is Status.FAILED]
    for verdict in failed:
        errors.print("not graded", style="red", end=" ")
        errors.print(f"{verdict.student} {verdict.assignment}: {verdict.message}")
    raise typer.Exit(1 if failed else 0)


def _slots(course: Course, most: int, settings: Any) -> tuple[Any, ...]:
    """Give the shares of GPUs that are lent to papers here; what speaks against a GPU is told in a line."""
    from autograder.crew import lend
    from autograder.grading import kernel_conditions

    return lend(course.gpu_memory, most, kernel_conditions(course, settings), errors.print)


@contextlib.contextmanager
def _cluster(
    workers: int, gpu_memory: int, modules: tuple[str, ...], scheduler: str | None, system: System | None
) -> Iterator[Executor | None]:
    """Give what runs papers on a cluster, if one is named."""
    if not scheduler and system is None:
        yield None
        return
    from autograder.cluster import Order, on_scheduler, on_system

    order = Order(modules, gpu_memory, errors.print)
    with on_system(system.value, workers, order) if system else on_scheduler(scheduler or "", order) as there:
        yield there


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show a progress bar on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        done = 0

        def tell_line(step: Any, verdict: Any) -> None:
            nonlocal done
            done += 1
            print(f"[{done}/{total}] {step.value} {_line(verdict)}", flush=True)

        yield tell_line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("grading", total=total)

        def tell_bar(_step: Any, verdict: Any) -> None:
            bar.update(task, advance=1, description=escape(f"{verdict.student} {verdict.assignment}"[:40]))

        yield tell_bar


def _line(verdict: Any) -> str:
    score = f"{verdict.score:g}/{verdict.max_score:g}"
    who = f"{verdict.student} {verdict.assignment}/{verdict.notebook}"
    return f"{who} {verdict.status.value} {score} {verdict.seconds:.1f} s"


def _record(verdict: Any) -> dict[str, Any]:
    """Give a verdict as ``--json`` writes it."""
    return {
        "student": verdict.student,
        "assignment": verdict.assignment,
        "notebook": verdict.notebook,
        "status": verdict.status.value,
        "message": verdict.message,
        "score": verdict.score,
        "max_score": verdict.max_score,
        "seconds": round(verdict.seconds, 3),
        "cells": [
            {
                "grade_id": cell.grade_id,
                "score": cell.score,
                "max_score": cell.max_score,
                "outcome": cell.outcome.value,
                "message": cell.message,
            }
            for cell in verdict.cells
        ],
    }


def _summary(verdicts: list[Any]) -> Table:
    """Show the scores: students down, assignments across."""
    assignments = sorted({verdict.assignment for verdict in verdicts})
    found: dict[tuple[str, str], list[Any]] = {}
    for verdict in verdicts:
        found.setdefault((verdict.student, verdict.assignment), []).append(verdict)
    table = Table(title="Scores")
    table.add_column("student")
    for assignment in assignments:
        table.add_column(assignment, justify="right")
    for student in sorted({verdict.student for verdict in verdicts}):
        row: list[str | Text] = []
        for assignment in assignments:
            own = found.get((student, assignment), ())
            score, most = sum(v.score for v in own), sum(v.max_score for v in own)
            failed = any(v.status.value == "failed" for v in own)
            row.append("" if not own else Text("failed", style="red") if failed else f"{score:g}/{most:g}")
        table.add_row(student, *row)
    return table


def main() -> None:
    """Run the command line."""
    try:
        app()
    except AutograderError as error:
        _show_traceback()
        errors.print(str(error), style="red")
        sys.exit(_WRONG_USAGE)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:  # noqa: BLE001 - whatever it was, it is told in a line
        _show_traceback()
        errors.print(f"{type(error).__name__}: {error}", style="red")
        errors.print("That is a fault of this program. `autograder --debug ...` shows where it came up.")
        sys.exit(_OUR_FAULT)


def _show_traceback() -> None:
    """Show where the error at hand came up, if that was asked for."""
    if os.environ.get(_DEBUG):
        errors.print(traceback.format_exc(), end="")
