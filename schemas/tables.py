"""The lake's tables: one Arrow schema each, with its name and version in the metadata.

A column that may be null is declared with `_maybe`; all others are required.
"""

from enum import StrEnum
from typing import Final

import pyarrow as pa

from schemas.columns import ASPECTS, LABELS, MESSAGES, SAMPLED, SEARCH, SPANS
from schemas.columns import column as _column
from schemas.columns import maybe as _maybe
from schemas.columns import table as _table


class Domain(StrEnum):
    """What kind of task a problem sets; decides which verifiers apply."""

    MATH = "math"
    CODE = "code"
    CHOICE = "choice"
    INSTRUCTION = "instruction"
    OPEN = "open"


class Origin(StrEnum):
    """Where a trace came from."""

    GENERATED = "generated"
    IMPORTED = "imported"
    REWRITTEN = "rewritten"
    SEARCHED = "searched"


class Status(StrEnum):
    """What a verifier says of a trace.

    `unverifiable`: there is no reference to check against. `error`: the verifier broke or timed out.
    Neither is ever `incorrect`.
    """

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNVERIFIABLE = "unverifiable"
    ERROR = "error"


PERSONAS: Final = _table(
    "personas",
    1,
    _column("persona_id", pa.string()),
    _column("persona", pa.string()),
    _maybe("domain", pa.string()),
    _column("source", pa.string()),
)

PROBLEMS: Final = _table(
    "problems",
    1,
    _column("problem_id", pa.string()),
    _column("domain", pa.string()),
    _column("question", pa.string()),
    _maybe("reference", pa.string()),
    _maybe("tests", pa.string()),
    _maybe("constraints", pa.string()),
    _maybe("persona_id", pa.string()),
    _column("source", pa.string()),
    _maybe("source_row", pa.int64()),
    _column("round", pa.int32()),
)

REFERENCES: Final = _table(
    "references",
    1,
    _column("problem_id", pa.string()),
    _column("reference", pa.string()),
    _column("origin", pa.string()),
    _column("votes", pa.int32()),
    _column("samples", pa.int32()),
    _maybe("witness", pa.string()),
)

WITNESSES: Final = _table(
    "witnesses",
    1,
    _column("problem_id", pa.string()),
    _column("witness", pa.string()),
    _column("text", pa.string()),
    _maybe("answer", pa.string()),
    _column("reason", pa.string()),
    _maybe("model", pa.string()),
    _maybe("completion_tokens", pa.int32()),
)

COMPLETIONS: Final = _table(
    "completions",
    1,
    _column("completion_id", pa.string()),
    _column("kind", pa.string()),
    _column("subject_id", pa.string()),
    _column("number", pa.int32()),
    _column("text", pa.string()),
    *SAMPLED,
    _maybe("detail", pa.string()),
)

