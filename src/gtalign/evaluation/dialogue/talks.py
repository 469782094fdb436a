"""Some conversations of a run for people to read: one for each user and way of ending."""

from collections.abc import Iterable

from gtalign.dialogue.measures import questions
from gtalign.dialogue.played import Played
from gtalign.drawing import Markup, element, fixed
from gtalign.evaluation.conversation import article_head, bubble
from gtalign.evaluation.dialogue.held import record_of
from gtalign.evaluation.markup import section
from gtalign.tasks import task_named
from gtalign.transcripts.transcript import Transcript


def talks(transcripts: Iterable[Transcript]) -> Markup:
    """The section of the page: for each user, the first conversation that ended in each way.

    Published harmful requests are real and are not quoted. Conversations of the arm ``ask`` come
    first; there is no section without one.
    """
    chosen: dict[tuple[str, str], tuple[Transcript, Played]] = {}
    for transcript in transcripts:
        played = record_of(transcript)
        if played is None or played.arm != "ask" or task_named(transcript.task).kind == "safety":
            continue
        chosen.setdefault((played.user, played.end), (transcript, played))
    articles = [_talk(*both) for both in chosen.values()]
    return section(
        "Some conversations",
        "With each user, the first of the arm ask that ended in each way.",
        element("div", articles, class_="talks") if articles else None,
    )


def _talk(transcript: Transcript, played: Played) -> Markup:
    opened = transcript.prompt[: len(transcript.prompt) - 2 * (len(played.turns) - 1)]
    said = [bubble(message["role"], message["content"]) for message in opened]
    for turn in played.turns:
        said.append(bubble("assistant", turn.response))
        if turn.reply is not None:
            said.append(bubble("user", turn.reply))
    facts = f"{transcript.model} · {transcript.id}"
    qualities = [turn.quality for turn in played.turns]
    result = (
        element("span", "quality ", element("b", fixed(qualities[-1] if qualities else None, 2))),
        element("span", "questions ", element("b", str(questions(played)))),
    )
    how = {"turns": "no turns left", "left": "the user left", "failed": f"failed: {played.problem}"}
    end = element("p", how.get(played.end, "the user was satisfied"), class_="choice")
    return element(
        "article", article_head(transcript.task, facts, result), said, end, class_="talk"
    )
