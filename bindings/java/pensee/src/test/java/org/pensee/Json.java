package org.pensee;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * Reads JSON for the tests: objects become maps in their order, arrays lists, numbers doubles. write() gives JSON
 * again, spaced as Python does it: tools stand in the prompt as they are written.
 */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        final Json json = new Json(text);
        final Object value = json.value();
        json.space();
        if (json.at != text.length()) throw new IllegalArgumentException("JSON: something follows at " + json.at);
        return value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    static String write(Object value) {
        if (value instanceof String string) return quote(string);
        if (value instanceof List<?> list) {
            return list.stream().map(Json::write).collect(Collectors.joining(", ", "[", "]"));
        }
        if (value instanceof Map<?, ?> map) {
            return map.entrySet().stream().map(row -> quote((String) row.getKey()) + ": " + write(row.getValue()))
                .collect(Collectors.joining(", ", "{", "}"));
        }
        if (value instanceof Double number && number == Math.rint(number)) return String.valueOf(number.longValue());
        return String.valueOf(value);
    }

    private static String quote(String value) {
        final StringBuilder quoted = new StringBuilder("\"");
        for (char c : value.toCharArray()) {
            if (c < ' ' || c == '"' || c == '\\') quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }

    private Object value() {
        space();
        return switch (text.charAt(at)) {
            case '{' -> object();
            case '[' -> array();
            case '"' -> string();
            case 't' -> word("true", true);
            case 'f' -> word("false", false);
            case 'n' -> word("null", null);
            default -> number();
        };
    }

    private void space() {
        while (at < text.length() && Character.isWhitespace(text.charAt(at))) at++;
    }

    private boolean take(char c) {
        space();
        if (text.charAt(at) != c) return false;
        at++;
        return true;
    }

    private void want(char c) {
        if (!take(c)) throw new IllegalArgumentException("JSON: no " + c + " at " + at);
    }

    private Map<String, Object> object() {
        final Map<String, Object> map = new LinkedHashMap<>();
        want('{');
        if (take('}')) return map;
        do {
            space();
            final String key = string();
            want(':');
            map.put(key, value());
        } while (take(','));
        want('}');
        return map;
    }

    private List<Object> array() {
        final List<Object> list = new ArrayList<>();
        want('[');
        if (take(']')) return list;
        do {
            list.add(value());
        } while (take(','));
        want(']');
        return list;
    }

    private String string() {
        final StringBuilder out = new StringBuilder();
        want('"');
        for (; text.charAt(at) != '"'; at++) {
            if (text.charAt(at) != '\\') {
                out.append(text.charAt(at));
                continue;
            }
            final char c = text.charAt(++at);
            final int index = "bfnrt".indexOf(c);
            if (index >= 0) {
                out.append("\b\f\n\r\t".charAt(index));
            } else if (c != 'u') {
                out.append(c);
            } else {
                out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                at += 4;
            }
        }
        at++;
        return out.toString();
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw new IllegalArgumentException("JSON: " + at);
        at += word.length();
        return value;
    }

    private Object number() {
        final int begin = at;
        while (at < text.length() && "+-.eE0123456789".indexOf(text.charAt(at)) >= 0) at++;
        return Double.parseDouble(text.substring(begin, at));
    }
}
