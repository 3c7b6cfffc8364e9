"""How assistants refuse in nineteen languages, in the form that `words.folded` leaves.

Each language is one block, one form a line; a line that is further indented goes on with the one
before. Forms of English, which most refusals and so most look-alikes are in, are in
`selfplay.core.refusal_forms`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from selfplay.core.refusal_forms import compiled

_FORMS: Mapping[str, str] = {
    "de": r"""
    \b(?:werde|kann|darf|möchte) (?:ich )?(?:\w+ )?keine\w*\b.*\b(?:erzählen|machen|tätigen
      |verfassen|buchen|anzeigen|abspielen|erstellen|schreiben|nennen)\b
      |\bmich (?:dazu |hierzu |da )?nicht äußern\b|\bkeinen (?:internet)?zugang\b
    \b(?:schreibe|mache|helfe|erstelle|verfasse|unterstütze|erkläre|beantworte|gebe|liefere
      |generiere|nenne) ich(?: dir| ihnen| euch| dazu| da| hier| dabei)* (?:nicht|keine\w*)\b
    \bals (?:\w+[ -])?(?:ki|künstliche|sprachmodell|chatbot)\b.*\b(?:keine?\w*|nicht)\b
      |\bkeinen zugriff auf\b|\bmöchte (?:ich )?(?:lieber )?nicht\b
    ^(?=.*\b(?:ich|wir)\b)(?=.*\b(?:nicht|keine\w*|nichts)\b)(?=.*\b(?:kann|können|darf|dürfen
      |werde|möchte|lage|erlaubt|gestattet)\b).*\b(?:helfen|weiterhelfen|behilflich|beantworten
      |antworten|unterstützen|bereitstellen|bereitzustellen|weitergeben|schreiben|erstellen
      |nachkommen|erfüllen|anbieten|geben|liefern|ausführen|dienen|verfassen|entsprechen|mitteilen
      |erklären|sprechen|äußern|tun|machen|nennen|vorhersagen|wiedergeben|teilen|zeigen|ausgeben
      |verraten
      |empfehlen|übersetzen|generieren|zugreifen|abrufen|diskutieren|besprechen|kommentieren
      |bewerten|beurteilen
      |zitieren|herausgeben|veröffentlichen|unterstütze\w*)\b
    \b(?:ich|wir)\b.*\b(?:lehne|lehnen|muss|müssen)\b.*\b(?:ab|ablehnen)\b
    \bich\b.*\b(?:nicht in der lage|ausserstande|nicht befugt)\b
    \b(?:kann|darf|werde)\b.*\bkeine\w* (?:auskunft|auskünfte|diagnosen?|beratung|angaben
      |informationen|anleitung\w*|empfehlung\w*|details|ratschläge)\b
    \blehne\w* (?:ich|wir)\b.*\bab\b|\bgegen (?:meine|unsere) (?:richtlinien|regeln|grundsätze)
    \b(?:verst(?:ö|oe)sst|widerspricht)\b.*\b(?:richtlinien|regeln|grundsätzen|vorgaben)\b
    """,
    "fr": r"""
    \bil ne m'est pas possible\b|\bje n'ai pas (?:la possibilité|la capacité|le droit|d'opinion
      |les moyens)
    \ben tant qu(?:e |').*(?:ia|intelligence|modèle|assistant)\b.*\b(?:pas|aucune?)\b
      |\bje n'ai (?:malheureusement )?pas accès\b|\bje préfère éviter\b
    \bje ne (?:peux|puis|pourrai|saurais|vais|souhaite|veux)(?: malheureusement
      | hélas)? pas (?!venir|croire|attendre|imaginer|dire (?:si|à quel|combien)|m'empêcher
      |me plaindre|vivre|dormir|nier|oublier|diviser|conclure)\w
    \bje ne suis (?:malheureusement )?pas (?:en mesure|capable|autorisée?|habilitée?|programmée?
      |à l'aise|conçue?)|\bnous ne (?:pouvons|sommes) pas (?:en mesure )?.*\b(?:aider|répondre
      |fournir|traiter|donner)
    \b(?:il m'est|m'est|il nous est) (?:malheureusement )?impossible\b|\bje me dois de (?:refuser
      |décliner)
    \bne (?:pas )?pouvoir (?:pas )?(?:vous |t'|te )?(?:aider|répondre|fournir)
    \bje (?:dois|me vois)\b.*\b(?:refuser|décliner)\b|\bje refuse\b|\bje préfère ne pas\b
    \b(?:enfreint|viole|va à l'encontre de|contraire à)\b.*\b(?:règles|politique|principes)
    """,
    "es": r"""
    \bva(?:n)? en contra de (?:mis|las|nuestras) (?:directrices|normas|políticas|pautas)
      |\bno tengo (?:opiniones|permitido|la capacidad|la posibilidad|permiso)
    \bcomo (?:un |una )?(?:modelo|ia|inteligencia|asistente)\b.*\bno\b|\bno tengo acceso\b
      |\bprefiero (?:evitar|no)\b
    \bno (?:puedo|podré|voy a|debo) (?!creer|más\b|esperar|evitar|imaginar|decir (?:si|cuánto)
      |dejar de
      |negar|dividir|dormir|vivir|venir|ir\b|olvidar|concluir|ser más)\w
    \bno (?:me es posible|estoy (?:autorizad[oa]|en condiciones|capacitad[oa]|diseñad[oa]
      |programad[oa])|soy capaz|tengo (?:permitido|permiso)|me siento cómod[oa])\b
    \bno podemos\b.*\b(?:ayud\w+|proporcion\w+|respond\w+|ofrec\w+|proces\w+)\b
    \bno poder (?:ayudar|responder|proporcionar|ofrecer|cumplir|atender)
    \b(?:debo|tengo que|me veo obligad[oa] a) (?:rechazar|negarme|declinar)\b|\bme niego\b
      |\bprefiero no (?:responder|hablar|opinar|contestar)
    """,
    "it": r"""
    \b(?:come|in quanto) (?:un |una )?(?:modello|ia|intelligenza|assistente)\b.*\bnon\b
      |\bnon ho accesso\b|\bpreferisco (?:evitare|non)\b
    \bnon (?:posso|potrei|voglio|intendo) (?!credere|aspettare|immaginare|dire (?:se|quanto)
      |fare a meno|venire|andare|dormire|vivere|negare|dimenticare|dividere|concludere|che\b)\w
    \bnon (?:sono in grado|mi è possibile|mi è permesso|sono autorizzat[oa]|sono programmat[oa]
      |mi sento a mio agio)\b
    \bdevo (?:rifiutare|declinare)\b|\bmi rifiuto\b|\bpreferisco non (?:rispondere|parlare)
    """,
    "pt": r"""
    \bcomo (?:um |uma )?(?:modelo|ia|inteligência|assistente)\b.*\bnão\b|\bnão tenho acesso\b
      |\bprefiro (?:evitar|não)\b
    \bnão (?:posso|consigo|poderia|vou) (?!acreditar|esperar|imaginar|dizer (?:se|quanto)
      |deixar de|evitar|negar|vir\b|ir\b|dormir|viver|esquecer|dividir|concluir|mentir)\w
    \bnão (?:me é possível|estou autorizad[oa]|sou capaz|tenho permissão|fui programad[oa]
      |me sinto confortável|estou em condições)\b
    \b(?:devo|tenho que|tenho de|preciso) (?:recusar|declinar)\b|\bme recuso\b|\brecuso-me\b
      |\bprefiro não (?:responder|falar|opinar)
    """,
    "nl": r"""
    \bals (?:een )?(?:ai|taalmodel)\b.*\b(?:geen|niet)\b|\bgeen toegang tot\b
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
    \bне име(?:ю|ет) (?:личного |собственного )?(?:мнения|доступа|чувств)
    \bкак (?:ии|языковая модель|искусственный)\b.*\bне\b|\bнет доступа к\b
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
    超出(?:了)?(?:我|本)的?(?:能力|范围|服务|知识)|我(?:是|只是).{0,12}(?:ai|人工智能|模型|助手|程序).*(?:没有|不|无法)|不(?:合适|适合
      |被允许|便)(?:回答|讨论|提供)?.*(?:别的|其他)
    作为(?:一个|一名|一种)?(?:人工智能|ai|语言模型|大语言|助手).*(?:不|无法|没有)|聊点别的|换个话题|聊聊别的|我(?:不会|不能|不想|无法)(?:骂|使用|编造
      |传播|帮|说)
    (?:无法|無法|没有能力|沒有能力|没能力|不能|不可以|不便|没办法|沒辦法|没有办法|无权|拒绝|拒絕|不会|不會|不方便)(?:继续|直接|就此|对此|對此|再|在此)?(?:为您
      |为你|為您|為你|向您
      |向你|给您|给你|给予|帮您|帮你|协助您|对您|对你)?(?:预测|預測|推荐|识别|識別|访问|訪問|浏览|查看|获取|查询|播放|拨打|起草|确认|透漏|提供|回答|帮助|幫助
      |帮忙|幫忙|协助|協助|满足|滿足|完成|讨论|討論|生成|创作|撰写|編寫|编写|写|继续|繼續
      |回应|回應|处理|處理|分享|透露|给出|执行|執行|解答|做到|参与|支持|发表|發表|表达|评论|评价|告知|告诉|扮演|做出)(?!者)
    (?:违反|違反|不符合)(?:了)?[^。]{0,12}(?:政策|准则|準則|规定|規定|原则)
    (?:帮不了|幫不了|帮不上)(?:您|你|忙)
    """,
    "ja": r"""
    (?:ai|言語モデル)(?:として|な?ので|です).*(?:ません|できない|ありません)
    (?:応え|答え|手伝い|提供|回答|対応|支援|受け|協力|作成|教え|生成|お伝え|説明|案内|執筆|手助け|力になる|助け)(?:する|して|を|に)?(?:こと|お答え
      |お応え)?(?:は|が|も)?(?:でき(?:ません|ない|かね|兼ね)|いたしかね|しかね|致しかね|致し兼ね|出来(?:ません|ない))
    (?:お断り|ご遠慮|差し控え)(?:いたし|させ|し)
    """,
    "ko": r"""
    (?:이야기|말씀|논의|대답|추천)[^.]{0,8}수 없
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


FORMS: tuple[re.Pattern[str], ...] = tuple(
    form for block in _FORMS.values() for form in compiled(block)
)
"""Each refuses where it is found in a sentence."""
