"""A study from transcripts to its analysis: what is shown, what is hidden, what is kept."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gtalign.cli import main
from gtalign.dialogue.measures import welfare
from gtalign.dialogue.played import Played, Turn
from gtalign.errors import ConfigError, DataError
from gtalign.study import StudyFolder, WordCountingReader, analyse, draw, pages, simulate
from gtalign.study.annotator import RatingFile, first_open, order_of, person, rating_files
from gtalign.study.blind import LONGEST, seen, shared
from gtalign.tasks import Message
from gtalign.transcripts import Transcript
from study_parts import MODELS, answers, rate, study

CHAIN = (
    "<thinking>t</thinking><payoff>{}</payoff><analyze>secret plan</analyze>"
    "<response>hello there</response>"
)


def turn(role: str, content: str) -> Message:
    return Message(role=role, content=content)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_model_answers_every_question_once() -> None:
    sample = draw(answers(8), rng=rng())
    model = {key.answer: key.model for key in sample.keys}
    ratings = [item for item in sample.items if item.kind == "rating"]
    asked = Counter((item.context[-1]["content"], model[item.id]) for item in ratings)
    assert asked == Counter((f"question {n}?", m) for n in range(8) for m in MODELS)


@pytest.mark.parametrize("questions", [9, 30])
def test_pairs_are_balanced_over_models_and_sides(questions: int) -> None:
    sample = draw(answers(questions), rng=rng(3))
    model = {key.answer: key.model for key in sample.keys}
    pairs = [tuple(model[a.id] for a in i.answers) for i in sample.items if i.kind == "pair"]
    met = Counter(frozenset(pair) for pair in pairs)
    assert set(met.values()) == {questions // 3} and len(met) == 3
    for pair in met:
        one, other = sorted(pair)
        assert abs(pairs.count((one, other)) - pairs.count((other, one))) <= 1


def test_tasks_take_turns_where_not_all_questions_fit() -> None:
    many = [t for t in answers(20, tasks=2) if t.task == "task0" or t.id in ("q1", "q3")]
    sample = draw(many, rng=rng(), questions=4)
    tasks = Counter(key.cluster.split("/")[1] for key in sample.keys)
    assert tasks == {"task0": 6, "task1": 6}


def test_what_annotators_get_says_nothing_of_models(tmp_path: Path) -> None:
    found = study(tmp_path / "s", answers(text="the very same"))
    text = (tmp_path / "s" / "items.jsonl").read_text(encoding="utf-8")
    assert not [word for word in (*MODELS, "welfare", "quality", "q3") if word in text]
    (tmp_path / "s" / "key.jsonl").unlink()
    simulate(found, 1)  # rating needs no key


def test_alike_answers_are_no_pair() -> None:
    alike = [replace(t, completion="the same") for t in answers(4)]
    sample = draw(alike, rng=rng())
    assert sample.alike == 4 and {item.kind for item in sample.items} == {"rating"}


def test_questions_that_a_model_left_out_are_counted() -> None:
    sample = draw([t for t in answers(5) if (t.id, t.model) != ("q2", "sft")], rng=rng())
    assert (sample.questions, sample.left_out) == (4, 1)
    with pytest.raises(DataError, match="no question is answered by all of"):
        draw([t for t in answers(2) if (t.id == "q0") == (t.model == "sft")], rng=rng())
    with pytest.raises(DataError, match="all answers are of sft"):
        draw(answers(2, models=("sft",)), rng=rng())


@pytest.mark.parametrize(
    ("transcript", "shown"),
    [
        (Transcript("q", "t", CHAIN, chain={"response": "hello there"}), "hello there"),
        (Transcript("q", "t", "<think>secret</think>\n\nhi", plain=True), "hi"),
        (Transcript("q", "t", "<think>secret", plain=True), ""),
        (Transcript("q", "t", "<thinking>cut off"), ""),
        (Transcript("q", "t", "<payoff>{}</payoff> hm"), "<payoff>{}</payoff> hm"),
        (Transcript("q", "t", "", plain=True), ""),
    ],
)
def test_annotators_see_what_a_user_sees(transcript: Transcript, shown: str) -> None:
    assert seen(transcript)[-1]["content"] == shown


def test_of_a_conversation_the_common_beginning_is_the_question() -> None:
    begin = (turn("system", "hidden"), turn("user", "hi"))
    turns = (turn("assistant", CHAIN), turn("user", "and then?"))
    one = Transcript("q", "t", "end", prompt=(*begin, *turns), plain=True)
    other = Transcript("q", "t", "other end", prompt=begin, plain=True)
    conversations = [seen(one), seen(other)]
    assert shared(conversations) == 1
    assert [one["role"] for one in conversations[0]] == ["user", "assistant", "user", "assistant"]
    assert "hidden" not in str(conversations)
    assert shared([seen(one), seen(one)]) == 3, "the last turn is the answer, whatever it is"


def test_a_conversation_brings_its_own_measures() -> None:
    turns = (
        Turn("Which?", "CQ", 1, (0,), 0.0, 5, 5, reply="The red."),
        Turn("3", "DA", 0, (), 1, 5, 1),
    )
    played = Played("q", "ask", "hasty", {}, 1, turns, "satisfied")
    said = (turn("assistant", "Which?"), turn("user", "The red."))
    asked = (turn("user", "How many?"),)
    talk = Transcript("q", "t", "3", prompt=(*asked, *said), conversation=played.to_json())
    failed = replace(played, failed="user", problem="gone", end="failed")
    short = replace(talk, prompt=asked, conversation=failed.to_json())
    rows = [replace(talk, model="a", plain=True), replace(short, model="b", plain=True)]
    sample = draw(rows, rng=rng())
    measures = {key.model: key.measures for key in sample.keys}
    known = welfare(played)
    assert known is not None
    assert measures["a"]["W"] == pytest.approx(known[2]) and measures["a"]["turns"] == 2
    assert measures["b"] == {"W": None, "U": None, "L": None}
    shown = {len(one.turns) for item in sample.items for one in item.answers}
    assert shown == {3, 1}, "the question is shared, and all that follows is the answer"


def test_no_text_breaks_the_page() -> None:
    wild = "\x00\x1b[2J\u202e\ud800 " + "x" * (LONGEST + 5)
    sample = draw([replace(t, completion=wild) for t in answers(1)], rng=rng())
    (answer,) = sample.items[0].answers
    assert answer.cut > 0
    answer.turns[0]["content"].encode()
    assert not set("\x00\x1b\u202e") & set(answer.turns[0]["content"])


def test_each_annotator_has_an_order_that_stays_balanced(tmp_path: Path) -> None:
    found = study(tmp_path / "s", answers(9))
    ann, bo = (order_of(found, person(name)) for name in ("Ann", "Bo"))
    assert ann != bo and sorted(i.id for i in ann) == sorted(i.id for i in bo)
    assert ann == order_of(StudyFolder(tmp_path / "s"), person("Ann")), "it stays after a restart"
    kinds = [item.kind for item in ann]
    assert kinds == sorted(kinds, key=lambda kind: kind == "pair")
    for start in (0, 9, 18):
        rows = ann[start : start + 9]
        assert Counter(found.keys[item.id].model for item in rows) == dict.fromkeys(MODELS, 3)
        assert len({item.context[-1]["content"] for item in rows}) == 9


def test_ratings_survive_a_torn_line_and_the_last_one_counts(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    order, file = order_of(found, person("Ann")), RatingFile(found, person("Ann"))
    file.add({order[0].id: 2})
    file.add({order[1].id: 5})
    file.add({order[0].id: 4})
    with file.path.open("ab") as torn:
        torn.write(b'{"annotator": "Ann", "simul')
    again = RatingFile(StudyFolder(tmp_path / "s"), person("Ann"))
    assert again.values() == {order[0].id: 4, order[1].id: 5}
    again.add({order[2].id: 1})
    assert len(again.values()) == 3
    assert first_open(order, again.values()) == 3
    assert first_open(order[:3], again.values()) is None


NAMES = [
    "",
    "  ",
    "x" * 41,
    "\ufdfa" * 3,  # 54 letters as one reads them
    "a\x00b",
    "Simulated reader 1",
    "simulated",
    "\uff33\uff29\uff2d\uff35\uff2c\uff21\uff34\uff25\uff24 3",  # full width
    "\u017fimulated",  # a long s
    "\U0001d4fcimulated",  # a script s
    "S\u0130MULATED",  # a Turkish capital i
    "sim\u00fclated",
    "s\u034fimulated reader 2",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(DataError):
        person(name)


def test_names_become_files_of_their_own(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    names = ["../../etc", "a/b", "a b", "a-b", "\u00e9", "e\u0301x", "名前", "<script>", "."]
    for name in names:
        RatingFile(found, person(name)).begin()
    files = rating_files(found)
    assert len(files) == len(names) == len(list(found.ratings.iterdir()))
    assert all(file.path.name.isascii() for file in files)


def test_files_of_one_name_in_other_letters_are_those_of_one_annotator(tmp_path: Path) -> None:
    """As from two machines, on which somebody typed the name in two ways."""
    found = study(tmp_path / "s")
    order = order_of(found, person("Ann"))
    for name, item in (("Ann", order[0]), ("ANN", order[1])):
        RatingFile(found, person(name)).add({item.id: 1})
    with pytest.raises(DataError, match=r"another file of 'A[nN]+'; join them"):
        rating_files(found)
    one, other = sorted(found.ratings.iterdir())
    one.write_bytes(one.read_bytes() + other.read_bytes())
    other.unlink()
    (file,) = rating_files(found)
    assert file.values() == {order[0].id: 1, order[1].id: 1}


WRONG = [
    ({"value": 6}, "value '6' of a rating; allowed: 1, 2, 3, 4, 5"),
    ({"value": True}, "value 'True'"),
    ({"value": float("nan")}, "value 'nan'"),
    ({"value": None}, "value 'None'"),
    ({"item": "a0"}, "item 'a0' is not of this study"),
    ({"item": ["a0"]}, "is not of this study"),
    ({"annotator": "Bo"}, "a rating of 'Bo' among those of 'Ann'"),
    ({"simulated": True}, "names of simulated annotators"),
    ({"annotator": None}, "does not say whose rating"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_spoiled_rating_is_named(change: dict[str, object], message: str, tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    file = RatingFile(found, person("Ann"))
    file.begin()
    (item, *_) = (i.id for i in found.items.values() if i.kind == "rating")
    line = {"annotator": "Ann", "simulated": False, "item": item, "value": 3} | change
    with file.path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")
    with pytest.raises(DataError, match=f"line 2.*{message}"):
        analyse(found)


def test_people_and_programs_are_never_mixed(tmp_path: Path) -> None:
    found = study(tmp_path / "s", answers(4))
    simulate(found, 2)
    assert analyse(found).simulated
    rate(found, "Ann", {"base": 2, "sft": 3, "mutual": 5})
    people, programs = analyse(found), analyse(found, simulated=True)
    assert [one.name for one in people.annotators] == ["Ann"] and not people.simulated
    assert programs.simulated
    assert {one.name for one in programs.annotators} == {"simulated reader 1", "simulated reader 2"}
    texts = [file.read_text(encoding="utf-8") for file in found.ratings.glob("simulated*")]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert lines and all(x["simulated"] and x["annotator"].startswith("simulated") for x in lines)


def test_simulated_annotators_resume_and_repeat(tmp_path: Path) -> None:
    one, other = study(tmp_path / "one"), study(tmp_path / "other")
    simulate(one, 2, seed=4)
    simulate(other, 1, seed=4)
    simulate(other, 2, seed=4)
    said = [[file.values() for file in rating_files(found)] for found in (one, other)]
    assert said[0] == said[1]


def test_the_reader_that_ships_counts_words() -> None:
    asked = (turn("user", "where is the red lamp?"),)
    felt = [
        WordCountingReader().satisfaction(asked, (turn("assistant", text),))
        for text in ("the red lamp is here", "over there", "which lamp?", "", "word " * 900)
    ]
    assert felt[0] > felt[1] and felt[3] == 1 and felt[4] < felt[1]


def test_the_whole_way_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["examples", "--to", str(tmp_path / "samples")]) == 0
    files = [str(tmp_path / "samples" / f"{name}.jsonl") for name in ("before", "after")]
    out = str(tmp_path / "study")
    assert main(["study", "export", *files, "--out", out, "--questions", "6", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ratings"] == 12
    assert main(["study", "export", *files, "--out", out]) == 2
    assert "there is a study in this folder" in capsys.readouterr().err
    assert main(["study", "analyse", out]) == 2
    assert "there are no ratings yet" in capsys.readouterr().err
    assert main(["study", "simulate", out, "--annotators", "2"]) == 0
    assert "SIMULATED" in capsys.readouterr().out
    page = tmp_path / "study.html"
    assert main(["study", "analyse", out, "--html", str(page), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"satisfaction", "preferences", "agreement", "prediction"} <= set(found)
    assert "SIMULATED" in page.read_text(encoding="utf-8")
    assert main(["study", "rate", str(tmp_path)]) == 2
    assert "no study" in capsys.readouterr().err


def test_no_key_or_a_torn_study_is_one_clear_line(tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    rate(found, "Ann", {"base": 2, "sft": 3, "mutual": 5})
    (tmp_path / "s" / "key.jsonl").unlink()
    with pytest.raises(DataError, match=r"key\.jsonl"):
        analyse(StudyFolder(tmp_path / "s"))
    (tmp_path / "s" / "items.jsonl").write_text('{"id": "a", "kind": "poem"}\n')
    with pytest.raises(DataError, match=r"items\.jsonl, line 1: no item of a study"):
        _ = StudyFolder(tmp_path / "s").items
    with pytest.raises(ConfigError):
        study(tmp_path / "s")


ITEM: dict[str, object] = {
    "id": "a1",
    "kind": "rating",
    "round": 0,
    "context": [{"role": "user", "content": "when?"}],
    "answers": [{"id": "a1", "turns": [{"role": "assistant", "content": "now"}], "cut": 0}],
}
KEY: dict[str, object] = {
    "answer": "a1",
    "model": "m",
    "question": "q",
    "cluster": "c",
    "measures": {"W": 0.5},
}
ABOUT: dict[str, object] = {"title": "t", "asked": "a", "seed": 0}
SPOILED: list[tuple[str, dict[str, object], str]] = [
    ("study.json", {"title": None}, "'title' has to be text, not None"),
    ("study.json", {"asked": 3}, "'asked' has to be text, not 3"),
    ("study.json", {"seed": "x"}, "'seed' has to be a whole number, 0 or more, not 'x'"),
    ("study.json", {"seed": True}, "'seed' has to be a whole number"),
    ("items.jsonl", {"id": 5}, "'id' has to be text, not 5"),
    ("items.jsonl", {"kind": "poem"}, "'kind' has to be one of rating, pair, not 'poem'"),
    ("items.jsonl", {"kind": ["rating"]}, "'kind' has to be one of rating, pair"),
    ("items.jsonl", {"round": 1.5}, "'round' has to be a whole number"),
    ("items.jsonl", {"context": 7}, "'context' has to be a list of objects, not 7"),
    ("items.jsonl", {"context": [7]}, "'context.0' has to be an object, not 7"),
    ("items.jsonl", {"context": [{"role": "user"}]}, "'context.0.content' is missing"),
    ("items.jsonl", {"answers": [5]}, "'answers.0' has to be an object, not 5"),
    ("items.jsonl", {"answers": "ab"}, "'answers' has to be a list of objects, not 'ab'"),
    ("items.jsonl", {"answers": [{"id": "a"}]}, "'answers.0.turns' is missing"),
    ("items.jsonl", {"answers": []}, "a rating has 1 answers, not 0"),
    ("key.jsonl", {"answer": None}, "'answer' has to be text, not None"),
    ("key.jsonl", {"measures": []}, "'measures' has to be an object, not a list of 0"),
    ("key.jsonl", {"measures": {"W": "x"}}, "'measures.W' has to be a finite number, not 'x'"),
]


@pytest.mark.parametrize(("name", "change", "message"), SPOILED)
def test_a_spoiled_file_of_a_study_is_told_by_its_field(
    name: str, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    whole = {"study.json": ABOUT, "items.jsonl": ITEM, "key.jsonl": KEY}
    found = StudyFolder(study(tmp_path / "s").path)

    def read(record: dict[str, object]) -> None:
        (found.path / name).write_text(json.dumps(record) + "\n")
        again = StudyFolder(found.path)
        _ = {"study.json": again.about, "items.jsonl": again.items, "key.jsonl": again.keys}

    read(whole[name])
    with pytest.raises(DataError) as refused:
        read(whole[name] | change)
    assert str(refused.value).startswith(str(found.path / name)) and message in str(refused.value)
    assert "Error" not in str(refused.value)
    with pytest.raises(DataError, match="is missing"):
        read({})


@pytest.mark.parametrize("text", ["[]\n", "x\n", "5\n"])
def test_a_study_file_that_is_no_object_is_named_once(text: str, tmp_path: Path) -> None:
    found = study(tmp_path / "s")
    (found.path / "study.json").write_text(text)
    with pytest.raises(DataError) as refused:
        _ = StudyFolder(found.path).about
    assert str(refused.value).count("study.json") == 1


def talks(models: Sequence[str] = ("sft", "mutual")) -> list[Transcript]:
    """Conversations of one turn."""
    end = (Turn("3", "DA", 0, (), 1, 5, 1),)
    played = Played("q0", "ask", "hasty", {}, 1, end, "satisfied").to_json()
    return [replace(t, conversation=played) for t in answers(2, models)]


def test_conversations_and_single_answers_are_not_compared() -> None:
    assert draw(talks(), rng=rng(), conversations=True).questions == 2
    assert draw(talks(), rng=rng()).questions == 2, "whoever names their files means them"
    with pytest.raises(DataError, match="single answers, and no conversations"):
        draw(answers(2), rng=rng(), conversations=True)
    mixed = [*talks(("sft",)), *answers(2, ("base",))]
    for asked in (True, False):
        with pytest.raises(DataError, match=r"2 of 4 answers are conversations .* 'q0' of base"):
            draw(mixed, rng=rng(), conversations=asked)


def test_an_export_says_what_it_did_not_get(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["examples", "--to", str(tmp_path / "samples")]) == 0
    files = [str(tmp_path / "samples" / f"{name}.jsonl") for name in ("before", "after")]
    export = ["study", "export", *files, "--out", str(tmp_path / "study")]
    assert main([*export, "--conversations"]) == 2
    told = capsys.readouterr()
    assert "no conversations with simulated users" in told.err
    assert not (tmp_path / "study").exists()
    assert main([*export, "--questions", "9999"]) == 0
    assert "9975 questions fewer than asked for" in capsys.readouterr().out
    again = [*export[:-1], str(tmp_path / "other"), "--questions", "24", "--json"]
    assert main(again) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["short"] == 0
    assert main([*export[:-1], str(tmp_path / "third"), "--seed", "-1"]) == 2


def test_the_analysis_says_which_tables_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate(study(tmp_path / "s", answers(2)), 1)
    folder = tmp_path / "tables"
    assert main(["study", "analyse", str(tmp_path / "s"), "--csv", str(folder)]) == 0
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("CSV: ")]
    names = line.removeprefix(f"CSV: {folder}: ").split(", ")
    assert set(names) == {file.name for file in folder.iterdir()}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Files of answers of two models."""
    assert main(["examples", "--to", str(tmp_path / "samples")]) == 0
    return [str(tmp_path / "samples" / f"{name}.jsonl") for name in ("before", "after")]


