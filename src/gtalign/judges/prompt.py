"""A judge's prompt: a criterion and fenced material, as chat messages."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gtalign.chain.prompt import fill
from gtalign.judges.criterion import Criterion, prompt_file
from gtalign.judges.fence import Quote, is_free, quote
from gtalign.judges.reading import Form, form_of
from gtalign.tasks import Message, Question


def random_nonce() -> str:
    """Draw a code of 64 bits from the system's source of randomness."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt for a judge about one answer.

    Args:
        criterion: The criterion to grade by.
        material: Texts from outside, by the name of their block; the names are ours.
    """

    criterion: Criterion
    material: Mapping[str, Quote] = field(hash=False)

    def messages(self, form: Form, nonce: str, problem: str | None = None) -> tuple[Message, ...]:
        """Return the conversation to send.

        Args:
            form: The form in which the judge has to write the verdict.
            nonce: The request's code, from `draw`. The empty code gives the messages that identify
                the request, equal in every run.
            problem: Why an earlier reply could not be read, in our words.
        """
        frame = fill(
            prompt_file("frame"),
            {
                "criterion": self.criterion.instructions,
                "nonce": nonce,
                "form": form_of(form, self.criterion.scale),
            },
        )
        blocks = [*self._blocks(nonce), prompt_file("closing")]
        if problem is not None:
            blocks.append(fill(prompt_file("again"), {"problem": problem}))
        return (
            Message(role="system", content=frame),
            Message(role="user", content="\n\n".join(blocks)),
        )

    def draw(self, nonce: Callable[[], str] = random_nonce) -> str:
        """Draw a code that occurs nowhere in the material as it is sent.

        Raises:
            ValueError: The source draws only codes that occur.
        """
        material = "\n".join(self._blocks(""))
        for _ in range(100):
            drawn = nonce()
            if is_free(drawn, material):
                return drawn
        raise ValueError(f"the source of codes gives nothing but what occurs: {drawn!r}")

    def _blocks(self, nonce: str) -> list[str]:
        return [text.fenced(name, nonce) for name, text in self.material.items()]


def prompt_of(
    criterion: Criterion, question: Question, material: Mapping[str, str], limit: int
) -> Prompt:
    """Return the prompt about material that belongs to a question.

    The conversation comes first, then the reference if the criterion has one, then the material.

    Args:
        criterion: The criterion to grade by.
        question: The question of the material.
        material: Texts from outside, by the name of their block.
        limit: Largest number of characters of a block.
    """
    blocks = {
        f"message {number} by the {_role(message['role'])}": message["content"]
        for number, message in enumerate(question.messages, start=1)
    }
    if criterion.reference:
        blocks["reference"] = question.ground_truth
    texts = {**blocks, **material}
    return Prompt(criterion, {name: quote(text, limit) for name, text in texts.items()})


def _role(role: str) -> str:
    # A role is data as well: only the known ones reach a line of ours.
    return role if role in ("user", "assistant", "system") else "other"
