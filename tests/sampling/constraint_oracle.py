"""Random schemas and expressions, and texts for them, held against the `jsonschema` package and Python's `re`.

    constraint_oracle.py TOOL ROUNDS SEED (tokenizer.json ... | --gguf file.gguf)
    constraint_oracle.py --write constraint_cases.json COUNT SEED

TOOL is tests/sampling/constraint_tool. What it walks out of a mask must be valid (nothing else may come out); valid
instances in the schema's order, written by json.dumps in three ways, must be accepted, invalid ones refused. Prints
what differs and the mean cost of a mask; exits 1 when something differs. Needs `pip install jsonschema`.
"""

import json
import random
import re
import subprocess
import sys

import jsonschema

WORDS = ["a", "name", "x_1", "caf\u00e9", "id", "value", "\u65e5\u672c", "two words",
         "quo\"te", "back\\slash", "tab\t", "\U0001f600"]
PATTERNS = [r"^[a-z]{2,5}$", r"^\d{3}-\d{4}$", r"foo|bar", r"^(ab)+$", r"^[^\"x]*$", r"^\w+@\w+\.com$", r"^.{0,4}$",
            r"^\S+\s\S+$", r"^(?:\\|/)[a-c]?$", r"^caf\u00e9?$", r"^$", r"\.$"]


TEXTS = ["abc", "555-1234", "foo", "zbarz", "abab", "caf\u00e9", "caf", "a@b.com", "", "\\a", "/", "ab", "x y", "end.",
         "\u00e9\u00e9"]


