"""Messages and tools in, replies out, in the dictionaries of OpenAI's chat API. The openai package's own types say what
a valid dictionary is; where it is not installed, those checks are left out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from test_forms import SAMPLE, SCHEMA, SHORT, TOOLS

import pensee

SPACE = " \t\r\n"  # around the tags: in the deltas, in neither text of the reply
CALL: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "reasoning_content": "I look it up.",
    "tool_calls": [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "lookup", "arguments": '{"word": "cat", "times": 2}'},
        }
    ],
}
CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "a cat?"}]},
    CALL,
    {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a small animal"}]},
    {"role": "assistant", "content": "An animal.", "reasoning_content": "It said so."},
    {"role": "user", "content": "Thanks"},
]
# The same in the plainest form.
PLAIN: list[dict[str, Any]] = [
    CONVERSATION[0],
    {"role": "user", "content": "What is a cat?"},
    {
        **CALL,
        "content": "",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "lookup", "arguments": {"word": "cat", "times": 2}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "a small animal"},
    *CONVERSATION[4:],
]


def valid(kind: str, value: dict[str, Any]) -> Any:
    chat = pytest.importorskip("openai.types.chat")
    return getattr(chat, kind).model_validate(json.loads(json.dumps(value)), strict=True)


def test_every_form_of_a_conversation_renders_alike(thinker: pensee.Model) -> None:
    rendered = thinker.render(CONVERSATION, tools=TOOLS)
    assert rendered == thinker.render(PLAIN, tools=TOOLS)
    for text in ("Be brief.", "What is a cat?", "lookup", "a small animal", "An animal.", "Thanks"):
        assert text in rendered, text
    bare = [tool["function"] for tool in TOOLS]  # without the envelope
    assert thinker.render(CONVERSATION, tools=bare) == rendered


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, "only text"),
        ({"role": "user"}, "content"),
        ({"content": "Hi"}, "role"),
        ({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, "arguments"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "function.name"),
        ({"role": "robot", "content": "Hi"}, "robot"),
    ],
)
def test_what_is_wrong_with_a_message_is_named(thinker: pensee.Model, message: dict[str, Any], named: str) -> None:
    with pytest.raises(pensee.BadArgument, match="message 1") as caught:
        thinker.render([{"role": "user", "content": "Hi"}, message])
    assert named in str(caught.value)


@pytest.mark.usefixtures("forms")
def test_a_response_format_is_the_schema_in_it(thinker: pensee.Model) -> None:
    wrapped = {"type": "json_schema", "json_schema": {"name": "prime", "strict": True, "schema": SCHEMA}}
    reply = thinker.ask("Hi", response_format=wrapped, seed=3, **SAMPLE)
    assert reply.answer == thinker.ask("Hi", json_schema=SCHEMA, seed=3, **SAMPLE).answer
    assert set(json.loads(reply.answer)) == {"prime", "kind"}
    free = thinker.ask("Hi", response_format={"type": "text"}, seed=3, **SAMPLE)
    assert free.answer == thinker.ask("Hi", seed=3, **SAMPLE).answer != reply.answer
    thing = thinker.ask("Hi", response_format={"type": "json_object"}, seed=3, **SAMPLE, **SHORT)
    assert isinstance(json.loads(thing.answer), dict)
    for wrong in ({"type": "yaml"}, {"type": "json_schema"}, {}, "json"):
        with pytest.raises(pensee.BadArgument, match="response_format"):
            thinker.ask("Hi", response_format=wrong)  # type: ignore[arg-type]
    with pytest.raises(pensee.BadArgument, match="response_format, json_schema"):
        thinker.ask("Hi", response_format=wrapped, json_schema=SCHEMA)


@pytest.mark.usefixtures("forms")
def test_a_tool_may_be_chosen_by_name(thinker: pensee.Model) -> None:
    other = {"type": "function", "function": {"name": "forget", "parameters": {"type": "object", "properties": {}}}}
    choice = {"type": "function", "function": {"name": "lookup"}}
    for seed in (1, 2, 3):
        reply = thinker.ask("Hi", tools=[other, *TOOLS], tool_choice=choice, seed=seed, **SAMPLE, **SHORT)
        assert {call.name for call in reply.tool_calls} == {"lookup"}
    with pytest.raises(pensee.BadArgument, match="tool_choice"):
        thinker.ask("Hi", tools=[other], tool_choice=choice)


@pytest.mark.usefixtures("forms")
def test_a_reply_is_a_chat_completion(thinker: pensee.Model) -> None:
    reply = thinker.ask("Hi", tools=TOOLS, tool_choice="required", n=2, seed=5, **SAMPLE, **SHORT)
    value = reply.completion("tiny")
    assert value["object"] == "chat.completion" and value["model"] == "tiny" and value["id"].startswith("chatcmpl-")
    assert [choice["index"] for choice in value["choices"]] == [0, 1]
    first = value["choices"][0]
    assert first["finish_reason"] == "tool_calls" and first["message"]["content"] is None
    assert first["message"]["tool_calls"] == reply.message()["tool_calls"]
    generated = sum(sample.usage.thought_tokens + sample.usage.answer_tokens for sample in reply.samples)
    assert value["usage"]["completion_tokens"] == generated
    assert value["usage"]["total_tokens"] == generated + reply.usage.prompt_tokens
    parsed = valid("ChatCompletion", value)
    assert json.loads(parsed.choices[0].message.tool_calls[0].function.arguments) == reply.tool_calls[0].arguments


def join(chunks: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What a client makes of the chunks: sample -> message and finish_reason."""
    out: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            told = out.setdefault(choice["index"], {"content": "", "reasoning_content": "", "tool_calls": []})
            delta = choice["delta"]
            assert (set(told) >= {"role"}) != ("role" in delta)  # the first brings it, no other
            for key in ("content", "reasoning_content"):
                told[key] += delta.get(key, "")
            for call in delta.get("tool_calls", []):
                assert call["index"] == len(told["tool_calls"])
                told["tool_calls"].append({key: call[key] for key in ("id", "type", "function")})
            told.update({key: delta[key] for key in ("role",) if key in delta})
            if choice["finish_reason"]:
                told["finish_reason"] = choice["finish_reason"]
    return out


