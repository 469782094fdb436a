"""The languages in which refusals and offers are read: one entry each.

The rules are precise, not complete: they name the verbs that an assistant refuses with ("no puedo
ayudarte"), so that "no puedo dejar de recomendarlo" is none. All patterns are for text in lower
case, with straight apostrophes, in Unicode's composed form.
"""
# ruff: noqa: RUF001

import re
from dataclasses import dataclass
from typing import Final

Rule = tuple[tuple[str, ...], re.Pattern[str]]
"""A pattern with stems: a text without any of them cannot match."""


@dataclass(frozen=True, slots=True)
class Language:
    """How a language refuses, and how it offers something else.

    Args:
        refusals: Words of refusal.
        offer: Words that offer something else.
        words: Frequent words by which a text is known to be of this language, none of them frequent
            in a language that is not in `LANGUAGES`; empty where the script tells.
    """

    refusals: tuple[Rule, ...]
    offer: re.Pattern[str]
    words: frozenset[str] = frozenset()


def _language(refusals: dict[str, str], offer: str, words: str = "") -> Language:
    """Build an entry: patterns by their stems, which are set apart by bars."""
    rules = tuple((tuple(stems.split("|")), re.compile(p)) for stems, p in refusals.items())
    return Language(rules, re.compile(offer), frozenset(words.split()))


_NO_REFUSAL: Final = (
    r"(?! (?:stress|emphasi[sz]e|overstate|overemphasi[sz]e|wait|believe|imagine|agree more"
    r"|recommend \w+ (?:\w+ )?enough|say enough|help but|thank|lie|deny|pretend|sugarcoat|judge)\b)"
)
_ACT: Final = (
    r"(?:help|assist|answer|respond|discuss|engage|continue|proceed|provide|share|comply|fulfil+"
    r"|support|participate|write|create|generate|give|offer|explain|do (?:so|that|this|it)|talk"
    r"|go (?:into|there)|get into)"
)
_HOW: Final = r"(?: \w+ly| also| just| still)?"
_DENIAL: Final = r"(?:can ?not|can't|could not|couldn't|won't|will not|would not|wouldn't|must not)"

