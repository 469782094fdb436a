"""Which action a response carries out, on responses like real ones."""

# ruff: noqa: RUF001

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO
from counting import check_linear
from gtalign.chain import acted, asked, asks, sentences
from gtalign.game import USER_LLM, GameForm
from gtalign.game.traits import Sign, Traits

DIRECT = [
    "Paris is the capital of France.",
    "Yes.",
    "42",
    "Sure!",
    "The answer is 3.5. It follows from Dr. Smith's result, cf. the U.S. census.",
    "## Answer\n\nUse `git log --all`.\n\n- It lists all branches.\n- It is fast.",
    '"What do you mean?" is what Watson asks Holmes.',
    "She asked, \u201cWhere is it?\u201d and left.",
    "Il a demand\u00e9 : \u00ab O\u00f9 es-tu ? \u00bb, puis il est parti.",
    "Here it is:\n```python\nask = input('Who are you?')\nwhat = a if b else c  # why?\n```",
    "```\nSELECT * FROM t WHERE a = ?\n```",
    "```\nan unclosed fence?",
    "The ternary operator is written `a ? b : c`, and `x?` makes it optional.",
    "Read https://example.com/search?q=what&lang=en for more.",
    "See www.example.com/faq? for the details.",
    "Some people (who knows why?) call it something else.",
    "I'm sorry, but I can't help with that.",
    "\u6771\u4eac\u306f\u65e5\u672c\u306e\u9996\u90fd\u3067\u3059\u3002",
    "Let me know if you need anything else.",
    # a mark that stands for a value
    "The SQL is WHERE a = ?",
    "Use VALUES (?, ?)",
    "WHERE a LIKE ?",
    "Write x + ? and solve it.",
    "It matches a.*?",
    # no questions
    "そうですか。",
    "그러니까.",
    "You could clarify that.",
    "Which is why we go.",
    "What you need is time.",
    "What do you need\n\nYou need salt.",
    "The value of mu.",
    "Puedes decir que es azul.",
    "Puoi dire che è blu.",
    "Pode dizer que é azul.",
    "Do you need salt, add some.",
    "Möchten Sie helfen, rufen Sie an.",
    "Rendez-vous à la gare.",
    "なるほど、そうなんですか。",
    "还是去吧。",
    "In a long text, somebody may ask in passing. " * 20 + "Could you tell me more. So it goes.",
]
CLARIFYING = [
    "Which Paris do you mean, the one in France or the one in Texas?",
    "Could you please specify the year?",
    "Do you mean Dr. Samuel L. Jackson or J. K. Rowling?",
    "Is it version 3.5 or 3.11?",
    "What is the budget, e.g. for one month?",
    "Sure! Which version are you using?",
    "I'd be happy to help! What is it for?",
    "I\u2019d be glad to help with that. What have you tried so far?",
    "To give you the right answer, I need to know one thing. Is this for work?",
    "Thanks for asking. Which one do you mean? Once I know, I can give you an exact answer.",
    "Which of these do you mean?\n\n1. The city in France.\n2. The city in Texas.",
    "Do you mean:\n- the city in France, or\n- the city in Texas?",
    "**What do you want to measure?**",
    'What do you mean by "fast"?',
    '"Which one do you mean?"',
    'Did you try "Have you turned it off?"?',
    "Have you seen https://example.com/a?b=c?",
    "1. What is your budget?\n2. When do you leave?",
    "What do you mean? the city or the person?",
    "Really?!",
    "\u3069\u306e\u90fd\u5e02\u306e\u3053\u3068\u3067\u3059\u304b\uff1f",
    "\u4f60\u6307\u7684\u662f\u54ea\u4e00\u4e2a\uff1f",
    "\u0623\u064a \u0645\u062f\u064a\u0646\u0629 \u062a\u0642\u0635\u062f\u061f",
    "\u00bfQu\u00e9 ciudad quiere decir?",
    # without a question mark
    "どの都市ですか。",
    "どちらのことでしょうか",
    "어느 것입니까.",
    "어떤 도시인가요",
    "您指的是北京吗。",
    "请问您指的是哪一个。",
    "คุณหมายถึงอันนี้ใช่ไหม",
    "¿Qué ciudad quiere decir.",
    "Podrías aclarar cuál.",
    "Pourriez-vous préciser laquelle.",
    "Können Sie das Jahr nennen.",
    "Could you clarify which one you mean.",
    "Sorry, can you please specify the year.",
    "Which one do you mean.",
    "Do you mean the bank or the river.",
    "Would you mind telling me the year.",
    "For example, do you want the sum.",
    "Meinst du den Fluss. Oder die Bank, die am Markt liegt?",
    "Kun je het jaar noemen.",
    "Puedes decir cuál.",
    "Would you like the short or the long version.",
    "Which of these do you mean:\n- the film\n- the book",
    "Podrías precisar la versión.",
    "Você poderia esclarecer qual dos dois.",
    "Voulez-vous dire la rive ou la banque.",
    "Können Sie mir sagen, welches Jahr gemeint ist.",
    "Potresti indicare il modello.",
    "Zou je kunnen zeggen welke je bedoelt.",
    "Могли бы вы сказать, какой год.",
    "能否请您说明是哪一个。",
    "您指的是哪一个呢。",
    "자세히 알려주시겠어요.",
    # marks around the question mark
    "?",
    " ？？ ",
    "Which one?\u200b",
    "\ufeffWhich one\u00a0?",
    "<p>Which one?</p>",
    "<b>Which one</b>?",
    "So you mean C++?",
    "What is a = ?",
    "De quelle ville parlez-vous ?",
    "\u03a0\u03bf\u03b9\u03b1 \u03c0\u03cc\u03bb\u03b7;",
    "\u0548\u055e\u0580 \u0584\u0561\u0572\u0561\u0584\u0568",
]
BOTH = [
    "Paris has about 2.1 million inhabitants. Do you want the metropolitan area instead?",
    "The correct answer is B. Would you like an explanation?",
    "It is Option A. Do you want to know why?",
    "I can't help with that. Would a list of hotlines help?",
    "Use a list.\n\n```python\nx = [1]\n```\n\nDoes that solve it?",
    "- Python is slower.\n- C is faster.\n\nWhich one do you use?",
    "What do you mean? Paris is in France.",
    "Which one do you mean?\n\nPython 3.11 has exception groups.",
    "Two causes are likely:\n1. a full disk\n2. a lock\n\nWhich fits?",
    "\u6771\u4eac\u3067\u3059\u3002\u4eba\u53e3\u3082\u77e5\u308a\u305f\u3044\u3067\u3059\u304b\uff1f",
    '"Fast" means under a second here. Is that enough?',
]


