"""Reasoning in front of an answer or a chain: found, left out, and never the response."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_texts import THOUGHTS, VALID
from counting import check_linear
from gtalign.chain import ChainBroken, StreamParser, parse, parse_batch
from gtalign.chain.reasoning import (
    behind_reasoning,
    reasoning_end,
    reasoning_of,
    response_of,
    shown,
    with_reasoning,
)
from gtalign.errors import ChainError

HARMONY = (
    "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four."
)


@pytest.mark.parametrize(
    ("text", "response", "reasoning"),
    [
        ("Four.", "Four.", ""),
        ("<think>Hm.</think>Four.", "Four.", "Hm."),
        ("\n<THINK>Hm.</THINK>\n\nFour.\n", "Four.", "Hm."),
        ("<thinking>Hm.</thinking> Four.", "Four.", "Hm."),
        (
            "<\uff5cbegin\u2581of\u2581thinking\uff5c>Hm.<\uff5cend\u2581of\u2581thinking\uff5c>Four.",
            "Four.",
            "Hm.",
        ),
        ("<|begin_of_thinking|>Hm.<|end_of_thinking|>Four.", "Four.", "Hm."),
        ("<inner_thoughts>Hm.</inner_thoughts>Four.", "Four.", "Hm."),
        ("<internal_monologue>Hm.</internal_monologue>Four.", "Four.", "Hm."),
        ("&lt;think&gt;Hm.&lt;/think&gt;Four.", "Four.", "Hm."),
        ("Write &lt;b&gt;Four&lt;/b&gt;.", "Write &lt;b&gt;Four&lt;/b&gt;.", ""),
        ("<reasoning>Hm.</reasoning>Four.", "Four.", "Hm."),
        ("<seed:think>Hm.</seed:think>Four.", "Four.", "Hm."),
        ("[THINK]Hm.[/THINK]Four.", "Four.", "Hm."),
        ("<|begin_of_thought|>Hm.<|end_of_thought|>Four.", "Four.", "Hm."),
        ("◁think▷Hm.◁/think▷Four.", "Four.", "Hm."),
        (HARMONY, "Four.", "Hm."),
        ("<think>a</think><think>b</think>Four.", "Four.", "ab"),
        ("<think>a <think>b</think> c</think>Four.", "Four.", "a b c"),
        ("the template opened it</think>\nFour.", "Four.", "the template opened it"),
        ("<think>never ends", "", "never ends"),
        ("<think>``` is no fence</think>```\ncode\n```", "```\ncode\n```", "``` is no fence"),
        ("Two. <think>Hm.</think>Four.", "Two. Four.", ""),
        ("Four.\n<think>and is it", "Four.", ""),
        # tags of any name that speaks of thinking
        ("<inner thoughts>Hm.</inner thoughts>Four.", "Four.", "Hm."),
        ("<INNER_MONOLOGUE>Hm.</INNER_MONOLOGUE>\nFour.", "Four.", "Hm."),
        ("<chain_of_thought>Hm.</chain_of_thought>Four.", "Four.", "Hm."),
        ("<chainOfThought>Hm.</chainOfThought>Four.", "Four.", "Hm."),
        ("<cot>Hm.</cot>Four.", "Four.", "Hm."),
        ("<thought-process>Hm.</thought-process>Four.", "Four.", "Hm."),
        ("<reasoning_steps>Hm.</reasoning_steps>Four.", "Four.", "Hm."),
        ("<thinking>Hm.</thinking>Four.", "Four.", "Hm."),
        ("<internal_dialogue>Hm.</internal_dialogue>Four.", "Four.", "Hm."),
        ("<scratchpad>Hm.</scratchpad>Four.", "Four.", "Hm."),
        ("<self-reflection>Hm.</self-reflection>Four.", "Four.", "Hm."),
        ("<analysis>Hm.</analysis><answer>Four.</answer>", "<answer>Four.</answer>", "Hm."),
        ('<think time="3s" step=1>Hm.</think>Four.', "Four.", "Hm."),
        ("<reflection type='deep' >Hm.</reflection >Four.", "Four.", "Hm."),
        ("[thinking]Hm.[/thinking]\nFour.", "Four.", "Hm."),
        ("<antThinking>Hm.</antThinking>Four.", "Four.", "Hm."),
        ("<self_talk>Hm.</self_talk>Four.", "Four.", "Hm."),
        ("<pre_response_analysis>Hm.</pre_response_analysis>Four.", "Four.", "Hm."),
        ("<思考过程>Hm.</思考过程>Four.", "Four.", "Hm."),
        ("<think>Hm.<\\/think>Four.", "Four.", "Hm."),
        ("<|thinking|>Hm.<|/thinking|>Four.", "Four.", "Hm."),
        ("<|think_start|>Hm.<|think_end|>Four.", "Four.", "Hm."),
        ("<|inner_prefix|>Hm.<|inner_suffix|>Four.", "Four.", "Hm."),
        ("<|channel>thought\nHm.\n<channel|>Four.", "Four.", "Hm."),
        ("<scratchpad>never ends", "", "never ends"),
        ("<reflection level=2>never ends", "", "never ends"),
        ("<Thinking>a <reflection>b</reflection> c</Thinking>Four.", "Four.", "a b c"),
        ("a prompt opened it</scratchpad>Four.", "Four.", "a prompt opened it"),
        ("```thinking\nHm.\n```\nFour.", "Four.", "```thinking\nHm.\n```"),
        ("analysisHm. So 4.assistantfinalFour.", "Four.", "analysisHm. So 4.assistantfinal"),
        (
            '<details type="reasoning" done="true"><summary>Hm.</summary></details>Four.',
            "Four.",
            '<details type="reasoning" done="true"><summary>Hm.</summary></details>',
        ),
        (
            "Here is my thought process: hm. Here is my response: Four.",
            "Four.",
            "Here is my thought process: hm. Here is my response:",
        ),
        # what an answer says about tags is no reasoning
        *(
            (text, text, "")
            for text in (
                "<think> is the tag of reasoning.",
                "<think> and </think> are tags.",
                "The <think> tag opens it, and the </think> tag ends it.",
                "The closing tag is </think>. It comes last.",
                'He wrote "<think>" and "</think>".',
                '"<scratchpad>" is a tag.',
                "**<think>** opens it.",
                "Put it in <scratchpad> tags.",
                "<think> was my tag.",
                "<thinking>...</thinking> is the tag.",
                "The tags:\n- <think>\n- </think>\nThat is all.",
                "| <think> | opens it |\n| </think> | ends it |",
                "使用<think>标签。",
                "<scratchpad>, then, is where it thinks.",
                "[Thinking] Let me see. It is four.",
                "[analysis](https://a.example) shows it.",
                "<thinker>Rodin</thinker>",
                "<think about it>Four.",
                "<plan>1. Add.</plan>Four.",
                "analysisResult = 4",
                # and neither are the elements of an answer in XML
                "<answer><analysis>It is even.</analysis><verdict>Four.</verdict></answer>",
                "<answer>\n  <analysis>Even.</analysis>\n  <verdict>4</verdict>\n</answer>",
                "<report id='1'>\n<thoughts>Even.</thoughts>\n<cut off",
                '<?xml version="1.0"?>\n<thoughts>Even.</thoughts>',
                "<question>It?</question>\n<thought>Even.</thought>\n<answer>Four.</answer>",
                "<!DOCTYPE html>\n<p>Four.</p>",
                "<analysis>It is even.</analysis>",
                "<reflection>I liked the book.</reflection>\n",
                "<p>Four.</p>\nSo </analysis> ends it.",
            )
        ),
        ("The tag `</think>` ends it.", "The tag `</think>` ends it.", ""),
        ("```xml\n<think>a</think>\n```", "```xml\n<think>a</think>\n```", ""),
        ("Write <thinking> and </thinking>.", "Write <thinking> and </thinking>.", ""),
        ("a < b [1]", "a < b [1]", ""),
        ("", "", ""),
    ],
)
def test_the_parts_of_a_plain_answer(text: str, response: str, reasoning: str) -> None:
    assert response_of(text) == response.strip()
    assert reasoning_of(text) == reasoning


@pytest.mark.parametrize("opening", THOUGHTS)
def test_a_part_of_a_chain_stands_behind_the_reasoning_of_any_model(opening: str) -> None:
    closing = THOUGHTS[opening]
    part = "<thinking>Hm.</thinking>"
    assert behind_reasoning(f"{opening}a{closing}{part}") == part
    assert behind_reasoning(f" {opening.upper()}a{closing.upper()}{part}") == part
    alone = f"a template opened it{closing}{part}"
    named = opening in (
        "<reflection>",
        "[inner monologue]",
    )  # a part of the answer, without a model
    assert behind_reasoning(alone) == (alone if named else part)
    assert behind_reasoning(part) == part
    assert behind_reasoning(f"\n{opening}{part}") is None
    assert behind_reasoning(f"{opening}a{closing} {opening}{part}") is None


@given(st.text(st.sampled_from("ab `\n<>/[]"), max_size=20), st.text("ab \n", max_size=20))
def test_what_is_put_in_front_is_left_out_again(answer: str, thought: str) -> None:
    assert response_of(with_reasoning(thought, answer)) == response_of(answer)
    assert reasoning_of(with_reasoning(thought, answer)) in (thought.strip(), reasoning_of(answer))


PIECES = ["<think>", "</think>", "<reasoning>", "</reasoning>", "`", "\n", "a", " ", "```\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_the_spans_of_any_text_are_in_order(text: str) -> None:
    at = 0
    for start, end in shown(text):
        assert at <= start <= end <= len(text)
        at = end


@pytest.mark.parametrize("opening", THOUGHTS)
def test_a_chain_may_follow_closed_reasoning(opening: str) -> None:
    thought = f" {opening}What is <payoff>? {opening}\n{THOUGHTS[opening]}\n"
    chain = parse(thought + VALID)
    assert chain.response == parse(VALID).response
    assert chain.repairs == ()
    assert chain.spans["thinking"][0] == len(thought) + len("<thinking>")
    assert parse(thought + VALID, tolerant=True) == chain
    (found,) = parse_batch([thought + VALID]).responses
    assert found == chain.response


@pytest.mark.parametrize("opening", THOUGHTS)
def test_the_chain_of_an_endless_reasoning_is_missing(opening: str) -> None:
    with pytest.raises(ChainError) as caught:
        parse(f" {opening}{VALID}")
    assert (caught.value.rule, caught.value.position) == ("unclosed", 1)
    assert THOUGHTS[opening] in str(caught.value)


@given(
    st.sampled_from([*THOUGHTS.items(), ("<think>", "</thin"), ("<think>", "</think> x")]),
    st.sampled_from(["", "a", "</", "<thinking>", "\n<"]),
    st.integers(1, 9),
)
def test_a_stream_reads_reasoning_as_the_whole_text_is_read(
    pair: tuple[str, str], inside: str, size: int
) -> None:
    text = f"\n{pair[0]}{inside}{pair[1]}\n{VALID}"
    parser = StreamParser()
    events = [
        event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])
    ]
    try:
        chain = parse(text)
    except ChainError as error:
        with pytest.raises(ChainError) as caught:
            parser.close()
        assert (caught.value.rule, caught.value.position) == (error.rule, error.position)
    else:
        assert parser.close() == chain
        assert not any(isinstance(event, ChainBroken) for event in events)


def test_only_closed_reasoning_is_passed() -> None:
    assert reasoning_end("<think>a</think> [THINK]b[/THINK]<think>c") == 33
    assert reasoning_end("a</think>") == reasoning_end("<thinking>a</thinking>") == 0


@pytest.mark.parametrize("piece", ["<think></think>", "</think>", "<think>", "`<think>`", "```\n"])
def test_repetitions_take_linear_work(piece: str) -> None:
    text = piece * 20_000
    assert response_of(text) is not None
    assert reasoning_end(text) <= len(text)
    check_linear(response_of, piece)
    check_linear(reasoning_end, piece)