class Schemas:
    def __init__(self, rng):
        self.rng = rng

    def pick(self, options):
        return self.rng.choice(options)

    def schema(self, depth, refs):
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "bounds", "floats", "length",
                 "pattern", "types", "multiple"]
        if depth > 0:
            kinds += ["object", "array", "object", "array", "anyOf", "tuple", "map", "oneOf", "counted", "patternmap"]
        if refs and depth > 0:
            kinds += ["ref"]
        kind = self.pick(kinds)
        return getattr(self, "make_" + kind)(depth - 1, refs)

    def make_string(self, d, refs): return {"type": "string"}
    def make_integer(self, d, refs): return {"type": "integer"}
    def make_number(self, d, refs): return {"type": "number"}
    def make_boolean(self, d, refs): return {"type": "boolean", "description": "yes or no"}
    def make_null(self, d, refs): return {"type": "null"}
    def make_enum(self, d, refs): return {"enum": [self.value(1) for _ in range(self.rng.randint(1, 5))]}
    def make_const(self, d, refs): return {"const": self.value(2)}
    def make_types(self, d, refs): return {"type": self.rng.sample(["string", "integer", "null", "boolean"], 2)}
    def make_pattern(self, d, refs): return {"type": "string", "pattern": self.pick(PATTERNS)}
    def make_multiple(self, d, refs): return {"type": "integer", "multipleOf": self.rng.randint(1, 30)}
    def make_ref(self, d, refs): return {"$ref": "#/$defs/" + self.pick(refs)}

    def make_length(self, d, refs):
        low = self.rng.randint(0, 4)
        out = {"type": "string", "maxLength": low + self.rng.randint(0, 6)}
        if self.rng.random() < 0.5:
            out["minLength"] = low
        return out

    def make_bounds(self, d, refs):
        scale = self.pick([3, 50, 5000, 10**7])
        low = self.rng.randint(-scale, scale)
        out = {"type": "integer"}
        if self.rng.random() < 0.8:
            out[self.pick(["minimum", "exclusiveMinimum"])] = low
        if self.rng.random() < 0.8:
            out[self.pick(["maximum", "exclusiveMaximum"])] = low + 2 + self.rng.randint(0, 2 * scale)
        return out

    def make_floats(self, d, refs):
        digits = self.rng.randint(0, 4)
        scale = self.pick([1, 2, 100, 10**6])
        low = round(self.rng.uniform(-scale, scale), digits)
        out = {"type": "number"}
        if self.rng.random() < 0.8:
            out[self.pick(["minimum", "exclusiveMinimum"])] = low
        if self.rng.random() < 0.8:
            high = round(low + self.pick([10.0**-digits, 1, self.rng.uniform(0, scale)]), digits)
            out[self.pick(["maximum", "exclusiveMaximum"])] = high if high > low else low + 1
        return out

    def properties(self, d, refs):
        names = self.rng.sample(WORDS, self.rng.randint(1, 5))
        return {name: self.schema(d, refs) for name in names}

    def make_object(self, d, refs):
        properties = self.properties(d, refs)
        out = {"type": "object", "properties": properties,
               "required": [n for n in properties if self.rng.random() < 0.5]}
        extra = self.rng.random()
        if extra < 0.3:
            out["additionalProperties"] = False
        elif extra < 0.5:
            out["additionalProperties"] = self.schema(0, refs)
        return out

    def make_counted(self, d, refs):
        properties = self.properties(d, refs)
        n = len(properties)
        low = self.rng.randint(0, n)
        return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": low,
                "maxProperties": self.rng.randint(low, n)}

    def make_map(self, d, refs):
        out = {"type": "object", "additionalProperties": self.schema(d, refs)}
        if self.rng.random() < 0.4:
            out["propertyNames"] = self.pick([{"pattern": "^[a-z]+$"}, {"enum": ["k1", "k2"]}, {"maxLength": 3}])
        if self.rng.random() < 0.3:
            out["maxProperties"] = self.rng.randint(1, 3)
        return out

    def make_patternmap(self, d, refs):
        patterns = {"^k[0-9]+$": self.schema(d, refs)}
        return {"type": "object", "patternProperties": patterns, "additionalProperties": False}

    def make_array(self, d, refs):
        out = {"type": "array", "items": self.schema(d, refs)}
        low = self.rng.randint(0, 3)
        if self.rng.random() < 0.4:
            out["minItems"] = low
        if self.rng.random() < 0.4:
            out["maxItems"] = low + self.rng.randint(0, 3)
        return out

    def make_tuple(self, d, refs):
        prefix = [self.schema(d, refs) for _ in range(self.rng.randint(1, 3))]
        out = {"type": "array", "prefixItems": prefix, "items": self.pick([False, self.schema(0, refs)])}
        if self.rng.random() < 0.5:
            out["minItems"] = self.rng.randint(0, len(prefix))
        return out

    def make_anyOf(self, d, refs):
        return {"anyOf": [self.schema(d, refs) for _ in range(self.rng.randint(1, 3))], "title": "one"}

    def make_oneOf(self, d, refs):
        def shape(tag):
            out = self.make_object(d, refs)
            out["properties"] = {"kind": {"const": tag}, **{k: v for k, v in out["properties"].items()}}
            out["required"] = ["kind"] + out["required"]
            return out
        return {"oneOf": [shape("p"), shape("q")]}

    def value(self, depth):
        kind = self.rng.randint(0, 7 if depth > 0 else 5)
        if kind == 0: return None
        if kind == 1: return self.rng.random() < 0.5
        if kind == 2: return self.rng.randint(-1000, 1000)
        if kind == 3: return self.number()
        if kind in (4, 5): return self.text()
        if kind == 6: return [self.value(depth - 1) for _ in range(self.rng.randint(0, 3))]
        return {self.pick(WORDS): self.value(depth - 1) for _ in range(self.rng.randint(0, 3))}

    def number(self):
        return self.pick([self.rng.random(), round(self.rng.uniform(-100, 100), 2), self.rng.uniform(-1e6, 1e6), 0.5])

    def text(self):
        return "".join(self.pick(WORDS + list(" az09\"\\/\n\t\u00e9\u2028\x7f")) for _ in range(self.rng.randint(0, 5)))

    def whole(self):
        refs = self.rng.sample(["A", "B"], self.rng.randint(0, 2))
        out = self.schema(3, refs)
        if refs:
            out = dict(out)
            out["$defs"] = {name: self.schema(2, refs) for name in refs}
        return out

    # An instance that is meant to fit; jsonschema has the last word.
    def instance(self, s, root, depth=0):
        if s is True or depth > 12: return self.value(1)
        if "$ref" in s: return self.instance(root["$defs"][s["$ref"].split("/")[-1]], root, depth + 1)
        if "const" in s: return s["const"]
        if "enum" in s: return self.pick(s["enum"])
        for k in ("anyOf", "oneOf"):
            if k in s: return self.instance(self.pick(s[k]), root, depth + 1)
        kind = s.get("type")
        if isinstance(kind, list): kind = self.pick(kind)
        if kind is None: return self.value(2)
        if kind == "null": return None
        if kind == "boolean": return self.rng.random() < 0.5
        if kind in ("integer", "number"):
            low = s.get("minimum", s.get("exclusiveMinimum", s.get("maximum", s.get("exclusiveMaximum", 50)) - 100))
            high = s.get("maximum", s.get("exclusiveMaximum", low + 200))
            if kind == "number":
                return self.pick([self.rng.uniform(low, high), round(self.rng.uniform(low, high), 1), low, high])
            if "multipleOf" in s: return s["multipleOf"] * self.rng.randint(-50, 50)
            return self.pick([self.rng.randint(low, high), low, high])
        if kind == "string":
            if "pattern" in s: return self.pick(TEXTS)
            text = self.text()
            return (text + "abcdefgh")[: self.rng.randint(s.get("minLength", 0), s.get("maxLength", 8))]
        if kind == "array":
            first = [self.instance(p, root, depth + 1) for p in s.get("prefixItems", [])]
            items = s.get("items", True)
            if items is False: return first[: self.rng.randint(s.get("minItems", 0), len(first))]
            low = max(0, s.get("minItems", 0) - len(first))
            n = self.rng.randint(low, max(low, s.get("maxItems", low + 2) - len(first)) if depth < 6 else low)
            return first + [self.instance(items, root, depth + 1) for _ in range(n)]
        out = {}
        for name, sub in s.get("properties", {}).items():
            if name in s.get("required", []) or (self.rng.random() < 0.5 and depth < 6):
                out[name] = self.instance(sub, root, depth + 1)
        keys = ["k1", "k2", "zz", "m\u00e9"]
        sub = s.get("additionalProperties", "properties" not in s)
        if "patternProperties" in s: sub, keys = next(iter(s["patternProperties"].values())), ["k1", "k22"]
        if sub is not False and depth < 6:
            for _ in range(self.rng.randint(0, 2)):
                out[self.pick(keys)] = self.instance(sub, root, depth + 1)
        return out


