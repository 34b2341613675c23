#!/usr/bin/env python3
"""An answer that is JSON of a given schema, whatever the model: the thought stays free, the answer is held to the form.

    python3 examples/python/json_schema.py MODEL "Is 221 prime?"
"""

import argparse
import json
import sys

import pensee

SCHEMA = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["yes", "no", "unsure"]},
        "certain": {"type": "boolean"},
        "kind": {"enum": ["arithmetic", "history", "other"]},
    },
    "required": ["verdict", "certain", "kind"],
    "additionalProperties": False,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks for an answer in JSON.")
    parser.add_argument("model", help="a GGUF file or a Hugging Face folder")
    parser.add_argument("question")
    parser.add_argument("--max-tokens", type=int, default=1000)
    arguments = parser.parse_args()

    with pensee.Model(arguments.model) as model:
        reply = model.ask(
            arguments.question,
            json_schema=SCHEMA,
            max_tokens=arguments.max_tokens,
            think_budget=arguments.max_tokens // 2,
        )
    if reply.finish_reason == "length":
        print(f"json_schema.py: cut at {arguments.max_tokens} tokens: {reply.answer}", file=sys.stderr)
        return 1
    for name, value in json.loads(reply.answer).items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except pensee.Error as error:
        print(f"json_schema.py: {error}", file=sys.stderr)
        sys.exit(1)
