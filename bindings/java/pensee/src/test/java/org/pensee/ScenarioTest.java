package org.pensee;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The scenarios that the tests of every binding share. */
class ScenarioTest {
    private final Model model = Scenarios.model();

    @Test
    void tokensAreThoseOfTheOtherLanguages() {
        for (Map<String, Object> row : Scenarios.rows("tokenize")) {
            final String text = Scenarios.text(row.get("text"));
            final int[] ids = model.tokenize(text);
            assertArrayEquals(Scenarios.ids(row.get("ids")), ids);
            assertArrayEquals(Scenarios.ids(row.get("plain_ids")), model.tokenize(text, false, true));
            assertEquals(text, model.detokenize(ids));
            assertArrayEquals(text.getBytes(StandardCharsets.UTF_8), model.detokenizeBytes(ids, false));
        }
    }

    @Test
    void promptsAreRenderedAsInTheOtherLanguages() {
        final Map<String, Object> row = Scenarios.one("render");
        assertEquals(row.get("text"), model.render(Scenarios.prompt(row), Options.DEFAULT));
        final List<Message> messages = Scenarios.maps(row.get("messages")).stream().map(ScenarioTest::message).toList();
        assertEquals(row.get("text"), model.render(Prompt.of(messages), Options.DEFAULT));
    }

    @Test
    void repliesAreThoseOfTheOtherLanguages() {
        for (Map<String, Object> row : Scenarios.rows("replies")) {
            check(row, model.ask(Scenarios.prompt(row), Scenarios.options(row)));
        }
    }

    @Test
    void aStreamBringsWhatTheReplyHas() {
        for (Map<String, Object> row : Scenarios.rows("replies")) {
            final Map<String, Object> expected = Json.map(row.get("expected"));
            final List<Event> events = new ArrayList<>();
            try (Stream stream = model.generate(Scenarios.prompt(row), Scenarios.options(row))) {
                for (Event event : stream) events.add(event);
                assertTrue(stream.ended());
                assertFalse(stream.hasNext());
            }
            assertArrayEquals(Scenarios.ids(expected.get("token_ids")), ids(events));
            assertEquals(expected.get("thought"), joined(events, Event.Kind.THOUGHT));
            assertEquals(expected.get("answer"), joined(events, Event.Kind.ANSWER));
            final long calls = events.stream()
                .filter(event -> event instanceof Event.ToolCall part && part.call() != null).count();
            assertEquals(Json.list(expected.get("tool_calls")).size(), calls);
            final Event.End end = (Event.End) events.get(events.size() - 1);
            assertEquals(expected.get("finish_reason"), end.finishReason().name().toLowerCase(Locale.ROOT));
            assertEquals(expected.get("thought_tokens"), (double) end.usage().thoughtTokens());
            assertNull(end.token());
        }
    }

    @Test
    void aStreamOfJavaUtilBringsTheSame() {
        final Map<String, Object> row = Scenarios.rows("replies").get(0);
        try (java.util.stream.Stream<Event> events = model.generate(
            Scenarios.prompt(row), Scenarios.options(row)).stream()) {
            assertArrayEquals(Scenarios.ids(Json.map(row.get("expected")).get("token_ids")),
                              events.filter(event -> event.token() != null).mapToInt(Event::tokenId).toArray());
        }
    }

    @Test
    void aModelIsTheSameFromAPathADescriptorAndMemory(@TempDir Path folder) throws IOException {
        final Map<String, Object> row = Scenarios.rows("replies").get(0);
        final byte[] data = Files.readAllBytes(Scenarios.MODEL_PATH);
        final int padding = 12345;
        final byte[] padded = new byte[data.length + 2 * padding];
        System.arraycopy(data, 0, padded, padding, data.length);
        final Path file = Files.write(folder.resolve("package"), padded);
        final List<Model> models = new ArrayList<>();
        models.add(Model.fromFile(file, padding, data.length, ModelOptions.builder().build()));
        models.add(Model.fromMemory(data));
        try (FileChannel channel = FileChannel.open(file)) {
            models.add(Model.fromMemory(channel.map(FileChannel.MapMode.READ_ONLY, padding, data.length),
                                        ModelOptions.builder().threads(1).build()));
            for (int fd : descriptors(file)) {
                models.add(Model.fromFileDescriptor(fd, padding, data.length, ModelOptions.builder().build()));
            }
        }
        assertEquals(Files.isDirectory(Path.of("/proc/self/fd")) ? 4 : 3, models.size());
        for (Model each : models) {
            check(row, each.ask(Scenarios.prompt(row), Scenarios.options(row)));
            each.close();
        }
    }

