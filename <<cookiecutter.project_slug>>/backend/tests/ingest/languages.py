"""What people write in many languages, and the charsets that they keep it in."""

from __future__ import annotations

__all__ = ["ALL_TEXTS", "CHARSETS", "TEXTS"]

TEXTS = {
    "en": (
        "The café on the corner raised its prices again: a coffee is €3.20 now, “with a biscuit”, as the sign says. "
        "We’re still going there – where else could we sit all morning? My niece’s friends don’t mind either."
    ),
    "fr": (
        "L’été dernier, ma sœur a acheté une petite maison près de la forêt ; elle coûtait 90 000 €. « C’est à peine "
        "croyable », a répondu notre mère. Le garçon d’à côté l’aide déjà à réparer la clôture et les fenêtres."
    ),
    "de": (
        "Die Brücke über den Fluss wird im März für zwei Wochen gesperrt. „Das trifft vor allem die Schüler“, sagte "
        "die Bürgermeisterin. Größere Fahrzeuge müssen außen herum fahren, was ungefähr 20 € Sprit kostet."
    ),
    "es": (
        "¿Quién dejó las llaves en el jardín? Mañana por la mañana el señor Núñez vendrá a arreglar la ventana. "
        "Después comeremos en el pequeño restaurante del puerto; el menú cuesta 12 € y está riquísimo."
    ),
    "pt": (
        "A irmã do João não conseguiu apanhar o autocarro e chegou atrasada à reunião. “Amanhã saio mais cedo”, "
        "prometeu ela. A estação fica longe, as ligações são más e o bilhete já custa 4,50 € por viagem."
    ),
    "it": (
        "La città è più tranquilla di sera, perché il mercato chiude alle sei. Giulia abita lì da un anno e dice che "
        "non tornerà mai più in campagna: l’affitto costa 600 €, però c’è già tutto, e l’università è vicina."
    ),
    "sv": (
        "Båten går från ön klockan åtta på morgonen och kommer tillbaka först på kvällen. Många äldre åker gärna med, "
        "även när det blåser. En biljett kostar tjugofem kronor, och för hundar får man betala hälften så mycket."
    ),
    "fi": (
        "Järven jää kantaa jo hyvin, mutta lähellä siltaa pitää yhä olla varovainen. Isäni käy siellä pilkillä joka "
        "päivä ja sanoo, että syömme tänäänkin ahventa. Hän nyökkäsi tyytyväisenä ja lähti hakemaan särkiä."
    ),
    "da": (
        "På øen findes der kun én købmand, og han lukker, når solen går ned. Børnene cykler derover efter skole for at "
        "købe is. I år blev sommeren så våd, at både æbler og pærer rådnede på træerne før høsten."
    ),
    "pl": (
        "Wczoraj wieczorem dziadek znalazł na strychu stary zegar, który spóźnia się o pięć minut. Mógłby go naprawić, "
        "ale część kółek zardzewiała. „Źle być nie może”, powiedział, śmiejąc się, i poszedł do łóżka."
    ),
    "cs": (
        "Příští týden začíná na náměstí vánoční trh a děti už se nemohou dočkat. Babička jako každý rok upeče "
        "perníčky, strýc přiveze dřevěné hračky a večer zahraje žesťový kvartet. Doufám, že bude sněžit."
    ),
    "hu": (
        "A szomszéd kertjében már érik a szőlő, de az őszi esők miatt később lesz szüret. Péter minden este kimegy, és "
        "megnézi a tőkéket. Úgy gondolja, hogy jövő héten elég édes lesz, különben eláll a dologtól."
    ),
    "ro": (
        "Dimineaţa, bunica deschide fereastra şi ascultă păsările din livadă. Apoi coboară în sat să cumpere pâine şi "
        "brânză, iar la întoarcere povesteşte tuturor ce a auzit. Îi place să râdă şi să cânte."
    ),
    "ru": (
        "Вчера вечером мы долго ждали автобус, а потом решили идти домой пешком. Снег уже растаял, и дорога через парк "
        "оказалась сухой. Бабушка приготовила суп с грибами и спросила, почему мы так поздно вернулись."
    ),
    "uk": (
        "Моя сестра щоранку їздить до міста потягом, бо вчиться на лікарку. Їй подобається дивитися у вікно, як над "
        "річкою піднімається туман. Увечері вона розповідає, що нового дізналася і кого зустріла."
    ),
    "el": (
        "Το πλοίο φεύγει από το λιμάνι κάθε πρωί στις επτά και γυρίζει αργά το βράδυ. Ο παππούς μου πηγαίνει συχνά στο "
        "νησί για να δει τους παλιούς του φίλους. Εκεί πίνουν καφέ και μιλούν για τη θάλασσα."
    ),
    "tr": (
        "Dün akşam komşumuz bize kendi bahçesinden topladığı incirleri getirdi. Annem onlardan reçel yapmayı "
        "düşünüyor, ama şeker bitmiş. Yarın çarşıya gidip hem şeker hem de küçük kavanozlar alacağız."
    ),
    "he": (
        "אתמול בערב ישבנו על המרפסת ושתינו תה עם נענע. סבתא סיפרה לנו על הבית הישן ליד הים, ועל הכלב שתמיד ברח אל "
        "החוף. מחר ניסע לבקר אותה שוב, ונביא לה את התמונות שמצאנו בארון."
    ),
    "ar": (
        "وصل القطار متأخرا هذا الصباح بسبب المطر الشديد، فانتظر المسافرون ساعة كاملة في المحطة. كانت جدتي تحمل سلة "
        "من التمر والخبز، ووزعت منها على الأطفال حتى وصلنا إلى المدينة."
    ),
    "th": ("เมื่อวานนี้แม่ของฉันไปตลาดตั้งแต่เช้าเพื่อซื้อผลไม้และดอกไม้ พอกลับมาถึงบ้านฝนก็ตกหนักมาก เราจึงนั่งกินมะม่วงกันที่ระเบียงและฟังเสียงฝน"),
    "vi": (
        "Sáng nay trời mưa to nên chợ vắng người. Bà tôi vẫn đi mua rau và cá, rồi nấu một nồi canh chua thật ngon. "
        "Buổi chiều, các cháu đến thăm và kể chuyện ở trường cho bà nghe."
    ),
    "ja": (
        "昨日の夕方、祖母と一緒に川沿いの道を散歩しました。桜はもう散ってしまいましたが、風が気持ちよくて、近所の子どもたちが自転車で遊んで"
        "いました。帰りに小さなパン屋でメロンパンを買って、家でお茶を飲みました。"
    ),
    "zh": (
        "昨天晚上我们一家人在院子里吃饭，爷爷讲了他年轻时候坐船去上海的故事。弟弟听得很认真，问了许多问题。吃完饭以后，妈妈切了西瓜，大家一边"
        "吃一边看月亮，直到十点才回屋睡觉。"
    ),
    "zh-tw": (
        "昨天晚上我們一家人在院子裡吃飯，爺爺講了他年輕時候坐船去臺北的故事。弟弟聽得很認真，問了許多問題。吃完飯以後，媽媽切了西瓜，大家一邊"
        "吃一邊看月亮，直到十點才回房間睡覺。"
    ),
    "ko": (
        "어제 저녁에 우리는 강가를 따라 오랫동안 걸었습니다. 할머니는 옛날에 이곳에서 빨래를 했다고 말씀하셨어요. "
        "집에 돌아와서 따뜻한 국수를 먹고, 동생은 학교에서 배운 노래를 불러 주었습니다."
    ),
}

