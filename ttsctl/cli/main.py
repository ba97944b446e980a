"""The entry point: the app, its commands, and how errors become a line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from importlib import import_module
from types import FrameType
from typing import NoReturn

import typer

from ttsctl import __version__
from ttsctl.cli.commands import COMMANDS
from ttsctl.core.errors import TtsctlError
from ttsctl.core.outcome import ExitStatus

THREAD_PREFIX = "ttsctl-"
THREAD_GRACE_S = 1.0  # an engine that is told to stop looks up between packets


class Interrupted(BaseException):
    """Ctrl-C or a termination request; not an Exception, so no per-case handler can take it for a failed case."""


class Interrupts:
    """The handler of Ctrl-C and termination requests: raises Interrupted, and remembers that one came.

    C code that calls Python, as many extension modules do while they are imported, may drop the exception or raise its
    own instead: an interrupt while numpy is imported ends in ImportError. So every error after an interrupt counts as
    its consequence, and an interrupt that was dropped can be repeated.
    """

    def __init__(self) -> None:
        self.came = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        self.came = True
        error = sys.exc_info()[1]
        while error is not None:
            # A second one must not cut short the removal of what the first one stopped.
            if isinstance(error, Interrupted):
                return
            error = error.__context__
        raise Interrupted


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


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: one clear line on stderr for an error, a traceback only with --verbose."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in arguments
    # --verbose is taken anywhere on the line, for it is what one adds to a command that just failed.
    arguments = [a for a in arguments if a != "--verbose"]
    interrupts = Interrupts()
    signal.signal(signal.SIGINT, interrupts)
    signal.signal(signal.SIGTERM, interrupts)
    try:
        build_app(arguments)(args=arguments, prog_name="ttsctl")
    except SystemExit as end:
        _leave(end.code)
    except Interrupted:
        _fail("interrupted; nothing was written", ExitStatus.INTERRUPTED)
    except Exception as error:  # noqa: BLE001  the last resort: a defect of ours still ends in one line
        if interrupts.came:
            _fail("interrupted; nothing was written", ExitStatus.INTERRUPTED, error if verbose else None)
        if isinstance(error, TtsctlError):
            _fail(str(error), error.exit_status, error if verbose else None)
        line = f"internal error: {type(error).__name__}: {error}"
        _fail(
            line if verbose else f"{line}; run again with --verbose", ExitStatus.NOT_JUDGED, error if verbose else None
        )


def _fail(message: str, status: int, shown: Exception | None = None) -> NoReturn:
    """One line on stderr, below the traceback of ``shown``; then exit with ``status``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if shown is not None:
        traceback.print_exception(shown)
    print("ttsctl: " + " ".join(message.split()), file=sys.stderr)
    _leave(status)


def _leave(status: int | str | None) -> NoReturn:
    """Exit; past the interpreter's own end if a thread of ours is still inside the engine.

    That thread can be neither stopped nor waited for, and native code in it aborts the process (SIGABRT in place of
    our status) once the interpreter is torn down under it.
    """
    ours = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)]
    for thread in ours:
        thread.join(THREAD_GRACE_S / len(ours))
    if any(thread.is_alive() for thread in ours) and isinstance(status, int):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
