"""Transcripts: what was asked, answered and measured, and the scoring of what exists."""

from gtalign.transcripts.file import TranscriptWriter, read_transcripts
from gtalign.transcripts.scoring import Scored, Scorer
from gtalign.transcripts.transcript import Transcript

__all__ = ["Scored", "Scorer", "Transcript", "TranscriptWriter", "read_transcripts"]
