package org.pensee;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * tests/scenarios: what every binding does and the tokens that come out of it, found from where the tests run upwards;
 * and the small model that they are about, opened once.
 */
final class Scenarios {
    static final Path ROOT = findRoot();
    static final Path MODEL_PATH = ROOT.resolve("tests/scenarios/thinker.gguf");
    private static final Map<String, Object> ALL = Json.map(Json.parse(read(
        ROOT.resolve("tests/scenarios/scenarios.json"))));
    private static Model opened;

    private Scenarios() {
    }

    static synchronized Model model() {
        if (opened == null) opened = new Model(MODEL_PATH);
        return opened;
    }

    static Object value(String name) {
        return ALL.get(name);
    }

    static Map<String, Object> one(String name) {
        return Json.map(ALL.get(name));
    }

    static List<Map<String, Object>> rows(String name) {
        return maps(ALL.get(name));
    }

    static List<Map<String, Object>> maps(Object value) {
        return Json.list(value).stream().map(Json::map).toList();
    }

    static String text(Object value) {
        return (String) value;
    }

    static int number(Object value) {
        return ((Double) value).intValue();
    }

    static int[] ids(Object value) {
        return Json.list(value).stream().mapToInt(Scenarios::number).toArray();
    }

    static String read(Path path) {
        try {
            return Files.readString(path);
        } catch (IOException failed) {
            throw new UncheckedIOException(failed);
        }
    }

    static Prompt prompt(Map<String, Object> row) {
        if (row.containsKey("ids")) return Prompt.of(ids(row.get("ids")));
        final Prompt prompt = row.containsKey("messages") ? Prompt.ofMessagesJson(Json.write(row.get("messages")))
            : Prompt.of(text(row.get("prompt"))).withSystem(text(row.get("system")));
        return row.containsKey("tools") ? prompt.withToolsJson(Json.write(row.get("tools"))) : prompt;
    }

    static Options options(Map<String, Object> row) {
        return optionsBuilder(row).build();
    }

    /** Python's keywords are the options' names in another spelling. */
    static Options.Builder optionsBuilder(Map<String, Object> row) {
        final Options.Builder options = Options.builder();
        fill(options, Json.map(row.get("options")));
        return options;
    }

    /** "top_n_sigma" as "topNSigma". */
    static String camel(String name) {
        final StringBuilder camel = new StringBuilder();
        for (String word : name.split("_")) {
            camel.append(camel.length() == 0 ? word
                         : word.substring(0, 1).toUpperCase(Locale.ROOT) + word.substring(1));
        }
        return camel.toString();
    }

    private static void fill(Object builder, Map<String, Object> keywords) {
        for (Map.Entry<String, Object> row : keywords.entrySet()) {
            final Method setter = Arrays.stream(builder.getClass().getMethods())
                .filter(method -> method.getName().equals(camel(row.getKey())) && !method.isBridge()).findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no option " + row.getKey()));
            try {
                setter.invoke(builder, convert(row.getValue(), setter.getParameterTypes()[0]));
            } catch (ReflectiveOperationException failed) {
                throw new IllegalArgumentException(row.getKey(), failed);
            }
        }
    }

    private static Object convert(Object value, Class<?> type) {
        if (type == long.class) return ((Double) value).longValue();
        if (type == int.class) return ((Double) value).intValue();
        if (type == float.class) return ((Double) value).floatValue();
        if (type.isEnum()) {
            return Arrays.stream(type.getEnumConstants())
                .filter(each -> each.toString().equals(text(value).toUpperCase(Locale.ROOT))).findFirst().orElseThrow();
        }
        if (type == Sampling.class) {
            final Sampling.Builder sampling = Sampling.builder();
            fill(sampling, Json.map(value));
            return sampling.build();
        }
        if (type == Map.class) {
            final Map<Integer, Float> map = new HashMap<>();
            Json.map(value).forEach((key, bias) -> map.put(Integer.valueOf(key), ((Double) bias).floatValue()));
            return map;
        }
        if (type == String[].class) return Json.list(value).toArray(new String[0]);
        return value;
    }

    private static Path findRoot() {
        for (Path folder = Path.of("").toAbsolutePath(); folder != null; folder = folder.getParent()) {
            if (Files.exists(folder.resolve("tests/scenarios/scenarios.json"))) return folder;
        }
        throw new IllegalStateException("tests/scenarios/scenarios.json: the tests run inside the repository");
    }
}
