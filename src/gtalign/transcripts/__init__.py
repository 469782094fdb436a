"""Transcripts: what was asked, answered and measured, and the scoring of what exists."""

from gtalign.transcripts.transcript import Transcript, TranscriptWriter, read_transcripts

__all__ = ["Transcript", "TranscriptWriter", "read_transcripts"]
