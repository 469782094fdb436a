"""Models of other games behind the gateway: answers, records, policies and pages."""

import json
from pathlib import Path

import pytest

from dashboard_parts import Visitor
from game_parts import CODING, FORMS, grid, matrix_of, player, response_of, served_game
from gateway_parts import config_of
from gtalign.config import find
from gtalign.errors import ConfigError
from gtalign.game import USER_LLM, GameForm
from gtalign.gateway.answers.cut import ChainCutter
from gtalign.gateway.dashboard.whatif import example_of, form_in, read_matrix
from gtalign.gateway.http.reply import JSON
from gtalign.gateway.policies import read_policies
from gtalign.gateway.served import Models, forms_of
from gtalign.gateway.store.export import jsonl
from gtalign.gateway.store.reader import Filter
from gtalign.steering import Decision, SteeringSettings

HANDOVER = 'name = "handover"\npayer = "user"\n[[adjust]]\naction = "ESC"\nllm = -3.0\n'


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
async def test_every_page_shows_a_game_of_any_shape(form: GameForm, tmp_path: Path) -> None:
    kept = {"audit": {"texts": True}}
    async with served_game(tmp_path, form, **kept) as gateway, Visitor(gateway) as visitor:
        said = {p: (await gateway.ask(model=f"toy:{p}")) for p in ("subscription", "costly")}
        texts = [answer.choices[0].message.content for answer in said.values()]
        assert texts[0] == response_of(form, form.llm_actions[-1])
        moved = form != CODING  # the actions of a grid differ more in what they cost
        assert (texts[1] != texts[0]) is moved
        [costly, usual] = [Decision.from_json(r["decision"]) for r in await gateway.records()]
        assert (costly.form, usual.form) == (form, form)
        assert (costly.obeyed, costly.flipped, usual.flipped) == (True, moved, False)
        exported = [
            line async for line in jsonl(gateway.gateway.reader, Filter(), transcripts=True)
        ]
        assert {json.loads(line)["game"] for line in exported} == {form.identity}
        for path in ("", "/decisions", "/playground", "/what-if"):
            page = await visitor.get(path)
            assert page.status == 200 and form.llm_actions[0] in page.text, path
        page = await visitor.get(f"/decisions/{costly.id}")
        assert page.status == 200
        assert page.text.count("data-cell=") == 2 * len(form.cells)  # as stated and as edited
        assert "The response obeys: it carries out the chosen action" in page.text
        assert form.llm[0][1] in page.text
        page = await visitor.get(f"/what-if?decision={costly.id}")
        assert page.status == 200
        assert page.text.count("data-cell=") == 2 * len(form.cells)
        assert 'class="strip"' in page.text
        draft = {"toml": 'name = "new"\npayer = "nobody"\n', "do": "try", "over": ""}
        page = await visitor.post("/policies/+new", draft)
        assert page.status == 200
        assert f"{form.llm_actions[-1]}</th>" in page.text and "could not be read" not in page.text


async def test_a_policy_of_another_game_is_refused_at_the_request(tmp_path: Path) -> None:
    policy = tmp_path / "handover.toml"
    policy.write_text(HANDOVER)
    with pytest.raises(ConfigError, match="names the LLM action 'ESC'; the game has AQ, CQ, DA"):
        read_policies([str(policy)])
    support = config_of(tmp_path / "s", upstream={"game": "support"})
    models = Models.of(support)
    assert models.actions == ("RES", "ESC", "ASK")
    assert set(read_policies([str(policy)], forms_of(support))) == {"handover"}
    async with served_game(tmp_path / "c", CODING) as gateway:
        status, _, told = await gateway.post(
            {"model": "toy", "messages": [{"role": "user", "content": "x"}]},
            **{"X-GTAlign-Policy": "subscription"},
        )
        assert status == 200
        gateway.gateway.policies.forms = (CODING, *forms_of(support))
        [handover] = read_policies([str(policy)], forms_of(support)).values()
        await gateway.gateway.policies.put(handover)
        status, _, told = await gateway.post(
            {"model": "toy:handover", "messages": [{"role": "user", "content": "x"}]}
        )
        assert (status, told["error"]["code"]) == (400, "policy_of_another_game")
        assert "the game has ACT, PLAN, ASK" in told["error"]["message"]


def test_what_a_client_sees_of_a_chain_of_another_game_is_its_response() -> None:
    text = player(CODING).script([{"role": "user", "content": "x"}], "")
    cutter = ChainCutter(
        JSON,
        packed=False,
        show="response",
        settings=SteeringSettings(instruct="none"),
        form=CODING,
    )
    body = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"}]}
    cutter.feed(json.dumps(body).encode())
    [choice] = json.loads(cutter.close())["choices"]
    assert choice["message"]["content"] == response_of(CODING, "ASK")


def test_a_configuration_names_games_by_name_or_file(tmp_path: Path) -> None:
    file = find("games", "coding")
    named = config_of(tmp_path / "a", upstream={"game": "coding"})
    by_file = config_of(tmp_path / "b", upstream={"game": str(file)})
    assert forms_of(named) == forms_of(by_file) == (CODING,)
    assert forms_of(config_of(tmp_path / "c")) == (USER_LLM,)
    with pytest.raises(ConfigError, match=r"upstream.game: no configuration 'codign'; did you"):
        config_of(tmp_path / "d", upstream={"game": "codign"})


@pytest.mark.parametrize("form", [*FORMS.values(), USER_LLM], ids=[*FORMS, "usual"])
def test_a_matrix_names_its_game(form: GameForm) -> None:
    text = example_of(form)
    assert form_in(text, [*FORMS.values(), USER_LLM]) == form
    assert read_matrix(text, form, -5, 5)[0].form == form


def test_a_matrix_of_a_game_that_no_model_plays_spans_it() -> None:
    five = grid(5)
    found = form_in(json.dumps(matrix_of(five)), [USER_LLM])
    assert found.cells == five.cells
    for text in ("", "{}", "{" * 9_000, "[1]", json.dumps(matrix_of(grid(13))), "x" * 30_000):
        assert form_in(text, [USER_LLM]) == USER_LLM
