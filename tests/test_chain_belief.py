"""The form of the chain that states a belief: read whole, in slices, in batches and repaired."""

import json
import re
from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import PAYOFF, THREE_BY_TWO, VALID, games, texts
from gtalign.chain import (
    FORMAT_RULES,
    BlockClosed,
    StreamParser,
    TextAdded,
    ebnf,
    parse,
    parse_batch,
    prompt,
    render,
)
from gtalign.chain.belief import BeliefReader
from gtalign.data.schema import bare
from gtalign.data.schema import given as given_
from gtalign.errors import ChainError
from gtalign.game import USER_LLM, GameForm
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import (
    Ask,
    FakeBackend,
    Session,
    Steering,
    SteeringSettings,
    load_policy,
)
from gtalign.tasks import Message, Question

BELIEF = {"DQ": 0.25, "VQ": 0.75}
STATED = render("What is meant?", PAYOFF, "Choose DQ_AQ.", "Which one?", BELIEF)


def with_belief(written: str) -> str:
    return STATED.replace(json.dumps(BELIEF), written)


def outcome(text: str, **options: Any) -> Any:
    try:
        return parse(text, belief=True, **options)
    except ChainError as error:
        assert error.rule in FORMAT_RULES
        return error.rule, error.position


def streamed(text: str, size: int) -> Any:
    parser = StreamParser(belief=True)
    for start in range(0, len(text), size):
        parser.feed(text[start : start + size])
    try:
        return parser.close()
    except ChainError as error:
        return error.rule, error.position


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO], ids=["2x3", "3x2"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_chain_comes_back_with_its_belief(form: GameForm, data: Any) -> None:
    parts = data.draw(st.lists(st.integers(0, 20), min_size=len(form.user), max_size=8))
    parts = [*parts[: len(form.user) - 1], 1]
    belief = {a: p / sum(parts) for a, p in zip(form.user_actions, parts, strict=True)}
    game = data.draw(games(form))
    text = render("t", game, data.draw(texts()).replace("<", "-"), "r", belief)
    chain = parse(text, form, belief=True)
    assert chain.payoff == game and chain.belief is not None
    assert list(chain.belief) == list(form.user_actions)
    assert [*chain.belief.values()] == pytest.approx([*belief.values()], abs=2e-4)
    assert sum(chain.belief.values()) == pytest.approx(1, abs=1e-12)
    assert text[slice(*chain.spans["belief"])].startswith("{")
    assert parse(chain.render(), form, belief=True).belief == pytest.approx(chain.belief, abs=1e-3)


def test_the_published_form_knows_no_belief_and_the_other_needs_one() -> None:
    for tolerant in (False, True):
        with pytest.raises(ChainError, match="belief"):
            parse(VALID, belief=True, tolerant=tolerant)
    with pytest.raises(ChainError, match="text-between"):
        parse(STATED)
    assert parse(STATED, tolerant=True).belief is None  # text between blocks, which is left out
    assert "belief" not in parse(VALID).to_json()
    assert parse(STATED, belief=True).to_json()["belief"] == BELIEF


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("", "belief-syntax"),
        ("{}", "belief-syntax"),
        ("[0.25, 0.75]", "belief-syntax"),
        ('{"DQ": 0.25}', "belief-syntax"),
        ('{"DQ": 0.25, "VQ": 0.75', "belief-syntax"),
        ('{"DQ": 0.25, "VQ": 0.75,}', "belief-syntax"),
        ('{"DQ": 0.25, "VQ": 0.75} x', "belief-syntax"),
        ('{"DQ": 0.25, "VQ": 0.75, "DQ": 0}', "belief-syntax"),
        ('{"DQ": 0.25, "DQ": 0.75}', "belief-key"),
        ('{"DQ": 0.25, "ZQ": 0.75}', "belief-key"),
        ('{"DQ": NaN, "VQ": 0.75}', "belief-share"),
        ('{"DQ": true, "VQ": 0.75}', "belief-share"),
        ('{"DQ": "0.25", "VQ": 0.75}', "belief-share"),
        ('{"DQ": -0.25, "VQ": 1}', "belief-share"),
        ('{"DQ": 1e-, "VQ": 0.9}', "belief-share"),
        ('{"DQ": 1e1, "VQ": 0.9}', "belief-share"),
        ('{"DQ": 1e999, "VQ": 0.9}', "belief-share"),
        ('{"DQ": 0.1., "VQ": 0.9}', "belief-share"),
        ('{"DQ": .1, "VQ": 0.9}', "belief-share"),
        ('{"DQ": 01, "VQ": 0}', "belief-share"),
        ('{"DQ": +1, "VQ": 0}', "belief-share"),
        ('{"DQ": -1e-12, "VQ": 1}', "belief-share"),
        ('{"DQ": 0.25 "VQ": 0.75}', "belief-syntax"),
        ('{"DQ" 0.25, "VQ": 0.75}', "belief-syntax"),
        ("{'DQ': 0.25, 'VQ': 0.75}", "belief-syntax"),
        ('```json\n{"DQ": 0.25, "VQ": 0.75}\n```', "belief-syntax"),
        ('{"DQ": 0.49, "VQ": 0.49}', "belief-sum"),
        ('{"DQ": 1.2, "VQ": 0}', "belief-share"),
        ('{"DQ": {"DQ": 1}, "VQ": 0}', "belief-share"),
        ('{"DQ": ' + "9" * 5000 + ', "VQ": 0}', "belief-share"),
        ('{"DQ": 0.5, "VQ": 0.75}', "belief-sum"),
        ('{"DQ": 0, "VQ": 0}', "belief-sum"),
        ("{" * 100_000, "belief-syntax"),
        ('"' * 100_000, "belief-syntax"),
        ("<payoff>", "nested"),
    ],
)
def test_what_is_no_belief_breaks_a_rule(written: str, rule: str) -> None:
    text = with_belief(written)
    found = outcome(text)
    assert found[0] == rule
    for size in (1 + len(text) // 7, len(text)):
        assert streamed(text, size) == found
    chains = parse_batch([STATED, text], belief=True)
    assert (chains[0] is not None, chains[1], chains.errors[1].rule) == (True, None, rule)


def test_a_belief_is_read_with_other_spaces_orders_and_roundings() -> None:
    for written in ('{"VQ":0.75,"DQ":0.25}', '\n{ "DQ" : 0.250 ,\t"VQ" : 0.75 }\n'):
        for size in (1, 7, 1000):
            assert streamed(with_belief(written), size) == parse(with_belief(written), belief=True)
        assert parse(with_belief(written), belief=True).belief == BELIEF
    rounded = parse(with_belief('{"DQ": 0.33, "VQ": 0.66}'), belief=True).belief
    assert rounded == {"DQ": pytest.approx(1 / 3), "VQ": pytest.approx(2 / 3)}
    loose = STATED.replace("<belief>", "< Belief >").replace("<payoff>", "so:\n<payoff>")
    repaired = parse(loose, belief=True, tolerant=True)
    assert repaired.belief == BELIEF
    assert [repair.kind for repair in repaired.repairs] == ["tag", "text-between"]


NUMBERS = [
    ("7e-1", "3e-1"),
    ("7E-1", "0.30"),
    ("70e-2", "3.0e-01"),
    ("0.7" + "0" * 40, "0.3" + "0" * 4000),
    ("0.7", "0.29999999999999999999999999999999999"),
    ("1", "-0"),
    ("1.0", "-0.0e5"),
    ("1", "1e-400"),
]


@pytest.mark.parametrize("shares", NUMBERS, ids=str)
def test_every_number_of_json_is_a_share(shares: tuple[str, str]) -> None:
    text = with_belief(f'{{"D\\u0051":{shares[0]},"VQ":{shares[1]}}}')
    found = parse(text, belief=True).belief
    assert found == pytest.approx({"DQ": float(shares[0]), "VQ": float(shares[1])})
    assert found is not None and min(found.values()) >= 0 and "-" not in str(found)
    assert streamed(text, 7) == parse(text, belief=True)


@pytest.mark.parametrize("types", range(1, 13))
@pytest.mark.parametrize("cut", [round, floor, ceil])
def test_shares_of_two_decimals_are_a_belief_however_many_there_are(types: int, cut: Any) -> None:
    form = GameForm(user={f"T{n}": "" for n in range(types)}, llm={"A": "", "B": ""})
    for seed in range(20):
        exact = (
            np.random.default_rng(seed).dirichlet(np.ones(types)) if seed else [1 / types] * types
        )
        shares = {
            name: cut(100 * s) / 100 for name, s in zip(form.user_actions, exact, strict=True)
        }
        written = json.dumps(shares)
        if not sum(shares.values()):
            continue
        found = BeliefReader(form).read(written, 0, len(written))
        assert sum(found.values()) == pytest.approx(1)
        far = json.dumps(shares | {"T0": shares["T0"] + 0.01 * types + 0.01})
        if shares["T0"] + 0.01 * types < 0.99 and cut is ceil:
            with pytest.raises(ChainError, match="add up to 1, not"):
                BeliefReader(form).read(far, 0, len(far))


@pytest.mark.parametrize(
    ("written", "kinds"),
    [
        ('```json\n{"DQ": 0.25, "VQ": 0.75}\n```', ["code-fence"]),
        ('`{"DQ": 0.25, "VQ": 0.75}`', ["code-fence"]),
        ("{'DQ': 0.25, 'VQ': 0.75}", ["single-quotes"]),
        ("{\u201cDQ\u201d: 0.25, \u00abVQ\u00bb: 0.75}", ["typographic-quotes"]),
        ('{"DQ": 0.25, "VQ": 0.75,\n}', ["trailing-comma"]),
        ("```\n{'DQ': 0.25, 'VQ': 0.75,}\n```", ["code-fence", "single-quotes", "trailing-comma"]),
    ],
)
def test_the_tolerant_parser_repairs_a_belief_as_it_does_a_payoff(
    written: str, kinds: list[str]
) -> None:
    text = with_belief(written)
    with pytest.raises(ChainError, match="belief"):
        parse(text, belief=True)
    chain = parse(text, belief=True, tolerant=True)
    assert chain.belief == BELIEF
    assert list(dict.fromkeys(repair.kind for repair in chain.repairs)) == kinds
    assert all(text[r.position] in "`'\u201c\u00ab," for r in chain.repairs)
    for rest in ('{"DQ": 0.25, "VQ": 0.75,,}', '{"DQ": \'0.25\', "VQ": 0.75}', '```{"DQ": 0.25}'):
        with pytest.raises(ChainError, match="belief"):
            parse(with_belief(rest), belief=True, tolerant=True)


def test_both_parsers_report_one_place_of_a_share_too_many() -> None:
    text = with_belief('{"DQ": 0.25, "VQ": 0.75, "XQ": 0}')
    for tolerant in (False, True):
        with pytest.raises(ChainError, match="last action's share") as caught:
            parse(text, belief=True, tolerant=tolerant)
        assert caught.value.position == text.index(', "XQ"')


def test_a_slice_reports_the_belief_as_a_text_once_it_is_closed() -> None:
    parser = StreamParser(belief=True)
    events = [event for letter in STATED for event in parser.feed(letter)]
    told = [event.text for event in events if isinstance(event, TextAdded)]
    assert json.dumps(BELIEF) in told
    assert parser.belief == BELIEF
    assert [e.block for e in events if isinstance(e, BlockClosed)] == [*parser.layout.blocks]


@pytest.mark.parametrize("types", [1, 2, 3, 5, 9, 20])
def test_every_belief_of_a_grammar_is_one(types: int) -> None:
    form = GameForm(user={f"T{i}": "" for i in range(types)}, llm={"A": "", "B": ""})
    rule = re.search(r"^belief ::= (.*)$", ebnf(form, part="whole", belief=True), re.MULTILINE)
    assert rule is not None
    written = [json.loads(f'"{one}"') for one in re.findall(r'"((?:[^"\\]|\\.)*)"', rule[1])]
    assert 1 <= len(written) <= 210 and len(set(written)) == len(written)
    for one in written:
        assert BeliefReader(form).read(one, 0, len(one)) == pytest.approx(json.loads(one))
    assert "belief" not in ebnf(form, part="whole")


def test_instructions_ask_for_a_belief_only_where_it_is_wanted() -> None:
    for style in ("full", "short", "examples"):
        published, stated = (prompt(style=style, belief=b) for b in (False, True))
        assert "belief" not in published and "four blocks" in published
        assert "<belief>" in stated and "five blocks" in stated and "{{" not in stated
    assert '{"ASK": number, "TELL": number, "HINT": number}' in prompt(THREE_BY_TWO, belief=True)


def test_what_a_model_is_given_asks_for_the_belief_and_is_taken_off_again() -> None:
    asked = (Message(role="user", content="When was it?"),)
    for chain, belief in ((True, True), (True, False), (False, False)):
        made = given_(asked, instruct=True, chain=chain, belief=belief)
        assert ("<belief>" in made[0]["content"]) is belief
        assert bare(made) == asked
    assert given_(asked, instruct=False, belief=True) == [*asked]


def test_a_reward_reads_beliefs_and_pays_nothing_for_them() -> None:
    question = Question(
        id="q",
        task="ambig_qa",
        messages=(Message(role="user", content="?"),),
        ground_truth="",
        cluster="q",
    )
    published, stated = (
        Reward(RewardConfig(belief=belief)).score(
            [question], Reward(RewardConfig(belief=belief)).read([text]), [None]
        )
        for belief, text in ((False, VALID), (True, STATED))
    )
    for name in ("format", "distinctness", "solution"):
        assert published.factors[name] == stated.factors[name]
    wrong = Reward(RewardConfig(belief=True)).read([VALID])
    assert not wrong.read_N[0]
    with pytest.raises(ValueError, match="the released code knows no belief"):
        RewardConfig(belief=True, preset="released")


async def test_steering_takes_the_belief_that_the_chain_states() -> None:
    policy = load_policy("free", ["solution=bayes", "prior={DQ=1.0,VQ=0.0}"])
    ask = Ask((Message(role="user", content="When was it?"),), 2000)
    chosen = {}

    def model(whole: str) -> FakeBackend:
        def script(messages: Sequence[Message], begun: str) -> str:
            if "<analyze>" in begun:
                return "Which one?</response>"
            return whole[len(begun) : whole.index("<analyze>")]

        return FakeBackend(script)

    for belief, text in ((False, VALID), (True, STATED)):
        for trained in (True, False):
            instruct = "none" if trained else "short"
            own = SteeringSettings(belief=belief, instruct=instruct, mode="enforce")
            backend = model(text)
            answer = await Session(Steering(backend, policy, own), ask).answer()
            decision = answer.decision
            assert decision.steered, decision.reason
            assert type(decision).from_json(json.loads(json.dumps(decision.to_json()))) == decision
            assert decision.before is not None
            chosen[belief, trained] = decision.belief, decision.before.cell
            if not trained:
                assert ("<belief>" in backend.asked[0][0]["content"]) is belief
    assert chosen[False, True] == chosen[False, False] == (None, "DQ_AQ")
    assert chosen[True, True] == chosen[True, False] == (BELIEF, "VQ_CQ")
