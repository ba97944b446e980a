"""Errors that a user may see: what was expected, what came, what to do, and the exit status they end in."""

from ttsctl.core.outcome import ExitStatus


class TtsctlError(Exception):
    """One clear line for the user. ``exit_status`` is the process status it leads to."""

    exit_status = ExitStatus.BAD_INPUT

    def __init__(self, what: str, fix: str = "") -> None:
        self.what = what
        self.fix = fix
        super().__init__(f"{what}; {fix}" if fix else what)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # The default would hand the joined message back as `what` when the error crosses a process.
        return type(self), (self.what, self.fix)


class InputError(TtsctlError):
    """Wrong usage or wrong input: exit status 2."""


class CannotJudge(TtsctlError):
    """Nothing comparable, no case ran, the engine failed: exit status 3."""

    exit_status = ExitStatus.NOT_JUDGED


class EngineError(CannotJudge):
    """The engine failed while it worked on a valid request: exit status 3."""


class Interrupted(BaseException):
    """Ctrl-C, a hang-up or a termination request. Not an Exception, so no per-case handler takes it for a failed case.

    ``left`` says what the interrupted work leaves behind, and is empty where nobody knows.
    """

    left = ""


COMPARED = 500  # known names, and letters of a name


def nearest(name: str, known: list[str]) -> str:
    """A hint that names the closest known word: ``did you mean 'ryan'?``, or all of them if none is close."""
    import difflib

    # Comparing takes time by the product of the lengths, and there is nothing near to a name of hundreds of letters.
    close = difflib.get_close_matches(name, known[:COMPARED], n=1, cutoff=0.5) if len(name) <= COMPARED else []
    if close:
        return f"did you mean {close[0]!r}?"
    return "known: " + ", ".join(sorted(known)[:COMPARED]) if known else "none is known"


def error_line(error: Exception) -> str:
    """Type and message on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split()) or 'no message'}"
