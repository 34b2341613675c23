"""The dictionaries of OpenAI's chat API: its ways to say a form and a choice of tools, and replies as "chat.completion"
and "chat.completion.chunk". Names and values are that API's; "reasoning_content" beside "content" holds the thought, as
DeepSeek's does. No network is involved."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ._errors import BadArgument
from ._types import Event, FinishReason, Reply, Usage

_FINISH: dict[FinishReason, str] = {
    "stop": "stop", "budget": "stop", "loop": "stop", "length": "length", "tool_call": "tool_calls",
    "cancelled": "length", "error": "length",  # the text is cut, which is all that the API can say
}  # fmt: skip


def translated(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """generate()'s keywords with OpenAI's response_format and named tool_choice put into ours."""
    form, choice = options.get("response_format"), options.get("tool_choice")
    out = {key: value for key, value in options.items() if key != "response_format"}
    if form is not None:
        if out.get("json_schema") is not None:
            raise BadArgument("response_format, json_schema: give one of them")
        out["json_schema"] = _schema_of(form)
    if isinstance(choice, Mapping):
        out["tools"] = _chosen_tool(choice, out.get("tools"))
        out["tool_choice"] = "required"
    return out


def _schema_of(value: object) -> object:
    """The JSON schema that a response_format asks for; None: no form."""
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    inner = value.get("json_schema") if isinstance(value, Mapping) and kind == "json_schema" else None
    if not isinstance(inner, Mapping) or "schema" not in inner:
        raise BadArgument('response_format: expected {"type": "text"}, {"type": "json_object"} or {"type": '
                          f'"json_schema", "json_schema": {{"schema": ...}}}}, not {value!r}')  # fmt: skip
    return inner["schema"]


def _chosen_tool(choice: Mapping[str, Any], tools: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """Of `tools` the one that {"type": "function", "function": {"name": ...}} names."""
    function = choice.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    found = [tool for tool in tools or () if name is not None and tool.get("function", tool).get("name") == name]
    if not found:
        raise BadArgument(f"tool_choice: {dict(choice)!r} names none of the tools")
    return found[:1]


def _usage(usages: Sequence[Usage]) -> dict[str, Any]:
    """Samples share their prompt, which counts once."""
    thought = sum(usage.thought_tokens for usage in usages)
    completion = thought + sum(usage.answer_tokens for usage in usages)
    return {
        "prompt_tokens": usages[0].prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": usages[0].prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": usages[0].cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def completion(reply: Reply, model: str) -> dict[str, Any]:
    choices = []
    for index, sample in enumerate(reply.samples):
        message = sample.message()
        choices.append({
            "index": index,
            "message": {**message, "content": message["content"] or None} if sample.tool_calls else message,
            "finish_reason": _FINISH[sample.finish_reason],
            "logprobs": None,
        })  # fmt: skip
    return {
        **_head("chat.completion", model),
        "choices": choices,
        "usage": _usage([sample.usage for sample in reply.samples]),
    }


class _Chunker:
    def __init__(self, model: str) -> None:
        self.head = _head("chat.completion.chunk", model)
        self.begun: set[int] = set()
        self.calls: dict[int, int] = {}
        self.usages: list[Usage] = []

    def of(self, event: Event) -> dict[str, Any] | None:
        delta: dict[str, Any] = {}
        if event.kind == "thought" and event.text:
            delta["reasoning_content"] = event.text
        elif event.kind == "answer" and event.text:
            delta["content"] = event.text
        elif event.tool_call is not None:  # those before it bring a part of the call's text alone
            call, index = event.tool_call, self.calls.get(event.sample, 0)
            self.calls[event.sample] = index + 1
            function = {"name": call.name, "arguments": call.arguments_json}
            delta["tool_calls"] = [{"index": index, "id": call.id, "type": "function", "function": function}]
        elif event.kind != "end":
            return None
        if event.sample not in self.begun:
            self.begun.add(event.sample)
            delta = {"role": "assistant", **delta}
        if event.usage is not None:
            self.usages.append(event.usage)
        finish = None if event.finish_reason is None else _FINISH[event.finish_reason]
        choice = {"index": event.sample, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self.head, "choices": [choice]}

    def last(self) -> dict[str, Any]:
        return {**self.head, "choices": [], "usage": _usage(self.usages)}


def chunks(events: Iterable[Event], model: str) -> Iterator[dict[str, Any]]:
    chunker = _Chunker(model)
    for event in events:
        chunk = chunker.of(event)
        if chunk is not None:
            yield chunk
    yield chunker.last()


async def chunks_async(events: AsyncIterable[Event], model: str) -> AsyncIterator[dict[str, Any]]:
    chunker = _Chunker(model)
    async for event in events:
        chunk = chunker.of(event)
        if chunk is not None:
            yield chunk
    yield chunker.last()
