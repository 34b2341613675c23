"""Writes template_cases.json: what transformers' own template environment renders, for chat_template_test.cpp.

Usage: make_template_cases.py [tests/text]            (needs transformers and jinja2; any recent version)
       make_template_cases.py --corpus DIR OUT.json   (the same conversations over any other *.jinja files)

Snippets of the language stand in template_snippets.json, real templates in templates/*.jinja (origin: SOURCES).
A case is {name, template | file, variables, expected} or, where transformers raises, {..., error}.
"""
import json
import pathlib
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

PROPERTIES = {
    "city": {"type": "string", "description": "Name of the city"},
    "days": {"type": "integer", "description": "How many days", "default": 1},
    "kinds": {"type": "array", "items": {"type": "string"}, "description": "What to tell"},
    "unit": {"type": "string", "enum": ["C", "F"], "description": "Unit"},
}
TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "The weather of a place, in <b>\u00b0C</b> & \"words\"",
        "parameters": {"type": "object", "properties": PROPERTIES, "required": ["city"]},
        "return": {"type": "string", "description": "a text"}}},
    {"type": "function", "function": {
        "name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]


def system(text):
    return {"role": "system", "content": text}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def tool(content, **more):
    return {"role": "tool", "tool_call_id": "call_123456", "content": content, **more}


def tool_call(arguments):
    return {"id": "call_123456", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}


SYSTEM = system("You are terse. Gr\u00f6\u00dfe: 5 \u00b5m.")
HELLO = user("Hello, what is 17 * 23?")
UNICODE = "  \u65e5\u672c\u8a9e \U0001f600 \u3000\u00e9\u0301 <|im_end|> \"quotes\" \\n {{ x }}\n\n"


def conversations():
    yield "single", [HELLO]
    yield "system", [SYSTEM, HELLO]
    yield "unicode", [user(UNICODE)]
    yield "multi", [SYSTEM, HELLO, assistant("391"), user("And squared?")]
    yield "thought", [HELLO, assistant("\n391", reasoning_content="17*23 = 340+51\n"), user("Sure?"),
                      assistant("Yes.", reasoning_content="Check again.")]
    yield "inline thought", [HELLO, assistant("<think>\n17*23\n</think>\n\n391"), user("Sure?"),
                             assistant("<think>hm</think>Yes.")]
    nested = {"city": "Z\u00fcrich", "days": 2, "kinds": ["rain", "wind"], "deep": {"a": None}}
    for kind, arguments in (("dict", nested), ("text", '{"city": "Z\u00fcrich"}')):
        called = [SYSTEM, user("Weather?"),
                  assistant("", reasoning_content="I ask.", tool_calls=[tool_call(arguments)]),
                  tool('{"t": 21.5}', name="get_weather")]
        yield f"tools {kind}", called
        yield f"tools {kind} answered", called + [assistant("21.5 degrees."), user("Thanks")]
    twice = [tool_call('{"city": "A"}'), tool_call('{"city": "B"}')]
    yield "two calls", [user("Weather twice?"), assistant(None, tool_calls=twice), tool("1"), tool("2")]
    yield "content list", [user([{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}])]
    yield "no user", [SYSTEM]
    yield "empty", []


def real_cases(name):
    for talk, messages in conversations():
        for options in ({}, {"add_generation_prompt": True}, {"add_generation_prompt": True, "enable_thinking": False},
                        {"add_generation_prompt": True, "enable_thinking": True, "tools": TOOLS}):
            variables = {"messages": messages, "bos_token": "<bos>", "eos_token": "<eos>", **options}
            yield {"name": f"{name}: {talk} {sorted(options)}", "variables": variables}


def expected(template, variables):
    given = {"tools": None, "documents": None, "add_generation_prompt": False, **variables}
    try:
        return {"expected": compile_template(template).render(**given)}
    except Exception as error:  # whatever Python raises, the C++ side must refuse too
        return {"error": f"{type(error).__name__}: {error}"}


def corpus_cases(folder):
    for path in sorted(pathlib.Path(folder).glob("*.jinja")):
        template = path.read_bytes().decode("utf-8")
        for case in real_cases(path.stem):
            yield path, template, case


def main():
    if sys.argv[1:2] == ["--corpus"]:
        cases = [{**case, "template": template, **expected(template, case["variables"])}
                 for _, template, case in corpus_cases(sys.argv[2])]
        pathlib.Path(sys.argv[3]).write_text(json.dumps(cases, ensure_ascii=False))
        return
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    own = json.loads((folder / "template_snippets.json").read_text(encoding="utf-8"))
    cases = [{"name": f"snippet {i + 1}", "template": text, "values": True, **expected(text, own["values"])}
             for i, text in enumerate(own["snippets"])]
    cases += [{"name": f"whitespace {i + 1}", "template": text, "variables": {}, **expected(text, {})}
              for i, text in enumerate(own["whitespace"])]
    for path, template, case in corpus_cases(folder / "templates"):
        cases.append({**case, "file": path.name, **expected(template, case["variables"])})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    text = f'{{"values": {json.dumps(own["values"], ensure_ascii=False)},\n"cases": [\n{lines}\n]}}\n'
    (folder / "template_cases.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
