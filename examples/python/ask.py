#!/usr/bin/env python3
"""Asks one question and prints the thought, dimmed, and the answer as they come.

    python3 examples/python/ask.py MODEL "Is 221 prime?" [--think-budget 400]

Ctrl-C while it thinks ends the thought: the answer follows. A second one stops.
"""

import argparse
import signal
import sys
from types import FrameType

import pensee

DIM, PLAIN = ("\033[2m", "\033[0m") if sys.stdout.isatty() else ("", "")


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks one question.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("question")
    parser.add_argument("--think-budget", type=int, help="tokens of thought (default: no limit)")
    parser.add_argument("--max-tokens", type=int, help="thought and answer together (default: no limit)")
    arguments = parser.parse_args()

    with pensee.Model(arguments.model) as model:
        stream = model.generate(
            arguments.question, think_budget=arguments.think_budget, max_tokens=arguments.max_tokens
        )

        def end_thought(number: int, frame: FrameType | None) -> None:
            stream.end_thought()
            signal.signal(signal.SIGINT, signal.default_int_handler)

        signal.signal(signal.SIGINT, end_thought)
        kind = ""
        for event in stream:
            if event.kind != kind and event.text:
                if event.kind == "thought":
                    print(DIM, end="")
                elif kind == "thought":
                    print(PLAIN + "\n")
                kind = event.kind
            print(event.text, end="", flush=True)
            if event.usage is not None:
                usage = event.usage
                print(f"{PLAIN}\n\n{DIM}{usage.thought_tokens} tokens of thought, {usage.answer_tokens} of answer, "
                      f"{usage.tokens_per_second:.1f} tokens/s, ended by {event.finish_reason}{PLAIN}")  # fmt: skip
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(PLAIN)
        sys.exit(130)
    except pensee.Error as error:
        print(f"{PLAIN}ask.py: {error}", file=sys.stderr)
        sys.exit(1)
