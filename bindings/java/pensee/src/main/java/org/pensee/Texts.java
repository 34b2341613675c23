package org.pensee;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * Between Java's UTF-16 and the library's UTF-8 (not the VM's modified kind). Lone surrogates, and zero characters
 * where a text ends at one, are a BAD_ARGUMENT that names the argument: nothing is cut or replaced in silence.
 */
final class Texts {
    private Texts() {
    }

    static byte[] bytes(String text, String name) {
        try {
            final ByteBuffer bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
            return Arrays.copyOf(bytes.array(), bytes.limit());
        } catch (CharacterCodingException lone) {
            throw PenseeException.badArgument(name, "a lone surrogate at character " + lone(text));
        }
    }

    /** `text` itself, once it is sure that it may be handed over as a terminated one. */
    static String checked(String text, String name) {
        if (text == null || text.indexOf('\0') < 0) return text;
        throw PenseeException.badArgument(name, "holds a zero character");
    }

    /** For the generated code. */
    static byte[] zeroTerminated(String text) {
        if (text == null) return null;
        final byte[] bytes = bytes(checked(text, "text"), "text");
        return Arrays.copyOf(bytes, bytes.length + 1);
    }

    /** Each text with a zero byte after it. */
    static byte[] list(List<String> texts, String name) {
        if (texts == null) return null;
        final ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (String text : texts) {
            final byte[] bytes = bytes(checked(text, name), name);
            all.write(bytes, 0, bytes.length);
            all.write(0);
        }
        return all.toByteArray();
    }

    /** For the generated code: null stays null. Bytes that are no whole character become U+FFFD. */
    static String string(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    static String orEmpty(String text) {
        return text == null ? "" : text;
    }

    private static int lone(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (!Character.isSurrogate(text.charAt(i))) continue;
            final boolean pair = Character.isHighSurrogate(text.charAt(i)) && i + 1 < text.length()
                && Character.isLowSurrogate(text.charAt(i + 1));
            if (!pair) return i;
            i++;
        }
        return -1;
    }
}
