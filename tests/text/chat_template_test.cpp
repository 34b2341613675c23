// Chat templates against transformers: template_cases.json holds what its own environment rendered or refused
// (make_template_cases.py). Then what no oracle knows: hostile templates end, and with an error that says where.
#include "text/chat_template.h"

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <thread>

using namespace pensee;

namespace {

std::string read(const std::string& name) {
  std::ifstream in(std::string(PENSEE_TEST_DATA) + "/text/" + name, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

struct Rendered {
  bool ok = false;
  Code code = Code::ok;
  std::string text;  // or the message
};

Rendered render(std::string_view source, const json::Value& variables) {
  const auto parsed = parse_chat_template(source, "test.jinja");
  if (!parsed.ok()) return {false, parsed.status().code(), parsed.status().message()};
  auto rendered = (*parsed)->render(variables);
  if (!rendered.ok()) return {false, rendered.status().code(), rendered.status().message()};
  return {true, Code::ok, *rendered};
}

Rendered render(std::string_view source) { return render(source, json::Value(json::Object{})); }

struct Case {
  std::string name, source;
  const json::Value* variables;
  const json::Value *expected, *error;
};

struct Cases {
  json::Value file;
  std::vector<Case> all;
};

const Cases& cases() {
  static const Cases loaded = [] {
    Cases out;
    auto parsed = json::parse(read("template_cases.json"), "template_cases.json");
    REQUIRE(parsed.ok());
    out.file = *std::move(parsed);
    return out;
  }();
  static const std::vector<Case> all = [] {
    std::vector<Case> out;
    std::map<std::string, std::string> files;
    for (const json::Value& row : *loaded.file.find("cases")->array()) {
      Case c{*row.find("name")->string(), "", row.find("variables"), row.find("expected"), row.find("error")};
      if (row.find("values")) c.variables = loaded.file.find("values");
      if (const json::Value* file = row.find("file")) {
        std::string& text = files[*file->string()];
        if (text.empty()) text = read("templates/" + *file->string());
        c.source = text;
      } else {
        c.source = *row.find("template")->string();
      }
      out.push_back(std::move(c));
    }
    return out;
  }();
  static const Cases both{loaded.file, all};
  return both;
}

// The words behind "TemplateError: ", which a template chose itself, or jinja2's words on an undefined value.
std::string own_words(const std::string& error) {
  for (const std::string kind : {"TemplateError: ", "UndefinedError: "}) {
    if (error.starts_with(kind)) return error.substr(kind.size());
  }
  return "";
}

}  // namespace

TEST_CASE("templates render what transformers renders, and refuse what it refuses") {
  REQUIRE(cases().all.size() > 400);
  for (const Case& c : cases().all) {
    CAPTURE(c.name);
    CAPTURE(c.source);
    const Rendered got = render(c.source, *c.variables);
    if (c.expected) {
      CHECK(got.text == *c.expected->string());
      CHECK(got.ok);
      continue;
    }
    CAPTURE(*c.error->string());
    CHECK_FALSE(got.ok);
    CHECK(got.text.starts_with("test.jinja:"));
    CHECK(got.text.find(own_words(*c.error->string())) != std::string::npos);
  }
}

TEST_CASE("an error names the template, the line and the thing") {
  CHECK(render("a\n{{ 1 }}\n{% if x.y.z %}{% endif %}").text == "test.jinja:3: 'x' is undefined");
  CHECK(render("\n\n{{ raise_exception('No ' ~ 'way') }}").text == "test.jinja:3: No way");
  CHECK(render("\n{{ raise_exception('No') }}").code == Code::bad_argument);
  CHECK(render("{{ 1 }}\n{% include 'x' %}").text.starts_with("test.jinja:2: the tag 'include' is not supported"));
  CHECK(render("{{ 1 }}\n{% include 'x' %}").code == Code::unsupported);
  CHECK(render("{{ 'x' | frob }}").text == "test.jinja:1: the filter 'frob' is not known");
  CHECK(render("{{ 'x' | frob }}").code == Code::unsupported);
  CHECK(render("{{ 'x' is frob }}").code == Code::unsupported);
  CHECK(render("{% if a %}\n{% for x in y %}").text == "test.jinja:2: 'endfor' is missing");
  CHECK(render("{{ a\n+ }}").text == "test.jinja:2: unexpected '}}'");
  CHECK(parse_chat_template(std::string(5 << 20, 'x'), "big").status().code() == Code::unsupported);
  CHECK_FALSE(render("x", json::Value(json::Array{})).ok);
}

TEST_CASE("integers beyond 64 bits are errors, never wrapped numbers") {
  for (const char* source : {"{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 10 ** 19 }}",
                             "{{ 4611686018427387904 * 2 }}", "{{ 9223372036854775808 }}", "{{ 1e300 | int }}",
                             "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
                             "{{ (-9223372036854775807 - 1) | abs }}"}) {
    CAPTURE(std::string(source));
    CHECK_FALSE(render(source).ok);
  }
  CHECK(render("{{ (-9223372036854775807 - 1) % -1 }}").ok == false);
  CHECK(render("{{ [1, 2][9223372036854775807:] }}{{ [1, 2][-9223372036854775807::9223372036854775807] }}").text ==
        "[][1]");
  CHECK(render("{{ 'ab'[::-9223372036854775807] }}").text == "b");
}

TEST_CASE("hostile templates come to an end") {
  const std::string deep(100000, '('), brackets(100000, '[');
  std::string ifs, sum = "{{ 1", attributes = "{{ x", nots = "{{ ", pipes = "{{ 'a'";
  for (int i = 0; i < 50000; ++i) {
    ifs += "{% if 1 %}";
    sum += "+1";
    attributes += ".a";
    nots += "not ";
    pipes += "|e";
  }
  const std::string grow = "{% set ns = namespace(x=1) %}{% for i in range(100000) %}";
  const std::vector<std::string> sources = {
      "{{ " + deep,
      "{{ " + brackets,
      "{% set " + deep,
      ifs,
      sum + " }}",
      attributes + " }}",
      nots + "1 }}",
      pipes + " }}",
      "{{ " + std::string(100000, '-') + "1 }}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% "
      "endfor %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m(x) %}{% if x %}{{ [m(x)] }}{% endif %}{{ (((((m(1)))))) }}{% endmacro %}{{ m(1) }}",
      "{% macro m() %}{% for x in [1] %}{% call m() %}{{ m() }}{% endcall %}{% endfor %}{{ caller() }}{% endmacro %}{{ "
      "m() }}",
      "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      "{% set ns = namespace(s='xy') %}{% for i in range(100) %}{% set ns.s = ns.s.replace('x', ns.s) %}{% endfor %}",
      "{{ 'x' * 999999999999 }}",
      "{{ [1] * 999999999999 }}",
      "{{ 'x'.center(999999999999) }}",
      "{{ '%99999999d' % 1 }}x{{ 5 | frob }}",
      "{{ 'x' * 60000000 ~ 'x' * 60000000 }}",
      "{% for i in range(9) %}{{ 'x' * 9000000 }}{% endfor %}",
      grow + "{% set ns.x = [ns.x] %}{% endfor %}",
      grow + "{% set ns.x = {'a': ns.x} %}{% endfor %}",
      "{% set ns = namespace(x=[]) %}{% for i in range(100000) %}{% set ns.x = [ns.x.index] %}{% endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% for j in [ns.l] %}{% set ns.l = loop %}{% endfor "
      "%}{% endfor %}",
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = ns.l + ['x' * 9000000 ~ i] %}{% endfor "
      "%}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
      "{% set ns = namespace(l=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | "
      "tojson }}",
      "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(90) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, "
      "ns.m] %}"
      "{% endfor %}{{ ns.l == ns.m }}",
      "{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns }}",
      "{% set s = 'a' * 30000000 %}{{ ('a' * 20000000 ~ 'b') in s }}{{ s.rfind('a' * 15000000 ~ 'b') }}{{ 5 | frob }}",
      "{% set s = ' ' * 60000000 %}{% for i in range(99999) %}{{ s.strip() }}{% endfor %}",
      "{% set s = ',' * 60000000 %}{{ s.split(',') | length }}",
      "{% set s = '\\n' * 60000000 %}{{ s | indent }}",
      "{{ [1, [2]] | sort }}",
      "{{ 'a' * 9000000 | list }}{{ ('a' * 9000000) | list }}",
  };
  for (const std::string& source : sources) {
    CAPTURE(source.substr(0, 200));
    const Rendered got = render(source);
    CHECK_FALSE(got.ok);
    CHECK(got.text.size() < 1000);
    CHECK(got.text.starts_with("test.jinja:"));
  }
}

TEST_CASE("circles of references are taken apart") {  // the leak checker is the oracle
  CHECK(render("{% set ns = namespace() %}{% set ns.self = ns %}{% set ns.l = [ns] %}{% macro m() %}{% endmacro %}"
               "{% set ns.m = m %}{% for i in range(9) %}{% macro k() %}{{ i }}{% endmacro %}{% set ns.k = k %}{% "
               "endfor %}{{ ns.k() }}")
            .text == "8");
  // A chain of namespaces, as long as the budget allows, must not be freed by recursion.
  CHECK(render("{% set top = namespace(n=none) %}{% for i in range(99999) %}{% set top.n = namespace(n=top.n) %}{% "
               "endfor %}x")
            .text == "x");
}

TEST_CASE("a template renders from many threads at once") {
  const auto& all = cases().all;
  std::atomic<int> wrong{0};
  std::vector<std::shared_ptr<const ChatTemplate>> parsed;
  for (const Case& c : all) {
    auto made = parse_chat_template(c.source, c.name);
    parsed.push_back(made.ok() ? *made : nullptr);
  }
  const auto work = [&] {
    for (size_t i = 0; i < all.size(); ++i) {
      if (!parsed[i] || !all[i].expected) continue;
      const auto got = parsed[i]->render(*all[i].variables);
      if (!got.ok() || *got != *all[i].expected->string()) ++wrong;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}

TEST_CASE("mutated templates always return, with text or an error of one line's length") {
  const auto& all = cases().all;
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const std::vector<std::string> pieces = {
      "{{",          "}}",          "{%",   "%}", "{#", "-",    "|",    "(",   ")",     "[",
      "]",           "'",           "\\",   ".",  "**", "in ",  "not ", "if ", "else ", "{% endfor %}",
      "{% endif %}", "{% set x = ", "loop", "ns", "\n", "\xC3", "9",    ":"};
  for (int round = 0; round < 4000; ++round) {
    const Case& c = all[below(all.size())];
    std::string source = c.source;
    for (size_t edits = 1 + below(4); edits > 0 && !source.empty(); --edits) {
      const size_t at = below(source.size());
      const size_t size = std::min(source.size() - at, 1 + below(30));
      switch (below(4)) {
        case 0:
          source.erase(at, size);
          break;
        case 1:
          source.insert(at, pieces[below(pieces.size())]);
          break;
        case 2:
          source[at] = static_cast<char>(random());
          break;
        default: {
          const std::string& other = all[below(all.size())].source;
          const size_t from = below(other.size() + 1);
          source.insert(at, other.substr(from, below(60)));
        }
      }
    }
    const Rendered got = render(source, *c.variables);
    CAPTURE(source);
    if (!got.ok) CHECK(got.text.starts_with("test.jinja:"));
  }
}