def test_an_export_takes_words_pairs_and_a_seed(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def exported(name: str, *options: str) -> StudyFolder:
        assert main(["study", "export", *files, "--out", str(tmp_path / name), *options]) == 0
        return StudyFolder(tmp_path / name)

    said = exported("a", "--title", "Réponses", "--ask", "Good?", "--no-pairs", "--seed", "3")
    assert (said.about.title, said.about.asked, said.about.seed) == ("Réponses", "Good?", 3)
    assert {item.kind for item in said.items.values()} == {"rating"}
    assert "0 pairs to choose from" in capsys.readouterr().out
    again = exported("b", "--no-pairs", "--seed", "3")
    assert list(again.items.values()) == list(said.items.values())
    other = exported("c", "--no-pairs", "--seed", "4")
    assert list(other.items.values()) != list(said.items.values())
    assert {item.kind for item in exported("d").items.values()} == {"rating", "pair"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--questions", "0"], "--questions"),
        ([], "--out"),
    ],
)
def test_an_export_of_nothing_is_one_clear_line(
    options: list[str], told: str, files: list[str], tmp_path: Path, capsys: Any
) -> None:
    capsys.readouterr()
    out = ["--out", str(tmp_path / "s")] if options else []
    assert main(["study", "export", *files, *out, *options]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "s").exists()


