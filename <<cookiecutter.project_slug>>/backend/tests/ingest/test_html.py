"""Pages as the web has them: articles that are hard to find, and walls with nothing behind them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from app.ingest.extract import ExtractError
from app.ingest.readers.html import redirect_of
from tests.ingest.extraction import Extraction


@pytest.fixture
def run(tmp_path: Path) -> Extraction:
    return Extraction(tmp_path)


def page(body: str, *, head: str = "", title: str = "A page") -> bytes:
    return f"<!doctype html><html><head><title>{title}</title>{head}</head><body>{body}</body></html>".encode()


SENTENCE = "The {} sentence of this page says something of its own at some length, as sentences of real pages do. "


@pytest.mark.parametrize(
    "body",
    [
        "".join(f"<div><span>{SENTENCE.format(n)}</span></div>" for n in range(30)),
        "".join(f"<table><tr><td>{n}<td>{SENTENCE.format(n)}</table>" for n in range(30)),
        "<dl>" + "".join(f"<dt>{n}<dd>{SENTENCE.format(n)}" for n in range(30)) + "</dl>",
        "".join(f'<div class="comment"><div class=footer>{SENTENCE.format(n)}</div></div>' for n in range(30)),
        f"<article><p>{SENTENCE.format('lonely')}</p></article>"
        + "".join(f"<section class=related><div>{SENTENCE.format(n)}</div></section>" for n in range(30)),
        "<pre>" + "".join(SENTENCE.format(n) + "\n" for n in range(30)) + "</pre>",
        "".join(f"{SENTENCE.format(n)}<br><br>" for n in range(30)),
        "".join(f"<my-part>{SENTENCE.format(n)}</my-part>" for n in range(30)),
    ],
    ids=["divs", "tables", "definitions", "misnamed", "beside a small article", "preformatted", "breaks", "custom"],
)
def test_most_of_a_pages_text_is_kept_however_it_is_marked_up(run: Extraction, body: str) -> None:
    found = run(page(body), "html")
    assert sum(SENTENCE.format(n).strip() in " ".join(found.text.split()) for n in range(30)) >= 27


@pytest.mark.parametrize("sign", ["\a", "\0", "\x1f", "\uffff", "&#7;", "&#x00E;", "&#31", "&#xFFFE;"], ids=ascii)
def test_a_sign_that_nobody_sees_costs_no_page(run: Extraction, sign: str) -> None:
    found = run(page(f"<p>A wo{sign}rd, &#12345;, &#x1F600; and<pre>a {sign} b</pre><a href='x{sign}'>c</a>"), "html")
    assert " ".join(found.text.split()).startswith("A word, 〹, 😀 and")
    assert "c" in found.text


@pytest.mark.parametrize("sign", ["\v", "\f", "&#11;", "&#012", "&#xB;", "&#x00c"], ids=ascii)
def test_a_vertical_tab_and_a_form_feed_stand_between_words(run: Extraction, sign: str) -> None:
    found = run(page(f"<p>One{sign}two."), "html")
    assert " ".join(found.text.split()).startswith("One two.")


@pytest.mark.parametrize(
    ("by_default", "for_recall", "kept"),
    [(2, 2, 30), (2, 28, 28), (0, 2, 30), (0, 0, 30), (12, 30, 12)],
    ids=["too small", "recall helps", "recall is too small", "nothing", "enough"],
)
def test_an_article_that_is_too_small_a_part_of_its_page_is_not_taken_for_it(
    run: Extraction, monkeypatch: pytest.MonkeyPatch, by_default: int, for_recall: int, kept: int
) -> None:
    sentences = [SENTENCE.format(n) for n in range(30)]

    def article(tree: object, *, favor_recall: bool, **options: object) -> SimpleNamespace:
        text = "\n\n".join(sentences[: for_recall if favor_recall else by_default])
        return SimpleNamespace(text=text, title="", author="", date="", sitename="")

    monkeypatch.setattr("trafilatura.extract_with_metadata", article)
    found = run(page("".join(f"<p>{each}</p>" for each in sentences)), "html")
    assert found.text.count("of this page") == kept
    assert bool(run.warnings) == (kept == 30)


def test_what_stands_around_an_article_is_left_out_all_the_same(run: Extraction) -> None:
    links = "".join(f'<li><a href="/{n}">One of many links of this page</a></li>' for n in range(200))
    article = "".join(f"<p>{SENTENCE.format(n)}</p>" for n in range(8))
    found = run(
        page(f"<nav><ul>{links}</ul></nav><article>{article}</article><footer><ul>{links}</ul></footer>"), "html"
    )
    assert "links" not in found.text
    assert not run.warnings


WALLS = {
    "asks for JavaScript": [
        page("<noscript>You need to enable JavaScript.</noscript><div id=root></div><script src=a.js></script>"),
        page("<p>JavaScript is not available. Please enable JavaScript.</p><script>1</script>"),
        page("<h1>Bitte aktivieren Sie JavaScript</h1><p>Diese Seite lässt sich sonst nicht anzeigen.</p>"),
        page("<p>Для просмотра этой страницы включите JavaScript в настройках браузера.</p>"),
        page("<p>このページを表示するには、JavaScriptを有効にしてください。</p>"),
        page("<p>Veuillez activer JavaScript pour continuer.</p><a href=/aide>Aide</a>"),
    ],
    "is filled by JavaScript": [page("<div id=app><span>Loading…</span></div><script src=app.js></script>")],
    "says that access is denied": [
        page("<h1>Access Denied</h1><p>You don't have permission to access this on this server.</p>"),
        page("<center><h1>403 Forbidden</h1></center><hr>nginx", title="403 Forbidden"),
        page("<p>Доступ запрещён. Обратитесь к администратору.</p>"),
    ],
    "wants a proof that you are human": [
        page("<p>This may take a few seconds.</p>", title="Just a moment..."),
        page("<h2>Ich bin kein Roboter</h2><p>Lösen Sie bitte das CAPTCHA.</p>"),
        page("<p>One more step</p><div class=g-recaptcha></div>"),
    ],
    "asks for consent": [
        page(
            "<h1>Before you go on</h1><p>We use cookies and data to deliver and maintain our services.</p>"
            "<p>If you agree, we will also use cookies to develop new services and to show personalised ads.</p>"
            "<form><button>Reject</button><button>Accept all</button></form>"
        ),
        page(
            "<h2>Datenschutz</h2><p>Wir verwenden Cookies, um unser Angebot zu verbessern und zu finanzieren.</p>"
            "<p>Mit Ihrer Einwilligung verarbeiten wir und unsere Partner Ihre Daten.</p><button>Akzeptieren</button>"
        ),
        page(
            "<p>当社はサービスの提供と改善のためにクッキーを使用しています。</p><p>クッキーの利用に同意しますか。</p>"
            "<button>同意する</button>"
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("wants", "content"), [(wants, each) for wants, pages in WALLS.items() for each in pages])
def test_a_page_that_is_only_a_wall_is_refused(run: Extraction, wants: str, content: bytes) -> None:
    with pytest.raises(ExtractError, match=f"This page {wants}.*open it in a browser, save it"):
        run(content, "html")


READ = "".join(f"<p>{SENTENCE.format(n)}</p>" for n in range(12))


@pytest.mark.parametrize(
    "body",
    [
        f"<noscript>Enable JavaScript.</noscript><p>{READ}<script src=a></script>",
        f"<article>{READ}</article><div class=banner><p>We use cookies and such things.</p><p>Accept our cookies?</p>"
        "<button>Accept all cookies</button></div>",
        f"<article><h1>How a captcha works</h1><p>Access denied: you have met it.</p>{READ}</article>",
        "<p>JavaScript was made in ten days in 1995 for a browser, and is in all of them since.</p>",
        "<p>Take butter, sugar, flour and chocolate for the cookies, and mix them well for some minutes.</p>"
        "<p>Let them cool for an hour, cut thick slices, and bake these until their rims are brown and crisp.</p>"
        "<p>They keep for a week in a tin, and for months in the freezer, if nobody knows where they are hidden.</p>"
        "<a href=/terms>I accept the terms</a>",
    ],
    ids=["noscript", "banner", "about walls", "about JavaScript", "recipe"],
)
def test_a_page_with_text_of_its_own_is_no_wall(run: Extraction, body: str) -> None:
    assert run(page(body), "html").words >= 15


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (
            '<meta http-equiv="refresh" content="0; url=https://example.org/a?b=1&amp;c=2">',
            "https://example.org/a?b=1&c=2",
        ),
        ("<META CONTENT='0;URL=\"/new\"' HTTP-EQUIV=Refresh>", "/new"),
        ("<meta http-equiv=refresh content=3,/new>", "/new"),
        (
            '<base href="https://example.org/x/"><meta http-equiv="refresh" content="0;url=new">',
            "https://example.org/x/new",
        ),
        ('<meta http-equiv="refresh" content="0;url=//example.org/">', "//example.org/"),
        ('<base href="https://example.org/"><meta http-equiv="refresh" content="0;url=//[x">', None),
        ('<meta http-equiv="refresh" content="60;url=/again">', None),
        ('<meta http-equiv="refresh" content="0">', None),
        ('<meta http-equiv="refresh" content="0;url=javascript:alert(1)">', None),
        ('<meta http-equiv="refresh" content="0;url=data:text/html,x">', None),
        ('<!-- <meta http-equiv="refresh" content="0;url=/old"> -->', None),
        ('<noscript><meta http-equiv="refresh" content="0;url=/nojs"></noscript>', None),
        ('<script>"<meta http-equiv=refresh content=0;url=/x>"</script>', None),
        ("<p>refresh</p>", None),
        ("<meta " * 20_000, None),
        ("<!--" * 20_000, None),
    ],
)
def test_a_page_that_leads_on_at_once_says_where(source: str, url: str | None) -> None:
    assert redirect_of(source) == url


def test_a_page_that_only_leads_on_is_refused_with_the_address(run: Extraction) -> None:
    head = '<meta http-equiv="refresh" content="0;url=https://example.org/new">'
    with pytest.raises(ExtractError, match=r"only leads on to “https://example.org/new”: give that address"):
        run(page("<p>This page has moved.</p>", head=head), "html")
    assert run(page(READ, head=head), "html").words > 100
