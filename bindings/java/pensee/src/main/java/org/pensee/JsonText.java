package org.pensee;

import java.util.Locale;
import java.util.Objects;

/**
 * Writes one JSON object, field by field. Reading JSON is not its business: what the library returns as JSON is handed
 * to the caller as text.
 */
final class JsonText {
    private final StringBuilder text = new StringBuilder("{");

    JsonText add(String name, String value) {
        return addRaw(name, quote(Objects.requireNonNull(value, name)));
    }

    /** `json` is JSON already. */
    JsonText addRaw(String name, String json) {
        if (text.length() > 1) text.append(", ");
        text.append(quote(name)).append(": ").append(Objects.requireNonNull(json, name));
        return this;
    }

    String end() {
        return text.append('}').toString();
    }

    static String quote(String value) {
        final StringBuilder quoted = new StringBuilder(value.length() + 2).append('"');
        for (int i = 0; i < value.length(); i++) {
            final char c = value.charAt(i);
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c == '\n') quoted.append("\\n");
            else if (c < ' ') quoted.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }
}
