// Writes one JSON object, field by field. Reading JSON is not its business: what the library returns as JSON is handed
// to the caller as text.
using System;
using System.Globalization;
using System.Text;

namespace Pensee
{
    internal sealed class JsonText
    {
        private readonly StringBuilder _text = new StringBuilder();

        internal JsonText Begin(string name, string value)
        {
            _text.Append('{');
            return Write(name, value);
        }

        internal JsonText Add(string name, string value)
        {
            _text.Append(", ");
            return Write(name, value);
        }

        /// <summary>`json` is JSON already.</summary>
        internal JsonText AddRaw(string name, string json)
        {
            _text.Append(", ").Append(Quote(name)).Append(": ").Append(json);
            return this;
        }

        internal string End()
        {
            return _text.Append('}').ToString();
        }

        internal static string Quote(string value)
        {
            var text = new StringBuilder(value.Length + 2).Append('"');
            foreach (var c in value)
            {
                if (c == '"' || c == '\\') text.Append('\\').Append(c);
                else if (c == '\n') text.Append("\\n");
                else if (c < ' ') text.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                else text.Append(c);
            }
            return text.Append('"').ToString();
        }

        private JsonText Write(string name, string value)
        {
            if (value == null) throw new ArgumentNullException(name);
            _text.Append(Quote(name)).Append(": ").Append(Quote(value));
            return this;
        }
    }
}
