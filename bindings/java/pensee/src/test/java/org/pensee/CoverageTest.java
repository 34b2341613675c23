package org.pensee;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/**
 * Nothing of pensee.h is forgotten: every function, option, field and enumerator is in the binding under its name in
 * Java's spelling, or is listed here with the reason why not.
 */
class CoverageTest {
    private static final String HEADER = Scenarios.read(Scenarios.ROOT.resolve("include/pensee/pensee.h"))
        .replaceAll("(?s)/\\*.*?\\*/", "");
    private static final Path SOURCES = Scenarios.ROOT.resolve("bindings/java/pensee/src/main/java/org/pensee");

    private static final Map<String, String> SKIPPED_FUNCTIONS = Map.of(
        "pensee_generate", "push: bindings pull, so that no frame of the library lies between two of Java",
        "pensee_ask", "Model.ask makes the session itself, to be able to cancel it",
        "pensee_version", "as text: Library.version",
        "pensee_status_name", "Status is an enum: name() names it");

    // Called inside a function that pensee.i adds.
    private static final Map<String, String> RENAMED = Map.of(
        "pensee_reply_token_ids", "pensee_reply_copy_token_ids", "pensee_reply_logprobs", "pensee_reply_copy_logprobs",
        "pensee_score", "pensee_score_traced", "pensee_model_set_weights", "set_weights", "pensee_model_save_packed",
        "pensee_model_save_packed_told", "pensee_model_tune", "pensee_model_tune_told");

    // Struct and field -> why it is not there, or "" where it is a part of another one.
    private static final Map<String, String> SKIPPED_FIELDS = Map.ofEntries(
        Map.entry("pensee_model_options.log", "comes on threads of the library: none of them enters the VM"),
        Map.entry("pensee_model_options.log_user", "likewise"),
        Map.entry("pensee_model_options.low_memory", "likewise"),
        Map.entry("pensee_model_options.low_memory_user", "likewise"),
        Map.entry("pensee_model_options.progress_user", ""), Map.entry("pensee_options.num_stop", ""),
        Map.entry("pensee_sampling.num_dry_breakers", ""), Map.entry("pensee_sampling.num_logit_bias", ""),
        Map.entry("pensee_sampling.num_order", ""), Map.entry("pensee_prompt.num_ids", ""),
        Map.entry("pensee_event.text_length", ""), Map.entry("pensee_event.num_alternatives", ""),
        Map.entry("pensee_event.num_experts", ""), Map.entry("pensee_event.tool_call_id", ""),
        Map.entry("pensee_event.tool_name", ""), Map.entry("pensee_event.tool_arguments_json", ""),
        Map.entry("pensee_event.expert_ids", ""), Map.entry("pensee_event.expert_weights", ""),
        Map.entry("pensee_tensor.num_dims", ""));

    @Test
    void everyFunctionIsCalledOrSkippedWithAReason() throws IOException {
        final Set<String> functions = matches(HEADER, "PENSEE_API[^;]*?\\b(pensee_\\w+)\\(").stream()
            .map(match -> match.group(1)).collect(Collectors.toCollection(TreeSet::new));
        assertTrue(functions.size() > 50);
        final String sources = String.join("\n", sources().values());
        functions.removeIf(
            name -> Pattern.compile("\\b" + RENAMED.getOrDefault(name, name) + "\\b").matcher(sources).find());
        assertEquals(new TreeSet<>(SKIPPED_FUNCTIONS.keySet()), functions);
    }

    @Test
    void everyFieldIsThere() {
        check("pensee_model_options", ModelOptions.class);
        check("pensee_options", Options.class, Sampling.class);
        check("pensee_sampling", Sampling.class);
        check("pensee_vote_options", VoteOptions.class);
        check("pensee_prompt", Prompt.class);
        check("pensee_model_info", ModelInfo.class);
        check("pensee_usage", Usage.class);
        check("pensee_event", Event.class, Event.Token.class, Event.End.class);
        check("pensee_alternative", Event.Alternative.class);
        check("pensee_tool_call", ToolCall.class);
        check("pensee_routing", Routing.class);
        check("pensee_vote_answer", VoteAnswer.class);
        check("pensee_tensor", Tensor.class);
        check("pensee_memory", Memory.class);
        final List<Class<?>> given = List.of(int[].class, Routing.class, boolean.class, Progress.class);
        assertTrue(Arrays.stream(Model.class.getMethods()).anyMatch(
            method -> method.getName().equals("score") && List.of(method.getParameterTypes()).equals(given)));
        assertEquals(List.of("expert_ids", "expert_ids_out", "expert_weights_out", "progress", "progress_user"),
                     fields("pensee_score_options"));
    }

