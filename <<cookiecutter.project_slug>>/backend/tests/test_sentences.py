from __future__ import annotations

import pytest

from app.sentences import language_of, sentences
from tests.here import cost
from tests.ingest.languages import TEXTS

TRICKY = {
    "en": ["Dr. Smith came at 3 p.m. sharp.", "It is 3.5 m high, i.e. tall; see Fig. 3.", "The U.S. Army left!"],
    "de": ["Die Feier ist am 3. Oktober in Köln.", "Dr. Meier kommt z. B. um 5 Uhr.", "Im 19. Jahrhundert?"],
    "fr": ["M. Dupont et Mme. Curie habitent à Paris.", "Il est né le 1er mai, cf. p. 5.", "Est-ce vrai ?"],
    "es": ["La Sra. García llegó tarde.", "¿Vive el Sr. López en la casa?", "No lo sabe la Dra. Ruiz."],
    "pt": ["O Sr. Silva chegou com a Dra. Costa.", "Não é verdade!", "A reunião é em maio."],
    "it": ["Il sig. Rossi è con la dott.ssa Bianchi.", "Che cosa vuole?", "Non lo so."],
    "nl": ["Dhr. Jansen woont in Utrecht.", "Hij is bijv. leraar en niet rijk."],
    "sv": ["Det kostar ca. 50 kr. per person.", "Han är t.ex. lärare."],
    "da": ["Den 3. oktober kom hr. Jensen og blev her.", "Det var sent."],
    "fi": ["Hän syntyi 3. lokakuuta Turussa.", "Se oli esim. kylmä."],
    "pl": ["Prof. Nowak mieszka przy ul. Długiej.", "Urodził się w 1950 r. w Łodzi."],
    "cs": ["Narodil se 3. října v Brně.", "Bylo to v noci."],
    "hu": ["Október 3. napján érkezett a vonat.", "Dr. Kovács is itt van."],
    "tr": ["Dr. Yılmaz geldi ve bir çay içti.", "Bu 3. sokakta oturuyor."],
    "ru": ["Он родился в 1950 г. в Москве.", "В 2020 г. Иванов уехал.", "А. С. Пушкин жил на ул. Мойка."],
    "uk": ["У 1950 р. він поїхав до Києва.", "Це було давно."],
    "el": ["Ο κ. Παππάς ήρθε με την κόρη του.", "Πού είσαι;", "Είναι εδώ."],
    "he": ["הוא לא בא.", "היא באה עם ד\"ר כהן?", "כן!"],
    "ar": ["هذه جملة عن البيت.", "هل هذا صحيح؟", "نعم!"],
    "hi": ["यह पहला वाक्य है।", "क्या यह दूसरा है?"],
    "zh": ["今天是好天气。", "我们去北京！", "你也去吗？", "“好的。”"],
    "ja": ["今日は晴れです。", "「行こう。」", "はい！", "駅から歩きます。"],
    "ko": ["오늘은 할 일이 더 많다.", "우리는 내일 쉰다."],
    "th": ["วันนี้อากาศดีและเราไปตลาดที่อยู่ในเมือง"],
}  # fmt: skip


@pytest.mark.parametrize("language", TRICKY)
def test_sentences_end_where_a_reader_ends_them(language: str) -> None:
    text = " ".join(TRICKY[language])
    assert language_of(text) == language
    assert list(sentences(text, language)) == TRICKY[language]


