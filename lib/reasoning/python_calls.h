// Calls written as Python does, which LFM2 does: NAME(KEY=VALUE, ..) with Python's literals for values. Some templates
// write values of other families that way too.
#pragma once

#include <string>
#include <string_view>

namespace pensee {

// JSON for a Python literal (strings in either quotes, numbers, True, False, None and their JSON names, lists, tuples,
// dicts); empty when `text` is none.
std::string json_of_python(std::string_view text);

// Splits "name(key=value, ..)": the name and the arguments as a JSON object. False when it is no such call.
bool read_python_call(std::string_view text, std::string& name, std::string& arguments);

}  // namespace pensee
