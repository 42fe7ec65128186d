"""Every tool goes through the same cases."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.errors import PluginError
from tasks import plugins
from tasks.engines.contract import ToolCall
from tasks.generate.toolbox import PACKAGE, Answer, Tool, Toolbox

NAMES = plugins.names(PACKAGE)
RIGHT: dict[str, tuple[dict[str, Any], str]] = {
    "calculator": ({"expression": "3 * 4"}, "12"),
    "python": ({"code": "3 * 4"}, "12"),
}
SETTINGS: dict[str, dict[str, Any]] = {"python": {"isolation": "best_effort"}}


def build(name: str, **settings: object) -> Tool:
    plugin = plugins.load(PACKAGE, name)
    tool: Tool = plugin.build(plugin.Config.model_validate(settings))
    return tool


def ask(name: str, arguments: str, called: str | None = None) -> Answer:
    box = Toolbox({name: SETTINGS.get(name, {})})
    return asyncio.run(box.answer(ToolCall(called or name, arguments)))


def test_all_are_found() -> None:
    assert list(RIGHT) == NAMES
    with pytest.raises(PluginError, match="unknown name 'abacus' in tools: use one of calculator, python"):
        Toolbox({"abacus": {}})


@pytest.mark.parametrize("name", NAMES)
def test_its_schema_is_openais(name: str) -> None:
    tool = build(name)
    told = json.loads(tool.schema)
    assert told["type"] == "function"
    assert told["function"]["name"] == tool.name == name
    assert told["function"]["description"]
    parameters = told["function"]["parameters"]
    assert parameters["type"] == "object"
    assert set(parameters["required"]) <= set(parameters["properties"]) == set(RIGHT[name][0])
    assert all({"type", "description"} <= one.keys() for one in parameters["properties"].values())


@pytest.mark.parametrize("name", NAMES)
def test_it_answers(name: str) -> None:
    arguments, result = RIGHT[name]
    assert ask(name, json.dumps(arguments)) == Answer(result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{", "error: the arguments are no JSON object"),
        ("[1]", "error: the arguments are no JSON object"),
        ("{}", "is missing; the arguments are "),
        ('{"odd": 1}', "error: there is no argument 'odd'; the arguments are "),
    ],
)
def test_a_wrong_call_is_told(name: str, arguments: str, said: str) -> None:
    answer = ask(name, arguments)
    assert said in answer.text
    assert answer.text.startswith("error: ")
    assert not answer.hung


@pytest.mark.parametrize("name", NAMES)
def test_arguments_of_another_type_are_told(name: str) -> None:
    (argument,) = RIGHT[name][0]
    assert ask(name, json.dumps({argument: [1]})).text == f"error: the argument '{argument}' has to be of type string"
    assert ask(name, "{}", "nope").text == f"error: there is no tool 'nope'; there are {name}"


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(ValidationError):
        build(name, dead_line=1)
    with pytest.raises(ValidationError):
        build(name, deadline_s=0)


@pytest.mark.parametrize("name", NAMES)
def test_odd_texts_are_answered(name: str) -> None:
    (argument,) = RIGHT[name][0]
    for text in ("", "\x00", "é😀", "\u2028", "(" * 300, "9" * 600):
        assert ask(name, json.dumps({argument: text})).text
