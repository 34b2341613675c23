#!/usr/bin/env python3
"""A model with a tool: it calls a calculator when it likes, gets the result in the same session, and answers.

    python3 examples/python/calculator.py MODEL "What is 127 * 4 + 3?" [--tool-choice required]

A model that calls no tool just answers. With --tool-choice required the first reply is held to a call.
"""

import argparse
import json
import sys
from collections.abc import Callable

import pensee

NUMBER = {"type": "integer", "minimum": -1000000, "maximum": 1000000}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "calculate",
            "description": "Computes a op b.",
            "parameters": {
                "type": "object",
                "properties": {
                    "a": NUMBER,
                    "op": {"type": "string", "enum": ["+", "-", "*", "/"]},
                    "b": NUMBER,
                },
                "required": ["a", "op", "b"],
                "additionalProperties": False,
            },
        },
    }
]
ROUNDS_MAX = 4
OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
}  # fmt: skip


def calculate(call: pensee.ToolCall) -> str:
    """The result, or what is wrong: the model reads both."""
    try:
        return str(OPERATIONS[call.arguments["op"]](call.arguments["a"], call.arguments["b"]))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return f"error: {error!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks a question of a model that has a calculator.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("question")
    parser.add_argument("--tool-choice", default="auto", choices=["auto", "strict", "required", "none"])
    parser.add_argument("--max-tokens", type=int, default=2000, help="of each reply")
    arguments = parser.parse_args()

    messages = [{"role": "user", "content": arguments.question}]
    choice = arguments.tool_choice
    with pensee.Model(arguments.model) as model, model.session() as session:
        for _ in range(ROUNDS_MAX):
            events = []
            for event in session.generate(
                messages,
                tools=TOOLS,
                tool_choice=choice,
                max_tokens=arguments.max_tokens,
                think_budget=arguments.max_tokens // 4,
            ):
                events.append(event)
                if event.kind == "answer":
                    print(event.text, end="", flush=True)
                if event.tool_call is not None:
                    print(f"[{event.tool_call.name}({json.dumps(event.tool_call.arguments)})]")
            print()
            reply = pensee.Reply.from_events(events)
            messages.append(reply.message())
            if not reply.tool_calls:
                break
            for call in reply.tool_calls:
                result = calculate(call)
                print(f"[= {result}]")
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
            choice = "auto" if choice == "required" else choice  # the result is there: now it may answer
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"calculator.py: {error}", file=sys.stderr)
        sys.exit(1)
