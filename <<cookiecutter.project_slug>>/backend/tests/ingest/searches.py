"""What speakers search for, and what they expect to find: documents, each with the queries that have to find it, those
that must not, and those that should and do not."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SHELF", "Searched"]


class Searched(NamedTuple):
    """A document, and what is searched for."""

    language: str
    text: str
    finds: tuple[str, ...]
    never: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()


SHELF = (
    Searched(
        "English",
        "The ofﬁce’s ﬂuffy infor-\nmation desk was well-\nknown: a co\u00adoperative, zero\u200bwidth café, "
        "naïve résumés and Ｆｕｌｌ Ｗｉｄｔｈ labels in “quoted words only”.",
        ("office", "fluffy", "information", "known", "well-known", "wellknown", "cooperative", "zerowidth", "CAFE",
         "café", "naive", "resume", "full width", "“quoted words”", '"quoted words only"', "„quoted words“",
         "«information desk»", "office's", "office’s", "infor"),
        ("formation", '"quoted only"', '"quoted word"', "ice", '"desk information"'),
    ),
    Searched(
        "English",
        "We moved from C to C++17 and C#, not to Objective-C. Python 3.11 and ASP.NET on .NET 8; see data.csv, "
        "mail ann.lee@example.com, ask @octo-cat, tag #til.",
        ("C++", "c++", "C#", "c# not", "C++17", "3.11", "Python 3.11", ".NET", "asp.net", ".csv", "data.csv", "#til",
         "til", "@octo-cat", "octo", "ann.lee@example.com", "ann", "example.com", "Ｃ＋＋", "objective-c",
         '"C++17 and C#"', "ann lee", "3.1"),
        ("F#", "g++", "#octo", "@til", "3.12", '"3 11"', "C+", '"3.1"', "@example.net", ".org"),
    ),
    Searched(
        "English",
        "Vitamin C and calcium can be bought by the net weight; chapter 3, 11 pages. C #1 is a note. Till then, Mr. "
        "J. R. R. Tolkien of St. Gallen.",
        ("vitamin c", "net", "c", "J.R.R. Tolkien", '"J.R.R. Tolkien"', "St.Gallen", "calc"),
        ("C++", "C#", ".NET", "3.11", "#til", "@net", "#c"),
    ),
    Searched(
        "German",
        "Die Straßenbahn fährt zur Größe des Käsemarkts; am 29.11.2026 öffnet das „große Tor“. Donau-\n"
        "dampfschiff, Nord-\nsüd, Übergabe-\nprotokoll.",
        ("strassenbahn", "STRASSENBAHN", "Straße", "grosse", "größe", "kasemarkt", "Käsemarkt", "2026", "29.11.2026",
         "„große Tor“", "»große Tor«", "Übergabeprotokoll", "protokoll", "offnet"),
        ("bahn", "29.12.2026", "„Tor große“", '"groß"'),
    ),
    Searched(
        "French",
        "L’été dernier, l'œuvre du garçon s'appelait « Noël à la forêt » ; ça coûte 3,50 €. Où êtes-vous ? Aïe, un "
        "ﬁlm ﬂou et cœur.",
        ("été", "ete", "ETE", "œuvre", "oeuvre", "garcon", "Noël", "noel", "« Noël à la forêt »", '"noel a la foret"',
         "coute", "êtes-vous", "etes", "film", "flou", "coeur", "l'été", "l’ete", "3,50"),
        ("« forêt Noël »", "chœur", "meteo"),
    ),
    Searched(
        "Spanish",
        "El niño comió piñata en el corazón de México. ¿Dónde está el pingüino? ¡Mañana! Art. 1.º del código, 1ª vez.",
        ("nino", "niño", "NIÑO", "corazon", "mexico", "donde", "pinguino", "manana", "codigo", "1.º", '"donde esta"'),
        ("camino", '"esta donde"'),
    ),
    Searched(
        "Portuguese",
        "A ação não acontece amanhã: São Paulo, João e a avó pedem pão de açúcar.",
        ("acao", "ação", "nao", "amanha", "sao paulo", "joao", "avo", "acucar", '"pão de açúcar"'),
        ("avos", "maçã"),
    ),
    Searched(
        "Polish",
        "Zażółć gęślą jaźń w Łodzi; źródło „nowej wiedzy” i łąka.",
        ("zazolc", "gesla", "jazn", "lodzi", "Łodzi", "łodzi", "zrodlo", "„nowej wiedzy”", "laka", "ŁĄKA"),
        ("„wiedzy nowej”", "lodka"),
    ),
    Searched(
        "Turkish",
        "İstanbul'da ışık ve ISPANAK, çiğ köfte, Şişli ile Üsküdar.",
        ("istanbul", "İSTANBUL", "Istanbul", "isik", "ışık", "ispanak", "ıspanak", "cig kofte", "sisli", "uskudar"),
        ("ankara", "isim"),
    ),
    Searched(
        "Vietnamese",
        "Đà Nẵng là thành phố đẹp; nước Việt Nam có phở và đường phố.",
        ("da nang", "Đà Nẵng", "đà", "thanh pho", "việt nam", "viet nam", "pho", "duong", '"thanh pho dep"', "nuoc"),
        ("ha noi", '"pho thanh"'),
    ),
    Searched(
        "Croatian",
        "Đorđe i Đurđa šalju čaj; ǆep, ﬁlozofija, žuta ćelija.",
        ("dorde", "Đorđe", "durda", "salju", "caj", "džep", "filozofija", "zuta", "celija"),
        ("ćelav",),
    ),
    Searched(
        "Greek",
        "Η άνοιξη στην Αθήνα: ο Οδυσσέας είπε «καλή μέρα». ΕΛΛΗΝΙΚΆ, πρωτεΐνη, φῶς, ᾅδης.",
        ("ανοιξη", "ΆΝΟΙΞΗ", "αθηνα", "Αθήνα", "οδυσσεας", "ΟΔΥΣΣΈΑΣ", "«καλη μερα»", "ελληνικα", "πρωτεινη", "φως",
         "αδης"),
        ("«μερα καλη»", "θηνα"),
    ),
    Searched(
        "Russian",
        "Ёлка и ёж стоят в подъезде; мой за́мок — «Новый мир». Перено-\nсится слово, съёмка идёт.",
        ("елка", "ёлка", "ЁЛКА", "еж", "подъезд", "замок", "«новый мир»", "„новый мир“", "переносится", "съемка",
         "идет", "мой"),
        ("мои", "носиться", "«мир новый»", "лка"),
    ),
    Searched(
        "Ukrainian",
        "Київ має п’ять мостів, пам'ять і обʼєкт; їжак живе у лісі, ґанок.",
        ("київ", "п'ять", "п’ять", "пʼять", "пам’ять", "об'єкт", "їжак", "ґанок", "КИЇВ"),
        ("киев", "іжак"),
    ),
    Searched(
        "Arabic",
        "قَرَأَ أَحْمَدُ الكِتَابَ في المَدْرَسَةِ؛ الســــلام عليكم، ﻛﺘﺎﺏ ﺟﺪﻳﺪ، إلى مكتبة ١٢٣.",
        ("احمد", "أحمد", "الكتاب", "كتاب", "المدرسة", "مدرسه", "السلام", "عليكم", "كتاب جديد", "الى", "مكتبه", "123",
         "قرأ", '"السلام عليكم"'),
        ("كاتب", '"عليكم السلام"', "124"),
    ),
    Searched(
        "Persian",
        "من می‌خواهم کتاب‌های فارسی بخوانم؛ سال ۱۴۰۳ در تهران.",
        ("میخواهم", "می‌خواهم", "كتاب", "کتاب", "فارسي", "فارسی", "1403", "۱۴۰۳", "تهران"),
        ("1404", "شیراز"),
    ),
    Searched(
        "Hebrew",
        "שָׁלוֹם לָעוֹלָם! צה״ל וחז\"ל; הספר החדש של ג׳ורג׳ בתל־אביב.",
        ("שלום", "שָׁלוֹם", "לעולם", 'צה"ל', "צה״ל", 'חז"ל', "ספר", "הספר", "תל אביב", "תל-אביב", "ג'ורג'"),
        ("ירושלים", '"עולם שלום"'),
    ),
    Searched(
        "Hindi",
        "हिन्दी फ़िल्म में पाँच गाने हैं; क़लम और विद्यालय, २०२४ का साल।",
        ("हिन्दी", "फिल्म", "फ़िल्म", "पांच", "पाँच", "कलम", "क़लम", "विद्यालय", "2024", "विद्या", '"पाँच गाने"'),
        ("द्यालय", "2023", "पचास"),
    ),
    Searched(
        "Chinese",
        "中华人民共和国的首都是北京。机器学习正在改变软件\n开发；他说“人工智能”很重要，２０２４年的iPhone手机。⽔平",
        ("首都", "北京", "首都是北京", "人民共和国", "机器学习", "学习", "软件开发", "开发", "人工智能", "“人工智能”",
         "智能", "2024", "手机", "iPhone手机", "iphone", "北", "水平", "改变 首都", "学习，北京"),
        ("京北", "上海", "“智能人工”", "能工", "首北"),
    ),
    Searched(
        "Chinese",
        "臺灣的國立大學圖書館藏有三十萬冊圖書，「數位典藏」計畫持續進行。",
        ("臺灣", "國立大學", "大學", "圖書館", "圖書", "「數位典藏」", "典藏", "計畫"),
        ("館圖", "「典藏數位」", "圖畫"),
    ),
    Searched(
        "Japanese",
        "東京都は日本の首都です。コンピュータとﾊﾟｿｺﾝを使う。「吾輩は猫である」を読んだ。データベース設計、ＡＩ技術と"
        "人工知能の研\n究。佐々木さんと人々。",
        ("東京", "東京都", "首都", "日本の首都", "パソコン", "ﾊﾟｿｺﾝ", "コンピュータ", "「吾輩は猫である」", "猫",
         "佐々木", "人々", "データ", "ベース", "AI技術", "ＡＩ", "人工知能", "研究", "読んだ", "東京 猫"),
        ("京東", "大阪", "「猫である吾輩は」", "ハソコン", "犬"),
    ),
    Searched(
        "Korean",
        "초등학교에서 한국어를 배웠다. 데이터베이스와 인공지능을 연구하는 서울대학교 학생들.",
        ("학교", "초등학교", "한국어", "한국", "데이터베이스", "데이터", "인공지능", "지능", "서울대학교", "대학교",
         "학생", "연구", "\u1112\u1161\u11ab\u1100\u116e\u11a8"),
        ("부산", "학원", "교학"),
    ),
    Searched(
        "Thai",
        "ประเทศไทยมีเมืองหลวงคือกรุงเทพมหานครและน้ำดื่มสะอาด ภาษาไทยเขียนติดกันโดยไม่เว้นวรรค พ.ศ. ๒๕๖๗",
        ("ไทย", "ประเทศ", "ประเทศไทย", "เมืองหลวง", "กรุงเทพ", "มหานคร", "น้ำ", "น้ําดื่ม", "ภาษาไทย", "ภาษา", "เขียน",
         "2567", "๒๕๖๗", "เเละ"),
        ("น้า", "ลาว", "ไทยประ", "2568"),
    ),
    Searched("Lao", "ປະເທດລາວມີນະຄອນຫຼວງວຽງຈັນ ນ້ຳ", ("ລາວ", "ປະເທດ", "ວຽງຈັນ", "ນະຄອນຫຼວງ", "ນ້ຳ", "ນໍ້າ"), ("ໄທ", "ນ້າ")),
    Searched(
        "Khmer", "ប្រទេសកម្ពុជាមានរាជធានីភ្នំពេញ ភាសាខ្មែរ", ("កម្ពុជា", "ភ្នំពេញ", "ភាសា", "ខ្មែរ", "រាជធានី"), ("ឡាវ",)
    ),
    Searched("Burmese", "မြန်မာနိုင်ငံ၏မြို့တော်သည်နေပြည်တော်ဖြစ်သည်။", ("မြန်မာ", "နိုင်ငံ", "နေပြည်တော်", "မြို့တော်"), ("ထိုင်း",)),
    # The same in its other spellings, both ways.
    Searched("Persian", "او می‌شود و نمی‌دانم؛ خانه‌های نو",
             ("می‌شود", "می شود", "میشود", "نمی دانم", "نمیدانم", "خانه ها", "خانه‌ها", "خانه های"), ("می رود",)),
    Searched("Persian", "او می شود و کتاب ها", ("می‌شود", "می شود", "میشود", "کتابها", "کتاب‌ها", "مي شود"), ("میرود",)),
    Searched("Persian", "او میشود و کتابها؛ میدان", ("می‌شود", "می شود", "کتاب ها", "کتاب‌ها"), ("دان", "ها")),
    Searched("Hindi", "हिंदी का संबंध: अंडा, गंगा, पंच, जन्म",
             ("हिन्दी", "सम्बन्ध", "अण्डा", "गङ्गा", "पञ्च", "हिंदी"), ("जंम", "हिमदी")),
    Searched("Hindi", "हिन्दी का सम्बन्ध: अण्डा, गङ्गा, पञ्च", ("हिंदी", "संबंध", "अंडा", "गंगा", "पंच"), ("संबध",)),
    Searched("German", "Käse von Frau Müller, schöne GRÖẞE, Übergabe; neue Poeten",
             ("Kase", "Kaese", "KAESE", "Mueller", "muller", "schoene", "Groesse", "grösse", "Uebergabe",
              "Poet"), ("pot", "Moeller"), missed=('"Frau Mueller"', '"schoene Groesse"')),
    Searched("German", "Kaese von Frau Mueller, schoene Groesse", ("Käse", "Müller", "schöne Größe", '"schöne Größe"'),
             ("Möller", "Kuse")),
    Searched("Danish", "Ærø, København og Århus", ("aero", "Kobenhavn", "Koebenhavn", "Aarhus", "arhus", "ÆRØ"),
             ("Ribe",)),
    Searched("Danish", "Aarhus og Koebenhavn, rødgrød med fløde", ("Århus", "København", "rodgrod", "roedgroed"),
             ("arus",)),
    Searched("Swedish", "Malmö, Åre och Växjö", ("Malmo", "Malmoe", "Aare", "are", "vaxjo", "Vaexjoe"), ("Lund",)),
    Searched("English", "An e-mail on the co-operative’s set-up: don’t", ("email", "e-mail", "cooperative", "setup",
             "mail", '"an e-mail on"', "don't", "don’t", "don‘t", "don´t"), ("mailing", '"e mail set"')),
    Searched("English", "An email on the cooperative’s setup: don't", ("e-mail", "co-operative", "set-up", "don’t"),
             ("set up", "e mail")),
    Searched("French", "Porte-monnaie, l'eau et aujourd’hui", ("portemonnaie", "porte-monnaie", "l’eau", "eau",
             "aujourd'hui"), ("bateau",)),
    Searched("Hebrew", "צה״ל ג׳ורג׳", ('צה"ל', "צהל", "ג'ורג'", "גורג", "צה’ל"), ("הל",)),
    Searched("Hebrew", "צהל", ("צה״ל", 'צה"ל'), ("צל",)),
    Searched("Catalan", "El col·legi és paral·lel", ("col·legi", "collegi", "paral·lel", "parallel"), ("colegi",)),
    Searched("Arabic", "مدرسة على آخر إسلام", ("مدرسه", "علي", "اخر", "اسلام", "أخر"), ('"على مدرسة"',)),
    Searched("Turkish", "IŞIK, ılık, İzmir", ("ışık", "isik", "ilik", "izmir", "IZMIR", "İZMİR"), ("asik",)),
    Searched("Japanese", "サーバーのﾃﾞｰﾀをＡＢＣに", ("サーバ", "サーバー", "ｻｰﾊﾞｰ", "データ", "ABC", "ａｂｃ"),
             ("サバ",)),
    Searched("Japanese", "サーバを使う", ("サーバ",), ("サービス",), missed=("サーバー",)),
    Searched("Chinese", "臺灣的圖書館", ("臺灣", "圖書館"), ("圖館",), missed=("台湾", "图书馆")),
)  # fmt: skip
