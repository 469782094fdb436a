"""The report: one page, self-contained, escaped, and honest in its words."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from evaluation_samples import malformed, plain, transcript, unscored, world
from gtalign.cli import main
from gtalign.errors import StorageError
from gtalign.evaluation.compare import compare
from gtalign.evaluation.comparison import Difference
from gtalign.evaluation.contrast import Contrast
from gtalign.evaluation.conversation import conversation
from gtalign.evaluation.findings import ahead, sentences, verdict
from gtalign.evaluation.metrics import metrics
from gtalign.evaluation.plane import BOX, Spot, welfare_plane
from gtalign.evaluation.profiles import block_tokens, calibration
from gtalign.evaluation.report import examples, write_report
from gtalign.game import Bimatrix, GameForm
from gtalign.steering.table import game_table
from gtalign.transcripts.transcript import Transcript

VOID = {"meta", "br", "img", "input", "hr", "link"}
ATTACK = "</p><script>alert(1)</script>{{title}}"


class Balance(HTMLParser):
    """Checks that every element is closed, and collects tags and what they point at."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def checked(page: str) -> Balance:
    found = Balance()
    found.feed(page)
    assert found.open == []
    return found


def curves() -> dict[str, list[dict[str, float]]]:
    rows = [{"step": float(i), "reward": i / 50, "factor/format": 1.0} for i in range(50)]
    loss = [{"step": float(i), "loss": 1 / (1 + i)} for i in range(9)]
    return {"mutual/0": rows, "mutual/1": rows[:40], "sft": loss, "other/0": rows[:1]}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("run") / "deep" / "report.html"
    write_report(
        path,
        title=f"A run {ATTACK}",
        transcripts={"all": [*world(12), transcript(id=ATTACK, completion=ATTACK)]},
        reference="mutual",
        curves=curves(),
        facts={"Command": "gtalign lab <now>"},
        rng=np.random.default_rng(0),
        resamples=200,
    )
    return path.read_text(encoding="utf-8")


def test_the_page_is_whole_and_fetches_nothing(page: str) -> None:
    found = checked(page)
    assert found.links and all(link.startswith("#") for link in found.links)
    assert not found.tags & {"script", "link", "iframe", "img"}
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    assert "{{headline}}" not in page


def test_all_text_is_escaped(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{title}}" in page
    assert "gtalign lab &lt;now&gt;" in page
    assert "Where is the &lt;library&gt; &amp; how" in page


def test_the_page_has_every_part(page: str) -> None:
    for part in (
        "Welfare",
        "Results",
        "mutual less each baseline",
        "Learning",
        "Inside the chain",
        "Conversations",
        "How this was measured",
        "published +21.5%",
        "could not be scored",
        "The true matrix",
        "This answer does not parse",
        "prefers-color-scheme: dark",
    ):
        assert part in page, part


def test_the_contents_lead_to_every_section(page: str) -> None:
    sections = re.findall(r'<section id="([^"]+)"><h2>(.*?)</h2>', page)
    assert len(sections) >= 6
    bar = page[page.index('<nav class="contents"') :].partition("</nav>")[0]
    assert re.findall(r'<a href="#([^"]+)">(.*?)</a>', bar) == sections
    names = [name for name, _ in sections]
    assert len(names) == len(set(names))


def test_every_value_of_a_table_names_its_column(page: str) -> None:
    """On a phone a row is a card, which has no head."""
    tables = re.findall(r'<table class="data stacks">.*?</table>', page)
    assert len(tables) >= 4
    for drawn in tables:
        heads = [re.sub("<[^>]*>", "", head) for head in re.findall("<th[ >].*?</th>", drawn)]
        columns = [head for head in re.findall(r'<th[^>]*scope="col">(.*?)</th>', drawn)][1:]
        labels = [re.sub("<[^>]*>", "", column) for column in columns]
        for row in re.findall("<tr.*?</tr>", drawn)[1:]:
            assert re.findall(r'<td[^>]*data-label="([^"]*)"', row) == labels
        assert heads


