"""Chains for the tests of `gtalign.chain`: right, slightly wrong, and hostile."""

import json

from hypothesis import strategies as st

from gtalign.chain import Chain, chosen_cell, render, solution_scores
from gtalign.chain.blocks import TAGS
from gtalign.game import USER_LLM, Bimatrix, GameForm, pareto_frontier

THREE_BY_TWO = GameForm(
    user={"ASK": "asks", "TELL": "tells", "HINT": "hints {{cells}}"},
    llm={"GO": "goes ahead", "WAIT-1": "waits one turn"},
)

PAYOFF = Bimatrix(
    USER_LLM,
    [[[3.0, 3.0], [1.0, 0.5], [2.0, 4.0]], [[-1.0, 1.5], [2.0, 2.5], [1.0, 1.0]]],
)
VALID = render("What is meant?", PAYOFF, "Frontier: DQ_AQ, DQ_DA. Choose DQ_AQ.", "Which one?")


def tenths() -> st.SearchStrategy[float]:
    return st.integers(-50, 50).map(lambda tenth: tenth / 10)


def games(form: GameForm = USER_LLM) -> st.SearchStrategy[Bimatrix]:
    m, n = form.shape
    pair = st.lists(tenths(), min_size=2, max_size=2)
    row = st.lists(pair, min_size=n, max_size=n)
    return st.lists(row, min_size=m, max_size=m).map(lambda rows: Bimatrix(form, rows))


PIECES = st.sampled_from(
    ["<", "</", "<think", "think", ">", "/", " ", "\n\n", "\u00a0", "a < b", "word", "{", '"', "é"]
)


def texts() -> st.SearchStrategy[str]:
    """Free text of a block, full of what looks like a tag."""
    joined = st.lists(PIECES, max_size=6).map("".join)
    return joined.filter(lambda text: not any(tag in text for tag in TAGS))


def plain() -> st.SearchStrategy[str]:
    """Free text of a block that a grammar holds: without an angle."""
    return texts().map(lambda text: text.replace("<", "-"))


def valid(form: GameForm = USER_LLM) -> st.SearchStrategy[str]:
    space = st.sampled_from(["", " ", "\n", "\t\n \u2003"])

    @st.composite
    def build(draw: st.DrawFn) -> str:
        payoff = draw(games(form)).to_json()
        keys = draw(st.permutations(list(payoff)))
        contents = [
            draw(texts()),
            draw(st.sampled_from(["", "\n"]))
            + json.dumps(
                {key: payoff[key] for key in keys}, indent=draw(st.sampled_from([None, 1]))
            )
            + draw(st.sampled_from(["", " "])),
            draw(texts()),
            draw(texts()) + "!" + draw(texts()),
        ]
        parts = [
            opening + content + closing
            for opening, content, closing in zip(TAGS[::2], contents, TAGS[1::2], strict=True)
        ]
        return "".join(draw(space) + part for part in parts) + draw(space)

    return build()


def mutated() -> st.SearchStrategy[str]:
    """Valid chains with some pieces cut out, doubled, moved or put in."""
    inserts = st.sampled_from(
        [*TAGS, "<", "x", " ", "NaN", "true", '"VQ_DA": {}', "9", "'", ",", ""]
    )

    @st.composite
    def build(draw: st.DrawFn) -> str:
        text = draw(valid())
        for _ in range(draw(st.integers(1, 3))):
            start = draw(st.integers(0, len(text)))
            end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 12, 60])))
            copies = draw(st.sampled_from([0, 0, 1, 2]))
            text = text[:start] + draw(inserts) + text[start:end] * copies + text[end:]
        return text

    return build()


def hostile() -> st.SearchStrategy[str]:
    return st.lists(st.one_of(st.sampled_from(TAGS), PIECES, st.just(VALID)), max_size=12).map(
        "".join
    )


def hostile_repetitions(length: int) -> dict[str, str]:
    """Texts of about `length` characters that repeat what a careless parser chokes on."""
    start = "<thinking></thinking><payoff>"

    def times(piece: str) -> str:
        return piece * (length // len(piece))

    return {
        "openings": times("<thinking>"),
        "unclosed": "<thinking>" + times("</"),
        "angles": "<thinking>" + times("<"),
        "spaced angles": times("< "),
        "one wide tag": "<" + times(" "),
        "space": times(" \n") + "x",
        "payoffs": times("<thinking></thinking><payoff>"),
        "braces": start + times("{") + "</payoff>",
        "brackets": start + '{"DQ_AQ": ' + times("[") + "</payoff>",
        "quotes": start + "{" + times('"') + "</payoff>",
        "backslashes": start + '{"' + times("\\") + '"</payoff>',
        "escapes": start + '{"' + times("\\u0041") + "</payoff>",
        "digits": start + '{"DQ_AQ": {"LLM": ' + times("1") + "</payoff>",
        "fraction": start + '{"DQ_AQ": {"LLM": 0.' + times("1") + "</payoff>",
        "exponent": start + '{"DQ_AQ": {"LLM": 1e' + times("9") + "</payoff>",
        "fences": start + times("```") + "</payoff>",
        "json space": start + times(" \t") + "</payoff>",
        "commas": start + '{"DQ_AQ": {"LLM": 1' + times(",") + "</payoff>",
        "text": VALID.replace("Which one?", times("word < ")),
    }


def solution_of(chain: Chain) -> float:
    """The solution correctness S of one chain; nan if the choice is unknown."""
    form = chain.payoff.form
    frontier_1mn = pareto_frontier(chain.payoff.payoffs[None])
    return float(solution_scores(frontier_1mn, [chosen_cell(chain.analyze, form)], form)[0])


THOUGHTS = {
    "<think>": "</think>",
    "<thought>": "</thought>",
    "<reasoning>": "</reasoning>",
    "<seed:think>": "</seed:think>",
    "[THINK]": "[/THINK]",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    "\u25c1think\u25b7": "\u25c1/think\u25b7",
    "<inner thoughts>": "</inner thoughts>",
    "<chain_of_thought>": "</chain_of_thought>",
    "<Thought-Process>": "</Thought-Process>",
    "<scratchpad lang='en' step=1>": "</scratchpad>",
    "<reflection>": "</reflection>",
    "[inner monologue]": "[/inner monologue]",
    "<|thinking|>": "<|/thinking|>",
    "<\uff5cbegin\u2581of\u2581thinking\uff5c>": "<\uff5cend\u2581of\u2581thinking\uff5c>",
}
"""Tags of reasoning that may stand before a chain, the closing one by the opening one."""
