import pytest

from schemas.tables import WITNESSES
from tasks.engines.contract import Message
from tasks.sandbox.program import ProgramConfig, Ran, run_program
from tasks.verify.program import Written, program_messages, witness

ENOUGH = ProgramConfig(deadline_s=30, memory_mb=256)


def test_witnesses_in_order_and_equal_programs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(source: str, config: ProgramConfig) -> Ran:
        ran.append(source)
        return run_program(source, config)

    monkeypatch.setattr("tasks.verify.program.run_program", run)
    texts = ["print(1)", "no program", "print(1)", "print(2 / 0)"]
    written = [Written(f"p{row}", text, "m", 3) for row, text in enumerate(texts)]
    made = witness(written, ENOUGH)
    assert made.schema.equals(WITNESSES, check_metadata=True)
    assert made["problem_id"].to_pylist() == ["p0", "p1", "p2", "p3"]
    assert made["answer"].to_pylist() == ["1", None, "1", None]
    reasons = ["", "no program in the text", "", "ZeroDivisionError: division by zero"]
    assert made["reason"].to_pylist() == reasons
    assert made["text"].to_pylist() == texts
    assert set(made["witness"].to_pylist()) == {"program"}
    assert made["model"].to_pylist() == ["m"] * 4
    assert made["completion_tokens"].to_pylist() == [3] * 4
    assert sorted(ran) == ["print(1)", "print(2 / 0)"]
    assert witness([]).num_rows == 0


def test_the_question_is_asked_as_it_stands() -> None:
    asked = program_messages({"question": "How many {x}?"})
    assert asked == (Message("user", "Write a Python program that prints the answer. How many {x}?"),)
