package org.pensee;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Handles: what is closed throws, what is forgotten goes away, nothing crashes. */
@Timeout(120)
class LifetimeTest {
    static final Options ENDLESS = Options.builder().temperature(0).loopGuard(LoopGuard.OFF).build();
    private final Model model = Scenarios.model();

    @Test
    void aClosedModelThrowsAndItsSessionsLiveOn() {
        final Model closed = new Model(Scenarios.MODEL_PATH);
        final Session session = closed.newSession();
        closed.close();
        closed.close();
        assertThrows(IllegalStateException.class, () -> closed.tokenize("a"));
        assertThrows(IllegalStateException.class, closed::newSession);
        assertThrows(IllegalStateException.class, () -> closed.ask("Hi"));
        assertThrows(IllegalStateException.class, () -> closed.askAsync("Hi"));
        assertThrows(IllegalStateException.class, () -> closed.generate("Hi"));
        assertThrows(IllegalStateException.class, () -> closed.logits(1));
        assertThrows(IllegalStateException.class, closed::memory);
        assertThrows(IllegalStateException.class,
                     () -> model.ask("Hi", Options.builder().draftModel(closed).build()));
        assertEquals("qwen2", closed.info().architecture());
        assertEquals(4, session.ask("Hi", tokens(4)).tokenIds().length);
        session.close();
    }

    @Test
    void aPackedFileHoldsTheSameModel(@TempDir Path folder) {
        final Path path = folder.resolve("model.packed");
        assertEquals(Status.CANCELLED, assertThrows(
            PenseeException.class, () -> model.savePacked(path, fraction -> false)).status());
        assertTrue(Files.notExists(path));
        model.savePacked(path, null);
        final float[] expected = model.logits(1, 2, 3);
        try (Model packed = new Model(path)) {
            assertArrayEquals(expected, packed.logits(1, 2, 3));
            assertTrue(packed.memory().mapped() > 0 && packed.memory().weights() == 0);
        }
        try (Model read = new Model(path, ModelOptions.builder().packedFile(PackedFile.READ).build())) {
            assertArrayEquals(expected, read.logits(1, 2, 3));
            assertTrue(read.memory().mapped() == 0 && read.memory().weights() > 0);
        }
    }

    @Test
    void aClosedSessionThrowsAndItsStreamGoesOn() {
        final Session session = model.newSession();
        final Stream stream = session.generate("Hi", tokens(4));
        session.close();
        session.close();
        assertThrows(IllegalStateException.class, () -> session.ask("Hi"));
        assertThrows(IllegalStateException.class, session::tokens);
        assertThrows(IllegalStateException.class, session::cancel);
        assertThrows(IllegalStateException.class, session::fork);
        assertEquals(4, stream.stream().filter(event -> event.token() != null).count());
    }

    @Test
    void aClosedStreamThrowsAndFreesItsSession() {
        try (Session session = model.newSession()) {
            final Stream stream = session.generate("Hi", ENDLESS);
            assertNotNull(stream.next());
            assertEquals(Status.BUSY, assertThrows(PenseeException.class, () -> session.generate("Hi")).status());
            stream.close();
            stream.close();
            assertThrows(IllegalStateException.class, stream::next);
            assertThrows(IllegalStateException.class, stream::hasNext);
            assertThrows(IllegalStateException.class, stream::cancel);
            assertThrows(IllegalStateException.class, stream::endThought);
            assertEquals(3, session.ask("Hi", tokens(3)).tokenIds().length);
            try (java.util.stream.Stream<Event> events = session.generate("Hi", ENDLESS).stream()) {
                assertEquals(5, events.limit(5).count());
            }
            assertEquals(3, session.ask("Hi", tokens(3)).tokenIds().length);
        }
    }

    @Test
    void theEndOfAStreamFreesItsSession() {
        try (Session session = model.newSession()) {
            for (int i = 0; i < 3; i++) {
                final Stream stream = session.generate("Hi", tokens(3));
                while (stream.hasNext()) stream.next();
                assertTrue(stream.ended());
                assertNull(stream.poll(Duration.ofSeconds(1)));
                assertThrows(NoSuchElementException.class, stream::next);
                stream.cancel(); // nothing to do
                stream.close();
                assertFalse(stream.hasNext());
            }
        }
    }

