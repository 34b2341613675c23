#!/usr/bin/env python3
"""Makes json_cases.json for json_test.cpp: texts, and how Python's json module writes what they mean. Each case is
[text, json.dumps(...), json.dumps(..., indent=2), json.dumps(..., separators=(",", ":"))], with
ensure_ascii=False throughout.
"""
import json
import math
import pathlib
import random
import struct


def main():
    random.seed(5)
    reals = [0.0, -0.0, 1.0, 1e-6, 1e15, 1e16, 1e17, 123456789012345680.0, 9999999999999998.0, 1e22, 1e-4, 9.999e-5,
             5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 1 / 3, 1e100, -2.5]
    while len(reals) < 400:
        real = struct.unpack("<d", random.randbytes(8))[0]
        reals += [real] if math.isfinite(real) else []
        reals.append(round(random.uniform(-1e6, 1e6), random.randint(0, 8)))
    values = [
        None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**53 + 1, reals, "", [], {}, [[]], [{}], {"a": []},
        {"b": 1, "a": [1, 2.5, "x", None, {"c": {"d": [True]}}]},
        "".join(map(chr, range(0x20))), "\"\\/\x7f\x80\u07ff\u0800\uffff\U00010000\U0010ffff \u4e2d\u6587 \U0001f600",
    ]
    texts = [json.dumps(v, ensure_ascii=ascii) for v in values for ascii in (True, False)]
    texts += [" [ 1 ,\t2 ,\r\n3 ] ", '{"a" : 1 , "b":{ } }', "-0", "-0.0", "1E5", "1e+5", "1.50",
              '"\\u0041\\/\\ud83d\\ude00"']
    cases = []
    for text in texts:
        value = json.loads(text)
        cases.append([text, json.dumps(value, ensure_ascii=False), json.dumps(value, ensure_ascii=False, indent=2),
                      json.dumps(value, ensure_ascii=False, separators=(",", ":"))])
    out = pathlib.Path(__file__).parent / "json_cases.json"
    out.write_text(json.dumps(cases, ensure_ascii=True, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