LETTERS = {
    "en": ["We had only Plan B.", "Then J. S. Bach came with George W. Bush to the U.S.",
           "The U.S. Army met them at 5 p.m.", "They took vitamin C.", "It helped them.", "I. A. Richards said so."],
    "de": ["Wir hatten nur Plan B.", "Dann kam J. S. Bach, z. B. um 5 Uhr.", "Das ist z. B. Vitamin C.", "Es hilft."],
    "fr": ["Il reste le plan B.", "C’est celui de J. S. Bach.", "Prenez de la vitamine C.", "Elle est bonne."],
    "es": ["Queda el plan B.", "Luego vino J. L. Borges.", "Tome vitamina C.", "¿Es buena?"],
    "pt": ["Temos o plano B.", "Depois veio J. S. Bach.", "Tome vitamina C.", "É boa."],
    "it": ["Resta il piano B.", "Poi venne G. B. Vico.", "Ecco la vitamina C.", "È buona."],
    "nl": ["Er is een plan B.", "Dan komt J. S. Bach.", "Dit is vitamine C.", "Het helpt."],
    "sv": ["Vi har en plan B.", "Sedan kom J. S. Bach.", "Ta vitamin C.", "Det hjälper."],
    "da": ["Vi har en plan B.", "Så kom J. S. Bach.", "Tag C-vitamin i klasse A.", "Det hjælper."],
    "fi": ["On suunnitelma B.", "Sitten tuli J. S. Bach.", "Se on C.", "Hän tuli."],
    "pl": ["Jest plan B.", "Potem przyszedł J. S. Bach.", "To witamina C.", "Jest dobra."],
    "cs": ["Je tu plán B.", "Pak přišel J. S. Bach.", "To je vitamin C.", "Ten pomáhá."],
    "sk": ["Je tu plán B.", "Potom prišiel J. S. Bach.", "To je vitamín C.", "Ten pomáha."],
    "hu": ["Van B terv, és van C.", "Aztán J. S. Bach jött.", "Ez a vitamin D.", "Az jó."],
    "ro": ["Avem planul B.", "Apoi a venit J. S. Bach.", "Este vitamina C.", "Ea ajută."],
    "hr": ["Imamo plan B.", "Zatim je došao J. S. Bach.", "To je vitamin C.", "On pomaže."],
    "tr": ["Bizde plan B.", "Sonra J. S. Bach geldi.", "Bu vitamin C.", "O iyidir."],
    "ru": ["Есть план Б.", "Потом пришёл И. С. Бах.", "Это витамин С.", "Он полезен."],
    "uk": ["Є план Б.", "Потім прийшов Й. С. Бах.", "Це вітамін С.", "Він корисний."],
    "bg": ["Имаме план Б.", "После дойде Й. С. Бах.", "Това е витамин С.", "Той помага."],
    "el": ["Έχουμε σχέδιο Β.", "Μετά ήρθε ο Γ. Σ. Μπαχ.", "Είναι η βιταμίνη Δ.", "Αυτή βοηθά."],
}  # fmt: skip


@pytest.mark.parametrize("language", LETTERS)
def test_a_single_letter_ends_a_sentence_only_where_the_next_word_begins_one(language: str) -> None:
    assert list(sentences(" ".join(LETTERS[language]), language)) == LETTERS[language]


@pytest.mark.parametrize("text", ["a. Then we go.", "A. The first."])
def test_the_letter_that_counts_in_a_list_belongs_to_what_follows(text: str) -> None:
    assert list(sentences(text, "en")) == [text]


@pytest.mark.parametrize("language", [each for each in TEXTS if each not in ("zh-tw",)])
def test_a_text_is_told_to_be_of_its_language_and_nothing_of_it_is_lost(language: str) -> None:
    assert language_of(TEXTS[language]) == language
    assert "".join(" ".join(sentences(TEXTS[language], language)).split()) == "".join(TEXTS[language].split())


def test_a_text_of_no_language_is_taken_for_english() -> None:
    assert language_of("12 = 7; ???") == "en"
    assert list(sentences(" \n", "en")) == []


ENDLESS = {
    "zh": ["我们在北京看到了古老的建筑。", "她说：“真的吗？我不信。”", "明天会更好！", '他问："谁？你？"'],
    "ja": ["吾輩は猫である。", "名前はまだ無い！", "「行こう。早く。」と言った。", "今日は｡"],
    "ar": ["ذهب؟", "نعم!"],
    "am": ["ሰላም።", "ደህና።"],
    "en": ["Really?!", "No!", "Who?"],
}


@pytest.mark.parametrize("language", ENDLESS)
def test_a_paragraph_without_end_takes_a_time_by_its_length(language: str) -> None:
    some = ENDLESS[language]
    expected = list(sentences("".join(some), language))

    def seconds(characters: int) -> float:
        times = characters // len("".join(some))
        found: list[str] = []
        taken = cost(lambda: found.extend(sentences("".join(some * times), language)))
        assert found == expected * times
        return taken

    assert seconds(300_000) < 3 * 15 * seconds(20_000)  # by its square: 225 times as long
