"""What of a model's answer is the draft: not what it says to itself, and not what it says to whoever asked."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from app.generation.prompt import Prompt
from app.sentences import frequent_words, language_of
from app.words import is_spaced
from app.words import words as places_of_words

__all__ = ["find_talk", "has_marks", "only_draft", "split_reasoning", "without_marks"]

# A mark of a model's template, of which there are no end: <|im_end|>, <|eot_id|>, DeepSeek's <｜end▁of▁sentence｜>, ...
_ANY_MARK = r"<[|｜][\w▁:/.-]{1,40}[|｜]>"
# The marks by which models that have no field for it tell their reasoning: DeepSeek, Qwen, Magistral, Kimi, Seed,
# gpt-oss, Command, ...
_TAGS = (
    r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad|inner[_-]monologue|"
    r"chain[_-]of[_-]thought)"
)
_OPEN = (
    rf"(?:<{_TAGS}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|(?:START_THINKING|begin_of_thought|thinking)\|>|"
    r"<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>)"
)
_CLOSE = rf"(?:</{_TAGS}>|\[/THINK\]|◁/think▷|<\|(?:END_THINKING|end_of_thought|/thinking)\|>)"
_REASONING = re.compile(
    rf"(?:^[ \t]*|(?<=<\|end\|>))(?:{_ANY_MARK}(?:assistant)?){{0,8}}?{_OPEN}"
    rf"(.*?)(?:(?:{_CLOSE}|<\|end\|>)[ \t]*\n*|\Z)",
    re.DOTALL | re.MULTILINE | re.IGNORECASE,
)
_FIRST_ELEMENT = re.compile(r"\A\s*<([a-z][\w:.-]{0,40})(?:\s[^<>]*)?>(.*?)</\1>", re.DOTALL | re.IGNORECASE)
_ANY_HEADING = re.compile(r"^## ", re.MULTILINE)
_OPEN_ELEMENT = re.compile(r"<([a-z][\w:.-]{0,40})>\s*\Z", re.IGNORECASE)
# Where the mark that opens it is in the model's own template, only the one that closes it is sent.
_UNOPENED = re.compile(rf"\A(.*)(?:^[ \t]*{_CLOSE}|{_CLOSE}[ \t]*$)\s*", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_UNFINISHED_MARK = re.compile(
    rf"(?:[<\[◁][|｜]?[/\w:▁.-]{{0,40}}[|｜]?|<{_TAGS}\s[^<>]*|"
    # Of these marks more is to come: whose turn it is, or what channel.
    r"(?:(?:<\|(?:start|channel|constrain|im_start|start_header_id)\|>|<start_of_turn>)[^<\n]{0,60})+(?:<[|\w]{0,20})?)\Z",
    re.IGNORECASE,
)

_LONGEST_MARK = 64  # characters
_LONGEST_MARKS = 400
"""In so many characters at its end an answer may have what is not finished."""

# The marks that are known wherever they stand. An unknown one may be text, but not at either end of an answer.
_KNOWN_MARK = (
    r"<\|(?:im_(?:start|end|sep)|(?:start|end)_header_id|(?:begin|end)_?of_?(?:text|turn|prompt|sentence)|eo[tms]_id|"
    r"(?:START|END)_(?:OF_TURN|RESPONSE)_?(?:TOKEN)?|(?:START|END)_RESPONSE|fim_\w+|channel|message|start|end|return|"
    r"call|constrain|system|user|assistant|observation|eo[tms]|bos|pad|sep)\|>|"
    r"<｜[\w▁]{1,40}｜>|<(?:start|end)_of_turn>"
)
_MARK_AT_END = rf"{_ANY_MARK}|{_KNOWN_MARK}|</s>|<(?:eo[tms]|bos|pad|unk)>|\[/?INST\]"
_MARKS = re.compile(_KNOWN_MARK, re.IGNORECASE)
_MARKS_BEFORE = re.compile(
    rf"\A(?:\s*(?:{_MARK_AT_END}|<s>(?![^\n]*</s>))(?:(?:assistant|model|final)\b(?=\s*[\n<]))?){{1,20}}\s*",
    re.IGNORECASE,
)
_MARK_AT_END_OF_ALL = re.compile(rf"(?:{_MARK_AT_END})\Z", re.IGNORECASE)
# After the end of its turn a model may go on with the next one, which it makes up.
_NEXT_TURN = re.compile(
    r"(?:<\|(?:im_end|eot_id|end|end_?of_?text|return)\|>|<end_of_turn>|</s>|<｜end▁of▁sentence｜>)\s*"
    r"(?:<\|(?:im_start|start_header_id|start|user|system|begin_of_text)\|>|<start_of_turn>|<s>|\[INST\]|<｜User｜>).*",
    re.IGNORECASE | re.DOTALL,
)

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)\Z")
_RULE = re.compile(r" {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}\Z")

_ASSENTS = (
    "sure", "certainly", "of course", "absolutely", "okay", "great", "gladly", "understood", "natürlich", "gerne",
    "klar", "selbstverständlich", "bien sûr", "d['’]accord", "avec plaisir", "claro", "claro que sí", "por supuesto",
    "certo", "certamente", "volentieri", "claro que sim", "com certeza", "natuurlijk", "självklart", "конечно",
    "разумеется", "好的", "当然", "もちろん", "はい", "물론",
)  # fmt: skip
_ANNOUNCEMENTS = (
    r"here(?:['’]s| is| are)", "below (?:is|are)", "hier (?:ist|sind|kommt)", "voici",
    "aquí (?:está|están|tienes|tiene)", "ecco", "aqui (?:está|estão)", "hier is", "här är", "вот", "以下は", "以下是",
    "다음은",
)  # fmt: skip
_OPENING = re.compile(
    rf"(?:(?:{'|'.join(_ASSENTS)})(?:[ \t]*[,.!—–:，。！、][^\n]{{0,160}})?|"
    rf"(?:{'|'.join(_ANNOUNCEMENTS)})[^\n]{{0,120}}[:：])\s*\Z",
    re.IGNORECASE,
)
# By what a sentence offers more, or asks how it was. It is the first person that tells: a text may address its reader.
_OFFERS = (
    "let me know", "feel free to (?:ask|reach|let me|tell me|contact me)",
    "(?:don['’]?t|do not) hesitate to (?:ask|reach|let)", "(?:i )?hope (?:this|that|it) helps?", "would you like me to",
    "do you want me to", "shall i", "word count", "word limit",
    "i can also (?:make|provide|write|give|shorten|expand|adjust|rewrite)",
    "i['’]?(?:d| would) be happy to", "i(?:['’]?m| am) happy to", "is there anything else",
    r"if you(?: would like|['’]?d like| want| need| prefer)\b[^.!?\n]{0,120}\b(?:i can|i could|i['’]?ll|tell me)",
    "lass(?:e|en sie)? (?:es )?mich (?:gerne )?wissen", "(?:gib|geben sie) mir (?:gerne |einfach )?bescheid",
    "soll ich", "sag(?:en sie)? (?:es )?mir", "(?:gi|giv) (?:meg|mig) (?:beskjed|besked)", "si fra", "sig til",
    "(?:la|lad) (?:meg|mig) (?:vite|vide)", "kerro minulle", "daj(?:cie)? (?:mi )?znać", "proszę dać znać",
    "mam nadzieję, że to", "dej(?:te)? (?:mi )?vědět", "bana (?:bildir|söyle)\\w*", "haber ver\\w*", "hãy cho tôi biết",
    "beri ?tahu saya", "(?:ενημερώστε|πείτε|πες) μ(?:ε|ου)", "дай(?:те)? (?:мені )?знати", "сподіваюся,? (?:це|що це)",
    "ich hoffe,? (?:das|dies|es) hilft", r"(?:möchtest du|möchten sie)\b[^.!?\n]{0,80}\bich",
    "kann ich (?:gerne|dir|ihnen|auch)", "n['’]hésite[sz]? pas à me", "(?:dites|dis|faites|fais)[- ]moi",
    "j['’]espère que (?:cela|ça|ce)", "(?:souhaitez|voulez|veux|souhaites)-(?:vous|tu) que je",
    "je peux (?:aussi|également)",
    "(?:házmelo|hazme|hágame|háganme|déjame) saber", "avísame", "espero que (?:esto|te|le|isso|isto)",
    "(?:quieres|quiere|te gustaría) que (?:yo |lo |la |te |le )?\\w+", "puedo (?:también|ajustar|hacer)",
    "fammi sapere",
    "mi faccia sapere", "spero che (?:questo|ti|le)", "(?:vuoi|vuole) che (?:lo |la |ti |le )?\\w+",
    "posso (?:anche|também)",
    "(?:avise|diga|informe)-me", "me avise", "me diga", "deixe-me saber", "laat (?:het )?(?:me|mij) (?:gerust )?weten",
    "ik hoop dat (?:dit|het)", "wil je dat ik", "zal ik", "säg till om", "låt mig veta", "hör av dig",
    "jag hoppas att (?:detta|det)", "vill du att jag", "дай(?:те)? (?:мне )?знать", "надеюсь,? (?:это|что это)",
    "хотите, чтобы я",
)  # fmt: skip
_OFFER = re.compile(
    rf"\b(?:{'|'.join(_OFFERS)})\b|请告诉我|请随时告诉|需要我|希望(?:这|以上)|お知らせください|お役に立て|"
    "말씀해 ?주세요|알려 ?주세요|أخبرني|أعلمني|يسعدني أن|मुझे बताएं|הודיעו? לי|אשמח ל|แจ้งให้(?:ฉัน|ผม|เรา)ทราบ|บอกได้เลย",
    re.IGNORECASE,
)
_SENTENCE_START = re.compile(r"[.!?…:)\"”»]\s+|[。！？]\s*|\n\s*")
_LONGEST_SENTENCE = 600

# What form tells of a closing, in any language: it stands after a rule, and is a few plain lines.
_LONGEST_ASIDE = 500
_NO_ASIDE = re.compile(r"^\s*(?:#{1,6}\s|[-+*]\s|\d+[.)]\s|>|\||```|~~~)|https?://|\]\(", re.MULTILINE)
# The Greek one is a semicolon.
_QUESTION = re.compile(r"(?:[?？؟՞፧\u037e]|(?<=[\u0370-\u03ff\u1f00-\u1fff]);)[\W_]*\Z")


def split_reasoning(answer: str, *, whole: bool) -> tuple[str, str]:
    """An answer as what the model says to itself, and what it says.

    Arguments:
        answer: what has come so far.
        whole: whether that is all. Before, what may be the beginning of a mark is left out of both.
    """
    thoughts: list[str] = []

    def take(match: re.Match[str]) -> str:
        thoughts.append(match[1])
        return ""

    rest = _REASONING.sub(take, answer)
    element = _FIRST_ELEMENT.match(rest)
    if element and not _ANY_HEADING.search(element[2]) and _ANY_HEADING.search(rest, element.end()):
        thoughts.append(element[2])  # whatever its name is, the draft begins after it
        rest = rest[element.end() :]
    unopened = _UNOPENED.match(rest)
    if unopened:
        thoughts.append(unopened[1])
        rest = rest[unopened.end() :]
    if not whole:
        rest = rest[:-_LONGEST_MARKS] + _UNFINISHED_MARK.sub("", rest[-_LONGEST_MARKS:])
    return "\n\n".join(each.strip() for each in thoughts if each.strip()), rest.lstrip("\n") if thoughts else rest


def has_marks(source: str) -> bool:
    """Whether a source has such marks itself: then they are part of what is said of it."""
    return re.search(_MARK_AT_END, source, re.IGNORECASE) is not None


def without_marks(text: str) -> tuple[str, list[str]]:
    """A text without the marks of the model's own that have leaked into it, and what was cut, each once."""
    cut: list[str] = []

    def take(match: re.Match[str]) -> str:
        if _is_crossed_out(match.string, match.start(), match.end()):
            return match[0]
        cut.append(match[0].strip())
        return ""

    for marks in (_MARKS_BEFORE, _NEXT_TURN, _MARKS):
        text = marks.sub(take, text)
    end = _before_marks(text)
    if text[end:].strip() and not _is_crossed_out(text, end, len(text)):
        cut.append(text[end:].strip())
        text = text[:end]
    return text, list(dict.fromkeys(cut))


