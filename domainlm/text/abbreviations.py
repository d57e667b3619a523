"""Words that end with a full stop within a sentence, by language.

Out: three classes of abbreviations, and words that begin a sentence. A text may hold several languages (a German text
cites English ones), so sentences are cut by all tables at once; the languages only keep the tables readable. Words are
compared with their case, because `Art. 5` is an abbreviation and `a work of art.` is not.
"""

from __future__ import annotations

from types import MappingProxyType

# always followed by what they belong to, whatever the next word is: Dr. No, e.g. The first
CONTINUING = MappingProxyType(
    {
        "en": "Mr Mrs Ms Messrs Dr Drs Prof Fig Figs fig figs Eq Eqs eq eqs Ref Refs e.g i.e cf Cf viz vs v.s resp approx incl "
        "esp ca Thm Hon Rev Capt Lt Sgt Gen Col Maj Gov Sen Adm Com Supt",
        "de": "z.B z.b d.h D.h Z.B u.a Abb Tab vgl Vgl bzw ggf evtl inkl exkl sog insb Hr Fr Hrsg Nr Nrn Bd Ziff Kap Dipl Mio Mrd "
        "Anm Aufl Abs i.d.R o.g s.o s.u",
        "fr": "M MM Mme Mmes Mlle Mgr p.ex c.-à-d cf env chap",
        "es": "Sra Srta Dra D.ª p.ej pág págs núm aprox cap",
        "it": "Sig Sigg Dott Prof.ssa p.es pag pagg",
        "pt": "Dra Exmo p.ex pág núm aprox",
        "nl": "dhr mevr bijv d.w.z o.a blz",
        "ru": "т.е рис стр табл им",
    }
)
# followed by a number: No. 5, p. 3, Art. 12
BEFORE_NUMBER = MappingProxyType(
    {
        "en": "No Nos no nos p pp Sec Sect sec Ch ch Chap chap Vol Vols vol Art Arts art Par par ed Ed Tab tab Def Prop Lem Lemma App"
        " v ver n St Stat Reg Cl cl para paras Para Paras ref refs",
        "de": "S Art § Rn Rz Str Hausnr Jh Jg",
        "fr": "no n° art fig vol",
        "es": "art vol fig n.º",
        "it": "art vol fig n",
        "pt": "art vol fig n.º",
        "nl": "nr art",
        "ru": "гл п ст",
    }
)
# may end a sentence, too: they do where the next word begins one (U.S. The court, but U.S. Food and Drug Administration)
CLOSING = MappingProxyType(
    {
        "en": "Inc Ltd Co Corp Bros LLC Jr Sr Esq Ph.D M.Sc B.Sc M.Phil Ed.D Dipl.-Ing al etc St Ave Blvd Rd Mt Ft Dept Univ Assn Est"
        " est Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun max min avg seq spp sp var"
        " subsp ft lb lbs oz hr hrs misc Govt Intl Nat",
        "de": "usw u.s.w u.v.m Mär Mai Okt Dez Std Min Sek Tsd GmbH e.V",
        "fr": "etc janv févr avr juil sept déc av apr J.-C",
        "es": "etc Ud Uds Sr ene abr dic S.A",
        "it": "ecc S.p.A",
        "pt": "etc Ltda S.A",
        "nl": "enz B.V N.V",
        "ru": "т.д т.п г гг др в вв",
    }
)
# words that begin a sentence far more often than they go on after an abbreviation
STARTERS = MappingProxyType(
    {
        "en": "The A An It Its He She They We You I This That These Those There Here In On At For From With By As If When While Where"
        " Although Though Because Since After Before During Until Under Over But And Or Yet So However Therefore Thus Hence Then Also"
        " Moreover Furthermore Finally First Second Third Many Most Some Several Each Every All Both Neither No Not Now Today Later"
        " To Such Other Others Another One Two Three His Her Their Our My Your What Which Who Whose How Why Is Are Was Were Do Does Did"
        " Can Could May Might Will Would Should Must Let Note See Only Even Once Unlike Like Despite Instead Nevertheless Meanwhile"
        " Mr Mrs Ms Dr Prof About Between Through Without Within Upon Whether Any Few Much More Less Please",
        "de": "Der Die Das Dem Den Des Ein Eine Einer Einem Einen Es Er Sie Wir Ich Ihr Im Am Bei Mit Von Vom Zu Zum Zur Auf Aus Nach"
        " Seit Für Wenn Weil Da Als Auch Aber Und Oder Doch Diese Dieser Dieses Diesem Jede Jeder Jedes Alle Nur So Dann Damit Hier"
        " Wer Was Wie Wo Warum Ist Sind War Hat Kann Man",
        "fr": "Le La Les L Un Une Des Du Il Elle Ils Elles On Ce Cette Ces En Dans Pour Par Avec Sur Mais Et Ou Donc Si Quand Comme",
        "es": "El La Los Las Un Una Él Ella Ellos En De Para Por Con Sobre Pero Y O Si Cuando Como Este Esta Estos Estas Se No",
        "it": "Il Lo La I Gli Le Un Una È Egli Ella Essi In Di Per Con Su Ma E O Se Quando Come Questo Questa Si Non",
        "pt": "O A Os As Um Uma Ele Ela Eles Em De Para Por Com Sobre Mas E Ou Se Quando Como Este Esta Não",
        "nl": "De Het Een Hij Zij Ze Wij We In Op Van Voor Met Maar En Of Als Toen Dit Deze Dat Er",
        "ru": "Он Она Они Это В На По С Но И Если Когда Для",
    }
)
# days and months follow a time of day: 9 a.m. Monday; so do zones
DATES = MappingProxyType(
    {
        "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun January February"
        " March April June July August September October November December Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec",
        "zones": "GMT UTC EST EDT CST CDT MST MDT PST PDT CET CEST ET PT CT MT BST",
    }
)
TIMES = frozenset(("a.m", "p.m", "A.M", "P.M"))


def all_of(table: MappingProxyType[str, str]) -> frozenset[str]:
    """The words of every language."""
    return frozenset(word for words in table.values() for word in words.split())
