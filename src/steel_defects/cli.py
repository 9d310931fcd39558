"""``kedro run`` for this project: an expected error is one line, not a traceback."""

import io
import logging
import os
import re
import sys
import warnings
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.validation import CheckFailure, DataValidationError

from steel_defects.errors import Refused, Stopped, shown
from steel_defects.kedro_compat import resume_argument, split_params

#: Skips, with ``--only-missing-outputs``, what is up to date, and hears of Ctrl-C.
RUNNER = "steel_defects.up_to_date.UpToDateRunner"
_INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended


@click.group(name="steel_defects")
def cli() -> None:
    """Commands of the project."""


def _run(traceback: bool, **options: Any) -> Any:
    """Run pipelines."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The locale's encoding may lack characters of messages; standard error writes escapes.
        sys.stdout.reconfigure(errors="backslashreplace")
    # Kedro's default would skip whatever exists with --only-missing-outputs.
    options["runner"] = options.get("runner") or RUNNER
    execute = kedro_run.callback
    assert execute is not None  # noqa: S101 (a command that click made from a function has one)
    if traceback:
        return execute(**options)
    log = _silence_tracebacks()
    try:
        return execute(**options)
    except Stopped as error:
        click.echo(
            f"{str(error).capitalize()}. The same command goes on with what was not finished; add "
            "--only-missing-outputs to skip what is done.", err=True,
        )  # fmt: skip
        sys.exit(_INTERRUPTED)
    except Exception as error:
        message = one_line(error)
        click.echo(f"Error: {message} (--traceback shows where)", err=True)
        if log.resume and "--from-nodes" not in message and not isinstance(error, Refused):
            click.echo(f"Then go on from there: add {log.resume}", err=True)
        sys.exit(1)


def one_line(error: BaseException) -> str:
    """Say in one line what is wrong, from the innermost cause that says it."""
    while error.__cause__ is not None and type(error).__module__.startswith("kedro"):
        if isinstance(error, DataValidationError) and error.failures:
            return faulty_table(error)
        error = error.__cause__
    text = " ".join(re.sub(_PYDANTIC_NOISE, "", str(error)).split())
    for start, advice in _ADVICE.items():
        if text.startswith(start):
            return f"{text.split('. ')[0]}; {advice}"
    return text or type(error).__name__


def faulty_table(error: DataValidationError) -> str:
    """Say in one line which table breaks its schema, where, and what to do.

    Args:
        error: Names the table, and has one failure or more.
    """
    from steel_defects.missing_inputs import remedy

    # A column counts once: with a wrong type, all its other checks fail, too.
    more = len({fault.column or fault.check for fault in error.failures}) - 1
    table = str(error.dataset_name)
    text = f"{table}: {_broken_rule(error.failures[0])}"
    if more:
        text += f"; {more} more {'rule is' if more == 1 else 'rules are'} broken"
    if error.mode == "load":
        return f"{text}; {remedy(table)}"
    return f"{text}; it was not saved: check the data, or report this fault of the project"


def _broken_rule(fault: CheckFailure) -> str:
    check, count = str(fault.check or fault.message), fault.failure_count
    rule = next((re.sub(k, v, check) for k, v in _PANDERA_CHECKS.items() if re.match(k, check)), "")
    first = shown(str(fault.failure_examples[0] if fault.failure_examples else ""), 40)
    if fault.column is None:
        others = f" (and {count - 1:,} more)" if count > 1 else ""
        return f"column {first} {rule}{others}" if rule else shown(check, 200)
    return (
        f"{shown(fault.column, 40)} {rule or shown(check, 200)} "
        f"({count:,} {'case' if count == 1 else 'cases'}, the first: {first or 'empty'})"
    )


#: Pandera's names of what it checks by itself; schemas say the rest in words.
_PANDERA_CHECKS = {
    r"(?:coerce_)?dtype\('(.+)'\)": r"must be of type \1",
    "not_nullable": "must not be null",
    "field_uniqueness": "must be unique",
    "multiple_fields_uniqueness": "must be unique in combination with the other key columns",
    "column_in_dataframe": "is missing",
    "column_in_schema": "does not belong there",
    "column_ordered": "is out of order",
}

#: What to do about messages of Kedro that do not say it, by how they begin.
_ADVICE = {
    "Pipeline does not contain nodes with the following namespaces": (
        "add the model to backbones or architectures, with --params or in conf"
    ),
    "Pipeline contains no nodes after applying all provided filters": (
        "check the filters; the pipeline classification needs a model in backbones, "
        "learning_curve one in learning_curve.models"
    ),
}

#: What pydantic and Kedro wrap around the two things worth saying: which value, and why not.
_PYDANTIC_NOISE = (
    r"Parameter validation failed:\s*-?|Failed to instantiate \w+ for parameter '[^']*':\s*"
    r"|\d+ validation errors? for \w+|\[type=[^\]]*\]|For further information visit \S+"
)


#: Loggers of Kedro that show an error with its stack.
SILENCED = ("kedro.framework.session.session", "kedro.runner", "kedro.framework.project")


class _WithoutErrors(logging.Filter):
    """Leaves out errors that Kedro logs with their stack, and keeps its advice how to resume."""

    resume = ""

    def filter(self, record: logging.LogRecord) -> bool:
        advice = resume_argument(record)
        self.resume = advice or self.resume
        from_kedro = record.name.startswith("kedro.")
        return advice is None and not (from_kedro and record.levelno >= logging.ERROR)


def _silence_tracebacks() -> _WithoutErrors:
    """Keep Kedro from logging an error with its stack before it reaches us."""
    log = _WithoutErrors()
    for name in SILENCED:
        logging.getLogger(name).addFilter(log)
    for handler in logging.getLogger().handlers:
        handler.addFilter(log)
    # The error that follows says the same.
    warnings.filterwarnings("ignore", message="Parameters not found in your Kedro project config")
    return log


def _read_parameters(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Read ``--params`` as Kedro does, but take paths and texts as they are typed, 0045 too."""
    from steel_defects.parameter_hooks import PATH_PARAMETERS, TEXT_PARAMETERS

    try:
        parameters = split_params(context, option, value)
    except click.UsageError as error:
        if "must contain a key" in error.message and "/" in str(value):
            hint = "a path with a comma is given in globals.yml of the environment"
            raise click.UsageError(f"{error.message} ({hint})", context) from error
        raise
    for item in value.split(",") if isinstance(value, str) else ():
        name, _, text = map(str.strip, item.partition("="))
        if name in PATH_PARAMETERS and not isinstance(parameters[name], str | None):
            parameters[name] = text
        if name in TEXT_PARAMETERS:  # Kedro would read "class 3: better" as a mapping
            parameters[name] = text
        if name in PATH_PARAMETERS and text.startswith("~"):
            parameters[name] = os.path.expanduser(text)
    return parameters


for _option in kedro_run.params:
    if _option.name == "params":
        _option.callback = _read_parameters

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
