"""How strategies put what they ask into words, and read lists in what a model replies."""

import re
from typing import Final

from pydantic import AfterValidator

from tasks.engines.contract import Message
from tasks.generate.contract import Branch
from tasks.generate.search import Search
from tasks.text.thinking import spoken

_WORD: Final = re.compile(r"\{(\w+)\}")
_ITEM: Final = re.compile(
    r"^[ \t]*(?:[-*•]|[*_#>( \t]*[a-z-]*[ \t]*\d+[.):]+)[*_]*[ \t]+(\S.*)$", re.IGNORECASE | re.MULTILINE
)


def holds(*words: str) -> AfterValidator:
    """What holds a setting that is a prompt to having these words in it, in braces."""

    def check(prompt: str) -> str:
        if lacking := [f"{{{word}}}" for word in words if f"{{{word}}}" not in prompt]:
            raise ValueError(f"the prompt needs {' and '.join(lacking)} in it")
        return prompt

    return AfterValidator(check)


def filled(prompt: str, **texts: object) -> str:
    """The prompt with texts for its words in braces; what stands in braces in these texts stays as it is."""
    return _WORD.sub(lambda found: str(texts.get(found[1], found[0])), prompt)


def asking(search: Search, prompt: str, **texts: object) -> tuple[Message, ...]:
    """The sampler's system turn, if any, and a prompt.

    In it {question} is the problem's question, {problem} all that the sampler asks.
    """
    own = {"question": search.problem["question"], "problem": search.messages[-1].content}
    return (*search.messages[:-1], Message("user", filled(prompt, **own, **texts)))


def answering(search: Search, said: str, prompt: str, **texts: object) -> tuple[Message, ...]:
    """What the sampler asks, what the model said to that, and a prompt that comes back to it."""
    return (*search.messages, Message("assistant", said), Message("user", filled(prompt, **texts)))


def listed(reply: str, most: int) -> list[str]:
    """The items of the numbered or bulleted list in a reply, after its thinking; at most so many, each once."""
    items = [item.strip().strip("*").strip() for item in _ITEM.findall(spoken(reply) or "")]
    return list(dict.fromkeys(filter(None, items)))[:most]


def said(branch: Branch) -> str:
    """What a branch says after its thinking; all of it where that never ends, or nothing follows."""
    return spoken(branch.text) or branch.text


def last_line(reply: str) -> str:
    """The last line of what a reply says after its thinking; empty where there is none."""
    return (spoken(reply) or "").rpartition("\n")[2].strip()
