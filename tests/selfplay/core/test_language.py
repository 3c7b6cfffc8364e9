"""Claims about telling languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfplay.core.language import LANGUAGES, language_of

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ARENA_HARD = DATA / "arena_hard" / "question.jsonl"
GSM8K = DATA / "gsm8k" / "test.jsonl"

TEXTS = [
    (
        "en",
        "A robe takes 2 bolts of blue fiber and half as much white fiber. How many is that?",
    ),
    (
        "de",
        "Anna kauft drei Äpfel für je 40 Cent und zwei Birnen für je 60 Cent. Wie viel zahlt sie?",
    ),
    (
        "fr",
        "Anna achète trois pommes à 40 centimes et deux poires à 60. Combien paie-t-elle ?",
    ),
    (
        "es",
        "Ana compra tres manzanas a 40 céntimos y dos peras a 60 céntimos. ¿Cuánto paga?",
    ),
    (
        "it",
        "Spiega a un principiante come un compilatore trasforma il codice in un programma.",
    ),
    (
        "pt",
        "A Ana compra três maçãs a 40 centavos e duas peras a 60 centavos. Quanto é que ela paga?",
    ),
    (
        "nl",
        "Anna koopt drie appels van 40 cent en twee peren van 60 cent. Hoeveel betaalt zij?",
    ),
    (
        "sv",
        "Anna köper tre äpplen för 40 öre och två päron för 60 öre. Hur mycket ska hon betala?",
    ),
    ("da", "Forklar en begynder, hvordan en compiler laver et program af kildekoden."),
    (
        "fi",
        "Anna ostaa kolme omenaa ja päärynän. Kuinka paljon hän maksaa, jos omena on 40 senttiä?",
    ),
    ("pl", "Anna kupuje trzy jabłka po 40 groszy i dwie gruszki po 60 groszy. Ile musi zapłacić?"),
    (
        "cs",
        "Anna koupí tři jablka po 40 haléřích a dvě hrušky po 60 haléřích. Kolik musí zaplatit?",
    ),
    (
        "ro",
        "Ana cumpără trei mere la 40 de bani și două pere la 60 de bani. Cât trebuie să plătească?",
    ),
    ("hu", "Anna három almát és két körtét vesz. Mennyit kell fizetnie, ha egy alma 40 forint?"),
    (
        "tr",
        "Ayşe tanesi 40 kuruştan üç elma ve 60 kuruştan iki armut alıyor. Toplam ne kadar öder?",
    ),
    (
        "id",
        "Ani membeli tiga apel dengan harga 400 dan dua pir seharga 600. Berapa yang dia bayar?",
    ),
    (
        "vi",
        "Lan mua ba quả táo giá 40 đồng và hai quả lê giá 60 đồng. Hỏi Lan phải trả bao nhiêu?",
    ),
    (
        "ru",
        "Анна покупает три яблока по 40 копеек и две груши по 60. Сколько она должна?",
    ),
    (
        "uk",
        "Анна купує три яблука по 40 копійок і дві груші по 60. Скільки вона має?",
    ),
    (
        "bg",
        "Анна купува три ябълки по 40 стотинки и две круши по 60. Колко трябва да плати?",
    ),
    ("el", "Η Άννα αγοράζει τρία μήλα προς 40 λεπτά. Πόσο πρέπει να πληρώσει;"),
    ("he", "אנה קונה שלושה תפוחים. כמה היא צריכה לשלם?"),
    ("ar", "تشتري آنا ثلاث تفاحات وكمثرتين. كم يجب أن تدفع؟"),
    ("fa", "آنا سه سیب و دو گلابی می‌خرد. چقدر باید بپردازد؟"),
    ("hi", "अन्ना तीन सेब और दो नाशपाती खरीदती है। उसे कुल कितना भुगतान करना होगा?"),
    ("mr", "माझ्याकडे तीन सफरचंद आहेत आणि दोन नाशपाती आहेत, पण एक केळे नाही."),
    ("ne", "मसँग तीनवटा स्याउ छन् र दुईवटा नासपाती छ, तर केरा छैन।"),
    ("ur", "انا تین سیب اور دو ناشپاتیاں خریدتی ہے۔ اسے کل کتنے پیسے دینے ہوں گے؟"),
    ("pa", "ਅੰਨਾ ਤਿੰਨ ਸੇਬ ਖਰੀਦਦੀ ਹੈ। ਉਸਨੂੰ ਕਿੰਨੇ ਪੈਸੇ ਦੇਣੇ ਪੈਣਗੇ?"),
    ("sw", "Anna ananunua matofaa matatu na mapera mawili kwa shilingi mia. Je, ni kiasi gani?"),
    ("th", "แอนนาซื้อแอปเปิลสามลูกและลูกแพร์สองลูก เธอต้องจ่ายเท่าไร"),
    ("zh", "安娜买了三个苹果和两个梨。她一共要付多少钱?"),
    ("ja", "アンナはりんごを3個と梨を2個買います。全部でいくら払いますか。"),
    ("ko", "안나는 사과 세 개와 배 두 개를 삽니다. 모두 얼마를 내야 합니까?"),
]


@pytest.mark.parametrize(("language", "text"), TEXTS)
def test_a_sentence_or_two_tell_the_language(language: str, text: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "12 + 5 = ?", "🙂", "x = [f(y), g(i)] + y", "Bananas!"])
def test_what_has_too_few_words_has_no_language(text: str) -> None:
    assert language_of(text) is None


def test_variables_are_no_words() -> None:
    assert language_of("Solve for x and y: x + y = 5 and x - y = 1, given a, e and o") == "en"


def test_of_a_mixed_text_the_larger_part_counts() -> None:
    assert language_of('Translate "安娜买了苹果" into the language of your choice, please.') == "en"


def test_every_language_of_the_claims_is_listed() -> None:
    assert {language for language, _ in TEXTS} <= LANGUAGES


@pytest.mark.skipif(not GSM8K.exists(), reason="needs GSM8K in ../shared/data")
def test_real_english_prompts_are_not_taken_for_another_language() -> None:
    lines = GSM8K.read_text(encoding="utf-8").splitlines()
    found = [language_of(json.loads(line)["question"]) for line in lines]
    assert found.count("en") >= 0.995 * len(found)
    assert set(found) <= {"en", None}


@pytest.mark.skipif(not ARENA_HARD.exists(), reason="needs Arena-Hard in ../shared/data")
def test_code_and_odd_prompts_are_english_or_unknown() -> None:
    lines = ARENA_HARD.read_text(encoding="utf-8").splitlines()
    found = [language_of(json.loads(line)["prompt"]) for line in lines]
    assert sum(language not in ("en", None) for language in found) <= 0.005 * len(found)