def promised(value):
    """Whether docs/constraints.md promises this valid instance: numbers with bounds are written without exponents."""
    return not re.search(r"\d[eE][+-]?\d", json.dumps(value))


class Tool:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.times = []

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer.get("masks"):
            self.times.append((answer["mask_us"], answer["masks"], answer["compile_us"]))
        return answer


def strict_json(text):
    def no_constant(name):
        raise ValueError(name)
    return json.loads(text, parse_constant=no_constant)


def check_schema(tool, maker, seed, report):
    schema = maker.whole()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    texts, wanted = [], []
    for _ in range(6):
        try:
            value = maker.instance(schema, schema)
        except RecursionError:
            continue
        if maker.rng.random() < 0.3:
            value = maker.value(2)
        try:
            valid = validator.is_valid(value)
        except RecursionError:
            return  # references that lead back to themselves
        if valid and not promised(value):
            continue
        dumped = [json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(",", ":")),
                  json.dumps(value, indent=2)]
        texts.append(maker.pick(dumped))
        wanted.append(valid)
    answer = tool.ask(kind="json_schema", text=json.dumps(schema), walks=3, seed=seed, texts=texts)
    if "error" in answer:
        if not re.search("no finite text|leads back", answer["error"]):
            report("error", schema, answer["error"])
        return
    for text in answer["walks"]:
        if text is None:
            report.unfinished += 1
            continue
        try:
            validator.validate(strict_json(text))
        except Exception as e:
            report("walk", schema, text, str(e)[:200])
    for text, accepted, valid in zip(texts, answer["accepted"], wanted):
        report.texts += 1
        if valid:
            report.valid += 1
        if accepted != valid:
            other = "refused though valid" if valid else "accepted though invalid"
            report(other, schema, text)


CLASSES = ["[a-c]", "[^a-c]", r"[\d_]", r"[^\w]", "[.+*]", r"[\]a]", "[a-]", "[\u00e9-\u00fc]", r"[^\s\d]"]