def test_more_questions_than_there_are_and_answers_that_name_their_model_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [replace(t, completion=f"I am {t.model}") for t in answers(2)]
    rows += [replace(t, completion="the same") for t in answers(3)[6:]]
    rows += answers(4)[9:10]
    file = tmp_path / "all.jsonl"
    file.write_text("".join(json.dumps(t.to_json()) + "\n" for t in rows), encoding="utf-8")
    args = ["study", "export", str(file), "--out", str(tmp_path / "s"), "--questions", "9"]
    assert main(args) == 0
    said = capsys.readouterr().out
    assert "6 questions fewer than asked for" in said
    assert "1 questions left out" in said and "1 questions without a pair" in said
    assert "6 answers that contain the name of their model" in said
    assert "see the whole text" not in said, "nothing is said of what there is none of"


def test_an_analysis_takes_a_reference_one_kind_of_annotators_and_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = study(tmp_path / "s", answers(4))
    rate(found, "Ann", {"base": 2, "sft": 3, "mutual": 5})
    assert main(["study", "simulate", str(found.path), "--annotators", "1", "--seed", "7"]) == 0
    capsys.readouterr()
    command = ["study", "analyse", str(found.path)]

    def agreed(*options: str) -> str:
        assert main([*command, "--json", *options]) == 0
        return capsys.readouterr().out

    assert "simulated reader" not in agreed() and "Ann" not in agreed("--simulated")
    rows = json.loads(agreed("--reference", "base"))["satisfaction"]
    less = {row["model"]: row["difference"] for row in rows}
    assert less == {"base": None, "sft": -1, "mutual": -3}
    out = tmp_path / "tables"
    assert main([*command, "--markdown", str(out), "--latex", str(out), "--csv", str(out)]) == 0
    stems = {kind: {one.stem for one in out.glob(f"*.{kind}")} for kind in ("md", "tex", "csv")}
    assert stems["md"] == stems["tex"] and "satisfaction" in stems["md"] & stems["csv"]
    assert main([*command, "--reference", "nobody"]) == 2
    assert "no answers of model 'nobody'" in capsys.readouterr().err


