"""What stands around a refusal: who speaks, of what, and whether help follows.

Patterns on texts in the form that `words.folded` leaves.
"""

from __future__ import annotations

import re

REPORTED = re.compile(
    r"\b(?:the|an?|he|she|[a-z]+), (?:says|said|whispers|whispered|replies|replied|writes|wrote)\b"
    r"|, (?:the \w+ |he |she |we |they |i )?(?:says|said|asks|asked|replies|replied|writes|wrote"
    r"|whispers|whispered|told|dice|dijo|dit|disse|sagte?|schreibt|сказал[аи]?)\b"
)
"""Says that a sentence is somebody else's."""
DRAFT = re.compile(
    r"\b(?:here(?:'s| is| are)|you (?:could|can|might|may) (?:write|say|reply)|sample|draft"
    r"|example|e-?mail|letter|translat\w+|story|dialogue|poem|song|script|reads?|(?<!i )says?|said"
    r"|repl(?:y|ies|ied)|wrote|subject|dear|motto)\b[^.!?\n]{0,40}:(?!\s*\"\")"
    r"|^\W{0,8}(?:hola|bonjour|bonsoir|salut|hallo|ciao|ol[aá]|oi),? \w+[,!]"
    r"|\A\W{0,8}thank(?:s| you)(?: \w+){0,2} for (?:your|the|inviting|considering"
    r"|offering)\b[^.!?\n]{0,30}"
    r"\b(?:interest in|invitation|application|offer|submission|me)\b"
    r"|^(?:dear|subject:|(?:hi|hey|hello) (?!there|and|again|everyone|i\b|i'm)\w+[,!]) ?"
    r"|^(?:to whom it may concern|尊敬的|亲爱的|敬愛的|liebe[rs]? \w+,|sehr geehrte"
    r"|ch[eè]re?s? \w+,"
    r"|madame,|monsieur,|estimad[oa]s? |querid[oa]s? |gentile |car[oa] \w+,)",
    re.MULTILINE,
)
"""Announces words that are to be somebody else's."""
DIALOGUE = re.compile(r"^\W{0,8}(?!note|ps)\w+:\W[^\n]{0,400}[.!?*)\n]\W{0,8}\w+:\W", re.MULTILINE)
SIGNED = re.compile(
    r"^\W{0,8}(?:(?:best|kind|warm|with|many|all my|sincere)\w* )?(?:regards|wishes|love|thanks"
    r"|cheers|best"
    r"|sincerely|yours(?: \w+)?|respectfully|gratefully|hugs|xoxo|mit freundlichen grüßen"
    r"|(?:herzliche|viele|liebe) grüße|cordialement|bien à vous|atentamente|saludos|un abrazo"
    r"|此致),?\W{0,8}$",
    re.MULTILINE,
)
"""The end of a letter."""
SCENE = re.compile(
    r"(?<!\*)\*(?!\*)(?:\w+s)\b[^*\n]{0,60}\*(?!\*)|^\((?:\w+s|\w+ing)\b[^)\n]{0,40}\)"
    r"|,\n(?=\w)|\A\W{0,8}(?:hey|guys|folks|team|mate|darling|dear \w+|sorry mate)\b"
    r"|\b(?:he|she|they) (?:said|asked|looked|stood|stared|walked|turned|smiled|nodded|left"
    r"|whispered"
    r"|laughed|sighed|shook|replied|told|closed|opened|took)\b"
    r"|, (?:dear|lad|lass|love|darling|my (?:lord|lady|friend|child|king|queen|dear|love|liege)"
    r"|sir|madam"
    r"|ma'am|son|kid|dude|mate|honey|sweetheart|buddy|bro|mom|mum|dad|traveler|stranger"
    r"|captain)\b[,.!?]",
    re.MULTILINE,
)
LIFE = re.compile(
    r"\b(?:tonight|tomorrow|this (?:time|evening|weekend|week|morning|afternoon)|on (?:mon|tues"
    r"|wednes|thurs|fri"
    r"|satur|sun)day|next (?:week|month|time)|(?:until|before|after) \w+day|come (?:to|over|by"
    r"|along|in|with)\b"
    r"|make it\b|attend|be there|join you|prior (?:commitment|engagement)"
    r"|my (?:boss|mom|mum|mother|dad|father|wife|husband|girlfriend|boyfriend|kids?|son|daughter"
    r"|cat|dog|heart"
    r"|house|home|car|team|manager|family|life|love|schedule|plate|budget|knee|back|train|flight"
    r"|shift|grandm\w+))\b"
)
"""What a person speaks of, and no assistant of itself."""
SIGN = re.compile(
    r"\ban? (?:[\w\-]+,? ){0,5}(?:ai|language model|assistant|chatbot|bot|computer program)\b"
    r"|\b(?:ai|language|text) (?:\w+ )?(?:model|assistant)\b|\bfor you\b|\b(?:medical|legal"
    r"|financial|tax) advice\b"
    r"|\bmy (?:knowledge|instructions|training|programming|configuration|system|guidelines|rules"
    r"|developers|creators)\b"
    r"|\byou can (?:call|contact|reach|text|speak)\b|\ban? ai\b|\bchatbot\b"
    r"|\bvirtual assistant\b"
    r"|\b(?:your|this|such an?|that kind of|this kind of|this type of|the) (?:request|question"
    r"|prompt|query"
    r"|topic)s?\b|\byou(?:'re| are)? (?:ask(?:ed|ing)|request)"
    r"|\b(?:please |should |recommend(?:ed)? |suggest(?:ed)? |could |might "
    r"|to )(?:\w+ing )?(?:you )?(?:consult\w*"
    r"|seek\w*|contact\w*|reach(?:ing)? out|see a|visit\w*|speak\w* (?:to|with)|talk\w* (?:to"
    r"|with)|check\w*"
    r"|call\b)"
    r"|\bencourage you to\b|\b(?:hotline|helpline|lifeline|988|licensed|professionals?|qualified"
    r"|emergency services|law"
    r" enforcement|local authorities)\b"
    r"|\b(?:anything|something|things?) else\b|\bfeel free to ask\b"
    r"|\b(?:happy|glad) to (?:help|assist|discuss|explain|talk|provide|offer|share|suggest|answer"
    r"|write)\b"
    r"|\b(?:i can|i could|i'd|i would)(?: instead)? (?:gladly |happily |certainly "
    r"|still )?(?:listen|offer|suggest|help"
    r"|explain|provide|describe|discuss)\b|\b(?:would you like|want) (?:me to|a|an|help|some|to)\b"
    r"|^instead\b|\binstead, (?:i|you|consider|try|let|please|focus|we)\b"
)
"""Says that an assistant speaks, of a request."""
HARM = re.compile(
    r"\b(?:illegal\w*|unlawful|unethical|harm(?:ful|ing)?|dangerous|unsafe|violat\w+|violen\w+"
    r"|consent|privacy"
    r"|confidential\w*|copyright\w*|explicit|hat(?:e|eful|red)|discriminat\w+|(?:mis"
    r"|dis)information|malware"
    r"|phishing|hack\w*|fraud\w*|scam\w*|cheat\w*|racis\w+|sexis\w+|porn\w*|drugs?|spam\w*"
    r"|propaganda"
    r"|demean\w*|hurtful|disrespectful|inappropriate|insensitive|suppress\w*|slurs?"
    r"|against the law|crim(?:e|es|inals?)|safety|weapons?|offensive|sexual\w*"
    r"|erotic\w*|nsfw|minors?|stereotyp\w+|bombs?|explosives?|poison\w*|kill\w*|murder\w*"
    r"|suicid\w+|self-harm"
    r"|terroris\w+|steal\w*|theft|launder\w*|counterfeit\w*|forge\w*|fake\w*|deepfake\w*|abus\w+"
    r"|exploit\w*"
    r"|stalk\w*|threat\w*|nazi\w*|smuggl\w+|brib\w+|blackmail\w*|ransom\w*|keylogg\w+|viruse?s?"
    r"|pira\w+"
    r"|conspirac\w+|defam\w+|extremis\w+|radicali\w+|doxx\w*|torture\w*|genocid\w+|meth|cocaine"
    r"|heroin|private)\b"
)
"""What is refused."""
HELPS = re.compile(
    r"(?:[,;]|\b) ?(?:but|yet|though|however)\b,? (?!i\b|i'|there(?:'s| (?:are|is))|you|if\b"
    r"|please|we\b"
    r"|help\b|perhaps|maybe|let\b|feel\b|happy|would|it(?:'s| is| does| would| isn't)|that|this"
    r"|only|not\b"
    r"|still|trained|others?\b|someone|your\b|an? (?:doctor|lawyer|professional|locksmith"
    r"|pharmacist)|cannot|can't|unfortunately|must|don't|the (?:full|rest|request)|even)"
    r"|; (?:on|as|the|in|at|by|from)\b"
    r"|\b(?:but|however|still|yet),? (?:i (?:gladly|happily)|i'd (?:bet|guess|say|go)|i'll (?:try"
    r"|give it|do my))\b|\b(?:but|however|still),? (?:i can (?:say|tell you)|if i had to"
    r"|here(?:'s| are| is))"
)
THOUGH = re.compile(
    r"^(?:while|although|though|even if|even though) [^,]{0,80},? (?!i\b|i'|you|please|it's|it is"
    r"|let|we\b|there|my\b)\w"
)
"""Admits what it cannot do and goes on."""
AGREES = re.compile(
    r"\b(?:please|could you|can you|would you) (?:\w+ )?(?:provide|share|paste|upload|send|attach"
    r"|add|tell|give)\b"
    r"|\bi(?:'d| would|'m) (?:love|be (?:happy|glad)|happy|glad) to (?:help|translate|check|do"
    r"|look)\b(?!.*\bbut\b)"
    r"|\bi can (?:write|help|explain|do)\b|^(?:sure|of course|certainly|happy to|here(?:'s| is"
    r"| are))\b"
    r"|\b(?:text|context|passage|article|table|document|data) (?:does not|doesn't|do not|don't"
    r"|only)\b",
    re.MULTILINE,
)
"""Helps, or asks for what it needs to."""
DENIES = re.compile(
    r"n't\b|\b(?:not|no|nope|cannot|cant|unable|nor|neither|never|declin\w+|refus\w+|against"
    r"|outside|beyond|only"
    r"|inappropriate|prohibit\w+|violat\w+|block\w+|filter\w+|flagged|rather|avoid\w*|instead"
    r"|un\w+al|unethical"
    r"|nicht|keine?\w*|ne|pas|no|non|não|niet|geen|inte|ikke|не|nie)\b|[^\x00-\u024f]"
)
SPEAKS = re.compile(
    r"\b(?:i|me|my|we|our|us|let's|ich|mir|mich|wir|je|j|nous|moi|ik|jag|jeg|puedo|podemos|tengo"
    r"|estoy|soy|mis"
    r"|posso|sono|ho|tenho|sou|estou|requests?|prompt|question|conversation|content|topic"
    r"|response|message)\b"
    r"|[^\x00-\u024f]"
)
"""Speaks of itself or of what it was asked, which a text without a form does at least."""
STILL_HELPS = re.compile(
    r"^(?:however|still|anyway|that said|nonetheless|nevertheless|but)\b,? (?:i can (?:say"
    r"|tell you)|here"
    r"|the |most |some |many |it |as of|generally|in general)"
)
"""Go on with the help itself."""
ASKS_WORDS = re.compile(
    r"\b(?:writ(?:e|ing)|draft|compose|create|give|make|text|send|tell|prepare|need|want|word"
    r"|generate|start)\b"
    r".{0,60}\b(?:letter|e-?mail|message|sms|text|note|reply|story|tale|poem|haiku"
    r"|limerick|dialogue"
    r"|scene|script|speech|monologue|excuses?|song|lyrics|diary|quotes?|piece|replies)\b"
    r"|\brole-?play|\bpretend\b|\bplay (?:a|an|the)\b|\bact as\b|^you are\b|\btranslat"
    r"|\bparaphras|\bre(?:write"
    r"|phrase|word)|\bgrammar|\bsay\b|\bpassive\b|\bcorrect (?:the|this)|\btraduce|\bübersetz"
    r"|\btradui|翻译"
)
"""A prompt that asks for words, which may be somebody else's."""
FORBIDS = re.compile(
    r"\b(?:never|don't|do not|not|without|avoid|instead of)\b.*\b(?:sa(?:y|ying)|tell|refus)"
)
