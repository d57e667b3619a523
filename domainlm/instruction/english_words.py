"""The words by which the rules for English sentences and headings judge.

Out: sets of lower-case words. They were collected by reading what was wrongly asked about manuals.
"""

from __future__ import annotations

from domainlm.instruction.asked import word_set

# words by which a clause means something outside it
ANAPHORA = word_set(
    "above aforementioned again another appendix below both case cases chapter earlier either example figure "
    "following former he her here him his i it its itself later latter let's me my neither next one ones other "
    "others our preceding previous same section she so such table that their them themselves there these they "
    "this those us we"
)
# of these the pronouns; the others are names of parts of a text
PRONOUNS = ANAPHORA - word_set("case cases example section chapter figure table appendix one both")
# first words of a sentence that goes on from the one before
POINTING_FIRST = word_set(
    "above accordingly additionally afterwards again all also alternatively and another as assuming at because "
    "below besides both but cf consequently consult conversely depending e.g eg either even except finally first "
    "firstly following for fortunately further furthermore given he hence her here here's his hopefully however i "
    "i.e ie in indeed instead it it's its lastly let let's likewise many maybe meanwhile moreover most my neither "
    "nevertheless next no nonetheless nor not now obviously often on one ones only or other others otherwise our "
    "perhaps please rather refer same second secondly see several she similarly so some sometimes still "
    "subsequently such suppose that their them then there there's therefore these they third thirdly this those "
    "thus too try unfortunately usually we where whereas which who with yet"
)
# first words of an order
IMPERATIVE = word_set(
    "add adjust allow always apply ask avoid be begin build call change check choose clear click close compare "
    "compile configure connect consider contact copy create define delete describe determine disable do don't "
    "download edit either enable ensure enter execute expect find follow get give go import include increase "
    "insert install invoke issue just keep leave list load look make measure modify move never note open pass "
    "perform place please prefer press provide put read reboot reduce remember remove repeat replace report "
    "restart return run save select send set simply skip specify start stop store switch take tell test try turn "
    "type uninstall update upgrade use verify view visit wait write"
)
# too general to be asked for alone: the file, the result
NOT_A_TERM = word_set(
    "administrator administrators advantage aim all alternative answer any anyone anything api application "
    "approach argument attempt attribute author authors benefit best care cause chapter choice class command "
    "consequence constant constructor content contents data default developer developers difference disadvantage "
    "document drawback each easiest effect error event every everyone everything example examples exception fact "
    "feature few field file first flag function goal guide how idea if information instance issue key kind last "
    "less library line lot main maintainers manual many method module more most much name none nothing number "
    "object only operation option order output package page parameter part people point possibility problem "
    "process program property purpose question reason rest result role rule second section set setting several "
    "side simplest solution some someone something step system task text thing third three tool topic tutorial "
    "two type use user users value variety version way what when whether whole why work you zero "
    "nobody everybody somebody anybody none"
)
# words that begin a sentence in upper case for no other reason
FUNCTION = word_set(
    "a after all an any as at because before both by during each every for from if in many most no of on once "
    "only several since some the three to two unless using when while with"
)
# finite verbs: what stands before the first of them is the subject
VERBS = word_set(
    "accepts adds affects aims allow allows appears applies are arose assumes became becomes began begins behaves "
    "belongs can cannot caused causes comes compares computes consist consists contain contains contributed "
    "controls converts corresponds could creates decides defines denotes depends describes detects determines "
    "developed did died displays do does enables ensures exist exists expects fails follows gave gives goes had "
    "handles happens has have helps holds implements implies include includes increases indicates inherits "
    "inhibits involves is keeps lacks leads led lets lies lists looks made maintains makes may means might must "
    "needs occur occurs offers performs prevents prints produces protects provide provides raises reads receives "
    "reduces refers remains removes replaces represents require requires resolves returns runs sees sends serves "
    "sets shall should shows specifies stands starts stores suffers supports takes tells tends took tries "
    "uses was were will won works would writes"
)
# first words of what is no subject
SUBORDINATING = word_set(
    "about according after although among as at because before between by despite due during for from given if in "
    "instead like on once over per since though through to under unless unlike until using via when whenever "
    "where whereas whether while with within without"
)
NOT_A_GERUND = word_set(
    "anything bring ceiling during evening everything morning nothing something spring string thing"
)
# first words of a clause without a subject: if set to no
BARE_CLAUSE = word_set(
    "absent applicable at called disabled empty enabled false for given in necessary needed not omitted on passed "
    "possible present required run running set specified to true used using with"
)
# after the verb: `is then reduced` goes on from the sentence before
CONTINUED = word_set("again hence instead nevertheless still then therefore thus too")
# words that compare with what was said before
RELATIVE = word_set(
    "alternative analogous appropriate comparable corresponding equivalent matching opposite possible relevant "
    "remaining respective resulting similar subsequent"
)
# last words of what is no subject
ADVERBS = word_set(
    "all already also always both each even hence just likewise never now often only still then therefore thus "
    "too usually"
)
# words after `To` that are no verb: to date, to the best
NOT_INFINITIVE = word_set("a an date end its my our some that the their these this what which")
# first words of a subject that only the text before names
VAGUE_FIRST = word_set(
    "best better care default easiest first last main only reason rest result second simplest third user"
)
