"""Claims about languages that write decimal commas."""

from __future__ import annotations

import pytest

from meta.answers.commas import decimal_commas, pointed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Die Antwort ist 3,5.", "3.5"),
        ("Insgesamt sind es 1.200 Euro.", "1,200"),
        ("O total é R$ 1.500,00.", "1500.00"),
        ("Ответ: 2,5.", "2.5"),
        ("La réponse est 2.5.", "2.5"),
        ("La respuesta es 1,234.", "1,234"),
        ("Die Menge ist (3,5).", "(3,5)"),
    ],
)
def test_numbers_are_read_by_their_form(text: str, expected: str) -> None:
    assert decimal_commas(text)
    assert expected in pointed(text)


@pytest.mark.parametrize("text", ["The answer is 3,5.", "3,5", "答案是3,5", "x = 1.200"])
def test_other_texts_have_none(text: str) -> None:
    assert not decimal_commas(text)
