"""Whether a grammar accepts a text, as the engine says that constrains decoding with it."""

from collections import deque
from typing import Final

import xgrammar

_RECENT: Final[deque[tuple[xgrammar.Grammar, xgrammar.GrammarMatcher]]] = deque(maxlen=8)


def accepts(grammar: xgrammar.Grammar, text: str) -> bool:
    matcher = _matcher(grammar)
    matcher.reset()
    return matcher.accept_string(text) and matcher.is_terminated()


def _matcher(grammar: xgrammar.Grammar) -> xgrammar.GrammarMatcher:
    """Compiled once for many texts: that takes longer than to read them."""
    for known, matcher in _RECENT:
        if known is grammar:
            return matcher
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo([]), cache_enabled=False)
    compiled = compiler.compile_grammar(grammar)
    made = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
    _RECENT.append((grammar, made))
    return made