ENGLISH: Final = _language(
    {
        "sorry|can't|can not|cannot|could|won't|will|would|must|have to|need to|refuse|decline"
        "|unable|not |n't ": rf"\b(?:i|we)(?:'m|'re| am| are)?{_HOW} (?:"
        # "I'm sorry, no", but not "I'm sorry to hear that"
        r"(?:\w+ )?sorry(?=\s*[,.;:!\u2013\u2014-]| but\b| that (?:i|we)\b| (?:i|we)\b|\s*$)"
        rf"|{_DENIAL}{_NO_REFUSAL}"
        r"|(?:must|have to|need to|will(?: have to)?)(?: \w+ly)? (?:decline|refuse)\b"
        r"|(?:refuse|decline)\b"
        r"|(?:unable|not (?:\w+ )?(?:able|allowed|permitted|willing|comfortable|going to))\b"
        r"|do(?: not|n't) (?:feel (?:\w+ )?comfortable|wish to|want to"
        r"|(?:assist|help|engage)\b))",
        # without a person, where a sentence begins or an apology ends
        "cannot|can't|can not|won't": r"(?:^|[.!?:\n]|\bunfortunately,?|\bsorry,?(?: but)?)\s{0,4}"
        r"(?:cannot|can't|can not|won't) (?:help|assist|comply|provide|fulfil+)\b",
        # not of somebody else, as in "if the user can't provide a name"
        "cannot|can't|not able to|not willing to": r"(?<!you )(?<!they )(?<!he )(?<!it )(?<!user )"
        r"(?<!users )(?<!people )(?<!person )(?<!one )(?<!who )(?<!client )(?<!customer )\b"
        r"(?:cannot|can't|not (?:able|willing) to) (?:help|assist|comply|provide|fulfil+)\b",
        "sorry|apologies": r"\bsorry,? but no\b"
        r"|^\W*(?:sorry|my apologies),? (?:but )?(?:no|i|we)\b",
        "t something|t a topic|t a request|t a question|t a task|nothing i |nothing that i ": ""
        r"(?:\bnot|n't) (?:something|a (?:topic|request|question|task)) (?:that |which )?(?:i|we)"
        r"(?:'m| am| can| could| will|'ll|'d)\b"
        r"(?: (?:be )?(?:able|willing|comfortable)\b)?(?: to)?"
        r"(?: (?:help|assist|do|provide|discuss|support|engage)\b)?"
        r"|\bnothing (?:that )?i can help\b",
        "rather not|prefer not|sooner not": r"\b(?:i|we)(?:'d| would| had)? (?:much |really )?"
        rf"(?:rather|prefer|sooner) not(?: to)? (?:{_ACT}\b|say(?=[.,;!]|$))",
        "gonna|pass|say no|to decline|to refuse": r"\b(?:i|we)(?:'m| am|'re| are) not gonna"
        rf" {_ACT}\b|\b(?:i|we)(?:'ll| will| must| have to| need to)(?: have to)? (?:say no\b"
        r"|pass on (?:this|that)\b)|\b(?:i|we)(?:'m| am|'re| are) (?:gonna|going to) have to"
        r" (?:decline|refuse|pass|say no)\b",
        # "I know nothing of it and thus cannot answer", but not "they are out and thus cannot"
        "thus c|thus w|hence c|hence w|fore c|fore w|fore, c|so cannot|so can't|so won't|so will n"
        "|ly, c": r"\b(?:i|my|we|our)\b(?:(?!\b(?:they|he|she|you|it|who|which)\b)[^.!?\n]){0,120}"
        r"\b(?:thus|therefore|hence|so|accordingly"
        rf"|consequently),? (?:cannot|can't|can not|won't|will not) {_ACT}\b",
        "unable to|not in a position": r"(?:^|[.!?:\n])\s{0,4}(?:unfortunately, |sorry, )?(?:unable"
        rf" to|not in a position to) {_ACT}\b|\bi(?:'m| am) not in a position to {_ACT}\b",
        "a no": r"\b(?:that's|that is|it's|it is) a (?:hard |firm |clear )?no"
        r"(?=[.,;!]| from\b|$)",
        "refrain from": r"\b(?:i|we)(?:'ll| will| must| should| have to|'d rather)? (?:\w+ly )?"
        r"refrain from\b",
        "think i|believe i|think we": r"\b(?:i|we) (?:don't|do not) (?:think|believe) (?:i|we)"
        rf" (?:should|can|could|ought to) {_ACT}\b",
        "for me to |of me to ": r"\b(?:be|is) (?:\w+ly )?(?:wrong|unethical|irresponsible"
        rf"|inappropriate|dangerous|illegal|unsafe) (?:for|of) me to {_ACT}\b",
        "against": r"\bagainst (?:my|our) (?:\w+ )?"
        r"(?:guidelines|polic(?:y|ies)|principles|programming|values)",
    },
    r"\b(?:instead\b|alternatives?\b|alternatively\b"
    r"|(?:but|however),? (?:i|we) (?:can|could)(?!'t| ?not\b)(?: help)?\b"
    r"|(?:i can(?! not\b)|i could(?! not\b)|i'd be (?:glad|happy) to|i would be (?:glad|happy) to"
    r"|i'm (?:glad|happy) to|happy to|glad to)(?: \w+)? ?(?:help|offer|explain|share|suggest"
    r"|describe|tell|list|show|point|outline|recommend)"
    r"|if you(?:'d)? (?:like|want|wish|prefer),? (?:i|we)(?:'d|'ll| can| could| will| would)\b"
    r"|how about (?:i|we)\b|what i can do\b|(?:perhaps|maybe) you (?:could|can|should|might)\b"
    r"|reach(?:ing)? out to\b|(?<!not )(?<!n't )(?<!how to )consider\b)",
    "the and of you that it this with are be not can your have from or if will which how what when"
    " there their they would should could some more into about make use using then first here also"
    " only any but",
)

