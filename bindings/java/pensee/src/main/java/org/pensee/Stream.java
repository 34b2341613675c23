package org.pensee;

import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.StreamSupport;

/**
 * The events of one request, in their order, once: an iterator, something to loop over, and by {@link #stream} a stream
 * of java.util. The last is an {@link Event.End}, with {@link Options#n()} one for each sample; then the session is
 * free again. Close it where it may be left early: that cancels what still runs. Any thread may {@link #cancel},
 * {@link #endThought} or {@link #close}. A thread that is interrupted while it waits cancels the reply.
 */
public final class Stream implements Iterator<Event>, Iterable<Event>, AutoCloseable {
    private static final long INTERRUPT_MILLISECONDS = 50; // how long a wait does not look at interrupts
    private final Handle handle;
    private final ModelInfo info;
    private final ReentrantLock turn = new ReentrantLock();
    private int endsLeft;
    private volatile boolean ended;

    Stream(long pointer, ModelInfo info, int samples) {
        this.handle = new Handle(pointer, this, Native::pensee_stream_free);
        this.info = info;
        this.endsLeft = samples;
    }

    /**
     * Whether the last event was handed over.
     *
     * @return true: nothing follows
     */
    public boolean ended() {
        return ended;
    }

    /** The end, or a failure, has not been handed over. Does not wait. */
    @Override
    public boolean hasNext() {
        if (handle.isClosed() && !ended) throw new IllegalStateException("org.pensee.Stream is closed");
        return !ended;
    }

    /** The next event; waits for it. */
    @Override
    public Event next() {
        final Event next = pull(-1);
        if (next == null) throw new NoSuchElementException("the last event was handed over");
        return next;
    }

    /**
     * The next event, if it comes in time.
     *
     * @param timeout how long to wait
     * @return null: none came, or the last one was handed over ({@link #ended})
     */
    public Event poll(Duration timeout) {
        return pull(Math.max(0, (timeout.toNanos() + 999_999) / 1_000_000));
    }

    /** This stream: it can be looped over once. */
    @Override
    public Iterator<Event> iterator() {
        return this;
    }

    /**
     * What has not been handed over yet.
     *
     * @return to be closed, which closes this
     */
    public java.util.stream.Stream<Event> stream() {
        return StreamSupport.stream(spliterator(), false).onClose(this::close);
    }

    /** One event after the other, never split. */
    @Override
    public Spliterator<Event> spliterator() {
        return Spliterators.spliteratorUnknownSize(this, Spliterator.ORDERED | Spliterator.NONNULL);
    }

    /** Stops the reply; the end follows. Any thread. Nothing to do after the end. */
    public void cancel() {
        if (ended) return;
        try (Handle.Use stream = handle.use()) {
            Native.pensee_stream_cancel(stream.pointer);
        } catch (IllegalStateException closed) {
            if (!ended) throw closed;
        }
    }

    /** Closes the thought now, or as soon as one opens; the answer follows. Any thread. */
    public void endThought() {
        if (ended) return;
        try (Handle.Use stream = handle.use()) {
            Native.pensee_stream_end_thought(stream.pointer);
        } catch (IllegalStateException closed) {
            if (!ended) throw closed;
        }
    }

    /**
     * Cancels what still runs and frees it; waits for nobody. May be called again; other methods throw
     * IllegalStateException afterwards, unless the stream had ended.
     */
    @Override
    public void close() {
        if (handle.isClosed()) return;
        try (Handle.Use stream = handle.use()) {
            Native.pensee_stream_cancel(stream.pointer); // whoever pulls comes back at once
        } catch (IllegalStateException meanwhile) {
            return;
        }
        handle.close();
    }

    /** null: no event in time, or all were handed over. */
    private Event pull(long milliseconds) {
        turn.lock();
        try {
            if (ended) return null;
            try {
                return waitFor(milliseconds);
            } catch (PenseeException failure) {
                end();
                throw failure;
            }
        } finally {
            turn.unlock();
        }
    }

    private Event waitFor(long milliseconds) {
        final pensee_event event = new pensee_event();
        try (Handle.Use stream = handle.use()) {
            final long begin = System.nanoTime();
            while (true) {
                final long left = milliseconds - (System.nanoTime() - begin) / 1_000_000;
                final long slice = milliseconds < 0 ? INTERRUPT_MILLISECONDS
                    : Math.max(0, Math.min(left, INTERRUPT_MILLISECONDS));
                final int status = Native.pensee_stream_next(stream.pointer, slice, event);
                if (status == Status.OK.value) return read(event);
                if (status == Status.NO_MORE_EVENTS.value) {
                    end();
                    return null;
                }
                if (Thread.currentThread().isInterrupted()) {
                    Native.pensee_stream_cancel(stream.pointer);
                    throw new PenseeException(Status.CANCELLED, "the thread that waited was interrupted");
                }
                if (milliseconds >= 0 && left <= slice) return null;
            }
        } finally {
            event.delete();
        }
    }

    private Event read(pensee_event event) {
        final Event next = Reading.event(event, info);
        if (next instanceof Event.End && --endsLeft == 0) end();
        return next;
    }

    /** Before anybody hears of the end, the session is free. */
    private void end() {
        ended = true;
        handle.close();
    }
}
