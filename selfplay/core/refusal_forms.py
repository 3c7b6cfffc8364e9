"""How assistants refuse, as patterns on one sentence in the form that `words.folded` leaves.

By language; English has more of them, since most refusals are English and so are their look-alikes.
Each asks for the speaker, the refusal and mostly for something that assistants are asked to do: any
of them alone stands in many a harmless sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_PARTS: Mapping[str, str] = {
    "<SOFTLY>": r"""
    (?:[,;]? ?(?:really|simply|just|also|therefore|however|unfortunately|sadly|ethically|and will
      |legally|currently|directly|actually|knowingly|in good conscience|in any way|at this time
      |or will|be able to|do more to|though|then|still|personally|safely|responsibly|or|nor|not
      |under any circumstances|on principle|at all|neither|always|ever)[,;]?)*
    """,
    "<CANNOT>": r"""
    (?:can ?not|can't|cant|won't|will not|should not|shouldn't|must not|may not|will never
      |can never|can neither|'ll never|'ll not)
    """,
    "<UNABLE>": r"""
    (?:am |'m |are |'re |remain )(?:also |just |simply |currently |still |sorry,? but )*(?:unable
      |not able|not allowed|not permitted|not in a position|not going|not willing|unwilling
      |not authori[sz]ed|not equipped|not supposed|not programmed|not designed|not trained
      |not qualified|not licensed|not here|forbidden|prohibited|restricted|barred) (?:to|from)
    """,
    "<HARMLESS>": r"""
    (?:help(?: you)? (?:but|it\b|feel|notic|wonder|think|smil|laugh|lov|admir)|help (?:my|every)
      |wait\b|imagine|think of|over(?:state|estimate|emphasi|praise)|understate|believe|agree more
      |say (?:for|whether|with|if|which|enough|i\b|how much)|promise|guarantee|tell (?:whether|if\b
      |which|from|apart|how|the difference|them|exactly)|see\b(?! (?:images?|pictures|photos
      |attach|any (?:attach|image|file)|files?|links?|your))|find\b|resist|stand\b|sleep|remember
      |recall|blame|complain|deny\b(?! or)|ignore|argue with|fault|go into|repeat|bore\b|surrender
      |be (?:surprised|sure|certain|bothered|happier|more|easier|long|at|there)|lie\b|claim\b
      |begin to|determin|conclude|decide|choose|divide|prove\b|rule out|use any|need|come\b|lend
      |forget|keep you|lose\b|afford|live without|stop\b|understand why|explain why
      |describe how (?:happy|glad|much)|put (?:it )?(?:into words|my finger)|count\b|complain
      |change the (?:past|world)|hurt\b|take long|matter|do (?:it|this|that)? ?(?:alone|sum|without)
      |do this sum|get enough|keep up|express how|quite|seem to|have (?:said|put|asked|guessed)
      |hesitate|bite\b|miss\b|eat\b|draw\b|complain\b|whistle|sing\b|drink\b|swim\b|dance\b
      |walk\b(?! you)|run\b|fly\b|move\b|breathe
      |go (?:to|home|back|on)\b|thank you|make it (?:to|on|in)|attend|join (?:you|the)
      |speak (?:a word|french|german|any))
    """,
    "<RULES>": r"""
    (?:guidelines?|polic(?:y|ies)|programming|principles|instructions|developers|training|rules
      |terms(?: of (?:service|use))?|standards|values|scope|ethics|safeguards|protocols?|boundaries)
    """,
    "<ASKED>": r"""
    (?:request|question|prompt|topic|task|query|content|conversation|subject|message)
    """,
    "<DO>": r"""
    (?! ?<HARMLESS>)(?!.*\b(?:enough|too much|more highly)\b)
    """,
}
"""What forms are made of. `<HARMLESS>` is what somebody says that they cannot do who refuses
nothing, and `<DO>` everything else."""

_FORMS: Mapping[str, str] = {
    "en": r"""
    \bi <CANNOT><SOFTLY> <DO>\w
    \bi ?<UNABLE><SOFTLY> <DO>\w
    \bwe(?: <CANNOT>| ?<UNABLE>)<SOFTLY> (?:help(?! but)|assist|provid|shar|fulfil|answer your
      |respond|comply|process|discuss|offer|give (?:you|out)|publish|reveal|release|accommodat
      |disclos|handle (?:this|your|such)
      |support (?:this|your|that|such))
    (?:sorry|afraid|model|assistant|ai|program|chatbot|\w+ so|therefore|and|but
      |tool),? (?:but )?<CANNOT><SOFTLY> (?:help (?:you )?with|assist|answer|fulfil|comply
      |do (?:that|this)|provide (?:that|this|you))\b
    ^(?:no[,.] )?(?:(?:so|very|really) )?(?:sorry|apologies)?,? ?(?:but )?<CANNOT> (?:do (?:that
      |this|it)|help(?: you)?(?: with (?:that|this|it))?|assist|answer)\b
    \b(?:can|could|will|would|do) (?:in )?no (?:way |longer )?(?:help|assist|provide|answer)\b
    \bi (?:do not|don't) (?:have|possess) (?:the|any) (?:ability|capability|capacity|means
      |permission|authority) (?:to|of)\b(?!.*\b(?:but|however|though)\b)
    \bi (?:do not|don't|never) (?:provide|offer|give|write|generate|create|engage|discuss|produce
      |assist|help|participate|share|support|do that|answer|comment|produce|make (?:jokes|fun)
      |respond|take part|role-?play|speculate|endorse|promote|take sides|facilitate)\b(?! up)
    \bi (?:do not|don't|would not|wouldn't) (?:think|believe|feel)(?: that)?(?: it(?:'s| is
      | would be)?)? ?(?:i (?:should|can|could|ought|may|want)|right|able|comfortable|appropriate
      |wise|ethical|proper|good about)
    \b(?:i|we)(?:'ll| will|'m going to| am going to|'d| would|'ve| have)? ?(?:must|have to|need to
      |got to|had to|choose to)? (?:respectfully |politely |kindly |firmly |therefore )*(?:decline
      |refuse|refrain from|abstain|pass on (?:this|that|it)|turn (?:this|that|it|you) down
      |turn down (?:this|that|your)|say no|opt out|sit (?:this|that|it) (?:one )?out|leave (?:this
      |that|it|them) (?:one )?out|skip (?:this|that) (?:one|part|request)|stay out of
      |steer clear)(?! to believe)
    \bi(?:'ll| will) have to (?:stop|leave it|end (?:this|our|the)|draw the line|sit out)
    \bi(?:'d| would)(?: really| much)? (?:rather|prefer) (?:that we )?not\b
      |\bi prefer not to (?:answer|discuss|say|comment|talk|share|engage|help|write|get)
    \bi(?:'m| am|'d be| would be) (?:not (?:\w+ )?comfortable|uncomfortable)\b
    (?:\bnot|n't) (?:be )?appropriate for (?:me|us)\b
    \b(?:inappropriate|unethical|irresponsible|wrong|illegal|dangerous|unsafe|improper) for me to
    (?:\bnot |n't |\bim)possible for me to\b
    (?:\bnot|n't) (?:be )?(?:right|wise|fair|ethical|proper|responsible|okay|safe) (?:for|of) me\b
    \bi have no (?:way|ability|means|permission|authority) (?:to|of)\b
    \bi (?:do not|don't) (?:wish|want) to (?:continue|discuss|answer|help|talk|take part|be part
      |engage)
    \b(?:sorry|unfortunately|apologi[sz]e)\b.*(?:\bnot|n't) (?:allowed|permitted)$
    (?:\bnot|n't) (?:really )?(?:something|a (?:topic|subject|request|conversation|thing|task
      |line)|anything|what)(?: that| which)? (?:i|we)(?:'m| am| can| do\b|'d| would| will|'ll)
    (?:request|topic|subject|question|thing|one|line|task|area) (?:that )?i (?:can't|cannot|won't
      |will not|have to (?:decline|sit out)|'ll have to sit out|must decline)
    \bi'll have to sit out\b|\bout of my hands\b
    \b(?:beyond|outside|exceeds)(?: of)? (?:what i(?:'m| am| can)|the (?:scope|bounds) of what i
      |my (?:abilities|capabilities|scope|remit|boundaries|role|expertise|competence))
    \b(?:nothing|no way)(?: that)? i can(?: do| offer| say)?\b
    \bi(?:'m| am|'ve been| was| have been) (?:programmed|designed|trained|built|instructed|set up
      |configured|told|made|created|meant)\b.{0,60}(?:\bnot to\b|\bto (?:avoid|decline|refuse)\b
      |\bso no\b)
    \b(?:my|our|openai's|anthropic's) (?:\w+ )?(?:<RULES>)(?: and \w+)? (?:do not|don't|does not
      |doesn't|prevents?|prohibits?|forbids?|stops?|keeps? me|bars?|says? no|rules? (?:it|that
      |this) out|won't|will not|would not|restricts?|limits?)
    \b(?:violat\w+|goes against|go against|(?:is|are|be|runs|'s) (?:against|contrary to)|breach\w*
      |conflicts? with|contraven\w+|at odds with|outside) (?:of )?(?:(?:my|our
      |openai's)(?: [\w\-]+)?|(?:the |its |your )?(?:content|usage|safety|community|use
      |acceptable use|ethical|use-case|service))(?: and \w+)? ?<RULES>\b
    \bnot (?:possible|permitted|allowed)\b.{0,30}\b(?:copyright|polic(?:y|ies)|guidelines|privacy
      |safety|ethical|confidential)
    \bbreach (?:the )?(?:confidentiality|privacy|trust)\b.*\bi\b
    \b(?:your|this|that|the|such an?) <ASKED>s? (?:(?:has
      |have) been |is |was |cannot be |can't be |can not be |could not be |will not be )(?:denied
      |declined|refused|rejected|blocked|fulfilled|granted|completed|processed|answered|honou?red
      |accommodated|met)
    ^<ASKED> (?:denied|declined|refused|rejected|blocked)\b
    \b(?:let's|let us|can we|could we|shall we|why don't we|how about we|perhaps we could
      |i suggest we|we should) (?:please )?(?:talk about something (?:else|different)
      |change the (?:topic|subject)\b(?! of)|move on to (?:something|another)
      |discuss something else)
    \b(?:i'm|i am) (?:going to have to )?(?:stop|pass)(?:ping|ing)? (?:here|on this|on that)
    ^(?:absolutely not|no way|hard no|nope)(?:$|,? (?:not|i|sorry)\b)
    \bmy hands are tied\b|\bi(?:'m| am) not (?:allowed|permitted|able|authori[sz]ed)(?: to)?$
    ^(?:so |very )?sorry,? (?:but )?not (?:able|allowed|permitted|possible|going) (?:to|for)\b
    \bi (?:do not|don't) do (?:that|this|voter|politics|hate|porn|malware|spam)\b
    \bi <CANNOT>$|\b(?:do not|don't) know how to help\b|\bi(?:'m| am) ending (?:it|this|our|the)
    \b(?:do not|don't|<CANNOT>) (?:provide|offer|give) (?:\w+,? (?:or )?){0,3}(?:advice|opinions?
      |diagnos[ei]s|recommendations)\b
    \bno can do\b|\bnot (?:doing|going to do|happening) (?:that|this)\b
    """,
    "de": r"""
    ^(?=.*\b(?:ich|wir)\b)(?=.*\b(?:nicht|keine\w*|nichts)\b)(?=.*\b(?:kann|können|darf|dürfen
      |werde|möchte|lage|erlaubt|gestattet)\b).*\b(?:helfen|weiterhelfen|behilflich|beantworten
      |antworten|unterstützen|bereitstellen|bereitzustellen|weitergeben|schreiben|erstellen
      |nachkommen|erfüllen|anbieten|geben|liefern|ausführen|dienen|verfassen|entsprechen|mitteilen
      |erklären|sprechen|äußern|tun|machen|nennen)\b
    \b(?:ich|wir)\b.*\b(?:lehne|lehnen|muss|müssen)\b.*\b(?:ab|ablehnen)\b
    \bich\b.*\b(?:nicht in der lage|ausserstande|nicht befugt)\b
    \b(?:kann|darf|werde)\b.*\bkeine\w* (?:auskunft|auskünfte|diagnosen?|beratung|angaben
      |informationen|anleitung\w*|empfehlung\w*|details|ratschläge)\b
    \blehne\w* (?:ich|wir)\b.*\bab\b|\bgegen (?:meine|unsere) (?:richtlinien|regeln|grundsätze)
    \b(?:verst(?:ö|oe)sst|widerspricht)\b.*\b(?:richtlinien|regeln|grundsätzen|vorgaben)\b
    """,
    "fr": r"""
    \bje ne (?:peux|puis|pourrai|saurais|vais|souhaite|veux)(?: malheureusement
      | hélas)? pas (?!venir|croire|attendre|imaginer|dire (?:si|à quel|combien)|m'empêcher
      |me plaindre|vivre|dormir|nier|oublier|diviser|conclure)\w
    \bje ne suis (?:malheureusement )?pas (?:en mesure|capable|autorisée?|habilitée?|programmée?
      |à l'aise|conçue?)|\bnous ne (?:pouvons|sommes) pas (?:en mesure )?.*\b(?:aider|répondre
      |fournir|traiter|donner)
    \bje (?:dois|me vois)\b.*\b(?:refuser|décliner)\b|\bje refuse\b|\bje préfère ne pas\b
    \b(?:enfreint|viole|va à l'encontre de|contraire à)\b.*\b(?:règles|politique|principes)
    """,
    "es": r"""
    \bno (?:puedo|podré|voy a|debo) (?!creer|más\b|esperar|evitar|imaginar|decir (?:si|cuánto)
      |dejar de
      |negar|dividir|dormir|vivir|venir|ir\b|olvidar|concluir|ser más)\w
    \bno (?:me es posible|estoy (?:autorizad[oa]|en condiciones|capacitad[oa]|diseñad[oa]
      |programad[oa])|soy capaz|tengo (?:permitido|permiso)|me siento cómod[oa])\b
    \bno podemos\b.*\b(?:ayud\w+|proporcion\w+|respond\w+|ofrec\w+|proces\w+)\b
    \b(?:debo|tengo que|me veo obligad[oa] a) (?:rechazar|negarme|declinar)\b|\bme niego\b
      |\bprefiero no (?:responder|hablar|opinar|contestar)
    """,
    "it": r"""
    \bnon (?:posso|potrei|voglio|intendo) (?!credere|aspettare|immaginare|dire (?:se|quanto)
      |fare a meno|venire|andare|dormire|vivere|negare|dimenticare|dividere|concludere|che\b)\w
    \bnon (?:sono in grado|mi è possibile|mi è permesso|sono autorizzat[oa]|sono programmat[oa]
      |mi sento a mio agio)\b
    \bdevo (?:rifiutare|declinare)\b|\bmi rifiuto\b|\bpreferisco non (?:rispondere|parlare)
    """,
    "pt": r"""
    \bnão (?:posso|consigo|poderia|vou) (?!acreditar|esperar|imaginar|dizer (?:se|quanto)
      |deixar de|evitar|negar|vir\b|ir\b|dormir|viver|esquecer|dividir|concluir|mentir)\w
    \bnão (?:me é possível|estou autorizad[oa]|sou capaz|tenho permissão|fui programad[oa]
      |me sinto confortável|estou em condições)\b
    \b(?:devo|tenho que|tenho de|preciso) (?:recusar|declinar)\b|\bme recuso\b|\brecuso-me\b
      |\bprefiro não (?:responder|falar|opinar)
    """,
    "nl": r"""
    ^(?=.*\b(?:ik|wij|we)\b)(?=.*\b(?:niet|geen|niets)\b)(?=.*\b(?:kan|kunnen|mag|mogen|ga|wil|zal
      |staat)\b).*\b(?:helpen|beantwoorden|antwoorden|geven|schrijven|bieden|voldoen|delen
      |verstrekken|ingaan|uitvoeren|bespreken|maken|doen|leveren|assisteren|meewerken|praten)\b
    \bik (?:ga|kan|wil)\b.*\bniet op in\b|\bniet in staat om\b|\bik weiger\b
    """,
    "sv": r"""
    ^(?=.*\b(?:jag|jeg|vi)\b)(?=.*\b(?:inte|ikke|inga|ingen)\b)(?=.*\b(?:kan|får|kommer|vil
      |må)\b).*\b(?:hjälpa|hjælpe|hjelpe|svara|svare|besvare|besvara|ge|give|gi|skriva|skrive|dela
      |dele|tillhandahålla|bistå|uppfylla|opfylde|oppfylle|diskutera|diskutere|göra|gøre|gjøre)\b
    """,
    "fi": r"""
    \ben (?:voi|pysty|valitettavasti voi)\b.*\b(?:auttaa|vastata|antaa|kirjoittaa|tarjota)\b
    """,
    "pl": r"""
    \bnie (?:mogę|możemy|jestem w stanie|będę|wolno mi)\b.*\b(?:pom\w+|odpowiedzieć|udziel\w+
      |spełnić|napisać|dostarczyć|podać|zrealizować|wykonać|stworzyć|rozmawiać|udostępnić|zrobić)\b
    \bmuszę odmówić\b|\bodmawiam\b
    """,
    "cs": r"""
    \b(?:nemohu|nemůžu|nejsem schopen|nesmím|nebudu)\b.*\b(?:pomoci|pomoct|odpovědět|poskytnout
      |napsat|vyhovět|sdělit|vytvořit)\b
    """,
    "ru": r"""
    \bне (?:могу|можем|буду|стану|смогу|имею (?:возможности|права)|вправе|в состоянии|способен
      |мож[уе]\w*)\b.*\b(?:помо\w+|ответить|отвечать|выполнить|предостав\w+|обсуждать|дать|давать
      |написать|писать|создать|создавать|продолжать|рассказ\w+|делиться|поделиться|сделать|говорить
      |допомо\w+|відпові\w+|надати)\b
    \b(?:вынужден\w?|должен|должна|приходится) отказать\w*\b|\bотказываюсь\b
    """,
    "tr": r"""
    \b(?:yardımcı olam|yardım edem|yanıtlayam|cevaplayam|cevap verem|yanıt verem|sağlayam
      |yerine getirem|paylaşam|yazam|sunam|oluşturam|veremem|yapamam|veremiyor|yapamıyor)\w*
    """,
    "id": r"""
    \b(?:saya|kami) tidak (?:dapat|bisa|mampu|boleh|akan)\b.*\b(?:membantu|menjawab|memberikan
      |menulis|memenuhi|menyediakan|melakukan|membuat|membahas|melayani)\b
    """,
    "vi": r"""
    \btôi không (?:thể|được phép|có khả năng)\b.*\b(?:giúp|hỗ trợ|trả lời|cung cấp|viết|đáp ứng
      |thực hiện|thảo luận|tạo)\b
    """,
    "zh": r"""
    (?:无法|無法|不能|不可以|不便|没办法|沒辦法|没有办法|无权|拒绝|拒絕|不会|不會|不方便)(?:继续|直接|就此|对此|對此|再|在此)?(?:为您|为你|為您|為你|向您
      |向你|给您|给你|给予|帮您|帮你|协助您|对您|对你)?(?:提供|回答|帮助|幫助|帮忙|幫忙|协助|協助|满足|滿足|完成|讨论|討論|生成|创作|撰写|編寫|编写|写|继续|繼續
      |回应|回應|处理|處理|分享|透露|给出|执行|執行|解答|做到|参与|支持|发表|發表|表达|评论|评价|告知|告诉|扮演|做出)(?!者)
    (?:违反|違反|不符合)(?:了)?[^。]{0,12}(?:政策|准则|準則|规定|規定|原则)
    (?:帮不了|幫不了|帮不上)(?:您|你|忙)
    """,
    "ja": r"""
    (?:応え|答え|手伝い|提供|回答|対応|支援|受け|協力|作成|教え|生成|お伝え|説明|案内|執筆|手助け|力になる|助け)(?:する|して|を|に)?(?:こと|お答え
      |お応え)?(?:は|が|も)?(?:でき(?:ません|ない|かね|兼ね)|いたしかね|しかね|致しかね|致し兼ね|出来(?:ません|ない))
    (?:お断り|ご遠慮|差し控え)(?:いたし|させ|し)
    """,
    "ko": r"""
    (?:도와|도움|답변|대답|제공|응답|작성|알려|처리|설명|수행|응할|생성|공유|지원)[^.]{0,14}(?:수(?:가
      |는)? ?없|어렵습니다|어려울|불가|드리지 못
      |못합니다)
    """,
    "ar": r"""
    (?:لا (?:أستطيع|استطيع|يمكنني|أقدر|يمكننا)|لن (?:أ|ا)|غير قادر|لست قادر|ليس بإمكاني).*(?:مساعد
      |الإجابة|تقديم|توفير|كتابة|الرد|تلبية|مشاركة|إنشاء|تنفيذ|القيام|أساعد|إعطاء)
    """,
    "hi": r"""
    (?:मदद|सहायता|उत्तर|जवाब|जानकारी|अनुरोध|सलाह|लिख|बता)[^।.]{0,30}(?:नहीं|असमर्थ)[^।.]{0,6}(?:कर
      |दे|सक|हूं|हूँ|पा|हैं|है)
    """,
}
"""One form a line; a line that is further indented goes on with the one before."""


def _lines(block: str) -> list[str]:
    """The forms of a block."""
    return re.sub(r"\n {6}(?=\S)", "", block).split("\n    ")[1:]


def _whole(form: str) -> str:
    """A form with its parts in place."""
    for name, part in reversed(tuple(_PARTS.items())):
        form = form.replace(name, _lines(part)[0].rstrip("\n ") if name in form else "")
    return form


FORMS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(_whole(form.rstrip("\n ")))
    for block in _FORMS.values()
    for form in _lines(block)
    if form.strip()
)
"""Each refuses where it is found in a sentence."""
