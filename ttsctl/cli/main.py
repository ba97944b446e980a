"""The app, its commands, and how every end becomes a line and an exit status."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import traceback
from importlib import import_module
from typing import NoReturn

import typer

from ttsctl import __version__
from ttsctl.cli.commands import COMMANDS
from ttsctl.cli.finish import Finished
from ttsctl.cli.interrupts import Interrupts, handle_stops
from ttsctl.cli.streams import Output, OutputLost
from ttsctl.core.errors import Interrupted, TtsctlError
from ttsctl.core.outcome import ExitStatus, Outcome
from ttsctl.core.printable import message_line
from ttsctl.core.write_errors import ROOM, why_full

THREAD_PREFIX = "ttsctl-"
THREAD_GRACE_S = 1.0  # an engine that is told to stop looks up between packets
# The base of what the argument parser raises for wrong usage; typer exports it under no name.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ttsctl {__version__}")
        raise typer.Exit


def build_app(arguments: list[str]) -> typer.Typer:
    """The app with the command that ``arguments`` call, or all of them where they call none.

    Reading the signatures of all takes longer than comparing two dumps. Plain help text for the same reason: drawing it
    with rich would double the start-up time.
    """
    app = typer.Typer(
        name="ttsctl",
        help="Regression and drift forensics for a streaming codec-LM text-to-speech engine.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def _root(
        verbose: bool = typer.Option(False, "--verbose", help="Show the traceback of an error."),
        version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show version."),
    ) -> None:
        pass

    modules = {command.group: command.module for command in COMMANDS}
    called = [argument for argument in arguments if not argument.startswith("-")][:1]
    for name in called if called and called[0] in modules else modules:
        module = import_module(modules[name])
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(module.command)
    return app


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: one clear line on stderr for an error, a traceback only with --verbose."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in arguments
    # --verbose is taken anywhere on the line, for it is what one adds to a command that just failed.
    arguments = [a for a in arguments if a != "--verbose"]
    interrupts = Interrupts()
    handle_stops(interrupts)
    try:
        _call(arguments)
    except BaseException as error:  # noqa: BLE001  the one place where whatever ended the command becomes a status
        handle_stops(signal.SIG_IGN)
        end = _end_of(error, interrupts.came, verbose)
        if end.headline and verbose:
            with contextlib.suppress(OutputLost):
                traceback.print_exception(error)
    _leave(end)


def _call(arguments: list[str]) -> NoReturn:
    """Parse and run; every end is an exception. The parser's own ``main`` ends with status 1 for many a reason."""
    command = typer.main.get_command(build_app(arguments))
    with command.make_context("ttsctl", arguments) as context:
        command.invoke(context)
    raise Finished(ExitStatus.HOLDS)


def _end_of(error: BaseException, interrupted: bool, verbose: bool) -> Outcome:
    """The status of a command that ended in ``error``, and the line to say. FAILS comes from Finished alone."""
    if isinstance(error, Finished):
        return Outcome(error.status, "")
    if isinstance(error, Interrupted | KeyboardInterrupt) or interrupted:
        left = error.left if isinstance(error, Interrupted) else ""
        return Outcome(ExitStatus.INTERRUPTED, f"interrupted; {left}" if left else "interrupted")
    if isinstance(error, typer.Exit) and error.exit_code == 0:
        return Outcome(ExitStatus.HOLDS, "")  # --help or --version
    if isinstance(error, OutputLost):
        return Outcome(error.exit_status, "" if error.reader_gone else str(error))
    if isinstance(error, TtsctlError):
        return Outcome(error.exit_status, str(error))
    if isinstance(error, USAGE_ERROR):
        return Outcome(ExitStatus.BAD_INPUT, _usage_line(error))
    if isinstance(error, OSError) and (full := why_full(error)) is not None:
        named = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return Outcome(ExitStatus.NOT_JUDGED, f"{named}{full}; {ROOM}")
    if isinstance(error, OSError) and error.filename is not None:
        what = f"{os.fsdecode(error.filename)}: {error.strerror or error}"
        return Outcome(ExitStatus.BAD_INPUT, f"{what}; check the name, permissions and space")
    line = f"internal error: {type(error).__name__}: {error}"
    return Outcome(ExitStatus.NOT_JUDGED, line if verbose else f"{line}; run again with --verbose")


def _usage_line(error: Exception) -> str:
    """What is wrong with the arguments; nothing, once the help is shown, where there are none."""
    context, what = getattr(error, "ctx", None), str(getattr(error, "format_message", lambda: error)())
    if context is not None and what == context.get_help():
        with contextlib.suppress(OutputLost):
            typer.echo(what, err=True)
        return ""
    path = context.command_path if context is not None else "ttsctl"
    return f"{what.rstrip('.')}; see {path} --help"


def _leave(end: Outcome) -> NoReturn:
    """Say the line and exit; past the interpreter's own end if a thread of ours is still inside the engine.

    That thread can be neither stopped nor waited for, and native code in it aborts the process (SIGABRT in place of
    our status) once the interpreter is torn down under it.
    """
    status = end.status
    if end.headline:
        _say(end.headline)
    lost = _flush()
    # A verdict that nobody got is none; an error stays what it is.
    if lost is not None and status in (ExitStatus.HOLDS, ExitStatus.FAILS):
        status = lost.exit_status
        if not lost.reader_gone:
            _say(str(lost))
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)]
    for thread in ours:
        thread.join(THREAD_GRACE_S / len(ours))
    if any(thread.is_alive() for thread in ours):
        os._exit(status)
    sys.exit(status)


def _say(line: str) -> None:
    """One line on stderr; a stderr that does not take it changes nothing."""
    with contextlib.suppress(OutputLost):
        print(f"ttsctl: {message_line(line)}", file=sys.stderr, flush=True)


def _flush() -> OutputLost | None:
    """Write what is still held back -> the first stream that was lost, now or before."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OutputLost):
            stream.flush()
    return next((s.lost for s in (sys.stdout, sys.stderr) if isinstance(s, Output) and s.lost is not None), None)
