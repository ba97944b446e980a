"""Builds the built-in checkpoints and the references to clone; the same bytes on any machine.

``python -m ttsctl.engine.model.build_builtin FOLDER [builtin|builtin-base|references]``. The networks are the released
ones at a small size with random weights (see ``random_weights``).
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType

from ttsctl.core.errors import InputError, nearest
from ttsctl.engine.model.random_base_configs import base_codec_config, base_config
from ttsctl.engine.model.random_checkpoint import write_checkpoint
from ttsctl.engine.model.random_configs import GENERATION, codec_config_json, talker_config
from ttsctl.engine.model.random_references import write_references
from ttsctl.engine.model.random_tokenizer import write_tokenizer

# Chosen among small integers so that every draw on the base texts has a clear winner (tests hold the gaps).
SEED = 21
END_HEAD = 5.75
BASE_SEED = 2
BASE_END_HEAD = 5.75


def build(folder: Path) -> None:
    """Write ``builtin`` into ``folder``: about 4 MB in the official layout."""
    config = talker_config(write_tokenizer(folder))
    write_checkpoint(folder, config, codec_config_json(), GENERATION, SEED, END_HEAD)


def build_base(folder: Path) -> None:
    """Write ``builtin-base`` into ``folder``: about 2 MB, a Base checkpoint with both encoders."""
    config = base_config(write_tokenizer(folder))
    write_checkpoint(folder, config, base_codec_config(), GENERATION, BASE_SEED, BASE_END_HEAD)


BUILDERS = MappingProxyType({"builtin": build, "builtin-base": build_base, "references": write_references})


def main(folder: str, what: str = "builtin") -> None:
    """Write one of BUILDERS into a folder. InputError for another name."""
    if what not in BUILDERS:
        raise InputError(f"{what!r}: not what this builds", nearest(what, list(BUILDERS)))
    BUILDERS[what](Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
