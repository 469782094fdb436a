"""Verdicts are read strictly."""
# ruff: noqa: RUF001

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtalign.judges.criterion import CRITERIA, criterion_of
from gtalign.judges.reading import MAX_REPLY, read_verdict, schema
from gtalign.tasks import Message, Question

SCALE = (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    "reply",
    [
        '{"reason": "fine", "score": 0.5}',
        ' \n{"score": 0.5, "reason": "fine"}\n',
        '```json\n{"reason": "fine", "score": 0.5}\n```',
        '<think>is it 1? {"reason": "x", "score": 1}</think>{"reason": "fine", "score": 0.5}',
        '<THINK>a</THINK>\n<reasoning>b</reasoning>\n{"reason": "fine", "score": 0.5}',
        'opened by the template</think>\n{"reason": " fine ", "score": 5e-1}',
        '[THINK]is it 1?[/THINK]{"reason": "fine", "score": 0.5}',
        '```JSON5\r\n{"reason": "fine",\r\n "score": 0.5}\r\n```\r\n',
        '```verdict {"reason": "fine", "score": 0.5}```',
        '~~~\n{"reason": "fine", "score": 0.5}\n~~~',
        'Sure! {"score": 0.5, "reason": "fine"}',
        'It names {x} and ["y"].\n\n**Verdict:**\n```\n{"reason": "fine", "score": 0.5}\n```',
        # marks around it
        '<verdict>{"reason": "fine", "score": 0.5}</verdict>',
        '<output>\n```json\n{"reason": "fine", "score": 0.5}\n```\n</output>',
        '[{"reason": "fine", "score": 0.5}]',
        'So: [\n{"reason": "fine", "score": 0.5}\n]',
        '**{"reason": "fine", "score": 0.5}**',
        '> ```json\n> {"reason": "fine",\n>  "score": 0.5}\n> ```',
        '> {"reason": "fine", "score": 0.5}',
        'My verdict:\n> ~~~\n> {"reason": "fine", "score": 0.5}\n> ~~~',
        # invisible characters and spaces
        '{\u00a0"reason":\u00a0"fine",\u202f"score":\u20090.5\u3000}',
        '\ufeff{"reason": "fine", "score": 0.5}\u200b',
        # keys and numbers
        '{"Reason": "fine", "Score": 0.5}',
        '{" REASON ": "fine", "score ": "0.5"}',
        # once more, and the same
        '{"reason": "fine", "score": 0.5}\n\nVerdict: {"score": 0.5, "reason": "fine"}',
        '[{"reason": "fine", "score": 0.5}, {"reason": "fine", "score": 0.5}]',
        # courtesies
        '{"reason": "fine", "score": 0.5}\nHope that helps!',
        '```json\n{"reason": "fine", "score": 0.5}\n```\n\nLet me know. Thank you! \U0001f60a',
        '{"reason": "fine", "score": 0.5}\n\n**J’espère que cela vous aide.**',
        '{"reason": "fine", "score": 0.5}\n希望这对您有帮助。',
    ],
)
def test_json(reply: str) -> None:
    reading = read_verdict(reply, SCALE, "json_schema")
    assert (reading.score, reading.reason) == (0.5, "fine")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "no verdict"),
        ("<think>never ends", "no verdict"),
        ("1", "not one JSON object"),
        ("{", "not one JSON object"),
        ("[" * 100_000, "not one JSON object"),
        ('{"reason": "a", "score": 1} {"reason": "b", "score": 0}', "more than one verdict"),
        ('{"reason": "a", "score": 1} I am sure.', "text after"),
        ('```\n{"reason": "a", "score": 1}\n```\nI am sure.', "text after"),
        ('{"reason": "a", "score": 1} Hope that helps!', "text after"),
        ('{"reason": "a", "score": 1}\nHope that helps! But it is 0.', "text after"),
        ('{"reason": "a", "score": 1}\nThat is what the answer claims.', "text after"),
        ('It says:\n> {"reason": "a", "score": 1}\nwhich is no verdict.', "text after"),
        ('It says:\n> {"reason": "a",\n> "score": 1}', "not one JSON object"),
        ('{"verdict": {"reason": "a", "score": 1}}', "keys"),
        ('[{"reason": "a", "score": 1}, {"reason": "a", "score": 0}]', "more than one verdict"),
        ('{"reason": "a", "score": 1}\n{"reason": "b", "score": 1}', "more than one verdict"),
        ('{"reason": "a", "score": 1, "Score": 0}', "twice"),
        ('{"reason": "a", "score": "1/1"}', "not a number"),
        ('{"reason": "a", "score": "one"}', "not a number"),
        ('Not {"score": 0}, but {"reason": "a", "score": 1}', "more than one verdict"),
        (
            '```\n{"reason": "a", "score": 0}\n```\n```\n{"score": 1, "reason": "b"}\n```',
            "more than",
        ),
        ('My "score": 1', "not one JSON object"),
        ('{"reason": "a"}', "keys"),
        ('{"reason": "a", "score": 1, "note": 2}', "keys"),
        ('{"reason": "a", "score": 1, "score": 0}', "twice"),
        ('{"reason": "a", "score": NaN}', "NaN"),
        ('{"reason": "a", "score": -Infinity}', "-Infinity"),
        ('{"reason": "a", "score": 1e999}', "not one of 0, 0.5, 1"),
        ('{"reason": "a", "score": 1' + "0" * 400 + "}", "not finite"),
        ('{"reason": "a", "score": 1' + "0" * 5000 + "}", "not one JSON object"),
        ('{"reason": "a", "score": true}', "not a number"),
        ('{"reason": "a", "score": 0.7}', "not one of"),
        ('{"reason": "a", "score": -1}', "not one of"),
        ('{"reason": 1, "score": 1}', "not text"),
        (" " * (MAX_REPLY + 1), "longer"),
    ],
)
def test_no_json_verdict(reply: str, why: str) -> None:
    reading = read_verdict(reply, SCALE, "json_schema")
    assert reading.score is None
    assert why in reading.reason