    @Test
    void everyOptionHasItsSetterAndArrives() throws ReflectiveOperationException {
        for (Class<?> options : List.of(Options.class, ModelOptions.class, Sampling.class)) {
            for (RecordComponent component : options.getRecordComponents()) {
                if (component.getType() == Sampling.class && component.getName().equals("sampling")) continue;
                final Object builder = options.getMethod("builder").invoke(null);
                final Method setter = Arrays.stream(builder.getClass().getMethods())
                    .filter(method -> method.getName().equals(component.getName())).findFirst().orElseThrow();
                final Object value = component.getName().equals("exact") ? false
                    : another(setter.getParameterTypes()[0]);
                final Object built = builder.getClass().getMethod("build").invoke(setter.invoke(builder, value));
                final Object expected = value instanceof Object[] array ? List.of(array) : value;
                assertEquals(expected, component.getAccessor().invoke(built), component.getName());
                if (built instanceof Options all) assertEquals(all, all.toBuilder().build());
            }
        }
    }

    @Test
    void everyOptionIsHandedOver() throws IOException {
        final String sources = String.join("\n", sources().values());
        for (String name : List.of("pensee_model_options", "pensee_options", "pensee_sampling", "pensee_vote_options",
                                   "pensee_prompt")) {
            for (String field : fields(name)) {
                if (SKIPPED_FIELDS.containsKey(name + "." + field)) continue;
                final String number = "[.]set" + field.substring(0, 1).toUpperCase() + field.substring(1)
                    + "\\([^;]*\\b" + Scenarios.camel(field) + "\\(\\)"; // from the option of the same name
                final String other = "[.]set_" + field + "\\(|[.]set(Draft_model|Sampling|Answer_sampling)\\(";
                final boolean isNumber = !matches(sources, number).isEmpty();
                assertTrue(isNumber || matches(sources, other).stream().anyMatch(
                    match -> match.group().toLowerCase().contains(field)), name + "." + field);
            }
        }
    }

    @Test
    void defaultsAreThoseOfTheHeader() throws ReflectiveOperationException {
        checkDefaults(new pensee_options(), "pensee_options", Options.builder().build());
        checkDefaults(new pensee_sampling(), "pensee_sampling", Sampling.builder().build());
        checkDefaults(new pensee_model_options(), "pensee_model_options", ModelOptions.builder().build());
        checkDefaults(new pensee_vote_options(), "pensee_vote_options", VoteOptions.DEFAULT);
    }

    @Test
    void namesStandForTheHeadersNumbers() throws ReflectiveOperationException {
        checkNames("BACKEND", Backend.class);
        checkNames("ACTIVATIONS", Activations.class);
        checkNames("CACHE", CacheType.class);
        checkNames("EFFORT", Effort.class);
        checkNames("SAMPLER", Sampler.class);
        checkNames("SPECULATION", Speculation.class);
        checkNames("LOOP_GUARD", LoopGuard.class);
        checkNames("TOOLS", ToolChoice.class);
        checkNames("EVENT", Event.Kind.class);
        checkNames("FINISH", FinishReason.class);
        checkNames("VOTE", VoteWeighting.class);
        checkNames("DTYPE", DType.class);
        checkNames("THREAD_PRIORITY", ThreadPriority.class);
        checkNames("PACKED", PackedFile.class);
        checkNames("TRIM", TrimLevel.class);
        final MatchResult table = matches(HEADER, "(?s)typedef int32_t pensee_status;\\s*enum \\{(.*?)\\}").get(0);
        checkNames(matches(table.group(1), "PENSEE_(\\w+) = (\\d+)"), Status.class);
    }

    @Test
    void everythingPublicIsOfThisLayerAndDocumented() throws IOException, ReflectiveOperationException {
        assertTrue(sources().size() > 30);
        for (Map.Entry<String, String> source : sources().entrySet()) {
            final String[] lines = source.getValue().split("\n");
            for (int i = 0; i < lines.length; i++) {
                if (!lines[i].matches(" *public .*|    [A-Z_0-9]+\\(\\d+\\)[,;]")) continue;
                int above = i - 1;
                while (lines[above].strip().matches("@\\w+(\\(.*\\))?")) above--;
                assertTrue(lines[above].endsWith("*/") || lines[i - 1].strip().equals("@Override"),
                           source.getKey() + ":" + (i + 1) + ": " + lines[i]);
            }
        }
        final Path classes = Path.of(Model.class.getProtectionDomain().getCodeSource().getLocation().getPath());
        for (Path file : list(classes.resolve("org/pensee"), ".class")) {
            final String name = file.getFileName().toString().replace(".class", "");
            final boolean shown = Modifier.isPublic(Class.forName("org.pensee." + name).getModifiers());
            assertTrue(!shown || !name.contains("_") && !name.startsWith("Native"), name);
        }
    }

