"""Questions as the rows that verl trains on, and a row read back as the question it holds."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gtalign.data.rows import question_of
from gtalign.data.schema import given
from gtalign.errors import DataError
from gtalign.files.lines import LineWriter
from gtalign.files.replace import replacing
from gtalign.game import GameForm
from gtalign.tasks import Message, Question
from gtalign.training.rl_run import RLRun

LEARNED: Final = "train"
HELD_OUT: Final = "test"
_UNLEARNED: Final = frozenset({HELD_OUT, "validation", "val"})


def write_rows(
    path: Path, questions: Iterable[Question], config: RLRun, form: GameForm, split: str
) -> None:
    """Write questions as JSON Lines for verl, each with the prompt that TRL would get.

    The whole question goes along in ``extra_info.question``, as JSON text. The file appears whole
    or not at all.

    Args:
        path: The file.
        questions: The questions.
        config: Says what the prompt asks for.
        form: The game that chains are about.
        split: ``train``, or ``test`` for questions that are not learned.

    Raises:
        StorageError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside, LineWriter(beside) as lines:
        for index, question in enumerate(questions):
            lines.write(
                {
                    "prompt": [dict(message) for message in prompt_of(question, config, form)],
                    "data_source": question.task,
                    "ability": question.task,
                    "reward_model": {"ground_truth": question.ground_truth, "style": "rule"},
                    "extra_info": {
                        "index": index,
                        "split": split,
                        "question": json.dumps(question.to_json()),
                    },
                }
            )


def prompt_of(question: Question, config: RLRun, form: GameForm) -> Sequence[Message]:
    """Return the messages that the model answers; the arguments are those of `write_rows`."""
    return given(
        question.messages,
        instruct=config.instruct,
        form=form,
        # Conversations are in plain answers.
        chain=config.reward.chain and config.dialogue is None,
        belief=config.reward.belief,
    )


def question_in(
    task: str, truth: Any, info: Mapping[str, Any], prompt: Any = None
) -> tuple[Question, bool]:
    """Return the question of a sample, and whether it is learned from.

    Rows of `write_rows` hold the question itself. Others are read as `gtalign.data.rows` reads
    them, so that published files can be given to verl as they are.

    Args:
        task: The row's ``data_source``.
        truth: Its ``reward_model.ground_truth``.
        info: Its ``extra_info``.
        prompt: Its messages, if they are known.

    Raises:
        DataError: The row is wrong; the message names the column.
    """
    learned = info.get("split") not in _UNLEARNED
    kept = info.get("question")
    if kept is not None:
        if not isinstance(kept, str):
            raise DataError("column 'extra_info.question' has to be JSON text")
        return Question.from_json(kept), learned
    row = {
        "prompt": prompt,
        "data_source": task,
        "reward_model": {"ground_truth": truth},
        "extra_info": info,
    }
    return question_of(row, f"{task}-{info.get('index', 0)}", ""), learned
