"""Texts that tokenizers get wrong: drawn from a seed, so that every run and every tokenizer sees the same ones."""
import random

WORDS = {
    "english": "The quick brown fox can't jump; it's 3.14 o'clock, we'll see: DON'T they've I'M you'd".split(),
    "german": "Die Straße wäre größer, sagt Frau Müßig über Äpfel".split(),
    "french": "L'été, où l'on naît, ça coûte cher aujourd'hui".split(),
    "russian": "Быстрая лисица прыгает через ленивую собаку".split(),
    "greek": "Η γρήγορη αλεπού πηδάει ΠΆΝΩ από".split(),
    "chinese": "今天 天气 很好, 我们 去 公园 散步 吧。 数字 一二三".split(),
    "japanese": "東京タワー は とても 高い です。 カタカナ ひらがな ー々〇".split(),
    "korean": "안녕하세요 세계 한국어 \u1112\u1161\u11ab\u1100\u1173\u11af 가각갂 \u1100\u1161\u11a8".split(),
    "arabic": "مرحبا بالعالم السَّلَامُ عَلَيْكُمْ ٣٤٥".split(),
    "hebrew": "שלום עולם נִקּוּד".split(),
    "hindi": "नमस्ते दुनिया हिन्दी में क्षत्रिय १२३".split(),
    "thai": "สวัสดีชาวโลก ภาษาไทย กำลัง ๑๒๓".split(),
    "vietnamese": "Tiếng Việt có dấu Tie\u0302\u0301ng Vie\u0323\u0302t".split(),
    "turkish": "İstanbul'da ıspanak yiyor".split(),
    "tamil": "தமிழ் மொழி கொ".split(),
    "code": ["def f(x):", "    return x**2", "\tif (a&&b) {", "}", "std::vector<int>&", "x+=1;", "//", "/*", "*/", "#include",
             "a_b_c", "camelCaseHTTPServer", "0x1F", "1e-10", "=>", "->", "!==", "\"s\"", "'c'", "\\n", "${v}", "@dec",
             "https://a.b/c?d=e&f=%20#g", "C:\\dir", "[[1,2],[3]]", "<div class='x'>", "</div>"],
    "emoji": ["😀", "👨\u200d👩\u200d👧\u200d👦", "🏳\ufe0f\u200d🌈", "🇫🇷🇩🇪", "👍🏽", "❤\ufe0f", "🧑🏿\u200d🚀", "☺", "1\ufe0f\u20e3"],
    "digits": ["1", "12", "123", "1234", "1234567", "3.14159", "²³", "½", "Ⅷ", "①", "１２３", "1,000,000", "0" * 25],
    "marks": ["e\u0301", "a\u0308\u0323", "q\u0307\u0323", "\u0301", "\u0344", "\u212b", "\u1e9b\u0323", "\u0958", "\ufb1d",
              "o\u031b\u0301", "\u0f71\u0f74", "Z\u0351\u0327\u0301" * 4, "\u2126"],
    "odd": ["\u200b", "\ufeff", "\u00ad", "\u2028", "\u2029", "\x00", "\x1f", "\x7f", "\u0085", "\ue000", "\U0010ffff", "\ufffd",
            "\u180e", "\u2060", "ſ's", "'ſ", "K", "ǅ", "ʼn", "ﬁ", "ß", "ẞ", "\U0001d7d8", "\U00020000", "\u3000", "…", "—",
            "“x”", "«y»", "₿", "™", "𝒳", "ª", "º", "\u0e33", "\u0eb3"],
}
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\r", "\u00a0", "\u3000", "\u2003", " " * 17, "\n\n\n  ", "\x0b", ""]
CONTRACTIONS = ["'s", "'S", "'t", "'re", "'VE", "'m", "'ll", "'LL", "'d", "'x", "’s", "''", "'"]


def one(rng, specials):
    out = []
    languages = rng.sample(sorted(WORDS), rng.randrange(1, 4))
    for _ in range(rng.randrange(1, 24)):
        kind = rng.random()
        if kind < 0.70:
            out.append(rng.choice(WORDS[rng.choice(languages)]))
        elif kind < 0.76:
            out.append(rng.choice(CONTRACTIONS))
        elif kind < 0.80 and specials:
            out.append(rng.choice(specials))
        elif kind < 0.83 and specials:
            special = rng.choice(specials)
            out.append(special[:rng.randrange(1, len(special) + 1)])
        elif kind < 0.88:
            c = rng.choice([rng.randrange(0x20, 0x3000), rng.randrange(0x20, 0x110000)])
            out.append(chr(c) if not 0xD800 <= c < 0xE000 else "x")
        else:
            out.append("".join(rng.choice(".,;:!?-_+*/=<>()[]{}|&^%$#@~`\"'\\") for _ in range(rng.randrange(1, 6))))
        out.append(rng.choice(SPACES) if rng.random() < 0.8 else "")
    return "".join(out)


def texts(count, seed=7, specials=()):
    rng = random.Random(seed)
    specials = sorted(specials)
    fixed = ["", " ", "\n", "a", "  a", "a  ", "\u0301", "x" * 3000, "ab" * 2000, "数" * 1500, " " * 2000, "\n" * 1000,
             "1" * 500, "!" * 700, "a\u0301" * 400, "😀" * 300, "\u1100\u1161" * 300, "aB" * 500, "ÀÉ" * 400,
             "".join(chr(33 + i * 7 % 94) for i in range(3000))]
    fixed += ["%s" % s for s in specials[:40]] + [" %s " % s for s in specials[:20]]
    return fixed[:count] + [one(rng, specials) for _ in range(max(0, count - len(fixed)))]
