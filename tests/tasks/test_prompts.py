from tasks.prompts import INSTRUCTIONS, PROMPTS, instructed


def test_models_are_asked_what_is_exported() -> None:
    assert set(INSTRUCTIONS) < set(PROMPTS)
    for domain, prompt in PROMPTS.items():
        assert prompt.replace("{question}", "Why?") == instructed("Why?", INSTRUCTIONS.get(domain))


def test_the_instruction_is_a_paragraph_of_its_own() -> None:
    assert instructed("Why?", "Box it.") == "Why?\n\nBox it."
    assert instructed("Why?", None) == "Why?"
