"""The task of single answers."""

from inspect_ai import Task, task
from inspect_ai.solver import generate

from gtalign.integrations.inspect.asking import asking
from gtalign.integrations.inspect.chat import dataset_of
from gtalign.integrations.inspect.welfare import welfare
from gtalign.integrations.suite import load_suite


@task
def ask_or_answer(suite: str | None = None, questions: str | list[str] | None = None) -> Task:
    """Ask or answer: one answer to each question, scored by welfare and by whether it asks back.

    Args:
        suite: A TOML file; see `gtalign.integrations.suite.Suite`.
        questions: Files of questions, instead of those of the suite.

    Raises:
        ConfigError: The suite is wrong, or there are no questions.
        DataError: A file of questions is wrong.
    """
    given = load_suite(suite, questions)
    tables = given.model_dump(mode="json", include={"reward", "judges", "tokenizer"})
    return Task(
        dataset=dataset_of(given, given.read(), "gtalign"),
        solver=generate(),
        scorer=[welfare(**tables), asking()],
    )
