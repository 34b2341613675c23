// Between C#'s UTF-16 and the library's UTF-8. Lone surrogates, and zero characters where a text ends at one, are a
// BadArgument that names the argument: nothing is cut or replaced in silence.
using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;

namespace Pensee
{
    internal static class Texts
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);
        private static readonly UTF8Encoding Lenient = new UTF8Encoding(false, false);

        internal static byte[] Bytes(string text, string name)
        {
            if (text == null) throw new ArgumentNullException(name);
            try
            {
                return Strict.GetBytes(text);
            }
            catch (EncoderFallbackException error)
            {
                throw PenseeException.BadArgument(name, "a lone surrogate at character " + error.Index);
            }
        }

        /// <summary>`text` itself, once it is sure that it may be handed over as a terminated one.</summary>
        internal static string? Checked(string? text, string name)
        {
            if (text == null || text.IndexOf('\0') < 0) return text;
            throw PenseeException.BadArgument(name, "holds a zero character");
        }

        /// <summary>For the generated code.</summary>
        internal static byte[]? ZeroTerminated(string? text)
        {
            if (text == null) return null;
            var bytes = Bytes(Checked(text, "text")!, "text");
            Array.Resize(ref bytes, bytes.Length + 1);
            return bytes;
        }

        /// <summary>Each text with a zero byte after it.</summary>
        internal static byte[]? List(IReadOnlyList<string>? texts, string name)
        {
            if (texts == null) return null;
            var all = new List<byte>();
            foreach (var text in texts)
            {
                all.AddRange(Bytes(Checked(text, name)!, name));
                all.Add(0);
            }
            return all.ToArray();
        }

        /// <summary>For the generated code: null stays null.</summary>
        internal static string? String(IntPtr text)
        {
            if (text == IntPtr.Zero) return null;
            var length = 0;
            while (Marshal.ReadByte(text, length) != 0) length++;
            var bytes = new byte[length];
            Marshal.Copy(text, bytes, 0, length);
            return String(bytes);
        }

        /// <summary>Bytes that are no whole character become U+FFFD.</summary>
        internal static string String(byte[] bytes)
        {
            return Lenient.GetString(bytes);
        }
    }
}
