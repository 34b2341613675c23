#!/usr/bin/env python3
"""Asks many times and shows what the replies agree on (self-consistency).

    python3 examples/python/vote.py MODEL "What is 17 * 23? End with: Answer: ..." [-n 16] [--confidence]

What still runs is cancelled once the majority is certain.
"""

import argparse
import sys

import pensee


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks many times and shows what the replies agree on.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("question")
    parser.add_argument("-n", type=int, default=16, help="replies")
    parser.add_argument("--confidence", action="store_true", help="a vote weighs the mean probability of its tokens")
    parser.add_argument("--max-tokens", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    with pensee.Model(arguments.model) as model:
        vote = model.vote(
            arguments.question,
            arguments.n,
            weighting="confidence" if arguments.confidence else "plain",
            max_tokens=arguments.max_tokens,
            seed=arguments.seed,
        )
    for answer in vote.answers:
        print(f"{answer.votes:4}  {'#' * round(40 * answer.weight):40} {answer.weight:4.0%}  {answer.answer}")
    stopped = sum(reply.finish_reason == "cancelled" for reply in vote.replies)
    tokens = sum(len(reply.token_ids) for reply in vote.replies)
    print(f"\n{len(vote.replies)} replies, {stopped} of them stopped early; {tokens} tokens. Answer: {vote.answer}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"vote.py: {error}", file=sys.stderr)
        sys.exit(1)
