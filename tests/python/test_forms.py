"""Answers that are held to a form, and calls of tools."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import tiny

import pensee

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"prime": {"type": "boolean"}, "kind": {"enum": ["odd", "even"]}},
    "required": ["prime", "kind"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "lookup",
            "description": "Looks a word up.",
            "parameters": {
                "type": "object",
                "properties": {"word": {"enum": ["cat", "dog"]}, "times": {"enum": [1, 2, 3]}},
                "required": ["word", "times"],
                "additionalProperties": False,
            },
        },
    }
]
# A random model ends its answer as soon as it may.
SHORT: dict[str, Any] = {"answer_sampling": {"logit_bias": {tiny.END: 1000.0}}}
SAMPLE: dict[str, Any] = {"max_tokens": 300, "temperature": 1.0, "think_budget": 8}


@pytest.mark.usefixtures("forms")
@pytest.mark.parametrize("schema", [SCHEMA, json.dumps(SCHEMA)])
def test_a_schema_holds_the_answer_and_not_the_thought(thinker: pensee.Model, schema: Any) -> None:
    thoughts = set()
    for seed in range(1, 6):
        reply = thinker.ask("Hi", json_schema=schema, seed=seed, **SAMPLE)
        value = json.loads(reply.answer)
        assert set(value) == {"prime", "kind"}
        assert isinstance(value["prime"], bool) and value["kind"] in ("odd", "even")
        thoughts.add(reply.thought)
        assert reply.finish_reason in ("stop", "budget")
    assert len(thoughts) > 1


@pytest.mark.usefixtures("forms")
def test_a_regex_matches_the_whole_answer(thinker: pensee.Model) -> None:
    pattern = r"[0-9]{3}-[a-c]{2}"
    for seed in range(1, 6):
        reply = thinker.ask("Hi", regex=pattern, seed=seed, **SAMPLE)
        assert re.fullmatch(pattern, reply.answer.strip()), reply.answer


@pytest.mark.usefixtures("forms")
def test_a_grammar_is_followed(thinker: pensee.Model) -> None:
    grammar = 'root ::= word ("," word){2}\nword ::= "cat" | "dog"\n'
    reply = thinker.ask("Hi", grammar=grammar, seed=3, **SAMPLE)
    assert re.fullmatch("(cat|dog),(cat|dog),(cat|dog)", reply.answer.strip())


@pytest.mark.usefixtures("forms")
def test_only_one_form_and_a_right_one(thinker: pensee.Model) -> None:
    with pytest.raises(pensee.BadArgument):
        thinker.ask("Hi", regex="a", grammar='root ::= "a"')
    for options in ({"regex": "(a"}, {"grammar": "nonsense"}, {"json_schema": "{"}, {"json_schema": {"type": "thing"}}):
        with pytest.raises(pensee.Error) as caught:
            thinker.ask("Hi", max_tokens=5, **options)
        assert caught.value.status in (pensee.Status.BAD_ARGUMENT, pensee.Status.UNSUPPORTED)


@pytest.mark.usefixtures("forms")
def test_a_required_call_comes_and_its_result_is_taken(thinker: pensee.Model) -> None:
    session = thinker.session()
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]
    events = list(session.generate(messages, tools=TOOLS, tool_choice="required", seed=5, **SAMPLE, **SHORT))
    reply = pensee.Reply.from_events(events)
    assert reply.finish_reason == "tool_call" and len(reply.tool_calls) >= 1
    call = reply.tool_calls[0]
    assert call.name == "lookup" and call.id
    assert call.arguments["word"] in ("cat", "dog") and call.arguments["times"] in (1, 2, 3)
    assert json.loads(call.arguments_json) == call.arguments
    parts = [event for event in events if event.kind == "tool_call"]
    assert [event.tool_call for event in parts if event.tool_call is not None] == list(reply.tool_calls)

    message = reply.message()
    assert message["role"] == "assistant"
    assert message["tool_calls"][0]["function"] == {"name": "lookup", "arguments": call.arguments_json}
    assert message["tool_calls"][0]["id"] == call.id
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "a small animal"}]
    rendered = thinker.render(messages, tools=TOOLS)
    second = session.ask(messages, tools=TOOLS, max_tokens=20, temperature=0, think_budget=4)
    assert second.usage.prompt_tokens == len(thinker.tokenize(rendered))
    assert second.usage.cached_tokens > 0


@pytest.mark.usefixtures("forms")
def test_the_librarys_own_reply_has_the_message_that_events_make(thinker: pensee.Model) -> None:
    options: dict[str, Any] = {"tools": TOOLS, "tool_choice": "required", "seed": 5, **SAMPLE, **SHORT}
    by_events = thinker.generate("Hi", **options).reply()
    of_library = thinker.ask("Hi", trace_experts=True, **options)
    calls = [[(call.name, call.arguments) for call in reply.tool_calls] for reply in (of_library, by_events)]
    assert calls[0] == calls[1]
    assert of_library.token_ids == by_events.token_ids and of_library.logprobs == by_events.logprobs
    assert of_library.answer == by_events.answer and of_library.thought == by_events.thought
    left, right = of_library.message(), by_events.message()
    for message in (left, right):
        for call in message.get("tool_calls", []):
            call.pop("id")
    assert left == right


def test_tools_are_told_unless_the_choice_is_none(thinker: pensee.Model) -> None:
    told = thinker.render("Hi", tools=TOOLS)
    assert "lookup" in told
    assert "lookup" not in thinker.render("Hi", tools=TOOLS, tool_choice="none")


def test_a_kept_text_is_split_as_a_stream_would(thinker: pensee.Model) -> None:
    reply = thinker.parse_reply("<think>\nHm.\n</think>\n\nYes.")
    assert (reply.thought.strip(), reply.answer.strip()) == ("Hm.", "Yes.")
    opened = thinker.parse_reply("Hm.\n</think>\n\nYes.", in_thought=True)
    assert (opened.thought.strip(), opened.answer.strip()) == ("Hm.", "Yes.")
    assert opened.message() == {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
    plain = thinker.parse_reply("Yes.")
    assert (plain.thought, plain.answer, plain.tool_calls) == ("", "Yes.", ())
    asked = thinker.ask("Hi", trace_experts=True, seed=2, **SAMPLE)
    again = thinker.parse_reply(thinker.detokenize(asked.token_ids), in_thought=True)
    assert (again.thought, again.answer) == (asked.thought, asked.answer)


def test_a_token_the_tokenizer_does_not_know_says_nothing(thinker: pensee.Model) -> None:
    assert thinker.detokenize([72, tiny.VOCAB_SIZE - 1, 105]) == "Hi"
    for beyond in (tiny.VOCAB_SIZE, -1):
        with pytest.raises(pensee.BadArgument, match=f"token {beyond} "):
            thinker.detokenize([72, beyond])


@pytest.mark.usefixtures("forms")
def test_a_real_model_answers_in_json(smollm2: pensee.Model) -> None:
    schema = {
        "type": "object",
        "properties": {"capital": {"type": "string", "maxLength": 20}},
        "required": ["capital"],
        "additionalProperties": False,
    }
    reply = smollm2.ask("What is the capital of France? Answer in JSON.", json_schema=schema, temperature=0,
                        max_tokens=60)  # fmt: skip
    assert "Paris" in json.loads(reply.answer)["capital"]
