"""How much of a text is in one language."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RecipeError
from tasks.text.languages import LANGUAGES, language_share

TEXTS = {
    "en": "The letter came yesterday and we found that the total is seven, so each child gets an apple.",
    "de": "Der Brief ist gestern angekommen, und ich habe ihn mit Freude gelesen, denn es sind dann sieben für alle.",
    "fr": "La lettre est arrivée hier et nous avons calculé que le nombre est sept, donc chaque enfant a une pomme.",
    "es": "La carta llegó ayer y entonces calculamos que el número es siete, por lo que cada niño tiene una.",
    "it": "La lettera è arrivata ieri e quindi abbiamo calcolato che il numero è sette, anche se ogni bambino ha mele.",
    "nl": "De brief is gisteren aangekomen en we hebben het aantal berekend, dus elke leerling krijgt het niet.",
    "pt": "A carta chegou ontem e então calculamos que o número é sete, por isso cada criança também tem uma.",
    "ru": "Письмо пришло вчера, и мы посчитали, что всего их семь, так что каждый ребёнок получает яблоко.",
    "el": "Το γράμμα ήρθε χθες και υπολογίσαμε ότι το σύνολο είναι επτά.",
    "zh": "信昨天到了，我们算出总数是七，所以每个孩子得到一个苹果。",
    "ja": "手紙は昨日届きました。合計は七なので、子供たちはりんごを一つずつもらいます。",
    "ko": "편지는 어제 도착했고 우리는 합계가 일곱이라고 계산했습니다.",
    "ar": "وصلت الرسالة أمس وحسبنا أن المجموع سبعة ولذلك يحصل كل طفل على تفاحة.",
    "he": "המכתב הגיע אתמול וחישבנו שהסכום הוא שבע ולכן כל ילד מקבל תפוח.",
    "hi": "पत्र कल आया और हमने गणना की कि कुल सात है इसलिए हर बच्चे को एक सेब मिलता है।",
    "th": "จดหมายมาถึงเมื่อวานนี้ และเราคำนวณได้ว่าทั้งหมดมีเจ็ด",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_is_in_its_own_language_and_in_no_other(language: str) -> None:
    assert language_share(TEXTS[language], language).share > 0.9
    told_apart = set(TEXTS) - {language} - ({"ja"} if language == "zh" else set())
    shares = {other: language_share(TEXTS[language], other).share for other in told_apart}
    assert max(shares.values()) < 0.7, shares


@pytest.mark.parametrize(
    ("text", "share", "words"),
    [
        ("", 1.0, 0),
        ("5 + 7 = 12", 1.0, 0),
        ("x = y", 1.0, 0),
        ("α and β", 1.0, 1),
        ("the total 总数", 0.5, 4),
        ("the total `总数`", 1.0, 2),
        ("the total $总数$ \\[总\\] \\(数\\) $$总$$", 1.0, 2),
        ("the total\n```\n总数\n```", 1.0, 2),
        ("the \\frac{total}{всего}", 2 / 3, 3),
        ("see https://example.org/总数 now", 1.0, 2),
        ("José and Zoë met", 1.0, 4),
    ],
)
def test_what_counts(text: str, share: float, words: int) -> None:
    found = language_share(text, "en")
    assert found.share == pytest.approx(share)
    assert found.words == words


def test_an_unknown_language_lists_the_known() -> None:
    with pytest.raises(RecipeError, match="use one of ar, de, el, en"):
        language_share("", "xx")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.sampled_from(LANGUAGES))
def test_a_share_is_one(text: str, language: str) -> None:
    share, words = language_share(text, language)
    assert 0 <= share <= 1
    assert words >= 0
