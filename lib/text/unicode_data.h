// The packed Unicode tables that make_unicode.py writes; unicode.cpp and nfc.cpp unpack them once. All numbers are
// hexadecimal; entries are separated by ','; a gap counts code points from the end of the entry before.
#pragma once

namespace pensee::unicode_data {

// Runs from U+0000 on: a count (left out when 1) and a letter, whose place in "A..Zghij" is the Category.
extern const char categories[];
// "<gap> <target - code point>": simple case folding; the gap counts from the code point before.
extern const char folds[];
// "<gap> [<count>]": what \w holds beyond letters, marks, Nd and Nl.
extern const char word_extra[];
// "<gap> <count> <combining class>".
extern const char marks[];
// "[!]<gap> <first> [<second>]": canonical decompositions; '!' when the pair is not composed again.
extern const char decompositions[];

struct Script {
  const char* name;    // lower case
  const char* ranges;  // "<gap> [<count>]"
};
inline constexpr int kScripts = 11;
extern const Script scripts[kScripts];

}  // namespace pensee::unicode_data