class Expressions:
    def __init__(self, rng):
        self.rng = rng

    def atom(self, depth):
        rng = self.rng
        kind = rng.randint(0, 9 if depth > 0 else 6)
        if kind <= 1: return re.escape(rng.choice("abc01 -.é日\"\\"))
        if kind == 2: return rng.choice(CLASSES)
        if kind == 3: return rng.choice([r"\d", r"\w", r"\s", r"\S", r"\D", r"\W", "."])
        if kind <= 6: return rng.choice("xyz")
        return rng.choice(["(", "(?:", "(?P<n%d>" % rng.randint(0, 10**9)]) + self.choice(depth - 1) + ")"

    def sequence(self, depth):
        out = ""
        for _ in range(self.rng.randint(0 if depth < 2 else 1, 4)):
            times = self.rng.choice(["", "", "", "*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "{0,2}?"])
            out += self.atom(depth) + times
        return out

    def choice(self, depth):
        return "|".join(self.sequence(depth) for _ in range(self.rng.choice([1, 1, 1, 2, 3])))


def check_regex(tool, rng, seed, report):
    pattern = Expressions(rng).choice(2)
    compiled = re.compile(pattern)
    texts = ["".join(rng.choice("abcxyz01 -.é日\"\\\n_") for _ in range(rng.randint(0, 6))) for _ in range(6)]
    answer = tool.ask(kind="regex", text=pattern, walks=4, seed=seed, texts=texts)
    if "error" in answer:
        return report("error", pattern, answer["error"])
    for text in answer["walks"]:
        if text is None:
            report.unfinished += 1
        elif not compiled.fullmatch(text):
            report("walk", pattern, text)
    for text, accepted in zip(texts, answer["accepted"]):
        matches = bool(compiled.fullmatch(text))
        report.texts += 1
        report.valid += matches
        if accepted and not matches:
            report("accepted though no match", pattern, text)
        # Where the dialects differ (non-ASCII in \w \d \s and their opposites) the grammar holds what both do.
        if matches and not accepted and (text.isascii() or not re.search(r"\\[wWdDsS]", pattern)):
            report("refused though it matches", pattern, text)


def write_cases(path, count, seed):
    """Schemas and expressions with texts, and what jsonschema and re say of them: constraint_cases.json."""
    cases = []
    while len(cases) < count:
        rng = random.Random(seed * 1_000_003 + len(cases))
        maker = Schemas(rng)
        if len(cases) % 4 == 3:
            pattern = Expressions(rng).choice(2)
            if re.search(r"\\[wWdDsS]", pattern):
                pattern = re.sub(r"\\[wWdDsS]", "k", pattern)  # where the dialects differ
            letters = "abcxyzk01 -.\u00e9\u65e5\"\\\n_"
            texts = ["".join(rng.choice(letters) for _ in range(rng.randint(0, 5))) for _ in range(40)]
            fits = [bool(re.fullmatch(pattern, text)) for text in texts]
            cases.append(case_of("regex", pattern, texts, fits))
            continue
        while True:
            schema = maker.whole()
            validator = jsonschema.Draft202012Validator(schema)
            try:
                values = [maker.instance(schema, schema) for _ in range(8)] + [maker.value(2) for _ in range(2)]
                fits = [validator.is_valid(value) for value in values]
                break
            except RecursionError:
                continue
        texts = [maker.pick([json.dumps(v), json.dumps(v, ensure_ascii=False, separators=(",", ":")),
                             json.dumps(v, indent=2)]) for v in values]
        kept = [i for i, value in enumerate(values) if promised(value) or not fits[i]]
        cases.append(case_of("json_schema", json.dumps(schema), [texts[i] for i in kept], [fits[i] for i in kept]))
    with open(path, "w", encoding="utf-8") as file:
        file.write("[" + ",\n".join(json.dumps(case) for case in cases) + "]\n")


def case_of(kind, text, texts, fits):
    yes = sorted({t for t, ok in zip(texts, fits) if ok}, key=len)[:4]
    no = sorted({t for t, ok in zip(texts, fits) if not ok}, key=len)[:4]
    return {"kind": kind, "text": text, "accepted": yes, "refused": no}


class Report:
    def __init__(self):
        self.found = self.unfinished = self.texts = self.valid = 0

    def __call__(self, what, *details):
        self.found += 1
        if self.found <= 20:
            print(what, *(d if isinstance(d, str) else json.dumps(d) for d in details), sep="\n    ")


def main():
    if sys.argv[1] == "--write":
        return write_cases(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    tool = Tool([sys.argv[1], *sys.argv[4:]])
    rounds, seed = int(sys.argv[2]), int(sys.argv[3])
    report = Report()
    for i in range(rounds):
        rng = random.Random(seed * 1_000_003 + i)
        check_schema(tool, Schemas(rng), i, report)
        check_regex(tool, rng, i, report)
    masks = sum(n for _, n, _ in tool.times)
    mean = sum(us * n for us, n, _ in tool.times) / masks
    compiling = sum(us for _, _, us in tool.times) / len(tool.times) / 1000
    print(f"{rounds} schemas and expressions, {report.texts} texts ({report.valid} fit), {report.unfinished} walks "
          f"without an end, {report.found} differences; {masks} masks of {mean:.1f} us, compiling {compiling:.1f} ms")
    sys.exit(report.found > 0)


if __name__ == "__main__":
    main()