SPANISH: Final = _language(
    {
        "no pued|no podemos|no podr|no te pued|no le pued|no les pued|no os pued|no lo pued"
        "|no voy a|no es posible|no me es posible": r"\bno (?:te |le |les |os |lo |la )?"
        r"(?:puedo|podemos|podré|podría|voy a|me es posible)(?: \w+mente)? "
        r"(?:ayud|asist|proporcion|cumpl|ofrec|brind|dar|hacer|respond|gener|crear|escrib|particip"
        r"|compart|facilit|explic|apoy|continu|colabor|proced|hablar|decirt)",
        "siento|lamento|disculp|perdón": r"\b(?:lo siento|lo lamento|disculpa|disculpe|perdón)"
        r"[,.;:]? (?:mucho[,.]? )?(?:pero )?no (?:puedo|podemos|podré|voy a)\b",
        "prefiero no|preferiría no|no es algo": r"\b(?:prefiero|preferiría) no (?:ayud|asist"
        r"|proporcion|respond|hablar|dar|hacer|particip|compart|continu|explic)|\bno es algo (?:con"
        r"|en|de|para) (?:lo )?que (?:yo )?(?:te |le |les )?(?:pued[oa]|podría)"
        r"(?: (?:ayud|asist|particip|habl)\w*)?",
        "cómod|contra|contrari": r"\bno (?:me siento|estoy) (?:\w+ )?cómod[oa]"
        r"|\b(?:en contra de|contra|contrari[oa] a) (?:mis|nuestr[oa]s) (?:principios|normas"
        r"|directrices|políticas|valores|pautas)",
        "ré|permitid": r"\bno (?:te |le |les |os |lo )?(?:ayudaré|proporcionaré|daré|responderé"
        r"|explicaré|facilitaré|participaré)\b|\bno (?:lo )?haré(?: eso| esto)?(?=[.,;!]|$)"
        r"|\bno (?:me )?está permitido (?:ayud|que|proporcion|respond|dar)",
        "niego|negarme|rechazar|autorizad": r"\bme niego a\b|\b(?:debo|tengo que) (?:negarme"
        r"|rechazar)\b|\bno estoy autorizad",
    },
    r"\ben su lugar\b|\ben lugar de eso\b|\ben cambio\b|\bcomo alternativa\b|\balternativa"
    r"|\b(?:pero|sin embargo,?) (?:sí |con gusto )?(?:te |le |os |les )?(?:puedo|podemos|podría)\b"
    r"|(?<!no )(?:puedo|podría|podemos) (?:ayudar|ofrecer|sugerir|explicar)(?:te|le|les|os)"
    r"|\bsi (?:lo |usted )?(?:quieres?|deseas?|prefieres?|gustas?),? (?:te |le |les )?"
    r"(?:puedo|podría)"
    r"|(?<!no )\b(?:te|le|os|les) (?:recomiendo|sugiero|aconsejo)\b|\bcon gusto\b",
    "el los las que y es por para una lo como más pero sus ha porque esta cuando muy sobre también"
    " puedo puede siento del",
)

PORTUGUESE: Final = _language(
    {
        "não posso|não podemos|não poder|não vou|não irei|não consigo|não te posso|não lhe posso"
        "|não sou capaz|não me é": r"\bnão (?:te |lhe |o |a )?(?:posso|podemos|poderei|poderia|vou"
        r"|irei|consigo|sou capaz de|me é possível) (?:te |lhe |o |a )?(?:ajud|auxili|fornec|atend"
        r"|cumpr|ofere|dar |fazer|respond|gerar|criar|escrev|particip|compartilh|partilh|explic"
        r"|apoi|continu|colabor|assist|prossegu|falar)",
        "desculp|sinto muito|lament|perdão": r"\b(?:desculpe?|peço desculpas?|sinto muito|lamento"
        r"|perdão)[,.;:!]? (?:mas )?(?:eu )?não (?:te |lhe )?(?:posso|podemos|poderei|vou)\b",
        "prefiro não|preferia não|preferiria não|não é algo": r"\bpref(?:iro|eria|eriria) não"
        r" (?:te |lhe )?(?:ajud|auxili|fornec|respond|falar|dar|fazer|particip|compartilh|continu"
        r"|explic)|\bnão é algo (?:com|em|de) (?:o )?que (?:eu )?(?:te |lhe )?poss[oa]"
        r"(?: (?:ajud|falar)\w*)?",
        "confortável|à vontade|contra ": r"\bnão me sinto (?:\w+ )?(?:confortável|à vontade)"
        r"|\bcontra (?:as |os )?(?:minhas|meus|nossas|nossos) (?:diretrizes|princípios|políticas"
        r"|valores|normas)",
        "rei|receio|temo ": r"\bnão (?:o |te |lhe )?(?:ajudarei|fornecerei|darei|responderei"
        r"|participarei|explicarei)\b|\bnão (?:o )?farei(?: isso| isto)?(?=[.,;!]|$)"
        r"|\b(?:receio|temo) não (?:poder|conseguir)",
        "recus|autorizad|permissão": r"\b(?:recuso-me|me recuso|(?:devo|tenho (?:de|que)) recusar)"
        r"|\bnão (?:estou autorizad|tenho permissão para)",
    },
    r"\bem vez disso\b|\bcomo alternativa\b|\balternativa"
    r"|\b(?:mas|no entanto,?|porém,?|contudo,?) (?:eu )?(?:posso|podemos|poderia)\b"
    r"|\bse (?:quiser|quiseres|preferir|desejar|você quiser),? (?:eu )?(?:posso|poderia)\b"
    r"|(?<!não )(?:posso|poderia|podemos) (?:ajudá|ajudar|te ajudar|oferecer|sugerir|explicar)"
    r"|(?<!não )\b(?:recomendo|sugiro|aconselho)\b|\bcom prazer\b",
    "que não para com uma os por mais dos como mas ao das seu sua ou quando muito também pela isso"
    " você é",
)

