"""What an English sentence says that refuses, in the form that `words.folded` leaves.

A form is *stock* (nobody but an assistant says it of a request), *firm* (the speaker will not do
what assistants are asked to do) or *loose* (it may as well be a person's, about anything: another
sign has to be there that an assistant speaks of a request). `selfplay.core.refusals` weighs them.
Each block is one form a line; a line that is further indented goes on with the one before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

PARTS: Mapping[str, str] = {
    "<I>": r"""
    i ?(?:(?:\w+ly|still|also|just|simply|really) )*
    """,
    "<MACHINE>": r"""
    an? (?:[\w\-]+,? ){0,5}(?:ai|language model|assistant|computer program|program|chatbot|bot
      |model|machine
      |artificial intelligence)
    """,
    "<SOFTLY>": r"""
    (?:[,;]? ?(?:\w+ly|just|also|however|and will|in good (?:conscience|faith)|in any way
      |at this time|or will|be able to|do more to|though|then|still|or|nor|not|and|even
      |under any circumstances|on principle|at all|neither|always|ever|with confidence)\b,?)*
    """,
    "<CANNOT>": r"""
    (?:(?:can ?not|can't|cant|won't|will not|shouldn't|should not|must not|may not|am not going to
      |can never|will never|'ll never|'ll not|can neither|'m not going to|don't want to
      |am not about to|'m not about to|would not want to|wouldn't want to|wouldn't feel right)
      (?: be able to| be)?
      |(?:am|'m|are|'re|remain)(?: (?:\w+ly|also|just|still|sorry,? but|simply))* (?:unable
      |not(?: \w+ly)? (?:able|allowed|permitted|authori[sz]ed|equipped|supposed|programmed|designed
      |trained|qualified|licensed|here|willing|prepared|meant|built|made|configured|in a position
      |capable)
      |unwilling|incapable|forbidden|prohibited|restricted|barred)(?: to| from| of)?)
    """,
    "<SERVE>": r"""
    (?:assist|aid\b|help(?! (?:but|it\b|my\b|every|feeling|noticing|wondering|thinking|smiling
      |laughing|loving|admiring|being|with the (?:move|moving|party|dishes)))
      |provid|offer(?:ing)?\b(?! my)|giv(?:e|ing)\b(?! (?:up|away|in\b|back|it|him|her\b|them|the
      answer away|you (?:what|my|anything|everything)))
      |writ(?:e|ing)\b|compos|draft|generat|produc|creat(?:e|ing)|craft|design|develop|cod(?:e
      |ing)\b
      |implement|build\b|building|spell(?:ing)? (?:it|them|that|this) out
      |answer(?:ing)?\b(?! the (?:phone|door|bell))|respond|reply|comment|discuss
      |(?:speak|talk|chat)(?:ing)? (?:to you )?(?:about|on)\b|engag|participat
      |tak(?:e|ing) (?:part|(?:a )?(?:sides?|position|stance))|be (?:a )?part|be involved
      |involved in
      |fulfil|satisfy|comply|compl(?:ete|eting) (?:this|that|your|such)|carry out|perform (?:this
      |that|such)|process(?:ing)? (?:this|that|your|audio|images?|such)|support|endors|promot
      |encourag
      |facilitat|condon|contribut\w+ to|advis|instruct|guid(?:e|ing) you|teach|explain(?! why)
      |describe(?! how (?:happy|glad|much))|detail|outlin|list\b|listing|reveal|disclos|divulg
      |identif
      |expos|confirm|verif|predict|forecast|diagnos|prescrib|assess|evaluat|rank|impersonat
      |pretend to|(?:see|view|hear|open|read|play|watch|analy[sz]e|edit)(?:,? (?:or|and) \w+)?
      (?: (?:any|your|the|this|that|attached|uploaded))* (?:image|picture|photo|video|audio|file
      |link|pdf|attachment
      |document|screen|website|url|web ?page|music|song)
      |pretend you|pretend (?:that|i)|role-?play|act(?:ing)? (?:as|like|out)|adopt|assum(?:e
      |ing) the
      |proceed|continu(?:e|ing) (?:this|with|the|our|that|in)|go(?:ing)? (?:along|there)|cross\b
      |show(?:ing)? you|tell(?:ing)? (?:you|people)(?! (?:how (?:much|happy|glad|sorry|often|proud)
      |if|whether))|inform you|translat|summari[sz]|reproduc|recit|quote|display|access|brows
      |look(?:ing)? (?:it |that |this |them )?up|view(?:ing)?\b|open (?:that|this|links?|the link
      |files?)|watch (?:videos?|the)|listen|send(?:ing)? (?:e-?mails?|messages|texts)|search
      |plac(?:e|ing) (?:orders?|calls)|hack|bypass|glorif|prais|mock|insult|ridicul|demean|sexuali
      |mak(?:e|ing) (?:that|this|such|claims|jokes|fun|light|any|phone|calls|predictions|medical
      |legal
      |derog|offens|statements|a (?:weapon|bomb|fake))|form (?:personal opinions|opinions
      |an opinion)|express
      |shar(?:e|ing)\b(?! (?:your|his|her|their|the) (?:view|opinion|enthusiasm|joy))|publish
      |distribut
      |spread|speculat|present (?:that|this|such)|justif|defend|argu\w+ (?:for|that|in)|validat
      |legitim
      |normali[sz]|trivial|depict|portray|includ|elaborat|imitat|simulat|fabricat|invent|attribut
      |misrepresent|mislead|deceiv|lie (?:to|about)|put a (?:positive )?spin
      |draw\w*|sing\b|paint|forg(?:e|ing)\b|falsif
      |plan(?:ning)? |point(?:ing)? you|direct(?:ing)? you|walk(?:ing)? you|link(?:ing)? (?:you|to)
      |locat
      |track|find(?:ing)? (?:where|out who|someone|people|that person|private|personal)|spy|guess
      |reset|refund|issu(?:e|ing)|grant (?:your|this|that|you)|honou?r|accommodat|entertain (?:this
      |that|such)
      |judg(?:e|ing) (?:your|you)|do(?:ing)? (?:that|this|so|what you|your|it for|it$|anything|such
      |things)|accept (?:this|that) (?:request|task)|obtain|repeat (?:that|this|slurs?|those)
      |rat(?:e|ing) (?:people|women|men)|interpret (?:your|medical)|solicit|recommend (?:a (?:dos
      |specific|particular)|any|specific|that you|medic|treat|one (?:candidate|party)|doses?)
      |remember (?:past|previous|earlier|our|your)|be of (?:help|assistance)
      |pursue|deliver (?:that|this)|release|hand out|render|supply|furnish|cater|meet (?:this|that
      |your)
      |execut|run (?:this|that|code|your)|collaborat|associat|play (?:along|music|songs?|audio
      |that)|sing for)
    """,
    "<IDIOM>": r"""
    (?!.*\b(?:enough|too (?:much|strongly|highly)|more highly|strongly enough|without (?:using
      |smiling|laughing|thinking|crying|feeling)|here for (?:lack|want))\b)
    """,
    "<RULES>": r"""
    (?:guidelines?|polic(?:y|ies)|programming|principles|instructions|developers|training|rules
      |ethics
      |terms(?: of (?:service|use))?|standards|values|scope|safeguards|protocols?|boundaries|limits
      |restrictions|commitment|constraints)
    """,
    "<ASKED>": r"""
    (?:request|question|prompt|topic|task|query|content|conversation|subject|message|matter|inquiry)
    """,
    "<WRONG>": r"""
    (?:inappropriate|unethical|irresponsible|wrong|illegal|dangerous|unsafe|improper|unwise|unfair
      |harmful|reckless|against the law|(?:not|n't|never|n't be|not be) (?:\w+ly )?(?:appropriate
      |right
      |ethical|responsible|proper|okay|ok|acceptable|wise|fair|safe|possible|legal|moral))
    """,
    "<SERVING>": r"""
    (?:providing|sharing|giving|creating|writing|generating|helping|listing|explaining|answering
      |assisting|publishing|reproducing|producing|offering|doing|making|discussing|fulfilling
      |complying|complying with|spreading|promoting|content that|responses that)
    """,
}

STOCK = r"""
    ^(?:sorry|apologies|thanks),? (?:but )?no$|\b(?:outside|beyond) the (?:scope|range
      |limits) of my\b
    \b<I><CANNOT><SOFTLY> help you (?!today|tonight|on\b|move|with the|feel)\w+
    \b(?:this|the|our) (?:tool|bot|assistant|service|system|model)\b.{0,20}(?:<CANNOT>|\b(?:isn't
      |is not|is) (?:un)?able)
      .{0,20}\b<SERVE>
    \b(?:i|we)\b.{0,30}\b(?:decline|refuse|refusing|declining) to (?:write|assist|help|provide
      |generate|create|produce|answer|engage
      |fulfil|comply|respond|share|give|participate|discuss|offer|make)
      |\b<I><CANNOT><SOFTLY> identify (?:the )?(?:people
      |person|individual|anyone|someone|real)
    \b<I><CANNOT><SOFTLY> (?:writ(?:e|ing) (?:that|this|a|an|the|any|such|content|code|jokes
      |\w+ly)\b(?! (?:down|any ?more|here))|generat|creat(?:e|ing) (?!a life)|draft|compos
      |role-?play
      |depict|engag|condon|glorif|includ|(?:help|assist)(?: you)?(?: with)? (?:writ|draft|craft
      |generat|compos|produc|creat|mak|build|plan|cheat)
      |provid\w+ (?:you )?(?:with )?(?:\w+ |\w+-\w+-?\w* ){0,3}(?:instructions?|information
      |guidance|advice|content
      |details|assistance|support|recipes?|code|steps|tips|methods|responses?)|make (?:derogatory
      |offensive
      |jokes|fun|claims|statements))
    \b<I><CANNOT><SOFTLY> (?:help|assist)(?: you)?(?: out)?(?:,? (?:with|in|on|to do) (?:that|this
      |it
      |your|any|such|requests?|anything|either|creating|writing|making|hacking|illegal|harmful|or)\b
      |$|,| (?:there|here)\b)
    \b<I><CANNOT><SOFTLY> (?:fulfil\w*|comply|satisfy|accommodate|process|complete|grant|honou?r
      |answer
      |respond to|engage with|proceed with|continue with)\b.{0,40}\b<ASKED>
    \b<I><CANNOT><SOFTLY> (?:fulfil|comply)
    \bas (?:a|an) (?:\w+[ -]){0,5}(?:ai|language model|assistant|model
      |chatbot)\b.{0,60}\b<I><CANNOT><SOFTLY> <SERVE>
    \b(?:my|our|openai's|anthropic's|google's) (?:\w+ ){0,2}<RULES>(?: and \w+)? (?:do not|don't
      |does not
      |doesn't|prevents?|prohibits?|forbids?|stops?|keeps? me|bars?|says? no|rules? (?:it|that
      |this) out
      |won't|will not|would not|restricts?|limits?|preclud\w+|compels?|requires? (?:me|that i))
    \b(?:violat\w+|goes against|go against|(?:is|are|be|runs|'s) (?:against|contrary to)|breach\w*
      |conflicts? with|contraven\w+|at odds with|outside) (?:of )?(?:(?:my|our|openai's)
      (?: [\w\-]+){0,2}|(?:the |its |your )?(?:content|usage|safety|community|use|acceptable use
      |ethical|use-case|service))(?: and \w+)? ?<RULES>\b
    \bnot within my (?:programming|guidelines|capabilit)
    \b(?:your|this|that|such an?) <ASKED>s? (?:(?:has
      |have) been |is |was |cannot be |can't be |can not be
      |could not be |will not be )(?:denied|declined|refused|rejected|blocked|fulfilled|granted
      |completed
      |processed|answered|honou?red|accommodated|met)
    ^<ASKED> (?:denied|declined|refused|rejected|blocked)\b
    \bi(?: am|'m|'ve been| was| have been| have to be)? ?(?:just |only )?an? (?:\w+[ -]){0,4}(?:ai
      |language
      model|assistant|model|chatbot)\b.{0,40}\b(?:cannot|can't|unable|not able|don't have access)\b
    \b(?:beyond|outside|exceeds)(?: of)? (?:what i(?:'m| am| can)|the (?:scope|bounds) of what i
      |my (?:current )?(?:abilities|capabilities|scope|remit|boundaries|role|expertise|competence))
"""
FIRM = r"""
    \bi (?:do not|don't) <SERVE>|\bi (?:do not|don't|cannot|can't) (?:retain|store|keep|save
      |rate) (?:any |your )?
      (?:memor|conversation|information|data|people)
    \bnot my (?:place|job|role)\b|\bi (?:am|'m|was) not (?:built|made|designed|trained|programmed
      |created) (?:to|for)\b
    \b(?:something|anything|one)(?: that| which)? (?:i|we)(?:'m| am|'ll| will|'d)? ?(?:<CANNOT>
      |not\b|decline
      |refuse)
    \bdraw (?:a|the|my) (?:\w+ )?line\b|\bstep (?:back|away) from this\b|\b(?:stay|keep
      |steer) (?:away from
      |clear of|out of) (?:that|this|craft\w*|<SERVE>)|\ba no from me\b|\bi(?:'m| am) (?:out
      |opting out)$
    \bkeep (?:our|this|the) (?:conversation|chat|discussion|things) (?:respectful|appropriate|safe
      |civil|clean)
    \b(?:response|prompt|request|message|content|input|query|chat)\b.{0,30}\b(?:filtered|flagged
      |blocked|removed
      |withheld|restricted)\b|\bno answer can be given\b
    \bnot sure how to (?:approach|answer|respond to|handle) (?:this|that|your)
    \b<I><CANNOT><SOFTLY> <IDIOM><SERVE>
    \bwe ?<CANNOT><SOFTLY> (?:help(?! but)|assist|provid|shar|fulfil|answer your|respond to your
      |comply|process
      (?:this|your|that|such)|discuss|give (?:you|out)|reveal|release|accommodat|disclos
      |handle (?:this|your|such)
      |support (?:this|your|that|such))
    \bi(?:'m| am) (?:declining|refusing|passing|bowing out|saying no|drawing)\b
    \boff the table\b|\bleave (?:it|this|that) unanswered|\b(?:no|any|get) help from me\b
      |\bwill not be (?:provided
      |answered|fulfilled|shared|given|generated|created)\b|\bhow about (?:we|i) don't\b|\b(?:let's
      |let us) not\b
    \bi (?:do not|don't) have (?:any |the |that |specific |personal )*information
    ^(?:no,? |but |sorry,? |so )*<I><CANNOT>$
    (?:sorry|afraid|model|assistant|ai|program|chatbot|\w+ so|therefore|and|but|tool|no
      |nope),? (?:but
      )?<CANNOT><SOFTLY> (?:help (?:you )?with|assist|answer|fulfil|comply|do (?:that|this)
      |provide)\b
    ^(?:no[,.] )?(?:(?:so|very|really) )?(?:sorry|apologies)?,? ?(?:but )?<CANNOT> (?:do (?:that
      |this
      |it)|help(?: you)?(?: with (?:that|this|it))?|assist|answer)\b
    \b(?:can|could|will|would|do) (?:in )?no (?:way |longer )?(?:help|assist|provide|answer)\b
    \bi (?:(?:do not|don't|currently lack|lack) (?:\w+ )?(?:have|possess)?|have no) ?(?:the|any
      |direct
      |real-time|live)? ?(?:ability|capability|capacity|means|permission|authority|access
      |authori[sz]ation) (?:to|of)\b
    \bi (?:do not|don't) (?:\w+ )?have (?:real-time|live|up-to-date|internet|web|browsing)
    \bi (?:have no|(?:do not|don't) have (?:a|any)) way (?:to|of)\b
    \b(?:i|ai|model|assistant|chatbot)(?: and| who| that)? (?:do not|don't|never) (?:provide|offer
      |generate|engage|produce|assist|participate|facilitate
      |endorse|promote|condone|role-?play|speculate|do that|discuss|create (?:content|that)|take
      (?:sides|part)|comment|help with|make (?:jokes|fun)|support (?:any|violence))\b
    \bi (?:try|aim|prefer|choose|have) to (?:avoid|refrain from|abstain from|stay away from) <SERVE>
    \b(?:i|we)(?:'ll| will|'m going to| am going to|'d| would|'ve| have)? ?(?:must|have to|need to
      |got to
      |had to|choose to|going to)? (?:(?:\w+ly) )*(?:decline(?! to believe)|refuse(?! to (?:believe
      |accept that|give up))|refrain from
      |abstain|pass on (?:this|that|it|\w+ing)|turn (?:this|that|it|you) down|turn down (?:this
      |that|your)
      |say no|opt out|sit (?:this|that|it) (?:one )?out|leave (?:this|that|it|them) (?:one )?out
      |skip (?:this|that) (?:one|part|request)|stay out of|steer clear)
    \bi(?:'ll| will) have to (?:stop|leave it|end (?:this|our|the)|draw the line|sit out)
      |\bneed to decline
    \bi(?:'d| would)?(?: really| much)? (?:rather|prefer)(?: that we)? not(?:$| to$
      |(?: to)? (?!be\b|go\b|have|eat
      |drive|walk|wear|come|live|use|buy|wait|miss|risk|mind)\w)|\bi(?:'d
      | would)?(?: really)? prefer to avoid\b
    \bnot an? (?:appropriate|suitable|acceptable) (?:question|request|topic)
    \bcontent\b.{0,20}\bnot (?:allowed|permitted|appropriate)|\blearning how to (?:answer|respond)
    \bonly (?:able to )?(?:help|answer|assist|discuss|respond|talk|speak)\b.{0,30}\b(?:with|about
      |questions|our)\b
    \bi (?:do not|don't) have any (?:opinion|access|knowledge|feeling|emotion|view)
      |\b(?:i )?have no (?:\w+ )?(?:information
      |opinion|access|knowledge|feeling|emotion|view|preference)
    \bi(?:'m| am|'d be| would be) (?:not (?:\w+ )?comfortable|uncomfortable)\b
    \bi (?:do not|don't|would not|wouldn't) feel (?:\w+ )?(?:comfortable|right|at ease)
    \bi (?:do not|don't) (?:think|believe|feel)(?: that)?(?: it(?:'s| is
      | would be))? ?(?:i (?:should|can
      |could|ought|may)|right|appropriate|ethical|proper|responsible)
    <WRONG> (?:for|of) (?:me|us)\b(?! to (?:say|claim|pretend that|assume))
    (?:\bnot|n't) (?:be )?appropriate for (?:me|us)\b|(?:\bnot |n't |\bim)possible for me to\b
    \bi (?:do not|don't) (?:wish|want) to (?:continue|discuss|answer|help|talk|take part|be part
      |engage)
    (?:\bnot|n't) (?:really )?(?:something|a (?:topic|subject|request|conversation|thing|task|line)
      |anything|what)(?: that| which)? (?:i|we)(?:'m| am| can| do\b|'d| would| will|'ll)
    (?:request|topic|subject|question|thing|one|line|task|area) (?:that )?i (?:can't|cannot|won't
      |will not
      |have to (?:decline|sit out)|'ll have to sit out|must decline)
    \bi'll have to sit out\b|\bout of my hands\b|\bmy hands are tied\b|\bno can do\b
    \b(?:nothing|no way)(?: that)? i can(?: do| offer| say)?\b
    \bi(?:'m| am|'ve been| was| have been) (?:programmed|designed|trained|built|instructed|set up
      |configured
      |told|made|created|meant)\b.{0,60}(?:\bnot to\b|\bto (?:avoid|decline|refuse)\b|\bso no\b)
    \bnot (?:possible|permitted|allowed)\b.{0,30}\b(?:copyright|polic(?:y|ies)|guidelines|privacy
      |safety
      |ethical|confidential)
    \bbreach (?:the )?(?:confidentiality|privacy|trust)\b.*\bi\b
    \b(?:sorry|unfortunately|apologi[sz]e)\b.*(?:\bnot|n't) (?:allowed|permitted)$
    \b(?:let's|let us|can we|could we|shall we|why don't we|how about we|perhaps we could
      |i suggest we
      |we should) (?:please )?(?:talk about something (?:else|different)|change the (?:topic
      |subject)\b(?!
      of)|move on to (?:something|another)|discuss something else)
    \b(?:i'm|i am) (?:going to have to )?(?:stop|pass)(?:ping|ing)? (?:here|on this|on that)
    ^(?:absolutely not|no way|hard no|nope)(?:$|,? (?:not|i|sorry)\b)
    \bi(?:'m| am) not (?:allowed|permitted|able|authori[sz]ed)(?: to)?$|\bi don't do (?:that|this)\b
    ^(?:so |very )?sorry,? (?:but )?not (?:able|allowed|permitted|possible|going) (?:to|for)\b
    \b(?:do not|don't) know how to help\b|\bi(?:'m| am) ending (?:it|this|our|the)
    \bi(?:'m| am)? ?(?:do not|don't|<CANNOT>) (?:provide|offer
      |give) (?:\w+,? (?:or )?){0,3}(?:advice
      |opinions?|diagnos[ei]s|recommendations)\b
    ^(?:i'm )?not doing (?:that|this)\b|\bi(?:'m| am) not (?:doing|participating in|helping|writing
      |getting
      into|touching|entertaining|engaging)\b
    \bnot going to happen\b|^not happening\b|\bdoesn't sit right with me\b
    \bi(?:'m| am) (?:not a|no) (?:\w+ )?(?:doctor|lawyer|physician|therapist
      |professional)\b.*\b<I><CANNOT>
    \b<SERVING>\b.{0,70}\b(?:goes|go|is|are|would be|would go|runs?) against (?:my|our|the)\b
"""
LOOSE = r"""
    \b(?:neither|nor) (?:can|will|could|do|would) i\b
    \b(?:as|being|i am|i'm)(?: just| only)? <MACHINE>\b.{0,60}\b(?:cannot|can't|not|don't|no|unable
      |never will)\b
    \b(?:obligated|obliged|must|have|need|compelled|important)(?: \w+ly)? to (?:inform|remind
      |point out|warn|tell
      |emphasi[sz]e|stress|note|clarify)\b|\bmust (?:\w+ly )?(?:inform|remind|point out|warn
      |emphasi[sz]e|advise)
    \b<I><CANNOT>$
    \b(?:let's|let us) (?:chat|talk|focus|discuss|stick|keep|explore|move)\b
    \b<I><CANNOT><SOFTLY> <IDIOM>\w
    \bi (?:do not|don't|never) (?:<SOFTLY> )?(?:write|tell|do|give|share|answer|create|make|help
      |produce|have
      (?:personal|opinions|preferences|feelings|beliefs|information|any|a (?:personal|favou?rite)
      |the
      (?:information|data|tools))|see any|hold|possess|experience|form|take)\b
    \bas (?:a|an) (?:\w+[ -]){0,5}(?:ai|language model|assistant|model)\b.{0,40}\b(?:do not
      |don't) have\b
    \bit(?:'s| is| would be| wouldn't be| isn't| 's)? (?:also )?<WRONG>(?:,? (?:or|and
      |nor) \w+)? (?:for anyone |for \w+ )?to (?:<SERVE>|\w+ (?:others|people|someone|anyone))
    \b<SERVING>\b.{0,80}\b(?:would|could|may|might|is|are) (?:also )?(?:be )?(?:<WRONG>|contribut
      |caus|harm
      |violat|promot)
    \bthat would be <WRONG>
    \b(?:strongly|cannot|must) (?:advise|urge|discourage|warn)\w*\b.{0,20}\bagainst\b
    \b(?:rests? on|based on|relies on) (?:a )?(?:harmful|racist|sexist|offensive|hateful)[ ]
    \bthis (?:falls|lies) outside\b
"""
"""Blocks of forms, strongest first."""


def lines(block: str) -> list[str]:
    """The forms of a block."""
    joined = re.sub(r"\n {6}(?![|(])", " ", block.rstrip("\n "))
    joined = re.sub(r"\n {6}", "", joined)
    return [form for form in joined.split("\n    ") if form.strip()]


def compiled(block: str) -> tuple[re.Pattern[str], ...]:
    """The forms of a block with their parts in place."""
    forms = []
    for form in lines(block):
        for name, part in reversed(tuple(PARTS.items())):
            form = form.replace(name, lines(part)[0])
        forms.append(re.compile(form))
    return tuple(forms)
