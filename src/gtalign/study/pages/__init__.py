"""The pages on which people rate: rendered on the server; they work without scripts.

They read the items of a study and the ratings of the annotators, and never its key. Every text of a
model is escaped, and no script or style runs that is not a file of ``static/``.
"""

from gtalign.study.pages.server import serve

__all__ = ["serve"]