    @Test
    void allAtOnceAThreadEachGiveTheSame() throws InterruptedException {
        final ConcurrentLinkedQueue<String> failures = new ConcurrentLinkedQueue<>();
        final List<Thread> threads = new ArrayList<>();
        for (Map<String, Object> row : Scenarios.rows("replies")) {
            final Runnable work = () -> {
                try (Stream stream = model.generate(Scenarios.prompt(row), Scenarios.options(row))) {
                    final List<Event> events = stream.stream().toList();
                    assertArrayEquals(Scenarios.ids(Json.map(row.get("expected")).get("token_ids")), ids(events));
                } catch (Throwable error) {
                    failures.add(row.get("name") + ": " + error);
                }
            };
            threads.add(new Thread(work));
            threads.add(new Thread(work));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) thread.join();
        assertEquals("", String.join("\n", failures));
    }

    @Test
    void samplesShareAPrompt() {
        final Map<String, Object> row = Scenarios.one("samples");
        final List<int[]> expected = Json.list(row.get("token_ids")).stream().map(Scenarios::ids).toList();
        final Reply reply = model.ask(Scenarios.prompt(row), Scenarios.options(row));
        final List<Event> events = model.generate(Scenarios.prompt(row), Scenarios.options(row)).stream().toList();
        assertEquals(expected.size(), reply.samples().size());
        for (int i = 0; i < expected.size(); i++) {
            final int sample = i;
            assertArrayEquals(expected.get(i), reply.samples().get(i).tokenIds());
            assertArrayEquals(expected.get(i), ids(events.stream().filter(e -> e.sample() == sample).toList()));
        }
        assertEquals(expected.size(), events.stream().filter(event -> event instanceof Event.End).count());
    }

    @Test
    void votesAreCounted() {
        final Map<String, Object> row = Scenarios.one("vote");
        final Vote vote = model.vote(
            Scenarios.prompt(row), Scenarios.options(row),
            new VoteOptions(Scenarios.number(row.get("n")), VoteWeighting.PLAIN, true, 0));
        final List<int[]> expected = Json.list(row.get("token_ids")).stream().map(Scenarios::ids).toList();
        assertEquals(expected.size(), vote.replies().size());
        for (int i = 0; i < expected.size(); i++) assertArrayEquals(expected.get(i), vote.replies().get(i).tokenIds());
        // Which of several with as many votes comes first, depends on which reply was done first.
        assertEquals(
            Scenarios.maps(row.get("answers")).stream()
                .map(a -> Scenarios.number(a.get("votes")) + " " + a.get("answer")).sorted().toList(),
            vote.answers().stream().map(a -> a.votes() + " " + a.answer()).sorted().toList());
        assertEquals(vote.answers().get(0).answer(), vote.answer());
        assertSame(vote.replies().get(vote.answers().get(0).reply()), vote.reply());
    }

    @Test
    void aCancelledStreamGaveTheFirstTokens() {
        final Map<String, Object> row = Scenarios.one("endless");
        try (Stream stream = model.generate(Scenarios.prompt(row), Scenarios.options(row))) {
            final List<Event> events = new ArrayList<>();
            while (events.size() < 5) events.add(stream.next());
            stream.cancel();
            stream.forEachRemaining(events::add);
            assertEquals(FinishReason.CANCELLED, ((Event.End) events.get(events.size() - 1)).finishReason());
            final int[] ids = ids(events);
            final int[] expected = Scenarios.ids(row.get("token_ids"));
            final int count = Math.min(ids.length, expected.length);
            assertTrue(ids.length >= 5);
            assertArrayEquals(Arrays.copyOf(expected, count), Arrays.copyOf(ids, count));
            stream.cancel(); // nothing to do
        }
    }

    @Test
    void anEndedThoughtIsFollowedByAnAnswer() {
        final Map<String, Object> row = Scenarios.one("endless");
        final Options options = Scenarios.optionsBuilder(row).maxTokens(300).build();
        try (Stream stream = model.generate(Scenarios.prompt(row), options)) {
            final List<Event> events = new ArrayList<>();
            while (events.size() < 5) events.add(stream.next());
            stream.endThought();
            stream.forEachRemaining(events::add);
            final List<Event> tokens = events.stream().filter(event -> event.token() != null).toList();
            final int forced = IntStream.range(0, tokens.size()).filter(i -> tokens.get(i).token().forced()).findFirst()
                .orElse(-1);
            assertTrue(forced >= 5);
            assertArrayEquals(Arrays.copyOf(Scenarios.ids(row.get("token_ids")), forced),
                              ids(tokens.subList(0, forced)));
            assertTrue(events.stream().anyMatch(event -> event instanceof Event.Answer && !event.text().isEmpty()));
        }
    }

    @Test
    void aTalkGoesOnAfterSaveRestoreAndFork(@TempDir Path folder) {
        final Map<String, Object> first = Json.map(Scenarios.one("talk").get("first"));
        final Map<String, Object> second = Json.map(Scenarios.one("talk").get("second"));
        final Path file = folder.resolve("session");
        try (Session session = model.newSession()) {
            assertArrayEquals(Scenarios.ids(first.get("token_ids")),
                              session.ask(Scenarios.prompt(first), Scenarios.options(first)).tokenIds());
            session.save(file);
            final List<Session> sessions = List.of(
                session.fork(), model.restore(file), model.restore(session.toBytes()), session);
            for (Session each : sessions) assertArrayEquals(session.tokens(), each.tokens());
            float[] logprobs = null;
            for (Session each : sessions) {
                final Reply reply = each.ask(Scenarios.prompt(second), Scenarios.options(second));
                assertArrayEquals(Scenarios.ids(second.get("token_ids")), reply.tokenIds());
                assertTrue(reply.usage().cachedTokens() >= Scenarios.number(second.get("cached_tokens_min")));
                if (logprobs == null) logprobs = reply.logprobs();
                assertArrayEquals(logprobs, reply.logprobs());
                each.rewind(3);
                assertArrayEquals(Arrays.copyOf(Scenarios.ids(second.get("ids")), 3), each.tokens());
                each.close();
            }
        }
    }

