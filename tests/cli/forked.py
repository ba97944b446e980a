"""Runs the command line in forks of one process, with whatever it shall find as stdout and stderr.

``python -m tests.cli.forked MODULE …`` imports the modules once for all, then takes a JSON table a line: "line" is the
command line, "stdout" and "stderr" are a file's path, or "gone", "full" or "closed". It answers each with the status.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module

from ttsctl.cli import entry, main


def _open(number: int, name: str, what: str) -> None:
    """Have the stream as it would be in a process that was started so."""
    if what == "closed":
        os.close(number)
        setattr(sys, name, None)
        return
    if what == "gone":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        path = "/dev/full" if what == "full" else what
        writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(writer, number)
    os.close(writer)


def serve() -> None:
    """Fork for every line of stdin. A fork leaves this function by the exception that ends its command line."""
    answers = os.fdopen(os.dup(1), "w")
    while request := os.read(0, 1 << 16):
        asked = json.loads(request)
        child = os.fork()
        if not child:
            for number, name in ((1, "stdout"), (2, "stderr")):
                _open(number, name, asked[name])
            sys.argv = ["ttsctl", *asked["line"]]
            entry.run()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.write(f"{status}\n")
        answers.flush()


if __name__ == "__main__":
    # Every command's own module, so that no fork pays for them again.
    main.build_app([])
    for module in sys.argv[1:]:
        import_module(module)
    serve()