@pytest.mark.usefixtures("forms")
def test_a_stream_is_chat_completion_chunks(thinker: pensee.Model) -> None:
    options: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "seed": 5, **SAMPLE, **SHORT}
    chunks = list(thinker.generate("Hi", **options).chunks("tiny"))
    reply = thinker.ask("Hi", **options)
    told = join(chunks)[0]
    assert told["role"] == "assistant" and told["finish_reason"] == "tool_calls"
    assert (told["reasoning_content"].strip(SPACE), told["content"].lstrip(SPACE)) == (reply.thought, reply.answer)
    assert [call["function"] for call in told["tool_calls"]] == [
        {"name": call.name, "arguments": call.arguments_json} for call in reply.tool_calls
    ]
    assert len({chunk["id"] for chunk in chunks}) == 1 and {chunk["model"] for chunk in chunks} == {"tiny"}
    assert chunks[-1]["choices"] == []
    usages = [chunks[-1]["usage"], reply.completion()["usage"]]
    for usage in usages:
        del usage["prompt_tokens_details"]  # what was cached differs
    assert usages[0] == usages[1]
    for chunk in chunks:
        valid("ChatCompletionChunk", chunk)


def test_samples_are_told_apart_in_both_kinds_of_loop(thinker: pensee.Model) -> None:
    options: dict[str, Any] = {"n": 3, "seed": 4, "temperature": 1.0, "max_tokens": 24, "think_budget": 6}

    async def collect() -> list[dict[str, Any]]:
        return [chunk async for chunk in thinker.generate("Hi", **options).chunks_async()]

    replies = thinker.generate("Hi", **options).reply().samples
    for chunks in (list(thinker.generate("Hi", **options).chunks()), asyncio.run(collect())):
        told = join(chunks)
        assert sorted(told) == [0, 1, 2]
        for index, reply in enumerate(replies):
            thought, answer = told[index]["reasoning_content"], told[index]["content"]
            assert (thought.strip(SPACE), answer.lstrip(SPACE)) == (reply.thought, reply.answer)
            known = {"length": "length", "stop": "stop", "budget": "stop"}
            assert told[index]["finish_reason"] == known[reply.finish_reason]
        generated = sum(reply.usage.thought_tokens + reply.usage.answer_tokens for reply in replies)
        assert chunks[-1]["usage"]["completion_tokens"] == generated


def test_a_reply_goes_back_into_the_conversation(thinker: pensee.Model) -> None:
    message = thinker.ask("Hi", seed=2, max_tokens=40, think_budget=8).completion()["choices"][0]["message"]
    conversation = [{"role": "user", "content": "Hi"}, message, {"role": "user", "content": "And?"}]
    assert "And?" in thinker.render(conversation)
    assert thinker.ask(conversation, max_tokens=5).usage.prompt_tokens > len("Hi") + len("And?")