    @Test
    void scoresAreThoseOfTheOtherLanguages() {
        final Map<String, Object> row = Scenarios.one("score");
        final int[] ids = Scenarios.ids(row.get("ids"));
        final float[] logprobs = model.logprobs(ids);
        for (int i = 0; i < ids.length; i++) {
            assertEquals((Double) Json.list(row.get("logprobs")).get(i), logprobs[i], 1e-3);
        }
        assertArrayEquals(logprobs, model.score(ids, null, false, null).logprobs());
        final int size = (int) model.info().vocabSize();
        final float[] logits = model.logits(ids);
        assertEquals(ids.length * size, logits.length);
        assertArrayEquals(Scenarios.ids(row.get("argmax")), IntStream.range(0, ids.length).map(i -> {
            int best = 0;
            for (int k = 1; k < size; k++) best = logits[i * size + k] > logits[i * size + best] ? k : best;
            return best;
        }).toArray());
    }

    @Test
    void errorsHaveTheirStatus() {
        for (Map<String, Object> row : Scenarios.rows("errors")) {
            final PenseeException error = assertThrows(PenseeException.class, () -> {
                if (row.containsKey("open")) new Model(Scenarios.MODEL_PATH.resolveSibling((String) row.get("open")));
                else model.ask(Scenarios.prompt(row), Scenarios.options(row));
            });
            assertEquals(row.get("status"), error.status().name());
            assertFalse(error.getMessage().isEmpty());
        }
    }

    private static void check(Map<String, Object> row, Reply reply) {
        final Map<String, Object> expected = Json.map(row.get("expected"));
        assertArrayEquals(Scenarios.ids(expected.get("token_ids")), reply.tokenIds());
        // The space around the tags, which events bring, belongs to neither side of a whole reply.
        assertEquals(Scenarios.text(expected.get("thought")).replaceAll("^[ \t\r\n]+|[ \t\r\n]+$", ""),
                     reply.thought());
        assertEquals(Scenarios.text(expected.get("answer")).replaceAll("^[ \t\r\n]+", ""), reply.answer());
        assertEquals(expected.get("finish_reason"), reply.finishReason().name().toLowerCase(Locale.ROOT));
        assertEquals(expected.get("prompt_tokens"), (double) reply.usage().promptTokens());
        assertEquals(expected.get("thought_tokens"), (double) reply.usage().thoughtTokens());
        assertEquals(expected.get("answer_tokens"), (double) reply.usage().answerTokens());
        assertEquals(reply.tokenIds().length, reply.logprobs().length);
        final List<Map<String, Object>> calls = Scenarios.maps(expected.get("tool_calls"));
        assertEquals(calls.stream().map(call -> call.get("name")).toList(),
                     reply.toolCalls().stream().map(ToolCall::name).toList());
        assertEquals(calls.stream().map(call -> call.get("arguments")).toList(),
                     reply.toolCalls().stream().map(ToolCall::argumentsJson).toList());
        assertEquals("assistant", Json.map(Json.parse(reply.message().json())).get("role"));
    }

    private static int[] ids(List<Event> events) {
        return events.stream().filter(event -> event.token() != null).mapToInt(Event::tokenId).toArray();
    }

    private static String joined(List<Event> events, Event.Kind kind) {
        return events.stream().filter(event -> event.kind() == kind).map(Event::text).collect(Collectors.joining());
    }

    private static Message message(Map<String, Object> row) {
        final String content = Scenarios.text(row.get("content"));
        return switch (Scenarios.text(row.get("role"))) {
            case "system" -> Message.system(content);
            case "user" -> Message.user(content);
            default -> Message.assistant(content, Scenarios.text(row.get("reasoning_content")), List.of());
        };
    }

    /** Java tells nobody its descriptors; Linux does. */
    private static int[] descriptors(Path file) throws IOException {
        final Path all = Path.of("/proc/self/fd");
        if (!Files.isDirectory(all)) return new int[0];
        final List<Integer> found = new ArrayList<>();
        try (java.util.stream.Stream<Path> links = Files.list(all)) {
            for (Path link : links.toList()) {
                if (Files.isSymbolicLink(link) && Files.readSymbolicLink(link).equals(file.toRealPath())) {
                    found.add(Integer.valueOf(link.getFileName().toString()));
                }
            }
        }
        return found.stream().mapToInt(Integer::intValue).toArray();
    }
}