ALL_TEXTS = TEXTS | {
    "is": (
        "Amma býr í litlu húsi við fjörðinn og þar er alltaf kaffi á könnunni. Á sunnudögum förum við þangað, göngum "
        "út með sjónum og tínum skeljar. Í gær kom stormur, en húsið stóð hann af sér."
    ),
    "et": (
        "Vanaisa käis hommikul metsas ja tõi koju terve korvi pilvikuid. Õhtul sõime neid hapukoorega ning rääkisime, "
        "kuidas ta noorena järve ääres elas. Väljas sadas vihma, aga köögis oli soe."
    ),
    "lv": (
        "Rīta agrumā māsa aizgāja uz tirgu nopirkt ķiršus un svaigu maizi. Vēlāk mēs sēdējām dārzā, ēdām pīrāgu un "
        "klausījāmies, kā dzied putni. Vakarā sāka līt, un visi steidzās mājās."
    ),
    "lt": (
        "Šį rytą kaimynas atnešė kibirą obuolių ir paprašė išvirti uogienės. Vaikai žaidė kieme, kol močiutė pakvietė "
        "juos vakarienės. Žiema jau čia pat, todėl reikia paruošti malkų židiniui."
    ),
    "hr": (
        "Prošle subote sestra je u vrtu našla ježa koji se skrivao ispod grmlja. Djeca su mu donijela vodu, ali on je "
        "čekao da padne mrak i tek onda otišao kući. Susjed kaže da će se opet vratiti."
    ),
    "sk": (
        "Každé ráno prechádza okolo nášho domu mliekar so žltým vozíkom. Deti mu mávajú a čakajú, či im dá kúsok "
        "čerstvého syra. Včera však pršalo a nikto neprišiel, len vták sedel na plote."
    ),
    "sl": (
        "Včeraj smo šli čez hrib do male cerkve, od koder se vidi vse do morja. Stric je nesel košaro z jabolki, teta "
        "pa je začela peti. Žal je proti večeru začelo deževati, zato smo hitro šli domov."
    ),
    "bg": (
        "Всяка есен баба събира орехи от двора и ги суши на тавана. Тази година бяха толкова много, че ги раздадохме "
        "на съседите. Дядо обеща да направи сладкиш, щом се върне от града."
    ),
}
"""And some in languages that nothing but their letters is known of."""