@pytest.mark.parametrize("response", DIRECT)
def test_statements_answer(response: str) -> None:
    assert acted(response, USER_LLM) == "DA"


@pytest.mark.parametrize("response", CLARIFYING)
def test_questions_clarify(response: str) -> None:
    assert acted(response, USER_LLM) == "CQ"


@pytest.mark.parametrize("response", BOTH)
def test_both_answer_and_follow_up(response: str) -> None:
    assert acted(response, USER_LLM) == "AQ"


@pytest.mark.parametrize("response", ["", " \n\t", "...", "**", "- "])
def test_what_says_nothing(response: str) -> None:
    assert acted(response, USER_LLM) is None


def test_another_game_has_no_rule() -> None:
    assert acted("Which one?", THREE_BY_TWO) is None


@pytest.mark.parametrize(
    ("response", "read"),
    [
        ("Please tell me the year.", "DA"),
        ("Why does it rain? Because warm air rises.", "AQ"),
        ("Es gibt zwei davon. Welches meinen Sie?", "AQ"),
    ],
)
def test_limits_that_are_documented(response: str, read: str) -> None:
    assert acted(response, USER_LLM) == read


@given(st.lists(st.sampled_from(DIRECT[:2]), min_size=1), st.lists(st.sampled_from(CLARIFYING[:2])))
def test_paragraphs_add_up(statements: list[str], questions: list[str]) -> None:
    text = "\n\n".join(questions + statements)
    assert acted(text, USER_LLM) == ("AQ" if questions else "DA")


@given(st.text(alphabet=st.sampled_from("ab A.?!\n-*`\"'1)(:;,/\u3002\uff1f\u201c\u201d")))
def test_any_text_is_read(text: str) -> None:
    action = acted(text, USER_LLM)
    assert action in (None, *USER_LLM.llm_actions)
    if not any(character.isalnum() for character in text) and "`" not in text:
        assert action in (None, "DA", "CQ", "AQ")
    if "?" not in text and "\uff1f" not in text:
        assert action in (None, "DA")


PIECES = [
    "?",
    ".",
    "`",
    '"',
    "- ",
    "(",
    "https://",
    "https://?",
    "A. ",
    "e.g. ",
    "\u201c",
    "\u201e",
]
PIECES += [
    "\u00ab",
    "\u300c",
    "~~~",
    "* ",
    "to ",
    "need ",
    "let me know ",
    "once I ",
    "to help I need ",
]
PIECES += ["```\n", "~~~\n", "\n\n", " \n", "a: \n- ", "\n \t"]


