// Reads JSON for the tests, which mono runs without a library for it: objects become dictionaries in their order,
// arrays lists, numbers doubles. Write() gives JSON again, spaced as Python does it: tools stand in the prompt as they
// are written.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Pensee.Tests
{
    internal sealed class Json
    {
        private readonly string _text;
        private int _at;

        private Json(string text)
        {
            _text = text;
        }

        internal static object? Parse(string text)
        {
            var json = new Json(text);
            var value = json.Value();
            json.Space();
            if (json._at != text.Length) throw new FormatException("JSON: something follows at " + json._at);
            return value;
        }

        internal static string Write(object? value)
        {
            if (value == null) return "null";
            if (value is bool flag) return flag ? "true" : "false";
            if (value is double number) return number.ToString("R", CultureInfo.InvariantCulture);
            if (value is string text) return Quote(text);
            if (value is List<object?> list) return "[" + string.Join(", ", list.Select(Write)) + "]";
            var rows = ((Dictionary<string, object?>)value).Select(row => Quote(row.Key) + ": " + Write(row.Value));
            return "{" + string.Join(", ", rows) + "}";
        }

        private static string Quote(string text)
        {
            var quoted = new StringBuilder("\"");
            foreach (var c in text)
            {
                if (c < ' ' || c == '"' || c == '\\') quoted.AppendFormat("\\u{0:x4}", (int)c);
                else quoted.Append(c);
            }
            return quoted.Append('"').ToString();
        }

        private object? Value()
        {
            Space();
            switch (_text[_at])
            {
                case '{': return Map();
                case '[': return List();
                case '"': return String();
                case 't': return Word("true", true);
                case 'f': return Word("false", false);
                case 'n': return Word("null", null);
                default: return Number();
            }
        }

        private void Space()
        {
            while (_at < _text.Length && char.IsWhiteSpace(_text[_at])) _at++;
        }

        private bool Take(char c)
        {
            Space();
            if (_text[_at] != c) return false;
            _at++;
            return true;
        }

        private void Want(char c)
        {
            if (!Take(c)) throw new FormatException("JSON: no " + c + " at " + _at);
        }

        private object Map()
        {
            var map = new Dictionary<string, object?>();
            Want('{');
            if (Take('}')) return map;
            do
            {
                Space();
                var key = String();
                Want(':');
                map[key] = Value();
            }
            while (Take(','));
            Want('}');
            return map;
        }

        private object List()
        {
            var list = new List<object?>();
            Want('[');
            if (Take(']')) return list;
            do list.Add(Value());
            while (Take(','));
            Want(']');
            return list;
        }

        private string String()
        {
            var text = new StringBuilder();
            Want('"');
            for (; _text[_at] != '"'; _at++)
            {
                if (_text[_at] != '\\')
                {
                    text.Append(_text[_at]);
                    continue;
                }
                var c = _text[++_at];
                var index = "bfnrt".IndexOf(c);
                if (index >= 0) text.Append("\b\f\n\r\t"[index]);
                else if (c != 'u') text.Append(c);
                else
                {
                    text.Append((char)int.Parse(_text.Substring(_at + 1, 4), NumberStyles.HexNumber));
                    _at += 4;
                }
            }
            _at++;
            return text.ToString();
        }

        private object? Word(string word, object? value)
        {
            if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0) throw new FormatException("JSON: " + _at);
            _at += word.Length;
            return value;
        }

        private object Number()
        {
            var begin = _at;
            while (_at < _text.Length && "+-.eE0123456789".IndexOf(_text[_at]) >= 0) _at++;
            return double.Parse(_text.Substring(begin, _at - begin), CultureInfo.InvariantCulture);
        }
    }
}
