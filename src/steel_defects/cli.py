"""``kedro run`` for this project: an expected error is one line, not a traceback."""

import logging
import re
import sys
import warnings
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run


@click.group(name="steel_defects")
def cli() -> None:
    """Commands of the project."""


def _run(traceback: bool, **options: Any) -> Any:
    """Run pipelines."""
    execute = kedro_run.callback
    assert execute is not None  # noqa: S101 (a command that click made from a function has one)
    if traceback:
        return execute(**options)
    _silence_tracebacks()
    try:
        return execute(**options)
    except Exception as error:
        click.echo(f"Error: {one_line(error)} (--traceback shows where)", err=True)
        sys.exit(1)


def one_line(error: BaseException) -> str:
    """Say in one line what is wrong, from the innermost cause that says it."""
    while error.__cause__ is not None and type(error).__module__.startswith("kedro"):
        error = error.__cause__
    text = re.sub(_PYDANTIC_NOISE, "", str(error))
    return " ".join(text.split()) or type(error).__name__


#: What pydantic and Kedro wrap around the two things worth saying: which value, and why not.
_PYDANTIC_NOISE = (
    r"Parameter validation failed:\s*-?|Failed to instantiate \w+ for parameter '[^']*':\s*"
    r"|\d+ validation errors? for \w+|\[type=[^\]]*\]|For further information visit \S+"
)


def _silence_tracebacks() -> None:
    """Keep Kedro from logging an error with its stack before it reaches us."""
    for name in ("kedro.framework.session.session", "kedro.runner", "kedro.framework.project"):
        logging.getLogger(name).addFilter(_without_errors)
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_errors)
    # The error that follows says the same.
    warnings.filterwarnings("ignore", message="Parameters not found in your Kedro project config")


def _without_errors(record: logging.LogRecord) -> bool:
    resume_hint = record.name.startswith("kedro.runner") and record.levelno == logging.WARNING
    from_kedro = record.name.startswith("kedro.")
    return not (from_kedro and record.levelno >= logging.ERROR) and not resume_hint


#: Named ``run`` because Kedro looks for that when the project runs as an installed package.
run = click.Command(
    "run",
    callback=_run,
    params=[
        *kedro_run.params,
        click.Option(["--traceback"], is_flag=True, help="Show the whole stack of an error."),
    ],
    help=kedro_run.help,
)
cli.add_command(run)
