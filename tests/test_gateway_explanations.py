"""What is left of the words in which engines explain failures."""

import json
from typing import Any

import pytest

from gtalign.gateway.explanations import explanation


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ({"error": {"message": "m", "code": 3}}, {"message": "m", "code": 3}),
        ({"object": "error", "message": "m"}, {"message": "m"}),
        ({"error": "m", "error_type": "t"}, {"message": "m", "error_type": "t"}),
        ({"error": ["a", "b"]}, {"message": "a"}),
        ({"error": [{"message": "a"}]}, {"message": "a"}),
        ([{"loc": ["x"], "msg": "wrong"}], {"loc": ["x"], "message": "wrong"}),
        (["m"], {"message": "m"}),
        ({"Message": "m", "__type": "x"}, {"message": "m", "__type": "x"}),
        ({"title": "t", "detail": "d", "status": 4}, {"title": "t", "message": "d", "status": 4}),
        ({"errors": ["a", "b"]}, {"errors": ["a", "b"], "message": "a; b"}),
        ({"errors": {"f": ["a"]}}, {"errors": {"f": ["a"]}, "message": '{"f":["a"]}'}),
        ({"error": {"type": "x"}}, {"type": "x", "message": None}),
        ({"error": {"message": "", "code": 7}}, {"message": None, "code": 7}),
        ({"message": {"detail": [1]}}, {"message": '{"detail":[1]}'}),
        ({"error": ""}, None),
        ({"choices": []}, None),
        ({}, None),
        ([], None),
        ("", None),
        (5, None),
        (None, None),
    ],
)
def test_an_object_stays_as_it_is(reply: Any, found: Any) -> None:
    assert explanation(json.dumps(reply).encode()) == found


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b"Not now\r\n  please", "Not now please"),
        ("zu gro\u00df".encode(), "zu gro\u00df"),
        (b"<p>a<br/>b &lt;c&gt;<script>x</script><style>y</style><!-- z -->", "a b <c>"),
        (b"<title>502 Bad Gateway</title>", "502 Bad Gateway"),
        (b"<?xml version='1.0'?><Error><Code>X</Code><Message>m</Message></Error>", "X m"),
        (b"at http://10.0.0.7:80/v1/x?y, try", "at [address] try"),
        (b"10.0.0.7, 10.0.0.7:80; [fe80::1]:8000 (fe80::7:1)", None),
        (b"vllm.prod.internal and localhost and db-1.svc:5432", None),
        (b"at 12:30:45, code:400, std::x", "at 12:30:45, code:400, std::x"),
        (b"\x1b[31mred\x00", "[31mred"),
        (b"", ""),
        (b" \n", ""),
        (b"\xff\xfe\x00", ""),
        (b"<b></b>", ""),
    ],
)
def test_a_text_and_a_page_are_shortened(reply: bytes, message: str | None) -> None:
    found = explanation(reply)
    said = "" if found is None else found["message"]
    if message is not None:
        assert said == message
    assert not any(name in said for name in ("10.0", "fe80", "localhost", "internal", "db-1"))


def test_no_text_is_longer_than_a_message() -> None:
    for reply in (b"x" * 9000, b"<p>" * 9000, "\u00df".encode() * 9000, json.dumps("y " * 900)):
        found = explanation(reply if isinstance(reply, bytes) else reply.encode())
        assert found is None or len(found["message"]) <= 503