def test_a_model_alone_gets_a_page_too(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    rows = [transcript(), unscored(id="q2")]
    write_report(
        path, title="One", transcripts=rows, reference="mutual", rng=np.random.default_rng(0)
    )
    checked(path.read_text(encoding="utf-8"))


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_report(
            tmp_path / "file" / "report.html",
            title="",
            transcripts=[transcript()],
            reference="mutual",
            rng=np.random.default_rng(0),
        )


# The result in words


def difference(value: float, low: float, high: float, p: float, **seeds: float) -> Difference:
    contrast = Contrast(value, low, high, p, value, low, high, 9)
    numbered = dict(enumerate(seeds.values()))
    return Difference("mutual", "sft", "In distribution", "quality", contrast, p, numbered)


def test_verdicts_need_both_the_interval_and_the_p_value() -> None:
    quality, tokens = metrics()["quality"], metrics()["tokens"]
    sure = difference(0.1, 0.05, 0.15, 0.001, a=0.1, b=0.2, c=-0.1)
    assert (verdict(sure, quality), verdict(sure, tokens)) == ("better", "worse")
    assert verdict(sure, metrics()["response_share"]) == "even"
    assert verdict(difference(0.1, -0.05, 0.15, 0.001), quality) == "even"
    assert verdict(difference(0.1, 0.05, 0.15, 0.2), quality) == "even"
    assert verdict(difference(-0.1, -0.15, -0.05, 0.01), quality) == "worse"
    assert ahead(sure, quality) == "ahead in 2 of 3 seeds"
    assert ahead(sure, tokens) == "ahead in 1 of 3 seeds"
    assert ahead(difference(0.1, 0, 1, 1, a=0.1), quality) == ""


def words(skill: dict[str, float]) -> str:
    found = compare(
        world(25, models=skill), reference="mutual", rng=np.random.default_rng(0), resamples=1000
    )
    return " ".join(sentences(found))


def test_the_headline_says_who_won() -> None:
    won = words({"sft": 0.4, "mutual": 0.8, "plain": 0.75})
    assert "% above</strong> the best baseline with a chain, <code>sft</code>" in won
    assert "Answering without a chain, <code>plain</code>" in won
    assert "<code>mutual</code>: worse" in won, "a chain costs tokens, and the page says so"
    lost = words({"sft": 0.8, "mutual": 0.4})
    assert "% below</strong> the best baseline" in lost
    even = words({"sft": 0.6, "mutual": 0.6})
    assert "not distinguishable" in even


def test_the_headline_without_baselines() -> None:
    found = compare([transcript()], reference="mutual", rng=np.random.default_rng(0))
    first, *_, scored, last = sentences(found)
    assert "mutual welfare of <strong>0.720</strong>" in first
    assert scored == "Every answer was scored."
    assert last == "<code>mutual</code> is the only model: nothing is compared."


# Conversations


def test_a_conversation_shows_matrix_choice_and_factors() -> None:
    others = [plain(), replace(transcript(), model="sft"), malformed(model="base")]
    text = conversation(transcript(), others, "the median")
    checked(text)
    assert text.count('<table class="game">') == 2
    assert text.count("chosen") >= 2
    assert "Chosen: <b>VQ_CQ</b>" in text
    assert "answered by 3 other models" in text
    assert "(does not parse)" in text
    assert '<div class="bubble user">' in text


def test_conversations_of_other_kinds() -> None:
    assert "Unscored: judge rules" in conversation(unscored())
    assert "is not closed" in conversation(malformed())
    assert 'class="bubble llm"' in conversation(plain())
    silent = transcript(
        chain={**(transcript().chain or {}), "analyze": "Hmm."},
        extra={},
        seed=None,
        prompt=({"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}),
    )
    text = conversation(silent)
    assert "No single choice can be read" in text
    assert "System message" in text
    assert "The true matrix" not in text


def test_a_matrix_marks_frontier_equilibrium_choice_and_row() -> None:
    payoff = {
        "C_C": {"user": 3.0, "LLM": 3.0},
        "C_D": {"user": 0.0, "LLM": 3.25},
        "D_C": {"user": 5.0, "LLM": 0.0},
        "D_D": {"user": 1.0, "LLM": 1.0},
    }
    form = GameForm(user={"C": "", "D": ""}, llm={"C": "", "D": ""})
    text = game_table(Bimatrix.from_json(payoff, form), "<dilemma>", chosen="D_C", played="D")
    assert "&lt;dilemma&gt;" in text
    assert text.count("◆") == 3
    assert text.count("●") == 1
    assert text.count('<td class="cell chosen" data-cell="D_C"') == 1
    assert text.count('<td class="cell" ') == 3
    assert '<th class="played" scope="row">D<small>played</small></th>' in text
    assert "3.25" in text


def test_examples_are_chosen_by_rule() -> None:
    rows = world(12)
    found = compare(rows, reference="mutual", rng=np.random.default_rng(0), resamples=100)
    chosen = examples(found, rows)
    tasks = [t.task for t, note in chosen if note.startswith("nearest")]
    assert sorted(tasks) == ["arithmetic", "dialogue", "names", "writing"]
    kinds = [t.extra["user_action"] for t, note in chosen if note.startswith("nearest")]
    assert set(kinds) == {"VQ", "DQ"}
    assert [note for _, note in chosen][-1] == "one of those that do not parse"


# Charts and profiles


def test_models_in_the_plane_have_their_names_intervals_and_lines_of_equal_welfare() -> None:
    spots = [
        Spot("mutual", "c0", 0.6, 0.5, (0.55, 0.65), (0.45, 0.55), strong=True),
        Spot("s<ft", "c2", 0.59, 0.5, (0.5, 0.6), (0.4, 0.5)),
        Spot("base", "c1", 0.1, 0.2, (0.1, 0.1), (0.2, 0.2)),
    ]
    for held in (spots, spots[:1], spots[2:], [replace(spots[0], user=1.0, llm=1.0)]):
        figure = welfare_plane("U & L", held)
        root = ElementTree.fromstring(figure).find("svg")
        assert root is not None and "nan" not in figure
        left, top, right, bottom = BOX
        for circle in root.iter("circle"):
            assert left <= float(circle.attrib["cx"]) <= right
            assert top <= float(circle.attrib["cy"]) <= bottom
        lines = [e for e in root.iter("polyline") if e.attrib["class"] == "iso"]
        assert lines
        for line in lines:
            for point in line.attrib["points"].split():
                x, y = map(float, point.split(","))
                assert left - 0.1 <= x <= right + 0.1 and top - 0.1 <= y <= bottom + 0.1
        names = [e.text for e in root.iter("text") if e.attrib["class"].startswith("label")]
        assert sorted(map(str, names)) == sorted(spot.label for spot in held)
        ticks = [e.text for e in root.iter("text") if e.attrib["class"].startswith("tick")]
        assert all(0 <= float(str(text)) <= 1 for text in ticks)
    assert "U 0.600, L 0.500" in welfare_plane("", spots)
    assert welfare_plane("", []) == ""


def test_tokens_by_block() -> None:
    assert block_tokens([transcript(tokens={"response": 10, "payoff": 5, "total": 18})]) == {
        "payoff": 5.0,
        "response": 10.0,
        "tags": 3.0,
    }
    assert block_tokens([malformed()]) == {}
    assert block_tokens([plain()]) == {"response": 25.0}


def test_calibration_of_exact_matrices_is_the_diagonal() -> None:
    rows = [t for t in world(20) if t.model == "sft" and t.chain is not None]
    exact = [replace(t, extra={"true_payoff": (t.chain or {})["payoff"]}) for t in rows]
    for curve in calibration(exact, least=1):
        assert all(abs(stated - true) <= 0.5 for stated, true in curve)
    assert calibration([malformed(), transcript(extra={})]) == ([], [])


# The command


def write(path: Path, rows: list[Transcript]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows), encoding="utf-8")
    return path


def test_command_prints_tables_json_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = world(6)
    a = write(tmp_path / "a" / "transcripts.jsonl", [t for t in rows if t.model == "mutual"])
    b = write(tmp_path / "b" / "transcripts.jsonl", [t for t in rows if t.model == "sft"])
    c = write(
        tmp_path / "c" / "transcripts.jsonl",
        [t for t in rows if t.model == "base"],
    )
    c.with_name("metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n')
    files = [str(path) for path in (a, b, c)]
    assert main(["compare", *files, "--resamples", "100"]) == 0
    assert "mutual less each baseline" in capsys.readouterr().out
    html = tmp_path / "out" / "report.html"
    options = ["--reference", "sft", "--baseline", "base", "--resamples", "100", "--json"]
    assert main(["compare", *files, *options, "--html", str(html)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["reference"], found["baselines"]) == ("sft", ["base"])
    assert "Loss of supervised training" in html.read_text(encoding="utf-8")


def test_command_tells_runs_of_one_model_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [transcript(id=str(i), cluster=str(i)) for i in range(3)]
    files = [str(write(tmp_path / run / "transcripts.jsonl", rows)) for run in ("one", "two")]
    assert main(["compare", *files, "--json", "--resamples", "100"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"] == ["mutual (one)", "mutual (two)"]


def test_command_names_a_dump_by_its_file_and_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "dump.jsonl", [transcript(model="", seed=None)])
    html = tmp_path / "r.html"
    assert main(["compare", str(path), "--html", str(html), "--resamples", "100"]) == 0
    assert f"report: {html}" in capsys.readouterr().err
    assert "dump and its baselines" in html.read_text(encoding="utf-8")


def test_command_refuses_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert main(["compare", str(empty)]) == 2
    assert "empty.jsonl: no transcripts" in capsys.readouterr().err
