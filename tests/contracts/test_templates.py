"""Every template goes through the same cases; a new plug-in brings a sample below, and nothing else."""

import json
import random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.tables import Domain
from tasks import plugins
from tasks.problems.config import PACKAGE
from tasks.problems.contract import Draft, Template

NAMES = plugins.names(PACKAGE)
PERSONA = "A baker in Lyon, who {collects} old maps \\1"


class Sample(NamedTuple):
    """Replies to a template's prompt: one that is as asked, and those of which nothing can be made, with the reason."""

    good: str
    bad: dict[str, str]


STORY = "Ana bakes 12 trays of 8 rolls and sells 70 rolls. How many rolls has she left?"
CHOICE = "Which flour has the most gluten?\nA) rice\nB) **bread wheat**\nC) maize\nD) oats\nAnswer: B"
CODE = (
    "Write a function `trays_needed(loaves, per_tray)` that says how many trays are needed.\n\nTests:\n"
    "```python\nassert trays_needed(10, 4) == 3\nassert trays_needed(0, 4) == 0\nassert trays_needed(4, 4) == 1\n```\n"
)
SAMPLES = {
    "word_problem": Sample(STORY, {}),
    "algebra": Sample("A mix of x kg and 2x kg weighs 9 kg. Find x.", {}),
    "instruction": Sample("Write a letter to the neighbours about the new oven.", {}),
    "choice": Sample(
        CHOICE,
        {
            CHOICE.removesuffix("\nAnswer: B"): "no key on the last line",
            CHOICE.replace("Answer: B", "Answer: E"): "no key on the last line",
            CHOICE.replace("D) oats\n", ""): "not four options A to D",
            CHOICE.replace("D) oats", "E) oats"): "not four options A to D",
            CHOICE.replace("oats", "Rice"): "two options are the same",
            CHOICE.split("\n", 1)[1]: "no question before the options",
        },
    ),
    "code": Sample(
        CODE,
        {
            CODE.split("```", maxsplit=1)[0]: "no fenced block of tests at the end",
            CODE.removesuffix("```\n"): "no fenced block of tests at the end",
            CODE.replace("== 3", "== = 3"): "the tests are not Python",
            CODE.replace("== 3", "== " + "(" * 5000): "the tests are not Python",
            CODE.replace("== 3", "== " + "-" * 19_000 + "1"): "the tests are not Python",
            CODE.replace(
                "assert trays_needed(0, 4) == 0", "import os; os.remove('x')"
            ): "the tests hold more than asserts",
            CODE.replace("assert trays_needed(0, 4) == 0\n", ""): "too few tests",
            CODE.replace(
                "assert trays_needed(0, 4) == 0", "assert sum([0, 4]) == 4"
            ): "the tests do not call one function",
            CODE.replace("`trays_needed(loaves, per_tray)`", ""): "the question does not name the function",
            CODE.partition("```")[1] + CODE.partition("```")[2]: "no question before the tests",
            "```python\ndef trays_needed(a, b):\n    return -(-a // b)\n```\n" + CODE: "gives its own solution",
        },
    ),
}


def build(name: str, **settings_: object) -> Template:
    plugin = plugins.load(PACKAGE, name)
    template: Template = plugin.build(plugin.Config.model_validate(settings_))
    return template


def read(template: Template, text: str, seed: int = 1) -> Draft:
    draft = template.parse(text, random.Random(seed))
    assert isinstance(draft, Draft), draft
    return draft


def test_every_template_has_a_sample() -> None:
    assert sorted(SAMPLES) == NAMES == ["algebra", "choice", "code", "instruction", "word_problem"]


@pytest.mark.parametrize("name", NAMES)
def test_a_good_reply_becomes_a_problem(name: str) -> None:
    template = build(name)
    draft = read(template, SAMPLES[name].good)
    assert draft.question.strip() == draft.question != ""
    assert template.domain in Domain
    kept = {field for field in ("reference", "tests", "constraints") if getattr(draft, field) is not None}
    assert kept == {"choice": {"reference"}, "code": {"tests"}, "instruction": {"constraints"}}.get(name, set())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("head", ["Problem: ", "**Problem:**\n", "### Problem\n\n", "Sure! Here is a problem:\n\n"])
