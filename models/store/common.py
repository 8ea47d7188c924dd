"""Pure: words that say little in any collection, however small.

In a collection of one document every word stands in all of it, and none tells. So each lexeme is
given a share of texts that hold it anyhow, by three classes; ``terms.Frequencies`` mixes that with
what it counts as if it had come from ``BACKGROUND`` further texts.
"""

from __future__ import annotations

from functools import cache

from models.store import lexical

BACKGROUND = 300  # texts whose counts the shares stand for
GRAMMAR, EVERYDAY, OTHER = 0.4, 0.03, 0.001  # of those texts, the share that holds such a word

_GRAMMAR = {
    "en": """a about after all also am an and any are as at be been before being between both but by
        can could did do does doing during each few for from had has have having he her here hers
        him his how i if in into is it its just let may me might more most must my no nor not of off
        on once only or other our out over own please same she should so some such than that the
        their them then there these they this those through to too under until up us very was we
        were what when where which while who whom whose why will with would you your yours im ive
        whats wheres whos hows dont cant isnt doesnt there's""",
    "es": """el la los las un una unos unas de del al a ante con contra desde en entre hacia hasta
        para por según sin sobre tras y e o u ni que qué como cómo cuando cuándo donde dónde quien
        quién quiénes cual cuál cuáles cuanto cuánto cuánta cuántos cuántas es son ser está están
        estoy fue era hay ha han he tengo tiene tienen puedo puede debo debe se me te nos le les lo
        mi tu su sus mis nuestro nuestra este esta esto ese esa eso no sí más muy ya también si""",
    "de": """der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine
        ich du er sie es wir ihr mich mir dich dir uns euch mein meine meinen dein sein seine unser
        unsere ihre was wer wen wem wann wo wohin woher wie warum wieso welche welcher welches
        welchem welchen viel viele ist sind war waren wird werden wurde hat haben habe kann können
        muss müssen darf soll für von vom zu zum zur mit auf an am in im aus bei nach vor über unter
        um ab bis durch gegen ohne dass wenn als auch nur noch schon sehr so man lange lautet""",
    "fr": """le la les l un une des de du d à au aux et ou mais ne pas n plus que qu quoi qui quel
        quelle quels quelles quand où comment pourquoi combien est sont être était ai a ont as avoir
        il elle ils elles on nous vous je j tu me m te se s lui leur leurs mon ma mes ton ta tes son
        sa ses notre nos votre vos ce c cet cette ces dans en sur sous pour par avec sans chez entre
        vers y très aussi si peut puis-je dois doit faut""",
    "it": """il lo la i gli le un uno una di a da in con su per tra fra del della dei delle al alla
        dal nel nella sul e o ma non che chi cosa quando dove come perché quanto quanta quanti quale
        quali è sono era ho ha hanno posso può devo deve si mi ti ci vi mio mia suo sua nostro
        questo questa quello più molto anche se""",
    "pt": """o a os as um uma de do da dos das em no na nos nas por para com sem sobre entre até e
        ou mas não que quem quando onde como porque quanto quantos qual quais é são ser está estão
        foi tem tenho posso pode devo deve se me te nos meu minha seu sua nosso este esta isso mais
        muito também""",
    "nl": """de het een en of maar niet geen ik je jij hij zij wij we u jullie mijn jouw zijn haar
        ons onze hun wat wie wanneer waar hoe waarom welke welk hoeveel is zijn was waren wordt
        heeft hebben heb kan moet mag van voor met op aan in uit bij naar over onder om tot door
        zonder dat dit die deze er ook nog al zeer""",
}
_EVERYDAY = """able allow answer anyone anything ask available back become begin best better bring
    call came cause change check come company contain correct day different end ever every example
    explain fast find first follow following gave get give given go going good great happen happens
    hello help hi high hour hours include keep kind know last late later latest least less like
    list long look lot made main make many mean means minute month much name need needed needs never
    new next now number often old one open our part people person place point possible put question
    really right run said say see set show small start still stop take tell thank thanks thing
    things think time today tomorrow try two type use used using usually want way week well went
    work working works year years yes yesterday cuesta dice hacer hola hora gibt heute hallo danke
    jahr tag uhr bonjour merci faire jour año día días"""
# Signs of Chinese grammar, questions and courtesy: a bigram with one of them is common.
_SIGNS = frozenset(
    "的了是在吗嗎呢哪什么麼怎几幾谁誰多少我你您他她们們这這那需要请請"
    "如何为為被有和与與及或也都就不每个個"
)
_KANA = range(0x3040, 0x30A0)  # hiragana: the endings and particles of Japanese


@cache
def _shares() -> dict[str, float]:
    shares = dict.fromkeys(lexical.lexemes(_EVERYDAY), EVERYDAY)
    return shares | dict.fromkeys(lexical.lexemes(" ".join(_GRAMMAR.values())), GRAMMAR)


@cache
def _languages() -> tuple[frozenset[str], frozenset[str]]:
    english = frozenset(lexical.lexemes(_GRAMMAR["en"] + _EVERYDAY.split("cuesta")[0]))
    others = (words for language, words in _GRAMMAR.items() if language != "en")
    return english, frozenset(lexical.lexemes(" ".join(others)))


def share(lexeme: str) -> float:
    """The share of texts in general that hold ``lexeme``, very roughly."""
    if len(lexeme) <= 2 and (_SIGNS.intersection(lexeme) or all(ord(c) in _KANA for c in lexeme)):
        return GRAMMAR
    return _shares().get(lexeme, OTHER)


def foreign(question: str) -> bool:
    """Whether ``question`` is rather in another language than English."""
    if lexical.mostly_unspaced(question):
        return True
    words = set(lexical.lexemes(question))
    english, others = _languages()
    return len(words & others) > len(words & english)
