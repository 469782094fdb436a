"""Whether an engine's grammar accepts a text; and texts that a grammar describes."""

import random
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

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


class Texts:
    """Draws texts of a grammar at random. It reads what llama.cpp's grammars may hold, and no more.

    Args:
        rules: The rules, by name.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self._rules = {name: _Body(body).read() for name, body in rules.items()}
        self._least: dict[str, int] = {}
        for _ in self._rules:  # until nothing changes any more
            before = dict(self._least)
            for name, node in self._rules.items():
                self._least[name] = self._height(node)
            if self._least == before:
                break

    def draw(self, rule: str, draw: random.Random) -> str:
        """A text of a rule."""
        return self._text(("rule", rule), draw, 12)

    def _height(self, node: Any) -> int:
        kind, *of = node
        if kind == "rule":
            return 1 + self._least.get(of[0], 10_000)
        if kind == "any":
            return min(map(self._height, of[0]))
        if kind == "all":
            return max(map(self._height, of[0]), default=0)
        return self._height(of[0]) if kind == "times" and of[1] else 0

    def _text(self, node: Any, draw: random.Random, depth: int) -> str:
        kind, *of = node
        if kind == "literal":
            return str(of[0])
        if kind == "set":
            return draw.choice(of[0])
        if kind == "rule":
            return self._text(self._rules[of[0]], draw, depth - 1)
        if kind == "any":
            ways = of[0]
            if depth <= 0:
                ways = [min(ways, key=self._height)]
            return self._text(draw.choice(ways), draw, depth)
        if kind == "all":
            return "".join(self._text(one, draw, depth) for one in of[0])
        part, low, high = of
        most = low + draw.choice((0, 1, 2, 5)) if depth > 0 else low
        times = draw.choice((low, high or most, most))
        if high is not None:
            times = min(times, high)
        return "".join(self._text(part, draw, depth) for _ in range(times))


class _Body:
    """Reads the body of a rule."""

    CHARS: Final = "".join(map(chr, range(0x80))) + "éß٣१ǅ€\u2013\u2028\u00a0\u3000☃漢😀\U0001d7d8"

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self) -> Any:
        node = self._any()
        assert self._at == len(self._text), self._text[self._at :]
        return node

    def _takes(self, word: str) -> bool:
        found = self._text.startswith(word, self._at)
        self._at += len(word) if found else 0
        return found

    def _any(self) -> Any:
        ways = [self._all()]
        while self._takes("|"):
            ways.append(self._all())
        return ("any", ways)

    def _all(self) -> Any:
        parts: list[Any] = []
        while True:
            while self._takes(" "):
                pass
            if self._text[self._at : self._at + 1] in ("", "|", ")"):
                return ("all", parts)
            parts.append(self._repeated(self._one()))

    def _one(self) -> Any:
        if self._takes("("):
            inside = self._any()
            assert self._takes(")")
            return inside
        if self._takes('"'):
            text = ""
            while not self._takes('"'):
                text += self._char()
            return ("literal", text)
        if self._takes("["):
            negative, found = self._takes("^"), ""
            while not self._takes("]"):
                low = high = self._char()
                if self._text[self._at] == "-" and self._text[self._at + 1] != "]":
                    self._at += 1
                    high = self._char()
                    assert low <= high
                within = "".join(char for char in self.CHARS if low <= char <= high)
                found += within if negative else low + high + within
            return ("set", "".join(set(self.CHARS) - set(found)) if negative else found)
        name = re.compile(r"[a-z][a-z0-9-]*").match(self._text, self._at)
        assert name is not None, self._text[self._at :]
        self._at = name.end()
        return ("rule", name[0])

    def _char(self) -> str:
        code = re.compile(r"\\(?:x(..)|u(....)|U(........))").match(self._text, self._at)
        if code is not None:
            self._at = code.end()
            return chr(int(code[1] or code[2] or code[3], 16))
        char = self._text[self._at]
        self._at += 1
        if char != "\\":
            return char
        self._at += 1
        sign = self._text[self._at - 1]
        return {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "[": "[", "]": "]"}[sign]

    def _repeated(self, node: Any) -> Any:
        for sign, times in {"*": (0, None), "+": (1, None), "?": (0, 1)}.items():
            if self._takes(sign):
                return ("times", node, *times)
        said = re.compile(r"\{(\d+)(,?)(\d*)\}").match(self._text, self._at)
        if said is None:
            return node
        self._at = said.end()
        low = int(said[1])
        high = int(said[3]) if said[3] else None if said[2] else low
        assert high is None or low <= high
        assert max(low, high or 0) <= 500
        return ("times", node, low, high)
