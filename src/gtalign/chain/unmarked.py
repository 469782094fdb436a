"""Questions without a question mark, and question marks without a question.

A request in the form of a question ("Could you clarify which one you mean.") is often written with
a full stop, and Japanese, Korean, Chinese and Thai mark a question by its last word. On the other
hand, a mark may stand for a value ("WHERE a = ?"). The rules are precise, not complete: what they
do not know states. A longer text that asks without a mark does so in passing, and is not looked
through.
"""
# ruff: noqa: RUF001

import re
from typing import Final

_ASIDE: Final = (
    r"(?:(?:for example|and|but|so|also|then|first|sorry|please|okay|ok|sure|thanks|thank you|hi"
    r"|hello|to (?:clarify|help|be sure)\b[^,]{0,40})[,:]?\s+){0,3}"
)
_ENGLISH: Final = re.compile(
    rf"\W*{_ASIDE}(?:(?:could|can|would|will) you (?:(?:please|kindly|also|maybe|perhaps) )?"
    r"(?:clarify|specify|tell|explain|elaborate|confirm|say|share|provide|give|let|describe|narrow"
    r"|rephrase|restate|repeat|point|remind|mind|be more)\b"
    r"|(?:do you (?:mean|want|need|prefer)|did you mean|would you (?:like|prefer|rather))\b"
    r"(?![^.]*,(?! (?:or|and|please)\b))"
    r"|are you (?:asking|referring|looking|talking)\b"
    r"|(?:which|what|who|where|when|how)\b[^,;:]{0,60}?\b(?:do|did|are|were) you"
    r" (?:mean|want|refer|ask|need|prefer|look|talk|think|have in mind|interested)\w*\b(?![^.]*,))",
    re.IGNORECASE,
)
"""English, where the sentence ends with a full stop or is all there is."""

_FIRST: Final = re.compile(
    # Spanish, French, German, Italian, Portuguese, Dutch, Russian: the verb comes first
    r"\W*(?:(?:podrías?|podría usted|puedes?) (?:por favor )?(?:aclarar|decir|especificar|indicar"
    r"|precisar)(?:me|nos|\b[^.!\n]{0,40}\b(?:cuál|qué|quién|dónde|cuándo|cómo|si\b))"
    r"|podrías? (?:por favor )?(?:especificar|indicar|precisar)\b"
    r"|(?:(?:pouv|pourri|voul|voudri|souhait|préfér|parl|cherch|désir)(?:ez|ons)-vous"
    r"|(?:peux|pourrais|veux|voudrais|préfères)-tu|est-ce que (?:vous|tu))\b"
    r"|(?:(?:können|könnten|meinen|möchten) sie|(?:kannst|könntest|meinst|möchtest) du)\b"
    r"(?:[^,.!\n]|, (?:welch|was|wer|wen|wo|wann|wie|ob|um|warum|auf|in)\w*\b)*(?:[.!\n]|$)"
    r"|(?:può|puoi) (?:per favore )?(?:dir|chiarir|specificar|indicar|precisar)"
    r"(?:mi|ci|e?\b[^.!\n]{0,40}\b(?:quale?|quali|chi|dove|quando|come|se)\b)"
    r"|(?:potresti|potrebbe) (?:per favore )?(?:dir|chiarir|specificar|indicar|precisar)"
    r"|(?:você )?pode (?:por favor )?(?:me (?:esclarec|diz|especific|indic)\w+"
    r"|(?:esclarecer|dizer|especificar|indicar)(?:-me|(?!-)\b[^.!\n]{0,40}\b(?:qual|quais|quem|onde"
    r"|quando|como|se)\b))"
    r"|(?:você )?(?:poderia|podia) (?:por favor )?(?:me )?(?:esclarec|diz|especific|indic)"
    r"|(?:kunt u|kun je|bedoelt u|bedoel je|wilt u|wil je|zou (?:je|u) (?:\w+ )?kunnen)\b"
    r"[^,.!\n]*(?:[.!\n]|$)"
    r"|(?:(?:не )?могли бы вы|(?:не )?мог(?:ла)? бы ты|можете ли вы|вы имеете в виду)\b"
    r"|(?:apakah\b|czy\b[^,.!\n]*(?:[.!\n]|$)|क्या\s))",
    re.IGNORECASE,
)
"""Other languages, where the first word asks."""

