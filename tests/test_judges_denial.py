"""What a sentence rules out is taken out before an answer is read."""
# ruff: noqa: RUF001

import pytest

from counting import check_linear
from gtalign.judges.answer import final_answer
from gtalign.judges.denial import affirmed


@pytest.mark.parametrize(
    "response",
    [
        "The answer is not 13.",
        "The answer isn’t 13.",
        "The answer, however, is not 13.",
        "The answer will never be 13.",
        "It can't be 13.",
        "The answer is anything but 13.",
        "The answer is neither 12.5 nor 13.",
        "Not 13.",
        "So x ≠ 13",
        r"so $x \neq 13$",
        "x != 13",
        r"It is not \boxed{13}.",
        r"$x \ne \boxed{13}$",
        r"\boxed{13} is wrong.",
        "13 is not the answer.",
        "13 doesn't work.",
        "13 is too small.",
        "So we reject 13.",
        "Every number except 13",
        "Is the answer 13? No.",
        "The answer is 13. Wait, that's wrong.",
        "The answer was thought to be 13, but it is not.",
        "The answer is 13. No, it isn't 13.",
        "La respuesta no es 13.",
        "La réponse n’est pas 13.",
        "La risposta non è 13.",
        "A resposta não é 13.",
        "Die Antwort lautet nicht 13.",
        "Het antwoord is niet 13.",
        "Ответ: не 13",
        "答案不是13。",
        "答えは13ではありません。",
        "정답은 13이 아닙니다.",
    ],
)
def test_what_is_ruled_out_is_no_answer(response: str) -> None:
    assert final_answer(response) is None


@pytest.mark.parametrize(
    "response",
    [
        "It is not 12, it is 13.",
        "The answer is not 12 but 13.",
        "The answer can't be 12.5; it has to be 13.",
        "The answer is neither 11 nor 12 but 13.",
        "The answer is 13, not 12.",
        "The answer is 13 rather than 12.",
        "Since x is not negative, x = 13.",
        "It is not hard to see that the answer is 13.",
        r"\boxed{13}, not \boxed{12}",
        "x = 13 or x = 12.5; we discard x = 12.5. Hence the answer is 13.",
        "The answer isn't obvious, yet the answer is 13.",
        "Die Antwort ist nicht 12, sondern 13.",
        "答案不是12，而是13。",
    ],
)
def test_what_is_said_beside_it_counts(response: str) -> None:
    assert final_answer(response) == "13"


def test_a_box_is_an_answer_as_a_whole() -> None:
    assert final_answer(r"\boxed{x \ne 13}") == r"x \ne 13"


def test_the_places_of_clauses() -> None:
    kept, clauses = affirmed("x is not 1.5, but 2 knots")
    assert kept == "x           , but 2 knots"
    assert clauses == [(2, "is not 1.5")]
    assert affirmed("İ is not 1")[1] == [(2, "is not 1")]


@pytest.mark.parametrize(
    "piece", ["not ", "isn't 1, ", "x ≠ ", "( is not the ", "ではない", "\\ne "]
)
def test_the_work_grows_with_the_text(piece: str) -> None:
    check_linear(affirmed, piece)
