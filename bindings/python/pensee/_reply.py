"""Replies and votes: made of what the native module returns, or of the events of a stream."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any, cast

from . import _pensee
from ._options import FINISH_REASONS
from ._types import Event, FinishReason, Reply, Routing, ToolCall, Usage, Vote, VoteAnswer

_SPACE = " \t\r\n"


def expert_arrays(shape: tuple[int, ...], ids: bytes, weights: bytes) -> Routing:
    import numpy

    return Routing(
        numpy.frombuffer(ids, dtype=numpy.int32).reshape(shape),
        numpy.frombuffer(weights, dtype=numpy.float32).reshape(shape),
    )


def reply_of(native: _pensee.RawReply) -> Reply:
    routing = native["routing"]
    return Reply(
        thought=native["thought"],
        answer=native["answer"],
        tool_calls=tuple(ToolCall(*call) for call in native["tool_calls"]),
        usage=Usage(**native["usage"]),
        finish_reason=cast(FinishReason, FINISH_REASONS.get(native["finish_reason"], "stop")),
        token_ids=native["token_ids"],
        logprobs=native["logprobs"],
        message_json=native["message_json"],
        routing=None if routing is None else expert_arrays(routing[:3], routing[3], routing[4]),
        others=tuple(map(reply_of, native["samples"])),
    )


def vote_of(native: tuple[list[tuple[str, int, float, int]], list[_pensee.RawReply]]) -> Vote:
    answers, replies = native
    return Vote(tuple(VoteAnswer(*answer) for answer in answers), tuple(map(reply_of, replies)))


def reply_of_events(events: Iterable[Event]) -> Reply:
    """Events of n samples may be mixed; those of one sample are in their order."""
    samples: dict[int, list[Event]] = {}
    for event in events:
        samples.setdefault(event.sample, []).append(event)
    replies = [_of_sample(samples[index]) for index in sorted(samples)]
    if not replies:
        raise RuntimeError("the stream was closed before its end")
    first = replies[0]
    return first if len(replies) == 1 else dataclasses.replace(first, others=tuple(replies[1:]))


def _of_sample(events: list[Event]) -> Reply:
    end = events[-1]
    if end.usage is None or end.finish_reason is None:
        raise RuntimeError("the stream was closed before its end")
    tokens = [event for event in events if event.token_id is not None]
    thought = "".join(event.text for event in events if event.kind == "thought")
    answer = "".join(event.text for event in events if event.kind == "answer")
    tool_calls = tuple(event.tool_call for event in events if event.tool_call is not None)
    if end.usage.thought_tokens > 0:  # as the library: the space around the tags belongs to neither side
        thought, answer = thought.strip(_SPACE), answer.lstrip(_SPACE)
    return Reply(
        thought=thought,
        answer=answer,
        tool_calls=tool_calls,
        usage=end.usage,
        finish_reason=end.finish_reason,
        token_ids=tuple(event.token_id for event in tokens if event.token_id is not None),
        logprobs=tuple(event.logprob for event in tokens if event.logprob is not None),
        message_json=_message_json(thought, answer, tool_calls),
        routing=_routing_of(tokens),
    )


def _message_json(thought: str, answer: str, tool_calls: tuple[ToolCall, ...]) -> str:
    """As pensee_reply_message_json."""
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if thought:
        message["reasoning_content"] = thought
    if tool_calls:
        message["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
            for call in tool_calls
        ]
    return json.dumps(message, ensure_ascii=False)


def _routing_of(tokens: list[Event]) -> Routing | None:
    """A token at position p was given by the pass over position p - 1; what no event tells of is -1."""
    told = [event for event in tokens if event.expert_ids is not None]
    if not told:
        return None
    import numpy

    first = told[0].expert_ids
    assert first is not None
    positions = tokens[-1].position or 0
    ids = numpy.full((positions, *first.shape), -1, dtype=numpy.int32)
    weights = numpy.zeros(ids.shape, dtype=numpy.float32)
    for event in told:
        assert event.position is not None
        ids[event.position - 1] = event.expert_ids
        weights[event.position - 1] = event.expert_weights
    return Routing(ids, weights)
