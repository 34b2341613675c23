#!/usr/bin/env python3
"""A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
session gets the whole conversation each time and computes only what is new. The same program stands beside this one in
C, C++, Java and C#.

    python3 examples/python/chat.py MODEL [MAX_TOKENS [SEED]]

MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text.
"""

import sys

import pensee


def show(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def take_turn(session: pensee.Session, messages: list[dict[str, str]], max_tokens: int, seed: int) -> str:
    """One reply, shown as it comes. Returns its answer."""
    answer, shown = "", ""
    for event in session.generate(messages, max_tokens=max_tokens, think_budget=max_tokens // 2, seed=seed):
        if event.usage is not None:
            usage = event.usage
            show(f"\033[0m\n[{usage.cached_tokens} of {usage.prompt_tokens} prompt tokens kept, "
                 f"{usage.thought_tokens} of thought, {usage.answer_tokens} of answer]\n")  # fmt: skip
        if not event.text:
            continue
        if event.kind != shown:
            show("\033[2m" if event.kind == "thought" else "\033[0m\n" if shown else "")
        shown = event.kind
        if event.kind == "answer":
            answer += event.text
        show(event.text)
    return answer.lstrip(" \t\r\n")


def main() -> int:
    if not 2 <= len(sys.argv) <= 4:
        print(f"usage: {sys.argv[0]} MODEL [MAX_TOKENS [SEED]]", file=sys.stderr)
        return 2
    max_tokens = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    with pensee.Model(sys.argv[1]) as model:
        session = model.session()
        messages: list[dict[str, str]] = []
        show("> ")
        for line in sys.stdin.buffer:
            if question := line.decode("utf-8", "replace").rstrip("\r\n"):
                messages.append({"role": "user", "content": question})
                answer = take_turn(session, messages, max_tokens, seed)
                messages.append({"role": "assistant", "content": answer})
            show("> ")
    show("\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"chat.py: {error}", file=sys.stderr)
        sys.exit(1)
