#!/usr/bin/env python3
"""A talk of ten turns in one session: each turn hands over the whole conversation, and only what is new is computed.

    python3 examples/python/talk.py MODEL [--turns 10] [--save FILE]

The table tells for each turn how long the prompt was and how much of it was kept. With --save the session goes to a
file at the end and comes back from it, as a program would do between two runs.
"""

import argparse
import sys

import pensee

QUESTIONS = [
    "What is a prime number?", "Name three of them.", "Is 1 one of them?", "Why not?", "What about 2?",
    "How many are there?", "Who proved that?", "When did he live?", "Where?", "Sum up what we said.",
]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="A talk of ten turns, and what of it was computed.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--max-tokens", type=int, default=100, help="of each reply")
    parser.add_argument("--save", help="save the session here, and restore it")
    arguments = parser.parse_args()

    with pensee.Model(arguments.model) as model:
        session = model.session()
        messages = []
        print("turn  prompt  kept  computed  first token   answer")
        for turn in range(arguments.turns):
            messages.append({"role": "user", "content": QUESTIONS[turn % len(QUESTIONS)]})
            reply = session.ask(messages, max_tokens=arguments.max_tokens, think_budget=arguments.max_tokens // 2)
            messages.append(reply.message())
            usage = reply.usage
            computed = usage.prompt_tokens - usage.cached_tokens
            answer = " ".join(reply.answer.split())[:60]
            print(f"{turn + 1:4}  {usage.prompt_tokens:6}  {usage.cached_tokens:4}  {computed:8}  "
                  f"{usage.seconds_to_first_token:9.3f} s   {answer}")  # fmt: skip
        if arguments.save:
            session.save(arguments.save)
            restored = model.restore(arguments.save)
            print(f"{len(restored.tokens)} tokens restored from {arguments.save}, of {len(session.tokens)}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"talk.py: {error}", file=sys.stderr)
        sys.exit(1)
