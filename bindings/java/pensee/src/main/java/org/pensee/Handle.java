package org.pensee;

import java.util.Set;
import java.lang.ref.PhantomReference;
import java.lang.ref.ReferenceQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongConsumer;

/**
 * A handle of the library. A call uses it for as long as it lasts: closed meanwhile, on whatever thread, it is freed
 * when the last call is back; once closed it cannot be used any more. Those whose owner was forgotten are closed by a
 * thread of their own (java.lang.ref.Cleaner would do it too, but Android has it from version 13 on only). The library
 * lets handles be freed in any order.
 */
final class Handle {
    private final long pointer;
    private final String owner;
    private final LongConsumer free;
    private final Forgotten reference;
    private int users;
    private boolean closed;

    /** `free` must not hold on to `owner`. */
    Handle(long pointer, Object owner, LongConsumer free) {
        this.pointer = pointer;
        this.owner = owner.getClass().getName();
        this.free = free;
        this.reference = new Forgotten(owner, this);
    }

    /** A use of the handle, to be closed when the call is back. */
    Use use() {
        synchronized (this) {
            if (closed) throw new IllegalStateException(owner + " is closed");
            users++;
        }
        return new Use(this);
    }

    synchronized boolean isClosed() {
        return closed;
    }

    /** Waits for nobody. May be called again. */
    void close() {
        final boolean last;
        synchronized (this) {
            if (closed) return;
            closed = true;
            last = users == 0;
        }
        reference.done();
        if (last) free.accept(pointer);
    }

    private void release() {
        final boolean last;
        synchronized (this) {
            users--;
            last = closed && users == 0;
        }
        if (last) free.accept(pointer);
    }

    /** For try-with-resources. */
    static final class Use implements AutoCloseable {
        final long pointer;
        private Handle handle;

        private Use(Handle handle) {
            this.pointer = handle.pointer;
            this.handle = handle;
        }

        @Override
        public void close() {
            if (handle != null) handle.release();
            handle = null;
        }
    }

    /** Comes to the queue when the owner is unreachable. */
    private static final class Forgotten extends PhantomReference<Object> {
        private static final Set<Forgotten> ALL = ConcurrentHashMap.newKeySet();
        private static final ReferenceQueue<Object> QUEUE = new ReferenceQueue<>();

        static {
            final Thread thread = new Thread(Forgotten::closeAll, "pensee-forgotten");
            thread.setDaemon(true);
            thread.start();
        }

        private final Handle handle;

        Forgotten(Object owner, Handle handle) {
            super(owner, QUEUE);
            this.handle = handle;
            ALL.add(this);
        }

        void done() {
            ALL.remove(this);
            clear();
        }

        private static void closeAll() {
            while (true) {
                try {
                    ((Forgotten) QUEUE.remove()).handle.close();
                } catch (InterruptedException nobodyMeansThisThread) {
                    continue;
                }
            }
        }
    }
}