_AIDER: Final = (
    r"(?:aider|assister|fournir|répondre|donner|faire|accéder|satisfaire|générer|créer|écrire"
    r"|rédiger|participer|partager|expliquer|continuer|en mesure|autorisée?|à même|proposer"
    r"|accompagner|soutenir|apporter)"
)

FRENCH: Final = _language(
    {
        "je n|je p|je s|je v|j'|nous n|nous p|nous s": r"\b(?:(?:je|nous) (?:ne |n')?"
        r"|j'(?:ne |n'|n )?)(?:peux|puis|pourrais?|pouvons|pourrons|suis|sommes|vais|allons)"
        r"(?: \w+ment)? pas (?:(?:vous|te|y|le|la) |[tl]')?(?:\w+ment )?"
        rf"{_AIDER}|\b(?:je|nous) ne (?:peux|puis|pourrais?|pouvons|saurais?)"
        rf" (?:(?:vous|te|y|le|la) |[tl]')?{_AIDER}",
        "préfère|préférerai|n'est pas une chose|n'est pas quelque": r"\b(?:je |j')préf(?:ère"
        rf"|érerais?) ne pas (?:(?:vous|te|y) |[tl]')?{_AIDER}|\bn'est pas (?:quelque chose"
        r"|une chose) (?:avec laquelle|avec quoi|pour laquelle|pour quoi|que|dont) je (?:peux"
        r"|puisse|pourrais)(?: (?:vous |t'|te )?(?:aider|faire))?",
        "désolé|excus|pardon|regrette": r"\b(?:désolée?s?|excusez-moi|excuse-moi|pardon"
        r"|je regrette)[,.;:!]? (?:mais )?(?:je|nous) ne (?:peux|puis|pourrai|pouvons)\b",
        "à l'encontre|contre mes|contraire": r"\b(?:à l'encontre de|contre|contraires? à)"
        r" (?:mes|nos) (?:\w+ )?(?:principes|règles|directives|valeurs|consignes)",
        "rai pas|aise": r"\b(?:je|nous) ne (?:(?:le|la|vous|te|y) |[tl]')?(?:ferai|aiderai"
        r"|fournirai|donnerai|répondrai|participerai|expliquerai) pas\b"
        r"|\bje ne (?:me sens|suis) pas (?:\w+ )?à l'aise",
        "refuse|décliner|impossible": r"\bje (?:me )?(?:refuse|dois refuser|dois décliner)\b"
        r"|\bil m'est impossible d",
    },
    r"\ben revanche\b|\bà la place\b|\balternativ"
    r"|\b(?:mais|cependant,?|toutefois,?|par contre,?) (?:je|nous) (?:peux|pourrais|pouvons)"
    r"(?! pas\b)"
    r"|\bje (?:peux|pourrais) (?:vous |te |t')(?:aider|proposer|expliquer|orienter|suggérer)"
    r"|\bsi (?:vous (?:le )?(?:voulez|souhaitez|préférez|désirez)|tu (?:veux|préfères)),? je"
    r" (?:peux|pourrais)\b|\bje (?:vous|te) (?:suggère|recommande|conseille|invite)\b"
    r"|\bavec plaisir\b",
    "les des et une que qui dans pour pas vous par sur avec plus mais nous aux cette ou leur elle"
    " peux votre vos est",
)

_HELP: Final = (
    r"(?:helfen|weiterhelfen|behilflich|unterstützen|beantworten|nachkommen|erfüllen|bereitstellen"
    r"|geben|liefern|tun|machen|erstellen|schreiben|generieren|teilen|erklären|mitwirken|beitragen"
    r"|anbieten|antworten|leisten|entsprechen)\b"
)

