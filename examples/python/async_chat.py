#!/usr/bin/env python3
"""Several conversations at once in one event loop, each with a session that remembers what it computed.

    python3 examples/python/async_chat.py MODEL "What is gravity?" "Name three rivers." ...

Every question is one conversation of two turns; their answers come interleaved. A conversation that takes longer than
--seconds is cancelled, which cancels its generation.
"""

import argparse
import asyncio
import sys

import pensee


async def converse(model: pensee.Model, name: str, question: str, max_tokens: int) -> None:
    with model.session() as session:
        messages = [{"role": "user", "content": question}]
        for turn in range(2):
            answer = ""
            async with session.generate(messages, max_tokens=max_tokens, think_budget=200) as stream:
                async for event in stream:
                    if event.kind == "answer":
                        answer += event.text
                    elif event.usage is not None:
                        usage = event.usage
                        print(f"[{name}, turn {turn + 1}] {answer.strip()}\n"
                              f"    ({usage.prompt_tokens} tokens of prompt, {usage.cached_tokens} of them remembered; "
                              f"{usage.tokens_per_second:.1f} tokens/s)")  # fmt: skip
            messages += [
                {"role": "assistant", "content": answer},
                {"role": "user", "content": "Say that in one short sentence."},
            ]


async def converse_in_time(seconds: float, model: pensee.Model, name: str, question: str, max_tokens: int) -> None:
    try:
        await asyncio.wait_for(converse(model, name, question, max_tokens), seconds)
    except asyncio.TimeoutError:
        print(f"[{name}] took longer than {seconds:g} seconds")


async def main() -> None:
    parser = argparse.ArgumentParser(description="Several conversations at once.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("questions", nargs="+")
    parser.add_argument("--max-tokens", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=300)
    arguments = parser.parse_args()
    with pensee.Model(arguments.model) as model:
        await asyncio.gather(
            *(
                converse_in_time(arguments.seconds, model, f"conversation {i + 1}", question, arguments.max_tokens)
                for i, question in enumerate(arguments.questions)
            )
        )


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"async_chat.py: {error}", file=sys.stderr)
        sys.exit(1)
