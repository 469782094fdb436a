"""What a test set shares with a training set."""

from pathlib import Path

from gtalign.data.leakage import Known, Leakage, leakage, text_of
from gtalign.data.rows import read_rows
from gtalign.tasks import Message, Question

TEXT = "How many apples does Ann have if she buys seven of them and eats two on the way home?"


def question(text: str, cluster: str = "", history: str = "") -> Question:
    messages: tuple[Message, ...] = (Message(role="user", content=text),)
    if history:
        before = (
            Message(role="user", content=history),
            Message(role="assistant", content="Yes?"),
        )
        messages = before + messages
    return Question(text, "math-hard", messages, "5", cluster or text)


def test_each_kind_of_leak_is_counted() -> None:
    known = Known()
    for one in (question(TEXT, "a"), question("A train leaves.", "b"), question("Other", "c")):
        assert known.add(one) is None
    test = [
        question("New words about it", "b"),
        question(TEXT.upper(), "d"),
        question(TEXT.replace("Ann", "Bea"), "e"),
        question(TEXT, "c"),
        question("Nothing of it", "f"),
    ]
    assert leakage(test, known) == Leakage(rows=5, source=2, exact=2, near=1, either=4)
    overlap = known.find(test[3])
    assert overlap.source == 2 and overlap.text is not None and overlap.text.key == 0
    assert not known.find(test[4])


def test_conversations_are_compared_whole_if_wanted() -> None:
    first, second = question("And now?", "a", "Tell me of cats"), question("And now?", "b", "Dogs!")
    assert Known(by="question").by == "question"
    for by, repeats in (("question", True), ("conversation", False)):
        known = Known(by=by)  # type: ignore[arg-type]
        known.add(first)
        assert (known.add(second) is not None) == repeats
    assert (
        text_of(first, "conversation") == "user: Tell me of cats\nassistant: Yes?\nuser: And now?"
    )


def test_the_published_maths_test_is_known_from_training(shared: Path) -> None:
    known = Known()
    for one in read_rows(shared / "data" / "math-hard-train.parquet"):
        known.add(one)
    found = leakage(read_rows(shared / "data" / "math-hard-test.parquet"), known)
    assert found.rows == 353
    assert found.source == 274
    assert found.either >= found.source