def _is_crossed_out(text: str, start: int, end: int) -> bool:
    """Whether a mark is the end of what `<s>` begins in its line."""
    return text[start:end].strip() == "</s>" and text.rfind("<s>", text.rfind("\n", 0, start) + 1, start) >= 0


def _before_marks(text: str) -> int:
    """Where the marks begin that a text ends with. Each is looked for at the end alone: an expression for all of them
    would begin anew at each mark of a long row."""
    end, start = len(text), len(text)
    while True:
        while end and text[end - 1].isspace():
            end -= 1
        found = _MARK_AT_END_OF_ALL.search(text, max(0, end - _LONGEST_MARK), end)
        if found is None:
            return start
        start = end = found.start()


def only_draft(answer: str, prompt: Prompt, source: str) -> tuple[str, list[str]]:
    """The draft of an answer, and what was said around it.

    A draft begins with the first of its prompt's headings that there is: what stands before, the opening fence of a
    code block or the tag of an element too, is not part of it, nor is what stands after the end of that block. What
    its last paragraph says to whoever asked is not part of it either, unless the source says it. An answer without any
    of the headings is left as it is, and so is one whose beginning may be a section under another heading: it will be
    sent back.
    """
    lines = answer.splitlines()
    wanted = {section.heading for section in prompt.sections}
    headings = [_heading(line) for line in lines]
    first = next((at for at, heading in enumerate(headings) if heading in wanted), None)
    missing = {heading.casefold() for heading in wanted.difference(headings)}
    if first is None or (missing and any(_may_be_section(line, missing) for line in lines[:first])):
        return answer, []
    end = len(lines)
    if (fence := _open_fence(lines[:first])) is not None:
        end = next((at for at in range(end - 1, first, -1) if _closes(lines[at], fence)), end)
    elif element := _OPEN_ELEMENT.search("\n".join(lines[:first])):
        end = next((at for at in range(end - 1, first, -1) if lines[at].strip() == f"</{element[1]}>"), end)
    draft, closing = _without_closing("\n".join(lines[first:end]), source)
    around = ["\n".join(lines[:first]), closing, "\n".join(lines[end:])]
    return draft + "\n", [words for each in around if (words := each.strip("`~ \n\t"))]