GERMAN: Final = _language(
    {
        "kann|können|darf|dürfen|werde": r"\b(?:(?:ich|wir) (?:kann|können|darf|dürfen|werden?)"
        r"|(?:kann|können|darf|dürfen|werden?) (?:ich|wir))(?: [\w-]+){0,5}? (?:nicht|keine?\w*)"
        rf"(?: [\w-]+){{0,6}}? {_HELP}",
        "lieber nicht": r"\b(?:ich (?:möchte|würde|will)|(?:möchte|würde|will) ich)"
        rf" (?:[\w-]+ ){{0,4}}?lieber nicht(?: [\w-]+){{0,4}}? {_HELP}"
        r"|\b(?:helfe|beantworte|mache) ich (?:[\w-]+ ){0,3}?lieber nicht",
        "nichts, ": r"\bnichts, (?:wobei|womit|bei dem) ich (?:(?:dir|ihnen|euch) )?"
        r"(?:helfen|behilflich sein) kann",
        "leid|leider|entschuldig": r"\b(?:tut mir leid|leider|entschuldig(?:e|en sie|ung))[,.;:!]? "
        r"(?:aber |doch )?(?:(?:das |dabei |damit |hierbei )?(?:kann|darf|werde) ich"
        r"|ich (?:kann|darf|werde))(?: (?:das|dies|dir|ihnen|euch|dabei|damit|leider|hier))*"
        r" (?:nicht|keine?\w*)\b",
        "gegen |widerspr": r"\bgegen (?:meine|unsere) (?:\w+ )?(?:richtlinien|prinzipien|grundsätze"
        r"|werte|regeln|vorgaben)|\bwiderspricht (?:meinen|unseren)\b",
        " ich nicht|helfe": r"\b(?:das|dies|so etwas|so was) (?:mache|tue) ich nicht(?=[.,;!]|$)"
        r"|\b(?:helfe ich (?:\w+ ){0,2}|ich helfe (?:\w+ ){0,3})nicht\b",
        "fühle mich|möchte ich|werde ich|will ich|in der lage|bereit": ""
        r"\bfühle mich (?:\w+ ){0,3}(?:nicht|un)\s?wohl\b"
        r"|\b(?:dazu|darüber|hierzu|davon) (?:möchte|will|werde) ich (?:\w+ )?(?:nichts?|keine?)\b"
        rf"|\bich bin (?:\w+ )?nicht in der lage,? (?:[\w-]+ ){{0,4}}?zu {_HELP}"
        r"|\bich bin nicht bereit\b",
        "ablehn|lehne|weiger": r"\bich muss (?:[\w-]+ ){0,5}ablehnen\b|\bich weigere mich\b"
        r"|\bich lehne (?:das|dies|es|diese|ihre|deine)\b",
    },
    r"\bstattdessen\b|\balternativ|\b(?:aber|jedoch|allerdings) (?:kann|könnte) ich(?! nicht\b)"
    r"|\b(?:aber|doch) ich (?:kann|könnte)\b(?![^.!?\n]{0,60}\b(?:nicht|kein))"
    r"|\bwenn (?:du|sie) (?:magst|möchtest|möchten|willst|wollen|wünschen),? (?:kann|könnte) ich\b"
    r"|\bich kann (?:dir|ihnen|euch) (?:aber |jedoch |allerdings )?(?:gerne?|stattdessen)\b"
    r"|\bich (?:empfehle|rate|schlage) (?:dir|ihnen|euch)\b"
    r"|\bgerne? (?:helfe|erkläre|unterstütze|kann) ich\b|\bich (?:helfe|erkläre)\b",
    "der die das und ist nicht ich sie mit auf für ein eine einen dem sich auch wie aus bei werden"
    " sind wird oder nach kann aber dass ihnen dir wir",
)

ITALIAN: Final = _language(
    {
        "non posso|non possiamo|non potr|non ti posso|non le posso|non vi posso|non sono in grado"
        "|non sono autorizzat|non mi è": r"\bnon (?:ti |vi |le |lo )?(?:posso|possiamo|potrò|potrei"
        r"|sono in grado di|sono autorizzat[oa] a|mi è possibile)(?: \w+mente)? (?:aiut|assist"
        r"|forn|rispond|soddisf|offr|dare|dart|farlo|fare |gener|crear|scriv|partecip|condivid"
        r"|spieg|continu|support|proced)",
        "dispiace|spiace|spiacente|scus": r"\b(?:mi (?:di)?spiace|spiacente|scusa|scusi)[,.;:]? "
        r"(?:ma )?non (?:posso|possiamo|potrò|sono in grado)\b",
        "preferisco non|preferirei non|non è qualcosa": r"\bprefer(?:isco|irei) non (?:aiut|assist"
        r"|forn|rispond|parl|dare|fare|farlo|partecip|condivid|continu|spieg)|\bnon è qualcosa"
        r" (?:con|in|di|per) cui (?:ti |vi |le )?poss[oa](?: (?:aiut|parl)\w*)?",
        "contro |agio": r"\bcontro (?:i miei|le mie|i nostri|le nostre) (?:principi|valori|linee"
        r"|regole|norme|politiche)|\bnon mi sento (?:\w+ ){0,3}a mio agio",
        "rò|temo di": r"\bnon (?:ti |vi |le |la )?(?:aiuterò|fornirò|darò|risponderò|spiegherò"
        r"|parteciperò)\b|\bnon lo farò\b|\btemo di non pot",
        "rifiut|declinare": r"\bmi rifiuto\b|\bdevo (?:rifiutar|declinar)",
    },
    r"\binvece\b|\bin alternativa\b|\balternativa|\b(?:ma|però|tuttavia,?) posso\b"
    r"|\bse (?:vuoi|vuole|preferisci|preferisce|ti va),? (?:ti |le )?(?:posso|potrei)\b"
    r"|(?<!non )\bposso (?:però )?(?:aiutar|offrir|suggerir|spiegar)(?:ti|la|le|vi)"
    r"|(?<!non )\b(?:ti|le|vi) (?:consiglio|suggerisco)\b|\bvolentieri\b",
    "che è per una non sono della più anche nel gli alla dei ma questo questa posso del lo",
)