def test_simulated_annotators_are_drawn_by_their_seed(tmp_path: Path, capsys: Any) -> None:
    said = []
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        study(tmp_path / name)
        args = ["study", "simulate", str(tmp_path / name), "--annotators", "2", "--seed", seed]
        assert main(args) == 0
        said.append([one.values() for one in rating_files(StudyFolder(tmp_path / name))])
    assert said[0] == said[1] != said[2]
    assert main(["study", "simulate", str(tmp_path / "a"), "--annotators", "0"]) == 2
    assert "--annotators" in capsys.readouterr().err


def test_the_page_is_served_where_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = study(tmp_path / "s", answers(2))
    asked: list[tuple[str, int]] = []

    def serve(study: StudyFolder, host: str, port: int, ready: Callable[[str], None]) -> None:
        asked.append((host, port))
        ready("http://h:1/?key=k")

    monkeypatch.setattr(pages, "serve", serve)
    assert main(["study", "rate", str(found.path)]) == 0
    assert main(["study", "rate", str(found.path), "--host", "0.0.0.0", "--port", "0"]) == 0
    assert asked == [("127.0.0.1", 8500), ("0.0.0.0", 0)]
    said = capsys.readouterr()
    assert "A study: 6 answers to rate, 2 pairs to choose from\nopen http://h:1/?key=k" in said.out
    assert f"ratings: {found.ratings}" in said.err
    assert main(["study", "rate", str(found.path), "--port", "70000"]) == 2


def test_a_page_that_cannot_be_served_is_one_clear_line(tmp_path: Path, capsys: Any) -> None:
    found = study(tmp_path / "s", answers(1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["study", "rate", str(found.path), "--port", str(port)]) == 2
        error = capsys.readouterr().err
        assert f"cannot listen on 127.0.0.1:{port}" in error and error.count("\n") == 1
    assert main(["study", "rate", str(found.path), "--host", "no.such.host.invalid"]) == 2
    assert "--host, --port: cannot listen on no.such.host.invalid:8500" in capsys.readouterr().err
