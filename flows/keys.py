"""Keys that a run needs and the environment lacks come from Prefect's `Secret` blocks, for as long as it runs.

A block's name is the variable's in lower case with dashes: `openai-api-key` for OPENAI_API_KEY.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, cast

from prefect.blocks.system import Secret

from flows.config import CurationConfig
from flows.licenses import sources
from tasks import plugins
from tasks.engines.models import KINDS
from tasks.keys import block_name, named

HUB: Final = "HF_TOKEN"
S3: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
OF_AN_ENGINE: Final = "_env"
"""How settings of engines end that name a variable."""


def needed(config: CurationConfig, *places: str) -> list[str]:
    """The variables that a run may need: those of its engines and the hub's; of object storage where it uses some.

    `places` are addresses beside those of the recipe's sources.

    Raises:
        RecipeError: an engine has no such setting.
    """
    engines = [one for model in config.models.values() for one in plugins.configure(KINDS, model.engine).values()]
    of_engines = [value for one in engines for name, value in one if name.endswith(OF_AN_ENGINE) and value]
    addresses = [*places, *(source.path for source in sources(config))]
    stored = S3 if any(address.startswith(("s3://", "s3a://")) for address in addresses) else ()
    return list(dict.fromkeys([*of_engines, HUB, *stored]))


@contextmanager
def keys(*variables: str) -> Iterator[None]:
    """Inside the block, in a flow, each variable that is not set has the value of its block, where there is one."""
    missing = [name for name in map(named, variables) if not os.environ.get(name)]
    found = {name: value for name in missing if (value := _kept(name))}
    os.environ.update(found)
    try:
        yield
    finally:
        for name in found:
            os.environ.pop(name, None)


def _kept(variable: str) -> str | None:
    try:
        # Outside an event loop it gives the block itself.
        return str(cast("Secret[str]", Secret.load(block_name(variable))).get())
    except ValueError:
        return None
