package org.pensee;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** Long calls on threads of their own, as futures that can be cancelled. */
final class Work {
    private static final long CANCEL_AGAIN_MILLISECONDS = 10; // a cancel that came before the call began is not heard

    private Work() {
    }

    /** `cancel` makes `call` come back soon; it may be called often, and when `call` is over. */
    static <T> CompletableFuture<T> start(Supplier<T> call, Runnable cancel) {
        final CompletableFuture<T> future = new CompletableFuture<>();
        final AtomicBoolean over = new AtomicBoolean();
        final Thread thread = daemon("pensee-work", () -> {
            T result = null;
            Throwable failure = null;
            try {
                result = call.get();
            } catch (Throwable thrown) {
                failure = thrown;
            }
            over.set(true);
            if (failure == null) future.complete(result);
            else future.completeExceptionally(failure);
        });
        thread.start();
        future.whenComplete((result, failure) -> {
            if (!over.get()) daemon("pensee-cancel", () -> stop(thread, over, cancel)).start();
        });
        return future;
    }

    private static void stop(Thread thread, AtomicBoolean over, Runnable cancel) {
        try {
            while (!over.get()) {
                cancel.run();
                thread.join(CANCEL_AGAIN_MILLISECONDS);
            }
        } catch (IllegalStateException closed) { // nobody can cancel it any more; it ends by itself
            return;
        } catch (InterruptedException nobodyMeansThisThread) {
            return;
        }
    }

    private static Thread daemon(String name, Runnable work) {
        final Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }
}