_LAST: Final = re.compile(
    r"(?<!そう)(?<!そうなん)(?:です|ます|ました|ません|でしょう|でした|だろう|ましょう)か\W*$"
    r"|(?:^|[，,。])\W*(?:请问|請問|(?:能否|可否|能不能|可不可以)(?:请|請)?[您你])|[吗嗎]\W*$"
    r"|(?:哪|什么|什麼|谁|誰|怎么|怎麼|几|幾|多少|还是|還是)[^。，,]{0,12}呢\W*$"
    r"|시겠어요\W*$|(?:습|입|십|합|됩|갑|립|칩|깁|낍)니까\W*$|(?<!니)까요\W*$"
    r"|[하되시있없았었겠주]나요\W*$|[인은는한된건던운런]가요\W*$"
    r"|(?:ไหม|มั้ย|หรือเปล่า|หรือไม่)(?:คะ|ครับ|ค่ะ)?\W*$"
    r"|(?:mısınız|musunuz|müsünüz)\W*$|(?:phải|được|đúng) không\W*$",
    re.IGNORECASE,
)
"""Those where the last word does."""

_STEMS: Final = re.compile(
    " you (?:(?<=ould you )|(?<=an you )|(?<=ill you )|(?<=o you )|(?<=id you )|(?<=re you ))"
)
_LETTERS: Final = re.compile("[íöòıôЀ-ӿक-हか请請吗嗎呢否您你까나가겠หม]")
"""What a text holds that may match: one search for English, and one for text beyond ASCII."""

_LONGEST: Final = 600
"""Characters of the longest text in which a question without a mark is looked for."""

_VALUE: Final = re.compile(
    r"(?:[=<>+/^&|({\[,%-]\s+|[=({\[]|\.[*+]|\\[A-Za-z][*+]"
    r"|\b(?:LIKE|IN|VALUES|LIMIT|OFFSET|AND|OR|SET|WHERE|BETWEEN)\s+)$"
)
_QUESTION: Final = re.compile(
    rf"\W*{_ASIDE}(?!(?-i:WHERE))(?:what|which|who|whose|when|where|why|how|do|does|did|is|are|was|were|can|could"
    r"|would|will|should|shall|may|have|has|if|so)\b",
    re.IGNORECASE,
)


def may_ask(text: str) -> bool:
    """Whether a text may hold a question without a mark; a quick check.

    In a language that is written in ASCII, other than English, only the first sentence is tried.
    """
    if len(text) > _LONGEST:
        return False
    if _STEMS.search(text) is not None or _FIRST.match(text) is not None:
        return True
    return not text.isascii() and _LETTERS.search(text) is not None


def asks_unmarked(sentence: str, ended: bool) -> bool:
    """Whether a sentence without a question mark asks.

    Args:
        sentence: The sentence, with or without its full stop.
        ended: Whether a full stop ends it, or nothing else is said: a title asks nobody.
    """
    if _FIRST.match(sentence) is not None:
        return True
    if not sentence.isascii() and _LAST.search(sentence) is not None:
        return True
    return ended and " you " in sentence and _ENGLISH.match(sentence) is not None


def is_value(before: str, sentence: str) -> bool:
    """Whether a question mark stands for a value, as in "WHERE a = ?", and not for a question.

    Args:
        before: The text before the mark, at least its last characters.
        sentence: All of the sentence.
    """
    if before[-1:].isalnum():
        return False
    return _VALUE.search(before) is not None and _QUESTION.match(sentence) is None
