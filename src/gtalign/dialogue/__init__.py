"""Simulated users, and conversations of several turns with any assistant."""

from gtalign.dialogue.assistant import Answer, Assistant, ServedAssistant, SteeredAssistant
from gtalign.dialogue.endpoint import EndpointUser
from gtalign.dialogue.goal import Goal, Missing
from gtalign.dialogue.labels import goal_of
from gtalign.dialogue.leaks import LEAKS
from gtalign.dialogue.persona import Costs, Persona
from gtalign.dialogue.play import Match, Rules, play
from gtalign.dialogue.played import Played, Turn
from gtalign.dialogue.playing import play_all
from gtalign.dialogue.recorded import Recorded, RecordedUser, read_recorded
from gtalign.dialogue.scripted import ScriptedUser
from gtalign.dialogue.settings import USERS, UserSettings
from gtalign.dialogue.user import Conversation, Left, Reply, Satisfied, User

__all__ = [
    "LEAKS",
    "USERS",
    "Answer",
    "Assistant",
    "Conversation",
    "Costs",
    "EndpointUser",
    "Goal",
    "Left",
    "Match",
    "Missing",
    "Persona",
    "Played",
    "Recorded",
    "RecordedUser",
    "Reply",
    "Rules",
    "Satisfied",
    "ScriptedUser",
    "ServedAssistant",
    "SteeredAssistant",
    "Turn",
    "User",
    "UserSettings",
    "goal_of",
    "play",
    "play_all",
    "read_recorded",
]
