import pytest

from tasks.text.source import program_in


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("Sure:\n```python\nprint(1)\n```\nDone.", "print(1)\n"),
        ("```python\nprint(1)\n```\nBetter:\n```py\nprint(2)\n```\n```\n2\n```", "print(2)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("```output\n18\n```", None),
        ("```bash\nls\n```\n\n```python\nprint(3)\n```", "print(3)\n"),
        ("```python\nprint(1)", "print(1)"),
        ("  ```python\n  x = 1\n  print(x)\n  ```", "x = 1\nprint(x)\n"),
        ("x = 1\nprint(x)", "x = 1\nprint(x)"),
        ("<think>print( what?</think>\nprint(4)", "print(4)"),
        ("<think>\n```python\nprint(5)\n```\n</think>\n```python\nprint(6)\n```", "print(6)\n"),
        ("<think>\n```python\nprint(5)\n```\n", None),
        ("The answer is 18.", None),
        ("", None),
    ],
)
def test_the_program_in_a_text(text: str, program: str | None) -> None:
    assert program_in(text) == program
