"""The bundled personas: the committed file is what the script writes, and no two are alike."""

import pyarrow as pa

from data.personas.make_personas import PERSONAS, personas, render
from tasks.dedupe.dedupe import DedupeConfig
from tasks.dedupe.near import near_duplicates

TEXTS = [persona["persona"] for persona in personas()]


def test_the_file_is_what_the_script_writes() -> None:
    assert PERSONAS.read_text(encoding="utf-8") == render()


def test_there_are_enough_and_they_read_well() -> None:
    assert len(TEXTS) >= 1000
    assert all(text[0].isupper() and text.endswith(".") and "{" not in text for text in TEXTS)
    assert not [
        text for text in TEXTS if any(fault in f" {text.lower()}" for fault in (" a a", " a e", " a i", " a o"))
    ]


def test_no_two_are_alike() -> None:
    config = DedupeConfig()
    assert config.problems is not None
    found = near_duplicates(pa.chunked_array([TEXTS]), config.problems, config.splitting)
    assert found.keepers.tolist() == list(range(len(TEXTS)))