def find_talk(draft: str, source: str) -> str | None:
    """What a draft says to whoever asked for it; None where there is nothing that the source does not say, too."""
    known = _spaced(source).lower()
    for paragraph in re.split(r"\n\s*\n", draft):
        words = paragraph.strip()
        if _OPENING.match(words) and words.lower() not in known:
            return words
        for found in _OFFER.finditer(words):
            if found[0].lower() not in known:
                return words[_sentence_start(words, found.start()) :]
    return None


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _heading(line: str) -> str | None:
    if not line.lstrip(" ").startswith("## "):
        return None
    return line.strip()[2:].strip().rstrip("#").rstrip()


def _may_be_section(line: str, missing: Set[str]) -> bool:
    """Whether something that is missing may begin with a line: it is its name in another form, or another heading."""
    return line.lstrip(" ").startswith("##") or line.strip("#*_: \t").casefold() in missing


def _open_fence(lines: Sequence[str]) -> str | None:
    """The fence that these lines leave open."""
    fence = None
    for line in lines:
        if fence is not None and _closes(line, fence):
            fence = None
        elif fence is None and (found := _FENCE.match(line)):
            fence = found[1]
    return fence


def _closes(line: str, fence: str) -> bool:
    found = _FENCE.match(line)
    return found is not None and found[1].startswith(fence) and not found[2].strip()


