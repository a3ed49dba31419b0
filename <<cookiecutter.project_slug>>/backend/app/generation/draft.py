"""What of a model's answer is the draft: not what it says to itself, and not what it says to whoever asked."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.generation.prompt import Prompt

__all__ = ["find_talk", "only_draft", "split_reasoning"]

# The marks by which models that have no field for it tell their reasoning: DeepSeek, Qwen, Magistral, Kimi, Seed, ...
_TAGS = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reasoning)"
_OPEN = rf"(?:<{_TAGS}>|\[THINK\]|◁think▷)"
_CLOSE = rf"(?:</{_TAGS}>|\[/THINK\]|◁/think▷)"
_REASONING = re.compile(rf"^[ \t]*{_OPEN}(.*?)(?:{_CLOSE}[ \t]*\n*|\Z)", re.DOTALL | re.MULTILINE | re.IGNORECASE)
# Where the mark that opens it is in the model's own template, only the one that closes it is sent.
_UNOPENED = re.compile(rf"\A(.*)(?:^[ \t]*{_CLOSE}|{_CLOSE}[ \t]*$)\s*", re.DOTALL | re.MULTILINE | re.IGNORECASE)
_UNFINISHED_MARK = re.compile(r"[<\[◁][/\w:]{0,14}\Z")

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
    unopened = _UNOPENED.match(rest)
    if unopened:
        thoughts.append(unopened[1])
        rest = rest[unopened.end() :]
    if not whole:
        rest = _UNFINISHED_MARK.sub("", rest)
    return "\n\n".join(each.strip() for each in thoughts if each.strip()), rest.lstrip("\n") if thoughts else rest


def only_draft(answer: str, prompt: Prompt, source: str) -> tuple[str, list[str]]:
    """The draft of an answer, and what was said around it.

    A draft begins with the first of its prompt's headings that there is: what stands before, the opening fence of a
    code block too, is not part of it, nor is what stands after the end of that block. What its last paragraph says to
    whoever asked is not part of it either, unless the source says it. An answer without any of the headings is left
    as it is.
    """
    lines = answer.splitlines()
    wanted = {section.heading for section in prompt.sections}
    first = next((at for at, line in enumerate(lines) if _heading(line) in wanted), None)
    if first is None:
        return answer, []
    end = len(lines)
    if (fence := _open_fence(lines[:first])) is not None:
        end = next((at for at in range(end - 1, first, -1) if _closes(lines[at], fence)), end)
    draft, closing = _without_closing("\n".join(lines[first:end]), _spaced(source))
    around = ["\n".join(lines[:first]), closing, "\n".join(lines[end:])]
    return draft + "\n", [words for each in around if (words := each.strip("`~ \n\t"))]


def find_talk(draft: str, source: str) -> str | None:
    """What a draft says to whoever asked for it; None where there is nothing that the source does not say, too."""
    known = _spaced(source).lower()
    for paragraph in re.split(r"\n\s*\n", draft):
        words = paragraph.strip()
        if words.lower() not in known and _OPENING.match(words):
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


def _without_closing(draft: str, known: str) -> tuple[str, str]:
    """A draft without what its end says to whoever asked, and that."""
    rest = draft.rstrip()
    while rest:
        before, blank, last = rest.rpartition("\n\n")
        start = 0 if _RULE.match(last) else _offer_at(last, known)
        if start is None or last.lstrip().startswith("#"):
            break
        rest = f"{before}{blank}{last[:start]}".rstrip()
    return rest, draft[len(rest) :].strip()


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
