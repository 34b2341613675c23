"""Writes round_trips.json: assistant messages with tool calls as published chat templates render them.

Usage: make_round_trips.py TEMPLATES tests/reasoning/round_trips.json [--whole]

TEMPLATES is a folder of *.jinja files; llama.cpp's models/templates holds most families. What is written is only what
stands in a reply (our words between the family's markup) and, instead of the template, the tags that occur in it; with
--whole the template itself, for a run over templates that are not ours to keep. Needs transformers and jinja2.
"""
import json
import pathlib
import re
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template as compile_template

# The families whose form the splitter knows; the others of the folder are left out.
FAMILIES = """Apriel-1.6-15b-Thinker-fixed Bielik-11B-v3.0-Instruct ByteDance-Seed-OSS Cohere2MoE GLM-4.6
GLM-4.7-Flash Kimi-K2-Instruct LFM2.5-8B-A1B MiMo-VL MiniMax-M1 MiniMax-M2 Mistral-Nemo-Instruct-2407
NVIDIA-Nemotron-3-Nano-30B-A3B-BF16 NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use Qwen-QwQ-32B
Qwen-Qwen2.5-7B-Instruct Qwen-Qwen3-0.6B Qwen3-Coder Qwen3.5-4B Reka-Edge Spark2.5 StepFun3.5-Flash
deepseek-ai-DeepSeek-R1-Distill-Qwen-32B deepseek-ai-DeepSeek-V3.1 deepseek-ai-DeepSeek-V3.2
deepseek-ai-DeepSeek-V4 ibm-granite-granite-4.0 inclusionai-ling-3.0-flash meetkai-functionary-medium-v3.1
meta-llama-Llama-3.1-8B-Instruct meta-llama-Llama-3.3-70B-Instruct mistralai-Ministral-3-14B-Reasoning-2512
openai-gpt-oss-120b poolside-Laguna-XS.2 unsloth-mistral-Devstral-Small-2507""".split()

ENDS = re.compile(r"(<\|im_end\|>|<eos>|<\|eot_id\|>|<\|eom_id\|>|<\uff5cend\u2581of\u2581sentence\uff5c>|\[e~\[|"
                  r"<\|end_of_text\|>|<\|role_end\|>|</assistant>|<\|END_OF_TURN_TOKEN\|>|<end_of_sentence>|<sep>|"
                  r"<seed:eos>|"
                  r"<\|return\|>|<\uff5cAssistant\uff5c>|\s)+$")
TAGS = re.compile(r"<tool_call>|</?[^<>\s'\"]{2,40}>|\[/?[A-Z_]{3,}\]|<[a-z]+=|\"parameters\": |tool_calls|"
                  r"\uff5cDSML\uff5c")
UNSAFE = "{%- set _ = tool_response_queue.ids.append(formatted_id) -%}"  # Kimi's; transformers' sandbox refuses it

PROPERTIES = {name: {"type": kind, "description": "One of them"} for name, kind in (
    ("city", "string"), ("days", "integer"), ("ok", "boolean"), ("ratio", "number"), ("deep", "object"),
    ("text", "string"))}
PROPERTIES["kinds"] = {"type": "array", "items": {"type": "string"}, "description": "One of them"}
TOOLS = [{"type": "function", "function": {
    "name": name, "description": "A tool", "parameters": {"type": "object", "properties": PROPERTIES, "required": []}}}
    for name in ("get_weather", "write-file")]
ARGUMENTS = [
    {"city": "Z\u00fcrich"},
    {"city": "42", "days": 2, "ok": True, "ratio": 0.5, "kinds": ["a", "<b>"], "deep": {"x": {"y": [1, None]}}},
    {"text": "def f(x):\n    return \"<b>{}</b>\".format(x)  # \\ '\n", "ok": False},
    {},
]


def call(name, arguments, index):
    return {"id": f"call{index:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


def turns():
    for number, arguments in enumerate(ARGUMENTS):
        yield f"call {number}", "", None, [("get_weather", arguments)]
    yield "content", "Let me see.", None, [("write-file", ARGUMENTS[0])]
    yield "thought", "", "I think.", [("get_weather", ARGUMENTS[0])]
    yield "both", "Let me see.", "I think.", [("get_weather", ARGUMENTS[0])]
    yield "two", "", "I think.", [("get_weather", ARGUMENTS[1]), ("write-file", ARGUMENTS[2])]


def render(template, messages, prompt):
    return compile_template(template).render(messages=messages, tools=TOOLS, add_generation_prompt=prompt,
                                             bos_token="<bos>", eos_token="<eos>")


def case(name, template, as_text, turn):
    title, content, thought, calls = turn
    made = [call(n, json.dumps(a, ensure_ascii=False) if as_text else a, i) for i, (n, a) in enumerate(calls)]
    reply = {"role": "assistant", "content": content, "tool_calls": made}
    if thought:
        reply["reasoning_content"] = thought
        if "message.thinking" in template:
            reply["thinking"] = thought
    user = [{"role": "user", "content": "And tomorrow?"}]
    whole, prompt = render(template, user + [reply], False), render(template, user, True)
    same = 0
    while same < min(len(whole), len(prompt)) and whole[same] == prompt[same]:
        same += 1
    if whole.rfind("<", 0, same) > whole.rfind(">", 0, same):  # never inside of a tag
        same = whole.rfind("<", 0, same)
    text = ENDS.sub("", whole[same:])
    if f"analysis<|message|>{content}<" in text:  # gpt-oss' template takes the words before a call for its thought
        thought, content = thought or content, ""
    if any(n not in text for n, _ in calls):
        return None  # a template that drops calls
    if "text='def" in text:
        return None  # LFM2's template escapes no quotes in a text: nobody can read that back
    if thought and thought not in text:
        thought = None
    if content and content not in text:
        content = ""
    kind = "text" if as_text else "object"
    return {"name": f"{name}: {title}, arguments as {kind}", "prompt_tail": whole[:same][-60:], "text": text,
            "thought": thought or "", "answer": content, "calls": [{"name": n, "arguments": a} for n, a in calls]}


def main():
    folder, out, whole = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), "--whole" in sys.argv
    families = []
    for path in sorted(folder.glob("*.jinja")):
        if path.stem not in FAMILIES:
            continue
        template = path.read_text(encoding="utf-8").replace(UNSAFE, "")
        cases, texts = [], set()
        for as_text in (False, True):
            for turn in turns():
                try:
                    made = case(path.stem, template, as_text, turn)
                except Exception:  # not a shape that this template takes
                    continue
                if made and made["text"] not in texts:
                    texts.add(made["text"])
                    cases.append(made)
        seen = " ".join(texts) + "tool_calls \"parameters\": "
        source = template if whole else " ".join(sorted(tag for tag in set(TAGS.findall(template)) if tag in seen))
        families.append({"name": path.stem, "template": source, "cases": cases})
        print(path.stem, len(cases))
    lines = []
    for family in families:
        head = json.dumps({"name": family["name"], "template": family["template"]}, ensure_ascii=False)[:-1]
        body = ",\n".join(json.dumps(c, ensure_ascii=False) for c in family["cases"])
        lines.append(f'{head}, "cases": [\n{body}]}}')
    tools = json.dumps(TOOLS, ensure_ascii=False)
    out.write_text(f'{{"tools": {tools},\n"families": [\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