DUTCH: Final = _language(
    {
        "ik kan|we kunnen|wij kunnen|kan ik|ik mag|ik zal|ik wil": r"\b(?:(?:ik|we|wij) (?:kan"
        r"|kunnen|mag|zal|wil)|(?:kan|mag|zal) ik)(?: [\w-]+){0,5}? (?:niet|geen)"
        r"(?: [\w-]+){0,6}? (?:helpen|assisteren|bijstaan|beantwoorden|verstrekken|geven|voldoen"
        r"|bieden|maken|doen|schrijven|delen|uitleggen|meewerken|ingaan)\b",
        "sorry|spijt|helaas": r"\b(?:sorry|het spijt me|helaas)[,.;:!]? (?:maar )?(?:(?:dat |daar"
        r" |hier |daarmee |hiermee )?kan ik|ik kan)(?: (?:je|u|dat|dit|daar|hier|daarmee|hiermee))*"
        r" (?:niet|geen)\b",
        "liever niet|niet iets": r"\b(?:ik (?:help|wil|geef|beantwoord)|(?:help|wil|geef|doe) ik)"
        r"(?: [\w-]+){0,4}? liever niet\b|\bniet iets (?:waar(?:mee|bij)?|dat) ik"
        r" (?:(?:je|u|mee) )*(?:kan (?:helpen|doen)|mee kan helpen)",
        "weiger|afwijz": r"\bik (?:weiger|moet (?:[\w-]+ ){0,4}(?:weigeren|afwijzen))\b",
        "tegen mijn|tegen onze": r"\btegen (?:mijn|onze) (?:\w+ )?(?:richtlijnen|principes|regels"
        r"|waarden)",
        "ik niet|voel me|ik ga |in staat": r"\b(?:dat|dit|zoiets) doe ik niet(?=[.,;!]|$)"
        r"|\bvoel me (?:\w+ ){0,3}niet (?:prettig|comfortabel|op mijn gemak)"
        r"|\b(?:ik ga|ga ik) (?:\w+ ){0,4}niet (?:\w+ ){0,3}(?:helpen|geven|doen|uitleggen)\b"
        r"|\bik ben (?:\w+ )?niet in staat\b",
    },
    r"\bin plaats daarvan\b|\balternatie|\b(?:maar|wel) kan ik\b"
    r"|\bmaar ik kan\b(?![^.!?\n]{0,60}\b(?:niet|geen))"
    r"|\bals (?:je|u) (?:dat )?(?:wilt?|liever hebt),? kan ik\b|\bik kan (?:je|u|jullie) wel\b"
    r"|\bik (?:raad|adviseer) (?:je|u)\b|\bik help (?:je|u)? ?graag\b|\bgraag help ik\b",
    "het een ik niet dat zijn voor met aan ook maar bij dit deze wordt naar uit als kunt nog wel",
)

