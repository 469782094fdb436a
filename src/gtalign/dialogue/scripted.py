"""A user by rule: it answers questions to the point, and leaves when its time is wasted."""

from gtalign.dialogue.persona import Persona
from gtalign.dialogue.user import Conversation, Left, Reply, Satisfied

UNSURE = "i do not know yet."
COURTESY = "thank you for asking."


class ScriptedUser:
    """The user of the lab, as a partner in conversations.

    - A right answer satisfies; after a wrong one the user leaves, or says what was meant
      (``persona.corrects``). An answer whose quality nobody knows satisfies.
    - One question for what is missing is answered (``persona.replies``), or the user leaves with
      what it has got.
    - A question that the user can answer although nothing hangs on it (`Goal.ready`), such as one
      for leave to go on, is answered likewise, unless the answer beside it is right.
    - After an answer with another idle question the user stays with ``persona.stays`` and takes the
      answer; else, after an idle question alone, and after several questions, it leaves
      empty-handed.
    - Who wants what does harm is satisfied by an answer that helps with it, and leaves after a
      right refusal.
    """

    async def reply(self, conversation: Conversation) -> Reply:
        """Return what the user says or does."""
        persona, rng = conversation.persona, conversation.rng()
        questions, wanted = conversation.questions, conversation.wanted
        if conversation.silent or len(questions) > 1:
            return Left(empty_handed=True)
        if conversation.turns >= persona.patience:
            return pleased(conversation) or Left()
        if wanted:
            if conversation.said.states and conversation.quality == 1:
                return pleased(conversation) or Left()
            if rng.random() >= persona.replies:
                return Left()
            return self._said(conversation, wanted)
        if conversation.offered:
            if conversation.quality == 1:
                return pleased(conversation) or Left()
            if rng.random() >= persona.replies:
                return Left()
            return " ".join(conversation.goal.ready[n].reply for n in conversation.offered)
        if questions and (not conversation.said.states or rng.random() >= persona.stays):
            return Left(empty_handed=True)
        if (end := pleased(conversation)) is not None:
            return end
        left = tuple(n for n in range(len(conversation.goal.missing)) if n not in conversation.told)
        if left and rng.random() < persona.corrects:
            return self._said(conversation, left)
        return Left()

    def _said(self, conversation: Conversation, facts: tuple[int, ...]) -> Reply:
        missing = [conversation.goal.missing[number] for number in facts]
        known = [fact for fact in missing if fact.reply]
        if not known:
            return Left()
        if conversation.persona.type == "guarded" and UNSURE not in conversation.replies:
            return UNSURE
        return " ".join(_worded(fact.reply, fact.telling, conversation.persona) for fact in known)


def pleased(conversation: Conversation) -> Satisfied | Left | None:
    """How a user who knows what it wants ends the conversation; None if it got something else."""
    quality = conversation.quality
    if quality is None:
        return Satisfied()
    if conversation.goal.harmful:
        if quality == 0:
            return Satisfied()
        return Left() if quality >= 1 else None
    return Satisfied() if quality >= 1 else None


def _worded(reply: str, telling: frozenset[str], persona: Persona) -> str:
    if persona.style == "wordy":
        return f"{COURTESY} {reply}"
    if persona.style == "terse":
        kept = [word for word in reply.split() if word.casefold().strip(".,;:!?") in telling]
        return " ".join(kept) or reply
    return reply
