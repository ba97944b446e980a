"""The entry point: the app, its commands, and how errors become a line and an exit status."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer

from ttsctl import __version__
from ttsctl.cli import compare_hash, dump_codes, regress, schema, synth
from ttsctl.contract.errors import TtsctlError

EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells expect; 1 would read as "drift found"
EXIT_INTERNAL = 3


class Interrupted(BaseException):
    """Ctrl-C or a termination request; not an Exception, so no per-case handler can take it for a failed case."""


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise Interrupted


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ttsctl {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The app with all commands. Plain help text: drawing it with rich would double the start-up time."""
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

    app.command("synth")(synth.command)
    app.command("dump-codes")(dump_codes.command)
    app.command("compare-hash")(compare_hash.command)
    app.command("regress")(regress.command)
    app.command("schema")(schema.command)
    return app


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: one clear line on stderr for an error, a traceback only with --verbose."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = "--verbose" in arguments
    # --verbose is taken anywhere on the line, for it is what one adds to a command that just failed.
    arguments = [a for a in arguments if a != "--verbose"]
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        build_app()(args=arguments, prog_name="ttsctl")
    except Interrupted:
        _fail("interrupted; nothing was written", EXIT_INTERRUPTED)
    except TtsctlError as error:
        if verbose:
            raise
        _fail(str(error), error.exit_status)
    except Exception as error:  # the last resort: a defect of ours still ends in one line
        if verbose:
            raise
        _fail(f"internal error: {type(error).__name__}: {error}; run again with --verbose", EXIT_INTERNAL)


def _fail(message: str, status: int) -> None:
    print("ttsctl: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(status)