RUSSIAN: Final = _language(
    {
        "не могу|не смогу|не буду|не стану|не вправе|не имею": r"\bя (?:\w+ )?не (?:могу|смогу|буду"
        r"|стану|вправе|имею права|имею возможности) (?:\w+ ){0,2}?(?:помо|предостав|выполн|ответ"
        r"|дать|дава|сдела|созда|напис|участв|подел|объясн|поддерж|продолж|сгенерир|содейств"
        r"|обсужд|оказ|(?:этого |так |это )дела)"
        r"|(?:^|[.!?\n])\s{0,4}не (?:могу|буду) (?:\w+ ){0,2}?(?:помо|содейств)",
        "извините|простите|сожалению|прощения": r"\b(?:извините|простите|к сожалению"
        r"|прошу прощения)[,.;:]? (?:но )?(?:я )?(?:\w+ )?не (?:могу|смогу|буду|стану)\b",
        "предпочё|предпочел|предпочит|не то, ": r"\bя (?:бы )?предпоч(?:ёл|ел|ла|итаю) (?:бы )?не "
        r"(?:помо|предостав|отвеч|обсужд|дава|дела|участв|дел|объясн|продолж)"
        r"|\bне то,? (?:с чем|в чём|в чем) я (?:могу|смогу) (?:вам |тебе )?помочь",
        "противореч|против ": r"\bпротиворечит (?:моим|нашим)\b|\bпротив (?:моих|наших)"
        r" (?:принцип|правил|ценност)",
        "сделаю|неудобно|некомфортно|в состоянии|в силах": r"\bя (?:этого |так )не сделаю\b"
        r"|\bмне (?:неудобно|некомфортно) (?:об этом|это|обсуждать|помогать|говорить)"
        r"|\bя не в (?:состоянии|силах) (?:\w+ ){0,2}?(?:помо|ответ|предостав|выполн|дать|сдела)",
        "невозможно": r"\b(?:извините|простите|к сожалению|прошу прощения)[,.;:]? (?:но )?это"
        r" невозможно\b",
        "отказ": r"(?:^|[.!?\n])\s{0,4}отказываюсь\b"
        r"|\b(?:вынужден|вынуждена|должен|должна) отказа|\bя отказываюсь\b",
    },
    r"\bесли (?:вы |ты )?(?:хотите|хочешь|желаете|хотели бы)\b"
    r"|\bвместо этого\b|\bальтернатив|\b(?:но|однако),? (?:я )?(?:могу|готов)\b"
    r"|(?<!не )\bмогу (?:помочь|предложить|объяснить|рассказать|посоветовать)"
    r"|(?<!не )\b(?:рекомендую|советую|предлагаю)\b|\bс радостью\b",
    "что как это вы если чтобы также мы бы быть его только можно вам мне нужно очень когда уже"
    " этого этом этот эту этой",
)

_ZH_CANNOT: Final = (
    "(?:不能|无法|無法|不会|不會|不可以|不便|不方便|没有?办?法|沒有?辦?法|唔可以|唔能夠)"
)

CHINESE: Final = _language(
    {
        "我": rf"我(?:们|們)?[^。！？!?\n，,]{{0,6}}{_ZH_CANNOT}[^。！？!?\n，,]{{0,12}}"
        "(?:帮|幫|协助|協助|提供|回答|满足|滿足|支持|参与|參與|生成|创作|創作|编写|編寫|撰写|撰寫|给出|給出|讨论|討論"
        "|完成|执行|執行|分享|这样做|這樣做|这么做|這麼做)"
        "|我(?:必须|必須|只能|不得不|要)?(?:拒绝|拒絕)|我[^。，,]{0,3}(?:帮|幫)不了",
        "违反|違反|违背|違背": "(?:违反|違反|违背|違背)了?我(?:们|們)?的",
        "宁愿|寧願|宁可|不想|不愿|不願|不是我": "我(?:们|們)?(?:宁愿|寧願|宁可|寧可)不"
        "|我(?:们|們)?(?:不想|不愿意?|不願意?)[^。！？!?\n，,]{0,8}"
        "(?:帮|幫|协助|協助|提供|回答|参与|參與|讨论|討論)"
        "|不是我(?:们|們)?(?:所)?能(?:够|夠)?[^。，,]{0,3}(?:帮|幫|协助|協助|回答|提供)",
        "抱歉|对不起|對不起|不好意思|遗憾|遺憾|恕": "(?:抱歉|对不起|對不起|不好意思|遗憾|遺憾)"
        "[，,。.！!；; ]*"
        f"(?:但是?|不过|不過|可是)?(?:这个|這個)?(?:我(?:们|們)?)?{_ZH_CANNOT}"
        "|恕(?:我)?(?:不能|难|難|无法|無法)",
    },
    "(?:但是?|不过|不過|然而)，?我(?:们|們)?(?:可以|能够|能夠|很?乐意|很?樂意|愿意|願意)|相反，|取而代之|替代"
    "|我(?:可以|很?乐意|很?樂意|愿意|願意)[^。，]{0,6}(?:帮|幫|提供|介绍|介紹|解释|解釋|分享)"
    "|如果(?:您|你)(?:愿意|願意|需要|想|希望)[^。，,]{0,6}[，,]我(?:们|們)?(?:可以|能)"
    "|(?<!不)(?:建议|建議)(?:您|你)",
)

