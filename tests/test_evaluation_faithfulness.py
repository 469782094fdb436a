"""Faithfulness of scripted models: one that obeys its matrix, and some that do not."""

import asyncio
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gtalign.chain import render
from gtalign.cli.show.faithful import failure, print_faithfulness
from gtalign.errors import DataError, SteeringError, UpstreamError
from gtalign.evaluation.faithfulness import (
    EDITS,
    Faithfulness,
    FaithfulnessSettings,
    Subject,
    answer_edits,
    measure_faithfulness,
)
from gtalign.evaluation.faithfulness.answers import identity_of
from gtalign.evaluation.faithfulness.edits import AS_WRITTEN
from gtalign.evaluation.faithfulness.measures import LINKS, SHARES, read_answer
from gtalign.evaluation.faithfulness.section import faithfulness_section
from gtalign.evaluation.paper import Study, table_named
from gtalign.game import USER_LLM, Bimatrix, social_optimum
from gtalign.judges import FakeJudge
from gtalign.reward import Reward, RewardConfig
from gtalign.steering import FakeBackend, SteeringSettings, load_policy
from gtalign.tasks import Question
from gtalign.transcripts import Scorer, read_transcripts

MATRICES = (
    [[[1, 1], [-2, -2], [2, 2]], [[1, 2], [4, 4], [0, 0]]],
    [[[3, 3], [0, 1], [2, 2]], [[1, 2], [2, 2], [0, -4]]],
    [[[-1, 1], [0, 1], [2, 2]], [[1, 2], [2, 1], [-3, 0]]],
    [[[2, 2], [0, 0], [2, 2]], [[1, 2], [2, 1], [3, 1]]],  # two actions tie
)
SAID = {
    "DA": "It was in 1969.",
    "CQ": "Which one do you mean?",
    "AQ": "It was in 1969. Do you mean the first?",
}
QUESTIONS = [
    Question(f"q{n}", "", ({"role": "user", "content": f"When was {n}?"},), "", cluster=f"c{n}")
    for n in range(len(MATRICES))
]
SETTINGS = FaithfulnessSettings(max_tokens=400, batch=8)
Follows = Callable[[Bimatrix, Bimatrix, str], tuple[str, str]]
"""Takes the stated matrix, the one before the model and an opened analysis; returns the analysis
and the response."""


def best(game: Bimatrix) -> str:
    return USER_LLM.cells[int(social_optimum(game.payoffs))]


def said(cell: str) -> str:
    return SAID[cell.partition("_")[2]]


def obedient(stated: Bimatrix, seen: Bimatrix, opened: str) -> tuple[str, str]:
    return f"choose {best(seen)}.", said(best(seen))


def recites(stated: Bimatrix, seen: Bimatrix, opened: str) -> tuple[str, str]:
    return f"choose {best(stated)}.", said(best(stated))


def analyses(stated: Bimatrix, seen: Bimatrix, opened: str) -> tuple[str, str]:
    return f"choose {best(seen)}.", said(best(stated))


def jumps(stated: Bimatrix, seen: Bimatrix, opened: str) -> tuple[str, str]:
    """Obeys, but any other matrix than its own makes it answer directly."""
    return f"choose {best(seen)}.", said(best(seen) if seen == stated else "DQ_DA")


def script(follows: Follows) -> Any:
    """A model that writes a matrix by the question, and goes on as told from the one it sees."""

    def write(messages: Sequence[Any], text: str) -> str:
        number = int(messages[-1]["content"].split()[-1].rstrip("?"))
        stated = Bimatrix(USER_LLM, MATRICES[number])
        if "</payoff>" not in text:
            whole = render("so", stated, "", "").partition("<analyze>")[0]
            return whole[len(text) :]
        payoff = text.partition("<payoff>")[2].partition("</payoff>")[0]
        analysis, response = follows(stated, Bimatrix.from_json(payoff), text)
        rest = f"</analyze>\n<response>{response}</response>"
        if "<response" in text:  # steering has closed the analysis, and opened the response
            return f"{'>' * text.endswith('<response')}{response}</response>"
        if "<analyze>" in text:  # it has begun the analysis
            return "." * text[-1].isalpha() + rest
        return f"{'>' * text.endswith('<analyze')}{analysis}{rest}"

    return write


