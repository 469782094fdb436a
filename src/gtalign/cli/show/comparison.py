"""How runs compare: in sentences, and in tables."""

from gtalign.cli.show.table import wide_console
from gtalign.evaluation.comparison import Comparison
from gtalign.evaluation.findings import plain_sentences
from gtalign.evaluation.tables import print_tables


def print_comparison(found: Comparison) -> None:
    """Print the main findings, and every metric with its interval."""
    console = wide_console()
    for sentence in plain_sentences(found):
        console.print(sentence, markup=False, highlight=False, soft_wrap=not console.is_terminal)
    print_tables(console, found)
