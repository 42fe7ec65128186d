"""What counts as a key, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import LakeError, RecipeError
from tasks.keys import block_name, fault_of, keyless, named, names_a_key, plain, refuse

PLANTED = "sk-planted0123456789abcdef"
LOGINS = ("https://me:pass@host/v1", "s3://AKID:word@bucket/x", "https://token@host/x", "postgresql://u:p@h/db")
KEYS = (PLANTED, "hf_AbCdEfGhIjKlMnOpQrSt", "AKIAABCDEFGHIJKLMNOP", "https://host/x?sig=abc", "x?api_key=1")
HARMLESS = (
    "hf-internal-testing/tiny-random-gpt2",
    "hf://datasets/owner/name@main/x.jsonl",
    "github://owner:repository@main/x.jsonl",
    "https://host/v1?mail=a@b",
    "s3://bucket/lake",
    "Qwen/Qwen3-8B",
    "ask sk-learn",
)


@pytest.mark.parametrize("text", [*LOGINS, *KEYS])
def test_keys_are_seen(text: str) -> None:
    assert fault_of(text)
    with pytest.raises(RecipeError, match=r"a\.0\.path: holds a") as raised:
        refuse({"a": [{"path": text}]})
    assert text not in str(raised.value)
    with pytest.raises(LakeError, match="the address holds a") as refused:
        plain(text)
    assert text.rpartition("://")[2] not in str(refused.value)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_none_is_let_be(text: str) -> None:
    refuse({"a": [{"path": text}]})
    assert plain(text) == text


@pytest.mark.parametrize("name", ["api_key", "X-Api-Key", "Authorization", "token", "client_secret", "PASSWORD"])
def test_settings_that_are_keys_by_their_name(name: str) -> None:
    with pytest.raises(RecipeError, match=rf"extra\.{name}: is a key"):
        refuse({"extra": {name: "abc"}})
    refuse({"extra": {name: {}}, "api_key_env": "OPENAI_API_KEY", "max_tokens_key": "max_tokens", "tokenizer": "x"})


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "HF_TOKEN", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "KEY_2", "MY_LOGIN"])
def test_variables_that_are_keys(name: str) -> None:
    assert names_a_key(name)
    assert keyless({name: "x", "PATH": "/bin", "STORE": "postgresql://u:p@h/db", "MONKEY": "m"}) == {
        "PATH": "/bin",
        "MONKEY": "m",
    }


@pytest.mark.parametrize("name", ["PATH", "MONKEY", "TOKENIZERS_PARALLELISM", "TRACEMILL_ENGINE", "TOKEN_LIMIT"])
def test_variables_that_are_none(name: str) -> None:
    assert not names_a_key(name)


def test_a_recipe_may_call_any_variable_a_key() -> None:
    assert not names_a_key("MY_SPARE_SERVER")
    assert named("MY_SPARE_SERVER") == "MY_SPARE_SERVER"
    assert names_a_key("MY_SPARE_SERVER")


@given(st.from_regex(r"[A-Z][A-Z0-9_]*", fullmatch=True))
def test_a_block_has_a_name_that_prefect_takes(variable: str) -> None:
    assert set(block_name(variable)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