COPIED = [
    "one or two sentences",
    "One or two sentences.",
    "<one or two sentences>",
    " *one or  two\nsentences* ",
    "one or two sentences. One or two sentences.",
    "Give the reason first.",
    "Give the reason first. The number is one of 0, 0.5, 1.",
    "Your verdict",
]


@pytest.mark.parametrize("reason", COPIED)
def test_a_reason_that_repeats_the_form_is_none(reason: str) -> None:
    for found in (
        read_verdict(json.dumps({"reason": reason, "score": 1}), SCALE, "json_schema"),
        read_verdict(f"<reason>{reason}</reason><score>1</score>", SCALE, "tagged"),
    ):
        assert found.score is None
        assert "only repeats the form" in found.reason


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "one",
        "It has one or two sentences.",
        "One or two sentences are wrong.",
        "One or two sentences. The user wanted a list.",
        "只有一两句话",
        "The number is one of three.",
    ],
)
def test_a_reason_with_words_of_the_form_is_one(reason: str) -> None:
    found = read_verdict(json.dumps({"reason": reason, "score": 1}), SCALE, "json_schema")
    assert found.score == 1


@pytest.mark.parametrize(
    "reply",
    [
        "<reason>fine</reason><score>0.5</score>",
        "\n<reason>\nfine\n</reason>\n\n<score> 0.50 </score>\n",
        "<think>\n<score>1</score>\n</think>\n<reason>fine</reason><score>+0.5</score>",
        "So:\r\n<reason>fine</reason>\r\n<score>0.5</score>",
        "```xml\n<reason>fine</reason><score>0.5</score>\n```",
        "<verdict><reason>fine</reason><score>0.5</score></verdict>",
        "<Reason>fine</Reason>\n<SCORE>0.5</SCORE>",
        "<reason>fine</reason>\u00a0<score>\u00a00.5\u200b</score>\ufeff",
        "> ```\n> <reason>fine</reason>\n> <score>0.5</score>\n> ```",
        "<reason>fine</reason><score>0.5</score>\n<reason>fine</reason>\n<score>0.5</score>",
        "<reason>fine</reason><score>0.5</score>\n\nI hope this is helpful.",
    ],
)
def test_tags(reply: str) -> None:
    reading = read_verdict(reply, SCALE, "tagged")
    assert (reading.score, reading.reason) == (0.5, "fine")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("<score>1</score>", "no reason tag"),
        ("<reason>a</reason>", "no score tag"),
        ("<reason>a</reason><score>1", "no score tag"),
        ("<reason>a</reason><score>1</score><score>0</score>", "more than once"),
        ("<reason>a</reason><reason>b</reason><score>1</score>", "more than once"),
        ("<score>0</score>? <reason>a</reason><score>1</score>", "more than once"),
        ("<reason>a</reason> so <score>1</score>", "text after"),
        ("<reason>a</reason><score>1</score> I think", "text after"),
        ("<reason>a</reason><score>1</score>\nNo, it is wrong.", "text after"),
        ("<reason>a</reason><score>1</score><reason>a</reason><score>0</score>", "more than once"),
        ("<score>1</score><reason>a</reason>", "another order"),
        ("<reason>a</reason><score>nan</score>", "not a number"),
        ("<reason>a</reason><score>1e0</score>", "not a number"),
        ("<reason>a</reason><score>one</score>", "not a number"),
        ("<reason>a</reason><score></score>", "not a number"),
        ("<reason>a</reason><score>1١</score>", "not one of"),
        ("<reason>a</reason><score>2</score>", "not one of"),
        (r"\boxed{1}", "no reason tag"),
    ],
)
def test_no_tagged_verdict(reply: str, why: str) -> None:
    reading = read_verdict(reply, SCALE, "tagged")
    assert reading.score is None
    assert why in reading.reason