def test_a_label_is_no_part_of_the_question(name: str, head: str) -> None:
    template = build(name)
    assert read(template, head + SAMPLES[name].good) == read(template, SAMPLES[name].good)


@pytest.mark.parametrize(("name", "text", "reason"), [(n, *bad) for n in NAMES for bad in SAMPLES[n].bad.items()])
def test_a_reply_that_is_not_as_asked_gives_its_reason(name: str, text: str, reason: str) -> None:
    assert build(name).parse(text, random.Random(1)) == reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", " \n", "\n\n\n", "Problem:"])
def test_an_empty_reply_gives_a_reason(name: str, text: str) -> None:
    assert isinstance(build(name).parse(text, random.Random(1)), str)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=100)
@given(text=st.text(max_size=200) | st.integers(0, 300).map(lambda end: end), seed=st.integers(0, 2**31))
def test_any_text_gives_a_sound_draft_or_a_reason(name: str, text: str | int, seed: int) -> None:
    reply = text if isinstance(text, str) else SAMPLES[name].good[:text]  # anything, or a reply that was cut off
    found = build(name).parse(reply, random.Random(seed))
    assert found == build(name).parse(reply, random.Random(seed))
    assert found.question.strip() if isinstance(found, Draft) else found


@pytest.mark.parametrize("name", NAMES)
def test_prompts_hold_the_persona_and_depend_on_the_draw_alone(name: str) -> None:
    template = build(name)
    prompts = [template.messages(PERSONA, random.Random(seed)) for seed in (3, 3)]
    assert prompts[0] == prompts[1]
    assert [one.role for one in prompts[0]] == ["user"]
    assert PERSONA in prompts[0][0].content
    assert "{persona}" not in prompts[0][0].content


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_of_your_own(name: str) -> None:
    template = build(name, prompt="Ask {persona} for \\boxed{1}.", system="You set tasks.")
    (system, user) = template.messages("me", random.Random(1))
    assert (system.role, system.content) == ("system", "You set tasks.")
    assert (user.role, user.content) == ("user", "Ask me for \\boxed{1}.")
    with pytest.raises(ValidationError, match=r"neither one of .*full.* nor a text with {persona} in it"):
        build(name, prompt="shrt")
    with pytest.raises(ValidationError):
        build(name, weight=0)


def test_the_short_wording() -> None:
    (message,) = build("word_problem", prompt="short").messages("A baker", random.Random(1))
    assert message.content == "Write a math word problem for the following persona.\n\nPersona: A baker"


def test_options_are_shuffled_with_their_key() -> None:
    drafts = [read(build("choice"), CHOICE, seed) for seed in range(60)]
    assert {draft.reference for draft in drafts} == set("ABCD")
    assert all(f"{draft.reference}) bread wheat" in draft.question for draft in drafts)
    assert read(build("choice", shuffle=False), CHOICE).reference == "B"
    above = CHOICE.replace("oats", "none of the above")
    assert {read(build("choice"), above, seed).reference for seed in range(20)} == {"B"}


@settings(max_examples=200)
@given(st.integers(0, 2**31))
def test_constraints_are_told_stated_and_stored_alike(seed: int) -> None:
    template = build("instruction")
    draft = read(template, "Write a letter.", seed)
    prompt = template.messages("A baker", random.Random(seed))[-1].content
    stored = json.loads(draft.constraints or "")
    assert 1 <= len(stored) <= 3
    assert all(one.keys() == {"kind", "kwargs"} for one in stored)
    rules = [line.removeprefix("- ") for line in prompt.splitlines() if line.startswith("- ")]
    assert draft.question == "Write a letter.\n\n" + " ".join(rules)


def test_constraint_settings() -> None:
    chosen = build("instruction", kinds=["punctuation:no_comma"], fewest=2, most=3)
    assert json.loads(read(chosen, "Write.").constraints or "") == [{"kind": "punctuation:no_comma", "kwargs": {}}]
    with pytest.raises(ValidationError, match="unknown kinds no_coma: use some of length_constraints:number_words"):
        build("instruction", kinds=["no_coma"])
    with pytest.raises(ValidationError, match="fewest is more than most"):
        build("instruction", fewest=3, most=2)