    private static Map<String, String> sources() throws IOException {
        return list(SOURCES, ".java").stream().collect(Collectors.toMap(path -> path.getFileName().toString(),
                                                                        Scenarios::read));
    }

    private static List<Path> list(Path folder, String ending) throws IOException {
        try (java.util.stream.Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(ending)).sorted().toList();
        }
    }

    private static List<MatchResult> matches(String text, String pattern) {
        return Pattern.compile(pattern).matcher(text).results().toList();
    }

    private static List<String> fields(String name) {
        final String body = matches(HEADER, "(?s)typedef struct " + name + " \\{(.*?)\\} " + name + ";").get(0)
            .group(1);
        final List<String> fields = new ArrayList<>();
        for (String declaration : body.split(";")) {
            Matcher match = Pattern.compile("\\(\\*(\\w+)\\)").matcher(declaration);
            boolean found = match.find();
            if (!found) {
                match = Pattern.compile("(\\w+)$").matcher(declaration.strip());
                found = match.find();
            }
            if (found && !Set.of("struct_size", "reserved").contains(match.group(1))) fields.add(match.group(1));
        }
        assertTrue(!fields.isEmpty());
        return fields;
    }

    private static void check(String name, Class<?>... types) {
        final Set<String> here = Arrays.stream(types).flatMap(type -> Arrays.stream(type.getMethods()))
            .filter(method -> method.getParameterCount() == 0).map(Method::getName).collect(Collectors.toSet());
        final Set<String> missing = fields(name).stream().filter(field -> !here.contains(Scenarios.camel(field)))
            .map(field -> name + "." + field).collect(Collectors.toCollection(TreeSet::new));
        final Set<String> skipped = SKIPPED_FIELDS.keySet().stream().filter(key -> key.startsWith(name + "."))
            .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(skipped, missing);
    }

    /** A value that no default is. */
    private static Object another(Class<?> type) {
        if (type == int.class) return 7;
        if (type == long.class) return 7L;
        if (type == float.class) return 0.25f;
        if (type == boolean.class) return true;
        if (type == String.class) return "text";
        if (type == String[].class) return new String[] {"a", "b"};
        if (type == Sampler[].class) return new Sampler[] {Sampler.XTC};
        if (type == Map.class) return Map.of(1, 2f);
        if (type == Sampling.class) return Sampling.builder().topK(9).build();
        if (type == Model.class) return Scenarios.model();
        if (type == Progress.class) return (Progress) fraction -> true;
        return type.getEnumConstants()[1];
    }

    private static void checkDefaults(Object told, String name, Object here) throws ReflectiveOperationException {
        int compared = 0;
        for (String field : fields(name)) {
            final String getter = "get" + field.substring(0, 1).toUpperCase() + field.substring(1);
            final Method method = Arrays.stream(told.getClass().getDeclaredMethods())
                .filter(each -> each.getName().equals(getter)).findFirst().orElse(null);
            if (method == null || field.endsWith("sampling")) continue;
            Object holder = here;
            if (here instanceof Options options && List.of("temperature", "top_p", "top_k").contains(field)) {
                holder = options.sampling();
            } else if (here instanceof Options && List.of("min_p", "draft_model").contains(field)) {
                continue; // the header's 0: off; here -1 says the same, as in pensee_sampling
            }
            Object value = holder.getClass().getMethod(Scenarios.camel(field)).invoke(holder);
            if (value instanceof Boolean flag) value = flag ? 1 : 0;
            if (value instanceof Enum<?>) {
                final java.lang.reflect.Field number = value.getClass().getDeclaredField("value");
                value = number.getInt(value);
            }
            assertEquals(String.valueOf(method.invoke(told)), String.valueOf(value), name + "." + field);
            compared++;
        }
        assertTrue(compared > 3);
        told.getClass().getMethod("delete").invoke(told);
    }

    private static void checkNames(String prefix, Class<? extends Enum<?>> type) throws ReflectiveOperationException {
        checkNames(matches(HEADER, "\\bPENSEE_" + prefix + "_(\\w+) = (\\d+)"), type);
    }

    private static void checkNames(List<MatchResult> rows, Class<? extends Enum<?>> type)
        throws ReflectiveOperationException {
        assertTrue(rows.size() > 1);
        final List<String> here = new ArrayList<>();
        for (Enum<?> each : type.getEnumConstants()) {
            here.add(each.name() + " " + type.getDeclaredField("value").getInt(each));
        }
        assertEquals(rows.stream().map(row -> row.group(1) + " " + row.group(2)).sorted().toList(),
                     here.stream().sorted().toList());
    }
}