TRACES: Final = _table(
    "traces",
    3,
    _column("trace_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("sample_index", pa.int32()),
    _column("origin", pa.string()),
    _maybe("parent_trace_id", pa.string()),
    _maybe("fork_step", pa.int32()),
    _column("text", pa.string()),
    _column("step_offsets", pa.list_(pa.int32())),
    _column("splitter", pa.string()),
    *SAMPLED,
    _maybe("on_policy", pa.bool_()),
    _column("source", pa.string()),
    _maybe("source_row", pa.int64()),
    _maybe("source_labels", LABELS),
    _maybe("search", SEARCH),
    _maybe("conversation", pa.string()),
)
"""`conversation` is JSON, of a trace that used tools: its `tools` and `messages`; `text` is all that was said in it."""

VERDICTS: Final = _table(
    "verdicts",
    1,
    _column("trace_id", pa.string()),
    _column("verifier", pa.string()),
    _column("verifier_version", pa.string()),
    _column("status", pa.string()),
    _maybe("score", pa.float32()),
    _maybe("extracted_answer", pa.string()),
    _maybe("first_wrong_step", pa.int32()),
    _maybe("step_scores", pa.list_(pa.float32())),
    _column("reason", pa.string()),
    _column("elapsed_ms", pa.float32()),
)

JUDGEMENTS: Final = _table(
    "judgements",
    2,
    _column("judgement_id", pa.string()),
    _column("judge", pa.string()),
    _column("kind", pa.string()),
    _column("problem_id", pa.string()),
    _column("shown", pa.list_(pa.string())),
    _column("number", pa.int32()),
    _column("status", pa.string()),
    _maybe("score", pa.float32()),
    _maybe("choice", pa.int32()),
    _maybe("aspects", ASPECTS),
    _column("reason", pa.string()),
    _maybe("reply", pa.string()),
    _column("model", pa.string()),
    _column("completion_id", pa.string()),
    _maybe("messages", MESSAGES),
)
"""`messages` is what the judge was asked, kept where another judge judges it: these judgements become training data."""

RATINGS: Final = _table(
    "ratings",
    1,
    _column("judge", pa.string()),
    _column("subject_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("score", pa.float32()),
    _column("judgements", pa.int32()),
)

STANDINGS: Final = _table(
    "standings",
    1,
    _column("trace_id", pa.string()),
    _column("status", pa.string()),
    _maybe("score", pa.float32()),
)

BENCHMARKS: Final = _table(
    "benchmarks",
    1,
    _column("benchmark", pa.string()),
    _column("item", pa.string()),
    _column("text", pa.string()),
)

CONTAMINATION: Final = _table(
    "contamination",
    3,
    _column("problem_id", pa.string()),
    _maybe("trace_id", pa.string()),
    _column("benchmark", pa.string()),
    _column("item", pa.string()),
    _column("mode", pa.string()),
    _column("coverage", pa.float32()),
    _column("spans", SPANS),
    _maybe("reason", pa.string()),
)
"""In mode `semantic`, `coverage` is the cosine, there are no `spans`, and `reason` is what a judge said, if asked."""

CANARIES: Final = _table(
    "canaries",
    1,
    _column("benchmark", pa.string()),
    _column("item", pa.string()),
    _column("variant", pa.string()),
    _column("leak", pa.bool_()),
    _column("embedded", pa.bool_()),
    _column("text", pa.string()),
    _column("found", pa.bool_()),
)

SKETCHES: Final = _table(
    "sketches",
    1,
    _column("problem_id", pa.string()),
    _maybe("reference", pa.string()),
    _column("words", pa.int64()),
    _column("size", pa.int64()),
    _column("digest", pa.binary(16)),
    _column("minhash", pa.binary(128)),
    _column("bands", pa.binary()),
    _column("shingles", pa.binary()),
)
"""`bands` and `shingles` are little-endian unsigned integers, of 32 and of 64 bits, one after the other."""

EMBEDDINGS: Final = _table(
    "embeddings",
    1,
    _column("table", pa.string()),
    _column("row_id", pa.string()),
    _column("model", pa.string()),
    _maybe("model_revision", pa.string()),
    _column("vector", pa.list_(pa.float32())),
)

DROPPED: Final = _table(
    "dropped",
    1,
    _column("table", pa.string()),
    _column("row_id", pa.string()),
    _column("stage", pa.string()),
    _column("reason", pa.string()),
    _maybe("evidence", pa.string()),
    _maybe("duplicate_of", pa.string()),
)

DISAGREEMENTS: Final = _table(
    "disagreements",
    1,
    _column("trace_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("verifier", pa.string()),
    _column("label", pa.bool_()),
    _column("status", pa.string()),
    _maybe("extracted_answer", pa.string()),
    _maybe("reference", pa.string()),
    _column("reason", pa.string()),
)

TALLIES: Final = _table(
    "tallies",
    1,
    _column("kind", pa.string()),
    _column("key", pa.list_(pa.string())),
    _column("rows", pa.int64()),
)

YIELDS: Final = _table(
    "yields",
    1,
    _column("by", pa.string()),
    _column("name", pa.string()),
    _column("problems", pa.int64()),
    _column("traces", pa.int64()),
    _column("judged", pa.int64()),
    _column("correct", pa.int64()),
    _column("kept", pa.int64()),
)
"""What came of each domain, model, sampler and persona; rows of several rounds with one name add up.

`judged` and `correct` count a model's own samples, `kept` the correct traces that no stage dropped.
"""

PAIRS: Final = _table(
    "pairs",
    2,
    _column("pair_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("chosen_trace_id", pa.string()),
    _column("rejected_trace_id", pa.string()),
    _column("rule", pa.string()),
    _maybe("margin", pa.float32()),
    _maybe("on_policy", pa.bool_()),
    _column("shared_prefix", pa.int32()),
    _column("chosen_length", pa.int32()),
    _column("rejected_length", pa.int32()),
)
"""Lengths are in tokens where these are known of all candidates of a problem, else in characters."""

JUDGEMENT_PAIRS: Final = _table(
    "judgement_pairs",
    1,
    _column("pair_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("trace_id", pa.string()),
    _column("judge", pa.string()),
    _column("chosen_judgement_id", pa.string()),
    _column("rejected_judgement_id", pa.string()),
    _column("rule", pa.string()),
    _maybe("margin", pa.float32()),
    _column("chosen_length", pa.int32()),
    _column("rejected_length", pa.int32()),
)
"""A better and a worse judgement on one trace: they train the judge. Lengths are in characters."""

QUEUE: Final = _table(
    "queue",
    1,
    _column("trace_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("rank", pa.int32()),
    _maybe("score", pa.float32()),
    _column("reason", pa.string()),
)
"""Wrong traces that people are to look at, of each round the best first, ranks from 1."""

REWRITES: Final = _table(
    "rewrites",
    2,
    _column("item", pa.string()),
    _column("round", pa.int32()),
    _column("trace_id", pa.string()),
    _column("step", pa.int32()),
    _column("before", pa.string()),
    _column("after", pa.string()),
    _column("reviewer", pa.string()),
    _maybe("opened_at", pa.timestamp("ms", tz="UTC")),
    _maybe("saved_at", pa.timestamp("ms", tz="UTC")),
    _maybe("continuation_trace_id", pa.string()),
    _maybe("outcome", pa.string()),
    _maybe("reason", pa.string()),
)
"""A row for each continuation. `outcome` is where it stands, or why it was dropped; `reason` what to look at again."""

MIXTURE: Final = _table(
    "mixture",
    1,
    _column("release", pa.string()),
    _column("trace_id", pa.string()),
    _column("problem_id", pa.string()),
    _column("domain", pa.string()),
    _column("source", pa.string()),
    _column("model", pa.string()),
    _column("difficulty", pa.string()),
    _column("counted", pa.bool_()),
    _column("outcome", pa.string()),
    _maybe("reason", pa.string()),
    _maybe("other", pa.string()),
    _column("repeats", pa.int32()),
)
"""What became of each trace of each release that a mixture is made of, releases in the recipe's order.

`outcome` is `kept`, `same` (an earlier release has it) or the stage that dropped it, `other` the release that has the
trace or problem it repeats. `counted` traces make up the shares; `repeats` says how often a kept one is exported.
"""

TABLES: Final[dict[str, pa.Schema]] = {
    "personas": PERSONAS,
    "problems": PROBLEMS,
    "references": REFERENCES,
    "witnesses": WITNESSES,
    "completions": COMPLETIONS,
    "traces": TRACES,
    "verdicts": VERDICTS,
    "judgements": JUDGEMENTS,
    "ratings": RATINGS,
    "standings": STANDINGS,
    "benchmarks": BENCHMARKS,
    "contamination": CONTAMINATION,
    "canaries": CANARIES,
    "sketches": SKETCHES,
    "embeddings": EMBEDDINGS,
    "dropped": DROPPED,
    "pairs": PAIRS,
    "judgement_pairs": JUDGEMENT_PAIRS,
    "disagreements": DISAGREEMENTS,
    "queue": QUEUE,
    "tallies": TALLIES,
    "yields": YIELDS,
    "rewrites": REWRITES,
    "mixture": MIXTURE,
}
