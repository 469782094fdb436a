"""The short names that commands print, each with its meaning."""

from gtalign.game import USER_LLM, GameForm

SCORES = "Q quality; W mutual welfare: sqrt(U L), of the user's welfare U and the LLM's L"
ACTIONS = "user: DQ detailed, VQ vague question; LLM: DA answers, CQ asks back, AQ does both"


def actions(form: GameForm) -> str:
    """The actions of a game with their meanings; empty where they have none."""
    if form == USER_LLM:
        return ACTIONS
    sides = [("user", form.user), ("LLM", form.llm)]
    told = [
        f"{side}: " + "; ".join(f"{name} {means}" for name, means in pairs)
        for side, pairs in sides
        if any(means and means != name for name, means in pairs)
    ]
    return "\n".join(told)