    @Test
    void closingWhileOtherThreadsUseNeverCrashes() throws InterruptedException {
        for (int round = 0; round < 20; round++) {
            final Session session = model.newSession();
            final Stream stream = session.generate("Hi", ENDLESS);
            final List<Throwable> wrong = new ArrayList<>();
            final List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                final int kind = i;
                threads.add(new Thread(() -> {
                    try {
                        while (!stream.ended()) {
                            if (kind == 0) stream.endThought();
                            else if (kind == 1) session.cancel();
                            else stream.poll(Duration.ofMillis(kind == 2 ? 1 : 1000));
                        }
                    } catch (IllegalStateException closed) {
                        return;
                    } catch (Throwable error) {
                        synchronized (wrong) {
                            wrong.add(error);
                        }
                    }
                }));
            }
            threads.forEach(Thread::start);
            Thread.sleep(round % 5);
            if (round % 2 == 0) session.close();
            stream.close();
            session.close();
            for (Thread thread : threads) thread.join();
            assertEquals("[]", wrong.toString());
        }
    }

    @Test
    void closingAModelUnderWorkWaitsForNobody() throws InterruptedException {
        final Model busy = new Model(Scenarios.MODEL_PATH);
        final Object started = new Object();
        final int[] ids = new int[64];
        Arrays.setAll(ids, i -> i + 1);
        final Thread thread = new Thread(() -> {
            try {
                while (true) {
                    busy.logits(ids);
                    synchronized (started) {
                        started.notifyAll();
                    }
                }
            } catch (IllegalStateException closed) {
                return;
            }
        });
        synchronized (started) {
            thread.start();
            started.wait();
        }
        busy.close();
        thread.join();
    }

    @Test
    void whatIsForgottenIsCollected() throws InterruptedException {
        for (int i = 0; i < 20; i++) { // 40 streams: fewer than run at once
            assertNotNull(model.newSession().generate("Hi", ENDLESS).next());
            assertNotNull(model.generate("Hi", ENDLESS).next());
        }
        final Session session = model.newSession();
        final WeakReference<Stream> forgotten = new WeakReference<>(session.generate("Hi", ENDLESS));
        for (boolean free = false; !free;) { // busy until the forgotten stream is closed
            System.gc();
            Thread.sleep(20);
            try {
                assertEquals(3, session.ask("Hi", tokens(3)).tokenIds().length);
                free = true;
            } catch (PenseeException busy) {
                assertEquals(Status.BUSY, busy.status());
            }
        }
        assertNull(forgotten.get());
    }

    @Test
    void anExitWithEverythingOpenIsClean(@TempDir Path temporary) throws IOException, InterruptedException {
        assertEquals("bye\n", forget(temporary, 0));
        assertEquals(List.of(), list(temporary));
    }

    @Test
    void theLibraryMayLieElsewhere(@TempDir Path temporary) throws IOException, InterruptedException {
        final Path classes = Path.of(Model.class.getProtectionDomain().getCodeSource().getLocation().getPath());
        final Path folder = classes.resolve("org/pensee/natives").resolve(NativeLibrary.platform());
        final Path file = Files.copy(folder.resolve(System.mapLibraryName("pensee_java")),
                                     temporary.resolve("mine.so"));
        assertEquals("bye\n", forget(temporary, 0, "-Dpensee.library=" + folder));
        assertEquals("bye\n", forget(temporary, 0, "-Dpensee.library=" + file));
        assertTrue(forget(temporary, 1, "-Dpensee.library=/nowhere/mine.so").contains("/nowhere/mine.so"));
    }

    @Test
    void aPausedModelWaitsAndATrimmedOneSaysTheSame() {
        final ModelOptions low = ModelOptions.builder().threadPriority(ThreadPriority.LOW).build();
        final Options options = Options.builder().temperature(0).maxTokens(200).loopGuard(LoopGuard.OFF).build();
        try (Model own = new Model(Scenarios.MODEL_PATH, low); Session session = own.newSession()) {
            final int[] expected = session.ask("Hi", options).tokenIds();
            own.pause();
            try (Stream stream = session.generate("Hi", options)) {
                Event last = null;
                for (Event next = stream.poll(Duration.ofMillis(200)); next != null;
                     next = stream.poll(Duration.ofMillis(200))) {
                    last = next;
                }
                assertFalse(last instanceof Event.End);
                assertFalse(stream.ended());
                own.resume();
                assertTrue(stream.stream().reduce((a, b) -> b).orElseThrow() instanceof Event.End);
            }
            assertTrue(own.trim(TrimLevel.SESSIONS) > 0);
            final Memory memory = own.memory();
            assertTrue(memory.used() >= memory.weights() && memory.weights() > 0);
            own.setThreads(1);
            assertEquals(1, own.info().threads());
            assertArrayEquals(expected, session.ask("Hi", options).tokenIds());
        }
    }

    static Options tokens(int count) {
        return Options.builder().maxTokens(count).build();
    }

    /** Runs the program that closes nothing. */
    private static String forget(Path temporary, int status, String... flags) throws IOException, InterruptedException {
        final List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-Djava.io.tmpdir=" + temporary);
        command.addAll(List.of(flags));
        command.add("-cp");
        command.add(System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
        command.add(Forgetful.class.getName());
        command.add(Scenarios.MODEL_PATH.toString());
        final Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        final String out = new String(process.getInputStream().readAllBytes());
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(status, process.exitValue(), out);
        return out;
    }

    private static List<Path> list(Path temporary) throws IOException {
        try (java.util.stream.Stream<Path> left = Files.list(temporary)) {
            return left.filter(path -> path.toString().contains("pensee")).toList();
        }
    }
}