@pytest.mark.parametrize("piece", PIECES)
def test_long_repetitions_are_read(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    assert acted(text + " end?", USER_LLM) in (None, *USER_LLM.llm_actions)


@pytest.mark.parametrize(
    ("response", "action"),
    [
        ("it is a dog. which dufa is it?", "AQ"),
        ("i cannot help to stop it, but i can check it. what is the device?", "AQ"),
        ("it is a dog. it is fed.", "DA"),
        ("which dufa is it?", "CQ"),
        ("about approx. ten, which one?", "CQ"),
        ("It has approx. ten, which one?", "CQ"),
    ],
)
def test_who_writes_in_lower_case_begins_sentences_so(response: str, action: str) -> None:
    assert acted(response, USER_LLM) == action


@given(st.text(alphabet=st.sampled_from("ab A.!\n-*`\"'1)(:,/\u3002\u201c\u201d~h_")))
def test_what_asks_nothing_answers_directly_by_the_long_way_too(text: str) -> None:
    quick = acted(text, USER_LLM)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentences, "_ASKED", re.compile(""))
        assert acted(text, USER_LLM) == quick


@given(
    st.lists(
        st.sampled_from(["Is it", "it is", "?", ".", " ", '"', "`", "\n- ", "a?b", "؟", ";", ")"])
    )
)
@example(['"', '"', "؟"])
@example(['"', ".", '"', "?"])
def test_whether_a_text_asks_is_what_its_sentences_say(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert asks(text) is bool(asked(text))
    assert asks(text) is (acted(text, USER_LLM) in ("CQ", "AQ"))


def test_the_sentences_that_ask() -> None:
    text = 'I know of it. Which "bank?" do you mean? See https://a.example/?q=b. 或者哪一个\uff1f'
    assert asked(text) == ["Which bank do you mean?", "或者哪一个\uff1f"]
    assert asked("It is 4.") == []
    assert asked("He said “¿Qué?”.") == []
    assert asked("For example: is there “SHE + ... = ...”?") == ["For example: is there SHE +  = ?"]


ORDER = GameForm(
    {"U": "a user"},
    {
        "DO": "do it",
        "PLAN": "plan",
        "PASS": "hand over",
        "LIST": "list",
        "NOTE": "note it",
        "ASK": "ask",
    },
    {
        "DO": Traits(Sign(first_line=("Done", "All done"), asks="no")),
        "PLAN": Traits(Sign(first_line=("Plan",), asks="last")),
        "PASS": Traits(Sign(marker=("[handed over]",))),
        "LIST": Traits(Sign(first_line=("To do:",), asks="no")),
        "NOTE": Traits(Sign(words=("take a note", "noted"), without=("done", "plan", "["))),
        "ASK": Traits(Sign(asks="only", without=("plan",))),
    },
)


@pytest.mark.parametrize(
    ("response", "action"),
    [
        ("Done. The test passes.", "DO"),
        ("\n## all  DONE:\nThe test passes.", "DO"),
        ("_Done_ - the test passes.", "DO"),
        ("Donetsk is a city.", None),  # no whole word
        ("It is done.", None),  # not at the beginning
        ("Done. Anything else?", None),  # asks
        ("**Plan**\n1. Rename it.\n2. Test it.\n\nShall I go on?", "PLAN"),
        ("Plan: rename it. Shall I go on? Let me know.", "PLAN"),  # a courtesy ends nothing
        ("Plan: shall I go on? I would.", None),  # the last sentence states
        ("A colleague takes over. [handed over]", "PASS"),
        ("A colleague takes over. [Handed over]", None),  # a marker is written exactly so
        ("I will take a\nnote of it.", "NOTE"),
        ("Here is `noted = 1`.", None),  # code
        ('You wrote "noted".', None),  # a quotation
        ("Noted; the plan stays.", None),
        ("Which test fails?", "ASK"),
        ("To do:rename it.", "LIST"),
        ("To do is the verb.", None),
        ("Which plan?", None),
        ("Done. [handed over]", None),  # two signs: nobody can tell
        ("", None),
        ("???", "ASK"),
    ],
)
def test_signs_say_which_action_a_response_carries_out(response: str, action: str | None) -> None:
    assert acted(response, ORDER) == action
    assert acted(response, GameForm(ORDER.user, ORDER.llm)) is None  # without signs


@pytest.mark.parametrize("piece", ["#", " ", "no ted ", "`"])
def test_signs_are_read_with_linear_work(piece: str) -> None:
    assert acted(piece * 20_000, ORDER) is None
    check_linear(lambda text: acted(text, ORDER), piece)
