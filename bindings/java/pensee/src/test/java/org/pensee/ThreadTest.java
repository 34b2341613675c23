package org.pensee;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Futures, interrupts and callbacks: what is cancelled stops, what is thrown arrives. */
@Timeout(120)
class ThreadTest {
    private final Model model = Scenarios.model();

    @Test
    void aSecondThreadOnASessionIsToldThatItIsBusy() throws Exception {
        try (Session session = model.newSession()) {
            model.pause(); // the reply cannot end before it is cancelled, however fast the machine is
            try {
                final Stream stream = session.generate("Hi", LifetimeTest.ENDLESS);
                final CompletableFuture<Event> reading = CompletableFuture.supplyAsync(stream::next);
                assertEquals(Status.BUSY, assertThrows(PenseeException.class, session::tokens).status());
                assertEquals(Status.BUSY, assertThrows(PenseeException.class, () -> session.ask("Hi")).status());
                session.cancel();
                assertEquals(FinishReason.CANCELLED, ((Event.End) reading.get()).finishReason());
            } finally {
                model.resume();
            }
        }
    }

    @Test
    void askingWithoutAThreadGivesTheSame() throws Exception {
        final Options options = Options.builder().temperature(0).maxTokens(12).build();
        final int[] expected = model.ask("Hi", options).tokenIds();
        final List<CompletableFuture<Reply>> replies = new ArrayList<>();
        for (int i = 0; i < 8; i++) replies.add(model.askAsync("Hi", options));
        for (CompletableFuture<Reply> reply : replies) assertArrayEquals(expected, reply.get().tokenIds());
        final VoteOptions three = new VoteOptions(3, VoteWeighting.CONFIDENCE, true, 0);
        assertEquals(3, model.voteAsync(Prompt.of("Hi"), options, three).get().replies().size());
    }

    @Test
    void cancellingAFutureCancelsTheReply() throws Exception {
        try (Session session = model.newSession()) {
            model.pause(); // neither reply can end before it is cancelled, however fast the machine is
            try {
                final CompletableFuture<Reply> asking = session.askAsync("Hi", LifetimeTest.ENDLESS);
                Thread.sleep(20);
                asking.cancel(true);
                assertThrows(CancellationException.class, asking::get);
                waitUntilFree(session);
                final CompletableFuture<Reply> late = session.askAsync("Hi", LifetimeTest.ENDLESS)
                    .orTimeout(20, TimeUnit.MILLISECONDS);
                assertTrue(assertThrows(ExecutionException.class, late::get).getCause()
                           instanceof java.util.concurrent.TimeoutException);
                waitUntilFree(session);
            } finally {
                model.resume();
            }
            assertFreeAgain(session);
        }
        final CompletableFuture<Reply> wrong = model.askAsync("Hi", Options.builder().topP(2).build());
        assertTrue(assertThrows(ExecutionException.class, wrong::get).getCause() instanceof PenseeException);
    }

    @Test
    void anInterruptEndsTheWaiting() throws Exception {
        try (Session session = model.newSession()) {
            final Stream stream = session.generate("Hi", LifetimeTest.ENDLESS);
            assertNotNull(stream.next());
            model.pause();
            Thread.currentThread().interrupt();
            try {
                final PenseeException error = assertThrows(PenseeException.class, () -> {
                    while (true) stream.next();
                });
                assertEquals(Status.CANCELLED, error.status());
                assertTrue(Thread.interrupted());
            } finally {
                Thread.interrupted();
                model.resume();
            }
            assertEquals(3, session.ask("Hi", LifetimeTest.tokens(3)).tokenIds().length);
        }
    }

    @Test
    void progressIsToldOnThisThread() {
        final List<Float> told = new ArrayList<>();
        final Thread here = Thread.currentThread();
        new Model(Scenarios.MODEL_PATH, ModelOptions.builder().progress(fraction -> {
            assertSame(here, Thread.currentThread());
            told.add(fraction);
            return true;
        }).build()).close();
        assertEquals(0f, told.get(0));
        assertEquals(1f, told.get(told.size() - 1));
        assertEquals(told.stream().sorted().toList(), told);
    }

    @Test
    void progressCancelsAndWhatItThrowsArrives() throws IOException {
        final Progress cancels = fraction -> false;
        final Progress throwing = fraction -> {
            throw new ArithmeticException("mine");
        };
        final ModelOptions cancelled = ModelOptions.builder().progress(cancels).build();
        final ModelOptions thrown = ModelOptions.builder().progress(throwing).build();
        final byte[] data = Files.readAllBytes(Scenarios.MODEL_PATH);
        assertEquals(Status.CANCELLED, assertThrows(
            PenseeException.class, () -> new Model(Scenarios.MODEL_PATH, cancelled)).status());
        assertEquals("mine", assertThrows(
            ArithmeticException.class, () -> new Model(Scenarios.MODEL_PATH, thrown)).getMessage());
        assertEquals("mine", assertThrows(
            ArithmeticException.class, () -> Model.fromMemory(ByteBuffer.wrap(data), thrown)).getMessage());
        final int[] ids = {1, 2, 3};
        assertEquals("mine", assertThrows(
            ArithmeticException.class, () -> model.score(ids, null, false, throwing)).getMessage());
        assertEquals(Status.CANCELLED, assertThrows(
            PenseeException.class, () -> model.score(ids, null, false, cancels)).status());
    }

    private static void waitUntilFree(Session session) throws InterruptedException {
        while (true) { // the class's time-out tells of a cancellation that is not heard
            try {
                session.tokens();
                return;
            } catch (PenseeException busy) {
                assertEquals(Status.BUSY, busy.status());
                Thread.sleep(1);
            }
        }
    }

    private static void assertFreeAgain(Session session) throws InterruptedException {
        for (int i = 0; i < 1000; i++) {
            try {
                assertEquals(3, session.ask("Hi", LifetimeTest.tokens(3)).tokenIds().length);
                return;
            } catch (PenseeException busy) {
                assertEquals(Status.BUSY, busy.status());
                Thread.sleep(10);
            }
        }
        assertEquals("free", "busy");
    }
}
