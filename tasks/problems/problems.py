"""Asks become requests, and replies become problems or rows of `dropped`."""

import json
import random
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import DROPPED, PROBLEMS
from tasks.engines.contract import Completion, Request
from tasks.ids import content_id, question_id
from tasks.problems.config import ProblemsConfig
from tasks.problems.contract import Draft, Template
from tasks.problems.gate import Flaw, GateConfig, flaw_of_question, flaw_of_reply, refuses
from tasks.problems.plan import SOURCE, STAGE, Ask
from tasks.text.thinking import spoken

VERSION: Final = "1"
DUPLICATE: Final = "exact duplicate"
_HEAD = 200


class ProblemsResult(NamedTuple):
    """What came of some asks: problems (PROBLEMS), and replies that are none (DROPPED, row_id the ask's id)."""

    problems: pa.Table
    dropped: pa.Table


def requests(asks: Iterable[Ask], config: ProblemsConfig) -> Iterator[Request]:
    """The request of each ask, named by the ask's id; its seed comes from that id and the stage's seed."""
    templates = config.build()
    for ask in asks:
        seed = _seed(ask, config)
        messages = templates[ask.template].messages(ask.persona, random.Random(seed))  # noqa: S311 - no secret
        yield Request(ask.ask_id, messages, config.sampling.model_copy(update={"seed": seed}))


def gather(
    replies: Iterable[tuple[Ask, Completion]], known: Collection[str], config: ProblemsConfig, *, round_number: int
) -> ProblemsResult:
    """Read replies as they come, in batches of any size: a problem each, or the reason why not.

    `known` are the ids of all problems so far, those of earlier batches too; a question that is among them, or comes
    twice in this batch, is dropped as a duplicate. What becomes of a reply depends on nothing else than it and these.
    """
    templates = config.build()
    problems: dict[str, dict[str, object]] = {}
    dropped: list[dict[str, object]] = []
    for ask, completion in replies:
        template = templates[ask.template]
        found = _read(template, completion, random.Random(_seed(ask, config)), config.gate)  # noqa: S311 - no secret
        if isinstance(found, Flaw):
            dropped.append(_dropped(ask, completion, found))
            continue
        problem_id = question_id(template.domain, found.question)
        if problem_id in known or problem_id in problems:
            dropped.append(_dropped(ask, completion, Flaw(DUPLICATE), problem_id))
            continue
        problems[problem_id] = {
            "problem_id": problem_id,
            "domain": str(template.domain),
            **found._asdict(),
            "persona_id": ask.persona_id,
            "source": f"{SOURCE}{ask.template}",
            "source_row": ask.number,
            "round": round_number,
        }
    return ProblemsResult(rows([*problems.values()], PROBLEMS, at=STAGE), rows(dropped, DROPPED, at=STAGE))


def _read(template: Template, completion: Completion, draw: random.Random, gate: GateConfig) -> Draft | Flaw:
    if flaw := flaw_of_reply(completion):
        return flaw
    said = spoken(completion.text)
    if said is None:
        return Flaw("the thinking never ends")
    if "refusal" not in gate.skip and (words := refuses(said)):
        return Flaw("refusal", words)
    draft = template.parse(said, draw)
    if isinstance(draft, str):
        return Flaw(draft)
    return flaw_of_question(draft.question, gate, worded=template.worded) or draft


def _seed(ask: Ask, config: ProblemsConfig) -> int:
    """31 bits, which every engine takes."""
    return int(content_id("request", config.seed, ask.ask_id)[:8], 16) >> 1


def _dropped(ask: Ask, completion: Completion, flaw: Flaw, duplicate_of: str | None = None) -> dict[str, Any]:
    evidence = {
        "detail": flaw.detail[:_HEAD],
        "text": completion.text[:_HEAD],
        "persona_id": ask.persona_id,
        "template": ask.template,
    }
    return {
        "table": "problems",
        "row_id": ask.ask_id,
        "stage": STAGE,
        "reason": flaw.reason,
        "evidence": json.dumps(evidence, ensure_ascii=False),
        "duplicate_of": duplicate_of,
    }