CHARSETS = {
    "en": ["windows-1252", "macintosh"],
    "fr": ["windows-1252", "iso-8859-15", "macintosh", "cp850"],
    "de": ["windows-1252", "iso-8859-15", "macintosh", "cp850"],
    "es": ["windows-1252", "iso-8859-15", "macintosh", "cp850"],
    "pt": ["windows-1252", "macintosh"],
    "it": ["windows-1252", "macintosh"],
    "sv": ["windows-1252", "cp850"],
    "fi": ["windows-1252", "iso-8859-15"],
    "da": ["windows-1252"],
    "is": ["windows-1252"],
    "et": ["windows-1257", "iso-8859-13"],
    "lv": ["windows-1257", "iso-8859-13"],
    "lt": ["windows-1257", "iso-8859-13"],
    "pl": ["windows-1250", "iso-8859-2", "cp852"],
    "cs": ["windows-1250", "iso-8859-2", "cp852"],
    "hu": ["windows-1250", "iso-8859-2", "cp852"],
    "ro": ["windows-1250", "iso-8859-2"],
    "hr": ["windows-1250", "iso-8859-2"],
    "sk": ["windows-1250", "iso-8859-2"],
    "sl": ["windows-1250", "iso-8859-2"],
    "bg": ["windows-1251", "iso-8859-5", "x-mac-cyrillic"],
    "ru": ["windows-1251", "koi8-r", "iso-8859-5", "x-mac-cyrillic", "ibm866", "ibm855"],
    "uk": ["windows-1251", "koi8-u"],
    "el": ["windows-1253", "iso-8859-7"],
    "tr": ["windows-1254"],
    "he": ["windows-1255", "iso-8859-8"],
    "ar": ["windows-1256", "iso-8859-6"],
    "th": ["windows-874"],
    "vi": ["windows-1258"],
    "ja": ["shift_jis", "euc-jp", "iso-2022-jp"],
    "zh": ["gbk", "gb18030", "hz-gb-2312"],
    "zh-tw": ["big5"],
    "ko": ["euc-kr", "iso-2022-kr", "johab"],
}
