"""The record of a steered answer comes back equal, or says which field is wrong."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_texts import THREE_BY_TWO, games
from gtalign.chain import Repair
from gtalign.errors import DataError
from gtalign.game import USER_LLM, Bimatrix, GameForm
from gtalign.steering import (
    Decision,
    Phase,
    Retried,
    TokenHistory,
    edit,
    fit,
    load_policy,
    policy_names,
    prior_for,
    recommend,
)
from gtalign.transcripts import Transcript, TranscriptWriter, read_transcripts

STATED = Bimatrix(USER_LLM, [[[3.0, 2], [2.0, 2], [3.0, 3]], [[3.0, 2], [4.0, 2.8], [3.3, 3.1]]])


def decided(stated: Bimatrix = STATED, policy: str = "per-token", **keys: Any) -> Decision:
    pricing, prior = load_policy(policy), prior_for(stated.form)
    charged = edit(stated, pricing, prior, prompt_tokens=300)
    charged = fit(charged, decimals=1, low=-5, high=5)
    facts: dict[str, Any] = {
        "chosen": "VQ_DA",
        "acted": "DA",
        "prompt_tokens": 300,
        "used_tokens": 12,
        "phases": (
            Phase("before", 210, 300, 256, "stop", 12.5),
            Phase("after", 9, None, None, "end"),
        ),
        "retries": 1,
        "repairs": (Repair("code-fence", 7),),
        "decided_ms": 0.5,
    }
    return Decision(
        id="a1",
        created="2026-01-02T03:04:05Z",
        model="m",
        backend="transformers",
        mode="advise",
        resume="splice",
        policy=pricing.name,
        policy_hash=pricing.hash,
        steered=True,
        stated=stated,
        edited=charged.edited,
        terms=charged.terms,
        expected=prior,
        sources=TokenHistory().sources("m", stated.form),
        before=recommend(stated, pricing),
        after=recommend(charged.edited, pricing),
        **(facts | keys),
    )


BARE = Decision("a", "2026-01-02T03:04:05Z", "m", "b", "observe", "none", "free", "0" * 16, False)


def through_json(decision: Decision) -> Decision:
    return Decision.from_json(json.loads(json.dumps(decision.to_json(), allow_nan=False)))


@pytest.mark.parametrize("form", [USER_LLM, THREE_BY_TWO], ids=["2x3", "3x2"])
@settings(max_examples=10)
@given(data=st.data())
def test_it_comes_back(form: GameForm, data: st.DataObject) -> None:
    names = [n for n in policy_names() if form == USER_LLM or not n.startswith("released")]
    decision = decided(data.draw(games(form)), data.draw(st.sampled_from(names)))
    assert through_json(decision) == decision
    assert (decision.to_json()["form"] is None) == (form == USER_LLM)


@pytest.mark.parametrize("acted", ["DA", "CQ", "AQ", None])
def test_a_response_that_ran_out_of_tokens_never_disobeys(acted: str | None) -> None:
    decision = decided(acted=acted, cut=True)
    assert decision.obeyed is (True if acted == "DA" else None)
    assert through_json(decision) == decision


@pytest.mark.parametrize(
    "retry",
    [
        Retried("CQ", "DA", "second"),
        Retried("CQ", None, "first", "the second writing failed (UpstreamError)"),
        Retried("AQ", "CQ", "first", "the second response carries out CQ"),
    ],
)
def test_how_an_answer_was_written_again_comes_back(retry: Retried) -> None:
    assert through_json(decided(retry=retry)).retry == retry


@pytest.mark.parametrize(
    ("field", "value"), [("first", None), ("second", 1), ("served", "third"), ("reason", ["x"])]
)
def test_a_wrong_retry_is_named(field: str, value: Any) -> None:
    record = decided(retry=Retried("CQ", "DA", "second")).to_json()
    record["retry"][field] = value
    with pytest.raises(DataError, match=f"retry.{field}"):
        Decision.from_json(record)


def test_a_record_from_before_retries_is_read() -> None:
    record = decided().to_json()
    del record["retry"], record["cut"]
    assert Decision.from_json(record) == decided()


def test_an_answer_without_a_matrix_comes_back() -> None:
    assert through_json(BARE) == BARE
    assert through_json(replace(BARE, reason="no payoff")).reason == "no payoff"
    assert not BARE.flipped
    assert BARE.obeyed is None


def test_the_same_answer_is_the_same_decision_at_another_time() -> None:
    decision = decided()
    slow = tuple(replace(phase, ms=99.0) for phase in decision.phases)
    later = replace(decision, created="2027", phases=slow, decided_ms=7.0)
    assert later != decision and later.timeless() == decision.timeless()
    assert later.timeless() != replace(decision, retries=2).timeless()


def test_only_an_edited_matrix_of_another_game_comes_back() -> None:
    decision = replace(BARE, edited=Bimatrix(THREE_BY_TWO, np.ones((3, 2, 2))))
    assert through_json(decision) == decision


def test_whether_the_choice_moved_and_was_carried_out() -> None:
    decision = decided()
    assert decision.before is not None
    assert decision.after is not None
    assert (decision.before.action, decision.after.action) == ("CQ", "DA")
    assert decision.flipped
    assert decision.obeyed is True
    assert replace(decision, acted="CQ").obeyed is False
    assert replace(decision, acted=None).obeyed is None
    assert replace(decision, after=None).obeyed is None
    assert replace(decision, steered=False).obeyed is None
    assert not replace(decision, before=None).flipped
    assert not replace(decision, before=decision.after).flipped


def test_unknown_fields_are_ignored() -> None:
    decision = decided()
    record = decision.to_json() | {"later": {"x": 1}}
    record["phases"][0]["later"] = 3
    record["terms"][0]["later"] = 3
    assert Decision.from_json(record) == decision


def test_it_travels_in_a_transcript(tmp_path: Path) -> None:
    decision = decided()
    path = tmp_path / "t.jsonl"
    with TranscriptWriter(path) as writer:
        writer.write(
            Transcript(
                id="1",
                task="t",
                completion="x",
                tokens={"total": 400},
                decision=decision.to_json(),
            )
        )
    [transcript] = read_transcripts(path)
    assert transcript.decision is not None
    assert Decision.from_json(transcript.decision) == decision


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"id": 3}, "'id' has to be text"),
        ({"created": None}, "'created'"),
        ({"mode": "force"}, "'mode' has to be one of observe, advise, enforce, not 'force'"),
        ({"resume": "replay"}, "'resume' has to be one of splice, reask, none"),
        ({"steered": 1}, "'steered' has to be true or false, not 1"),
        ({"reason": 3}, "'reason' has to be text"),
        ({"stated": 3}, "'stated' has to be an object, not 3"),
        ({"stated": {"DQ_AQ": {}}}, "'stated' is no payoff matrix: the matrix: missing"),
        ({"edited": {"DQ_AQ": 1}}, "'edited' is no payoff matrix"),
        ({"form": {"user": {"A": "a"}}}, "'form' is no game: llm: Field required"),
        (
            {"form": {"user": {"A": 1}, "llm": {"B": "b"}}},
            "'form' is no game: user.A: Input",
        ),
        (
            {"form": {"user": {}, "llm": {"B": "b"}}},
            "'form' is no game: the user needs",
        ),
        ({"terms": {}}, "'terms' has to be a list of objects"),
        ({"terms": [{"name": "x", "player": "user", "amounts": {}}]}, "'terms.0.why' is missing"),
        ({"expected": {"DA": 3}}, "'expected.DA' has to be an object"),
        ({"expected": {"DA": {"output": -1}}}, "'expected.DA.output': Input should be"),
        ({"sources": {"DA": 1}}, "'sources.DA' has to be text"),
        ({"before": "CQ"}, "'before' has to be an object"),
        ({"after": {"cell": "VQ_CQ"}}, "'after.action' is missing"),
        ({"chosen": 1}, "'chosen'"),
        ({"acted": ["DA"]}, "'acted'"),
        ({"prompt_tokens": -1}, "'prompt_tokens' has to be a whole number, 0 or more, not -1"),
        ({"used_tokens": 1.5}, "'used_tokens'"),
        ({"phases": [{"name": "x", "tokens": True, "finish": "end"}]}, "'phases.0.tokens'"),
        ({"retries": "1"}, "'retries'"),
        ({"repairs": [{"kind": "tag", "position": -1}]}, "'repairs.0.position'"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError) as caught:
        Decision.from_json(decided().to_json() | change)
    assert named in str(caught.value)


@pytest.mark.parametrize("missing", ["id", "policy_hash", "terms", "expected", "used_tokens"])
def test_a_missing_field_is_named(missing: str) -> None:
    record = decided().to_json()
    del record[missing]
    with pytest.raises(DataError, match=f"'{missing}' is missing"):
        Decision.from_json(record)


def test_what_is_no_object() -> None:
    with pytest.raises(DataError, match="the record has to be an object, not 'x'"):
        Decision.from_json("x")  # type: ignore[arg-type]