JAPANESE: Final = _language(
    {
        "控え|できることでは|遠慮": "(?:お手伝い|お答え|回答|ご案内|ご提供|ご説明|ご協力)"
        "[^。！？!?\n]{0,4}(?:(?:差し)?控え|ご?遠慮)(?:ます|させて|いた)"
        "|(?:お手伝い|お答え)できること(?:では|じゃ)(?:ありません|ない)",
        "に反|違反": "(?:方針|ポリシー|ガイドライン|原則|倫理|規約)に(?:反し|反する|違反)",
        "れは|応で|応は|答で|容|情報|コンテンツ|行為|話題": ""
        r"(?:^|[。、\n])\s{0,4}それは(?:できません|しません|致しません|いたしません)(?!でした)"
        r"|(?:^|[。、\n])\s{0,4}(?:対応|回答|協力|支援)(?:は|を)?(?:できません|(?:いた|致)しかね)"
        "(?!でした)"
        "|(?:そのような|このような|その|この)(?:内容|情報|コンテンツ|行為|話題)"
        "[^。！？!?\n]{0,6}(?:提供|お話し|議論|説明|生成|作成|対応|回答|共有|手伝い|お伝え)(?:する)?(?:こと)?"
        "[はをが]?(?:できません|できかね|いたしかね|致しかね)(?!でした)",
        "ません|かね|断り": "(?:お手伝い|お答え|ご案内|お応え|お教え|ご提供|ご協力|ご説明"
        "|お力になる|ご支援|ご回答)"
        "[^。！？!?\n]{0,12}(?:できません|出来ません|できかね|いたしかね|致しかね)"
        "|(?:申し訳|すみません|ごめんなさい|恐れ入り|残念ながら)[^。！？!?\n]{0,40}"
        "(?:できません|出来ません|できかね|いたしかね|致しかね|かねます|お断り)"
        "|(?:その|この|そのような|このような)(?:ご?要求|ご?依頼|リクエスト|ご?質問)[^。！？!?\n]{0,12}"
        "(?:できません|かねます|できかね)|お断り(?:し|いた|致)",
    },
    "代わりに|代替|よろしければ|もしよ(?:か|け)れば|(?:ただし|しかし|ですが|ますが|(?<=せん)が)、[^。]{0,30}(?:できます|可能です)"
    "|(?:お手伝い|ご紹介|ご案内|ご説明)(?:します|いたします|できます)|(?:お|お)?(?:すすめ|勧め)します|ご相談ください",
)

KOREAN: Final = _language(
    {
        "싶지 않|일이 아": r"(?:돕고|도와드리고|답변(?:을)? ?(?:하고|드리고)|제공하고) 싶지 않"
        r"|도와드릴 수 있는 (?:일|것|주제)(?:이|은)? 아",
        "원칙|지침|정책|가이드라인": r"(?:제|저의|저희|우리) (?:\w+ )?"
        r"(?:원칙|지침|정책|가이드라인)에 (?:어긋|위배|반하|위반)",
        "않겠|드리지": r"그렇게 하지 않겠|(?:도움을?|답변을?|답변|도와) ?드리지 (?:못|않)",
        "없습|없어|없네": r"(?:그|이|그런|이런|이러한|그러한|해당) ?(?:정보|내용|요청|질문|작업)"
        r"[^.!?\n]{0,20}(?<!않을 )수(?:는|가)? 없|(?:그건|그것은|그런 것은) [^.!?\n]{0,12}"
        r"(?<!않을 )수(?:는|가)? 없",
        "없|못|어렵|불가|거절": ""
        r"(?:안타깝|아쉽)[^.!?\n]{0,40}(?:수(?:는|가)? 없|못합니다|어렵습니다)"
        r"|(?:드릴|도울|도와줄) 수(?:는|가)? 없"
        r"|(?:죄송|미안|유감)[^.!?\n]{0,40}(?:수(?:는|가)? 없|못합니다|못해|어렵습니다|불가)"
        r"|거절(?:합니다|하겠|할 수밖에|해야)",
    },
    r"대신(?:에)?\s|대안|(?:하지만|그러나|다만|대신),? [^.\n]{0,30}드릴 수 있|도와드리겠"
    r"|도와드릴 수 있|원하시면|원하신다면|지만,? [^.\n]{0,30}드릴 수 있"
    r"|도움이 필요하시면|(?:권장|추천)(?:합니다|드립니다)",
)

LATIN: Final = (ENGLISH, SPANISH, PORTUGUESE, FRENCH, GERMAN, ITALIAN, DUTCH)
"""Languages in the Latin script: their words tell which it is, and whether it is another."""

LANGUAGES: Final = (*LATIN, RUSSIAN, CHINESE, JAPANESE, KOREAN)
"""Every language with rules."""
