"""Function words and small numbers of the languages that share a script: a table and no more.

Words that several of these languages have stand under each of them. Single letters of the English
alphabet are left out, function words or not: in prompts they are mostly variables.
"""

from __future__ import annotations

from collections.abc import Mapping

_LISTS: Mapping[str, str] = {
    "en": """
        the of and to in is that it was for on are with as his they be at this have from or had
        by what how many much does do if you your which when than there their she her he each
        will not would please write find should an me my we us no some make give into up out
        between using here only too explain create list two three four five six seven eight nine
        ten
    """,
    "de": """
        der die das und ist nicht ein eine einen einem einer zu von den dem des mit sich auf für
        im wie viele viel wenn du ich er sie es sind war wird auch aus bei nach hat haben oder
        wir bitte welche kann zwei drei vier fünf sechs sieben acht neun zehn
    """,
    "fr": """
        le la les des et est une un dans que qui pour pas sur au aux avec ce cette ces il elle
        ils sont du de par ne se plus combien si vous je nous être ont chaque quel quelle mais
        ou comme leur deux trois quatre cinq six sept huit neuf dix
    """,
    "es": """
        el la los las es una un en que de del por para con no se su sus al como más cuántos
        cuántas cuánto cada si lo le pero son tiene está este esta qué ha fue hay entre cuando
        yo muy escribe dos tres cuatro cinco seis siete ocho nueve diez
    """,
    "it": """
        il lo la gli le è una un di che in per con non si del della dei delle al alla sono come
        più quanti quante quanto ogni se ha ho nel nella da dal ma questo questa cosa anche loro
        tra scrivi due tre quattro cinque sei sette otto nove dieci
    """,
    "pt": """
        os as é uma um em que de do da dos das por para com não se no na nos nas mais quantos
        quantas quanto cada ele ela eles são está como mas ao foi tem você seu sua isso qual
        escreva dois duas três quatro cinco seis sete oito nove dez
    """,
    "nl": """
        de het een en van is dat niet op te in zijn voor met die er aan om hoeveel als hij zij
        ze we wij ik je jij was ook maar dan door naar bij elke heeft hebben wordt deze dit wat
        hoe twee drie vier vijf zes zeven acht negen tien
    """,
    "sv": """
        och att det som en ett är på av för med den till inte om hur många han hon de jag du vi
        har var från så kan men eller när varje sig ska detta vad skriv två tre fyra fem sex sju
        åtta nio tio
    """,
    "da": """
        og at det som en et er på af for med den til ikke om hvor mange han hun de jeg du vi har
        var fra så kan men eller når hver sig skal dette hvad blev skriv to tre fire fem seks
        syv otte ni ti
    """,
    "no": """
        og at det som en et er på av for med den til ikke om hvor mange han hun de jeg du vi har
        var fra så kan men eller når hver seg skal dette hva ble skriv to tre fire fem seks sju
        åtte ni ti
    """,
    "fi": """
        ja on ei se että joka ovat oli hän he minä sinä mutta tai kun kuinka monta paljon jos
        niin myös ole kanssa sen mitä mikä tämä kaikki voi sekä jokainen kirjoita kaksi kolme
        neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen
    """,
    "pl": """
        nie na się że do jest to jak ile po co ale czy dla od za tak jego jej są był była każdy
        przez który która które oraz lub jeśli ma tego napisz dwa dwie trzy cztery pięć sześć
        siedem osiem dziesięć
    """,
    "cs": """
        se na že je to do jak kolik ale pro od za jeho její jsou byl byla každý který která
        které nebo jestliže má jako podle co by při po ve když napište si dva dvě tři čtyři pět
        šest sedm osm devět deset
    """,
    "ro": """
        și în de la cu pe nu este un că din pentru care sunt fi mai câți câte cât dacă ce fie
        lui ei al ale fost are dar sau fiecare acest această scrie doi două trei patru cinci
        șase șapte opt nouă zece
    """,
    "hu": """
        az és nem is hogy egy van volt ez hány mennyi ha de meg csak már minden vagy mint kell
        ki mit amely azt ezt lesz akkor írj után két kettő három négy öt hat hét nyolc kilenc
        tíz
    """,
    "tr": """
        ve bir bu da de için ile ne kadar kaç daha çok gibi ama olarak var her eğer mi mı olan
        sonra ya en değil ise göre yazın nasıl tane iki üç dört beş altı yedi sekiz dokuz
    """,
    "id": """
        yang dan di ke dari untuk dengan ini itu adalah tidak pada dalam berapa akan dia mereka
        atau juga jika bisa ada oleh saya kamu anda setiap apa banyak lebih tulis telah dua tiga
        empat lima enam tujuh delapan sembilan sepuluh
    """,
    "sw": """
        na ya wa kwa ni katika za la kuwa hii hiyo huo hili cha vya ili au lakini kama yake wake
        watu sana pia hivyo kila baada kabla yangu ana tu bila kutoka mimi wewe yeye sisi wao
        nini gani ngapi andika mbili tatu nne tano sita saba nane tisa kumi
    """,
    "vi": """
        và là của có không được cho một các những trong với này đó bao nhiêu người thì nếu khi
        đã ở từ hãy để mỗi cũng như về tôi bạn ra viết nhiều hai ba bốn năm sáu bảy tám chín
        mười
    """,
    "ru": """
        и в не на что с по это как а то он она они из у за для но сколько если каждый был была
        было его её к от так или же мы вы я все который напишите два две три четыре пять шесть
        семь восемь девять десять
    """,
    "uk": """
        і в не на що з по це як а то він вона вони із у за для але скільки якщо кожен був була
        було його її до від так або же ми ви я всі який та є напишіть два дві три чотири п'ять
        шість сім вісім дев'ять десять
    """,
    "bg": """
        и в не на че с по това как а то той тя те от за да но колко ако всеки беше е са му ѝ към
        или ние вие аз всички който се ще си има напишете два две три четири пет шест седем осем
        девет десет
    """,
}

_DEVANAGARI_LISTS: Mapping[str, str] = {
    "hi": """
        है हैं का की के को में और से यह वह नहीं पर एक था थी कि लिए तो भी करता होगा उसे
    """,
    "mr": """
        आहे आहेत आणि चा ची चे ला मध्ये हे ती तो नाही होते होता काय किंवा पण एक त्या या
    """,
    "ne": """
        छ छन् को का की लाई मा र यो त्यो छैन हो थियो गर्न गर्छ पनि एक भने तर के उनले
    """,
}


def _split(lists: Mapping[str, str]) -> Mapping[str, frozenset[str]]:
    return {language: frozenset(listed.split()) for language, listed in lists.items()}


FUNCTION_WORDS: Mapping[str, frozenset[str]] = _split(_LISTS)
"""ISO 639-1 code → the words, in lower case."""

DEVANAGARI: Mapping[str, frozenset[str]] = _split(_DEVANAGARI_LISTS)
"""The same for languages in Devanagari, as they stand between spaces."""