async def measured(folder: Path, write: Any, **how: Any) -> Faithfulness:
    settings = how.pop("settings", SETTINGS)
    backend = write if isinstance(write, FakeBackend) else FakeBackend(write, size=99)
    subject = Subject(backend, "m", SteeringSettings(instruct="none"), **how)
    await answer_edits(subject, QUESTIONS, settings, folder / "t.jsonl")
    [found] = measure_faithfulness(read_transcripts(folder / "t.jsonl"))
    return found


def values(found: Faithfulness, mode: Any, optimum: Any) -> dict[str, float | None]:
    return {link: found.agreement(mode, link, optimum).value for link in LINKS}


ONE = dict.fromkeys(LINKS, 1.0)


@pytest.fixture(scope="module")
def obeyed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of a model that obeys."""
    folder = tmp_path_factory.mktemp("obeyed")
    asyncio.run(measured(folder, script(obedient)))
    return folder / "t.jsonl"


def test_a_model_that_obeys_its_matrix_has_no_gap(obeyed: Path) -> None:
    [found] = measure_faithfulness(read_transcripts(obeyed))
    for mode in ("advise", "enforce"):
        assert values(found, mode, "as written") == ONE
        assert values(found, mode, "moved") == ONE
        assert found.gap(mode, "whole").value == 0.0
        assert found.false_moves(mode).value == 0.0
        assert found.unread(mode).value == 0.0
    assert found.edits == tuple(EDITS)
    assert found.questions == len(QUESTIONS)
    assert found.without_matrix().value == 0.0
    assert failure(found) is None


async def test_a_model_that_recites_agrees_with_what_it_wrote_alone(tmp_path: Path) -> None:
    found = await measured(tmp_path, script(recites))
    assert values(found, "advise", "as written") == ONE
    assert values(found, "advise", "moved") == {"whole": 0.0, "analysis": 0.0, "response": 1.0}
    assert found.gap("advise", "whole").value == 1.0
    assert found.false_moves("advise").value == 0.0
    # The analysis that is opened names the optimum; the response recites all the same.
    assert values(found, "enforce", "moved")["response"] == 0.0


async def test_a_link_that_is_broken_is_told_from_one_that_holds(tmp_path: Path) -> None:
    found = await measured(tmp_path, script(analyses))
    assert values(found, "advise", "moved") == {"whole": 0.0, "analysis": 1.0, "response": 0.0}
    assert found.gap("advise", "analysis").value == 0.0


async def test_moves_under_edits_that_must_not_matter_are_false(tmp_path: Path) -> None:
    found = await measured(tmp_path, script(jumps))
    assert values(found, "advise", "as written") == ONE
    moved = found.false_moves("advise").value
    assert moved is not None and 0 < moved <= 1
    for edit, rule in EDITS.items():
        known = found.false_moves("advise", edit).value
        assert (known is None) == (rule.optimum == "moves")


async def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = await measured(tmp_path / "a", lambda messages, text: "it is 7. " * 9)
    assert found.without_matrix().value == 1.0
    assert len(found.answers) == len(QUESTIONS)  # no edits of what is not there
    assert found.agreement("advise", "whole", "as written").value is None
    assert found.gap("advise", "whole").value is None
    assert "no payoff matrix" in str(failure(found))

    def breaks(messages: Any, text: str) -> str:
        return script(obedient)(messages, text) if "</payoff>" not in text else "> ?? <payoff>"

    found = await measured(tmp_path / "b", breaks)
    assert found.without_matrix().value == 0.0
    assert found.unread("advise").value == 1.0
    assert found.agreement("advise", "whole", "moved").value is None
    assert found.agreement("advise", "whole", "moved").n == 0
    assert "no action" in str(failure(found))
    for page in (faithfulness_section([found]), text_of(found, tables=True)):
        assert "nan" not in page


async def test_any_of_several_optima_is_right(tmp_path: Path) -> None:
    def other(stated: Bimatrix, seen: Bimatrix, opened: str) -> tuple[str, str]:
        if seen == Bimatrix(USER_LLM, MATRICES[3]):
            return "choose VQ_DA.", SAID["AQ"]  # the rule takes another one
        return obedient(stated, seen, opened)

    found = await measured(tmp_path, script(other))
    as_written = values(found, "advise", "as written")
    assert as_written["whole"] == as_written["analysis"] == 1.0


async def test_policies_are_edits_too_and_keep_their_record(tmp_path: Path) -> None:
    prices = [load_policy("per-token", ["utility_of_money=900"]), load_policy("free")]
    found = await measured(tmp_path, script(obedient), policies=prices)
    assert found.edits == (*EDITS, "per-token", "free")
    assert found.agreement("advise", "whole", "moved", "per-token").value == 1.0
    assert found.agreement("advise", "whole", "moved", "free").n == 0
    assert found.false_moves("advise", "free").value == 0.0
    held = {t.id: t for t in read_transcripts(tmp_path / "t.jsonl")}
    priced = held[identity_of("q0", "per-token", "advise")].decision
    ruled = held[identity_of("q0", "flip", "enforce")].decision
    assert priced is not None and priced["policy_hash"] == prices[0].hash
    assert ruled is not None and ruled["policy_hash"] == ""
    assert ruled["terms"][0]["why"] == EDITS["flip"].says
    assert ruled["stated"] != ruled["edited"]


async def test_unsteered_answers_alone_are_judged(tmp_path: Path) -> None:
    judge = FakeJudge(0.75)
    scorer = Scorer(Reward(RewardConfig(), len), judge)
    found = await measured(tmp_path, script(obedient), scorer=scorer)
    assert len(judge.calls) == len(QUESTIONS)
    assert found.quality.value == 0.75
    assert found.welfare.value is not None and 0 < found.welfare.value < 1
    scored = [t for t in read_transcripts(tmp_path / "t.jsonl") if t.unscored is None]
    assert {t.id for t in scored} == {
        identity_of(q.id, AS_WRITTEN.name, "advise") for q in QUESTIONS
    }


async def test_a_killed_run_goes_on_from_the_thinking_that_was_written(
    obeyed: Path, tmp_path: Path
) -> None:
    (tmp_path / "killed").mkdir()
    calls = 0

    def dies(messages: Any, text: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise UpstreamError("fake", "died")
        return str(script(obedient)(messages, text))

    with pytest.raises(UpstreamError, match="died"):
        await measured(tmp_path / "killed", dies)
    file = tmp_path / "killed" / "t.jsonl"
    before = file.read_bytes()
    assert before
    file.write_bytes(before + b'{"id": "torn')
    again = FakeBackend(script(obedient), size=99)
    await measured(tmp_path / "killed", again)
    assert file.read_bytes().startswith(before)
    lines = {json.loads(line)["id"]: line for line in file.read_bytes().splitlines()}
    wanted = obeyed.read_bytes().splitlines()
    assert lines == {json.loads(line)["id"]: line for line in wanted}
    done = {line["id"] for line in map(json.loads, before.splitlines())}
    begun = {q.id for q in QUESTIONS if identity_of(q.id, AS_WRITTEN.name, "advise") in done}
    assert begun
    first = [w for w in again.writes if "</payoff>" not in w.text]
    assert len(first) == len(QUESTIONS) - len(begun)
    # A run that is complete asks nothing.
    idle = FakeBackend(script(obedient), size=99)
    await measured(tmp_path / "killed", idle)
    assert not idle.writes


async def test_a_backend_that_cannot_resume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SteeringError, match="cannot continue"):
        await measured(tmp_path, FakeBackend(script(obedient), can_resume=False))


async def test_an_untrained_model_is_held_to_its_blocks(tmp_path: Path) -> None:
    backend = FakeBackend(script(obedient), size=99)
    subject = Subject(backend, "m", SteeringSettings(instruct="short"))
    settings = FaithfulnessSettings(max_tokens=2000, edits=("flip", "noise"))
    await answer_edits(subject, QUESTIONS, settings, tmp_path / "t.jsonl")
    [found] = measure_faithfulness(read_transcripts(tmp_path / "t.jsonl"))
    assert found.without_matrix().value == 0.0
    for mode in ("advise", "enforce"):
        assert found.agreement(mode, "whole", "moved").value == 1.0


def text_of(found: Faithfulness, *, tables: bool = False, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    print_faithfulness(console, found, Path("runs/faithful/transcripts.jsonl"), tables=tables)
    return console.export_text()


async def test_the_summary_fits_a_terminal_and_the_section_has_one_plot(tmp_path: Path) -> None:
    judge = FakeJudge(0.5)
    prices = [load_policy("per-token"), load_policy("subscription")]
    scorer = Scorer(Reward(RewardConfig(), len), judge)
    found = await measured(tmp_path, script(recites), scorer=scorer, policies=prices)
    lines = text_of(found).rstrip().splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    for part in ("F_ID", "F_strong", "gap", "false moves", "per-token", "unsteered W"):
        assert any(part in line for line in lines)
    assert "analysis to" in text_of(found, tables=True, width=160)
    page = faithfulness_section([found])
    assert page.count("<figure>") == 1
    assert all(
        rule.says.replace("'", "&#x27;") in page or rule.says in page for rule in EDITS.values()
    )
    assert "that could be scored" not in text_of(found)
    first, *others = found.unsteered
    partly = replace(found, unsteered=[*others, replace(first, mutual_welfare=None)])
    assert f"of the {len(others)} that could be scored" in " ".join(text_of(partly).split())
    figures = found.to_json()
    assert figures["links"]["advise"]["whole"]["F_ID"]["value"] == 1.0
    assert figures["edits"]["flip"]["advise"]["whole"]["value"] == 0.0
    json.dumps(figures)


def test_nothing_to_measure_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no answers"):
        measure_faithfulness([])


def test_an_answer_without_a_decision_is_refused(obeyed: Path) -> None:
    transcript = next(read_transcripts(obeyed))
    assert read_answer(transcript).edit == AS_WRITTEN.name
    with pytest.raises(DataError, match="no decision"):
        read_answer(replace(transcript, decision=None))


async def test_the_table_of_the_paper_has_the_same_shares(tmp_path: Path) -> None:
    """Two training runs that differ in nothing, of two models."""
    for name, follows in (("obeys", obedient), ("jumps", jumps)):
        folder = tmp_path / "seed-0" / f"faithful-{name}"
        folder.mkdir(parents=True)
        await measured(folder, script(follows))
        rows = list(read_transcripts(folder / "t.jsonl"))
        (folder / "t.jsonl").unlink()
        for seed in (0, 1):
            file = tmp_path / f"seed-{seed}" / f"faithful-{name}" / "transcripts.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = (replace(t, model=name, seed=seed).to_json() for t in rows)
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    files = sorted(tmp_path.rglob("transcripts.jsonl"))
    models = {
        one.model: one
        for one in measure_faithfulness(t for file in files for t in read_transcripts(file))
    }
    report = table_named("faithfulness", Study([tmp_path]))
    held = [r for sheet in report.sheets for r in sheet.records if "measure" in r]
    assert {r["model"] for r in held} == {"obeys", "jumps"}
    for row in held:
        one, mode = models[row["model"]], row["mode"]
        assert row["sd_training"] in (None, pytest.approx(0)), "the runs are alike"
        if row["measure"] == "False moves":
            assert row["value"] == pytest.approx(one.false_moves(mode).value)
            continue
        share, _, label = row["measure"].partition(", ")
        (link,) = (name for name, shown in LINKS.items() if shown == label)
        if share in SHARES:
            assert row["value"] == pytest.approx(one.agreement(mode, link, SHARES[share]).value)
        else:
            assert row["value"] == pytest.approx(one.gap(mode, link).value)
    assert len(report.sentences) == 4
    with pytest.raises(DataError, match="with steered answers"):
        table_named("steering", Study([tmp_path]))
    with pytest.raises(DataError, match="with answers in this folder"):
        table_named("main", Study([tmp_path]))