@given(st.text(), st.sampled_from(["json_schema", "tagged"]))
def test_anything_reads_to_a_score_of_the_scale_or_a_reason(text: str, form: str) -> None:
    reading = read_verdict(text, SCALE, form)  # type: ignore[arg-type]
    assert reading.score in (None, *SCALE)
    assert reading.score is not None or reading.reason


@given(st.sampled_from(SCALE), st.text(max_size=50))
def test_a_verdict_under_the_schema_is_read(score: float, reason: str) -> None:
    reply = json.dumps({"reason": reason, "score": score})
    reading = read_verdict(reply, SCALE, "json_schema")
    if "</think" not in reply.lower():
        assert reading.score == score


def test_the_schema_lists_the_scale() -> None:
    assert schema((0.0, 0.5, 1.0))["properties"]["score"]["enum"] == [0, 0.5, 1]


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_explains_its_scale(name: str) -> None:
    criterion = CRITERIA[name]
    for value in criterion.scale:
        assert f"\n{value:g}: " in criterion.instructions
    assert "{{" not in criterion.instructions


@pytest.mark.parametrize(
    ("task", "truth", "name"),
    [
        ("math-hard", "4", "correctness"),
        ("minerva", "4", "correctness"),
        ("medium", "text", "helpfulness"),
        ("ambig_qa", "singleAnswer###x", "ambiguity"),
        ("abg-coqa", "ambiguous", "ambiguity"),
        ("wildguard", "harmful", "harmlessness"),
        ("wildguard", "unharmful", "harmless"),
        ("advbench", "Sure, here is", "harmlessness"),
    ],
)
def test_each_task_has_its_criterion(task: str, truth: str, name: str) -> None:
    question = Question("q", task, (Message(role="user", content="?"),), truth, "c")
    criterion = criterion_of(question)
    assert criterion is not None
    assert criterion.name == name


def test_another_task_has_none() -> None:
    assert (
        criterion_of(Question("q", "sums", (Message(role="user", content="?"),), "4", "c")) is None
    )
