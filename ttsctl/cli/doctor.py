"""``ttsctl doctor``: is this machine fit, and if not, what is to be done?"""

from __future__ import annotations

from ttsctl.cli.finish import finish
from ttsctl.cli.options import DEFAULT_OUT, CheckpointOption, JsonOption, OutOption, SetOption
from ttsctl.cli.request_options import ConfigOption
from ttsctl.report.console import open_console


def command(
    config: ConfigOption = None,
    checkpoint: CheckpointOption = None,
    sets: SetOption = None,
    out: OutOption = DEFAULT_OUT,
    as_json: JsonOption = False,
) -> None:
    """Look at Python, torch, GPU, kernels, flags, threads, disk, checkpoint and locale, and say what to do.

    Exit status: 0 fit, warnings or not; 2 wrong usage; 3 a check failed. A missing GPU is no failure.
    """
    # Imported here so that --help does not pay for it.
    from ttsctl.doctor.command import render, run_doctor
    from ttsctl.runs.resolve_config import config_of_file

    summary, home = run_doctor(config_of_file(config, checkpoint, sets or []), out)
    render(summary, open_console())
    finish(summary, home, as_json)