def _without_closing(draft: str, source: str) -> tuple[str, str]:
    """A draft without what its end says to whoever asked, and that."""
    known = _spaced(source)
    rest = draft.rstrip()
    while rest:
        before, blank, last = rest.rpartition("\n\n")
        start = 0 if _RULE.match(last) else _offer_at(last, known)
        if start is not None and not last.lstrip().startswith("#"):
            rest = f"{before}{blank}{last[:start]}".rstrip()
        elif (text := _before_aside(rest, known)) is not None:
            rest = text
        else:
            break
    return rest, draft[len(rest) :].strip()


def _before_aside(draft: str, known: str) -> str | None:
    """What stands before the last rule, if what stands after it speaks to whoever asked."""
    lines = draft.split("\n")
    rules = [at for at, line in enumerate(lines) if at and _RULE.match(line) and not lines[at - 1].strip()]
    if not rules:
        return None
    before = "\n".join(lines[: rules[-1]]).rstrip()
    is_all = before.rpartition("\n")[2].lstrip().startswith("#")  # of a section
    return before if not is_all and _is_aside("\n".join(lines[rules[-1] + 1 :]).strip(), known) else None


def _is_aside(text: str, known: str) -> bool:
    """Whether a text after a rule speaks to whoever asked: it asks something, or has no word of the source."""
    paragraphs = re.split(r"\n\s*\n", text)
    if len(text) > _LONGEST_ASIDE or any(_NO_ASIDE.search(each) or _spaced(each) in known for each in paragraphs):
        return False
    return _QUESTION.search(text) is not None or _shares_no_word(text, known)


def _shares_no_word(text: str, known: str) -> bool:
    """Whether a text has words that say something, and the source has none of them."""
    text, known = text.casefold(), known.casefold()
    frequent = frequent_words(language_of(known))
    telling = {text[start:end] for start, end in places_of_words(text)} - frequent
    telling = {word for word in telling if len(word) > 3 or not is_spaced(word)}
    return len(telling) > 1 and telling.isdisjoint(known[start:end] for start, end in places_of_words(known))


def _offer_at(paragraph: str, known: str) -> int | None:
    """Where the sentence begins with which a paragraph turns to whoever asked, if the source does not have it."""
    for found in _OFFER.finditer(paragraph):
        start = _sentence_start(paragraph, found.start())
        if _spaced(paragraph[start : found.end()]) not in known:
            return start
    return None


def _sentence_start(paragraph: str, at: int) -> int:
    begin = max(0, at - _LONGEST_SENTENCE)
    starts = [found.end() for found in _SENTENCE_START.finditer(paragraph, begin, at)]
    return starts[-1] if starts else begin
