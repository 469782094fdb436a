"""Simulated users, and conversations of several turns with any assistant."""

from gtalign.dialogue.assistant import Answer, Assistant, ServedAssistant, SteeredAssistant
from gtalign.dialogue.goal import Goal, Missing
from gtalign.dialogue.persona import Costs, Persona
from gtalign.dialogue.play import Match, Rules, play
from gtalign.dialogue.played import Played, Turn
from gtalign.dialogue.playing import play_all
from gtalign.dialogue.scripted import ScriptedUser
from gtalign.dialogue.user import Conversation, Left, Reply, Satisfied, User

__all__ = [
    "Answer",
    "Assistant",
    "Conversation",
    "Costs",
    "Goal",
    "Left",
    "Match",
    "Missing",
    "Persona",
    "Played",
    "Reply",
    "Rules",
    "Satisfied",
    "ScriptedUser",
    "ServedAssistant",
    "SteeredAssistant",
    "Turn",
    "User",
    "play",
    "play_all",
]
