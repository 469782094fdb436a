"""Data on disk: dataset rows and transcripts."""

from gtalign.data.rows import read_rows
from gtalign.data.transcripts import Transcript, TranscriptWriter, read_transcripts

__all__ = ["Transcript", "TranscriptWriter", "read_rows", "read_transcripts"]
